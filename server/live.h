/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as they are now (P2 §6.3): what the model was trained on, and what the store has had since. Each encoder's own
 * rule makes φ of it: a bag sums its rows anew, a model of solved rows solves anew, and only a user of whom the store
 * says nothing new is answered with his trained row. Events that the model was trained on are in its histories already:
 * only those after the number in the store's note "trained.<version>" are new (none: all of them are).
 */
#ifndef TOPN_SERVER_LIVE_H
#define TOPN_SERVER_LIVE_H

#include "store.h"
#include "worker.h"

typedef struct live_history {
    uint32_t *items; /* [length], no duplicates */
    float *weights;  /* [length] */
    size_t length;
    size_t unknown;      /* events of items that the model does not know */
    bool known_to_model; /* the model keeps this user's history */
    const uint32_t
        *lent; /* where the store says nothing: the model's own arrays, to be given to topn_recommend as lent */
    const float *lent_weights;
} live_history;

/* The model's history of the user, then the store's events: weights of both summed, deletions taken out. */
store_status live_read(worker *worker, const generation *generation, const char *user, live_history *out);
void live_clear(live_history *history);

#endif
