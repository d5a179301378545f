/* SPDX-License-Identifier: Apache-2.0
 *
 * The one solver of all multilinear models (P2 Algorithm 4): Gramian of the other side, then for each block of
 * parameters the sufficient statistics
 *
 *     H = Σ_e [ Σ_{i∈S_e} α j jᵀ + α₀ v_e Jᵀ G J ] + λ_b I,   j = Jᵀψ_i
 *     g = Σ_e [ Σ_{i∈S_e} α (ŷ − y) j + α₀ v_e Jᵀ G φ_e ] + λ_b θ
 *
 * and the Newton step θ ← θ − H⁻¹g, exact as L is quadratic in the block. A block is cut into subspaces of `block`
 * columns, solved one after the other: all columns at once is iALS (Hu et al. 2008), one is iCD (Bayer et al. 2017), in
 * between is iALS++ (Rendle et al. 2021). Rows j are gathered and multiplied by BLAS.
 */
#ifndef TOPN_TRAIN_ALTERNATING_SOLVER_H
#define TOPN_TRAIN_ALTERNATING_SOLVER_H

#include "train/alternating/problem.h"

/* One pass over all blocks of a side, field by field (core last). Blocks of a field with `single` run in parallel;
 * others in their order, parallel inside. The same bits for any number of threads. NUMERIC when a step is not finite or
 * H is not positive definite in single precision, naming the block and --l2. */
topn_status alternating_half_sweep(topn_context *context, alternating_problem *problem, problem_side side,
                                   const alternating_params *params, const char *stage);

typedef struct loss_parts {
    double observed, unobserved, ridge; /* pairwise: observed + the product term, Gramian term */
} loss_parts;
/* L(θ) by Gramians, in double precision: O(|S|·D + (|C| + |I|)·D²). */
topn_status alternating_loss(topn_context *context, const alternating_problem *problem, loss_parts *out);

/* gram [D × D] = Σ_e weight_e φφᵀ of a side (weights NULL = 1), in double; rows are summed in fixed blocks. */
topn_status side_gram(topn_context *context, const multilinear_side *side, const float *weights, double *gram);
/* All φ of a side, [entities × D]. */
topn_status side_embed_all(topn_context *context, const multilinear_side *side, float *out);
/* The same without a copy where the rows of a table are them. *owned is the caller's to free, and may be NULL. */
topn_status side_rows(topn_context *context, const multilinear_side *side, float **owned, const float **rows);

#endif
