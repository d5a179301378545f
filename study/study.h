/* SPDX-License-Identifier: Apache-2.0
 *
 * What one tuning or comparison works with. Functions of this room return a topn_status as the library's do, and put
 * one line on a failure, the library's or their own, into study.message.
 *
 *     options' rows ──space──▶ search ──point──▶ settings ──trial──▶ outcome ──▶ journal (SQLite)
 *                                ▲                (material: data, split)           │
 *                                └────────────── trials so far ◀────────────────────┘
 */
#ifndef TOPN_STUDY_STUDY_H
#define TOPN_STUDY_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <topn/topn.h>

typedef struct study {
    topn_context *context;
    topn_options *machine; /* of TOPN_KIND_CONTEXT: threads, memory, and the seed, which changes from trial to trial */
    topn_progress_callback *progress; /* asked between blocks of work; false cancels. NULL = none */
    void *progress_data;
    void (*say)(const char *line); /* one line of information; NULL = nobody listens */
    topn_cache *cache;             /* Gram matrices and inverses that trials share; NULL = none */
    uint64_t seed;                 /* of splits and intervals; a trial's own is in its row of the journal */
    double deadline;               /* study_clock() at which training must stop; INFINITY = never */
    bool late;                     /* the deadline was met: CANCELLED means that, and not the user's wish */
    char message[1024];
} study;

/* Puts a line into the message, returns status. */
topn_status study_fail(study *work, topn_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The library's status; its message on a failure. */
topn_status study_check(study *work, topn_status status);
topn_status study_memory(study *work);
void study_say(const study *work, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Seconds on a monotonic clock. */
double study_clock(void);
/* Sets the seed of the context. */
topn_status study_seed(study *work, uint64_t seed);
/* Installs the deadline and the progress of `work` in its context, and no log, where they stay. */
void study_watch(study *work);
/* Trainings share Gram matrices and inverses from here on, until study_share_end. */
topn_status study_share(study *work);
void study_share_end(study *work);
/* Whether the user asked to stop; CANCELLED then. */
topn_status study_go_on(study *work);
/* "90s", "10m", "1.5h", "2d", or seconds; OPTION naming `what` otherwise. */
topn_status study_duration(study *work, const char *what, const char *text, double *seconds);

#define STUDY_TRY(expression)                                                                                          \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != TOPN_OK)                                                                                         \
            goto done;                                                                                                 \
    } while (0)

#endif
