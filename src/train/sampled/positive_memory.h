/* SPDX-License-Identifier: Apache-2.0
 *
 * What a positive_list owns beside its public arrays.
 */
#ifndef TOPN_TRAIN_SAMPLED_POSITIVE_MEMORY_H
#define TOPN_TRAIN_SAMPLED_POSITIVE_MEMORY_H

#include "train/sampled/positives.h"

/* An entry of `pairs`, in one place so that finding it takes one access to memory. */
typedef struct event_pair {
    uint32_t context, item;
} event_pair;

typedef struct positive_memory {
    sparse_matrix likes, dislikes; /* pairs that are none, and those that are; where there are dislikes */
    uint32_t *taken;               /* [entries of the list's `taken`] a copy, in large pages */
    event_pair *events;            /* [pairs], ORDER_EVENTS */
    /* ORDER_CONTEXTS: the order of one sweep, made when its first positives are taken */
    uint32_t *contexts; /* [contexts] in the order of the sweep */
    uint64_t *starts;   /* [contexts + 1] positives before each of them */
    bool filled;
    uint64_t seed;
    int64_t sweep;
    /* windows */
    uint32_t *sequence;        /* [events] */
    uint64_t *sequence_starts; /* [users + 1] */
    bool is_set;               /* histories have no order */
    uint32_t *shuffled;        /* [events] theirs in the sweep that `seed` and `sweep` say, where `filled` */
    uint32_t *guide;           /* [(count >> guide_shift) + 1] user that pair n << guide_shift belongs to */
    unsigned guide_shift;
    uint64_t *self_indptr;  /* [items + 1], with `self` the matrix in which every item has itself */
    uint32_t *self;         /* [items] */
    float *item_factors[2]; /* [items] of a pair's weight, as its context and as its item; or NULL */
} positive_memory;

void windows_take(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                  positive *out);

#endif
