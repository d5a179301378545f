/* SPDX-License-Identifier: Apache-2.0
 *
 * What to measure, as users write it: "ndcg@100,recall@20,coverage".
 */
#ifndef TOPN_EVALUATE_METRIC_LIST_H
#define TOPN_EVALUATE_METRIC_LIST_H

#include "evaluate/metric.h"

enum { METRIC_NAME_SIZE = 64 };

typedef struct metric_request {
    const metric *metric;
    size_t cutoff;               /* 0 for metrics without one */
    char name[METRIC_NAME_SIZE]; /* "ndcg@100" */
} metric_request;

typedef struct metric_list {
    metric_request *requests; /* [count] */
    size_t count;
    size_t largest_cutoff; /* 0 when no metric takes one */
    int needs;             /* metric_need of all, or-ed */
} metric_list;

/* OPTION for an unknown name (with the nearest), a missing, needless or impossible cut-off, a name given twice and an
 * empty list. skip_large: cut-offs beyond `items` are left out instead of refused. */
topn_status metric_list_parse(topn_context *context, const char *text, uint32_t items, bool skip_large,
                              metric_list *out);
void metric_list_clear(metric_list *list);

#endif
