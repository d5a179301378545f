/* SPDX-License-Identifier: Apache-2.0
 *
 * A model that gets more items, however their rows came about.
 */
#ifndef TOPN_MODEL_EXTENDED_ITEMS_H
#define TOPN_MODEL_EXTENDED_ITEMS_H

#include "model/model.h"

/* item_of [items of the data]: theirs in the model, UINT32_MAX = new; fresh: the new ones. Both are the caller's to
 * free, on failure, too. DATA when there is none. */
topn_status model_match_items(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **item_of,
                              uint32_t **fresh, uint32_t *fresh_count);
/* Puts `more` floats (NULL: zeros) behind the `count` of *out, which is freed and made anew. */
topn_status floats_append(topn_context *context, size_t count, const float *second, size_t more, float **out);
/* Gives the model (a copy, nothing mapped) the data's items `fresh` behind its own, with dense rows psi [fresh × D],
 * bias 0 and prior 1; ids, titles and what is known of items follow, and everything is checked. What else the encoder
 * has of each item is the caller's to extend before. */
topn_status model_extend(topn_context *context, const topn_data *data, const uint32_t *fresh, uint32_t fresh_count,
                         const float *psi, topn_model *model);
/* See model_add_items; of encoder NETWORK: rows of new items are made of their features. */
topn_status network_add_items(topn_context *context, const topn_model *model, const topn_data *data, topn_model **out);

#endif
