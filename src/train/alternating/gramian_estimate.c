/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/gramian_estimate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/tile.h"
#include "train/alternating/pairwise.h"
#include "train/alternating/solver.h"

enum { GRAM_ROWS = 32 /* rows of Ĝ that a task brings up to date */ };

topn_status gramian_estimate_create(topn_context *context, const alternating_problem *problem, uint32_t capacity,
                                    gramian_estimate *out)
{
    topn_status status;
    const size_t d = problem->sides[SIDE_CONTEXTS].dimensions;
    *out = (gramian_estimate){0};
    for (int side = 0; side < 2; side++)
        TRY(ALLOCATE_ZEROED(context, d * d, &out->values.gram[side]));
    TRY(ALLOCATE_ZEROED(context, d, &out->values.z));
    TRY(ALLOCATE_ZEROED(context, d, &out->values.q));
    for (int which = 0; which < 2; which++)
        TRY(ALLOCATE(context, capacity, &out->factors[which]));
    TRY(ALLOCATE(context, capacity * d, &out->weighted));
    TRY(ALLOCATE(context, d * d, &out->exact));
    TRY(ALLOCATE(context, 2 * d, &out->sums));
done:
    if (status != TOPN_OK)
        gramian_estimate_clear(out);
    return status;
}

void gramian_estimate_clear(gramian_estimate *estimate)
{
    free(estimate->values.gram[0]);
    free(estimate->values.gram[1]);
    free(estimate->values.z);
    free(estimate->values.q);
    for (int which = 0; which < 2; which++)
        free(estimate->factors[which]);
    free(estimate->weighted);
    free(estimate->exact);
    free(estimate->sums);
    *estimate = (gramian_estimate){0};
}

uint64_t gramian_estimate_bytes(uint64_t items, uint64_t capacity, size_t dimensions)
{
    const uint64_t d = dimensions;
    return 16 * d * d + 24 * d + capacity * (4 * d + 8) + 4 * items * d;
}

static double weight_of(const total_loss *loss, int side, uint32_t entity)
{
    return loss->weights[side] ? loss->weights[side][entity] : 1;
}

topn_status gramian_estimate_set(topn_context *context, const alternating_problem *problem, const total_loss *loss,
                                 bool with_q, gramian_estimate *estimate)
{
    topn_status status = TOPN_OK;
    const size_t d = problem->sides[SIDE_CONTEXTS].dimensions;
    double *z = estimate->sums, *q = z + d;
    for (int side = 0; side < 2; side++) {
        TRY(side_gram(context, &problem->sides[side], loss->weights[side], estimate->exact));
        for (size_t k = 0; k < d * d; k++)
            estimate->values.gram[side][k] = (float)estimate->exact[k];
    }
    if (!loss->pairwise)
        goto done;
    TRY(pairwise_sums(context, problem, z, with_q ? q : NULL));
    for (size_t k = 0; k < d; k++) {
        estimate->values.z[k] = (float)z[k];
        if (with_q)
            estimate->values.q[k] = (float)q[k];
    }
done:
    return status;
}

/* Fills the slots' factors, those of z too; returns what the old estimate is multiplied with. */
static float slot_factors(const total_loss *loss, const example_list *examples, const mini_batch *batch, int at,
                          gramian_estimate *estimate)
{
    const batch_side *side = &batch->sides[at];
    const uint32_t entities = examples->entities[at];
    float *factors = estimate->factors[at];
    double keep = 1;
    memset(factors, 0, side->count * sizeof *factors);
    for (uint32_t e = batch->size; e-- > 0;) { /* the last example's step is not yet faded */
        if (side->slots[e] == NOBODY)
            continue;
        const uint32_t entity = side->entities[side->slots[e]];
        const double share = 1.0 / examples->visits[at][entity], weight = weight_of(loss, at, entity);
        if (estimate->kind == ESTIMATE_AVERAGE) {
            factors[side->slots[e]] += (float)(estimate->rate * examples->count / batch->size * share * weight);
            continue;
        }
        factors[side->slots[e]] += (float)(keep * estimate->rate * share * entities * weight);
        keep *= 1 - estimate->rate * share;
    }
    return (float)(estimate->kind == ESTIMATE_AVERAGE ? 1 - estimate->rate : keep);
}

