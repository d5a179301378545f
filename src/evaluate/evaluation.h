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

enum { UNKNOWN_MISS, UNKNOWN_DROP };
enum { CONTEXTS_AUTO, CONTEXTS_YES, CONTEXTS_NO };
enum { RANK_ALL, RANK_HIDDEN };

typedef struct evaluation_params {
    char *metrics;
    int64_t bootstrap; /* resamples, 0 = no intervals */
    double confidence;
    int unknown_items; /* UNKNOWN_… */
    bool include_seen;
    int per_context;    /* CONTEXTS_… */
    int rank_items;     /* RANK_… */
    int64_t keep_lists; /* most items of each list that the report keeps; 0 = none, UINT32_MAX = all */
} evaluation_params;
extern const option_table evaluation_option_table;

/* See topn_evaluate; params: an evaluation_params. Memory beyond the data: per thread one block of scores
 * (block_scorer_users × items × 4 bytes), 8 bytes per event of the evaluated users, 8 bytes per user and metric. */
topn_status evaluate_run(topn_context *context, const topn_retriever *retriever, const topn_data *seen,
                         const topn_data *hidden, const topn_data *candidates, const void *params, topn_report **out);

#endif
