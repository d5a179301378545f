/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"

struct network_scratch {
    float *x;    /* [the wider input] */
    float *rest; /* [width] x but for the bags */
    float *sums; /* [bags × width] Σ v_h T_h, without s */
    float *phi;  /* [D] */
    float *layers;
    double norms[MOST_NETWORK_BAGS]; /* n */
};

topn_status network_scratch_create(topn_context *context, const network_encoder *encoder, network_scratch **out)
{
    topn_status status;
    network_scratch *scratch = NULL;
    const bool items = encoder->items.table.values != NULL;
    const size_t width = encoder->width, item_width = items ? encoder->item_layers.inputs : 0;
    const size_t own = layers_scratch(&encoder->layers), other = items ? layers_scratch(&encoder->item_layers) : 0;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(ALLOCATE(context, width > item_width ? width : item_width, &scratch->x));
    TRY(ALLOCATE(context, width, &scratch->rest));
    TRY(ALLOCATE(context, encoder->bag_count * width, &scratch->sums));
    TRY(ALLOCATE(context, network_dimensions(encoder), &scratch->phi));
    TRY(ALLOCATE(context, own > other ? own : other, &scratch->layers));
    *out = scratch;
    return TOPN_OK;
done:
    network_scratch_free(scratch);
    return status;
}

void network_scratch_free(network_scratch *scratch)
{
    if (!scratch)
        return;
    free(scratch->x);
    free(scratch->rest);
    free(scratch->sums);
    free(scratch->phi);
    free(scratch->layers);
    free(scratch);
}

VECTOR_CLONES
static void add_row(float *restrict target, const float *restrict row, float factor, size_t count)
{
    for (size_t at = 0; at < count; at++)
        target[at] += factor * row[at];
}

static double event_value(const network_bag *bag, const fields_query *query, size_t place)
{
    const double weight = query->weights ? (double)query->weights[place] : 1.0;
    return bag->weighted ? weight - bag->offset : 1.0;
}

/* What an event adds to n. */
static double event_norm(const network_bag *bag, double value)
{
    return bag->squares ? value * value : 1.0;
}

static void put_sums(const network_encoder *encoder, const fields_query *query, network_scratch *scratch)
{
    const size_t width = encoder->width;
    for (size_t index = 0; index < encoder->bag_count; index++) {
        const network_bag *bag = &encoder->bags[index];
        float *sum = scratch->sums + index * width;
        memset(sum, 0, width * sizeof *sum);
        scratch->norms[index] = 0.0;
        for (size_t place = 0; place < query->length; place++) {
            const double value = event_value(bag, query, place);
            add_row(sum, bag->table.values + query->items[place] * width, (float)value, width);
            scratch->norms[index] += event_norm(bag, value);
        }
    }
}

static void add_features(const encoder_field *field, const uint32_t *features, const float *values, size_t count,
                         float *x)
{
    const size_t first = field->table.rows - field->features.count, width = field->table.columns;
    for (size_t at = 0; at < count; at++)
        add_row(x, field->table.values + (first + features[at]) * width, values ? values[at] : 1.0f, width);
}

/* The user's row or the unknown one, and the features. */
static void put_rest(const network_encoder *encoder, const fields_query *query, float *rest)
{
    const uint32_t users = network_users(encoder), row = query->user < users ? query->user : users;
    const sparse_matrix *kept = &encoder->user_features;
    memcpy(rest, encoder->users.table.values + row * encoder->width, encoder->width * sizeof *rest);
    add_features(&encoder->users, query->features, query->feature_values, query->feature_count, rest);
    if (!query->feature_count && kept->indptr && query->user < kept->rows) {
        const uint64_t begin = kept->indptr[query->user];
        add_features(&encoder->users, kept->indices + begin, kept->values ? kept->values + begin : NULL,
                     kept->indptr[query->user + 1] - begin, rest);
    }
}

static float bag_scale(const network_bag *bag, double norm)
{
    return norm > 0.0 ? (float)pow(norm, -bag->exponent) : 0.0f;
}

static bool all_finite(const float *values, size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (!isfinite(values[at]))
            return false;
    return true;
}

topn_status network_encode(const network_encoder *encoder, const fields_query *query, network_scratch *scratch,
                           float *phi)
{
    const size_t width = encoder->width;
    put_sums(encoder, query, scratch);
    put_rest(encoder, query, scratch->x);
    for (size_t bag = 0; bag < encoder->bag_count; bag++)
        add_row(scratch->x, scratch->sums + bag * width, bag_scale(&encoder->bags[bag], scratch->norms[bag]), width);
    layers_forward(&encoder->layers, scratch->x, scratch->layers, phi);
    return all_finite(phi, network_dimensions(encoder)) ? TOPN_OK : TOPN_ERROR_NUMERIC;
}

static double product(const float *left, const float *right, size_t count)
{
    double sum = 0.0;
    for (size_t at = 0; at < count; at++)
        sum += (double)left[at] * (double)right[at];
    return sum;
}

/* x of the history without the event at `place`. */
static void put_without(const network_encoder *encoder, const fields_query *query, size_t place,
                        network_scratch *scratch)
{
    const size_t width = encoder->width;
    memcpy(scratch->x, scratch->rest, width * sizeof *scratch->x);
    for (size_t index = 0; query->length > 1 && index < encoder->bag_count; index++) {
        const network_bag *bag = &encoder->bags[index];
        const double value = event_value(bag, query, place);
        const float scale = bag_scale(bag, scratch->norms[index] - event_norm(bag, value));
        add_row(scratch->x, scratch->sums + index * width, scale, width);
        add_row(scratch->x, bag->table.values + query->items[place] * width, -scale * (float)value, width);
    }
}

topn_status network_contributions(const network_encoder *encoder, const fields_query *query, network_scratch *scratch,
                                  const float *target, double *out)
{
    const size_t dimensions = network_dimensions(encoder);
    const topn_status status = network_encode(encoder, query, scratch, scratch->phi);
    if (status != TOPN_OK)
        return status;
    const double whole = product(scratch->phi, target, dimensions);
    put_rest(encoder, query, scratch->rest);
    for (size_t place = 0; place < query->length; place++) {
        put_without(encoder, query, place, scratch);
        layers_forward(&encoder->layers, scratch->x, scratch->layers, scratch->phi);
        if (!all_finite(scratch->phi, dimensions))
            return TOPN_ERROR_NUMERIC;
        out[place] = whole - product(scratch->phi, target, dimensions);
    }
    return TOPN_OK;
}

topn_status network_embed_item(const network_encoder *encoder, const uint32_t *features, const float *values,
                               size_t count, network_scratch *scratch, float *psi)
{
    const dense_matrix *table = &encoder->items.table;
    const size_t fresh = table->rows - 1 - encoder->items.features.count;
    memcpy(scratch->x, table->values + fresh * table->columns, table->columns * sizeof *scratch->x);
    add_features(&encoder->items, features, values, count, scratch->x);
    layers_forward(&encoder->item_layers, scratch->x, scratch->layers, psi);
    return all_finite(psi, network_dimensions(encoder)) ? TOPN_OK : TOPN_ERROR_NUMERIC;
}
