/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/item_facts.h"
#include "numeric/finite.h"
#include "numeric/sparse.h"

size_t embedding_rows(const embedding_table *table)
{
    switch (table->form) {
    case TABLE_DENSE:
        return table->dense.rows;
    case TABLE_SPARSE:
        return table->sparse.rows;
    case TABLE_NONE:
        break;
    }
    return 0;
}

size_t embedding_dimensions(const embedding_table *table)
{
    switch (table->form) {
    case TABLE_DENSE:
        return table->dense.columns;
    case TABLE_SPARSE:
        return table->sparse.columns;
    case TABLE_NONE:
        break;
    }
    return 0;
}

void embedding_clear(embedding_table *table)
{
    free(table->dense.values);
    sparse_clear(&table->sparse);
    *table = (embedding_table){0};
}

static topn_status copy_array(topn_context *context, const void *from, size_t count, size_t size, void *out)
{
    const topn_status status = memory_allocate(context, count, size, out);
    if (status == TOPN_OK && count > 0) {
        void *to;
        memcpy(&to, out, sizeof to);
        memcpy(to, from, count * size);
    }
    return status;
}

/* `from` with or without its values. */
static topn_status copy_sparse(topn_context *context, const sparse_matrix *from, bool values, sparse_matrix *out)
{
    topn_status status;
    const uint64_t nonzeros = from->indptr[from->rows];
    *out = (sparse_matrix){.rows = from->rows, .columns = from->columns};
    TRY(copy_array(context, from->indptr, (size_t)from->rows + 1, sizeof *from->indptr, &out->indptr));
    TRY(copy_array(context, from->indices, nonzeros, sizeof *from->indices, &out->indices));
    if (values)
        TRY(copy_array(context, from->values, nonzeros, sizeof *from->values, &out->values));
    return TOPN_OK;
done:
    sparse_clear(out);
    return status;
}

static topn_status copy_table(topn_context *context, const embedding_table *from, embedding_table *out)
{
    topn_status status = TOPN_OK;
    *out = (embedding_table){0};
    if (from->form == TABLE_DENSE) {
        const dense_matrix *dense = &from->dense;
        TRY(copy_array(context, dense->values, dense->rows * dense->columns, sizeof *dense->values,
                       &out->dense.values));
        out->dense.rows = dense->rows;
        out->dense.columns = dense->columns;
    } else if (from->form == TABLE_SPARSE) {
        TRY(copy_sparse(context, &from->sparse, true, &out->sparse));
    }
    out->form = from->form;
done:
    return status;
}

/* What a new model says about the data it comes from. */
static topn_status describe_data(topn_context *context, const topn_data *data, record *metadata)
{
    topn_status status;
    const char *source = data->provenance.source;
    TRY(record_set(context, metadata, "topn.version", "%s", topn_version()));
    TRY(record_set(context, metadata, "data.source", "%s", source ? source : ""));
    TRY(record_set(context, metadata, "data.fingerprint", "%s", data->fingerprint));
    TRY(record_set(context, metadata, "data.users", "%" PRIu32, topn_data_users(data)));
    TRY(record_set(context, metadata, "data.items", "%" PRIu32, topn_data_items(data)));
    TRY(record_set(context, metadata, "data.events", "%" PRIu64, topn_data_events(data)));
done:
    return status;
}

/* Of a copy and its index. */
static uint64_t ids_bytes(const string_table *ids)
{
    return ids->offsets[ids->count] + 24 * (uint64_t)ids->count;
}

uint64_t model_base_bytes(const topn_data *data, bool keep_histories)
{
    const uint64_t entries = data->matrix.indptr[data->matrix.rows], each = data->has_weights ? 8 : 4;
    const uint64_t histories = ids_bytes(&data->user_ids) + 8 * (uint64_t)data->matrix.rows + each * entries;
    return (1 << 14) + ids_bytes(&data->item_ids) + (data->titles.count ? ids_bytes(&data->titles) : 0) +
           (keep_histories ? histories : 0);
}

