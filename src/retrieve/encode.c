/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/encode.h"

#include <math.h>
#include <string.h>

#include "base/vector.h"
#include "numeric/largest.h"

static double history_weight(const topn_model *model, const history *user, size_t place)
{
    return model->encoder.use_weights && user->weights ? (double)user->weights[place] : 1.0;
}

double history_scale(const topn_model *model, const history *user)
{
    if (model->encoder.normalizer == 0.0)
        return 1.0;
    double sum = 0.0;
    for (size_t place = 0; place < user->length; place++)
        sum += history_weight(model, user, place);
    return sum > 0.0 ? pow(sum, -model->encoder.normalizer) : 1.0;
}

float history_factor(const topn_model *model, const history *user, double scale, size_t place)
{
    return (float)(scale * history_weight(model, user, place));
}

VECTOR_CLONES
void add_scaled_row(float *restrict target, const float *restrict row, float factor, size_t count)
{
    for (size_t column = 0; column < count; column++)
        target[column] += factor * row[column];
}

void encode_history(const topn_model *model, const history *user, float *phi)
{
    const embedding_table *table = &model->encoder.rows;
    const bool dense = table->form == TABLE_DENSE;
    const size_t dimensions = dense ? table->dense.columns : table->sparse.columns;
    const double scale = history_scale(model, user);
    memset(phi, 0, dimensions * sizeof *phi);
    for (size_t place = 0; place < user->length; place++) {
        const float factor = history_factor(model, user, scale, place);
        const uint32_t item = user->items[place];
        if (dense) {
            add_scaled_row(phi, table->dense.values + (size_t)item * dimensions, factor, dimensions);
            continue;
        }
        const sparse_matrix *rows = &table->sparse;
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
            phi[rows->indices[at]] += factor * rows->values[at];
    }
}

fields_query query_of(const topn_model *model, const history *user)
{
    return (fields_query){
        .user = user->trained ? user->user : UINT32_MAX,
        .items = user->items,
        .weights = model->encoder.use_weights ? user->weights : NULL,
        .length = user->length,
        .values = user->values,
        .features = user->features,
        .feature_values = user->feature_values,
        .feature_count = user->feature_count,
    };
}

topn_status encode_scratch_create(topn_context *context, const topn_model *model, encode_scratch *out)
{
    *out = (encode_scratch){0};
    if (model->encoder.kind == ENCODER_FIELDS)
        return fields_scratch_create(context, &model->encoder.fields, &out->fields);
    if (model->encoder.kind == ENCODER_NETWORK)
        return network_scratch_create(context, &model->encoder.network, &out->network);
    return TOPN_OK;
}

void encode_scratch_clear(encode_scratch *scratch)
{
    fields_scratch_free(scratch->fields);
    network_scratch_free(scratch->network);
    *scratch = (encode_scratch){0};
}

topn_status encode_user(const topn_retriever *retriever, const history *user, const encode_scratch *scratch, float *phi)
{
    const topn_model *model = retriever->model;
    const fields_query query = query_of(model, user);
    topn_status status = TOPN_OK;
    if (model->encoder.kind == ENCODER_FIELDS)
        status = fields_encode(&model->encoder.fields, &retriever->rows->dense, &query, scratch->fields, phi);
    else if (model->encoder.kind == ENCODER_NETWORK)
        status = network_encode(&model->encoder.network, &query, scratch->network, phi);
    else
        encode_history(model, user, phi);
    if (status != TOPN_OK)
        return status;
    if (retriever->cut)
        keep_largest(phi, embedding_dimensions(retriever->rows), retriever->cut);
    return TOPN_OK;
}

bool encode_needs_row(const topn_retriever *retriever)
{
    const topn_model *model = retriever->model;
    return model->encoder.kind == ENCODER_FIELDS || model->encoder.kind == ENCODER_NETWORK ||
           model->encoder.rows.form == TABLE_DENSE || retriever->cut;
}

topn_status encode_lane(const topn_retriever *retriever, const history *user, const encode_scratch *scratch, float *row,
                        float *lane, size_t lanes)
{
    const topn_model *model = retriever->model;
    if (encode_needs_row(retriever)) {
        const size_t dimensions = embedding_dimensions(retriever->rows);
        const topn_status status = encode_user(retriever, user, scratch, row);
        for (size_t dimension = 0; status == TOPN_OK && dimension < dimensions; dimension++)
            lane[dimension * lanes] = row[dimension];
        return status;
    }
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    const double scale = history_scale(model, user);
    for (size_t place = 0; place < user->length; place++) {
        const uint32_t item = user->items[place];
        const float factor = history_factor(model, user, scale, place);
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
            lane[rows->indices[at] * lanes] += factor * rows->values[at];
    }
    return TOPN_OK;
}

topn_status fail_encode(topn_context *context, const topn_model *model)
{
    if (model->encoder.kind == ENCODER_NETWORK)
        return fail(context, TOPN_ERROR_NUMERIC,
                    "a user's embedding is not finite: the network's weights, or the weights of the history, are too "
                    "large");
    return fail(context, TOPN_ERROR_NUMERIC,
                "a user's row has no solution in single precision: the model needs more --l2, or fewer factors");
}

bool is_trained_history(const topn_model *model, uint32_t user, const history *given)
{
    const sparse_matrix *kept = &model->histories;
    if (!given->length || !kept->indptr || user >= model_user_rows(model))
        return false;
    const uint64_t begin = kept->indptr[user];
    const size_t length = kept->indptr[user + 1] - begin;
    if (length != given->length || memcmp(kept->indices + begin, given->items, length * sizeof *given->items) != 0)
        return false;
    for (size_t place = 0; model->encoder.use_weights && place < length; place++) {
        const float left = kept->values ? kept->values[begin + place] : 1.0f;
        const float right = given->weights ? given->weights[place] : 1.0f;
        if (left < right || left > right)
            return false;
    }
    return true;
}

VECTOR_CLONES
static void scale_scores(float *restrict scores, const float *restrict priors, size_t items)
{
    for (size_t item = 0; item < items; item++)
        scores[item] = scores[item] * priors[item] + 0.0f; /* no −0 where a prior is negative */
}

VECTOR_CLONES
static void shift_scores(float *restrict scores, const float *restrict biases, size_t items)
{
    for (size_t item = 0; item < items; item++)
        scores[item] += biases[item];
}

void finish_scores(const topn_model *model, float *scores)
{
    if (model->table.priors)
        scale_scores(scores, model->table.priors, model->items);
    if (model->table.biases)
        shift_scores(scores, model->table.biases, model->items);
}
