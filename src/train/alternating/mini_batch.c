/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/mini_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/tile.h"
#include "train/alternating/pairwise.h"

enum {
    BLOCK = 64, /* entities or examples of a task */
    LANES = 8
};

topn_status total_loss_create(topn_context *context, const alternating_problem *problem, total_loss *out)
{
    topn_status status = TOPN_OK;
    *out = (total_loss){.pairwise = problem->loss.pairwise,
                        .unobserved = problem->loss.pairwise ? 1 : problem->loss.unobserved,
                        .weights = {problem->weights[SIDE_CONTEXTS], problem->weights[SIDE_ITEMS]}};
    if (!out->pairwise)
        return status;
    out->items = pairwise_items(problem);
    TRY(pairwise_weights(context, problem, &out->pair_weights));
    out->weights[SIDE_CONTEXTS] = out->pair_weights;
done:
    return status;
}

void total_loss_clear(total_loss *loss)
{
    free(loss->pair_weights);
    *loss = (total_loss){0};
}

static topn_status side_create(topn_context *context, uint32_t entities, size_t dimensions, uint32_t capacity,
                               batch_side *out)
{
    topn_status status;
    TRY(ALLOCATE(context, capacity, &out->entities));
    TRY(ALLOCATE_ZEROED(context, entities, &out->slot_of));
    TRY(ALLOCATE(context, capacity, &out->slots));
    TRY(ALLOCATE(context, (size_t)capacity + 1, &out->starts));
    TRY(ALLOCATE(context, capacity, &out->members));
    TRY(ALLOCATE(context, capacity * dimensions, &out->embeddings));
    TRY(ALLOCATE(context, capacity * dimensions, &out->gradients));
done:
    return status;
}

topn_status mini_batch_create(topn_context *context, const alternating_problem *problem, uint32_t capacity,
                              mini_batch *out)
{
    topn_status status;
    *out = (mini_batch){.capacity = capacity, .dimensions = problem->sides[SIDE_CONTEXTS].dimensions};
    for (int side = 0; side < 2; side++)
        TRY(side_create(context, problem->sides[side].entities, out->dimensions, capacity, &out->sides[side]));
    TRY(ALLOCATE(context, capacity, &out->alphas));
    TRY(ALLOCATE(context, capacity, &out->labels));
    TRY(ALLOCATE(context, capacity, &out->pulls));
    TRY(ALLOCATE(context, capacity, &out->errors));
done:
    if (status != TOPN_OK)
        mini_batch_clear(out);
    return status;
}

void mini_batch_clear(mini_batch *batch)
{
    for (int side = 0; side < 2; side++) {
        free(batch->sides[side].entities);
        free(batch->sides[side].slot_of);
        free(batch->sides[side].slots);
        free(batch->sides[side].starts);
        free(batch->sides[side].members);
        free(batch->sides[side].embeddings);
        free(batch->sides[side].gradients);
    }
    free(batch->alphas);
    free(batch->labels);
    free(batch->pulls);
    free(batch->errors);
    *batch = (mini_batch){0};
}

uint64_t mini_batch_bytes(uint64_t contexts, uint64_t items, uint64_t capacity, size_t dimensions)
{
    return 4 * (contexts + items) + capacity * (16 * (uint64_t)dimensions + 48);
}

/* The slot of an entity, a new one if it has none yet. */
static uint32_t slot_of(batch_side *side, uint32_t entity)
{
    if (!side->slot_of[entity]) {
        side->entities[side->count] = entity;
        side->slot_of[entity] = ++side->count;
    }
    return side->slot_of[entity] - 1;
}

/* Lists the examples of each slot, and forgets which entity has which slot. */
static void list_members(batch_side *side, uint32_t size)
{
    memset(side->starts, 0, ((size_t)side->count + 1) * sizeof *side->starts);
    for (uint32_t e = 0; e < size; e++)
        if (side->slots[e] != NOBODY)
            side->starts[side->slots[e] + 1]++;
    for (uint32_t slot = 0; slot < side->count; slot++)
        side->starts[slot + 1] += side->starts[slot];
    for (uint32_t e = 0; e < size; e++)
        if (side->slots[e] != NOBODY)
            side->members[side->starts[side->slots[e]]++] = e;
    for (uint32_t slot = side->count; slot > 0; slot--)
        side->starts[slot] = side->starts[slot - 1];
    side->starts[0] = 0;
    for (uint32_t slot = 0; slot < side->count; slot++)
        side->slot_of[side->entities[slot]] = 0;
}

