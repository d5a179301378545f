/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix Market coordinate files (NIST): rows are users, columns items, numbered from 1. Ids are these numbers; rows
 * and columns without entries are kept.
 */
#include "base/memory.h"
#include "ingest/fields.h"
#include "ingest/text_lines.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct matrix_layout {
    bool pattern;
    uint64_t rows, columns, entries;
} matrix_layout;

static bool take_whole(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    while (*at < end && is_blank(**at))
        ++*at;
    const unsigned char *begin = *at;
    while (*at < end && **at >= '0' && **at <= '9')
        ++*at;
    return parse_whole(begin, (size_t)(*at - begin), out);
}

static bool parse_entry(const matrix_layout *layout, const unsigned char *at, const unsigned char *end, event_run *run)
{
    uint64_t row, column;
    double value = 1;
    char shown[48];
    const unsigned char *line = at;
    if (!take_whole(&at, end, &row) || !take_whole(&at, end, &column))
        return event_run_fail(run, TOPN_ERROR_DATA, "\"%s\" does not start with a row and a column",
                              text_excerpt(line, (size_t)(end - line), shown));
    if (row < 1 || row > layout->rows || column < 1 || column > layout->columns)
        return event_run_fail(run, TOPN_ERROR_DATA,
                              "entry (%" PRIu64 ", %" PRIu64 ") lies outside the %" PRIu64 " × %" PRIu64 " matrix", row,
                              column, layout->rows, layout->columns);
    while (at < end && is_blank(*at))
        at++;
    if (layout->pattern ? at != end : !parse_real(at, (size_t)(end - at), &value))
        return event_run_fail(run, TOPN_ERROR_DATA, "\"%s\" is not %s", text_excerpt(at, (size_t)(end - at), shown),
                              layout->pattern ? "the end of a pattern's entry" : "a number");
    if (!isfinite((float)value) || value < 0)
        return event_run_fail(run, TOPN_ERROR_DATA, "value \"%s\" is not finite and at least 0",
                              text_excerpt(at, (size_t)(end - at), shown));
    if (value == 0) {
        run->zeros++;
        return true;
    }
    return event_run_append(run, (uint32_t)row, (uint32_t)column, (float)value, 0);
}

static void parse(const text_chunk *chunk, const void *layout, event_run *run)
{
    for (const unsigned char *at = chunk->begin; at < chunk->end; run->lines++) {
        const unsigned char *newline = memchr(at, '\n', (size_t)(chunk->end - at));
        const unsigned char *begin = at, *stop = newline ? newline : chunk->end;
        at = newline ? newline + 1 : chunk->end;
        trim(&begin, &stop);
        if (begin < stop && *begin != '%' && !parse_entry(layout, begin, stop, run))
            return;
    }
}

/* One line of the header; false when it is not whole. */
static bool next_line(const unsigned char **at, const unsigned char *end, char *line, size_t capacity)
{
    const unsigned char *newline = memchr(*at, '\n', (size_t)(end - *at));
    const unsigned char *stop = newline ? newline : end;
    if (*at == end)
        return false;
    size_t length = (size_t)(stop - *at);
    length = length < capacity ? length : capacity - 1;
    memcpy(line, *at, length);
    line[length] = '\0';
    *at = newline ? newline + 1 : end;
    return true;
}

static topn_status read_banner(topn_context *context, const char *path, const char *line, matrix_layout *layout)
{
    char object[32], form[32], field[32], symmetry[32];
    if (sscanf(line, "%%%%MatrixMarket %31s %31s %31s %31s", object, form, field, symmetry) != 4 ||
        strcasecmp(object, "matrix") != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s:1: not \"%%%%MatrixMarket matrix coordinate FIELD general\"", path);
    layout->pattern = strcasecmp(field, "pattern") == 0;
    if (!layout->pattern && strcasecmp(field, "integer") != 0 && strcasecmp(field, "real") != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s:1: field \"%s\" is none of pattern, integer, real", path, field);
    if (strcasecmp(form, "coordinate") != 0 || strcasecmp(symmetry, "general") != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s:1: the matrix is \"%s %s\"; only \"coordinate general\" is read",
                    path, form, symmetry);
    return TOPN_OK;
}

static topn_status read_header(topn_context *context, source *from, matrix_layout *layout, uint64_t *lines)
{
    topn_status status;
    const unsigned char *head;
    size_t size;
    bool last;
    char line[1024];
    TRY(source_peek(context, from, 1 << 20, &head, &size, &last));
    const unsigned char *at = head, *end = head + size;
    if (!next_line(&at, end, line, sizeof line))
        line[0] = '\0';
    TRY(read_banner(context, source_path(from), line, layout));
    *lines = 1;
    do {
        ++*lines;
        if (!next_line(&at, end, line, sizeof line))
            return fail(context, TOPN_ERROR_FORMAT, "%s:%" PRIu64 ": the line \"rows columns entries\" is missing",
                        source_path(from), *lines);
    } while (line[0] == '%' || line[strspn(line, " \t\r")] == '\0');
    const unsigned char *text = (const unsigned char *)line, *stop = text + strlen(line);
    if (!take_whole(&text, stop, &layout->rows) || !take_whole(&text, stop, &layout->columns) ||
        !take_whole(&text, stop, &layout->entries))
        return fail(context, TOPN_ERROR_FORMAT, "%s:%" PRIu64 ": \"%.40s\" is not \"rows columns entries\"",
                    source_path(from), *lines, line);
    if (layout->rows >= ID_TEXT || layout->columns >= ID_TEXT)
        return fail(context, TOPN_ERROR_DATA,
                    "%s:%" PRIu64 ": a %" PRIu64 " × %" PRIu64
                    " matrix; at most 2147483647 users and items are possible",
                    source_path(from), *lines, layout->rows, layout->columns);
    source_consume(from, (size_t)(at - head));
done:
    return status;
}

static topn_status read_matrix(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    (void)params;
    topn_status status;
    matrix_layout layout = {0};
    text_lines lines = {.parse = parse, .layout = &layout};
    TRY(read_header(context, from, &layout, &lines.first_line));
    sink->has_weights = !layout.pattern;
    sink->all_users_from = sink->all_items_from = 1;
    sink->all_users = layout.rows;
    sink->all_items = layout.columns;
    const char *columns = layout.pattern ? "user=row, item=column" : "user=row, item=column, weight=value";
    log_line(context, "columns: %s", columns);
    TRY(event_sink_describe(context, sink, "matrix-market", columns));
    TRY(event_sink_check_shape(context, layout.rows, layout.columns));
    TRY(text_lines_read(context, from, &lines, sink));
    uint64_t found = 0;
    for (size_t run = 0; run < sink->count; run++)
        found += sink->runs[run]->count + sink->runs[run]->zeros;
    if (found != layout.entries)
        status = fail(context, TOPN_ERROR_DATA, "%s: %" PRIu64 " entries where the header says %" PRIu64,
                      source_path(from), found, layout.entries);
done:
    return status;
}

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    static const char banner[] = "%%MatrixMarket";
    return size >= sizeof banner - 1 && memcmp(head, banner, sizeof banner - 1) == 0 ? 100 : 0;
}

const format format_matrix_market = {
    .name = "matrix-market",
    .summary = "Matrix Market coordinate, rows users and columns items: pattern, integer or real",
    .probe = probe,
    .read = read_matrix,
};
