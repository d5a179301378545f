/* SPDX-License-Identifier: Apache-2.0 */
#include "model/item_facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"

uint64_t item_facts_bytes(const topn_data *data)
{
    const feature_table *features = &data->item_features;
    uint64_t bytes = data->matrix.columns * sizeof(float);
    if (features->names.count)
        bytes += features->names.offsets[features->names.count] + 8 * (uint64_t)features->names.count +
                 8 * (uint64_t)features->rows.rows + 8 * features->rows.indptr[features->rows.rows];
    return bytes;
}

static void count_events(const sparse_matrix *matrix, float *out)
{
    for (uint64_t at = 0; at < matrix->indptr[matrix->rows]; at++)
        out[matrix->indices[at]] += 1.0f;
}

/* The numbers of features as they were read; NULL = all are 1. */
static const float *read_values(const feature_table *features)
{
    const float *values = features->unscaled ? features->unscaled : features->rows.values;
    for (uint64_t at = 0; values && at < features->rows.indptr[features->rows.rows]; at++)
        if (values[at] != 1.0f)
            return values;
    return NULL;
}

static topn_status copy_attributes(topn_context *context, const feature_table *from, const float *values,
                                   feature_table *out)
{
    topn_status status;
    const sparse_matrix *rows = &from->rows;
    if (from->names.count == 0)
        return TOPN_OK;
    const uint64_t entries = rows->indptr[rows->rows];
    TRY(string_table_copy(context, &from->names, &out->names));
    out->rows = (sparse_matrix){.rows = rows->rows, .columns = rows->columns};
    TRY(ALLOCATE(context, (size_t)rows->rows + 1, &out->rows.indptr));
    TRY(ALLOCATE(context, entries, &out->rows.indices));
    memcpy(out->rows.indptr, rows->indptr, ((size_t)rows->rows + 1) * sizeof *rows->indptr);
    memcpy(out->rows.indices, rows->indices, entries * sizeof *rows->indices);
    if (values) {
        TRY(ALLOCATE(context, entries, &out->rows.values));
        memcpy(out->rows.values, values, entries * sizeof *values);
    }
done:
    return status;
}

topn_status item_facts_create(topn_context *context, const topn_data *data, topn_model *model)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, model->items, &model->popularity));
    count_events(&data->matrix, model->popularity);
    TRY(copy_attributes(context, &data->item_features, read_values(&data->item_features), &model->attributes));
done:
    return status;
}

topn_status item_facts_copy(topn_context *context, const topn_model *from, topn_model *out)
{
    topn_status status = TOPN_OK;
    if (from->popularity) {
        TRY(ALLOCATE(context, from->items, &out->popularity));
        memcpy(out->popularity, from->popularity, from->items * sizeof *from->popularity);
    }
    TRY(copy_attributes(context, &from->attributes, from->attributes.rows.values, &out->attributes));
done:
    return status;
}

/* ---- New items -----------------------------------------------------------------------------------------------------
 */

/* The model's names and then those that only the data have; number_of [names of the data] is filled. */
static topn_status join_names(topn_context *context, const string_table *ours, const string_table *theirs,
                              uint32_t *number_of, string_table *out)
{
    topn_status status;
    const char **texts = NULL;
    id_index known = {0};
    uint32_t count = ours->count;
    if (theirs->count > UINT32_MAX - ours->count)
        return fail(context, TOPN_ERROR_DATA, "model and data have more than %" PRIu32 " attributes", UINT32_MAX);
    TRY(ALLOCATE(context, (size_t)ours->count + theirs->count, &texts));
    if (ours->count)
        TRY(id_index_create(context, ours, &known));
    for (uint32_t name = 0; name < ours->count; name++)
        texts[name] = string_table_get(ours, name);
    for (uint32_t name = 0; name < theirs->count; name++) {
        const char *text = string_table_get(theirs, name);
        if (ours->count && id_index_find(&known, text, &number_of[name]))
            continue;
        texts[count] = text;
        number_of[name] = count++;
    }
    status = string_table_create(context, texts, count, out);
done:
    id_index_clear(&known);
    free(texts);
    return status;
}

typedef struct numbered {
    uint32_t name;
    float value;
} numbered;

static int by_name(const void *a, const void *b)
{
    const uint32_t left = ((const numbered *)a)->name, right = ((const numbered *)b)->name;
    return (left > right) - (left < right);
}

/* Row `item` of the data's features in the numbers of the model's names, ascending; returns how many. */
static uint64_t number_row(const sparse_matrix *rows, const float *values, uint32_t item, const uint32_t *number_of,
                           numbered *out)
{
    const uint64_t begin = rows->indptr[item], count = rows->indptr[item + 1] - begin;
    for (uint64_t at = 0; at < count; at++)
        out[at] = (numbered){number_of[rows->indices[begin + at]], values ? values[begin + at] : 1.0f};
    qsort(out, count, sizeof *out, by_name);
    return count;
}