void mini_batch_fill(const alternating_problem *problem, const example_list *examples, uint32_t begin, uint32_t count,
                     mini_batch *batch)
{
    const observations *observed = &problem->observed[SIDE_CONTEXTS];
    batch_side *contexts = &batch->sides[SIDE_CONTEXTS], *items = &batch->sides[SIDE_ITEMS];
    batch->size = count;
    contexts->count = items->count = 0;
    for (uint32_t e = 0; e < count; e++) {
        const uint32_t example = examples->order[begin + e];
        const bool is_pair = example < examples->observed;
        uint32_t who = NOBODY, what = NOBODY;
        if (is_pair) {
            who = examples->contexts[example];
            what = observed->pairs.indices[example];
        } else if (example - examples->observed < examples->lone_count[SIDE_CONTEXTS]) {
            who = examples->lone[SIDE_CONTEXTS][example - examples->observed];
        } else {
            what = examples->lone[SIDE_ITEMS][example - examples->observed - examples->lone_count[SIDE_CONTEXTS]];
        }
        contexts->slots[e] = who == NOBODY ? NOBODY : slot_of(contexts, who);
        items->slots[e] = what == NOBODY ? NOBODY : slot_of(items, what);
        batch->alphas[e] = !is_pair ? 0 : observed->pairs.values ? observed->pairs.values[example] : observed->alpha;
        batch->labels[e] = is_pair && observed->labels ? observed->labels[example] : 1;
    }
    list_members(contexts, count);
    list_members(items, count);
}

static double dot(const float *a, const float *b, size_t n)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)a[k + lane] * b[k + lane];
    for (; k < n; k++)
        sum += (double)a[k] * b[k];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* errors and pulls of one example. */
VECTOR_CLONES
static void judge(const total_loss *loss, const gramians *estimates, mini_batch *batch, uint32_t e)
{
    const batch_side *contexts = &batch->sides[SIDE_CONTEXTS], *items = &batch->sides[SIDE_ITEMS];
    const size_t d = batch->dimensions;
    batch->errors[e] = batch->pulls[e] = 0;
    if (contexts->slots[e] == NOBODY || items->slots[e] == NOBODY)
        return;
    const float *phi = contexts->embeddings + contexts->slots[e] * d;
    const double alpha = batch->alphas[e];
    const double error = alpha * (dot(phi, items->embeddings + items->slots[e] * d, d) - batch->labels[e]);
    batch->errors[e] = (float)error;
    batch->pulls[e] =
        (float)(loss->pairwise ? 2 * loss->items * error - 2 * alpha * dot(phi, estimates->z, d) : 2 * error);
}

/* gradient += Σ over a slot's examples. */
VECTOR_CLONES
static void add_observed(const mini_batch *batch, int at, uint32_t slot, float *gradient)
{
    const batch_side *own = &batch->sides[at], *other = &batch->sides[1 - at];
    const size_t d = batch->dimensions;
    for (uint32_t m = own->starts[slot]; m < own->starts[slot + 1]; m++) {
        const uint32_t e = own->members[m];
        if (other->slots[e] == NOBODY)
            continue;
        const float *embedding = other->embeddings + other->slots[e] * d, pull = batch->pulls[e];
        for (size_t k = 0; k < d; k++)
            gradient[k] += pull * embedding[k];
    }
}

/* gradient −= scale · vector */
static void subtract(float *gradient, double scale, const float *vector, size_t d)
{
    for (size_t k = 0; k < d; k++)
        gradient[k] -= (float)(scale * vector[k]);
}

/* Gradients of the slots begin … end − 1. */
static void fill_gradients(const total_loss *loss, const gramians *estimates, const example_list *examples,
                           mini_batch *batch, int at, uint32_t begin, uint32_t end)
{
    batch_side *side = &batch->sides[at];
    const size_t d = batch->dimensions;
    tile_multiply(end - begin, d, d, side->embeddings + begin * d, estimates->gram[1 - at],
                  side->gradients + begin * d);
    for (uint32_t slot = begin; slot < end; slot++) {
        float *gradient = side->gradients + slot * d;
        const uint32_t entity = side->entities[slot], count = side->starts[slot + 1] - side->starts[slot];
        const double weight = loss->weights[at] ? loss->weights[at][entity] : 1;
        const double share =
            (double)count / examples->visits[at][entity] * weight * loss->unobserved * (loss->paper_exact ? 1 : 2);
        if (loss->pairwise && at == SIDE_ITEMS)
            subtract(gradient, 1, estimates->q, d);
        for (size_t k = 0; k < d; k++)
            gradient[k] = (float)(share * gradient[k]);
        add_observed(batch, at, slot, gradient);
        if (loss->pairwise && at == SIDE_CONTEXTS) {
            double errors = 0;
            for (uint32_t m = side->starts[slot]; m < side->starts[slot + 1]; m++)
                errors += batch->errors[side->members[m]];
            subtract(gradient, 2 * errors, estimates->z, d);
        }
    }
}

void mini_batch_gradients(topn_context *context, const total_loss *loss, const gramians *estimates,
                          const example_list *examples, mini_batch *batch)
{
    const uint32_t size = batch->size,
                   most = batch->sides[0].count > batch->sides[1].count ? batch->sides[0].count : batch->sides[1].count;
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for num_threads(context->threads) schedule(static, BLOCK)
    for (uint32_t e = 0; e < size; e++)
        judge(loss, estimates, batch, e);
    const uint32_t blocks = (most + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (uint32_t task = 0; task < 2 * blocks; task++) {
        const uint32_t begin = task / 2 * BLOCK, count = batch->sides[task % 2].count;
        if (begin < count)
            fill_gradients(loss, estimates, examples, batch, (int)(task % 2), begin,
                           count - begin < BLOCK ? count : begin + BLOCK);
    }
    threads_serial_blas_end(saved);
}
