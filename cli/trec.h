/* SPDX-License-Identifier: Apache-2.0
 *
 * An evaluation's lists and hidden events as TREC run and qrels files, so that other programs can compute the metrics.
 */
#ifndef TOPN_CLI_TREC_H
#define TOPN_CLI_TREC_H

#include "session.h"

/* Checks the options and lets the evaluation of `models` models keep its lists. */
int trec_prepare(struct session *session, size_t models);
/* Writes the files that the options name. Blanks, '%' and control characters in ids become %XX. */
int trec_write(struct session *session, const topn_model *model, const topn_data *hidden, const topn_report *report);

#endif
