/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/slim_pairs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "model/model_file.h"
#include "numeric/sparse.h"

static const uint32_t absent = UINT32_MAX;

double pairs_file_bytes(const char *path)
{
    struct stat file;
    if (!path || stat(path, &file) != 0)
        return 0;
    return 5 * (double)file.st_size; /* the mapped file, and at most two entries of 8 bytes where it may hold 4 */
}

/* A model beside the data: which item is which. */
typedef struct pairing {
    topn_model *model;
    uint32_t *in_model; /* [items of the data] row of the model's table, or absent */
    uint32_t *in_data;  /* [columns of the model's table] item of the data, or absent */
    bool both_ways;     /* each entry stands for (i, j) and (j, i) */
} pairing;

static void pairing_clear(pairing *pair)
{
    topn_model_free(pair->model);
    free(pair->in_model);
    free(pair->in_data);
    *pair = (pairing){0};
}

static topn_status check_kind(topn_context *context, const topn_model *model, const char *option, const char *path,
                              bool pattern)
{
    const bool bag = model->encoder.kind == ENCODER_BAG;
    if (bag && model->table.kind == ITEMS_IDENTITY)
        return TOPN_OK;
    if (bag && pattern && model->table.kind == ITEMS_SHARED && model->dimension_items)
        return TOPN_OK;
    const char *name = record_get(&model->metadata, "method");
    return fail(context, TOPN_ERROR_OPTION,
                "option --%s: %s is a model of %s, which holds no %s; models of %s and the like do", option, path,
                name ? name : "an unknown method", pattern ? "pairs of items" : "item × item weights",
                pattern ? "ease, slim, chol" : "ease, slim, itemknn");
}

static topn_status match_items(topn_context *context, const topn_data *data, const char *option, const char *path,
                               pairing *pair)
{
    topn_status status;
    const topn_model *model = pair->model;
    const uint32_t n = data->matrix.columns;
    const size_t columns = embedding_dimensions(&model->encoder.rows);
    uint32_t matched = 0;
    TRY(ALLOCATE(context, n, &pair->in_model));
    TRY(ALLOCATE(context, columns, &pair->in_data));
    for (size_t column = 0; column < columns; column++) {
        const uint32_t item = pair->both_ways ? model->dimension_items[column] : (uint32_t)column;
        const char *id = string_table_get(&model->item_ids, item);
        if (!id_index_find(&data->items_by_id, id, &pair->in_data[column]))
            pair->in_data[column] = absent;
    }
    for (uint32_t item = 0; item < n; item++) {
        const char *id = string_table_get(&data->item_ids, item);
        const bool found = id_index_find(&model->items_by_id, id, &pair->in_model[item]);
        if (!found)
            pair->in_model[item] = absent;
        matched += found;
    }
    log_line(context, "--%s: %u of %u items are in %s", option, (unsigned)matched, (unsigned)n, path);
    if (!matched)
        status = fail(context, TOPN_ERROR_OPTION, "option --%s: no item of %s has the id of an item of the data",
                      option, path);
done:
    return status;
}

/* An entry of row j: to next[j] of `out` when that is set, and counted there. */
static inline void put(uint64_t *next, sparse_matrix *out, uint32_t j, uint32_t i, float value)
{
    if (out) {
        out->indices[next[j]] = i;
        out->values[next[j]] = value;
    }
    next[j]++;
}

/* Puts the weights other than 0 from item i of the data to item j, i ascending. */
static void walk(const pairing *pair, uint32_t items, uint64_t *next, sparse_matrix *out)
{
    const embedding_table *rows = &pair->model->encoder.rows;
    const bool dense = rows->form == TABLE_DENSE;
    for (uint32_t i = 0; i < items; i++) {
        const uint32_t row = pair->in_model[i];
        if (row == absent)
            continue;
        const uint64_t begin = dense ? (uint64_t)row * rows->dense.columns : rows->sparse.indptr[row];
        const uint64_t end = dense ? begin + rows->dense.columns : rows->sparse.indptr[row + 1];
        const float *values = dense ? rows->dense.values : rows->sparse.values;
        for (uint64_t at = begin; at < end; at++) {
            const uint32_t j = pair->in_data[dense ? at - begin : rows->sparse.indices[at]];
            if (j == absent || values[at] == 0)
                continue;
            put(next, out, j, i, values[at]);
            if (pair->both_ways)
                put(next, out, i, j, values[at]);
        }
    }
}

static topn_status load(topn_context *context, const topn_data *data, const char *option, const char *path,
                        bool pattern, sparse_matrix *out)
{
    topn_status status;
    pairing pair = {0};
    uint64_t *next = NULL; /* [items + 1] */
    const uint32_t n = data->matrix.columns;
    TRY(model_load(context, path, &pair.model));
    TRY(check_kind(context, pair.model, option, path, pattern));
    pair.both_ways = pair.model->table.kind == ITEMS_SHARED;
    TRY(match_items(context, data, option, path, &pair));
    TRY(ALLOCATE_ZEROED(context, (size_t)n + 1, &next));
    walk(&pair, n, next + 1, NULL);
    for (uint32_t j = 0; j < n; j++)
        next[j + 1] += next[j];
    TRY(sparse_create(context, n, n, next[n], out));
    memcpy(out->indptr, next, ((size_t)n + 1) * sizeof *next);
    walk(&pair, n, next, out);
done:
    pairing_clear(&pair);
    free(next);
    return status;
}

topn_status pairs_load_weights(topn_context *context, const topn_data *data, const char *option, const char *path,
                               sparse_matrix *out)
{
    return load(context, data, option, path, false, out);
}

topn_status pairs_load_pattern(topn_context *context, const topn_data *data, const char *option, const char *path,
                               sparse_matrix *out)
{
    return load(context, data, option, path, true, out);
}
