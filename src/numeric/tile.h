/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of small dense matrices, row-major, each worked on by one thread: call these between
 * threads_serial_blas_begin and _end.
 */
#ifndef TOPN_NUMERIC_TILE_H
#define TOPN_NUMERIC_TILE_H

#include <stddef.h>

/* c = a·b; a [m × k], b [k × n], c [m × n]. */
void tile_multiply(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);
/* Rows first … first + count − 1 of g = scale·g + aᵀ·b; a and b [k × n], g [n × n]. */
void tile_update_gram(size_t first, size_t count, size_t n, size_t k, const float *a, const float *b, float scale,
                      float *g);

#endif
