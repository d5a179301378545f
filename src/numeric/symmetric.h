/* SPDX-License-Identifier: Apache-2.0
 *
 * Large symmetric and triangular matrices in place: the factorisation, inverse and products that the dense models need.
 * Only the lower triangle (column ≤ row) is read and written unless the comment says otherwise.
 *
 * Storage, by panels of `tile` rows (a function of n alone); rows are contiguous in both layouts:
 *
 *     full   all n × n elements, row-major
 *     half   panel i is row-major [tile × (i + 1)·tile], the last one [what is left × n]: a staircase that holds the
 *            lower triangle and the upper halves of the tiles on the diagonal, n²/2 + n·tile/2 elements in all, and
 *            a cache line after each row
 *
 *     half, four panels:   ▪
 *                          ▪ ▪
 *                          ▪ ▪ ▪
 *                          ▪ ▪ ▪ ▪
 *
 * Half takes the place of LAPACK's rectangular full packed format, which is as small but can only be used through
 * LAPACK's own routines: these divide the work among threads as they like, and so round differently with their number.
 *
 * Every operation is cut into tiles; a tile is a fixed sequence of single-threaded BLAS calls, and threads only share
 * out tiles. So the bits depend on n, neither on the number of threads nor on the layout: BLAS packs its operands, so
 * their leading dimension does not enter the sums.
 *
 * Legend: A = G + ridge, L = its Cholesky factor, W = L⁻¹, P = A⁻¹ = WᵀW.
 */
#ifndef TOPN_NUMERIC_SYMMETRIC_H
#define TOPN_NUMERIC_SYMMETRIC_H

#include "base/context.h"

typedef struct symmetric {
    float *values;
    size_t n;
    bool half;
} symmetric;

/* n × n zeros. */
topn_status symmetric_create(topn_context *context, size_t n, bool half, symmetric *out);
void symmetric_clear(symmetric *a);
/* Bytes that it takes. */
uint64_t symmetric_bytes(size_t n, bool half);
/* Bytes of scratch that triangle_invert takes beyond the matrix. */
uint64_t symmetric_scratch_bytes(size_t n);

/* Row r: its columns 0 … r lie side by side. */
float *symmetric_row(const symmetric *a, size_t r);
/* diagonal [n] */
void symmetric_diagonal(const symmetric *a, float *diagonal);

/* A → L with A = L·Lᵀ. NUMERIC naming the row where A is not positive definite (or not finite). n³/3 flops. */
topn_status symmetric_factor(topn_context *context, symmetric *a, const char *stage);
/* L → W = L⁻¹. n³/3 flops. */
topn_status triangle_invert(topn_context *context, symmetric *a, const char *stage);
/* W → P = Wᵀ·W. n³/3 flops. */
topn_status triangle_gram(topn_context *context, symmetric *a, const char *stage);

/* y = A·x for the symmetric A held in the lower triangle; y [n], x [n]. Accumulates in double. O(n²). */
topn_status symmetric_multiply(topn_context *context, const symmetric *a, const double *x, double *y);
/* y = L·(Lᵀ·x) for a lower triangle, or Lᵀ·(L·x) when `transposed`. Accumulates in double. O(n²). */
topn_status triangle_multiply_both(topn_context *context, const symmetric *a, bool transposed, const double *x,
                                   double *y);

/* Sums of squares of the columns of a lower triangle; out [n]. Accumulates in double. O(n²). */
topn_status triangle_column_squares(topn_context *context, const symmetric *a, double *out);

/* Whole rows [first, first + count) of the symmetric matrix, that is both triangles, into out [count × n]. Reads the
 * rows below once per call: ask for some dozens at a time. */
void symmetric_gather(const symmetric *a, size_t first, size_t count, float *out);
/* Columns [first, first + count) of the lower triangle as rows of out [count × n], zeros before the diagonal. */
void triangle_gather_columns(const symmetric *a, size_t first, size_t count, float *out);

/* For the full layout. Copies the lower triangle onto the upper one. O(n²). */
void symmetric_mirror(topn_context *context, symmetric *a);
/* For the full layout. Zeroes the upper triangle. O(n²). */
void triangle_clear_upper(topn_context *context, symmetric *a);
/* For the full layout. The lower triangle becomes the upper one, with zeros below. O(n²). */
void triangle_transpose(topn_context *context, symmetric *a);
/* For the full layout. Row r becomes what was row source[r], a permutation [n]; in place, along its cycles. O(n²). */
topn_status square_reorder_rows(topn_context *context, symmetric *a, const uint32_t *source);

/* Largest eigenvalue of D^-½·A·D^-½, D = diag(A) > 0, by Lanczos with full reorthogonalisation, to a relative
 * tolerance; the value is a lower bound that converges from below. At most `steps` products with A. */
topn_status symmetric_scaled_eigenvalue(topn_context *context, const symmetric *a, int steps, double tolerance,
                                        double *out, int *products);

#endif
