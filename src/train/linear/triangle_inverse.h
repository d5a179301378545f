/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse approximate inverse of a sparse unit lower triangle by minimal residual steps (Chow and Saad, SIAM J. Sci.
 * Comput. 19(3), 1998; used for recommendation by Spišák et al., SANSA, RecSys 2023).
 *
 * Legend: L unit lower triangular, M ≈ L⁻¹, m and e one column of M and of the identity, r = e − L·m.
 */
#ifndef TOPN_TRAIN_LINEAR_TRIANGLE_INVERSE_H
#define TOPN_TRAIN_LINEAR_TRIANGLE_INVERSE_H

#include "base/context.h"
#include "numeric/matrix.h"

typedef struct inverse_settings {
    int scans, finetune_steps;
    bool solve; /* by forward substitution instead */
} inverse_settings;

/* Columns of M as rows, indices ascending, the diagonal first, with as many entries as the columns of L have at most;
 * `columns` are those of L below the diagonal. It starts at 2I − L. Every step takes the largest entries of r as
 * direction, goes along it as far as the residual shrinks, and keeps the largest entries of m: `scans` steps for every
 * column, then `finetune_steps` for those whose |r|² is above the mean; O(entries · entries of a column) each. Or each
 * column is solved exactly and its largest entries are kept, O(entries · items). *residual: root mean square of |r| at
 * the end. Columns are independent: the same bits at any number of threads. */
topn_status triangle_approximate_inverse(topn_context *context, const sparse_matrix *columns,
                                         const inverse_settings *settings, sparse_matrix *out, double *residual);
/* Most bytes it takes beside L with so many entries. */
uint64_t triangle_inverse_bytes(uint64_t items, uint64_t entries, int threads);

#endif
