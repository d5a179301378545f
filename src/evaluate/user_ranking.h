/* SPDX-License-Identifier: Apache-2.0
 *
 * One user's scores turned into the ranking that metrics look at.
 */
#ifndef TOPN_EVALUATE_USER_RANKING_H
#define TOPN_EVALUATE_USER_RANKING_H

#include "evaluate/metric.h"

/* Ascending item indices. */
typedef struct item_list {
    const uint32_t *items; /* [count] */
    size_t count;
} item_list;

/* One thread's memory for it. */
typedef struct ranking_scratch {
    uint32_t *list;     /* [cutoff] */
    float *list_scores; /* [cutoff] */
    bool *hits;         /* [cutoff] */
    float *kept;        /* scores of hidden items and candidates, when sampled; grown as needed */
    size_t kept_capacity;
    size_t cutoff; /* largest; may be 0 */
} ranking_scratch;

topn_status ranking_scratch_create(topn_context *context, size_t cutoff, ranking_scratch *out);
void ranking_scratch_clear(ranking_scratch *scratch);

typedef struct ranking_task {
    item_list hidden;     /* items the user did take and the model knows */
    item_list masked;     /* items that may not be ranked */
    item_list candidates; /* when sampled: rank only these and the hidden ones */
    item_list unranked;   /* items that are ranked for nobody */
    bool sampled;
    uint64_t relevant; /* |R| ≥ hidden.count; the items that are not in `hidden` can never be hits */
    int needs;         /* metric_need, or-ed */
} ranking_task;

/* Fills *out but for novelty. scores [items] are overwritten. Hidden items that are masked are misses. NUMERIC when a
 * score that matters is not a number. O(items), with
 * NEED_AUC O(items · |R|) in vector passes. */
topn_status rank_user(topn_context *context, ranking_scratch *scratch, const ranking_task *task, float *scores,
                      uint32_t items, ranking *out);
/* Sets scratch->hits for the first `length` items of scratch->list. */
void mark_hits(ranking_scratch *scratch, item_list hidden, size_t length);

#endif
