/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of items as a sampler sees them, and the best of them.
 */
#ifndef TOPN_TRAIN_SAMPLED_ITEM_SCORES_H
#define TOPN_TRAIN_SAMPLED_ITEM_SCORES_H

#include "train/sampled/sampler.h"

/* out[n] = score of items[n] (NULL: of item first + n) for phi, without β_c; the same bits on every machine. */
void item_scores(const sampling_view *view, const float *phi, const uint32_t *items, uint32_t first, uint32_t count,
                 float *out);

typedef struct scored_item {
    float score;
    uint32_t item;
} scored_item;

/* The `room` best of what is offered, by score, then by lower item: a heap, the worst of them first. */
typedef struct best_items {
    scored_item *heap; /* [room] */
    uint32_t room, count;
} best_items;

/* Whether an item would be among the best so far. A score that is no number never is. */
static inline bool best_items_want(const best_items *best, float score, uint32_t item)
{
    if (best->count < best->room)
        return score == score;
    return score > best->heap[0].score || (score == best->heap[0].score && item < best->heap[0].item);
}

/* Adds an item that is wanted and none of them. */
void best_items_add(best_items *best, float score, uint32_t item);
/* The items, best first; the heap is used up. Returns how many. */
uint32_t best_items_take(best_items *best, uint32_t *items);

#endif
