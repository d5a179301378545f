/* SPDX-License-Identifier: Apache-2.0
 *
 * Selection by threshold: the n best so far stand in the output arrays as a heap with the worst on top, and scores are
 * compared with that one in strides that are skipped whole. Items come in ascending order, so a score equal to the
 * worst is never better: ties fall to the smaller index by themselves.
 */
#include "retrieve/retriever.h"

#include <math.h>

#include "retrieve/top_list.h"

enum { STRIDE = 64 }; /* scores compared at once */

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
    top_list list = {.items = item_out, .scores = score_out, .room = n};
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
            top_list_offer(&list, item, scores[item]);
            if (list.count == n)
                threshold = list.scores[0];
        }
        begin = end;
    }
    top_list_sort(&list);
    return list.count;
}
