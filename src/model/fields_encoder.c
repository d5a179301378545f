/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fields_encoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"

void event_weight(const square_loss *loss, float weight, float *alpha, float *label)
{
    const double w = (double)weight;
    double value = loss->alpha;
    if (loss->confidence == CONFIDENCE_LINEAR)
        value += loss->scale * w;
    else if (loss->confidence == CONFIDENCE_LOG)
        value += loss->scale * log1p(w);
    *alpha = (float)value;
    *label = w < loss->dislike_below ? 0.0f : 1.0f;
}

double row_ridge(const square_loss *loss, double events, double others)
{
    return loss->l2 * pow(events + loss->unobserved * others, loss->l2_exponent);
}

size_t fields_dimensions(const fields_encoder *encoder)
{
    return encoder->field_count ? encoder->factors + (encoder->biases ? 2 : 0) : 0;
}

uint32_t fields_users(const fields_encoder *encoder)
{
    if (!encoder->field_count)
        return 0;
    return (uint32_t)(encoder->fields[0].table.rows - 1 - encoder->fields[0].features.count);
}

static void clear_field(encoder_field *field, bool mapped)
{
    free(field->name);
    id_index_clear(&field->by_value);
    id_index_clear(&field->by_feature);
    string_table_clear(&field->values);
    string_table_clear(&field->features);
    if (!mapped)
        free(field->table.values);
}

void fields_encoder_clear(fields_encoder *encoder)
{
    for (size_t field = 0; encoder->fields && field < encoder->field_count; field++)
        clear_field(&encoder->fields[field], encoder->mapped);
    free(encoder->fields);
    if (!encoder->mapped) {
        free(encoder->core.values);
        sparse_clear(&encoder->user_features);
        free(encoder->item_weights);
        free(encoder->item_gram);
        free(encoder->item_sum);
        free(encoder->context_gram);
        free(encoder->context_pull);
    }
    *encoder = (fields_encoder){0};
}

/* NULL gives NULL. */
static topn_status copy_floats(topn_context *context, const float *from, size_t count, float **out)
{
    *out = NULL;
    if (!from)
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, count, out);
    if (status == TOPN_OK && count)
        memcpy(*out, from, count * sizeof *from);
    return status;
}

static topn_status copy_dense(topn_context *context, const dense_matrix *from, dense_matrix *out)
{
    *out = (dense_matrix){.rows = from->rows, .columns = from->columns};
    return copy_floats(context, from->values, from->rows * from->columns, &out->values);
}

static topn_status copy_field(topn_context *context, const encoder_field *from, encoder_field *out)
{
    topn_status status;
    TRY(memory_copy_text(context, from->name, &out->name));
    TRY(string_table_copy(context, &from->values, &out->values));
    TRY(string_table_copy(context, &from->features, &out->features));
    TRY(id_index_create(context, &out->values, &out->by_value));
    TRY(id_index_create(context, &out->features, &out->by_feature));
    TRY(copy_dense(context, &from->table, &out->table));
done:
    return status;
}

static topn_status copy_user_features(topn_context *context, const sparse_matrix *from, sparse_matrix *out)
{
    topn_status status = TOPN_OK;
    if (!from->indptr)
        return TOPN_OK;
    const uint64_t nonzeros = from->indptr[from->rows];
    out->rows = from->rows;
    out->columns = from->columns;
    TRY(ALLOCATE(context, (size_t)from->rows + 1, &out->indptr));
    memcpy(out->indptr, from->indptr, ((size_t)from->rows + 1) * sizeof *from->indptr);
    TRY(ALLOCATE(context, nonzeros, &out->indices));
    if (nonzeros)
        memcpy(out->indices, from->indices, nonzeros * sizeof *from->indices);
    TRY(copy_floats(context, from->values, nonzeros, &out->values));
done:
    return status;
}