topn_status model_create(topn_context *context, const topn_data *data, bool keep_histories, topn_model **out)
{
    topn_status status;
    topn_model *model = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &model));
    model->items = topn_data_items(data);
    model->encoder.kind = ENCODER_CONSTANT;
    model->encoder.use_weights = true;
    TRY(string_table_copy(context, &data->item_ids, &model->item_ids));
    if (data->titles.count)
        TRY(string_table_copy(context, &data->titles, &model->titles));
    TRY(id_index_create(context, &model->item_ids, &model->items_by_id));
    if (keep_histories) {
        TRY(string_table_copy(context, &data->user_ids, &model->user_ids));
        TRY(id_index_create(context, &model->user_ids, &model->users_by_id));
        TRY(copy_sparse(context, &data->matrix, data->has_weights, &model->histories));
    }
    TRY(item_facts_create(context, data, model));
    TRY(describe_data(context, data, &model->metadata));
    *out = model;
    return TOPN_OK;
done:
    topn_model_free(model);
    return status;
}

topn_status model_name_users(topn_context *context, const topn_data *data, topn_model *model)
{
    topn_status status = TOPN_OK;
    if (model->user_ids.count == data->matrix.rows)
        return status;
    TRY(string_table_copy(context, &data->user_ids, &model->user_ids));
    TRY(id_index_create(context, &model->user_ids, &model->users_by_id));
done:
    return status;
}

topn_status model_copy_frame(topn_context *context, const topn_model *model, topn_model **out)
{
    topn_status status;
    topn_model *copy = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &copy));
    copy->items = model->items;
    copy->encoder.kind = model->encoder.kind;
    copy->encoder.normalizer = model->encoder.normalizer;
    copy->encoder.use_weights = model->encoder.use_weights;
    copy->encoder.cut = model->encoder.cut;
    TRY(fields_encoder_copy(context, &model->encoder.fields, model->items, &copy->encoder.fields));
    TRY(network_encoder_copy(context, &model->encoder.network, &copy->encoder.network));
    copy->table.kind = model->table.kind;
    if (model->table.priors)
        TRY(copy_array(context, model->table.priors, model->items, sizeof(float), &copy->table.priors));
    if (model->table.biases)
        TRY(copy_array(context, model->table.biases, model->items, sizeof(float), &copy->table.biases));
    if (model->dimension_items)
        TRY(copy_array(context, model->dimension_items, embedding_dimensions(&model->encoder.rows), sizeof(uint32_t),
                       &copy->dimension_items));
    TRY(string_table_copy(context, &model->item_ids, &copy->item_ids));
    TRY(string_table_copy(context, &model->titles, &copy->titles));
    TRY(string_table_copy(context, &model->user_ids, &copy->user_ids));
    TRY(id_index_create(context, &copy->item_ids, &copy->items_by_id));
    if (copy->user_ids.count)
        TRY(id_index_create(context, &copy->user_ids, &copy->users_by_id));
    if (model->histories.indptr)
        TRY(copy_sparse(context, &model->histories, model->histories.values != NULL, &copy->histories));
    TRY(item_facts_copy(context, model, copy));
    TRY(record_copy(context, &model->metadata, &copy->metadata));
    record_remove(&copy->metadata, MODEL_INDEX_PREFIX); /* what is changed in the copy is no longer indexed */
    record_remove(&copy->metadata, "run." MODEL_INDEX_PREFIX);
    *out = copy;
    return TOPN_OK;
done:
    topn_model_free(copy);
    return status;
}

topn_status model_copy(topn_context *context, const topn_model *model, topn_model **out)
{
    topn_status status;
    topn_model *copy = NULL;
    *out = NULL;
    TRY(model_copy_frame(context, model, &copy));
    TRY(copy_table(context, &model->encoder.rows, &copy->encoder.rows));
    TRY(copy_table(context, &model->table.rows, &copy->table.rows));
    *out = copy;
    return TOPN_OK;
done:
    topn_model_free(copy);
    return status;
}

