/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates of an approximate search: the best by a rough score, of which the best by the exact one are the answer.
 */
#ifndef TOPN_RETRIEVE_CANDIDATES_H
#define TOPN_RETRIEVE_CANDIDATES_H

#include "base/context.h"
#include "retrieve/index.h"

/* The `room` best entries among all that were offered, and some more: what is kept is cut back whenever it has doubled,
 * which costs an entry less than a place in a heap. Does not depend on the order of the offers. */
typedef struct candidates {
    uint64_t *keys; /* [items]; score in the upper half, descending, item in the lower, ascending */
    size_t count, room;
    uint64_t last;   /* keys that are not smaller are not taken */
    float threshold; /* nor are scores below; for a fast first look */
} candidates;

topn_status candidates_create(topn_context *context, uint32_t items, candidates *out);
void candidates_clear(candidates *pool);
/* Empty, for the `room` best, ≥ 1. */
void candidates_start(candidates *pool, size_t room);
/* An item comes once at most. NaN is never taken. */
void candidates_offer(candidates *pool, uint32_t item, float score);
/* The best by the rough score that was not popped yet; false when there is none. Nothing is offered between two calls,
 * and before the first candidates_order is called. */
void candidates_order(candidates *pool);
bool candidates_pop(candidates *pool, uint32_t *item, float *score);
/* The n best of them by their exact scores; see index_operations.search. */
size_t candidates_rescore(candidates *pool, const topn_model *model, const index_question *question, uint32_t *item_out,
                          float *score_out);

/* share · n, at least n and at most the items that are allowed. */
size_t candidates_wanted(const index_question *question, double share);

#endif
