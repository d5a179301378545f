/* SPDX-License-Identifier: Apache-2.0
 *
 * Conjugate gradients for H·x = g with H known by its products.
 */
#ifndef TOPN_TRAIN_ALTERNATING_CONJUGATE_H
#define TOPN_TRAIN_ALTERNATING_CONJUGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out = H·p */
typedef void curvature(const float *p, float *out, void *data);
/* x ← what `steps` steps from 0 make of H·x = g; g is overwritten. scratch [2 × n]. false when H is not positive
 * definite, or not finite. */
bool conjugate_solve(curvature *product, void *data, size_t n, int64_t steps, float *g, float *scratch, float *x);

#endif
