/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal of a study: a SQLite file with what decides its trials (`identity`) and a row for each trial, written
 * before it begins and again when it has ended, each time on disk before anything goes on. So a study that was killed
 * at any moment goes on from its rows: what has ended is not done again, and what had begun is done again in its row.
 *
 * Rows of a series ("ease", or "EASE/seed 1") are numbered 0, 1, 2, … without gaps.
 */
#ifndef TOPN_STUDY_JOURNAL_H
#define TOPN_STUDY_JOURNAL_H

#include <jansson.h>

#include "study/study.h"

typedef struct journal journal;

/* How a trial ended; TRIAL_RUNNING: it has not, or the program was killed. */
#define TRIAL_RUNNING "running"
#define TRIAL_DONE "done"
#define TRIAL_FAILED "failed"   /* the message says how: not finite, options that contradict each other, no memory */
#define TRIAL_REFUSED "refused" /* predicted not to fit into memory */
#define TRIAL_STOPPED "stopped" /* the time ran out */

typedef struct trial_row {
    char *series;
    int64_t number;
    uint64_t seed;
    double fidelity;
    json_t *settings; /* {"l2": "500"} */
    json_t *point;    /* array of reals, or NULL */
    char *status;     /* one of the words above */
    char *message;    /* "" when there is nothing to say */
    double value;     /* of the metric; NAN when there is none */
    json_t *facts;    /* {"seconds": 1.2, "peak_bytes": …}: figures that no trial depends on, and "best_sweep" */
    int64_t attempts; /* how often it was begun */
} trial_row;

void trial_row_clear(trial_row *row);

/* Opens or makes the file. `identity`: an object of what decides the trials, which must be equal where the file is
 * there already; ARGUMENT naming the first difference. `*found` says whether it was there. */
topn_status journal_open(study *work, const char *path, const json_t *identity, journal **out, bool *found);
void journal_close(journal *book);
/* The row as it will be while the trial runs: settings, point, seed, fidelity. Counts the attempt, which it returns in
 * row->attempts. */
topn_status journal_begin(study *work, journal *book, trial_row *row);
/* How it ended; with `values` [value_count] lists of the metrics per user in the same transaction (NULL: none). */
typedef struct journal_values {
    const char *metric;
    const double *values; /* [count]; of one for metrics that are no user's */
    size_t count;
    bool per_user;
} journal_values;
topn_status journal_end(study *work, journal *book, const trial_row *row, const journal_values *values,
                        size_t value_count);
/* Removes a trial that the user cancelled. */
topn_status journal_forget(study *work, journal *book, const char *series, int64_t number);
/* Rows in the order of series' first appearance and numbers; running ones included. The caller clears and frees. */
topn_status journal_rows(study *work, journal *book, trial_row **rows, size_t *count);
/* Values of a metric of a trial; *values is the caller's. NOT_FOUND when there are none. */
topn_status journal_read_values(study *work, journal *book, const char *series, int64_t number, const char *metric,
                                double **values, size_t *count, bool *per_user);
/* Ids or the like that all trials share, kept once: text by name; NULL when there is none. The caller frees. */
topn_status journal_note(study *work, journal *book, const char *name, const char *text);
topn_status journal_read_note(study *work, journal *book, const char *name, char **text);

#endif
