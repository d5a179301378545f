/* SPDX-License-Identifier: Apache-2.0
 *
 * From the codes of ids to indices: numeric order when every id of the side is a whole number that fits in 64 bits
 * (equal values, such as 07 and 7, by bytes), else byte order. So indices depend on the set of ids alone.
 */
#ifndef TOPN_INGEST_ID_ORDER_H
#define TOPN_INGEST_ID_ORDER_H

#include "ingest/events.h"

typedef struct id_order {
    string_table table; /* ids in order */
    /* Numbers: a bit per value with counts of the bits before each word, or a hash table when values are sparse. */
    uint64_t *bits;     /* [words] */
    uint32_t *before;   /* [words] */
    uint32_t *keys;     /* [mask + 1] code + 1, or 0 */
    uint32_t *ranks;    /* [mask + 1] place among the numbers */
    uint32_t mask;      /* slots − 1 */
    uint32_t *of_rank;  /* [numbers + texts] place among them → index; NULL = the same (no texts) */
    uint32_t **of_text; /* [lanes][texts of the lane's pool] → index */
    uint32_t lanes;
} id_order;

/* What is put in order: the users, the items, or the values of field `side − SIDE_FIELDS` of a sink. */
typedef enum id_side { SIDE_USERS, SIDE_ITEMS, SIDE_FIELDS } id_side;
/* Empties the pools of that side. */
topn_status id_order_create(topn_context *context, event_sink *sink, id_side side, id_order *out);
void id_order_clear(id_order *order);

/* Bits set, without an instruction that the oldest processors lack. */
static inline uint32_t count_bits(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

/* Where the search for a number starts. Ids are often multiples of a power of two, whose products differ in their upper
 * half alone: it is folded in. */
static inline uint32_t id_order_slot(const id_order *order, uint32_t code)
{
    const uint32_t product = code * UINT32_C(2654435769);
    return (product ^ product >> 16) & order->mask;
}

static inline uint32_t id_order_number(const id_order *order, uint32_t code)
{
    if (order->bits) {
        const uint64_t below = order->bits[code >> 6] & ((UINT64_C(1) << (code & 63)) - 1);
        return order->before[code >> 6] + count_bits(below);
    }
    uint32_t slot = id_order_slot(order, code);
    while (order->keys[slot] != code + 1)
        slot = (slot + 1) & order->mask;
    return order->ranks[slot];
}

static inline uint32_t id_order_index(const id_order *order, uint32_t lane, uint32_t code)
{
    if (code & ID_TEXT)
        return order->of_text[lane][code & ~ID_TEXT];
    const uint32_t rank = id_order_number(order, code);
    return order->of_rank ? order->of_rank[rank] : rank;
}

#endif
