/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fields_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Spelling of `composition`, `confidence_kind` and the loss, in their order. */
static const char *const compositions[] = {"product", "sum", "tucker"};
static const char *const confidences[] = {"none", "linear", "log"};
static const char *const losses[] = {"pointwise", "pairwise"};
static const char *const booleans[] = {"false", "true"};

#define KEY_PREFIX "topn.fields."

/* Names of the arrays of a field. */
typedef struct field_names {
    const char *table, *values[2], *features[2];
} field_names;
#define FIELD_NAMES(n)                                                                                                 \
    {                                                                                                                  \
        "fields." #n, {"fields." #n ".values.offsets", "fields." #n ".values.bytes"},                                  \
        {                                                                                                              \
            "fields." #n ".features.offsets", "fields." #n ".features.bytes"                                           \
        }                                                                                                              \
    }
static const field_names names[MOST_ENCODER_FIELDS] = {
    FIELD_NAMES(0),  FIELD_NAMES(1),  FIELD_NAMES(2),  FIELD_NAMES(3),  FIELD_NAMES(4),  FIELD_NAMES(5),
    FIELD_NAMES(6),  FIELD_NAMES(7),  FIELD_NAMES(8),  FIELD_NAMES(9),  FIELD_NAMES(10), FIELD_NAMES(11),
    FIELD_NAMES(12), FIELD_NAMES(13), FIELD_NAMES(14), FIELD_NAMES(15), FIELD_NAMES(16), FIELD_NAMES(17),
    FIELD_NAMES(18), FIELD_NAMES(19), FIELD_NAMES(20), FIELD_NAMES(21), FIELD_NAMES(22), FIELD_NAMES(23),
    FIELD_NAMES(24), FIELD_NAMES(25), FIELD_NAMES(26), FIELD_NAMES(27), FIELD_NAMES(28), FIELD_NAMES(29),
    FIELD_NAMES(30), FIELD_NAMES(31), FIELD_NAMES(32),
};

/* Numbers of the encoder that stand in the metadata. */
typedef struct number_key {
    const char *key;
    size_t offset;
} number_key;
static const number_key numbers[] = {
    {KEY_PREFIX "alpha", offsetof(fields_encoder, loss.alpha)},
    {KEY_PREFIX "scale", offsetof(fields_encoder, loss.scale)},
    {KEY_PREFIX "dislike_below", offsetof(fields_encoder, loss.dislike_below)},
    {KEY_PREFIX "unobserved", offsetof(fields_encoder, loss.unobserved)},
    {KEY_PREFIX "l2", offsetof(fields_encoder, loss.l2)},
    {KEY_PREFIX "l2_exponent", offsetof(fields_encoder, loss.l2_exponent)},
    {KEY_PREFIX "user_exponent", offsetof(fields_encoder, loss.user_exponent)},
    {KEY_PREFIX "item_exponent", offsetof(fields_encoder, loss.item_exponent)},
    {KEY_PREFIX "user_scale", offsetof(fields_encoder, user_scale)},
    {KEY_PREFIX "contexts", offsetof(fields_encoder, contexts)},
};
enum { NUMBERS = sizeof numbers / sizeof *numbers };
/* With fields.context_pull; else 1. */
static const number_key label_key = {KEY_PREFIX "label", offsetof(fields_encoder, loss.label)};

const char *fields_composition_name(const fields_encoder *encoder)
{
    return compositions[encoder->kind];
}

const char *fields_loss_name(const fields_encoder *encoder)
{
    return losses[encoder->loss.pairwise];
}

bool fields_is_key(const char *key)
{
    return strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) == 0;
}

static void add_field(tensor_list *list, const field_names *of, const encoder_field *field)
{
    stored_add_matrix(list, of->table, field->table.rows, field->table.columns, field->table.values);
    if (field->values.count)
        stored_add_strings(list, of->values, &field->values);
    if (field->features.count)
        stored_add_strings(list, of->features, &field->features);
}

