/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of small dense matrices, row-major, each worked on by one thread: call these between
 * threads_serial_blas_begin and _end.
 */
#ifndef TOPN_NUMERIC_TILE_H
#define TOPN_NUMERIC_TILE_H

#include <stdbool.h>
#include <stddef.h>

/* c = a·b; a [m × k], b [k × n], c [m × n]. */
void tile_multiply(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
/* c = a·bᵀ; a [m × k], b [n × k], c [m × n]. */
void tile_multiply_transposed(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
/* c = scale·c + aᵀ·b; a [k × m] in rows of a_stride, b [k × n], c [m × n]. scale 0: c is not read. */
void tile_multiply_left_transposed(size_t m, size_t n, size_t k, const float *a, size_t a_stride, const float *b,
                                   float scale, float *c);
/* Rows first … first + count − 1 of g = scale·g + aᵀ·b; a and b [k × n], g [n × n]. */
void tile_update_gram(size_t first, size_t count, size_t n, size_t k, const float *a, const float *b, float scale,
                      float *g);
/* c = op(a)·op(b) + beta·c; op(a) [m × k], op(b) [k × n], c [m × n]; each row-major with so many floats from row to row
 * as its stride says; op is the transpose where asked for. beta 0: c is only written. m, n or k of 0: c = beta·c. */
void tile_product(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, const float *a, size_t stride_a,
                  const float *b, size_t stride_b, float beta, float *c, size_t stride_c);

#endif
