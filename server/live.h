/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as they are now (P2 §6.3): what the model was trained on, and what the store has had since. Each encoder's own
 * rule makes φ of it: a bag sums its rows anew, a model of solved rows solves anew, and only a user of whom the store
 * says nothing new is answered with his trained row. Events that the model was trained on are in its histories already:
 * only those after the number in the store's note "trained.<version>" are new. Without that note (a model that was
 * trained elsewhere, whose log may have been imported) events that are older than the model's file and of an item that
 * is in his history there are the ones it was trained on.
 */
#ifndef TOPN_SERVER_LIVE_H
#define TOPN_SERVER_LIVE_H

#include "store.h"
#include "worker.h"

enum { LIVE_PAIRS = 5000 }; /* items of the store that count, the newest */

typedef struct live_history {
    const uint32_t *items; /* [length], ascending, no duplicates: to be given to topn_recommend as they are, since */
    const float *weights;  /* [length] or NULL (all 1)   what the model lends stands for its user */
    size_t length;
    size_t unknown;      /* items of events that the model does not know */
    bool known_to_model; /* the model keeps this user's history */
    bool lent;           /* the store says nothing new: the arrays are the model's own */
    uint32_t user;       /* in the model, where it knows him */
    uint32_t *owned;     /* the arrays where they are not lent */
    float *owned_weights;
} live_history;

/* One event of a history, or what several of an item come to. */
typedef struct live_event {
    uint32_t item;
    double weight;
    size_t order;  /* events of an item count in this order */
    bool deleted;  /* the item leaves the history */
    bool replaced; /* what came before no longer counts */
    bool learned;  /* the model's history has it already, where it has the item */
} live_event;

/* The model's history of the user, then the store's events: weights of both summed, deletions taken out, and items left
 * out whose weights sum to nothing or less. STORE_FULL stands for no memory. */
store_status live_read(worker *worker, const generation *generation, const char *user, live_history *out);
/* The same of given events instead of the store's; `user` NULL: of these alone. events [count] are reordered. false
 * when memory refuses. */
bool live_merge(const generation *generation, const char *user, live_event *events, size_t count, live_history *out);
void live_clear(live_history *history);

#endif