void fields_tensors(tensor_list *list, const fields_encoder *encoder, uint32_t items)
{
    const size_t dimensions = fields_dimensions(encoder);
    for (size_t field = 0; field < encoder->field_count; field++)
        add_field(list, &names[field], &encoder->fields[field]);
    if (encoder->core.values)
        stored_add_matrix(list, "fields.core", encoder->core.rows, encoder->core.columns, encoder->core.values);
    if (encoder->user_features.indptr)
        stored_add_sparse(list, STORED_SPARSE("fields.user_features"), &encoder->user_features);
    if (encoder->item_weights)
        stored_add(list, "fields.item_weights", TENSOR_F32, items, encoder->item_weights);
    stored_add_matrix(list, "fields.item_gram", dimensions, dimensions, encoder->item_gram);
    if (encoder->item_sum)
        stored_add(list, "fields.item_sum", TENSOR_F32, dimensions, encoder->item_sum);
    stored_add_matrix(list, "fields.context_gram", dimensions, dimensions, encoder->context_gram);
    if (encoder->context_pull)
        stored_add(list, "fields.context_pull", TENSOR_F32, dimensions, encoder->context_pull);
}

topn_status fields_describe(topn_context *context, const fields_encoder *encoder, record *out)
{
    topn_status status;
    char key[64];
    TRY(record_set(context, out, KEY_PREFIX "composition", "%s", compositions[encoder->kind]));
    TRY(record_set(context, out, KEY_PREFIX "factors", "%zu", encoder->factors));
    TRY(record_set(context, out, KEY_PREFIX "biases", "%s", booleans[encoder->biases]));
    TRY(record_set(context, out, KEY_PREFIX "count", "%zu", encoder->field_count));
    for (size_t field = 0; field < encoder->field_count; field++) {
        snprintf(key, sizeof key, KEY_PREFIX "name.%zu", field);
        TRY(record_set(context, out, key, "%s", encoder->fields[field].name));
    }
    TRY(record_set(context, out, KEY_PREFIX "loss", "%s", losses[encoder->loss.pairwise]));
    TRY(record_set(context, out, KEY_PREFIX "confidence", "%s", confidences[encoder->loss.confidence]));
    for (size_t at = 0; at < NUMBERS; at++) {
        double value;
        memcpy(&value, (const char *)encoder + numbers[at].offset, sizeof value);
        TRY(record_set_real(context, out, numbers[at].key, value));
    }
    if (encoder->context_pull)
        TRY(record_set_real(context, out, label_key.key, encoder->loss.label));
done:
    return status;
}

static topn_status load_number(topn_context *context, const safetensors_file *file, const number_key *number,
                               fields_encoder *out)
{
    const char *text;
    const topn_status status = stored_text(context, file, number->key, &text);
    if (status != TOPN_OK)
        return status;
    char *end;
    const double value = strtod(text, &end);
    const bool may_lack = number->offset == offsetof(fields_encoder, loss.dislike_below);
    if (!*text || *end || isinf(value) || (isnan(value) && !may_lack))
        return fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is \"%.100s\", not a number",
                    safetensors_path(file), number->key, text);
    memcpy((char *)out + number->offset, &value, sizeof value);
    return TOPN_OK;
}

static topn_status load_matrix(topn_context *context, const safetensors_file *file, const char *name, dense_matrix *out)
{
    const tensor *found;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, UINT64_MAX, &found);
    if (status != TOPN_OK)
        return status;
    if (found->dimensions != 2 || found->shape[0] == 0 || found->shape[1] == 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s is no matrix with rows and columns",
                    safetensors_path(file), name);
    *out = (dense_matrix){(float *)found->bytes, found->shape[0], found->shape[1]};
    return TOPN_OK;
}

static topn_status load_floats(topn_context *context, const safetensors_file *file, const char *name, uint64_t count,
                               float **out)
{
    const tensor *found;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, count, &found);
    if (status == TOPN_OK)
        *out = (float *)found->bytes;
    return status;
}

