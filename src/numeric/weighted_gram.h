/* SPDX-License-Identifier: Apache-2.0
 *
 * Gram matrices of many rows, summed in double precision.
 */
#ifndef TOPN_NUMERIC_WEIGHTED_GRAM_H
#define TOPN_NUMERIC_WEIGHTED_GRAM_H

#include "base/context.h"

/* gram [columns × columns] = Σ_r weight_r·x_r·x_rᵀ over rows [count × columns]; weights NULL = all 1. Both triangles.
 * The same bits for any number of threads. count·columns² flops. */
topn_status weighted_gram(topn_context *context, const float *rows, size_t count, size_t columns, const float *weights,
                          double *gram);
/* Bytes that it takes. */
uint64_t weighted_gram_bytes(size_t columns, int threads);

#endif
