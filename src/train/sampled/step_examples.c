/* SPDX-License-Identifier: Apache-2.0
 *
 * Examples of a batch, block by block: all phases of a block by one thread, so that what one phase asks memory for is
 * there when the next one needs it.
 */
#include <string.h>

#include "base/threads.h"
#include "base/vector.h"
#include "train/sampled/step_team.h"

enum {
    LINE = 16,      /* floats of a cache line */
    MOST_LINES = 8, /* of a history */
    FEW_ITEMS = 8   /* of an example, whose rows are asked for when they are drawn */
};

static void fetch(const float *row, size_t width)
{
    for (size_t k = 0; k < width; k += LINE)
        __builtin_prefetch(row + k);
}

static const float *context_table(const step_setup *setup)
{
    const tower *side = &setup->towers->contexts;
    return setup->towers->tables[side->fields[0].table].values;
}

/* Asks for what exclusions look at: a row of I_c, or, of long ones, the places where halving it begins. */
static void fetch_taken(const sparse_matrix *taken, uint32_t context)
{
    const uint64_t begin = taken->indptr[context], end = taken->indptr[context + 1],
                   step = end - begin < MOST_LINES * LINE ? LINE : (end - begin) / MOST_LINES;
    for (uint64_t at = begin; at < end; at += step)
        __builtin_prefetch(taken->indices + at);
}

void step_take(const step_setup *setup, const step_team *team, drawn_batch *drawn, uint32_t begin, uint32_t end)
{
    positives_take(&setup->towers->positives, setup->seed, drawn->place.sweep, drawn->place.begin + begin, end - begin,
                   drawn->positives + begin);
    const sparse_matrix *taken = &setup->towers->positives.taken;
    const bool looks_at_taken = setup->exclusion == EXCLUDE_HISTORY && taken->indptr,
               overlaps = setup->sampler->draw_together && !setup->draws_by_model, /* its misses of the cache */
        is_embedded_next = team->plain_contexts && (!team->by_rows || setup->draws_by_model);
    for (uint32_t e = begin; e < end; e++) {
        drawn->contexts[e] = drawn->positives[e].context;
        drawn->own[e] = drawn->items[(size_t)e * team->each] = drawn->positives[e].item;
        if (looks_at_taken)
            __builtin_prefetch(taken->indptr + drawn->contexts[e]);
        if (is_embedded_next)
            fetch(context_table(setup) + drawn->contexts[e] * team->context_stride, team->context_stride);
    }
    for (uint32_t e = begin; looks_at_taken && !overlaps && e < end; e++)
        fetch_taken(taken, drawn->contexts[e]);
}

/* φ of the tower, or of a table that it is a row of; β_c apart, and 1 in its place for the item's. */
void step_embed(const step_setup *setup, step_team *team, const drawn_batch *drawn, uint32_t begin, uint32_t end)
{
    const size_t d = team->dimensions;
    const float *table = team->plain_contexts ? context_table(setup) : NULL;
    for (uint32_t e = begin; e < end; e++) {
        float *phi = team->phi + e * team->stride;
        team->touched[e] = drawn->contexts[e];
        const float *row =
            table ? table + drawn->contexts[e] * team->context_stride : team->context_rows + e * team->context_stride;
        if (team->context_stride > d)
            team->context_bias[e] = row[d];
        if (row != phi)
            memcpy(phi, row, d * sizeof *phi);
        if (team->stride > d)
            phi[d] = 1;
    }
}

VECTOR_CLONES
static float one_dot(const float *a, const float *b, size_t n)
{
    return step_dot(a, b, n);
}

static draw_request request_of(const step_setup *setup, const step_team *team, const drawn_batch *drawn, uint32_t e)
{
    const sampling_view *view = &setup->view;
    const positive *at = &drawn->positives[e];
    draw_request request = {.context = at->context,
                            .item = at->item,
                            .pair = at->pair,
                            .phi = team->phi + e * team->stride,
                            .count = team->each - 1};
    if (setup->sampler->needs_scores)
        request.score = (double)one_dot(request.phi, view->item_rows + at->item * view->item_stride, view->item_stride);
    return request;
}

