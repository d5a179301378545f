/* SPDX-License-Identifier: Apache-2.0
 *
 * Tuning: trials of one method or of several until the time or their number is used up, then a model of the best on all
 * events.
 *
 * With several methods each starts with its defaults; then in stages: all get 4 more trials, the better half 8 more,
 * the better quarter 16 more, and so on, but never fewer than two. What comes next follows from the trials so far
 * alone.
 */
#ifndef TOPN_STUDY_TUNE_H
#define TOPN_STUDY_TUNE_H

#include "study/arm.h"

typedef struct tuning {
    material_source from;
    const char *protocol;       /* name, for the record; NULL with a prefix */
    const char *const *methods; /* [method_count] */
    size_t method_count;
    const json_t *fixed; /* settings given by the user */
    const char *ranges;  /* "l2=1..1000 log; …" or NULL */
    const char *metric;  /* "ndcg@100" */
    const search *by;
    bool by_data;
    double seconds; /* the budget, the final training included; INFINITY = none */
    size_t trials;  /* SIZE_MAX = as many as the time allows */
    const char *journal;
} tuning;

typedef struct tuned {
    topn_model *model;
    json_t *record; /* what was asked, found and left out; every trial */
} tuned;

topn_status tune_run(study *work, const tuning *asked, tuned *out);
void tuned_clear(tuned *old);
/* The record for people; the caller frees, NULL without memory. */
char *tune_text(const json_t *record);

#endif
