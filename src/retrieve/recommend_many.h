/* SPDX-License-Identifier: Apache-2.0
 *
 * The n best items of many users: blocks over all threads, answers in the order asked for, memory bounded by a few
 * blocks per thread.
 */
#ifndef TOPN_RETRIEVE_RECOMMEND_MANY_H
#define TOPN_RETRIEVE_RECOMMEND_MANY_H

#include "retrieve/retriever.h"

typedef struct recommend_job {
    const topn_retriever *retriever;
    const sparse_matrix *histories; /* users × items of whatever numbering; values may be NULL */
    const uint32_t *item_map; /* [histories->columns] to the model's items, UINT32_MAX = unknown; NULL = the same */
    const uint32_t *user_map; /* [histories->rows] to the model's users, likewise */
    const sparse_matrix *features; /* histories->rows × the model's features of users; NULL = none are known */
    const uint32_t *users;         /* [user_count] rows of histories, or NULL = all */
    size_t user_count;
    size_t n;
    const topn_request *filters; /* allow, deny, include_seen, filters, and the context and features of all */
    topn_recommend_callback *callback;
    void *user_data;
} recommend_job;

/* Arguments have been checked. CANCELLED when a callback says stop. */
topn_status recommend_many(topn_context *context, const recommend_job *job);

#endif
