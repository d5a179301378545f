/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/features.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ingest/encoding.h"
#include "ingest/feature_columns.h"
#include "ingest/fields.h"
#include "ingest/name_list.h"
#include "ingest/source.h"
#include "numeric/sparse.h"

enum { NONE, STANDARD, UNIT }; /* choices of --feature-scale */

void feature_source_clear(feature_source *features)
{
    string_table_clear(&features->ids);
    feature_table_clear(&features->table);
}

feature_side feature_side_users(const reader_params *params)
{
    return (feature_side){"user", params->user_features, params->user_feature_columns, false};
}

feature_side feature_side_items(const reader_params *params)
{
    return (feature_side){"item", params->item_features, params->item_feature_columns, true};
}

/* One feature of one user or item, as read. */
typedef struct feature_entry {
    uint32_t entity, feature;
    float number;
    uint32_t file;
    uint64_t line;
} feature_entry;

/* Everything under way between files and a feature_source. */
typedef struct feature_reading {
    const feature_side *side;
    id_pool ids, names;
    bool *is_number; /* [name_room] of each name: whether a column of numbers gave it */
    size_t name_room;
    feature_entry *entries; /* [count] */
    size_t count, capacity;
    char *cell; /* [cell_capacity] text of the cell under way */
    size_t cell_capacity;
    /* The file under way */
    const feature_layout *layout;
    const char *path;
    uint32_t file;
    uint64_t line;
} feature_reading;

static void reading_clear(feature_reading *reading)
{
    id_pool_clear(&reading->ids);
    id_pool_clear(&reading->names);
    free(reading->is_number);
    free(reading->entries);
    free(reading->cell);
}

static topn_status add_entry(topn_context *context, feature_reading *reading, uint32_t entity, const char *name,
                             float number, bool is_number)
{
    topn_status status;
    uint32_t feature;
    status = id_pool_add(&reading->names, (const unsigned char *)name, strlen(name), &feature);
    if (status != TOPN_OK)
        return fail_memory(context, strlen(name));
    if (feature >= reading->name_room) {
        const size_t room = 2 * reading->name_room + 256;
        TRY(RESIZE(context, room, &reading->is_number));
        memset(reading->is_number + reading->name_room, false, room - reading->name_room);
        reading->name_room = room;
    }
    reading->is_number[feature] = reading->is_number[feature] || is_number;
    if (reading->count == reading->capacity) {
        const size_t capacity = 2 * reading->capacity + 1024;
        TRY(RESIZE(context, capacity, &reading->entries));
        reading->capacity = capacity;
    }
    reading->entries[reading->count++] = (feature_entry){entity, feature, number, reading->file, reading->line};
done:
    return status;
}

/* Text of a cell in reading->cell, UTF-8. */
static topn_status cell_text(topn_context *context, feature_reading *reading, const table_field *cell, size_t *length)
{
    topn_status status = TOPN_OK;
    const size_t room = 2 * (size_t)(cell->end - cell->begin) + 2;
    if (room > reading->cell_capacity) {
        TRY(RESIZE(context, 2 * room, &reading->cell));
        reading->cell_capacity = 2 * room;
    }
    *length = table_text(cell, reading->layout->latin1, reading->cell, room);
    if (!text_is_utf8((const unsigned char *)reading->cell, *length))
        return fail(context, TOPN_ERROR_DATA,
                    "%s:%" PRIu64 ": a cell is not UTF-8; for ISO 8859-1 use --encoding latin-1", reading->path,
                    reading->line);
done:
    return status;
}

static topn_status cell_number(topn_context *context, const feature_reading *reading, const feature_column *column,
                               const char *text, size_t length, float *out)
{
    double value;
    char shown[48];
    if (parse_real((const unsigned char *)text, length, &value) && isfinite((float)value)) {
        *out = (float)value;
        return TOPN_OK;
    }
    return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": %s \"%s\" is not a finite number", reading->path,
                reading->line, column->name, text_excerpt((const unsigned char *)text, length, shown));
}

