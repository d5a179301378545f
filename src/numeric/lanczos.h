/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest eigenvalue of a symmetric matrix that is known by its products (Golub, Van Loan, Matrix Computations,
 * ch. 10).
 */
#ifndef TOPN_NUMERIC_LANCZOS_H
#define TOPN_NUMERIC_LANCZOS_H

#include "base/context.h"

/* y = S·x; x, y [n]. */
typedef topn_status lanczos_product(topn_context *context, void *data, const double *x, double *y);

/* Lanczos with full reorthogonalisation, to a relative tolerance between steps; the value is a lower bound that
 * converges from below. At most `steps` products, whose number is given; (steps + 1)·n doubles. */
topn_status lanczos_eigenvalue(topn_context *context, size_t n, lanczos_product *product, void *data, int steps,
                               double tolerance, double *out, int *products);

#endif