void topn_model_free(topn_model *model)
{
    if (!model)
        return;
    fields_encoder_clear(&model->encoder.fields);
    network_encoder_clear(&model->encoder.network);
    item_facts_clear(model);
    if (!model->file) {
        embedding_clear(&model->encoder.rows);
        embedding_clear(&model->table.rows);
        free(model->table.priors);
        free(model->table.biases);
        free(model->dimension_items);
        sparse_clear(&model->histories);
    }
    for (size_t index = 0; index < model->index_count; index++)
        model_index_clear(&model->indexes[index]);
    id_index_clear(&model->items_by_id);
    id_index_clear(&model->users_by_id);
    string_table_clear(&model->item_ids);
    string_table_clear(&model->titles);
    string_table_clear(&model->user_ids);
    record_clear(&model->metadata);
    safetensors_close(model->file);
    free(model);
}

const embedding_table *model_item_rows(const topn_model *model)
{
    switch (model->table.kind) {
    case ITEMS_SHARED:
        return &model->encoder.rows;
    case ITEMS_OWN:
        return &model->table.rows;
    case ITEMS_NONE:
    case ITEMS_IDENTITY:
        break;
    }
    return NULL;
}

size_t model_dimensions(const topn_model *model)
{
    switch (model->encoder.kind) {
    case ENCODER_FIELDS:
        return fields_dimensions(&model->encoder.fields);
    case ENCODER_NETWORK:
        return network_dimensions(&model->encoder.network);
    case ENCODER_CONSTANT:
    case ENCODER_BAG:
        break;
    }
    return embedding_dimensions(&model->encoder.rows);
}

const encoder_field *model_user_field(const topn_model *model)
{
    if (model->encoder.kind == ENCODER_NETWORK)
        return &model->encoder.network.users;
    return model->encoder.kind == ENCODER_FIELDS ? &model->encoder.fields.fields[0] : NULL;
}

const sparse_matrix *model_user_features(const topn_model *model)
{
    if (model->encoder.kind == ENCODER_NETWORK)
        return &model->encoder.network.user_features;
    return model->encoder.kind == ENCODER_FIELDS ? &model->encoder.fields.user_features : NULL;
}

uint32_t model_user_rows(const topn_model *model)
{
    return model->encoder.kind == ENCODER_NETWORK ? network_known_users(&model->encoder.network)
                                                  : fields_users(&model->encoder.fields);
}

static topn_status check_finite(topn_context *context, const char *name, const float *values, size_t count)
{
    if (!values)
        return TOPN_OK;
    const size_t at = first_infinite(values, count, context ? context->threads : 1);
    if (at == SIZE_MAX)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_NUMERIC, "%s: value %zu is not finite (%g)", name, at, (double)values[at]);
}

static topn_status check_table(topn_context *context, const char *name, const embedding_table *table)
{
    if (table->form == TABLE_DENSE)
        return check_finite(context, name, table->dense.values, table->dense.rows * table->dense.columns);
    if (table->form != TABLE_SPARSE)
        return TOPN_OK;
    const topn_status status = sparse_check_offsets(context, &table->sparse, name);
    if (status != TOPN_OK)
        return status;
    char values[64];
    snprintf(values, sizeof values, "%s.values", name);
    const topn_status finite =
        check_finite(context, values, table->sparse.values, table->sparse.indptr[table->sparse.rows]);
    return finite != TOPN_OK ? finite : sparse_check(context, &table->sparse, name);
}