/* Where an example's draws go. */
static draw_result result_of(const step_team *team, const drawn_batch *drawn, uint32_t e)
{
    return (draw_result){.items = drawn->items + (size_t)e * team->each + 1,
                         .log_counts = drawn->log_counts + (size_t)e * (team->each - 1)};
}

/* Takes note of what was drawn for an example. */
static void note_drawn(const step_team *team, drawn_batch *drawn, step_thread *own, uint32_t e,
                       const draw_result *result)
{
    uint32_t *items = drawn->items + (size_t)e * team->each;
    for (uint32_t n = result->found; n < team->each - 1; n++)
        items[1 + n] = NO_ROW;
    drawn->found[e] = result->found;
    drawn->rounds[e] = result->violator_rounds;
    own->draws += result->found;
    own->rounds += result->rounds;
    own->rejected += result->rejected;
    own->alone += result->found == 0;
    const bool are_judged_next = team->plain_items && !team->by_rows && result->found < FEW_ITEMS;
    for (uint32_t n = 0; are_judged_next && n <= result->found; n++)
        fetch(team->item_rows + items[n] * team->stride, team->stride);
}

/* The examples of a block together; blocks are the same whatever the number of threads. */
static void draw_together(const step_setup *setup, const step_team *team, drawn_batch *drawn, uint64_t first,
                          step_thread *own, uint32_t begin, uint32_t end)
{
    _Static_assert((int)STEP_BLOCK <= (int)DRAWN_TOGETHER, "a block is drawn at once");
    draw_request requests[STEP_BLOCK];
    draw_result results[STEP_BLOCK];
    draw_source source = draw_source_of(setup->seed, first + begin);
    for (uint32_t e = begin; e < end; e++) {
        requests[e - begin] = request_of(setup, team, drawn, e);
        results[e - begin] = result_of(team, drawn, e);
    }
    setup->sampler->draw_together(setup->state, &setup->view, requests, end - begin, &source, own->scratch, results);
    for (uint32_t e = begin; e < end; e++)
        note_drawn(team, drawn, own, e, &results[e - begin]);
}

void step_draw(const step_setup *setup, const step_team *team, drawn_batch *drawn, step_thread *own, uint32_t begin,
               uint32_t end)
{
    const uint64_t first = (uint64_t)drawn->place.sweep * setup->towers->positives.count + drawn->place.begin;
    if (setup->sampler->draw_together) {
        draw_together(setup, team, drawn, first, own, begin, end);
        return;
    }
    for (uint32_t e = begin; e < end; e++) {
        draw_source source = draw_source_of(setup->seed, first + e);
        const draw_request request = request_of(setup, team, drawn, e);
        draw_result result = result_of(team, drawn, e);
        setup->sampler->draw(setup->state, &setup->view, &request, &source, own->scratch, &result);
        note_drawn(team, drawn, own, e, &result);
    }
}

/* Scores of an example's items. */
VECTOR_CLONES
static void score_items(const float *phi, size_t stride, const float *rows, const uint32_t *index, size_t count,
                        double bias, double *scores)
{
    for (size_t n = 0; n < count; n++)
        scores[n] = (double)step_dot(phi, rows + index[n] * stride, stride) + bias;
}

/* out [width] = Σ pulls · rows */
VECTOR_CLONES
static void pull_items(const float *pulls, size_t width, size_t stride, const float *rows, const uint32_t *index,
                       size_t count, float *restrict out)
{
    const float *row = rows + index[0] * stride;
    for (size_t k = 0; k < width; k++)
        out[k] = pulls[0] * row[k];
    for (size_t n = 1; n < count; n++) {
        row = rows + index[n] * stride;
        for (size_t k = 0; k < width; k++)
            out[k] += pulls[n] * row[k];
    }
}

