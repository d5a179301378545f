/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/table.h"

#include "base/timestamp.h"
#include "ingest/encoding.h"
#include "ingest/fields.h"

#include <math.h>
#include <string.h>

static const table_dialect dialects[] = {
    {.separator = ':', .doubled = true, .name = "::"},
    {.separator = '\t', .name = "tab"},
    {.separator = ',', .quotes = true, .name = "comma"},
    {.separator = ';', .quotes = true, .name = "semicolon"},
    {.separator = '|', .name = "pipe"},
    {.separator = ' ', .blanks = true, .name = "space"},
};
enum { DIALECTS = sizeof dialects / sizeof *dialects };

/* Where the field that starts at text ends: at a separator, a newline or `end`. */
static const unsigned char *field_end(const table_dialect *dialect, const unsigned char *text, const unsigned char *end)
{
    for (;; text++) {
        text = find_mark(text, end, dialect->separator);
        if (text == end || *text == '\n' || !dialect->doubled || (end - text > 1 && text[1] == ':'))
            break;
    }
    return text;
}

/* Past the closing quote of the quoted field at text, when a separator or line end follows it; else NULL: then the
 * quote is text like any other. */
static const unsigned char *quoted_end(const table_dialect *dialect, const unsigned char *text,
                                       const unsigned char *end, bool *escaped)
{
    *escaped = false;
    for (text++;; text += 2) {
        text = memchr(text, '"', (size_t)(end - text));
        if (!text)
            return NULL;
        if (text + 1 == end || text[1] != '"')
            break;
        *escaped = true;
    }
    text++;
    const unsigned char *after = text;
    while (after < end && is_blank(*after) && *after != dialect->separator)
        after++;
    if (after == end || *after == '\n' || *after == dialect->separator ||
        (*after == '\r' && (after + 1 == end || after[1] == '\n')))
        return text;
    return NULL;
}

/* One field at *at, which moves to the separator, newline or end that follows it. */
static table_field take_field(const table_dialect *dialect, const unsigned char **at, const unsigned char *end)
{
    table_field field = {*at, NULL, false};
    const unsigned char *close = NULL;
    if (*at < end && **at == '"') {
        const unsigned char *line = dialect->quotes ? end : memchr(*at, '\n', (size_t)(end - *at));
        close = quoted_end(dialect, *at, line ? line : end, &field.escaped);
    }
    if (close) {
        field.begin++;
        field.end = close - 1;
        *at = field_end(dialect, close, end);
        return field;
    }
    field.escaped = false;
    *at = field_end(dialect, *at, end);
    field.end = *at;
    trim(&field.begin, &field.end);
    return field;
}

static const unsigned char *skip_blanks(const unsigned char *text, const unsigned char *end)
{
    while (text < end && is_blank(*text))
        text++;
    return text;
}

/* Steps over the separator at text; false at a line end. */
static bool step_over(const table_dialect *dialect, const unsigned char **text, const unsigned char *end)
{
    if (*text == end || **text != dialect->separator)
        return false;
    *text += dialect->doubled ? 2 : 1;
    if (dialect->blanks) {
        *text = skip_blanks(*text, end);
        if (*text == end || **text == '\n' || (**text == '\r' && (*text + 1 == end || (*text)[1] == '\n'))) {
            *text += *text < end && **text == '\r';
            return false;
        }
    }
    return true;
}

size_t table_split(const table_dialect *dialect, const unsigned char *text, const unsigned char *end,
                   table_field *fields, size_t capacity, const unsigned char **next)
{
    size_t count = 0;
    if (dialect->blanks)
        text = skip_blanks(text, end);
    do {
        const table_field field = take_field(dialect, &text, end);
        if (count < capacity)
            fields[count] = field;
        count++;
    } while (step_over(dialect, &text, end));
    *next = text < end ? text + 1 : end;
    return count;
}

size_t table_text(const table_field *field, bool latin1, char *out, size_t capacity)
{
    size_t to = 0;
    for (const unsigned char *at = field->begin; at < field->end; at++) {
        unsigned char bytes[2];
        const size_t length = latin1 ? text_from_latin1(at, 1, bytes) : (bytes[0] = *at, 1);
        if (to + length >= capacity)
            break;
        memcpy(out + to, bytes, length);
        to += length;
        if (field->escaped && *at == '"')
            at++;
    }
    out[to] = '\0';
    return to;
}

