/* SPDX-License-Identifier: Apache-2.0
 *
 * The best entries so far, as a heap with the worst on top: higher scores first, ties by smaller item. The entries kept
 * do not depend on the order in which they come.
 */
#ifndef TOPN_RETRIEVE_TOP_LIST_H
#define TOPN_RETRIEVE_TOP_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct top_list {
    uint32_t *items; /* [room] */
    float *scores;   /* [room] */
    size_t count, room;
} top_list;

/* Whether entry a ranks after entry b. */
static inline bool ranks_after(float score_a, uint32_t item_a, float score_b, uint32_t item_b)
{
    return score_a < score_b || (score_a == score_b && item_a > item_b);
}

/* Puts (item, score) into the hole at `place` of a heap of `count` entries, below which the heap is in order. */
static inline void top_list_sift_down(uint32_t *items, float *scores, size_t count, size_t place, uint32_t item,
                                      float score)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= count)
            break;
        if (child + 1 < count && ranks_after(scores[child + 1], items[child + 1], scores[child], items[child]))
            child++;
        if (!ranks_after(scores[child], items[child], score, item))
            break;
        items[place] = items[child];
        scores[place] = scores[child];
        place = child;
    }
    items[place] = item;
    scores[place] = score;
}

static inline void top_list_sift_up(uint32_t *items, float *scores, size_t place, uint32_t item, float score)
{
    while (place > 0) {
        const size_t parent = (place - 1) / 2;
        if (!ranks_after(score, item, scores[parent], items[parent]))
            break;
        items[place] = items[parent];
        scores[place] = scores[parent];
        place = parent;
    }
    items[place] = item;
    scores[place] = score;
}

/* Takes the entry if there is room or it ranks before the worst; score must not be NaN. room ≥ 1. */
static inline void top_list_offer(top_list *list, uint32_t item, float score)
{
    if (list->count < list->room)
        top_list_sift_up(list->items, list->scores, list->count++, item, score);
    else if (ranks_after(list->scores[0], list->items[0], score, item))
        top_list_sift_down(list->items, list->scores, list->room, 0, item, score);
}

/* From a heap to best first. */
static inline void top_list_sort(top_list *list)
{
    for (size_t last = list->count; last-- > 1;) {
        const uint32_t item = list->items[last];
        const float score = list->scores[last];
        list->items[last] = list->items[0];
        list->scores[last] = list->scores[0];
        top_list_sift_down(list->items, list->scores, last, 0, item, score);
    }
}

#endif
