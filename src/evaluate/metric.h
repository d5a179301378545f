/* SPDX-License-Identifier: Apache-2.0
 *
 * A metric is one file that exports one descriptor; metrics.def lists them.
 */
#ifndef TOPN_EVALUATE_METRIC_H
#define TOPN_EVALUATE_METRIC_H

#include "base/context.h"

/* Everything about one user's ranking that a metric may ask for. Ranks are 1-based. */
typedef struct ranking {
    const uint32_t *list; /* [list_length] items recommended, best first; as long as the largest cut-off */
    const bool *hits;     /* [list_length] whether list[r] is relevant */
    size_t list_length;
    uint64_t relevant;     /* |R|: hidden events of the user */
    uint64_t candidates;   /* items that were ranked (seen ones left out) */
    double auc;            /* computed only when a metric asks (needs_auc); ties count one half */
    uint64_t first_rank;   /* rank of the best relevant item over all candidates, 0 = none (needs_auc) */
    uint64_t scored;       /* items with a non-zero score, over the whole catalogue */
    uint64_t catalogue;    /* items of the model */
    const double *novelty; /* [catalogue] −log2 of the share of training users with the item */
} ranking;

typedef struct metric {
    const char *name;    /* "ndcg" */
    const char *summary; /* formula in words */
    const char *paper;   /* "P2 (7)" */
    bool takes_cutoff;   /* written "ndcg@100" */
    bool needs_ranks;    /* fills auc and first_rank: ranks over all candidates are needed */
    /* Per user; NULL for metrics over all lists. */
    double (*value)(const ranking *, size_t cutoff);
    /* Over all lists: counts[i] = lists (cut at `cutoff`) that hold item i. NULL for per-user metrics. */
    double (*overall)(const uint64_t *counts, uint32_t items);
} metric;

const metric *metric_at(size_t index);
const metric *metric_find(const char *name);

#endif
