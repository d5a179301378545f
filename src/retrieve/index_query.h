/* SPDX-License-Identifier: Apache-2.0
 *
 * What every approximate kind gets for nothing when it is asked: the user's embedding, items that may not appear, and
 * exact answers when so few may appear that scoring them is cheaper than searching.
 */
#ifndef TOPN_RETRIEVE_INDEX_QUERY_H
#define TOPN_RETRIEVE_INDEX_QUERY_H

#include "retrieve/retriever.h"

/* One thread's memory. */
typedef struct index_query index_query;
/* The retriever has an index. */
topn_status index_query_create(topn_context *context, const topn_retriever *retriever, index_query **out);
void index_query_free(index_query *query);
/* The n best items for `user` under the filters, of whose lists and filters nothing is checked here; seen are the
 * user's. item_out, score_out [n]. Called on any thread, so it leaves no message: NUMERIC when a user's row cannot be
 * solved for (fail_encode says it). */
topn_status index_query_answer(index_query *query, const history *user, const topn_request *filters, size_t n,
                               uint32_t *item_out, float *score_out, size_t *found);

/* The n best of the items that are not refused, by scoring each of them. `rows`: model_item_rows. */
size_t exact_allowed(const topn_model *model, const embedding_table *rows, const index_question *question,
                     uint32_t *item_out, float *score_out);

#endif
