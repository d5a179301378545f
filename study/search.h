/* SPDX-License-Identifier: Apache-2.0
 *
 * A search is one file that exports one descriptor; searches.def lists them. It proposes a method's next trial from the
 * trials so far; the first of all, trial 0, are the method's defaults and not proposed by anybody.
 */
#ifndef TOPN_STUDY_SEARCH_H
#define TOPN_STUDY_SEARCH_H

#include "study/draw.h"
#include "study/space.h"

typedef struct past_trial {
    const double *point; /* [count of the space] */
    double value;        /* larger is better; NAN: it failed */
    double fidelity;
} past_trial;

typedef struct proposal {
    double *point;   /* [count of the space], to be filled */
    double fidelity; /* share of the sweeps or of the data, 0 … 1 */
} proposal;

typedef struct search {
    const char *name, *summary, *source;
    /* Trial number `count` ≥ 1. `key` is keyed by seed, method and number: all randomness comes from it. */
    void (*propose)(const space *over, const past_trial *past, size_t count, draw_key key, proposal *out);
} search;

/* NULL past the end. */
const search *search_at(size_t index);
/* OPTION naming those there are. */
topn_status search_find(study *work, const char *name, const search **out);

#endif