/* How the parts belong together. */
static topn_status check_shapes(topn_context *context, const topn_model *model)
{
    const embedding_table *encoder = &model->encoder.rows, *own = &model->table.rows;
    static const char *const kinds[] = {"constant", "bag", "fields", "network"};
    const bool bag = model->encoder.kind == ENCODER_BAG, fields = model->encoder.kind == ENCODER_FIELDS;
    const bool network = model->encoder.kind == ENCODER_NETWORK;
    if (bag != (encoder->form != TABLE_NONE) || (bag || fields || network) == (model->table.kind == ITEMS_NONE))
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a %s encoder with %s table and %s item table",
                    kinds[model->encoder.kind], encoder->form == TABLE_NONE ? "no" : "a",
                    model->table.kind == ITEMS_NONE ? "no" : "an");
    if ((fields || network) && (model->table.kind != ITEMS_OWN || own->form != TABLE_DENSE))
        return fail(context, TOPN_ERROR_FORMAT, "items: a %s encoder needs an item table of its own, dense",
                    kinds[model->encoder.kind]);
    if (fields != (model->encoder.fields.field_count != 0))
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a %s encoder with %zu fields", kinds[model->encoder.kind],
                    model->encoder.fields.field_count);
    if (network != (model->encoder.network.width != 0))
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a %s encoder with a network's input of %zu",
                    kinds[model->encoder.kind], model->encoder.network.width);
    if (bag && embedding_rows(encoder) != model->items)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: %zu rows for %" PRIu32 " items", embedding_rows(encoder),
                    model->items);
    if (model->table.kind == ITEMS_IDENTITY && embedding_dimensions(encoder) != model->items)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: %zu columns for %" PRIu32 " items",
                    embedding_dimensions(encoder), model->items);
    if ((model->table.kind == ITEMS_OWN) != (own->form != TABLE_NONE))
        return fail(context, TOPN_ERROR_FORMAT, "items: the table and its kind do not agree");
    if (model->table.kind == ITEMS_OWN &&
        (embedding_rows(own) != model->items || embedding_dimensions(own) != model_dimensions(model)))
        return fail(context, TOPN_ERROR_FORMAT,
                    "items: %zu × %zu for %" PRIu32 " items and an encoder of %zu dimensions", embedding_rows(own),
                    embedding_dimensions(own), model->items, model_dimensions(model));
    if (model->item_ids.count != model->items || (model->titles.count && model->titles.count != model->items))
        return fail(context, TOPN_ERROR_FORMAT,
                    "item_ids: %" PRIu32 " ids and %" PRIu32 " titles for %" PRIu32 " items", model->item_ids.count,
                    model->titles.count, model->items);
    if (model->histories.indptr &&
        (model->histories.rows != model->user_ids.count || model->histories.columns != model->items))
        return fail(context, TOPN_ERROR_FORMAT, "histories: %" PRIu32 " × %" PRIu32 " for %" PRIu32 " users",
                    model->histories.rows, model->histories.columns, model->user_ids.count);
    if (model->encoder.cut && model->table.kind != ITEMS_SHARED && model->table.kind != ITEMS_OWN)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a cut of %" PRIu32 " without item rows", model->encoder.cut);
    if (!(model->encoder.normalizer - model->encoder.normalizer == 0))
        return fail(context, TOPN_ERROR_NUMERIC, "encoder: the normaliser's exponent is not finite");
    return TOPN_OK;
}

static topn_status check_dimension_items(topn_context *context, const topn_model *model)
{
    topn_status status;
    bool *taken = NULL; /* [items] */
    if (!model->dimension_items)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(context, model->items, &taken));
    const size_t dimensions = embedding_dimensions(&model->encoder.rows);
    for (size_t dimension = 0; dimension < dimensions; dimension++) {
        const uint32_t item = model->dimension_items[dimension];
        if (item >= model->items || taken[item]) {
            status = fail(context, TOPN_ERROR_FORMAT, "dimension_items: %" PRIu32 " at %zu is %s", item, dimension,
                          item < model->items ? "there twice" : "no item");
            goto done;
        }
        taken[item] = true;
    }
done:
    free(taken);
    return status;
}

topn_status model_check(topn_context *context, const topn_model *model)
{
    topn_status status;
    TRY(check_shapes(context, model));
    TRY(check_table(context, "encoder", &model->encoder.rows));
    TRY(check_table(context, "items", &model->table.rows));
    if (model->encoder.kind == ENCODER_FIELDS)
        TRY(fields_encoder_check(context, &model->encoder.fields, &model->table.rows.dense, model->user_ids.count));
    if (model->encoder.kind == ENCODER_NETWORK)
        TRY(network_encoder_check(context, &model->encoder.network, model->items, model->user_ids.count));
    TRY(check_dimension_items(context, model));
    TRY(check_finite(context, "items.priors", model->table.priors, model->items));
    TRY(check_finite(context, "items.biases", model->table.biases, model->items));
    if (model->histories.indptr)
        TRY(sparse_check(context, &model->histories, "histories"));
    TRY(item_facts_check(context, model));
done:
    return status;
}
