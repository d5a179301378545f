/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store knows of items, in memory and in the numbering of the generation in use: attributes for filters, and
 * which items are hidden. Read anew when the store's version of items or the generation changes; compiled filters are
 * kept by expression.
 */
#ifndef TOPN_SERVER_ITEMS_H
#define TOPN_SERVER_ITEMS_H

#include "models.h"
#include "store.h"

typedef struct item_state item_state; /* one version; immutable, counted references */
typedef struct items items;

items *items_create(const char *attributes_file);
void items_free(items *items);
/* The state for this generation and the store's present version, made by the first who needs it. NULL with `why`. */
item_state *items_acquire(items *items, store *store, generation *generation, char *why, size_t why_size);
void item_state_release(item_state *state);
/* Items that are not hidden; NULL when none is. Lent. */
const topn_filter *item_state_available(const item_state *state);
/* The filter of an expression, kept for the next request; NULL with `why` for a wrong expression. Lent. */
const topn_filter *item_state_filter(item_state *state, const char *expression, char *why, size_t why_size);

#endif
