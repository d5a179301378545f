/* SPDX-License-Identifier: Apache-2.0
 *
 * Incomplete Cholesky factorisation A ≈ L·Lᵀ by rows, with dropping by size and by count (Saad, Iterative Methods for
 * Sparse Linear Systems, 2nd ed., §10.4: ILUT, for a symmetric matrix).
 */
#ifndef TOPN_NUMERIC_INCOMPLETE_CHOLESKY_H
#define TOPN_NUMERIC_INCOMPLETE_CHOLESKY_H

#include "base/context.h"
#include "numeric/matrix.h"

typedef struct incomplete_settings {
    double diagonal;  /* of A: the same for all rows */
    uint32_t keep;    /* non-zeros of a row of L, its diagonal included; ≥ 1 */
    uint32_t anchors; /* the first columns are kept in any case; < keep */
    double drop;      /* another entry of L of less magnitude is left out */
    double floor;     /* of the squared pivots, > 0 */
} incomplete_settings;

/* a: A strictly below its diagonal, columns ascending; its values are overwritten. L has entries where A has some, and
 * its diagonal last in each row. On its pattern L·Lᵀ equals A as long as nothing is dropped and no pivot is raised;
 * `raised` counts those that were. Rows are shared out among threads in blocks; the bits do not depend on their number.
 * O(Σ_(i,j) of A (entries of row j of L)). */
topn_status incomplete_cholesky(topn_context *context, sparse_matrix *a, const incomplete_settings *settings,
                                sparse_matrix *l, uint64_t *raised);

#endif
