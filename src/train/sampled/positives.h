/* SPDX-License-Identifier: Apache-2.0
 *
 * The positives (c, i) that sampled training goes through, once each per sweep (P2 Algorithms 1–3, line 2), in an order
 * that follows from seed and sweep alone:
 *
 *   EVENTS    every pair alone, in a random order
 *   CONTEXTS  contexts in a random order, all pairs of one after another: models that encode histories sum each history
 *             once that way
 *
 * A random order is a keyed permutation of 0 … count−1 (a Feistel network with cycle walking), so that it takes no
 * memory and any place of it is known at once.
 *
 * Windows (item2vec): contexts are items; the pairs are (item, item at most `window` places away in a history by time).
 */
#ifndef TOPN_TRAIN_SAMPLED_POSITIVES_H
#define TOPN_TRAIN_SAMPLED_POSITIVES_H

#include "base/context.h"
#include "data/interactions.h"
#include "model/fields_encoder.h"

typedef enum positive_order { ORDER_EVENTS, ORDER_CONTEXTS } positive_order;

enum { TAKEN_STEP = 16 }; /* entries of a cache line */

typedef struct positive_list {
    uint64_t count;    /* of a sweep, dislikes included where `dislikes` are examples */
    uint32_t contexts; /* entities c */
    uint32_t items;
    positive_order order;
    sparse_matrix pairs; /* contexts × items, ascending; borrowed or of `owned`: every pair that a sweep goes through;
                          * values NULL: no weights */
    sparse_matrix taken; /* contexts × items, ascending: I_c, what is no negative; dislikes are not in it */
    uint32_t *guide;     /* every TAKEN_STEP-th entry of `taken`, then TAKEN_STEP zeros: searches of long rows begin in
                          * these     few, which caches hold; NULL: there is none */
    sparse_matrix dislikes; /* contexts × items, ascending: what each context disliked, be it an example or not; indptr
                             * NULL: nothing is a dislike */
    bool *disliked;         /* [pairs] or NULL = none */
    float *weights;         /* [pairs] α̃ of event strength, user activity and item popularity, mean 1; NULL: all 1 */
    uint32_t *item_counts;  /* [items] positives of an item */
    /* windows: pairs by position in histories; NULL else */
    const uint32_t *sequence;        /* [events] items of the histories, each by time */
    const uint64_t *sequence_starts; /* [users + 1] */
    uint64_t *window_starts;         /* [users + 1] pairs before a user's */
    uint32_t window, users;
    void *owned;
} positive_list;

/* One of them. */
typedef struct positive {
    uint32_t context, item;
    uint64_t pair; /* entry of `pairs`; of windows the number of the pair */
    float weight;  /* α̃(c, i) */
    bool disliked;
} positive;

typedef struct positive_setting {
    positive_order order;
    int confidence; /* confidence_kind: α of an event's strength, alpha + scale·w or alpha + scale·ln(1 + w) */
    double alpha, scale;
    double dislike_below;       /* NAN = none */
    bool dislikes_are_examples; /* pointwise: with the label of a negative; else they are left out of the pairs */
    double user_exponent, item_exponent; /* α̃ ∝ (events of c)^−a · (events of i)^−b */
} positive_setting;

/* `pairs` as contexts × items (data->matrix, or data->contexts.events). DATA when there is none. */
topn_status positives_create(topn_context *context, const topn_data *data, const sparse_matrix *pairs,
                             const positive_setting *setting, positive_list *out);
/* DATA when the data have no times and `by_time` asks for them; without it histories are sets, which have another order
 * in each sweep. `pairs` stays empty, an item has taken itself alone, and of the setting only dislikes, which are left
 * out, and exponents count: `user_exponent` is that of the pair's context. */
topn_status positives_create_windows(topn_context *context, const topn_data *data, uint32_t window, bool by_time,
                                     const positive_setting *setting, positive_list *out);
uint64_t windows_bytes(const topn_data *data);
void positives_clear(positive_list *list);
uint64_t positives_bytes(const topn_data *data, const sparse_matrix *pairs, const positive_setting *setting);
/* Positives `begin` … begin + count − 1 of a sweep's order into out [count]. May be called by many threads at a time
 * (ORDER_CONTEXTS: of the same sweep). */
void positives_take(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                    positive *out);
/* Whether i ∈ I_c; O(log |I_c|). */
bool positives_hold(const positive_list *list, uint32_t context, uint32_t item);

#endif
