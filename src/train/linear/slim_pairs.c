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
    return 3 * (double)file.st_size; /* the mapped file, and 8 bytes a weight where it may hold 4 */
}

/* in_model [items of the data] and in_data [items of the model]: the other's index, or `absent`. */
static topn_status match_items(topn_context *context, const topn_data *data, const topn_model *model,
                               uint32_t **in_model, uint32_t **in_data, uint32_t *matched)
{
    topn_status status;
    *matched = 0;
    TRY(ALLOCATE(context, data->matrix.columns, in_model));
    TRY(ALLOCATE(context, model->items, in_data));
    for (uint32_t item = 0; item < model->items; item++)
        (*in_data)[item] = absent;
    for (uint32_t item = 0; item < data->matrix.columns; item++) {
        uint32_t *other = &(*in_model)[item];
        if (!id_index_find(&model->items_by_id, string_table_get(&data->item_ids, item), other)) {
            *other = absent;
            continue;
        }
        (*in_data)[*other] = item;
        ++*matched;
    }
done:
    return status;
}

/* Goes through the weights other than 0 from item i of the data to item j, i ascending: writes them to place next[j]
 * of `out` when that is set, and advances next[j]. */
static void walk(const embedding_table *rows, uint32_t items, const uint32_t *in_model, const uint32_t *in_data,
                 uint64_t *next, sparse_matrix *out)
{
    for (uint32_t i = 0; i < items; i++) {
        const uint32_t row = in_model[i];
        if (row == absent)
            continue;
        const bool dense = rows->form == TABLE_DENSE;
        const uint64_t begin = dense ? (uint64_t)row * rows->dense.columns : rows->sparse.indptr[row];
        const uint64_t end = dense ? begin + rows->dense.columns : rows->sparse.indptr[row + 1];
        const float *values = dense ? rows->dense.values : rows->sparse.values;
        for (uint64_t at = begin; at < end; at++) {
            const uint32_t j = in_data[dense ? at - begin : rows->sparse.indices[at]];
            if (j == absent || values[at] == 0)
                continue;
            if (out) {
                out->indices[next[j]] = i;
                out->values[next[j]] = values[at];
            }
            next[j]++;
        }
    }
}

topn_status pairs_load(topn_context *context, const topn_data *data, const char *option, const char *path,
                       sparse_matrix *out)
{
    topn_status status;
    topn_model *model = NULL;
    uint32_t *in_model = NULL, *in_data = NULL, matched = 0;
    uint64_t *next = NULL; /* [items + 1] */
    const uint32_t n = data->matrix.columns;
    TRY(model_load(context, path, &model));
    if (model->encoder.kind != ENCODER_BAG || model->table.kind != ITEMS_IDENTITY) {
        const char *name = record_get(&model->metadata, "method");
        TRY(fail(context, TOPN_ERROR_OPTION,
                 "option --%s: %s is a model of %s and holds no item × item weights; models of ease and slim do",
                 option, path, name ? name : "an unknown method"));
    }
    TRY(match_items(context, data, model, &in_model, &in_data, &matched));
    if (!matched)
        TRY(fail(context, TOPN_ERROR_OPTION, "option --%s: no item of %s has the id of an item of the data", option,
                 path));
    log_line(context, "--%s: %u of %u items are in %s", option, (unsigned)matched, (unsigned)n, path);
    TRY(ALLOCATE_ZEROED(context, (size_t)n + 1, &next));
    walk(&model->encoder.rows, n, in_model, in_data, next + 1, NULL);
    for (uint32_t j = 0; j < n; j++)
        next[j + 1] += next[j];
    TRY(sparse_create(context, n, n, next[n], out));
    memcpy(out->indptr, next, ((size_t)n + 1) * sizeof *next);
    walk(&model->encoder.rows, n, in_model, in_data, next, out);
done:
    topn_model_free(model);
    free(in_model);
    free(in_data);
    free(next);
    return status;
}