/* The feature of one value: "name=value", the value alone in a column called "feature". */
static topn_status add_value(topn_context *context, feature_reading *reading, uint32_t entity,
                             const feature_column *column, const char *text, size_t length, float amount)
{
    char name[FEATURE_NAME + ID_LONGEST + 2];
    if (length > ID_LONGEST)
        return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": a value of %s has %zu bytes; at most %d are allowed",
                    reading->path, reading->line, column->name, length, ID_LONGEST);
    const bool verbatim = strcmp(column->name, "feature") == 0;
    snprintf(name, sizeof name, "%s%s%.*s", verbatim ? "" : column->name, verbatim ? "" : "=", (int)length, text);
    return add_entry(context, reading, entity, name, amount, false);
}

static topn_status add_set(topn_context *context, feature_reading *reading, uint32_t entity,
                           const feature_column *column, float amount)
{
    topn_status status = TOPN_OK;
    for (const char *at = reading->cell; *at;) {
        const char *begin = at, *end = at;
        while (*end && *end != column->separator)
            end++;
        at = *end ? end + 1 : end;
        while (begin < end && is_blank((unsigned char)*begin))
            begin++;
        while (end > begin && is_blank((unsigned char)end[-1]))
            end--;
        if (end > begin)
            TRY(add_value(context, reading, entity, column, begin, (size_t)(end - begin), amount));
    }
done:
    return status;
}

static topn_status add_vector(topn_context *context, feature_reading *reading, uint32_t entity,
                              const feature_column *column)
{
    topn_status status = TOPN_OK;
    char name[FEATURE_NAME + 24];
    float value = 0;
    const char *at = reading->cell + strspn(reading->cell, " ");
    for (size_t place = 1; *at; place++) {
        const size_t length = strcspn(at, " ");
        TRY(cell_number(context, reading, column, at, length, &value));
        snprintf(name, sizeof name, "%s.%zu", column->name, place);
        TRY(add_entry(context, reading, entity, name, value, true));
        at += length + strspn(at + length, " ");
    }
done:
    return status;
}

static topn_status add_cell(topn_context *context, feature_reading *reading, uint32_t entity, size_t place,
                            const table_field *cell, float amount)
{
    topn_status status;
    const feature_column *column = &reading->layout->columns[place];
    size_t length;
    float number = 0;
    if (column->type == COLUMN_SKIP || column->type == COLUMN_ID || column->type == COLUMN_AMOUNT)
        return TOPN_OK;
    TRY(cell_text(context, reading, cell, &length));
    if (length == 0)
        return TOPN_OK;
    switch (column->type) {
    case COLUMN_SET:
        return add_set(context, reading, entity, column, amount);
    case COLUMN_VECTOR:
        return add_vector(context, reading, entity, column);
    case COLUMN_NUMBER:
        TRY(cell_number(context, reading, column, reading->cell, length, &number));
        return add_entry(context, reading, entity, column->name, number, true);
    default:
        return add_value(context, reading, entity, column, reading->cell, length, amount);
    }
done:
    return status;
}

/* Number of the row's categories: its amount, else 1. */
static topn_status row_amount(topn_context *context, feature_reading *reading, const table_field *cells, float *out)
{
    topn_status status = TOPN_OK;
    size_t length;
    *out = 1.0f;
    for (size_t place = 0; place < reading->layout->count; place++) {
        const feature_column *column = &reading->layout->columns[place];
        if (column->type != COLUMN_AMOUNT)
            continue;
        TRY(cell_text(context, reading, &cells[place], &length));
        if (length > 0)
            TRY(cell_number(context, reading, column, reading->cell, length, out));
    }
done:
    return status;
}

