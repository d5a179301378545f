/* SPDX-License-Identifier: Apache-2.0
 *
 * What the forward pass of a tower leaves for the backward one, shared by the files of the tower.
 *
 * Examples of one entity next to each other form a group, over whose history is summed once: with S = Σ_h v_h θ_h an
 * example gets n^−exponent (S − v_own θ_own), and an h of the history the gradient v_h Σ_n n^−exponent dx_n over the
 * group's examples n, of which an example's own item gets back its −v_own n^−exponent dx_n.
 */
#ifndef TOPN_TRAIN_SAMPLED_TOWER_BATCH_H
#define TOPN_TRAIN_SAMPLED_TOWER_BATCH_H

#include "train/sampled/tower.h"

/* What a field's or a bag's notes are made of; they are read until the batch's steps are done. */
typedef struct note_list {
    uint32_t *rows;      /* [count] of the table */
    float *coefficients; /* [count] */
    uint32_t *index;     /* [count] vector that the coefficient is of */
    size_t count, room;
} note_list;

/* An example's share in a bag. */
typedef struct bag_share {
    float scale; /* n^−exponent */
    float own;   /* v of the own item; 0 when it is not in the history */
} bag_share;

struct tower_batch {
    uint32_t capacity, count;
    size_t wide;        /* floats of a row of x, dx and sums: factors + 1 */
    bool needs_x;       /* x is not what comes out */
    uint32_t *entities; /* [capacity] */
    uint32_t *own;      /* [capacity] */
    bool has_own;
    float *x;  /* [capacity × wide] */
    float *dx; /* [capacity × wide]; the last of a row is the derivative by β */
    layer_workspace *network;
    layer_gradients *network_gradients;
    float *dphi;      /* network: [capacity × dimensions] derivative by what it gives */
    float *norms;     /* [capacity] ‖φ‖ before it is made 1 */
    float *unit;      /* [capacity × dimensions] φ/‖φ‖ */
    uint32_t *groups; /* [group_count + 1] first example of each */
    uint32_t group_count;
    bag_share *shares[MOST_TOWER_BAGS]; /* [capacity] */
    float *sums[MOST_TOWER_BAGS];       /* [capacity × wide] S of a group, then D */
    note_list fields[MOST_TOWER_FIELDS], bags[MOST_TOWER_BAGS], owns[MOST_TOWER_BAGS];
    float *terms[MOST_TOWER_FIELDS]; /* pairs: [notes × wide] gradient of each row of each example */
    size_t term_room[MOST_TOWER_FIELDS];
};

/* Columns of a table that go into x and, behind them, the bias. */
static inline bool has_bias(const tower *side, size_t table)
{
    return side->biases && side->tables[table].width > side->factors;
}

/* The rows that describe an entity in a field: indices (NULL: the entity itself) and x (NULL: 1). */
typedef struct described {
    const uint32_t *indices;
    const float *x;
    uint32_t first;
    size_t count;
} described;

static inline described describe(const sparse_matrix *rows, uint32_t entity)
{
    if (!rows)
        return (described){.first = entity, .count = 1};
    const uint64_t begin = rows->indptr[entity];
    return (described){.indices = rows->indices + begin,
                       .x = rows->values ? rows->values + begin : NULL,
                       .count = (size_t)(rows->indptr[entity + 1] - begin)};
}

static inline uint32_t row_of(const described *rows, size_t place)
{
    return rows->indices ? rows->indices[place] : rows->first;
}

static inline float x_of(const described *rows, size_t place)
{
    return rows->x ? rows->x[place] : 1.0F;
}

static inline const float *values_of(const tower *side, size_t table, uint32_t row)
{
    return side->tables[table].values + (size_t)row * side->tables[table].width;
}

static inline float weight_at(const tower_bag *bag, uint64_t at)
{
    if (!bag->weighted)
        return 1;
    return (float)(((bag->history->values ? (double)bag->history->values[at] : 1) - bag->offset) * bag->scale);
}

/* target += x·row. */
void tower_add_scaled(float *restrict target, const float *restrict row, float x, size_t count);
/* ⟨a, b⟩ in double precision. */
double tower_dot(const float *a, const float *b, size_t count);

#endif