topn_status fields_encoder_copy(topn_context *context, const fields_encoder *from, uint32_t items, fields_encoder *out)
{
    topn_status status = TOPN_OK;
    const size_t dimensions = fields_dimensions(from);
    const size_t square = dimensions * dimensions;
    *out = (fields_encoder){0};
    if (!from->field_count)
        return TOPN_OK;
    fields_encoder copy = *from; /* the plain numbers; every pointer is replaced */
    copy.fields = NULL;
    copy.core = (dense_matrix){0};
    copy.user_features = (sparse_matrix){0};
    copy.item_weights = copy.item_gram = copy.item_sum = copy.context_gram = copy.context_pull = NULL;
    copy.mapped = false;
    *out = copy;
    TRY(ALLOCATE_ZEROED(context, from->field_count, &out->fields));
    for (size_t field = 0; field < from->field_count; field++)
        TRY(copy_field(context, &from->fields[field], &out->fields[field]));
    TRY(copy_dense(context, &from->core, &out->core));
    TRY(copy_user_features(context, &from->user_features, &out->user_features));
    TRY(copy_floats(context, from->item_weights, items, &out->item_weights));
    TRY(copy_floats(context, from->item_gram, square, &out->item_gram));
    TRY(copy_floats(context, from->item_sum, dimensions, &out->item_sum));
    TRY(copy_floats(context, from->context_gram, square, &out->context_gram));
    TRY(copy_floats(context, from->context_pull, dimensions, &out->context_pull));
done:
    if (status != TOPN_OK)
        fields_encoder_clear(out);
    return status;
}

static topn_status check_finite(topn_context *context, const char *name, const float *values, size_t count)
{
    for (size_t at = 0; values && at < count; at++)
        if (!isfinite(values[at]))
            return fail(context, TOPN_ERROR_NUMERIC, "%s: value %zu is not finite (%g)", name, at, (double)values[at]);
    return TOPN_OK;
}

static topn_status check_field(topn_context *context, const fields_encoder *encoder, size_t index, uint32_t user_ids)
{
    const encoder_field *field = &encoder->fields[index];
    const size_t bias = encoder->biases ? 1 : 0, known = (size_t)field->values.count + 1 + field->features.count;
    char name[32];
    snprintf(name, sizeof name, "fields.%zu", index);
    const bool rows_fit =
        index == 0 ? field->values.count == 0 && (field->table.rows == known || field->table.rows == known + user_ids)
                   : field->table.rows == known;
    if (!rows_fit)
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: %zu rows for %" PRIu32 " values, one that stands for unknown ones, and %" PRIu32 " features",
                    name, field->table.rows, index == 0 ? user_ids : field->values.count, field->features.count);
    const bool width_fits =
        encoder->kind == COMPOSE_TUCKER ? field->table.columns > bias : field->table.columns == encoder->factors + bias;
    if (!width_fits)
        return fail(context, TOPN_ERROR_FORMAT, "%s: %zu columns in a model of %zu factors", name, field->table.columns,
                    encoder->factors);
    return check_finite(context, name, field->table.values, field->table.rows * field->table.columns);
}

static topn_status check_core(topn_context *context, const fields_encoder *encoder)
{
    size_t columns = 1;
    if (encoder->kind != COMPOSE_TUCKER)
        return encoder->core.values ? fail(context, TOPN_ERROR_FORMAT, "fields.core: this model has no core") : TOPN_OK;
    for (size_t field = 0; field < encoder->field_count; field++) {
        const size_t width = encoder->fields[field].table.columns - (encoder->biases ? 1 : 0);
        if (columns > SIZE_MAX / width)
            return fail(context, TOPN_ERROR_FORMAT, "fields.core: the fields' factors multiply to too many");
        columns *= width;
    }
    if (encoder->core.rows != encoder->factors || encoder->core.columns != columns)
        return fail(context, TOPN_ERROR_FORMAT, "fields.core: %zu × %zu, not %zu × %zu", encoder->core.rows,
                    encoder->core.columns, encoder->factors, columns);
    return check_finite(context, "fields.core", encoder->core.values, encoder->core.rows * columns);
}

