/* SPDX-License-Identifier: Apache-2.0
 *
 * Selection by threshold: the n best so far stand in the output arrays as a heap with the worst on top, and scores are
 * compared with that one in strides that are skipped whole. Items come in ascending order, so a score equal to the
 * worst is never better: ties fall to the smaller index by themselves.
 */
#include "retrieve/retriever.h"

#include <math.h>

enum { STRIDE = 64 }; /* scores compared at once */

/* Whether entry a ranks after entry b. */
static bool is_worse(float score_a, uint32_t item_a, float score_b, uint32_t item_b)
{
    return score_a < score_b || (score_a == score_b && item_a > item_b);
}

/* Puts (item, score) into the hole at `place` of a heap of `count` entries, below which the heap is in order. */
static void sift_down(uint32_t *items, float *scores, size_t count, size_t place, uint32_t item, float score)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_worse(scores[child + 1], items[child + 1], scores[child], items[child]))
            child++;
        if (!is_worse(scores[child], items[child], score, item))
            break;
        items[place] = items[child];
        scores[place] = scores[child];
        place = child;
    }
    items[place] = item;
    scores[place] = score;
}

static void sift_up(uint32_t *items, float *scores, size_t place, uint32_t item, float score)
{
    while (place > 0) {
        const size_t parent = (place - 1) / 2;
        if (!is_worse(score, item, scores[parent], items[parent]))
            break;
        items[place] = items[parent];
        scores[place] = scores[parent];
        place = parent;
    }
    items[place] = item;
    scores[place] = score;
}

static bool any_above(const float scores[STRIDE], float threshold)
{
    int above = 0;
    for (size_t lane = 0; lane < STRIDE; lane++)
        above |= scores[lane] > threshold;
    return above != 0;
}

size_t select_top(const float *scores, uint32_t items, size_t n, uint32_t *item_out, float *score_out)
{
    if (n == 0)
        return 0;
    size_t found = 0;
    float threshold = -INFINITY;
    for (uint32_t begin = 0; begin < items;) {
        const uint32_t end = items - begin < STRIDE ? items : begin + STRIDE;
        if (end - begin == STRIDE && !any_above(scores + begin, threshold)) {
            begin = end;
            continue;
        }
        for (uint32_t item = begin; item < end; item++) {
            if (!(scores[item] > threshold))
                continue;
            if (found < n)
                sift_up(item_out, score_out, found++, item, scores[item]);
            else
                sift_down(item_out, score_out, n, 0, item, scores[item]);
            if (found == n)
                threshold = score_out[0];
        }
        begin = end;
    }
    for (size_t last = found; last-- > 1;) {
        const uint32_t item = item_out[last];
        const float score = score_out[last];
        item_out[last] = item_out[0];
        score_out[last] = score_out[0];
        sift_down(item_out, score_out, last, 0, item, score);
    }
    return found;
}
