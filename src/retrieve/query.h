/* SPDX-License-Identifier: Apache-2.0
 *
 * One user at a time: scores, the top n under filters, explanations.
 */
#ifndef TOPN_RETRIEVE_QUERY_H
#define TOPN_RETRIEVE_QUERY_H

#include "retrieve/encode.h"
#include "retrieve/index_query.h"
#include "retrieve/posting_search.h"
#include "retrieve/retriever.h"

struct topn_query {
    topn_context *context; /* for messages only */
    const topn_retriever *retriever;
    float *phi;    /* [dimensions], NULL for item tables NONE and IDENTITY */
    float *scores; /* [items] */
    encode_scratch encode;
    double *shares; /* [share_capacity] contributions to a solved row or a network */
    size_t share_capacity;
    unsigned char *seen;    /* [items], all 0 between calls */
    unsigned char *refused; /* [items], mark_refused */
    index_query *index;     /* of approximate retrievers, else NULL */
    posting_search *search; /* of exact ones over sparse item rows, else NULL */
};

topn_status query_create(topn_context *context, const topn_retriever *retriever, topn_query **out);
void query_free(topn_query *query);

/* ARGUMENT with `what`, the place and the value where an item is not below `limit`. */
topn_status check_items(topn_context *context, const char *what, const uint32_t *items, size_t count, uint32_t limit);
/* Context and features of a request are the model's; ARGUMENT with the place and value. */
topn_status check_context(topn_context *context, const topn_model *model, const topn_request *request);
/* Every index in range, the history without duplicates, weights finite; ARGUMENT with the place and value. */
topn_status query_check(topn_query *query, const topn_request *request);
/* query->scores of all items. The request must have passed query_check. NUMERIC when a user's row has no solution. */
topn_status query_scores(topn_query *query, const topn_request *request);
/* The same of some items, [count]; of few of them without the others. */
topn_status query_score_items(topn_query *query, const topn_request *request, const uint32_t *items, size_t count,
                              float *score_out);
/* Sets the scores that mark_refused refuses to −∞. refused [items] is scratch: overwritten where an allow list or
 * filters ask for it. */
void mask_scores(float *scores, uint32_t items, const topn_request *filters, const uint32_t *seen, size_t seen_count,
                 unsigned char *refused);
/* See topn_recommend, whose arguments have been checked but for the request's. */
topn_status query_recommend(topn_query *query, const topn_request *request, size_t n, uint32_t *item_out,
                            float *score_out, size_t *found);
/* See topn_explain. Of φ's entries that a cut leaves out no contribution has a share. Overwrites phi and scores of the
 * query. */
topn_status query_explain(topn_query *query, const topn_request *request, uint32_t item, float *contribution_out,
                          float *bias_out);

#endif
