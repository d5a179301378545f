/* SPDX-License-Identifier: Apache-2.0
 *
 * An arm: one method with its fixed options, its space and its trials so far. What it tries next follows from its
 * trials, the seed and the search alone, so an arm that takes its ended trials over from a journal goes on as if it had
 * never stopped.
 */
#ifndef TOPN_STUDY_ARM_H
#define TOPN_STUDY_ARM_H

#include "study/journal.h"
#include "study/material.h"
#include "study/search.h"

/* What arms of a study share. */
typedef struct bench {
    study *work;
    journal *book;
    materials *data;
    const char *metric;  /* what is maximised on the validation parts */
    const char *metrics; /* of the report: the metric and others */
    bool by_data;        /* a search's share of the effort is one of the users, even where there are sweeps */
} bench;

typedef struct arm {
    char *series; /* of the journal */
    char *method;
    topn_options *base; /* defaults and fixed options */
    json_t *fixed;      /* settings given by the user, those of the reader included */
    space over;
    const search *by;
    trial_row *rows; /* [count], ended ones */
    double **points; /* [count], each [over.count] */
    size_t count, capacity;
    char *left_out; /* why it is not tried (any more), NULL: it is */
} arm;

/* `fixed` is copied. The space is the declared one, unless `undeclared`; `ranges` {"l2": "1..100 log"} or NULL are
 * added to it. */
topn_status arm_create(study *work, const char *series, const char *method, const json_t *fixed, const search *by,
                       bool undeclared, const json_t *ranges, arm *out);
void arm_clear(arm *old);
/* Takes over those of the rows that are the arm's and have ended; they are moved. */
topn_status arm_replay(study *work, arm *to, trial_row *rows, size_t count);
/* Whether there is anything left to try: an arm without a space has its defaults alone. */
bool arm_has_more(const arm *of);
/* Runs the next trial and writes it to the journal; a trial that the deadline stops is forgotten there, and *late says
 * so. */
topn_status arm_step(const bench *on, arm *of, bool *late);
/* Seconds that the next trial will take, training and judging, from those of the arm's earlier ones and of `rate`
 * (seconds a flop, where the arm has none); and bytes against those that there are. */
typedef struct forecast {
    double seconds;
    uint64_t bytes, available;
} forecast;
topn_status arm_forecast(const bench *on, const arm *of, double rate, forecast *out);
/* Seconds of training a flop, of the arm's trials, the median; NAN without any. */
double arm_rate(const arm *of);
/* The best of its first `count` trials with all sweeps and users, SIZE_MAX: none. */
size_t arm_best(const arm *of, size_t count);
/* Options of a trial as they were (or will be) trained with, at the share of the effort. */
topn_status arm_options(study *work, const arm *of, const json_t *settings, double fidelity, topn_options **out);
/* The options of the best trial, as a final model takes them: as many sweeps as were best. */
topn_status arm_final_options(study *work, const arm *of, size_t trial, topn_options **out);
/* Fixed settings and those of a trial in one new object. */
json_t *arm_settings(const arm *of, const json_t *settings);
double trial_seconds(const trial_row *row);

#endif
