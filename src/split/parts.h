/* SPDX-License-Identifier: Apache-2.0
 *
 * What protocols share: each says which parts every event goes to, and the parts are made here.
 *
 * Items: a part has exactly the items of the training part, in the same order. Held-out events on items without a
 * training event are dropped and counted (but by protocol cold-items), and so are users whom a pair of seen and hidden
 * parts would leave without the one or the other.
 */
#ifndef TOPN_SPLIT_PARTS_H
#define TOPN_SPLIT_PARTS_H

#include "split/protocol.h"

/* One bit per part; an event may be in several (a training event is what a test user has seen, say). */
enum {
    IN_TRAIN = 1 << TOPN_PART_TRAIN,
    IN_VALIDATION_SEEN = 1 << TOPN_PART_VALIDATION_SEEN,
    IN_VALIDATION_HIDDEN = 1 << TOPN_PART_VALIDATION_HIDDEN,
    IN_TEST_SEEN = 1 << TOPN_PART_TEST_SEEN,
    IN_TEST_HIDDEN = 1 << TOPN_PART_TEST_HIDDEN,
    /* Events of protocols that hide events of users who also train. What a user has seen when he is tested are his
     * training and validation events. */
    KEPT_EVENT = IN_TRAIN | IN_VALIDATION_SEEN | IN_TEST_SEEN,
    VALIDATION_EVENT = IN_VALIDATION_HIDDEN | IN_TEST_SEEN,
    TEST_EVENT = IN_TEST_HIDDEN,
};

/* The parts that `membership` [events of data] names; parts that nobody is in stay NULL. membership is overwritten:
 * held- out events on items without a training event leave it. Adds the counts to the description. DATA when no
 * training event is left. */
topn_status parts_create(topn_context *context, const topn_data *data, uint8_t *membership, topn_split *out);
/* The same, but items where known [items] is set stay in all parts even without a training event. */
topn_status parts_create_with(topn_context *context, const topn_data *data, uint8_t *membership, const bool *known,
                              topn_split *out);
/* DATA with `reason` when the part is NULL. */
topn_status require_part(topn_context *context, const topn_split *split, topn_part part, const char *reason);

/* keep_item [items]: whether an item has an event in the training part. */
void items_in_training(const topn_data *data, const uint8_t *membership, bool *keep_item);

/* How many of `count` are a share of them, rounded down: 0.2 of 5 is 1 in spite of rounding errors. */
uint64_t share_of(double share, uint64_t count);

/* Puts the positions events [count] in a random order that depends on the seed and on the positions alone. */
topn_status shuffle_events(topn_context *context, uint64_t *events, size_t count);
/* Events of the user with the most. */
uint64_t longest_history(const topn_data *data);

/* Membership [events] where a share of each user's events is hidden, chosen at random and rounded down; users with
 * fewer than min_events events keep all. */
topn_status hide_shares(topn_context *context, const topn_data *data, double validation_share, double test_share,
                        uint64_t min_events, uint8_t *membership);

/* "part.users", "part.items", "part.events", "part.fingerprint" of one part. */
topn_status describe_part(topn_context *context, record *description, const char *part, const topn_data *data);
/* Sets key to count and logs "<what>: <count>" when count > 0. */
topn_status describe_drop(topn_context *context, record *description, const char *key, uint64_t count,
                          const char *what);

#endif
