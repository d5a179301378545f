/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the solver: the steps of a block one column at a time (iCD), over columns that lie side by side.
 */
#ifndef TOPN_TRAIN_ALTERNATING_SCALAR_STEP_H
#define TOPN_TRAIN_ALTERNATING_SCALAR_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* What block_step.c's `step` holds of a block. */
typedef struct scalar_block {
    size_t width, count; /* columns, observations */
    const float *m;      /* [width × width] */
    float m_scale, ridge, alpha;
    float *theta, *t; /* [width] */
    float *residual;  /* [count] */
} scalar_block;

/* columns [width × count] = rowsᵀ, rows [count × width]. */
void turn_rows(const float *rows, size_t count, size_t width, float *columns);
/* false when a step is not finite. */
bool scalar_steps(const scalar_block *block, const float *columns);

#endif
