/* SPDX-License-Identifier: Apache-2.0
 *
 * Delimited text: one event a line, columns between separators, with or without a header.
 */
#include "ingest/table.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    table_dialect dialect;
    size_t columns;
    if (size == 0 || memchr(head, 0, size) || table_dialect_find(NULL, path, "auto", head, size, &dialect) != TOPN_OK)
        return 1; /* the last resort: its messages tell what is wrong */
    const double fit = table_dialect_fit(&dialect, head, size, &columns);
    return (int)(10 + 60 * fit);
}

/* Whole lines of the head only, unless the file ends with it. */
static size_t whole_lines(const unsigned char *head, size_t size, bool last)
{
    if (last)
        return size;
    const unsigned char *newline = memrchr(head, '\n', size);
    return newline ? (size_t)(newline + 1 - head) : size;
}

static topn_status read_table(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    topn_status status;
    table_layout *layout = NULL;
    const unsigned char *head;
    size_t size;
    bool last;
    char name[64];
    TRY(ALLOCATE_ZEROED(context, 1, &layout));
    TRY(source_peek(context, from, TABLE_HEAD, &head, &size, &last));
    size = whole_lines(head, size, last);
    TRY(table_dialect_find(context, source_path(from), params->separator, head, size, &layout->dialect));
    snprintf(name, sizeof name, "delimited (%s)", layout->dialect.name);
    TRY(columns_find(context, source_path(from), params, name, head, size, layout, sink));
    text_lines lines = {.parse = table_parse,
                        .layout = layout,
                        .separator = layout->dialect.separator,
                        .quoted = layout->dialect.quotes};
    if (layout->header) {
        const unsigned char *at = head;
        size_t before = 0;
        while (at < head + size && (*at == '\n' || *at == '\r'))
            before += *at++ == '\n';
        const unsigned char *next;
        table_split(&layout->dialect, at, head + size, NULL, 0, &next);
        for (; at < next; at++)
            before += *at == '\n';
        lines.first_line = before;
        source_consume(from, (size_t)(next - head));
    }
    status = text_lines_read(context, from, &lines, sink);
done:
    free(layout);
    return status;
}

const format format_delimited = {
    .name = "delimited",
    .summary = "one event a line: user,item[,weight[,time]]; comma, tab, ::, semicolon, pipe or space",
    .probe = probe,
    .read = read_table,
};
