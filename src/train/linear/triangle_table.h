/* SPDX-License-Identifier: Apache-2.0
 *
 * A triangular factor as a table of embeddings, whole or pruned.
 */
#ifndef TOPN_TRAIN_LINEAR_TRIANGLE_TABLE_H
#define TOPN_TRAIN_LINEAR_TRIANGLE_TABLE_H

#include "train/linear/system.h"

/* Row i of the table is row position[i] of the triangle: its k largest entries, or all (linear_keeps_all). Takes the
 * array of *l when the table is dense. */
topn_status keep_triangle_rows(topn_context *context, symmetric *l, int64_t k, int storage, const uint32_t *position,
                               embedding_table *out);

#endif
