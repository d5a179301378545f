/* SPDX-License-Identifier: Apache-2.0
 *
 * Cholesky factor of a sparse matrix by SuiteSparse's CHOLMOD, with its fill-reducing order. Only in builds with
 * TOPN_CHOLMOD.
 */
#ifndef TOPN_NUMERIC_CHOLMOD_FACTOR_H
#define TOPN_NUMERIC_CHOLMOD_FACTOR_H

#include "base/context.h"
#include "numeric/matrix.h"

/* A[order, order] = L·Lᵀ for the A with these elements off its diagonal, both triangles, and the same number all along
 * it. Row r of *l is row r of L, in the order of elimination; order [rows]. *definite is false, and *l empty, when A is
 * not positive definite. MEMORY when the factor that the symbolic analysis foretells does not fit. One thread, no BLAS,
 * so the bits depend on nothing else. */
topn_status sparse_cholesky(topn_context *context, const sparse_matrix *off_diagonal, double diagonal, sparse_matrix *l,
                            uint32_t *order, bool *definite);

#endif
