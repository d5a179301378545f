/* SPDX-License-Identifier: Apache-2.0 */
#include "generate/catalogue.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

/* A random order of 0 … count−1 (Fisher and Yates). */
static void permute(uint64_t seed, random_stream stream, uint32_t count, uint32_t *out)
{
    for (uint32_t index = 0; index < count; index++) {
        const uint32_t from = random_below(seed, stream, index, index + 1);
        out[index] = out[from];
        out[from] = index;
    }
}

/* The cell that a cumulative weight falls into; never falls as the weight grows. */
static uint32_t cell_of(const catalogue *from, double weight)
{
    const uint32_t cell = (uint32_t)(weight * from->cells);
    return cell < from->items ? cell : from->items;
}

/* first[c] = the first slot whose end lies in cell c or after it. */
static void index_cells(catalogue *from)
{
    uint32_t slot = 0;
    for (uint32_t cell = 0; cell <= from->items; cell++) {
        while (slot + 1 < from->items && cell_of(from, from->below[slot + 1]) < cell)
            slot++;
        from->first[cell] = slot;
    }
    from->first[from->items + 1] = from->items - 1;
}

topn_status catalogue_create(topn_context *context, const shape *like, uint32_t items, catalogue *out)
{
    topn_status status;
    uint32_t *rank = NULL; /* [items] of slots, from 0 */
    *out = (catalogue){.items = items, .topic_items = like->topic_items};
    TRY(ALLOCATE(context, items, &rank));
    TRY(ALLOCATE(context, (size_t)items + 1, &out->below));
    TRY(ALLOCATE(context, (size_t)items + 2, &out->first));
    TRY(ALLOCATE(context, items, &out->number));
    permute(context->seed, RANDOM_GENERATE_RANKS, items, rank);
    permute(context->seed, RANDOM_GENERATE_NUMBERS, items, out->number);
    out->below[0] = 0;
    for (uint32_t slot = 0; slot < items; slot++) {
        const double r = (double)rank[slot] + 1;
        out->below[slot + 1] = out->below[slot] + exp(-like->cutoff * r / items) / (r + like->offset);
    }
    out->cells = items / out->below[items];
    index_cells(out);
done:
    free(rank);
    if (status != TOPN_OK)
        catalogue_clear(out);
    return status;
}

void catalogue_clear(catalogue *from)
{
    free(from->below);
    free(from->first);
    free(from->number);
    from->below = NULL;
    from->first = from->number = NULL;
}

uint32_t catalogue_draw(const catalogue *from, slot_range range, uint64_t bits)
{
    const double *below = from->below;
    const double share = (double)(bits >> 11) * 0x1p-53;
    const double weight = below[range.begin] + share * (below[range.end] - below[range.begin]);
    const uint32_t cell = cell_of(from, weight);
    uint32_t low = from->first[cell], high = from->first[cell + 1]; /* the slot is one of low … high */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (below[middle + 1] > weight)
            high = middle;
        else
            low = middle + 1;
    }
    return low < range.begin ? range.begin : low < range.end ? low : range.end - 1; /* rounding */
}

slot_range catalogue_topics(const catalogue *from, uint32_t topic, uint32_t count)
{
    const uint64_t begin = (uint64_t)topic * from->topic_items;
    const uint64_t end = begin + (uint64_t)count * from->topic_items;
    return (slot_range){(uint32_t)begin, end < from->items ? (uint32_t)end : from->items};
}
