/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "train/alternating/observations.h"
#include "train/alternating/sides.h"

enum { MOST_GRAMS = 3 + 16 }; /* of D² doubles, or so much at a time */

double alternating_product_l2(const topn_data *data, double l2)
{
    return !isnan(l2) ? l2 : data->contexts.field_count ? 1e-7 : 0.003;
}

topn_status alternating_check(topn_context *context, const char *method_name, const alternating_params *params)
{
    if (params->l2 == 0 && params->unobserved_weight == 0)
        return fail(context, TOPN_ERROR_OPTION,
                    "%s: --l2 0 with --unobserved-weight 0 leaves embeddings undetermined; one of them must be above 0",
                    method_name);
    return TOPN_OK;
}

square_loss alternating_square_loss(const alternating_params *params)
{
    return (square_loss){.pairwise = params->loss == 1,
                         .label = 1,
                         .alpha = params->alpha,
                         .confidence = params->confidence,
                         .scale = params->confidence_scale,
                         .dislike_below = params->dislike_below,
                         .unobserved = params->unobserved_weight,
                         .l2 = params->l2,
                         .l2_exponent = params->l2_exponent,
                         .user_exponent = params->user_weight_exponent,
                         .item_exponent = params->item_weight_exponent};
}

topn_status problem_create(topn_context *context, const topn_data *data, const alternating_params *params,
                           composition kind, bool contexts, const size_t *field_factors, alternating_problem *out)
{
    topn_status status;
    const sparse_matrix *events = contexts && data->contexts.field_count > 0 ? &data->contexts.events : &data->matrix;
    *out = (alternating_problem){.loss = alternating_square_loss(params)};
    /* Each observed pair stands against all items there: the same λ weighs as much as in the pointwise loss. */
    if (out->loss.pairwise)
        out->loss.l2 *= data->item_ids.count;
    TRY(data_require_events(context, data, "to train on"));
    TRY(sides_create(context, data, params, kind, contexts, field_factors, out->sides));
    TRY(pair_weights_create(context, events, &out->loss, out->weights, &out->user_scale));
    TRY(observations_create(context, events, data->has_weights, &out->loss, out->weights, out->observed));
    for (int side = 0; side < 2; side++)
        if ((side == SIDE_ITEMS ? &data->item_features : &data->user_features)->names.count > 0)
            TRY(leave_out_new(context, &out->observed[side], &out->weights[side]));
    for (int side = 0; side < 2; side++)
        TRY(blocks_create(context, &out->sides[side], &out->observed[side], &out->loss, &out->blocks[side]));
done:
    if (status != TOPN_OK)
        problem_clear(out);
    return status;
}

void problem_clear(alternating_problem *problem)
{
    for (int side = 0; side < 2; side++) {
        blocks_free(problem->blocks[side], &problem->sides[side]);
        free(problem->weights[side]);
    }
    observations_clear(problem->observed);
    sides_clear(problem->sides);
    memset(problem, 0, sizeof *problem);
}

/* Sizes that costs are made of, as doubles. */
typedef struct problem_size {
    double contexts, items, events, fields, biases, factors, dimensions, block;
    bool plain;
    double core; /* columns of the core, or 0 */
} problem_size;

static problem_size size_of(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                            const size_t *field_factors)
{
    const bool with_contexts = contexts && data->contexts.field_count > 0,
               biases = params->biases || kind == COMPOSE_SUM;
    problem_size size = {
        .contexts = sides_context_count(data, contexts),
        .items = data->matrix.columns,
        .events = (double)(with_contexts ? data->contexts.events.indptr[data->contexts.events.rows]
                                         : data->matrix.indptr[data->matrix.rows]),
        .fields = (double)sides_context_fields(data, contexts),
        .biases = biases ? 1 : 0,
        .factors = (double)params->factors,
    };
    size.dimensions = size.factors + 2 * size.biases;
    size.block = params->block == 0 || params->solver == 1 || (double)params->block > size.factors
                     ? size.factors
                     : (double)params->block;
    size.plain = kind == COMPOSE_PRODUCT && size.fields == 1 && !biases && data->user_features.names.count == 0 &&
                 data->item_features.names.count == 0;
    size.core = kind == COMPOSE_TUCKER ? 1 : 0;
    for (size_t field = 0; kind == COMPOSE_TUCKER && field < (size_t)size.fields; field++)
        size.core *= field_factors ? (double)field_factors[field] : size.factors;
    return size;
}

uint64_t problem_state_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                             const size_t *field_factors)
{
    return sides_bytes(data, params, kind, contexts, field_factors);
}

uint64_t problem_bytes(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                       const size_t *field_factors)
{
    const problem_size size = size_of(data, params, kind, contexts, field_factors);
    const uint64_t sides = sides_bytes(data, params, kind, contexts, field_factors);
    const double d = size.dimensions, width = size.core > d ? size.core : d;
    const bool values =
                   params->confidence != 0 || params->user_weight_exponent != 0 || params->item_weight_exponent != 0,
               labels = params->dislike_below == params->dislike_below;
    /* Pairs of the items, α and labels of both sides; ridges, weights and orders of rows. */
    double bytes = size.events * (4 + (values ? 8 : 0) + (labels ? 8 : 0)) + 24 * (size.contexts + size.items);
    bytes += 8 * MOST_GRAMS * d * d + 4 * d * size.items; /* Gramians; ψ of the model */
    bytes += threads_available() * 64e6;
    if (!size.plain)
        bytes += 4 * d * (size.contexts + size.items) + 12 * size.fields * size.contexts + 4 * size.events +
                 (threads_available() + 16.0) * 4 * width * (width + 2 * d);
    if (sides == UINT64_MAX || bytes + (double)sides > 9e18)
        return UINT64_MAX;
    return sides + (uint64_t)bytes;
}

double problem_sweep_flops(const topn_data *data, const alternating_params *params, composition kind, bool contexts,
                           const size_t *field_factors)
{
    const problem_size size = size_of(data, params, kind, contexts, field_factors);
    const double d = size.dimensions, b = size.block, entities = size.contexts + size.items;
    const double products = params->solver == 1 ? 4.0 * (double)params->cg_steps + 4 : b + 6;
    const double solves = params->solver == 1 ? 2.0 * (double)params->cg_steps * d * d : d * b * b / 3 + 4 * d * d;
    const double one = (size.contexts * size.fields + size.items) / entities;
    double flops = one * (2 * size.events * d * products + entities * solves) + 2 * entities * d * d;
    if (!size.plain)
        flops += one * entities * 2 * d * d * d;
    if (size.core > 0)
        flops += d * size.core * (size.events * (size.core < b ? size.core : b) + size.contexts * size.core);
    return flops;
}
