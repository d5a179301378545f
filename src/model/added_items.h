/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of context fields with items that came after its training.
 */
#ifndef TOPN_MODEL_ADDED_ITEMS_H
#define TOPN_MODEL_ADDED_ITEMS_H

#include "model/model.h"

/* See topn_model_add_items. */
topn_status model_add_items(topn_context *context, const topn_model *model, const topn_data *data, topn_model **out);

#endif
