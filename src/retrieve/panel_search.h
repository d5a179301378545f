/* SPDX-License-Identifier: Apache-2.0
 *
 * The exact top n of many users against item rows, without the users × items scores ever being in memory: φ of 64 users
 * side by side as a panel (panel.h), the items in tiles, and what a tile scores goes at once into the users' lists of
 * the best. Panels times tiles are the work that threads share, so that a single batch keeps all of them busy; each
 * thread has its own lists, and these are merged at the end.
 */
#ifndef TOPN_RETRIEVE_PANEL_SEARCH_H
#define TOPN_RETRIEVE_PANEL_SEARCH_H

#include "retrieve/retriever.h"

typedef struct panel_search panel_search;

/* Whether this way serves the retriever and pays: item rows, no lists of a cut, n well below the number of items. */
bool panel_search_serves(const topn_retriever *retriever, size_t n);
/* For batches of up to `users`; panel_search_users says how many of them it takes at once. n ≥ 1. */
topn_status panel_search_create(topn_context *context, const topn_retriever *retriever, size_t n, size_t users,
                                size_t threads, panel_search **out);
void panel_search_free(panel_search *search);
size_t panel_search_users(const panel_search *search);

/* Which items may not appear, besides those in a user's history. */
typedef struct panel_filter {
    const unsigned char *refused; /* [items] 1 = for nobody; NULL = none is */
    bool include_seen;            /* items of the history may appear */
} panel_filter;

/* The n best of `count` ≤ panel_search_users users, item_out and score_out [count × n], found [count]. The scores and
 * their bits are those of block_scores, so the same at any thread count. MEMORY, or NUMERIC where a user's row has no
 * solution; no message. */
topn_status panel_search_run(panel_search *search, const history *users, size_t count, const panel_filter *filter,
                             uint32_t *item_out, float *score_out, size_t *found);

#endif
