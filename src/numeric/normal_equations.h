/* SPDX-License-Identifier: Apache-2.0
 *
 * Small dense least squares, each worked on by one thread: call these between threads_serial_blas_begin and _end.
 *
 * Rows lie side by side, [count × width], with room for NORMAL_SLACK floats to be read after the last one. H is the
 * upper triangle of a row-major matrix with normal_stride(width) floats from row to row, normal_floats(width) in all;
 * what else lies there is scratch.
 *
 * The library's own kernels up to a width of 192, where BLAS and LAPACK take several times as long: a system of 64
 * unknowns takes spotrf 12 µs and these 2.
 */
#ifndef TOPN_NUMERIC_NORMAL_EQUATIONS_H
#define TOPN_NUMERIC_NORMAL_EQUATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NORMAL_SLACK = 16 };

size_t normal_stride(size_t width);
size_t normal_floats(size_t width);
/* h += alpha·Σ_r x_r·x_rᵀ. count·width² flops. */
void normal_add_gram(const float *rows, size_t count, size_t width, float alpha, float *h);
/* out[r] += ⟨x_r, v⟩; v [width], out [count]. */
void normal_add_products(const float *rows, size_t count, size_t width, const float *v, float *out);
/* The same of `width` numbers from table + indices[r]·stride on. */
void normal_add_gathered_products(const float *table, size_t stride, const uint32_t *indices, size_t count,
                                  size_t width, const float *v, float *out);
/* These numbers, times √alpha_r, as rows; alpha NULL = all 1; out [count × width]. */
void normal_gather(const float *table, size_t stride, const uint32_t *indices, const float *alpha, size_t count,
                   size_t width, float *out);
/* h = scale·M + ridge·I for a symmetric M [width × width] with m_stride floats from row to row. */
void normal_start(const float *m, size_t m_stride, float scale, float ridge, size_t width, float *h);
/* out [count × columns] += a·b; a [count × inner], b [inner × columns]; strides from row to row. */
void normal_add_multiple(const float *a, size_t a_stride, size_t count, size_t inner, const float *b, size_t b_stride,
                         size_t columns, float *out, size_t out_stride);
/* out += alpha·Σ_r w_r·x_r; w [count], out [width]. */
void normal_add_combination(const float *rows, size_t count, size_t width, const float *w, float alpha, float *out);
/* x ← H⁻¹·x for a positive definite H, which is overwritten. false when H is not positive definite in single precision,
 * or not finite. width³/3 flops. */
bool normal_solve(float *h, size_t width, float *x);

/* Test hook: the kernels for vectors of 4, 8 or 16 floats; 0 = the best (the default). false when this processor has no
 * such vectors. */
bool normal_use(int lanes);

#endif
