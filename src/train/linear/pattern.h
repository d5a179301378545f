/* SPDX-License-Identifier: Apache-2.0
 *
 * Which pairs of items a sparse model looks at: the strongest neighbours of each item by scaled covariance (Steck,
 * Markov random fields for collaborative filtering, NeurIPS 2019, §3.2).
 *
 *     value(i, j) = (G_ij − M·μ_i·μ_j) / (v_i·v_j)^(α/2)
 *
 * Legend: G = XᵀWX, M = Σ_u W_uu, μ_i = Σ_u W_uu·X_ui / M the weighted mean of a column of X, v_i = G_ii − M·μ_i² its
 * variance times M. α = 1 is the correlation, 0 the covariance; between them popular items count more.
 */
#ifndef TOPN_TRAIN_LINEAR_PATTERN_H
#define TOPN_TRAIN_LINEAR_PATTERN_H

#include "train/linear/system.h"

typedef struct pattern_settings {
    uint32_t keep;     /* entries of a row, at most; ≥ 1, and the number of items is enough */
    uint32_t anchors;  /* the first items in model order, < keep, are in every later row, whatever their value */
    uint32_t cap;      /* of a longer history only this many events are counted; 0 = no limit */
    double alpha;      /* α */
    double threshold;  /* an entry whose value (or magnitude) is less is left out; −INFINITY = none */
    bool by_magnitude; /* the strongest are those of largest |value|, else of largest value */
    bool earlier_only; /* of row i only columns < i: what comes earlier in model order */
} pattern_settings;

/* Row i holds its strongest neighbours, without i itself, columns ascending, and their values; ties go to the lower
 * column. Only pairs that share a user are looked at, but for
 * the anchors. Rows and columns are model positions. Takes 8 bytes an entry and
 * address space for keep·items of them; O(Σ_u |I_u|·min(|I_u|, cap)). The same bits at any number of threads. */
topn_status pattern_create(topn_context *context, const linear_system *system, const pattern_settings *settings,
                           sparse_matrix *out);
/* Most bytes that pattern_create takes, its result included. */
uint64_t pattern_bytes(uint64_t items, uint64_t keep, int threads);

/* The union of the pattern and its transpose, with the larger value in magnitude where both have one. O(entries). */
topn_status pattern_symmetrize(topn_context *context, const sparse_matrix *pattern, sparse_matrix *out);

#endif
