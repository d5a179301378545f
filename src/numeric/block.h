/* SPDX-License-Identifier: Apache-2.0
 *
 * Small dense blocks, each worked on by one thread: call these between threads_serial_blas_begin and _end.
 */
#ifndef TOPN_NUMERIC_BLOCK_H
#define TOPN_NUMERIC_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

/* Last row of C⁻¹, where A = C·Cᵀ is symmetric, row-major [n × n] and given by its lower triangle, which is
 * overwritten; row [n]. false when A is not positive definite in single precision, or not finite. n³/3 flops. */
bool block_inverse_factor_row(float *a, size_t n, float *row);

/* The last `count` rows of A⁻¹, A as above and overwritten; rows [count × n]. false when A is not positive definite or
 * not finite. n³/3 + count·n² flops. */
bool block_inverse_rows(float *a, size_t n, size_t count, float *rows);

/* a += rowsᵀ·rows on the lower triangle; a [n × n], rows [count × n]. count·n² flops. */
void block_add_gram(float *a, size_t n, const float *rows, size_t count);

/* x solves A·x = b, A as above and, with its upper triangle, overwritten; b [n], x [2n], scratch [2n]. One step of
 * refinement with the residual in double. false when A is not positive definite or the solution is not finite.
 * n³/3 flops. */
bool block_solve(float *a, size_t n, const double *b, double *x, float *scratch);

#endif