static topn_status add_row(topn_context *context, feature_reading *reading, const table_field *cells)
{
    topn_status status;
    const feature_layout *layout = reading->layout;
    size_t length;
    uint32_t entity;
    float amount;
    TRY(cell_text(context, reading, &cells[layout->id], &length));
    if (length == 0 || length > ID_LONGEST)
        return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": the %s id has %zu bytes; 1 to %d are allowed",
                    reading->path, reading->line, reading->side->who, length, ID_LONGEST);
    status = id_pool_add(&reading->ids, (const unsigned char *)reading->cell, length, &entity);
    if (status != TOPN_OK)
        return fail_memory(context, length);
    TRY(row_amount(context, reading, cells, &amount));
    for (size_t place = 0; place < layout->count; place++)
        TRY(add_cell(context, reading, entity, place, &cells[place], amount));
done:
    return status;
}

static topn_status read_rows(topn_context *context, feature_reading *reading, const unsigned char *text, size_t size,
                             table_field *cells)
{
    topn_status status = TOPN_OK;
    const feature_layout *layout = reading->layout;
    const unsigned char *at = text, *end = text + size;
    bool header = layout->header;
    for (reading->line = 1; at < end; reading->line++) {
        const unsigned char *begin = at;
        const size_t count = table_split(&layout->dialect, at, end, cells, FEATURE_COLUMNS, &at);
        const bool blank = count == 1 && cells[0].begin == cells[0].end;
        if (!blank && header) {
            header = false;
        } else if (!blank) {
            if (count != layout->count)
                return fail(context, TOPN_ERROR_DATA, "%s:%" PRIu64 ": %zu field%s where the first line has %zu",
                            reading->path, reading->line, count, count == 1 ? "" : "s", layout->count);
            TRY(add_row(context, reading, cells));
        }
        for (const unsigned char *inside = begin; inside + 1 < at; inside++)
            reading->line += *inside == '\n';
        if (reading->line % 65536 == 0)
            TRY(progress_report(context, "read features", "bytes", (uint64_t)(at - text), size, NAN));
    }
done:
    return status;
}

static topn_status read_file(topn_context *context, source *from, const reader_params *params, bool several,
                             bool *matched, feature_reading *reading)
{
    topn_status status;
    feature_layout *layout = NULL;
    table_field *cells = NULL;
    const unsigned char *text;
    size_t size;
    char types[600];
    const size_t entries = reading->count;
    reading->path = source_path(from);
    TRY(source_rest(context, from, &text, &size));
    if (size == 0 || memchr(text, 0, size)) {
        status = fail(context, TOPN_ERROR_DATA, "%s:1: %s", reading->path,
                      size == 0 ? "the file is empty" : "features are read from text, and this is none");
        goto done;
    }
    TRY(ALLOCATE_ZEROED(context, 1, &layout));
    TRY(ALLOCATE(context, FEATURE_COLUMNS, &cells));
    TRY(feature_columns_find(context, reading->path, params, reading->side, text, size, several, matched, layout));
    reading->layout = layout;
    TRY(read_rows(context, reading, text, size, cells));
    feature_columns_describe(layout, types, sizeof types);
    log_line(context, "%s features: %zu from %s (%s%s): %s", reading->side->who, reading->count - entries,
             reading->path, layout->dialect.name, layout->latin1 ? ", latin-1" : "", types);
done:
    reading->layout = NULL;
    free(layout);
    free(cells);
    return status;
}

/* ---- From entries to a table ---- */

typedef struct named {
    const char *name;
    uint32_t origin;
} named;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const feature_entry *left = a, *right = b;
    if (left->entity != right->entity)
        return left->entity < right->entity ? -1 : 1;
    return (left->feature > right->feature) - (left->feature < right->feature);
}

