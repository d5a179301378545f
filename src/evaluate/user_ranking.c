/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/user_ranking.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/vector.h"
#include "retrieve/retriever.h"

topn_status ranking_scratch_create(topn_context *context, size_t cutoff, ranking_scratch *out)
{
    topn_status status;
    *out = (ranking_scratch){.cutoff = cutoff};
    TRY(ALLOCATE(context, cutoff, &out->list));
    TRY(ALLOCATE(context, cutoff, &out->list_scores));
    TRY(ALLOCATE(context, cutoff, &out->hits));
done:
    if (status != TOPN_OK)
        ranking_scratch_clear(out);
    return status;
}

void ranking_scratch_clear(ranking_scratch *scratch)
{
    free(scratch->list);
    free(scratch->list_scores);
    free(scratch->hits);
    free(scratch->kept);
    *scratch = (ranking_scratch){0};
}

static topn_status reserve(topn_context *context, ranking_scratch *scratch, size_t count)
{
    if (count <= scratch->kept_capacity)
        return TOPN_OK;
    const topn_status status = RESIZE(context, 2 * count, &scratch->kept);
    if (status == TOPN_OK)
        scratch->kept_capacity = 2 * count;
    return status;
}

VECTOR_CLONES
static uint32_t count_scored(const float *scores, uint32_t items)
{
    uint32_t scored = 0;
    for (uint32_t item = 0; item < items; item++)
        scored += scores[item] != 0;
    return scored;
}

/* Leaves only candidates and hidden items; an item that is both is one. */
static topn_status keep_candidates(topn_context *context, ranking_scratch *scratch, const ranking_task *task,
                                   float *scores, uint32_t items)
{
    const size_t first = task->hidden.count, count = first + task->candidates.count;
    const topn_status status = reserve(context, scratch, count);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < first; index++)
        scratch->kept[index] = scores[task->hidden.items[index]];
    for (size_t index = first; index < count; index++)
        scratch->kept[index] = scores[task->candidates.items[index - first]];
    for (uint32_t item = 0; item < items; item++)
        scores[item] = -INFINITY;
    for (size_t index = 0; index < first; index++)
        scores[task->hidden.items[index]] = scratch->kept[index];
    for (size_t index = first; index < count; index++)
        scores[task->candidates.items[index - first]] = scratch->kept[index];
    return TOPN_OK;
}

/* Scores above `score`, and equal to it. */
VECTOR_CLONES
static void count_above(const float *scores, uint32_t items, float score, uint32_t *above, uint32_t *equal)
{
    uint32_t more = 0, same = 0;
    for (uint32_t item = 0; item < items; item++) {
        more += scores[item] > score;
        same += scores[item] == score;
    }
    *above = more;
    *equal = same;
}

/* Over pairs (relevant, other ranked item): P2 (8) with ties one half. Twice the pairs won, in whole numbers, are
 * counted against all ranked items; the relevant items among each other give exactly (how many)², which is taken off
 * at the end. 0.5 when there is no other item. */
static double area_under_curve(const ranking_task *task, const float *scores, uint32_t items)
{
    uint32_t masked, above, equal;
    uint64_t relevant = 0, won_twice = 0;
    count_above(scores, items, -INFINITY, &above, &masked);
    const uint64_t ranked = items - masked;
    for (size_t index = 0; index < task->hidden.count; index++) {
        const float score = scores[task->hidden.items[index]];
        if (score == -INFINITY)
            continue;
        count_above(scores, items, score, &above, &equal);
        won_twice += 2 * (ranked - above) - equal;
        relevant++;
    }
    won_twice -= relevant * relevant;
    const uint64_t others = ranked - relevant;
    return others ? (double)won_twice / 2 / ((double)task->relevant * (double)others) : 0.5;
}

static bool contains(const item_list *list, uint32_t item)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (list->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && list->items[low] == item;
}

void mark_hits(ranking_scratch *scratch, item_list hidden, size_t length)
{
    for (size_t rank = 0; rank < length; rank++)
        scratch->hits[rank] = contains(&hidden, scratch->list[rank]);
}

/* NaN compares false with everything and would silently sink to the end of the list. */
static topn_status check_scores(topn_context *context, const item_list *hidden, const float *scores)
{
    for (size_t index = 0; index < hidden->count; index++)
        if (isnan(scores[hidden->items[index]]))
            return fail(context, TOPN_ERROR_NUMERIC, "the score of item %" PRIu32 " is not a number",
                        hidden->items[index]);
    return TOPN_OK;
}

topn_status rank_user(topn_context *context, ranking_scratch *scratch, const ranking_task *task, float *scores,
                      uint32_t items, ranking *out)
{
    topn_status status;
    *out = (ranking){.list = scratch->list, .hits = scratch->hits, .relevant = task->relevant, .catalogue = items};
    TRY(check_scores(context, &task->hidden, scores));
    if (task->needs & NEED_SCORED)
        out->scored = count_scored(scores, items);
    if (task->sampled)
        TRY(keep_candidates(context, scratch, task, scores, items));
    for (size_t index = 0; index < task->unranked.count; index++)
        scores[task->unranked.items[index]] = -INFINITY;
    for (size_t index = 0; index < task->masked.count; index++)
        scores[task->masked.items[index]] = -INFINITY;
    if (task->needs & NEED_AUC)
        out->auc = area_under_curve(task, scores, items);
    if (scratch->cutoff)
        out->list_length = select_top(scores, items, scratch->cutoff, scratch->list, scratch->list_scores);
    mark_hits(scratch, task->hidden, out->list_length);
done:
    return status;
}
