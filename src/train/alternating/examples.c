/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/examples.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

static topn_status count_visits(topn_context *context, const alternating_problem *problem, problem_side side,
                                example_list *out)
{
    topn_status status;
    const sparse_matrix *pairs = &problem->observed[side].pairs;
    out->entities[side] = pairs->rows;
    TRY(ALLOCATE(context, pairs->rows, &out->visits[side]));
    for (uint32_t entity = 0; entity < pairs->rows; entity++)
        out->lone_count[side] += pairs->indptr[entity + 1] == pairs->indptr[entity];
    TRY(ALLOCATE(context, out->lone_count[side], &out->lone[side]));
    uint32_t to = 0;
    for (uint32_t entity = 0; entity < pairs->rows; entity++) {
        const uint64_t length = pairs->indptr[entity + 1] - pairs->indptr[entity];
        out->visits[side][entity] = length ? (uint32_t)length : 1;
        if (!length)
            out->lone[side][to++] = entity;
    }
done:
    return status;
}

topn_status example_list_create(topn_context *context, const alternating_problem *problem, example_list *out)
{
    topn_status status;
    *out = (example_list){0};
    const sparse_matrix *pairs = &problem->observed[SIDE_CONTEXTS].pairs;
    const uint64_t observed = pairs->indptr[pairs->rows];
    TRY(count_visits(context, problem, SIDE_CONTEXTS, out));
    TRY(count_visits(context, problem, SIDE_ITEMS, out));
    const uint64_t count = observed + out->lone_count[SIDE_CONTEXTS] + out->lone_count[SIDE_ITEMS];
    if (count > UINT32_MAX) {
        status = fail(context, TOPN_ERROR_DATA,
                      "%" PRIu64 " observed pairs are more than stochastic gradients take (%u)", observed, UINT32_MAX);
        goto done;
    }
    out->observed = (uint32_t)observed;
    out->count = (uint32_t)count;
    TRY(ALLOCATE(context, observed, &out->contexts));
    TRY(ALLOCATE(context, count, &out->order));
    for (uint32_t row = 0; row < pairs->rows; row++)
        for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++)
            out->contexts[at] = row;
    for (uint32_t i = 0; i < out->count; i++)
        out->order[i] = i;
done:
    if (status != TOPN_OK)
        example_list_clear(out);
    return status;
}

void example_list_clear(example_list *examples)
{
    free(examples->contexts);
    free(examples->order);
    for (int side = 0; side < 2; side++) {
        free(examples->lone[side]);
        free(examples->visits[side]);
    }
    *examples = (example_list){0};
}

uint64_t example_list_bytes(uint64_t contexts, uint64_t items, uint64_t events)
{
    return 8 * events + 12 * (contexts + items);
}

void example_list_shuffle(example_list *examples, uint64_t seed, int64_t sweep)
{
    const uint64_t first = (uint64_t)sweep * examples->count;
    for (uint32_t i = 0; i < examples->count; i++)
        examples->order[i] = i; /* so that a resumed run has the order of an unbroken one */
    for (uint32_t i = examples->count; i > 1; i--) {
        const uint32_t j = random_below(seed, RANDOM_SAMPLES, first + i, i), kept = examples->order[j];
        examples->order[j] = examples->order[i - 1];
        examples->order[i - 1] = kept;
    }
}
