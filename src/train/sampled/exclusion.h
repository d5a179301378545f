/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exclusion refuses for one example, as two parts: the row of I_c, ascending, and the positive where that row
 * does not hold it. What is left over has ranks 0 … |I| − refused − 1 and lies in the gaps between what is refused.
 */
#ifndef TOPN_TRAIN_SAMPLED_EXCLUSION_H
#define TOPN_TRAIN_SAMPLED_EXCLUSION_H

#include "train/sampled/sampler.h"

typedef struct refused_items {
    const uint32_t *taken; /* [count] ascending */
    uint32_t count;
    bool with_item; /* `item` is refused, too, and none of `taken` */
    uint32_t item;
    uint32_t item_rank;    /* items below `item` that are none of `taken` */
    const uint32_t *guide; /* entries lead, lead + TAKEN_STEP, … of `taken`; NULL: there is none */
    uint32_t lead;         /* < TAKEN_STEP */
} refused_items;

/* O(log |I_c|). */
refused_items refused_for(exclusion kind, const positive_list *positives, uint32_t context, uint32_t item);
uint32_t refused_count(const refused_items *refused);
/* O(log |I_c|). */
bool refuses(const refused_items *refused, uint32_t j);
/* How many are refused of the items below j; O(log |I_c|). */
uint32_t refused_below(const refused_items *refused, uint32_t j);
/* Of a request; without a search where the request's pair is an entry of I_c, and with the guide. */
refused_items refused_for_request(exclusion kind, const positive_list *positives, const draw_request *request);
/* The item of rank n among those that are not refused; O(log |I_c|). */
uint32_t allowed_item(const refused_items *refused, uint32_t n);
/* The same of `count` examples at once, their ranks in `items` [count] overwritten by the items: the searches go side
 * by side, so that their misses of the cache overlap, and, with a guide, end in a cache line or two of `taken`. */
void allowed_items(const refused_items *refused, size_t count, uint32_t *items);

/* The gaps [begin, end) of 0 … items − 1, ascending; O(1) each. Start with {refused, items}. */
typedef struct gap_walk {
    const refused_items *refused;
    uint32_t items;
    uint32_t next, place; /* first item not yet passed; entry of `taken` */
    bool item_passed, over;
} gap_walk;
bool next_gap(gap_walk *walk, uint32_t *begin, uint32_t *end);

#endif