static topn_status check_loss(topn_context *context, const fields_encoder *encoder)
{
    const square_loss *loss = &encoder->loss;
    const double numbers[] = {loss->alpha,       loss->scale,         loss->unobserved,    loss->l2,
                              loss->l2_exponent, loss->user_exponent, loss->item_exponent, encoder->user_scale,
                              encoder->contexts, loss->label};
    static const char *const names[] = {"alpha",         "scale",         "unobserved", "l2",       "l2-exponent",
                                        "user-exponent", "item-exponent", "user-scale", "contexts", "label"};
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        const bool exponent = at >= 4 && at <= 6;
        if (!isfinite(numbers[at]) || (!exponent && numbers[at] < 0))
            return fail(context, TOPN_ERROR_NUMERIC, "encoder: the loss's %s is %g", names[at], numbers[at]);
    }
    if (isinf(loss->dislike_below) || loss->confidence < CONFIDENCE_NONE || loss->confidence > CONFIDENCE_LOG)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: the loss's confidence is of no known kind");
    if (loss->pairwise != (encoder->item_sum != NULL))
        return fail(context, TOPN_ERROR_FORMAT, "fields.item_sum: there %s pairwise loss",
                    loss->pairwise ? "is none for a" : "is one without a");
    if (encoder->context_pull && !loss->pairwise)
        return fail(context, TOPN_ERROR_FORMAT, "fields.context_pull: there is one without a pairwise loss");
    return TOPN_OK;
}

static topn_status check_user_features(topn_context *context, const fields_encoder *encoder)
{
    const sparse_matrix *rows = &encoder->user_features;
    topn_status status;
    if (!rows->indptr)
        return TOPN_OK;
    if (rows->rows != fields_users(encoder) || rows->columns != encoder->fields[0].features.count)
        return fail(context, TOPN_ERROR_FORMAT,
                    "fields.user_features: %" PRIu32 " × %" PRIu32 " for %" PRIu32 " users and %" PRIu32 " features",
                    rows->rows, rows->columns, fields_users(encoder), encoder->fields[0].features.count);
    TRY(sparse_check_offsets(context, rows, "fields.user_features"));
    TRY(check_finite(context, "fields.user_features.values", rows->values, rows->indptr[rows->rows]));
    TRY(sparse_check(context, rows, "fields.user_features"));
done:
    return status;
}

topn_status fields_encoder_check(topn_context *context, const fields_encoder *encoder, const dense_matrix *psi,
                                 uint32_t user_ids)
{
    topn_status status;
    const size_t dimensions = fields_dimensions(encoder), square = dimensions * dimensions;
    if (encoder->field_count == 0 || encoder->field_count > MOST_ENCODER_FIELDS || encoder->factors == 0 ||
        encoder->factors > MOST_FACTORS)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: %zu fields of %zu factors; 1 … %d and 1 … %d can be",
                    encoder->field_count, encoder->factors, MOST_ENCODER_FIELDS, MOST_FACTORS);
    if (!psi->values || psi->columns != dimensions)
        return fail(context, TOPN_ERROR_FORMAT, "items: %zu × %zu for an encoder of %zu dimensions", psi->rows,
                    psi->columns, dimensions);
    if (encoder->kind == COMPOSE_SUM && !encoder->biases)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a sum of fields has biases");
    for (size_t field = 0; field < encoder->field_count; field++)
        TRY(check_field(context, encoder, field, user_ids));
    TRY(check_core(context, encoder));
    TRY(check_loss(context, encoder));
    if (!encoder->item_gram || !encoder->context_gram)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: a Gramian is missing");
    TRY(check_finite(context, "fields.item_weights", encoder->item_weights, psi->rows));
    TRY(check_finite(context, "fields.item_gram", encoder->item_gram, square));
    TRY(check_finite(context, "fields.item_sum", encoder->item_sum, dimensions));
    TRY(check_finite(context, "fields.context_gram", encoder->context_gram, square));
    TRY(check_finite(context, "fields.context_pull", encoder->context_pull, dimensions));
    TRY(check_user_features(context, encoder));
done:
    return status;
}
