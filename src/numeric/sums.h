/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of floats as a whole. Sums are in double precision, in 16 lanes that are added in order at the end: vector
 * code, and the same bits whatever the width of the vectors.
 */
#ifndef TOPN_NUMERIC_SUMS_H
#define TOPN_NUMERIC_SUMS_H

#include <stddef.h>

double sum_floats(const float *values, size_t count);
double sum_doubles(const double *values, size_t count);
/* Σ a_j b_j. */
double sum_products(const float *restrict a, const float *restrict b, size_t count);

/* values[j] *= factor over `count`. */
void scale_floats(float *values, size_t count, float factor);

#endif
