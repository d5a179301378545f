/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/reused_pattern.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "model/model_file.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"

static const uint32_t absent = UINT32_MAX;

uint64_t reused_pattern_bytes(const char *path)
{
    struct stat file;
    if (!path || !*path || stat(path, &file) != 0)
        return 0;
    /* The mapped file, where an entry takes 8 bytes; it takes 4 in the pattern and 8 in the table. */
    return (uint64_t)file.st_size * 5 / 2;
}

topn_status reused_pattern_needs_k(topn_context *context, const char *method_name)
{
    return fail(context, TOPN_ERROR_OPTION,
                "option --k of %s: with --pattern-from the model is sparse; say how many numbers items that are not in "
                "it keep",
                method_name);
}

void reused_pattern_clear(reused_pattern *pattern)
{
    free(pattern->item_at);
    free(pattern->known);
    sparse_clear(&pattern->rows);
    *pattern = (reused_pattern){0};
}

/* A model beside the data. */
typedef struct source {
    topn_model *model;
    uint32_t *dimension; /* [items of the model] the item's own dimension, or absent */
    uint32_t *in_data;   /* [dimensions] item of the data that a dimension stands for, or absent */
    uint32_t *in_model;  /* [items of the data] item of the model, or absent; absent also without a dimension */
    uint32_t *position;  /* [items of the data] item → model position */
} source;

static void source_clear(source *from)
{
    topn_model_free(from->model);
    free(from->dimension);
    free(from->in_data);
    free(from->in_model);
    free(from->position);
    *from = (source){0};
}

static topn_status check_structure(topn_context *context, const char *method_name, const char *path,
                                   const topn_model *model)
{
    const char *name = record_get(&model->metadata, "method");
    if (model->table.kind == ITEMS_SHARED && model->dimension_items && model->encoder.rows.form == TABLE_SPARSE)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "option --pattern-from of %s: %s is a %s model of %s, which has no sparse factor; models of chol, "
                "inverse-factor, fsai and chol-sparse with --k have one",
                method_name, path, model->encoder.rows.form == TABLE_DENSE ? "dense" : "sparse",
                name ? name : "an unknown method");
}

static topn_status match_items(topn_context *context, const char *method_name, const char *path, const topn_data *data,
                               source *from, uint32_t *matched)
{
    topn_status status;
    const topn_model *model = from->model;
    const size_t dimensions = embedding_dimensions(&model->encoder.rows);
    TRY(ALLOCATE(context, model->items, &from->dimension));
    TRY(ALLOCATE(context, dimensions, &from->in_data));
    TRY(ALLOCATE(context, data->matrix.columns, &from->in_model));
    TRY(ALLOCATE(context, data->matrix.columns, &from->position));
    for (uint32_t item = 0; item < model->items; item++)
        from->dimension[item] = absent;
    for (uint32_t item = 0; item < data->matrix.columns; item++)
        from->in_model[item] = absent;
    *matched = 0;
    for (size_t dimension = 0; dimension < dimensions; dimension++) {
        const uint32_t item = model->dimension_items[dimension];
        const char *id = string_table_get(&model->item_ids, item);
        from->dimension[item] = (uint32_t)dimension;
        if (!id_index_find(&data->items_by_id, id, &from->in_data[dimension])) {
            from->in_data[dimension] = absent;
            continue;
        }
        from->in_model[from->in_data[dimension]] = item;
        ++*matched;
    }
    log_line(context, "--pattern-from: %" PRIu32 " of %" PRIu32 " items are in %s", *matched, data->matrix.columns,
             path);
    if (!*matched)
        status =
            fail(context, TOPN_ERROR_OPTION,
                 "option --pattern-from of %s: no item of %s has the id of an item of the data", method_name, path);
done:
    return status;
}

/* Whether the rows of the source end at their own dimension: most entries then lie before it. */
static bool is_lower(const source *from)
{
    const sparse_matrix *rows = &from->model->encoder.rows.sparse;
    uint64_t before = 0, behind = 0;
    for (uint32_t item = 0; item < rows->rows; item++)
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1] && from->dimension[item] != absent; at++) {
            before += rows->indices[at] < from->dimension[item];
            behind += rows->indices[at] > from->dimension[item];
        }
    return before >= behind;
}

/* Known items by dimension, ascending or descending; the others before or behind them, in the order given. */
static topn_status set_order(topn_context *context, const topn_data *data, item_order order, bool lower, source *from,
                             uint32_t matched, reused_pattern *out)
{
    topn_status status;
    const uint32_t items = data->matrix.columns;
    const size_t dimensions = embedding_dimensions(&from->model->encoder.rows);
    const bool reversed = is_lower(from) != lower;
    uint32_t *others = NULL; /* [items] all of them in the order given */
    TRY(ALLOCATE(context, items, &others));
    TRY(ALLOCATE(context, items, &out->item_at));
    TRY(ALLOCATE(context, items, &out->known));
    TRY(item_order_compute(context, &data->matrix, order, others));
    uint32_t known = lower ? 0 : items - matched, other = lower ? matched : 0;
    for (size_t step = 0; step < dimensions; step++) {
        const uint32_t item = from->in_data[reversed ? dimensions - 1 - step : step];
        if (item != absent)
            out->item_at[known++] = item;
    }
    for (uint32_t at = 0; at < items; at++)
        if (from->in_model[others[at]] == absent)
            out->item_at[other++] = others[at];
    for (uint32_t position = 0; position < items; position++) {
        from->position[out->item_at[position]] = position;
        out->known[position] = from->in_model[out->item_at[position]] != absent;
    }
done:
    free(others);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The source's entries between items of the data, on this side of the diagonal or on it. indices NULL: only counts. */
static uint64_t map_row(const source *from, uint32_t item, bool lower, uint32_t *indices)
{
    const sparse_matrix *rows = &from->model->encoder.rows.sparse;
    const uint32_t row = from->in_model[item], own = from->position[item];
    uint64_t count = 0;
    for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++) {
        const uint32_t other = from->in_data[rows->indices[at]];
        if (other == absent || (lower ? from->position[other] > own : from->position[other] < own))
            continue;
        if (indices)
            indices[count] = from->position[other];
        count++;
    }
    return count;
}

