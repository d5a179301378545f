/* SPDX-License-Identifier: Apache-2.0
 *
 * The sparse approximate inverse factor F of G + R with P ≈ FᵀF (FSAI: Kolotilina, Yeremin, SIAM J. Matrix Anal. Appl.
 * 14(1), 1993). Among all lower triangular matrices with its pattern it is the one whose (FᵀF)⁻¹ is nearest to G + R in
 * the Kullback-Leibler sense.
 *
 * Legend: X users × items, W = diag(user weights), G = XᵀWX, R = diag(ridge), P = (G + R)⁻¹, d = diag(P); S_i = the
 * items of row i of F: up to k − 1 strong neighbours that come before i in model order, and i.
 */
#ifndef TOPN_TRAIN_LINEAR_SPARSE_INVERSE_H
#define TOPN_TRAIN_LINEAR_SPARSE_INVERSE_H

#include "train/linear/system.h"

enum { SPARSE_MOST_K = 4096 }; /* of a row of F: its block takes k² floats a thread */

/* Options of every model built on F: the member named `sparse` of its parameter struct. */
typedef struct sparse_params {
    int64_t k, history_cap, anchors;
    double alpha;
    int order;
} sparse_params;

#define SPARSE_OPTIONS(params, standard_anchors)                                                                       \
    OPTION_INTEGER(params, sparse.k, "k", 200, 1, SPARSE_MOST_K, "non-zeros kept per item, on average"),               \
        OPTION_CHOICE(params, sparse.order, "order", "popular-first", ITEM_ORDER_CHOICES,                              \
                      "order of items: each is explained by items that come before it"),                               \
        OPTION_REAL(params, sparse.alpha, "pattern-exponent", 0.75, 0, 2,                                              \
                    "α: neighbours are chosen by covariance / (variance · variance)^(α/2)", SEARCH_LINEAR(0.4, 1)),    \
        OPTION_INTEGER(                                                                                                \
            params, sparse.anchors, "anchors", standard_anchors, 0, 1024,                                              \
            "the first items in the order, the most popular ones by default, that every item is linked to"),           \
        OPTION_INTEGER(params, sparse.history_cap, "history-cap", 500, 0, UINT32_MAX,                                  \
                       "choosing neighbours looks at this many events of longer histories; 0 = all")

/* The first items in model order that are in every later S_i: as asked for, but at most half of k. */
uint32_t sparse_anchors(const sparse_params *params);
/* F, rows and columns in model order, the diagonal last in each row. "run.seconds.pattern" and "…factor" go to the
 * metadata. NUMERIC when a block of G + R is singular. O(N·k³/3) flops. */
topn_status sparse_inverse_factor(topn_context *context, const linear_system *system, const sparse_params *params,
                                  record *metadata, sparse_matrix *f);
/* d_j = Σ_r F_rj²; d [items]. */
topn_status sparse_inverse_diagonal(topn_context *context, const sparse_matrix *f, double **d);
/* Bytes of the linear system. */
uint64_t sparse_system_bytes(const topn_data *data);
/* Most bytes and flops of factor and diagonal, system and F included. */
training_cost sparse_inverse_cost(const topn_data *data, const sparse_params *params);

#endif