static topn_status load_field(topn_context *context, const safetensors_file *file, size_t index, encoder_field *out)
{
    topn_status status;
    const field_names *of = &names[index];
    const char *name;
    char key[64];
    snprintf(key, sizeof key, KEY_PREFIX "name.%zu", index);
    TRY(stored_text(context, file, key, &name));
    TRY(memory_copy_text(context, name, &out->name));
    TRY(load_matrix(context, file, of->table, &out->table));
    if (safetensors_find(file, of->values[0])) {
        TRY(stored_strings(context, file, of->values, &out->values));
        TRY(id_index_create(context, &out->values, &out->by_value));
    }
    if (safetensors_find(file, of->features[0])) {
        TRY(stored_strings(context, file, of->features, &out->features));
        TRY(id_index_create(context, &out->features, &out->by_feature));
    }
done:
    return status;
}

static topn_status load_plain(topn_context *context, const safetensors_file *file, fields_encoder *out)
{
    topn_status status;
    int kind, biases, loss;
    uint64_t factors, count;
    TRY(stored_choice(context, file, KEY_PREFIX "composition", compositions, 3, &kind));
    TRY(stored_choice(context, file, KEY_PREFIX "biases", booleans, 2, &biases));
    TRY(stored_choice(context, file, KEY_PREFIX "loss", losses, 2, &loss));
    TRY(stored_choice(context, file, KEY_PREFIX "confidence", confidences, 3, &out->loss.confidence));
    TRY(stored_count(context, file, KEY_PREFIX "factors", &factors));
    TRY(stored_count(context, file, KEY_PREFIX "count", &count));
    for (size_t at = 0; at < NUMBERS; at++)
        TRY(load_number(context, file, &numbers[at], out));
    if (factors == 0 || factors > MOST_FACTORS || count == 0 || count > MOST_ENCODER_FIELDS)
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: %" PRIu64 " fields of %" PRIu64 " factors; 1 … %d and 1 … %d can be", safetensors_path(file),
                    count, factors, MOST_ENCODER_FIELDS, MOST_FACTORS);
    out->kind = (composition)kind;
    out->biases = biases;
    out->loss.pairwise = loss;
    out->loss.label = 1;
    out->factors = factors;
    out->field_count = count;
done:
    return status;
}

topn_status fields_load(topn_context *context, const safetensors_file *file, uint32_t items, fields_encoder *out)
{
    topn_status status;
    *out = (fields_encoder){.mapped = true};
    TRY(load_plain(context, file, out));
    const size_t dimensions = fields_dimensions(out);
    TRY(ALLOCATE_ZEROED(context, out->field_count, &out->fields));
    for (size_t field = 0; field < out->field_count; field++)
        TRY(load_field(context, file, field, &out->fields[field]));
    if (out->kind == COMPOSE_TUCKER)
        TRY(load_matrix(context, file, "fields.core", &out->core));
    if (safetensors_find(file, "fields.user_features.indptr"))
        TRY(stored_sparse(context, file, STORED_SPARSE("fields.user_features"), out->fields[0].features.count, false,
                          &out->user_features));
    if (safetensors_find(file, "fields.item_weights"))
        TRY(load_floats(context, file, "fields.item_weights", items, &out->item_weights));
    TRY(load_floats(context, file, "fields.item_gram", dimensions * dimensions, &out->item_gram));
    if (out->loss.pairwise)
        TRY(load_floats(context, file, "fields.item_sum", dimensions, &out->item_sum));
    TRY(load_floats(context, file, "fields.context_gram", dimensions * dimensions, &out->context_gram));
    if (safetensors_find(file, "fields.context_pull")) {
        TRY(load_floats(context, file, "fields.context_pull", dimensions, &out->context_pull));
        TRY(load_number(context, file, &label_key, out));
    }
done:
    if (status != TOPN_OK)
        fields_encoder_clear(out);
    return status;
}
