/* SPDX-License-Identifier: Apache-2.0
 *
 * One trial: train, rank, measure. What goes wrong in it is its outcome and not the study's end, but for a wish to stop
 * and for what no other trial would be spared (disk, defects).
 */
#ifndef TOPN_STUDY_TRIAL_H
#define TOPN_STUDY_TRIAL_H

#include <jansson.h>

#include "study/study.h"

typedef struct trial_job {
    const char *method;
    const topn_options *options;
    const topn_options *reader; /* recorded in the model */
    uint64_t seed;
    const char *metrics; /* "ndcg@100,coverage"; the first is the value. NULL: train only */
    bool by_user;        /* a list a user, even where events have contexts: all methods compare */
    const topn_data *train, *seen, *hidden;
    const topn_data *stop_seen, *stop_hidden; /* for methods that improve sweep by sweep; NULL = no early stopping */
    const char *stop_metric;
} trial_job;

typedef struct trial_outcome {
    const char *status; /* TRIAL_DONE … of journal.h */
    char message[1024];
    double value; /* NAN where there is none */
    json_t *
        facts; /* seconds, cpu_seconds, evaluate_seconds, peak_bytes, predicted_bytes, flops, model_bytes, best_sweep */
    topn_model *model;
    topn_report *report;
} trial_outcome;

topn_status trial_run(study *work, const trial_job *job, trial_outcome *out);
void trial_outcome_clear(trial_outcome *old);
/* Bytes of the model's arrays. */
uint64_t trial_model_bytes(const topn_model *model);
/* Metadata of the model by key, NULL where there is none. */
const char *trial_metadata(const topn_model *model, const char *key);

#endif
