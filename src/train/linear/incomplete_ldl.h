/* SPDX-License-Identifier: Apache-2.0
 *
 * Incomplete factorisation S·(G + R)·S ≈ L·D·Lᵀ with a bound on the entries of a column, from rows of G made as they are
 * needed (left-looking; after Lin and Moré, SIAM J. Sci. Comput. 21(1), 1999, whose bound is p entries a column).
 *
 * Legend: G, R as in linear/system.h; S = diag(scaling); L unit lower triangular, D diagonal. Model order.
 */
#ifndef TOPN_TRAIN_LINEAR_INCOMPLETE_LDL_H
#define TOPN_TRAIN_LINEAR_INCOMPLETE_LDL_H

#include "train/linear/system.h"

typedef struct incomplete_ldl {
    sparse_matrix columns; /* row j: column j of L below its diagonal, rows ascending; at most `keep` of largest |value| */
    double *pivots;        /* [items] D */
    uint64_t raised;       /* pivots that dropped entries had pushed below the least possible value, which they got */
} incomplete_ldl;

/* The Schur complement of G is positive semidefinite, so no exact pivot is below scaling²·ridge: that bound replaces the
 * shifts and restarts of other incomplete factorisations. NUMERIC where it is 0 and would be needed. On the calling
 * thread; O(Σ_u |I_u|² + items·keep²) at worst. */
topn_status incomplete_ldl_create(topn_context *context, const linear_system *system, const double *scaling,
                                  uint32_t keep, incomplete_ldl *out);
void incomplete_ldl_clear(incomplete_ldl *factor);
/* Most bytes of it while it is made. */
uint64_t incomplete_ldl_bytes(uint64_t items, uint64_t keep);

#endif
