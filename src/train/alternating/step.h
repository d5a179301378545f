/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the solver: a block under way, some of its columns at a time. Residuals are made when the first columns are
 * taken, and follow the change of some columns when the next ones are.
 */
#ifndef TOPN_TRAIN_ALTERNATING_STEP_H
#define TOPN_TRAIN_ALTERNATING_STEP_H

#include "train/alternating/half_sweep.h"

enum { STEP_ROWS = 128 }; /* rows j at a time: 32 KiB of 64 columns */

typedef struct step {
    const half_sweep *sweep;
    const block_members *members;
    float *theta; /* [width] */
    size_t width;
    float ridge;
    const float *m;  /* α₀ Σ Jᵀ G J / m_scale [width × width] */
    float *t;        /* α₀ Σ v Jᵀ G φ / t_scale [width] */
    float *residual; /* [observations] √α(ŷ − y) */
    float m_scale, t_scale;
} step;

typedef struct column_range {
    size_t begin, end;
    size_t before;       /* first of the columns taken before these */
    const float *change; /* [begin − before] of them; NULL: these are the first */
} column_range;

/* Columns of a field's blocks that are solved for at a time. */
size_t step_columns(const half_sweep *sweep, size_t width);
/* m and t are the caller's to set; scales are 1. */
step step_begin(const half_sweep *sweep, const block_members *members, float *residual);
column_range step_first(const step *at, size_t columns);
/* The next range after one; its columns are beyond `width` at the end. */
column_range step_next(const step *at, const column_range *range, size_t columns, const float *change);
/* h = M + λI (NULL for conjugate gradients), g = t + λθ. */
void step_start(const step *at, const column_range *range, float *h, float *g);
/* Adds those of `count` observations from the cursor on, whose residuals are given. h NULL as above. */
void step_add(const step *at, const column_range *range, block_cursor from, uint64_t count, float *residual,
              workspace *work, float *h, float *g);
/* change = −H⁻¹g [columns] is added to θ; g and h are overwritten. false when that is not finite. */
bool step_solve(const step *at, const column_range *range, float *h, float *g, float *change);
/* t follows the change for the columns to come. */
void step_follow(const step *at, const column_range *range, const float *change);
/* out = (M + λI)·p */
void step_implicit_product(const step *at, const float *p, float *out);
/* θ −= x; false when it is not finite then. */
bool step_subtract(const step *at, const float *x);

#endif
