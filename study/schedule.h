/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of several arms has the next trial: first the defaults of all, then ever more trials of ever fewer, which are
 * those that were best so far. What it says follows from the arms' trials and the time that is left.
 */
#ifndef TOPN_STUDY_SCHEDULE_H
#define TOPN_STUDY_SCHEDULE_H

#include "study/arm.h"

typedef struct schedule {
    arm *arms;        /* [count] as methods are listed: those that are solved for begin, networks come last */
    double *too_long; /* [count] seconds of the next trial, for which there was no time: the arm has ended; else 0 */
    size_t count;
} schedule;

/* Room for so many arms, none of them there yet; false: no memory. */
bool schedule_create(schedule *out, size_t most);
void schedule_clear(schedule *old);
/* The arm whose turn it is with `left` seconds, INFINITY where time does not matter; count: none has anything left. */
size_t schedule_next(const schedule *of, double left);
/* The arm with the best trial of all; count: none. */
size_t schedule_winner(const schedule *of);
/* The best value of the arm's first `count` trials, -INFINITY: none. */
double schedule_best(const arm *of, size_t count);

#endif
