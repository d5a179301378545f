/* SPDX-License-Identifier: Apache-2.0
 *
 * What an evaluation found: metrics with intervals, values per user, facts.
 */
#ifndef TOPN_EVALUATE_REPORT_H
#define TOPN_EVALUATE_REPORT_H

#include "base/record.h"
#include "data/id_map.h"
#include "evaluate/metric_list.h"

typedef struct report_metric {
    char *name, *definition; /* owned */
    double mean, low, high;
    bool per_user;
} report_metric;

struct topn_report {
    report_metric *metrics; /* [metric_count] */
    size_t metric_count;
    string_table user_ids; /* [users]; a user has several rows in turn where his contexts are cases */
    size_t users;          /* cases */
    double *values;        /* [users × metric_count], NAN for metrics that are not per user */
    size_t list_width;     /* most items kept of a case's list; 0 = no lists */
    size_t *list_lengths;  /* [users] */
    uint32_t *list_items;  /* [users × list_width] of the model, best first */
    float *list_scores;    /* the same */
    record facts;
    size_t samples;    /* of the bootstrap; 0 = no intervals */
    double confidence; /* of the intervals */
};

/* A report with names (after `prefix`) and definitions, all values NAN. */
topn_status report_create(topn_context *context, const metric_list *list, const char *prefix, size_t users,
                          topn_report **out);
/* Room for lists of up to `width` items. MEMORY. */
topn_status report_keep_lists(topn_context *context, topn_report *report, size_t width);
/* Means over cases of all per-user metrics and, when samples > 0, their intervals over users. user_ids are filled. */
topn_status report_summarise(topn_context *context, topn_report *report, size_t samples, double confidence);
/* See topn_report_compare. */
topn_status report_compare(topn_context *context, const topn_report *a, const topn_report *b, size_t index,
                           topn_comparison *out);

#endif
