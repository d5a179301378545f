/* SPDX-License-Identifier: Apache-2.0
 *
 * Small dense least squares, each worked on by one thread: call these between threads_serial_blas_begin and _end.
 * Rows lie side by side, [count × width].
 */
#ifndef TOPN_NUMERIC_NORMAL_EQUATIONS_H
#define TOPN_NUMERIC_NORMAL_EQUATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Lower triangle of h [width × width] += alpha·Σ_r x_r·x_rᵀ. count·width² flops. */
void normal_add_gram(const float *rows, size_t count, size_t width, float alpha, float *h);
/* out[r] += ⟨x_r, v⟩; v [width], out [count]. */
void normal_add_products(const float *rows, size_t count, size_t width, const float *v, float *out);
/* out += alpha·Σ_r w_r·x_r; w [count], out [width]. */
void normal_add_combination(const float *rows, size_t count, size_t width, const float *w, float alpha, float *out);
/* x ← H⁻¹·x for the positive definite H in the lower triangle of h, which is overwritten. false when H is not positive
 * definite in single precision, or not finite. width³/3 flops. */
bool normal_solve(float *h, size_t width, float *x);

#endif