/* Names in byte order; the entries' features and is_number follow. */
static topn_status sort_names(topn_context *context, feature_reading *reading, bool *is_number, string_table *out)
{
    topn_status status;
    const id_pool *pool = &reading->names;
    named *names = NULL;
    uint32_t *number = NULL;
    const char **texts = NULL;
    TRY(ALLOCATE(context, pool->count, &names));
    TRY(ALLOCATE(context, pool->count, &number));
    TRY(ALLOCATE(context, pool->count, &texts));
    for (uint32_t name = 0; name < pool->count; name++)
        names[name] = (named){pool->bytes + pool->offsets[name], name};
    qsort(names, pool->count, sizeof *names, by_name);
    for (uint32_t place = 0; place < pool->count; place++) {
        number[names[place].origin] = place;
        texts[place] = names[place].name;
        is_number[place] = reading->is_number[names[place].origin];
    }
    for (size_t at = 0; at < reading->count; at++)
        reading->entries[at].feature = number[reading->entries[at].feature];
    status = string_table_create(context, texts, pool->count, out);
done:
    free(names);
    free(number);
    free(texts);
    return status;
}

static topn_status pool_strings(topn_context *context, const id_pool *pool, string_table *out)
{
    topn_status status;
    const char **texts = NULL;
    TRY(ALLOCATE(context, pool->count, &texts));
    for (uint32_t at = 0; at < pool->count; at++)
        texts[at] = pool->bytes + pool->offsets[at];
    status = string_table_create(context, texts, pool->count, out);
done:
    free(texts);
    return status;
}

/* Sorted entries become rows; the same feature twice must have the same number. */
static topn_status fill_rows(topn_context *context, feature_reading *reading, feature_source *out)
{
    topn_status status;
    sparse_matrix *rows = &out->table.rows;
    uint64_t to = 0;
    uint32_t row = 0;
    qsort(reading->entries, reading->count, sizeof *reading->entries, by_place);
    TRY(sparse_create(context, out->ids.count, out->table.names.count, reading->count, rows));
    for (size_t at = 0; at < reading->count; at++) {
        const feature_entry *entry = &reading->entries[at], *before = at ? entry - 1 : NULL;
        while (row < entry->entity)
            rows->indptr[++row] = to;
        if (before && by_place(before, entry) == 0) {
            const feature_entry *later = before->line > entry->line ? before : entry;
            if (before->number == entry->number)
                continue;
            return fail(context, TOPN_ERROR_DATA,
                        "line %" PRIu64 " of the %s features: %s \"%s\" has two numbers of \"%s\", %g and %g",
                        later->line, reading->side->who, reading->side->who, string_table_get(&out->ids, entry->entity),
                        string_table_get(&out->table.names, entry->feature), (double)before->number,
                        (double)entry->number);
        }
        rows->indices[to] = entry->feature;
        rows->values[to++] = entry->number;
    }
    while (row < out->ids.count)
        rows->indptr[++row] = to;
done:
    return status;
}

/* Columns of numbers get mean 0 and deviation 1 over the rows that have one. */
static topn_status standardise(topn_context *context, const bool *is_number, sparse_matrix *rows)
{
    topn_status status;
    double *sum = NULL, *square = NULL;
    uint64_t *counts = NULL;
    const uint64_t entries = rows->indptr[rows->rows];
    TRY(ALLOCATE_ZEROED(context, rows->columns, &sum));
    TRY(ALLOCATE_ZEROED(context, rows->columns, &square));
    TRY(ALLOCATE_ZEROED(context, rows->columns, &counts));
    for (uint64_t at = 0; at < entries; at++) {
        sum[rows->indices[at]] += (double)rows->values[at];
        counts[rows->indices[at]]++;
    }
    for (uint64_t at = 0; at < entries; at++) {
        const uint32_t column = rows->indices[at];
        const double off = (double)rows->values[at] - sum[column] / (double)counts[column];
        square[column] += off * off;
    }
    for (uint64_t at = 0; at < entries; at++) {
        const uint32_t column = rows->indices[at];
        if (!is_number[column])
            continue;
        const double deviation = sqrt(square[column] / (double)counts[column]);
        const double off = (double)rows->values[at] - sum[column] / (double)counts[column];
        rows->values[at] = deviation > 0 ? (float)(off / deviation) : 0.0f;
    }
done:
    free(sum);
    free(square);
    free(counts);
    return status;
}

