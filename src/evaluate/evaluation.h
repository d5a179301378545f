/* SPDX-License-Identifier: Apache-2.0
 *
 * Full-ranking evaluation over users in blocks; the report it makes.
 */
#ifndef TOPN_EVALUATE_EVALUATION_H
#define TOPN_EVALUATE_EVALUATION_H

#include "base/option_table.h"
#include "base/record.h"
#include "data/interactions.h"
#include "retrieve/retriever.h"

extern const option_table evaluation_option_table;

/* See topn_evaluate. */
topn_status evaluate_run(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                         const topn_data *hidden, const topn_data *candidates, const void *params, topn_report **out);

#endif