/* Ĝ = keep·Ĝ + Σ_slots factor·φφᵀ */
static void follow_gram(topn_context *context, const mini_batch *batch, int at, float keep, gramian_estimate *estimate)
{
    const batch_side *side = &batch->sides[at];
    const size_t d = batch->dimensions, tasks = (d + GRAM_ROWS - 1) / GRAM_ROWS;
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (uint32_t slot = 0; slot < side->count; slot++)
        for (size_t k = 0; k < d; k++)
            estimate->weighted[slot * d + k] = estimate->factors[at][slot] * side->embeddings[slot * d + k];
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t task = 0; task < tasks; task++) {
        const size_t first = task * GRAM_ROWS, count = d - first < GRAM_ROWS ? d - first : GRAM_ROWS;
        tile_update_gram(first, count, d, side->count, side->embeddings, estimate->weighted, keep,
                         estimate->values.gram[at]);
    }
}

/* z = keep·z + Σ_slots factor·ψ */
static void follow_z(const mini_batch *batch, float keep, gramian_estimate *estimate)
{
    const batch_side *items = &batch->sides[SIDE_ITEMS];
    const size_t d = batch->dimensions;
    for (size_t k = 0; k < d; k++)
        estimate->values.z[k] *= keep;
    for (uint32_t slot = 0; slot < items->count; slot++)
        for (size_t k = 0; k < d; k++)
            estimate->values.z[k] += estimate->factors[SIDE_ITEMS][slot] * items->embeddings[slot * d + k];
}

/* q follows |terms|·α(ŷ − y)·φ; EXAMPLE with the mean rate of the contexts' Gramian. */
static void follow_q(const example_list *examples, const mini_batch *batch, gramian_estimate *estimate)
{
    const batch_side *contexts = &batch->sides[SIDE_CONTEXTS];
    const size_t d = batch->dimensions;
    const bool by_batch = estimate->kind != ESTIMATE_EXAMPLE;
    const double rate =
        by_batch ? estimate->rate
                 : -expm1(-estimate->rate * examples->entities[SIDE_CONTEXTS] / examples->count * batch->size);
    for (size_t k = 0; k < d; k++)
        estimate->values.q[k] *= (float)(1 - rate);
    for (uint32_t e = 0; e < batch->size; e++) {
        const float factor = (float)(rate * examples->count / batch->size * batch->errors[e]);
        if (factor != 0)
            for (size_t k = 0; k < d; k++)
                estimate->values.q[k] += factor * contexts->embeddings[contexts->slots[e] * d + k];
    }
}

void gramian_estimate_follow(topn_context *context, const total_loss *loss, const example_list *examples,
                             const mini_batch *batch, gramian_estimate *estimate)
{
    if (loss->pairwise)
        follow_q(examples, batch, estimate);
    if (estimate->kind == ESTIMATE_EXACT)
        return;
    const int saved = threads_serial_blas_begin();
    for (int side = 0; side < 2; side++) {
        const float keep = slot_factors(loss, examples, batch, side, estimate);
        if (batch->sides[side].count)
            follow_gram(context, batch, side, keep, estimate);
        if (loss->pairwise && side == SIDE_ITEMS)
            follow_z(batch, keep, estimate);
    }
    threads_serial_blas_end(saved);
}

topn_status gramian_estimate_distance(topn_context *context, const alternating_problem *problem, const total_loss *loss,
                                      gramian_estimate *estimate, double distances[2])
{
    topn_status status = TOPN_OK;
    const size_t d = problem->sides[SIDE_CONTEXTS].dimensions;
    for (int side = 0; side < 2; side++) {
        double off = 0, all = 0;
        TRY(side_gram(context, &problem->sides[side], loss->weights[side], estimate->exact));
        for (size_t k = 0; k < d * d; k++) {
            const double difference = estimate->values.gram[side][k] - estimate->exact[k];
            off += difference * difference;
            all += estimate->exact[k] * estimate->exact[k];
        }
        distances[side] = all > 0 ? sqrt(off / all) : 0;
    }
done:
    return status;
}
