/* SPDX-License-Identifier: Apache-2.0
 *
 * k-means (Lloyd) of dense rows, on a sample, with the same bits at any thread count.
 */
#ifndef TOPN_RETRIEVE_KMEANS_H
#define TOPN_RETRIEVE_KMEANS_H

#include "base/context.h"
#include "numeric/matrix.h"

/* centres [count × columns] of the rows times their factors (NULL = 1), and home[r] the nearest one of each row. count
 * is at least 1 and at most the rows. O(rows · count · columns). Progress with cancel. */
topn_status kmeans(topn_context *context, const dense_matrix *rows, const float *factors, uint32_t count,
                   float *centres, uint32_t *home);

#endif
