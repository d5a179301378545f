/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of tests/golden/multilinear.py and problems on them. Include it before <cmocka.h>.
 */
#ifndef TOPN_TESTS_GOLDEN_DATA_H
#define TOPN_TESTS_GOLDEN_DATA_H

#include "../golden/multilinear.h"
#include "context_data.h"
#include "train/alternating/sides.h"
#include "train/alternating/solver.h"

enum { GOLDEN_USERS = 5, GOLDEN_ITEMS = 6 };
static const size_t golden_field_factors[3] = {3, 2, 2};

/* with_contexts: hours and places; else users alone. */
static inline topn_data *golden_data(bool with_contexts, bool with_features)
{
    static const uint32_t counts[2] = {3, 2};
    unsigned users[GOLDEN_CONTEXTS][1], indptr[GOLDEN_USERS + 1] = {0}, items[GOLDEN_EVENTS], to = 0;
    context_arrays arrays = {.users = GOLDEN_USERS,
                             .items = GOLDEN_ITEMS,
                             .field_count = 2,
                             .value_counts = counts,
                             .contexts = golden_contexts,
                             .context_count = GOLDEN_CONTEXTS,
                             .indptr = golden_indptr,
                             .event_items = golden_items,
                             .user_features = golden_user_features,
                             .item_features = golden_item_features,
                             .user_feature_count = with_features ? 2 : 0,
                             .item_feature_count = with_features ? 3 : 0};
    if (!with_contexts) {
        for (unsigned user = 0; user < GOLDEN_USERS; user++) {
            users[user][0] = user;
            for (unsigned c = 0; c < GOLDEN_CONTEXTS; c++)
                for (unsigned at = golden_indptr[c]; golden_contexts[3 * c] == user && at < golden_indptr[c + 1]; at++)
                    items[to++] = golden_items[at];
            indptr[user + 1] = to;
        }
        arrays.field_count = 0;
        arrays.contexts = users[0];
        arrays.context_count = GOLDEN_USERS;
        arrays.indptr = indptr;
        arrays.event_items = items;
    }
    return context_data(&arrays);
}

static inline alternating_params golden_params(bool biases)
{
    return (alternating_params){.l2 = 0.05,
                                .l2_exponent = 0.7,
                                .unobserved_weight = 0.3,
                                .alpha = 1.5,
                                .confidence_scale = 1,
                                .dislike_below = NAN,
                                .factors = 3,
                                .init_scale = 1,
                                .cg_steps = 3,
                                .biases = biases,
                                .keep_users = true};
}

static inline void golden_half_sweep(topn_context *context, alternating_problem *problem, problem_side side,
                                     const alternating_params *params)
{
    if (alternating_half_sweep(context, problem, side, params, "test") != TOPN_OK)
        abort();
}

/* Scores of all pairs [entities of the contexts × items]; the caller frees. */
static inline double *all_scores(topn_context *context, const alternating_problem *problem)
{
    const multilinear_side *c = &problem->sides[SIDE_CONTEXTS], *i = &problem->sides[SIDE_ITEMS];
    const size_t d = c->dimensions;
    float *phi = malloc(c->entities * d * sizeof *phi), *psi = malloc(i->entities * d * sizeof *psi);
    double *out = calloc((size_t)c->entities * i->entities, sizeof *out);
    made(side_embed_all(context, c, phi));
    made(side_embed_all(context, i, psi));
    for (size_t e = 0; e < c->entities; e++)
        for (size_t item = 0; item < i->entities; item++)
            for (size_t j = 0; j < d; j++)
                out[e * i->entities + item] += (double)phi[e * d + j] * (double)psi[item * d + j];
    free(phi);
    free(psi);
    return out;
}

static inline double total_loss(topn_context *context, const alternating_problem *problem)
{
    loss_parts parts;
    made(alternating_loss(context, problem, &parts));
    return parts.observed + parts.unobserved + parts.ridge;
}

#endif
