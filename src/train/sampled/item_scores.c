/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/item_scores.h"

#include "base/vector.h"

enum {
    LANES = 16, /* partial sums of a product, whatever the machine */
    AHEAD = 6,  /* rows of a list that are asked for before their turn */
    LINE = 16,  /* floats of a cache line */
};

static inline __attribute__((always_inline)) float product(const float *a, const float *b, size_t width)
{
    float lanes[LANES] = {0}, rest = 0;
    size_t k = 0;
    for (; k + LANES <= width; k += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += a[k + lane] * b[k + lane];
    for (; k < width; k++)
        rest += a[k] * b[k];
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0] + rest;
}

VECTOR_CLONES
static void products(const float *phi, const float *rows, size_t stride, const uint32_t *items, uint32_t count,
                     float *out)
{
    for (uint32_t n = 0; n < count; n++) {
        if (items != NULL && n + AHEAD < count)
            for (size_t k = 0; k < stride; k += LINE)
                __builtin_prefetch(rows + items[n + AHEAD] * stride + k);
        out[n] = product(phi, rows + (items != NULL ? items[n] : n) * stride, stride);
    }
}

void item_scores(const sampling_view *view, const float *phi, const uint32_t *items, uint32_t first, uint32_t count,
                 float *out)
{
    products(phi, view->item_rows + first * view->item_stride, view->item_stride, items, count, out);
}

/* Whether a comes before b in the order best first. */
static bool better(scored_item a, scored_item b)
{
    return a.score > b.score || (a.score == b.score && a.item < b.item);
}

/* Lets heap[at] sink below everything that is worse. */
static void sink(scored_item *heap, uint32_t count, uint32_t at, scored_item moved)
{
    for (uint32_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && better(heap[child], heap[child + 1]))
            child++;
        if (!better(moved, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

void best_items_add(best_items *best, float score, uint32_t item)
{
    const scored_item added = {.score = score, .item = item};
    if (best->count == best->room) {
        sink(best->heap, best->count, 0, added);
        return;
    }
    uint32_t at = best->count++;
    for (; at > 0 && better(best->heap[(at - 1) / 2], added); at = (at - 1) / 2)
        best->heap[at] = best->heap[(at - 1) / 2];
    best->heap[at] = added;
}

uint32_t best_items_take(best_items *best, uint32_t *items)
{
    const uint32_t found = best->count;
    while (best->count > 0) {
        items[--best->count] = best->heap[0].item;
        sink(best->heap, best->count, 0, best->heap[best->count]);
    }
    return found;
}
