/* SPDX-License-Identifier: Apache-2.0
 *
 * What the neighbourhood methods between items share: from rows of a Gram matrix to a sparse table of weights, k an
 * item. Rows are made one at a time, so memory is O(kN).
 */
#ifndef TOPN_TRAIN_NEIGHBOR_NEIGHBOR_TABLE_H
#define TOPN_TRAIN_NEIGHBOR_NEIGHBOR_TABLE_H

#include "train/linear/system.h"

/* Whose k neighbours are kept: those that speak for an item, or those that an item of the history speaks for. */
typedef enum neighbor_side { NEIGHBORS_OF_RECOMMENDED, NEIGHBORS_OF_HISTORY } neighbor_side;
typedef enum neighbor_scaling { SCALE_NONE, SCALE_SUM, SCALE_LENGTH } neighbor_scaling;

/* Options of these methods: the member named `list` of their parameter structs. */
typedef struct neighbor_params {
    int64_t k;
    int side;    /* neighbor_side */
    int scaling; /* neighbor_scaling */
} neighbor_params;

#define NEIGHBOR_OPTIONS(params, side_default)                                                                         \
    OPTION_INTEGER(params, list.k, "k", 200, 1, UINT32_MAX, "neighbours kept per item", SEARCH_LOG(20, 1000)),         \
        OPTION_CHOICE(params, list.side, "neighbors-of", side_default, "recommended|history",                          \
                      "whose k neighbours are kept: each recommended item's, or each item's of the history"),          \
        OPTION_CHOICE(params, list.scaling, "normalize", "none", "none|sum|length",                                    \
                      "divide the weights kept for an item by nothing, their sum, or their Euclidean length",          \
                      SEARCH_CHOICES("none|sum|length"))

/* Weight from item `history` to item `recommended`, which have `common` in the Gram matrix; 0 or less is dropped. */
typedef double neighbor_weight(const void *state, uint32_t history, uint32_t recommended, double common);

/* Table T [items × items] with T_hj the weight from h to j, no diagonal: of each list the k largest, ties to the
 * smaller index. `system` is in the order given. O(Σ_u |I_u|² + kN log k); the same bits at any number of threads. */
topn_status neighbor_table(topn_context *context, const linear_system *system, const neighbor_params *params,
                           neighbor_weight *weight, const void *state, sparse_matrix *out);

/* Sum of squared values of each item under the users' weights: the diagonal of the Gram matrix. out [items]. */
void neighbor_diagonal(const linear_system *system, double *out);

/* Peak and flops of linear_system_create and neighbor_table. */
training_cost neighbor_cost(const topn_data *data, const neighbor_params *params);

#endif
