/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store knows of items, in memory and in the numbering of the generation in use: attributes for filters,
 * titles, and which items are hidden. Read anew when the store's version of items or the generation changes; compiled
 * filters are kept by expression.
 */
#ifndef TOPN_SERVER_ITEMS_H
#define TOPN_SERVER_ITEMS_H

#include "models.h"
#include "store.h"

typedef struct item_state item_state; /* one version; counted references; for any number of threads */
typedef struct item_catalog item_catalog;

/* attributes_file: of --items, NULL = none. NULL when memory refuses. */
item_catalog *items_create(const char *attributes_file);
void items_free(item_catalog *items);
/* The state for this generation and the store's present version, made by the first who needs it; others go on with the
 * one before meanwhile. The store is asked at most every 100 ms. While it is unavailable (or NULL) the state stays what
 * it was.
 * NULL with `why`: the attributes file is wrong, or memory refuses. */
item_state *items_acquire(item_catalog *items, store *store, generation *generation, char *why, size_t why_size);
void item_state_release(item_state *state);
/* This server has changed items: the next request asks the store at once. */
void items_touch(item_catalog *items);

/* Items that are not hidden; NULL when none is. Lent. */
const topn_filter *item_state_available(const item_state *state);
/* The store's title of an item, else the model's; NULL where neither has one. Lent. */
const char *item_state_title(const item_state *state, uint32_t item);
/* The items that an expression holds for and that are not hidden, kept for the next request; NULL with `why` for a
 * wrong expression. Lent until item_state_return, of which each filter needs one. */
const topn_filter *item_state_filter(item_state *state, const char *expression, char *why, size_t why_size);
void item_state_return(item_state *state, const topn_filter *filter);

#endif
