/* SPDX-License-Identifier: Apache-2.0
 *
 * All eigenvalues and eigenvectors of a large symmetric matrix.
 *
 * The way of LAPACK's ssyevr: A = U·T·Uᵀ with T tridiagonal, its eigenvectors by relatively robust representations
 * (Dhillon, Parlett, Vömel, ACM Trans. Math. Softw. 32, 2006), these times U. Called as a whole, ssyevr runs on one
 * thread or rounds differently with their number; here its steps are cut into tiles, each a single-threaded BLAS call.
 * The vectors of T are found in double: in single precision those of clustered eigenvalues, which rare items have, are
 * not orthogonal to more than a per cent where n is some 10 000.
 */
#ifndef TOPN_NUMERIC_EIGEN_H
#define TOPN_NUMERIC_EIGEN_H

#include "base/context.h"

/* a [n × n], row-major, its lower triangle is read; all of it is destroyed. values [n] ascend; row j of *vectors
 * [n × n], which the caller frees, is the unit eigenvector of values[j], its first component of largest magnitude
 * positive. NUMERIC when the iteration fails. 10/3·n³ flops, of which a fifth are matrix-vector products on one thread.
 * The same bits at any thread count. On its way it takes 8·n² bytes, of which the vectors keep half. */
topn_status symmetric_eigen(topn_context *context, float *a, size_t n, float *values, float **vectors);
/* Bytes of scratch beyond these. */
uint64_t symmetric_eigen_scratch_bytes(size_t n, int threads);
/* a [n × n] becomes its transpose, in place. */
void square_transpose(topn_context *context, float *a, size_t n);

#endif
