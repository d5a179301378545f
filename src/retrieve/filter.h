/* SPDX-License-Identifier: Apache-2.0
 *
 * Which items may be recommended: attributes of items, expressions over them, and the sets of items these come to.
 */
#ifndef TOPN_RETRIEVE_FILTER_H
#define TOPN_RETRIEVE_FILTER_H

#include "base/context.h"
#include "model/model.h"

/* A set of items of one model, immutable. */
struct topn_filter {
    uint32_t items;   /* of the model */
    uint32_t allowed; /* members */
    uint64_t *bits;   /* [⌈items/64⌉]: bit i%64 of word i/64 = item i may appear; bits past the end are 0 */
};

static inline bool filter_has(const topn_filter *filter, uint32_t item)
{
    return filter->bits[item / 64] >> (item % 64) & 1;
}

/* refused[i] = 1 for every item that the request's allow and deny lists, filters or (unless it includes them) seen
 * items keep out, else 0; [items]. Returns how many stay. O(items/8 + lists). */
uint32_t mark_refused(const topn_request *request, const uint32_t *seen, size_t seen_count, uint32_t items,
                      unsigned char *refused);

#endif
