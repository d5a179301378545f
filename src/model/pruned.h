/* SPDX-License-Identifier: Apache-2.0
 *
 * A model with fewer numbers in its tables.
 */
#ifndef TOPN_MODEL_PRUNED_H
#define TOPN_MODEL_PRUNED_H

#include "model/model.h"

/* "row", "global", "item"; NULL past the end. */
const char *model_prune_mode_name(topn_prune_mode mode);
/* Encoder and item table pruned to k numbers a row (on average, or a column), k ≥ 1. The rest of the model is copied,
 * its tables are only read. Peak 8 bytes × k × items and what numeric/prune.h says. UNSUPPORTED for a model without
 * tables, and for mode ITEM where the table is not items × items. */
topn_status model_copy_pruned(topn_context *context, const topn_model *model, uint32_t k, topn_prune_mode mode,
                              topn_model **out);

#endif
