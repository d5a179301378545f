/* SPDX-License-Identifier: Apache-2.0
 *
 * Items to draw from. Inside they stand in slots, ordered by topic, so that a topic, a genre and the whole catalogue
 * are ranges of slots, and one cumulative sum of weights serves draws from all of them.
 */
#ifndef TOPN_GENERATE_CATALOGUE_H
#define TOPN_GENERATE_CATALOGUE_H

#include "base/context.h"
#include "generate/shape.h"

typedef struct catalogue {
    uint32_t items, topic_items;
    double *below;    /* [items + 1] weight of all slots before */
    uint32_t *first;  /* [items + 2] per cell of equal weight, the first slot that reaches it */
    uint32_t *number; /* [items] slot → item index */
    double cells;     /* cells per unit of weight */
} catalogue;

/* Slots begin … end − 1. */
typedef struct slot_range {
    uint32_t begin, end;
} slot_range;

topn_status catalogue_create(topn_context *context, const shape *like, uint32_t items, catalogue *out);
void catalogue_clear(catalogue *from);
/* A slot of the range, with probability ∝ its weight, from 64 random bits. */
uint32_t catalogue_draw(const catalogue *from, slot_range range, uint64_t bits);
static inline uint32_t catalogue_topic(const catalogue *from, uint32_t slot)
{
    return slot / from->topic_items;
}
/* The slots of `count` topics from `topic` on, as far as there are. */
slot_range catalogue_topics(const catalogue *from, uint32_t topic, uint32_t count);

#endif
