/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of a comparison that has ended, from its rows and the values in its journal.
 */
#ifndef TOPN_STUDY_COMPARE_REPORT_H
#define TOPN_STUDY_COMPARE_REPORT_H

#include "study/arm.h"

/* One entry of the plan, tuned and measured. */
typedef struct competitor {
    const json_t *entry;
    const char *name;
    arm trials;            /* none for entries that are not tuned */
    topn_options *options; /* of the final models */
    json_t *chosen;        /* settings that tuning chose */
    const json_t *seeds;   /* [seed_count] of the trainings */
    size_t seed_count;
    trial_row *finals; /* [seed_count] */
} competitor;

typedef struct compared {
    study *work;
    journal *book;
    const json_t *plan;
    const material *base;
    const competitor *list; /* [count] */
    size_t count;
} compared;

topn_status compare_report(const compared *all, json_t **out);

#endif