static void scale_rows(sparse_matrix *rows)
{
    for (uint32_t row = 0; row < rows->rows; row++) {
        double square = 0;
        for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++)
            square += (double)rows->values[at] * (double)rows->values[at];
        const double length = sqrt(square);
        for (uint64_t at = rows->indptr[row]; length > 0 && at < rows->indptr[row + 1]; at++)
            rows->values[at] = (float)((double)rows->values[at] / length);
    }
}

static topn_status finish(topn_context *context, const reader_params *params, feature_reading *reading,
                          feature_source *out)
{
    topn_status status;
    bool *is_number = NULL;
    feature_source made = {0};
    if (reading->names.count == 0)
        return fail(context, TOPN_ERROR_DATA,
                    "%s: no features of %ss are there; --%s-feature-columns names the columns",
                    reading->side->files ? reading->side->files : "file", reading->side->who, reading->side->who);
    TRY(ALLOCATE(context, reading->names.count, &is_number));
    TRY(sort_names(context, reading, is_number, &made.table.names));
    TRY(pool_strings(context, &reading->ids, &made.ids));
    TRY(fill_rows(context, reading, &made));
    if (params->feature_scale != NONE && reading->side->items) { /* filters compare what was read */
        const uint64_t entries = made.table.rows.indptr[made.table.rows.rows];
        TRY(ALLOCATE(context, entries, &made.table.unscaled));
        memcpy(made.table.unscaled, made.table.rows.values, entries * sizeof *made.table.unscaled);
    }
    if (params->feature_scale == STANDARD)
        TRY(standardise(context, is_number, &made.table.rows));
    if (params->feature_scale == UNIT)
        scale_rows(&made.table.rows);
    *out = made;
    made = (feature_source){0};
done:
    free(is_number);
    feature_source_clear(&made);
    return status;
}

topn_status features_read_source(topn_context *context, source *from, const reader_params *params,
                                 const feature_side *side, feature_source *out)
{
    topn_status status;
    feature_reading reading = {.side = side};
    bool matched[FEATURE_COLUMNS] = {false};
    *out = (feature_source){0};
    TRY(read_file(context, from, params, false, matched, &reading));
    TRY(finish(context, params, &reading, out));
done:
    reading_clear(&reading);
    return status;
}

/* Every entry of the option must be a column of one of several files. */
static topn_status check_matched(topn_context *context, const feature_side *side, const bool *matched)
{
    char entry[LISTED_NAME];
    size_t index = 0;
    for (const char *rest = side->columns; list_next(&rest, entry, sizeof entry); index++)
        if (!matched[index])
            return fail(context, TOPN_ERROR_OPTION,
                        "--%s-feature-columns: no file of --%s-features has a column \"%s\"", side->who, side->who,
                        entry);
    return TOPN_OK;
}

topn_status features_read(topn_context *context, const reader_params *params, const feature_side *side,
                          feature_source *out)
{
    topn_status status;
    feature_reading reading = {.side = side};
    bool matched[FEATURE_COLUMNS] = {false};
    char path[4096];
    const bool several = strchr(side->files, ',') != NULL;
    size_t entries = 0;
    *out = (feature_source){0};
    for (const char *rest = side->columns; list_next(&rest, path, sizeof path);)
        if (++entries > FEATURE_COLUMNS)
            return fail(context, TOPN_ERROR_OPTION, "--%s-feature-columns: at most %d columns can be named", side->who,
                        FEATURE_COLUMNS);
    for (const char *rest = side->files; list_next(&rest, path, sizeof path); reading.file++) {
        source *from = NULL;
        TRY(source_open(context, path, &from));
        status = read_file(context, from, params, several, matched, &reading);
        source_close(from);
        TRY(status);
    }
    TRY(check_matched(context, side, matched));
    TRY(finish(context, params, &reading, out));
done:
    reading_clear(&reading);
    return status;
}
