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

/* An empty set, to be filled in `bits`; filter_finish then clears bits past the end and counts. */
topn_status filter_create(topn_context *context, uint32_t items, topn_filter **out);
void filter_finish(topn_filter *filter);
/* The items whose allowed[i] is not 0. */
topn_status filter_create_flags(topn_context *context, uint32_t items, const unsigned char *allowed, topn_filter **out);
/* The items that an expression holds for; OPTION with the place in it (filter_parse.h). */
topn_status filter_create_expression(topn_context *context, const topn_attributes *attributes, const char *expression,
                                     topn_filter **out);
void filter_free(topn_filter *filter);

/* The request's filters are there and of a model of so many items; ARGUMENT with the place. */
topn_status check_filters(topn_context *context, const topn_request *request, uint32_t items);
/* refused[i] = 1 for every item that the request's allow and deny lists, filters or (unless it includes them) seen
 * items keep out, else 0; [items], whatever was in it. The lists have been checked. Returns how many stay.
 * O(items + lists), some 10⁹ items/s. */
uint32_t mark_refused(const topn_request *request, const uint32_t *seen, size_t seen_count, uint32_t items,
                      unsigned char *refused);

#endif