/* α̃_j of an example's negatives, where they depend on ranks; NULL: all 1. */
static const double *weigh(const step_setup *setup, const drawn_batch *drawn, step_thread *own, uint32_t e)
{
    const uint32_t found = drawn->found[e], items = setup->ranks.items;
    uint32_t rank;
    if (!setup->weight->needs_ranks)
        return NULL;
    if (drawn->rounds[e]) {
        rank = warp_rank(items, drawn->rounds[e]);
        memset(own->ranks, 0, found * sizeof *own->ranks);
    } else {
        const uint64_t *starts = setup->towers->positives.taken.indptr + drawn->positives[e].context;
        const uint64_t taken = starts[1] - starts[0];
        sampled_ranks(own->scores[0], own->scores + 1, found, (uint32_t)(items - taken), &rank, own->ranks);
    }
    for (uint32_t n = 0; n < found; n++)
        own->weights[n] = setup->weight->of(&setup->ranks, rank, own->ranks[n]);
    return own->weights;
}

bool step_judge(const step_setup *setup, const step_team *team, const drawn_batch *drawn, step_thread *own,
                const judged_example *example)
{
    const size_t d = team->dimensions, stride = team->stride;
    const uint32_t e = example->e, found = drawn->found[e];
    double pull;
    score_items(example->phi, stride, team->item_rows, example->index, 1 + found, example->bias, own->scores);
    const loss_example one = {
        .positive = own->scores[0],
        .weight = (double)drawn->positives[e].weight,
        .disliked = drawn->positives[e].disliked,
        .count = found,
        .negatives = own->scores + 1,
        .weights = weigh(setup, drawn, own, e),
        .log_counts = setup->corrected ? drawn->log_counts + (size_t)e * (team->each - 1) : NULL,
    };
    drawn->losses[e] = setup->loss->example(&setup->loss_setting, &one, &pull, own->pulls);
    if (found == 0 && pull == 0)
        return false;
    double sum = pull;
    example->pulls[0] = (float)pull;
    for (uint32_t n = 0; n < found; n++) {
        example->pulls[1 + n] = (float)own->pulls[n];
        sum += own->pulls[n];
    }
    pull_items(example->pulls, d, stride, team->item_rows, example->index, 1 + found, example->d_phi);
    if (team->context_stride > d)
        example->d_phi[d] = (float)sum;
    return true;
}

/* Loss of an example, its pulls, and ∂φ, to be noted. */
static void judge(const step_setup *setup, step_team *team, step_thread *own, uint32_t e)
{
    drawn_batch *drawn = team->drawn;
    const size_t at = (size_t)e * team->each;
    const judged_example example = {.e = e,
                                    .phi = team->phi + e * team->stride,
                                    .bias = (double)team->context_bias[e],
                                    .index = team->index + at,
                                    .pulls = team->pulls + at,
                                    .d_phi = team->d_phi + e * team->context_stride};
    if (step_judge(setup, team, drawn, own, &example))
        return;
    team->touched[e] = NO_ROW;
    if (team->plain_items)
        drawn->items[at] = NO_ROW;
    example.pulls[0] = 0;
    memset(example.d_phi, 0, team->context_stride * sizeof *example.d_phi);
}

void step_phases(const step_setup *setup, step_team *team, step_phase first, step_phase last)
{
    drawn_batch *drawn = team->drawn;
    const uint32_t count = drawn->place.count, blocks = (count + STEP_BLOCK - 1) / STEP_BLOCK;
#pragma omp parallel for num_threads(team->threads) schedule(dynamic, 1)
    for (uint32_t block = 0; block < blocks; block++) {
        const uint32_t begin = block * STEP_BLOCK, end = count - begin < STEP_BLOCK ? count : begin + STEP_BLOCK;
        step_thread *own = &team->each_thread[thread_index()];
        const double start = clock_seconds();
        if (first <= PHASE_TAKE)
            step_take(setup, team, drawn, begin, end);
        if (first <= PHASE_EMBED && last >= PHASE_EMBED)
            step_embed(setup, team, drawn, begin, end);
        const double embedded = clock_seconds();
        if (first <= PHASE_DRAW && last >= PHASE_DRAW)
            step_draw(setup, team, drawn, own, begin, end);
        const double drawn_at = clock_seconds();
        for (uint32_t e = begin; last >= PHASE_JUDGE && e < end; e++)
            judge(setup, team, own, e);
        own->sampling += drawn_at - embedded;
        own->scoring += clock_seconds() - drawn_at + (embedded - start);
    }
}
