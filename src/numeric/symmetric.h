/* SPDX-License-Identifier: Apache-2.0
 *
 * Large symmetric and triangular matrices in place: the factorisation, inverse and products that the dense models need.
 *
 * Storage: row-major, all n × n elements, of which only the lower triangle (column ≤ row) is read and written unless
 * the comment says otherwise. Element (r, c) is a[r * n + c].
 *
 * Every operation is cut into tiles of fixed size; a tile is one single-threaded BLAS call with a fixed order of
 * accumulation, and threads only share out tiles. So the bits depend on n, not on the number of threads.
 *
 * Legend: A = G + ridge, L = its Cholesky factor, W = L⁻¹, P = A⁻¹ = WᵀW.
 */
#ifndef TOPN_NUMERIC_SYMMETRIC_H
#define TOPN_NUMERIC_SYMMETRIC_H

#include "base/context.h"

/* n × n zeros, freed by the caller. lower_only: nothing but the lower triangle will be touched, and the upper one is to
 * take no memory: the system gives small pages, one by one as they are touched. Otherwise it is asked for huge pages,
 * which come faster and make long strides cheaper. */
topn_status symmetric_create(topn_context *context, size_t n, bool lower_only, float **out);
/* Bytes in memory when only the lower triangle is touched: half the square, and what its edge takes beyond. */
uint64_t symmetric_lower_bytes(size_t n);
/* Bytes of scratch that triangle_invert takes beyond the matrix. */
uint64_t symmetric_scratch_bytes(size_t n);

/* A → L with A = L·Lᵀ. NUMERIC naming the row where A is not positive definite (or not finite). n³/3 flops. */
topn_status symmetric_factor(topn_context *context, float *a, size_t n, const char *stage);
/* L → W = L⁻¹. n³/3 flops. */
topn_status triangle_invert(topn_context *context, float *a, size_t n, const char *stage);
/* W → P = Wᵀ·W. n³/3 flops. */
topn_status triangle_gram(topn_context *context, float *a, size_t n, const char *stage);

/* y = A·x for the symmetric A held in the lower triangle; y [n], x [n]. Accumulates in double. O(n²). */
topn_status symmetric_multiply(topn_context *context, const float *a, size_t n, const double *x, double *y);
/* y = L·(Lᵀ·x) for a lower triangle. O(n²). */
topn_status triangle_multiply_both(topn_context *context, const float *a, size_t n, const double *x, double *y);

/* Copies the lower triangle onto the upper one. O(n²). */
void symmetric_mirror(topn_context *context, float *a, size_t n);
/* Zeroes the upper triangle. O(n²). */
void triangle_clear_upper(topn_context *context, float *a, size_t n);

/* Largest eigenvalue of D^-½·A·D^-½, D = diag(A) > 0, by Lanczos with full reorthogonalisation, to a relative
 * tolerance; the value is a lower bound that converges from below. At most `steps` products with A. */
topn_status symmetric_scaled_eigenvalue(topn_context *context, const float *a, size_t n, int steps, double tolerance,
                                        double *out, int *products);

#endif
