/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of records and reports: JSON of options, trials and the machine.
 */
#ifndef TOPN_STUDY_RECORD_H
#define TOPN_STUDY_RECORD_H

#include <stdio.h>

#include "study/journal.h"

/* A number, null where it is not finite. */
json_t *record_real(double value);
/* Every option with its value; {} for NULL. */
json_t *record_options(const topn_options *options);
json_t *record_trial(const trial_row *row);
/* Processor, threads, memory. */
json_t *record_machine(study *work);
/* "  0.31415", right-aligned; "–" for null. */
void record_print_real(FILE *file, const json_t *value, int width);

#endif
