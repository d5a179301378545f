/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the solver: what half a sweep works with, and the sufficient statistics of a block.
 *
 * Pairwise, for the contexts: alpha holds N, the weights are those of P2 eq. 45, and add_implicit takes
 * v_e G − p_e zᵀ − z p_eᵀ in place of v_e G; M is then a matrix of the block's own for plain sides, too.
 *
 * Rows j of a block's observations are scaled by √α where α differs between events, and so are residuals; then
 * H += alpha·Σ j jᵀ and g += alpha·Σ r j with alpha = 1.
 */
#ifndef TOPN_TRAIN_ALTERNATING_HALF_SWEEP_H
#define TOPN_TRAIN_ALTERNATING_HALF_SWEEP_H

#include "train/alternating/solver.h"

enum { GATHERED_ROWS = 64 };

typedef struct half_sweep {
    topn_context *context;
    multilinear_side *side;
    const block_index *blocks;
    const observations *observed;
    const float *weights; /* v of this side, or NULL */
    const float *psi;     /* [entities of the other side × D] */
    const float *gram;    /* α₀·G of the other side [D × D] */
    float alpha;
    size_t dimensions; /* D */
    bool plain;        /* J is the identity: rows j are columns of ψ */
    const float *z;    /* [D] of the pairwise loss (pairwise.h), else NULL */
    bool conjugate;
    int64_t steps; /* of conjugate gradients */
    size_t block;  /* columns at a time, 0 = all */
} half_sweep;

/* The entities that a block describes. */
typedef struct block_members {
    side_block block;
    const uint32_t *entities; /* [count], or NULL: first, first + 1, … */
    const float *x;           /* [count], or NULL: 1 */
    uint32_t first, count;
    uint64_t observations;
} block_members;
/* Whether a block has a matrix M of its own; else it is a multiple of `gram`. */
static inline bool has_own_matrix(const half_sweep *sweep)
{
    return !sweep->plain || sweep->z;
}

block_members members_of(const half_sweep *sweep, side_block block);

/* Where in the observations of a block: so many of this member's are done. */
typedef struct block_cursor {
    uint32_t member;
    uint64_t done;
} block_cursor;
void cursor_advance(const half_sweep *sweep, const block_members *members, block_cursor *cursor, uint64_t count);

/* One thread's memory. */
typedef struct workspace {
    float *model;    /* [side_scratch] */
    float *gathered; /* [GATHERED_ROWS × D], NULL when plain */
    float *rows;     /* rows j: see workspaces_create */
    float *residual; /* [observations of the longest row, or of a group] */
    float *h;        /* [normal_floats(columns)], NULL for conjugate gradients */
    float *vectors;  /* [5 × width]: g and changes, or those of conjugate gradients */
    float *group;    /* [GROUP_ROWS × (2·D + columns)] θ, G·θ, changes; NULL unless rows go by groups */
    float *implicit; /* t [width] and, unless plain, M [width × width] */
    float *pulled;   /* [(D + max(D, width)) × width], NULL when plain */
    float *pairs;    /* [2·D + 2·width], NULL unless pairwise */
    float *phi;      /* [D] */
} workspace;

/* Rows j of `count` observations from the cursor on, columns begin … end − 1 of the block; out [count × (end −
 * begin)]. */
void fill_rows(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count, size_t begin,
               size_t end, workspace *work, float *out);
/* Their residuals √α(ŷ − y), out [count]. */
void fill_residuals(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count,
                    workspace *work, float *out);
/* out [count] += ⟨j, v⟩ with rows j as above; they may lie in work->rows then. */
void add_products(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count,
                  size_t begin, size_t end, const float *v, workspace *work, float *out);
/* Adds α₀ Σ v_e Jᵀ G J to m [width × width] and α₀ Σ v_e Jᵀ G φ_e to t [width] for members begin … end − 1. For
 * plain sides only when pairwise. */
void add_implicit(const half_sweep *sweep, const block_members *members, uint32_t begin, uint32_t end, workspace *work,
                  float *m, float *t);
/* The same of a plain side's one entity, where M is G: returns its factor v. t is set. */
float plain_implicit(const half_sweep *sweep, const block_members *members, const float *theta, float *t);

#endif
