/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/added_items.h"
#include "model/model_file.h"

topn_status topn_model_save(topn_context *context, const topn_model *model, const char *path)
{
    if (!model || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_save takes a model and a path");
    return model_save(context, model, path);
}

topn_status topn_model_load(topn_context *context, const char *path, topn_model **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_load takes a path and where to put the model");
    *out = NULL;
    if (!path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_load takes a path");
    return model_load(context, path, out);
}

static uint64_t model_bytes(const topn_model *model)
{
    tensor tensors[MODEL_TENSORS];
    uint64_t bytes = 0;
    for (size_t count = model_tensors(model, tensors); count-- > 0;)
        bytes += tensor_bytes(&tensors[count]);
    return bytes;
}

topn_status topn_model_copy_with_priors(topn_context *context, const topn_model *model, const float *priors,
                                        topn_model **out)
{
    topn_status status;
    topn_model *copy = NULL;
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_copy_with_priors takes where to put the model");
    *out = NULL;
    if (!model || !priors)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_copy_with_priors takes a model and priors");
    if (model->table.kind == ITEMS_NONE)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "this model's scores are biases alone: priors change nothing");
    for (uint32_t item = 0; item < model->items; item++)
        if (!isfinite(priors[item]))
            return fail(context, TOPN_ERROR_ARGUMENT, "the prior of item %s is not finite (%g)",
                        string_table_get(&model->item_ids, item), (double)priors[item]);
    TRY(memory_check(context, "a copy of the model", model_bytes(model), NULL));
    TRY(model_copy(context, model, &copy));
    if (!copy->table.priors)
        TRY(ALLOCATE(context, copy->items, &copy->table.priors));
    if (copy->items)
        memcpy(copy->table.priors, priors, copy->items * sizeof *priors);
    TRY(record_set(context, &copy->metadata, "priors", "given"));
    *out = copy;
    return TOPN_OK;
done:
    topn_model_free(copy);
    return status;
}

topn_status topn_model_add_items(topn_context *context, const topn_model *model, const topn_data *data,
                                 topn_model **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_add_items takes where to put the model");
    *out = NULL;
    if (!context || !model || !data)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_add_items takes a context, a model and data");
    return model_add_items(context, model, data, out);
}

topn_status topn_model_record_report(topn_context *context, topn_model *model, const topn_report *report)
{
    topn_metric_result metric;
    char key[96];
    topn_status status = TOPN_OK;
    if (!model || !report)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_model_record_report takes a model and a report");
    for (size_t index = 0; topn_report_metric(report, index, &metric); index++) {
        snprintf(key, sizeof key, "metric.%s", metric.name);
        if (isnan(metric.low))
            TRY(record_set(context, &model->metadata, key, "%.6f", metric.mean));
        else
            TRY(record_set(context, &model->metadata, key, "%.6f (%.6f to %.6f)", metric.mean, metric.low,
                           metric.high));
    }
done:
    return status;
}

uint32_t topn_model_items(const topn_model *model)
{
    if (!model)
        return 0;
    return model->items;
}

uint32_t topn_model_users(const topn_model *model)
{
    if (!model)
        return 0;
    return model->user_ids.count;
}

float topn_model_prior(const topn_model *model, uint32_t item)
{
    if (!model || item >= model->items)
        return NAN;
    return model->table.priors ? model->table.priors[item] : 1.0f;
}

float topn_model_popularity(const topn_model *model, uint32_t item)
{
    return model && item < model->items && model->popularity ? model->popularity[item] : NAN;
}

const char *topn_model_item_id(const topn_model *model, uint32_t item)
{
    if (!model)
        return NULL;
    return item < model->item_ids.count ? string_table_get(&model->item_ids, item) : NULL;
}

const char *topn_model_item_title(const topn_model *model, uint32_t item)
{
    if (!model)
        return NULL;
    if (item >= model->titles.count)
        return NULL;
    const char *title = string_table_get(&model->titles, item);
    return *title ? title : NULL;
}

const char *topn_model_user_id(const topn_model *model, uint32_t user)
{
    if (!model)
        return NULL;
    return user < model->user_ids.count ? string_table_get(&model->user_ids, user) : NULL;
}

bool topn_model_find_item(const topn_model *model, const char *id, uint32_t *out)
{
    if (!model)
        return false;
    return id_index_find(&model->items_by_id, id, out);
}

bool topn_model_find_user(const topn_model *model, const char *id, uint32_t *out)
{
    if (!model)
        return false;
    return id_index_find(&model->users_by_id, id, out);
}

/* Row `row` of a matrix that may not be there; both outputs may be NULL. */
static size_t lend_row(const sparse_matrix *matrix, uint32_t row, const uint32_t **indices, const float **values)
{
    const bool known = matrix && matrix->indptr && row < matrix->rows;
    const uint64_t begin = known ? matrix->indptr[row] : 0;
    if (indices)
        *indices = known ? matrix->indices + begin : NULL;
    if (values)
        *values = known && matrix->values ? matrix->values + begin : NULL;
    return known ? matrix->indptr[row + 1] - begin : 0;
}

size_t topn_model_history(const topn_model *model, uint32_t user, const uint32_t **items, const float **weights)
{
    return lend_row(model ? &model->histories : NULL, user, items, weights);
}

size_t topn_model_user_features(const topn_model *model, uint32_t user, const uint32_t **features, const float **values)
{
    return lend_row(model ? model_user_features(model) : NULL, user, features, values);
}

bool topn_model_metadata(const topn_model *model, size_t index, const char **key, const char **value)
{
    if (!model)
        return false;
    size_t structure = 0;
    const char *found_key, *found_value;
    while (model_structure(model, structure, &found_key, &found_value) && structure != index)
        structure++;
    if (structure < index || !model_structure(model, index, &found_key, &found_value)) {
        if (index - structure >= model->metadata.count)
            return false;
        found_key = model->metadata.entries[index - structure].key;
        found_value = model->metadata.entries[index - structure].value;
    }
    if (key)
        *key = found_key;
    if (value)
        *value = found_value;
    return true;
}

bool topn_model_array(const topn_model *model, size_t index, topn_array_info *out)
{
    tensor tensors[MODEL_TENSORS];
    if (!model || !out || index >= model_tensors(model, tensors))
        return false;
    const tensor *found = &tensors[index];
    *out = (topn_array_info){.name = found->name,
                             .type = tensor_type_name(found->type),
                             .shape = {found->shape[0], found->shape[1]},
                             .dimensions = found->dimensions,
                             .bytes = tensor_bytes(found)};
    return true;
}

/* Field `field` of the context, the user apart; NULL past the end. */
static const encoder_field *field_of(const topn_model *model, size_t field)
{
    if (!model || field + 1 >= model->encoder.fields.field_count)
        return NULL;
    return &model->encoder.fields.fields[field + 1];
}

size_t topn_model_fields(const topn_model *model)
{
    return model && model->encoder.fields.field_count ? model->encoder.fields.field_count - 1 : 0;
}

const char *topn_model_field_name(const topn_model *model, size_t field)
{
    const encoder_field *found = field_of(model, field);
    return found ? found->name : NULL;
}

bool topn_model_find_value(const topn_model *model, size_t field, const char *value, uint32_t *out)
{
    const encoder_field *found = field_of(model, field);
    return found && id_index_find(&found->by_value, value, out);
}

bool topn_model_find_feature(const topn_model *model, const char *name, uint32_t *out)
{
    const encoder_field *users = model ? model_user_field(model) : NULL;
    return users && id_index_find(&users->by_feature, name, out);
}