static topn_status map_rows(topn_context *context, const source *from, uint32_t items, bool lower, reused_pattern *out)
{
    topn_status status;
    sparse_matrix *rows = &out->rows;
    rows->rows = rows->columns = items;
    TRY(ALLOCATE(context, (size_t)items + 1, &rows->indptr));
    rows->indptr[0] = 0;
    for (uint32_t position = 0; position < items; position++)
        rows->indptr[position + 1] =
            rows->indptr[position] + (out->known[position] ? map_row(from, out->item_at[position], lower, NULL) : 0);
    TRY(ALLOCATE(context, rows->indptr[items], &rows->indices));
    for (uint32_t position = 0; position < items; position++) {
        uint32_t *indices = rows->indices + rows->indptr[position];
        if (!out->known[position])
            continue;
        map_row(from, out->item_at[position], lower, indices);
        qsort(indices, rows->indptr[position + 1] - rows->indptr[position], sizeof *indices, ascending);
    }
done:
    return status;
}

topn_status reused_pattern_read(topn_context *context, const char *method_name, const char *path, const topn_data *data,
                                item_order order, bool lower, record *metadata, reused_pattern *out)
{
    topn_status status;
    source from = {0};
    uint32_t matched;
    *out = (reused_pattern){0};
    TRY(model_load(context, path, &from.model));
    TRY(check_structure(context, method_name, path, from.model));
    TRY(match_items(context, method_name, path, data, &from, &matched));
    TRY(set_order(context, data, order, lower, &from, matched, out));
    TRY(map_rows(context, &from, data->matrix.columns, lower, out));
    TRY(record_set(context, metadata, "train.pattern-items", "%" PRIu32, matched));
    TRY(record_set(context, metadata, "train.pattern-entries", "%" PRIu64, out->rows.indptr[out->rows.rows]));
done:
    source_clear(&from);
    if (status != TOPN_OK)
        reused_pattern_clear(out);
    return status;
}

/* The triangle's rows, or columns, of the unknown items. */
typedef struct unknown_rows {
    const symmetric *triangle;
    const bool *known;
    bool lower;
} unknown_rows;

static void make_unknown(const void *matrix, size_t first, size_t count, float *scratch, const float **row,
                         size_t *width)
{
    const unknown_rows *from = matrix;
    const size_t n = from->triangle->n;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= !from->known[first + i];
    if (any && !from->lower)
        triangle_gather_columns(from->triangle, first, count, scratch);
    for (size_t i = 0; i < count; i++) {
        row[i] = from->lower ? symmetric_row(from->triangle, first + i) : scratch + i * n;
        width[i] = from->known[first + i] ? 0 : from->lower ? first + i + 1 : n;
    }
}

static float triangle_at(const symmetric *triangle, bool lower, uint32_t own, uint32_t other)
{
    return lower ? symmetric_row(triangle, own)[other] : symmetric_row(triangle, other)[own];
}

topn_status reused_pattern_keep(topn_context *context, const reused_pattern *pattern, const symmetric *triangle,
                                bool lower, uint32_t k, const uint32_t *position, sparse_matrix *out)
{
    topn_status status;
    sparse_matrix others = {0}; /* by model position: rows of the unknown items */
    const uint32_t items = pattern->rows.rows;
    const unknown_rows unknown = {.triangle = triangle, .known = pattern->known, .lower = lower};
    const row_stream stream = {
        .rows = items, .columns = items, .matrix = &unknown, .make = make_unknown, .needs_scratch = !lower};
    *out = (sparse_matrix){0};
    TRY(stream_prune_rows(context, &stream, k, &others));
    TRY(sparse_create(context, items, items, pattern->rows.indptr[items] + others.indptr[items], out));
    for (uint32_t item = 0; item < items; item++) {
        const uint32_t at = position[item];
        const sparse_matrix *from = pattern->known[at] ? &pattern->rows : &others;
        out->indptr[item + 1] = out->indptr[item] + from->indptr[at + 1] - from->indptr[at];
    }
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t item = 0; item < items; item++) {
        const uint32_t own = position[item];
        const sparse_matrix *from = pattern->known[own] ? &pattern->rows : &others;
        const uint64_t begin = from->indptr[own], count = from->indptr[own + 1] - begin, to = out->indptr[item];
        for (uint64_t at = 0; at < count; at++) {
            out->indices[to + at] = from->indices[begin + at];
            out->values[to + at] = triangle_at(triangle, lower, own, from->indices[begin + at]);
        }
    }
done:
    sparse_clear(&others);
    if (status != TOPN_OK)
        sparse_clear(out);
    return status;
}
