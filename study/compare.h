/* SPDX-License-Identifier: Apache-2.0
 *
 * A comparison: each entry of a plan (experiment.h) is tuned where it has a search space, trained on all that is not
 * put away for the test, once for each seed, and measured on the test part, user by user. The report is a JSON document
 * that holds all that is known, the plan included; renderings (rendering.h) write it in other forms.
 */
#ifndef TOPN_STUDY_COMPARE_H
#define TOPN_STUDY_COMPARE_H

#include <jansson.h>

#include "study/study.h"

/* *report is the caller's. */
topn_status compare_run(study *work, const json_t *plan, const char *journal, json_t **report);
/* Lines on what is not the same in two reports: data, options, results, tests; an empty array: nothing. Seconds,
 * memory, program version and machine may differ and are not looked at. A new array. */
json_t *compare_differences(const json_t *before, const json_t *now);

#endif