/* ---- Dialects ---- */

static bool blank_line(const unsigned char *text, const unsigned char *end)
{
    text = skip_blanks(text, end);
    return text == end || *text == '\n' || (*text == '\r' && (text + 1 == end || text[1] == '\n'));
}

double table_dialect_fit(const table_dialect *dialect, const unsigned char *head, size_t size, size_t *columns)
{
    const unsigned char *at = head, *end = head + size;
    size_t lines = 0, same = 0, first = 0;
    while (at < end && lines < 200) {
        const unsigned char *next;
        if (blank_line(at, end)) {
            const unsigned char *newline = memchr(at, '\n', (size_t)(end - at));
            at = newline ? newline + 1 : end;
            continue;
        }
        const size_t fields = table_split(dialect, at, end, NULL, 0, &next);
        if (lines++ == 0)
            first = fields;
        same += fields == first;
        at = next;
    }
    *columns = first;
    return lines && first > 1 ? (double)same / (double)lines : 0.0;
}

topn_status table_dialect_find(topn_context *context, const char *path, const char *separator,
                               const unsigned char *head, size_t size, table_dialect *out)
{
    static const char *const spellings[DIALECTS] = {"::", "\t", ",", ";", "|", " "};
    if (separator && strcmp(separator, "auto") != 0) {
        for (size_t index = 0; index < DIALECTS; index++) {
            if (strcmp(separator, dialects[index].name) != 0 && strcmp(separator, spellings[index]) != 0)
                continue;
            *out = dialects[index];
            return TOPN_OK;
        }
        if (strcmp(separator, "\\t") == 0) {
            *out = dialects[1];
            return TOPN_OK;
        }
        return fail(context, TOPN_ERROR_OPTION,
                    "--separator: \"%s\" is none of \",\" \"tab\" \"::\" \";\" \"|\" \"space\" \"auto\"", separator);
    }
    double best = 0;
    for (size_t index = 0; index < DIALECTS; index++) {
        size_t columns;
        const double fit = table_dialect_fit(&dialects[index], head, size, &columns);
        if (fit > best + 1e-9) {
            best = fit;
            *out = dialects[index];
        }
    }
    if (best > 0)
        return TOPN_OK;
    const unsigned char *newline = memchr(head, '\n', size);
    char shown[48];
    text_excerpt(head, newline ? (size_t)(newline - head) : size, shown);
    return fail(context, TOPN_ERROR_DATA,
                "%s:1: \"%s\" is one column; a user and an item are needed (--separator says what stands between them)",
                path, shown);
}

/* ---- Rows ---- */

/* What is being parsed. */
typedef struct cursor {
    const unsigned char *at, *end, *limit;
    const table_layout *layout;
    event_run *run;
} cursor;

static bool bad_number(event_run *run, const char *what, const table_field *field, const char *kind)
{
    char shown[48];
    return event_run_fail(run, TOPN_ERROR_DATA, "%s \"%s\" is not %s", what,
                          text_excerpt(field->begin, (size_t)(field->end - field->begin), shown), kind);
}

/* Code of a field's text; empty is FIELD_MISSING where that is allowed. */
static bool slow_id(cursor *row, id_pool *pool, const char *what, bool optional, uint32_t *out)
{
    const unsigned char *start = row->at;
    const table_field field = take_field(&row->layout->dialect, &row->at, row->end);
    if (row->layout->dialect.quotes && field.begin < field.end && field.begin == start && *start == '"')
        return event_run_fail(row->run, TOPN_ERROR_DATA, "a quoted field does not end with a quote");
    const size_t length = (size_t)(field.end - field.begin);
    if (optional && length == 0) {
        *out = FIELD_MISSING;
        return true;
    }
    if (!field.escaped)
        return event_run_id(row->run, pool, field.begin, length, row->layout->latin1, what, out);
    if (length > ID_LONGEST)
        return event_run_fail(row->run, TOPN_ERROR_DATA, "the %s id has %zu bytes; at most %d are allowed", what,
                              length, ID_LONGEST);
    unsigned char text[ID_LONGEST + 1];
    const size_t plain = table_text(&field, false, (char *)text, sizeof text);
    return event_run_id(row->run, pool, text, plain, row->layout->latin1, what, out);
}

