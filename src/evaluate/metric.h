/* SPDX-License-Identifier: Apache-2.0
 *
 * A metric is one descriptor; metrics.def lists them. A file holds one metric or a small family.
 */
#ifndef TOPN_EVALUATE_METRIC_H
#define TOPN_EVALUATE_METRIC_H

#include "base/context.h"

/* Everything about one user's ranking that a metric may ask for. */
typedef struct ranking {
    const uint32_t
        *list; /* [list_length] items recommended, best first; as long as the largest cut-off, or all there are */
    const bool *hits; /* [list_length] whether list[r] is relevant */
    size_t list_length;
    uint64_t relevant;     /* |R| ≥ 1: hidden events of the user */
    double auc;            /* NEED_AUC: ties count one half */
    uint64_t scored;       /* NEED_SCORED: items with a non-zero score, over the whole catalogue */
    uint32_t catalogue;    /* items of the model */
    const double *novelty; /* NEED_NOVELTY: [catalogue] −log2 of the share of users with the item */
} ranking;

/* What costs more than the list of the n best, and is computed only when a metric asks. */
typedef enum metric_need { NEED_NOTHING = 0, NEED_AUC = 1, NEED_SCORED = 2, NEED_NOVELTY = 4 } metric_need;

typedef struct metric {
    const char *name;    /* "ndcg" */
    const char *summary; /* formula in words */
    const char *paper;   /* source, or "" */
    bool takes_cutoff;   /* written "ndcg@100" */
    metric_need needs;
    /* Per user; NULL for metrics over all lists. */
    double (*value)(const ranking *, size_t cutoff);
    /* Over all lists: counts[i] = lists (cut at `cutoff`) that hold item i. NULL for per-user metrics. O(items) or
     * O(items log items); may reorder counts. */
    double (*overall)(uint64_t *counts, uint32_t items);
} metric;

/* NULL past the end. */
const metric *metric_at(size_t index);
const metric *metric_find(const char *name);

#endif
