/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/user_ranking.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
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

static uint64_t count_scored(const float *scores, uint32_t items)
{
    uint64_t scored = 0;
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

static int by_score(const void *a, const void *b)
{
    const float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* How many of the ascending values are < score, or ≤ score. */
static size_t count_below(const float *values, size_t count, float score, bool or_equal)
{
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (values[middle] < score || (or_equal && values[middle] == score))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Over pairs (relevant, other ranked item): P2 (8) with ties one half. One pass over the items, each with a binary
 * search among the relevant scores: twice the pairs won, in whole numbers. Comparing the relevant items with each
 * other gives exactly (how many)² and is taken off at the end. 0.5 when there is no other item. */
static topn_status area_under_curve(topn_context *context, ranking_scratch *scratch, const ranking_task *task,
                                    const float *scores, uint32_t items, double *out)
{
    const topn_status status = reserve(context, scratch, task->hidden.count);
    if (status != TOPN_OK)
        return status;
    float *relevant = scratch->kept;
    size_t ranked_relevant = 0;
    for (size_t index = 0; index < task->hidden.count; index++)
        if (scores[task->hidden.items[index]] != -INFINITY)
            relevant[ranked_relevant++] = scores[task->hidden.items[index]];
    qsort(relevant, ranked_relevant, sizeof *relevant, by_score);
    uint64_t ranked = 0, won_twice = 0;
    for (uint32_t item = 0; item < items; item++) {
        const float score = scores[item];
        if (score == -INFINITY)
            continue;
        ranked++;
        const size_t below = count_below(relevant, ranked_relevant, score, false);
        const size_t up_to = count_below(relevant, ranked_relevant, score, true);
        won_twice += (ranked_relevant - below) + (ranked_relevant - up_to);
    }
    won_twice -= (uint64_t)ranked_relevant * ranked_relevant;
    const uint64_t others = ranked - ranked_relevant;
    *out = others ? (double)won_twice / 2 / ((double)task->relevant * (double)others) : 0.5;
    return TOPN_OK;
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
    for (size_t index = 0; index < task->masked.count; index++)
        scores[task->masked.items[index]] = -INFINITY;
    if (task->needs & NEED_AUC)
        TRY(area_under_curve(context, scratch, task, scores, items, &out->auc));
    if (scratch->cutoff)
        out->list_length = select_top(scores, items, scratch->cutoff, scratch->list, scratch->list_scores);
    for (size_t rank = 0; rank < out->list_length; rank++)
        scratch->hits[rank] = contains(&task->hidden, scratch->list[rank]);
done:
    return status;
}