/* Whether a field that a fast path has read ends at `at`. */
static inline bool ends_here(const table_layout *layout, const unsigned char *at)
{
    if (!layout->ends[*at])
        return false;
    if (*at == '\r')
        return at[1] == '\n';
    return !layout->dialect.doubled || *at == '\n' || at[1] == ':';
}

/* A whole number of up to eight digits is its own code. */
static inline bool fast_id(cursor *row, uint32_t *out)
{
    const unsigned char *at = row->at;
    if (__builtin_expect(row->limit - at >= FIELD_MARGIN, 1)) {
        uint64_t value;
        const unsigned count = digits_leading(at, &value);
        if (count > 0 && (at[0] != '0' || count == 1) && at + count < row->end && ends_here(row->layout, at + count)) {
            *out = (uint32_t)value;
            row->at = at + count;
            return true;
        }
    }
    return false;
}

static inline bool take_user(cursor *row, uint32_t *out)
{
    return fast_id(row, out) || slow_id(row, &row->run->pools->users, "user", false, out);
}

static inline bool take_item(cursor *row, uint32_t *out)
{
    return fast_id(row, out) || slow_id(row, &row->run->pools->items, "item", false, out);
}

/* A value of the context's field. */
static bool take_value(cursor *row, size_t field, uint32_t *out)
{
    return fast_id(row, out) ||
           slow_id(row, &row->run->pools->fields[field], row->layout->field_names[field], true, out);
}

static bool slow_weight(cursor *row, float *out)
{
    const table_field field = take_field(&row->layout->dialect, &row->at, row->end);
    double value;
    if (!parse_real(field.begin, (size_t)(field.end - field.begin), &value))
        return bad_number(row->run, "weight", &field, "a number");
    if (!isfinite((float)value) || value < 0)
        return bad_number(row->run, "weight", &field, "finite and at least 0");
    *out = (float)value;
    return true;
}

static inline bool take_weight(cursor *row, float *out)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
    const unsigned char *at = row->at;
    if (__builtin_expect(row->limit - at >= FIELD_MARGIN, 1)) {
        uint64_t whole, fraction = 0;
        const unsigned count = digits_leading(at, &whole);
        unsigned places = 0;
        at += count;
        if (*at == '.')
            places = digits_leading(++at, &fraction);
        if (count > 0 && count + places <= 15 && at + places < row->end) {
            at += places;
            if (ends_here(row->layout, at)) { /* both parts exact in a double, one rounding */
                *out = (float)(((double)whole * powers[places] + (double)fraction) / powers[places]);
                row->at = at;
                return true;
            }
        }
    }
    return slow_weight(row, out);
}

/* A word of the weight column. */
static bool take_kind(cursor *row, float *out)
{
    const table_field field = take_field(&row->layout->dialect, &row->at, row->end);
    char word[2 * EVENT_KIND_NAME];
    const size_t length = table_text(&field, row->layout->latin1, word, sizeof word);
    const float *weight = event_weights_find(row->layout->kinds, (const unsigned char *)word, length);
    if (!weight)
        return bad_number(row->run, "event", &field, "a kind of --event-weights (KIND:0 would drop it)");
    *out = *weight;
    return true;
}

static bool slow_time(cursor *row, int64_t *out)
{
    const table_field field = take_field(&row->layout->dialect, &row->at, row->end);
    if (timestamp_read((const char *)field.begin, (size_t)(field.end - field.begin), out, &row->run->scaled_times))
        return true;
    return bad_number(row->run, "time", &field, "a number of seconds or a date such as 2024-01-31T12:00:00");
}

