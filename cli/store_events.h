/* SPDX-License-Identifier: Apache-2.0
 *
 * The events of a server's store as data to train on and to judge by. Deletions are applied: an event counts unless a
 * later one takes its user and item back. Nothing is kept in memory of the events themselves but what is made of them.
 */
#ifndef TOPN_CLI_STORE_EVENTS_H
#define TOPN_CLI_STORE_EVENTS_H

#include "server/store.h"
#include "session.h"

typedef struct deletion {
    char *user, *item;
    int64_t number; /* of the event that deletes */
} deletion;

typedef struct store_events {
    store *from;

    char *plain_name;        /* owned */
    const topn_model *model; /* the one in use */
    int64_t trained_through; /* number of the last event that it was trained on; 0 = the store does not say */
    int64_t model_written;   /* when its file was */
    deletion *deletions;     /* [deletion_count] by user, item, number */
    size_t deletion_count, deletion_room;
    int64_t through;           /* number of the last event there was: later ones are for the next time */
    uint64_t events, negative; /* that count; left out for a weight below 0 */
    uint64_t fresh, held;      /* that the model in use has not learned from; of these, held back */
    int64_t cut;               /* a fresh event from this time on is held back */
} store_events;

/* Opens the store and looks through it: counts, deletions, and which events are held back, the newest `share` of all
 * but at most half of the fresh ones. An exit code. */
int store_events_open(const char *where, const topn_model *model, const char *model_path, double share,
                      store_events *out);
void store_events_close(store_events *events);

/* Data of all events, or of those that are not held back. `reader`: rules on weights, duplicates and so on. */
int store_events_data(struct session *session, store_events *events, const topn_options *reader, bool all,
                      topn_data **out);
/* Data of those held back, whose users and items are not together in `seen`. */
int store_events_held(struct session *session, store_events *events, const topn_options *reader, const topn_data *seen,
                      topn_data **out);

#endif