static topn_status append_rows(topn_context *context, const feature_table *theirs, const uint32_t *fresh,
                               uint32_t count, const uint32_t *number_of, uint32_t items, feature_table *model,
                               sparse_matrix *out)
{
    topn_status status;
    numbered *row = NULL;
    const sparse_matrix *rows = &theirs->rows;
    const float *values = read_values(theirs);
    const uint64_t kept = model->rows.indptr ? model->rows.indptr[items] : 0;
    uint64_t entries = kept;
    for (uint32_t place = 0; rows->indptr && place < count; place++)
        entries += rows->indptr[fresh[place] + 1] - rows->indptr[fresh[place]];
    TRY(ALLOCATE(context, theirs->names.count, &row));
    TRY(sparse_create(context, items + count, out->columns, entries, out));
    for (uint64_t at = 0; at < kept; at++) {
        out->indices[at] = model->rows.indices[at];
        out->values[at] = model->rows.values ? model->rows.values[at] : 1.0f;
    }
    for (uint32_t item = 0; item <= items; item++)
        out->indptr[item] = model->rows.indptr ? model->rows.indptr[item] : 0;
    uint64_t to = kept;
    for (uint32_t place = 0; place < count; place++) {
        const uint64_t length = rows->indptr ? number_row(rows, values, fresh[place], number_of, row) : 0;
        for (uint64_t at = 0; at < length; at++, to++) {
            out->indices[to] = row[at].name;
            out->values[to] = row[at].value;
        }
        out->indptr[items + place + 1] = to;
    }
done:
    free(row);
    return status;
}

static topn_status append_attributes(topn_context *context, const feature_table *theirs, const uint32_t *fresh,
                                     uint32_t count, uint32_t items, feature_table *model)
{
    topn_status status;
    uint32_t *number_of = NULL;
    feature_table joined = {0};
    if (theirs->names.count == 0 && model->names.count == 0)
        return TOPN_OK;
    TRY(ALLOCATE(context, theirs->names.count, &number_of));
    TRY(join_names(context, &model->names, &theirs->names, number_of, &joined.names));
    joined.rows.columns = joined.names.count;
    TRY(append_rows(context, theirs, fresh, count, number_of, items, model, &joined.rows));
    feature_table_clear(model);
    *model = joined;
    joined = (feature_table){0};
done:
    feature_table_clear(&joined);
    free(number_of);
    return status;
}

topn_status item_facts_append(topn_context *context, const topn_data *data, const uint32_t *fresh, uint32_t count,
                              topn_model *model)
{
    topn_status status;
    float *events = NULL;
    const uint32_t items = model->items;
    if (model->popularity) {
        TRY(ALLOCATE_ZEROED(context, data->matrix.columns, &events));
        count_events(&data->matrix, events);
        TRY(RESIZE(context, (size_t)items + count, &model->popularity));
        for (uint32_t place = 0; place < count; place++)
            model->popularity[items + place] = events[fresh[place]];
    }
    TRY(append_attributes(context, &data->item_features, fresh, count, items, &model->attributes));
done:
    free(events);
    return status;
}

/* ---- Files ---------------------------------------------------------------------------------------------------------
 */

void item_facts_clear(topn_model *model)
{
    if (model->file) {
        feature_table_return(&model->attributes);
    } else {
        free(model->popularity);
        feature_table_clear(&model->attributes);
    }
    model->popularity = NULL;
}

topn_status item_facts_check(topn_context *context, const topn_model *model)
{
    for (uint32_t item = 0; model->popularity && item < model->items; item++)
        if (!(model->popularity[item] >= 0 && model->popularity[item] - model->popularity[item] == 0))
            return fail(context, TOPN_ERROR_NUMERIC, "popularity: value %" PRIu32 " is %g, not a number of events",
                        item, (double)model->popularity[item]);
    return feature_table_check(context, &model->attributes, model->items, "attributes");
}

bool item_facts_any(const topn_model *model)
{
    return model->popularity || model->attributes.names.count;
}

void item_facts_tensors(tensor_list *list, const topn_model *model)
{
    if (model->popularity)
        stored_add(list, "popularity", TENSOR_F32, model->items, model->popularity);
    if (model->attributes.names.count) {
        stored_add_strings(list, STORED_STRINGS("attribute_names"), &model->attributes.names);
        stored_add_sparse(list, STORED_SPARSE("attributes"), &model->attributes.rows);
    }
}

topn_status item_facts_load(topn_context *context, const safetensors_file *file, topn_model *model)
{
    topn_status status;
    uint64_t format;
    const tensor *popularity;
    TRY(stored_count(context, file, "topn.format", &format));
    if (format < FORMAT_ITEM_FACTS)
        return TOPN_OK;
    if (safetensors_find(file, "popularity")) {
        TRY(safetensors_require(context, file, "popularity", TENSOR_F32, model->items, &popularity));
        model->popularity = (float *)popularity->bytes;
    }
    if (safetensors_find(file, "attribute_names.offsets")) {
        TRY(stored_strings(context, file, STORED_STRINGS("attribute_names"), &model->attributes.names));
        TRY(stored_sparse(context, file, STORED_SPARSE("attributes"), model->attributes.names.count, false,
                          &model->attributes.rows));
    }
done:
    return status;
}