static inline bool take_time(cursor *row, int64_t *out)
{
    const unsigned char *at = row->at;
    if (__builtin_expect(row->limit - at >= FIELD_MARGIN, 1)) {
        static const uint64_t scales[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
        uint64_t high, low = 0;
        unsigned count = digits_leading(at, &high);
        if (count == 8) {
            const unsigned more = digits_leading(at + 8, &low);
            high = high * scales[more] + low;
            count += more;
        }
        if (count > 0 && count < 16 && at + count < row->end && ends_here(row->layout, at + count)) {
            *out = (int64_t)high;
            if (__builtin_expect(*out >= TIMESTAMP_SECONDS_END, 0))
                *out = timestamp_scale(*out, &row->run->scaled_times);
            row->at = at + count;
            return true;
        }
    }
    return slow_time(row, out);
}

/* Number of fields of the line that starts at text, for messages. */
static size_t count_fields(const table_layout *layout, const unsigned char *text, const unsigned char *end)
{
    const unsigned char *next;
    return table_split(&layout->dialect, text, end, NULL, 0, &next);
}

static bool ragged(const cursor *row, const unsigned char *line)
{
    const size_t found = count_fields(row->layout, line, row->end);
    return event_run_fail(row->run, TOPN_ERROR_DATA, "%zu field%s where the first line has %zu", found,
                          found == 1 ? "" : "s", row->layout->columns);
}

/* Skips the columns after the last used one; counts their separators. */
static bool skip_rest(cursor *row, const unsigned char *line, size_t column)
{
    const table_layout *layout = row->layout;
    const unsigned char *at = row->at;
    if (at < row->end && *at == '\n')
        return column + 1 == layout->columns || ragged(row, line);
    const unsigned char *newline = memchr(at, '\n', (size_t)(row->end - at));
    const unsigned char *stop = newline ? newline : row->end;
    const bool simple = !layout->dialect.doubled && !layout->dialect.blanks && !memchr(at, '"', (size_t)(stop - at));
    if (!simple) {
        while (step_over(&layout->dialect, &row->at, row->end)) {
            take_field(&layout->dialect, &row->at, row->end);
            column++;
        }
        return column + 1 == layout->columns || ragged(row, line);
    }
    size_t separators = 0;
    for (; at < stop; at++)
        separators += *at == layout->dialect.separator;
    row->at = stop;
    return column + separators + 1 == layout->columns || ragged(row, line);
}

static inline bool parse_row(cursor *row)
{
    const table_layout *layout = row->layout;
    const unsigned char *line = row->at;
    uint32_t user = 0, item = 0, values[MOST_FIELDS];
    float weight = 1.0f;
    int64_t time = 0;
    if (layout->dialect.blanks)
        row->at = skip_blanks(row->at, row->end);
    for (size_t column = 0;; column++) {
        bool good = true;
        switch ((column_role)layout->roles[column]) {
        case ROLE_USER:
            good = take_user(row, &user);
            break;
        case ROLE_ITEM:
            good = take_item(row, &item);
            break;
        case ROLE_WEIGHT:
            good = layout->kinds ? take_kind(row, &weight) : take_weight(row, &weight);
            break;
        case ROLE_TIME:
            good = take_time(row, &time);
            break;
        case ROLE_NONE:
            take_field(&layout->dialect, &row->at, row->end);
            break;
        default:
            good = take_value(row, layout->roles[column] - ROLE_FIELD, &values[layout->roles[column] - ROLE_FIELD]);
        }
        if (!good)
            return false;
        if (column == layout->last_used) {
            if (row->at < row->end && *row->at == '\r')
                row->at++;
            if (!skip_rest(row, line, column))
                return false;
            break;
        }
        if (!step_over(&layout->dialect, &row->at, row->end))
            return ragged(row, line);
    }
    if (!event_run_append(row->run, user, item, weight, time))
        return false;
    event_run_context(row->run, values);
    return true;
}

void table_parse(const text_chunk *chunk, const void *layout, event_run *run)
{
    cursor row = {chunk->begin, chunk->end, chunk->limit, layout, run};
    const bool quotes = row.layout->dialect.quotes && memchr(chunk->begin, '"', (size_t)(chunk->end - chunk->begin));
    const size_t guess = (size_t)(chunk->end - chunk->begin) / 20 + 16;
    if (event_run_grow(run, guess) != TOPN_OK) {
        event_run_fail(run, TOPN_ERROR_MEMORY, "no memory for more events");
        return;
    }
    while (row.at < row.end) {
        const unsigned char *line = row.at;
        if (*line == '\n' || *line == '\r' || *line == ' ') {
            if (blank_line(line, row.end)) {
                const unsigned char *newline = memchr(line, '\n', (size_t)(row.end - line));
                row.at = newline ? newline + 1 : row.end;
                run->lines++;
                continue;
            }
        }
        if (!parse_row(&row))
            return;
        row.at += row.at < row.end; /* the newline */
        run->lines++;
        if (quotes && memchr(line, '"', (size_t)(row.at - line))) /* newlines inside fields are lines of the file */
            for (const unsigned char *at = line; at + 1 < row.at; at++)
                run->lines += *at == '\n';
    }
}
