/* SPDX-License-Identifier: Apache-2.0
 *
 * Delimited text: one event a line, columns between separators, with or without a header.
 */
#include "ingest/table.h"

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

static topn_status read_delimited(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    return table_read(context, from, params, "delimited", NULL, false, sink);
}

const format format_delimited = {
    .name = "delimited",
    .summary = "one event a line: user,item[,weight[,time]]; comma, tab, ::, semicolon, pipe or space",
    .probe = probe,
    .read = read_delimited,
};
