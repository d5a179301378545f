/* SPDX-License-Identifier: Apache-2.0
 *
 * Which items may appear: --filter over the model's attributes and those of --item-attributes.
 */
#ifndef TOPN_CLI_ITEM_FILTER_H
#define TOPN_CLI_ITEM_FILTER_H

#include "session.h"

struct item_filter {
    topn_filter *filter; /* NULL without --filter */
    const topn_filter *lent[1];
};

/* Warns of ids that the model does not know, and where no item passes. */
int item_filter_find(struct session *session, const topn_model *model, struct item_filter *out);
/* Puts it into a request; what is asked lends the filter. */
void item_filter_apply(const struct item_filter *from, topn_request *request);
void item_filter_clear(struct item_filter *filter);

/* Items that have a value of attribute `index`. */
int attribute_items(struct session *session, const topn_attributes *attributes, size_t index, uint32_t *out);

#define ITEM_FILTER_OPTIONS                                                                                            \
    {"filter", 0, "EXPRESSION", "",                                                                                    \
     "only items whose attributes satisfy this may appear, such as 'genre=Drama AND year>=1990' (docs/filters.md)"},   \
    {                                                                                                                  \
        "item-attributes", 0, "FILE", "",                                                                              \
            "attributes of items beside the model's, one item a line, read as --item-features are"                     \
    }

#endif
