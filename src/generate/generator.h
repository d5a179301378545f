/* SPDX-License-Identifier: Apache-2.0
 *
 * Made interactions with the sizes and the look of published data sets, for work at a scale where the real files cannot
 * be shipped.
 */
#ifndef TOPN_GENERATE_GENERATOR_H
#define TOPN_GENERATE_GENERATOR_H

#include "base/option_table.h"
#include "data/interactions.h"

typedef struct generator_params {
    int like; /* shape_at */
    double scale;
    int64_t users, items, events; /* 0: the shape's, scaled */
} generator_params;
extern const option_table generator_option_table;

/* OPTION when the sizes contradict each other. O(events + users + items log items); peak: 8 bytes an event, about 80 a
 * user and an item. */
topn_status generator_make(topn_context *context, const generator_params *params, topn_data **out);

#endif
