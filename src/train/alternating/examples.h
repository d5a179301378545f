/* SPDX-License-Identifier: Apache-2.0
 *
 * The terms that stochastic gradients are drawn from (P2 eq. 30): the observed pairs S, and once each context or item
 * without any. The latter stand in the Gramians too, so the sum over S alone would miss their part of the loss.
 */
#ifndef TOPN_TRAIN_ALTERNATING_EXAMPLES_H
#define TOPN_TRAIN_ALTERNATING_EXAMPLES_H

#include "train/alternating/problem.h"

#define NOBODY UINT32_MAX

typedef struct example_list {
    uint32_t count;    /* all */
    uint32_t observed; /* |S|; the contexts without pairs follow, then the items */
    uint32_t entities[2];
    uint32_t *contexts; /* [observed]; the item is observed[SIDE_CONTEXTS].pairs.indices */
    uint32_t *lone[2];  /* [lone_count] entities without observed pairs */
    uint32_t lone_count[2];
    uint32_t *visits[2]; /* [entities] terms that an entity has part in: |I_c|, |C_i|, or 1 */
    uint32_t *order;     /* [count] */
} example_list;

/* DATA when there are more than 2³² − 1 terms. */
topn_status example_list_create(topn_context *context, const alternating_problem *problem, example_list *out);
void example_list_clear(example_list *examples);
uint64_t example_list_bytes(uint64_t contexts, uint64_t items, uint64_t events);
/* A new random order, from the seed and the sweep alone. */
void example_list_shuffle(example_list *examples, uint64_t seed, int64_t sweep);

#endif
