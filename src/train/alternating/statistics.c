/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/vector.h"
#include "numeric/normal_equations.h"
#include "train/alternating/half_sweep.h"

block_members members_of(const half_sweep *sweep, side_block block)
{
    block_members members = {.block = block};
    const uint64_t *indptr = sweep->observed->pairs.indptr;
    const uint32_t entities = sweep->side->entities;
    const sparse_matrix *index = &sweep->blocks[block.field].entities;
    if (block.field == sweep->side->field_count) {
        members.count = entities;
        members.observations = indptr[entities];
    } else if (index->indptr) {
        const uint64_t begin = index->indptr[block.row];
        members.count = (uint32_t)(index->indptr[block.row + 1] - begin);
        members.entities = index->indices + begin;
        members.x = index->values ? index->values + begin : NULL;
        for (uint32_t place = 0; place < members.count; place++)
            members.observations += indptr[members.entities[place] + 1] - indptr[members.entities[place]];
    } else if (block.row < entities) {
        members.first = block.row;
        members.count = 1;
        members.observations = indptr[block.row + 1] - indptr[block.row];
    }
    return members;
}

static uint32_t member_entity(const block_members *members, uint32_t place)
{
    return members->entities ? members->entities[place] : members->first + place;
}

static float member_x(const block_members *members, uint32_t place)
{
    return members->x ? members->x[place] : 1.0f;
}

/* Observations of one member. */
typedef struct piece {
    uint32_t entity;
    float x;
    uint64_t begin, end;
} piece;

/* The next one of at most `most` observations; false at the end. */
static bool next_piece(const half_sweep *sweep, const block_members *members, block_cursor *cursor, uint64_t most,
                       piece *out)
{
    const uint64_t *indptr = sweep->observed->pairs.indptr;
    for (; most > 0 && cursor->member < members->count; cursor->member++, cursor->done = 0) {
        const uint32_t entity = member_entity(members, cursor->member);
        const uint64_t begin = indptr[entity] + cursor->done, left = indptr[entity + 1] - begin;
        if (left == 0)
            continue;
        *out = (piece){.entity = entity,
                       .x = member_x(members, cursor->member),
                       .begin = begin,
                       .end = begin + (left < most ? left : most)};
        cursor->done += out->end - begin;
        return true;
    }
    return false;
}

void cursor_advance(const half_sweep *sweep, const block_members *members, block_cursor *cursor, uint64_t count)
{
    piece part;
    while (count > 0 && next_piece(sweep, members, cursor, count, &part))
        count -= part.end - part.begin;
}

/* Columns begin … end − 1 of ψ of observations first … last − 1, times √α; out [(last − first) × (end − begin)]. */
static void gather(const half_sweep *sweep, uint64_t first, uint64_t last, size_t begin, size_t end, float *out)
{
    const sparse_matrix *pairs = &sweep->observed->pairs;
    normal_gather(sweep->psi + begin, sweep->dimensions, pairs->indices + first,
                  pairs->values ? pairs->values + first : NULL, last - first, end - begin, out);
}

void fill_rows(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count, size_t begin,
               size_t end, workspace *work, float *out)
{
    piece part;
    while (count > 0 && next_piece(sweep, members, &from, count, &part)) {
        const size_t width = end - begin;
        count -= part.end - part.begin;
        if (sweep->plain) {
            gather(sweep, part.begin, part.end, begin, end, out);
            out += (part.end - part.begin) * width;
            continue;
        }
        side_jacobian(sweep->side, part.entity, members->block, part.x, work->model);
        for (uint64_t at = part.begin; at < part.end; at += GATHERED_ROWS) {
            const uint64_t last = part.end - at < GATHERED_ROWS ? part.end : at + GATHERED_ROWS;
            gather(sweep, at, last, 0, sweep->dimensions, work->gathered);
            side_pull(sweep->side, members->block, work->model, work->gathered, last - at, begin, end, out);
            out += (last - at) * width;
        }
    }
}

void fill_residuals(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count,
                    workspace *work, float *out)
{
    const observations *observed = sweep->observed;
    const size_t d = sweep->dimensions;
    piece part;
    while (count > 0 && next_piece(sweep, members, &from, count, &part)) {
        const float *phi = work->phi;
        count -= part.end - part.begin;
        if (sweep->plain)
            phi = sweep->side->fields[0].table.values + part.entity * d;
        else
            side_embed(sweep->side, part.entity, work->model, work->phi);
        const size_t some = part.end - part.begin;
        for (size_t at = 0; at < some; at++)
            out[at] = observed->labels ? -observed->labels[part.begin + at] : -1.0f;
        normal_add_gathered_products(sweep->psi, d, observed->pairs.indices + part.begin, some, d, phi, out);
        for (size_t at = 0; observed->pairs.values && at < some; at++)
            out[at] *= sqrtf(observed->pairs.values[part.begin + at]);
        out += some;
    }
}

void add_products(const half_sweep *sweep, const block_members *members, block_cursor from, uint64_t count,
                  size_t begin, size_t end, const float *v, workspace *work, float *out)
{
    const sparse_matrix *pairs = &sweep->observed->pairs;
    piece part;
    if (!sweep->plain || pairs->values) {
        fill_rows(sweep, members, from, count, begin, end, work, work->rows);
        normal_add_products(work->rows, count, end - begin, v, out);
        return;
    }
    while (count > 0 && next_piece(sweep, members, &from, count, &part)) {
        const uint64_t some = part.end - part.begin;
        normal_add_gathered_products(sweep->psi + begin, sweep->dimensions, pairs->indices + part.begin, some,
                                     end - begin, v, out);
        out += some;
        count -= some;
    }
}

/* to [columns × rows] = fromᵀ */
static void turn(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            to[c * rows + r] = from[r * columns + c];
}

VECTOR_CLONES
static void add_scaled(const float *restrict from, size_t count, float scale, float *restrict to)
{
    for (size_t at = 0; at < count; at++)
        to[at] += scale * from[at];
}

static float product(const float *a, const float *b, size_t count)
{
    float sum = 0;
    normal_add_products(a, 1, count, b, &sum);
    return sum;
}

/* p [D] = Σ α ψ over an entity's observations; returns Σ α y. */
VECTOR_CLONES
static float sum_observed(const half_sweep *sweep, uint32_t entity, float *restrict p)
{
    const observations *observed = sweep->observed;
    const size_t d = sweep->dimensions;
    double labels = 0;
    memset(p, 0, d * sizeof *p);
    for (uint64_t at = observed->pairs.indptr[entity]; at < observed->pairs.indptr[entity + 1]; at++) {
        const float alpha = observed->pairs.values ? observed->pairs.values[at] : observed->alpha;
        const float *restrict psi = sweep->psi + observed->pairs.indices[at] * d;
        for (size_t k = 0; k < d; k++)
            p[k] += alpha * psi[k];
        labels += observed->labels ? alpha * observed->labels[at] : alpha;
    }
    return (float)labels;
}

/* What the pairwise loss adds at one entity: −Jᵀ(p zᵀ + z pᵀ)J to m, −(⟨φ, p⟩ − Σ αy)·Jᵀz − ⟨φ, z⟩·Jᵀp to t. pulled
 * [2 × width] is Jᵀp, Jᵀz. */
static void add_pairs(const half_sweep *sweep, const float *phi, const float *p, float labels, const float *pulled,
                      size_t width, float *m, float *t)
{
    const float *tp = pulled, *tz = pulled + width;
    const float along_p = product(phi, p, sweep->dimensions) - labels,
                along_z = product(phi, sweep->z, sweep->dimensions);
    for (size_t r = 0; r < width; r++) {
        t[r] -= along_p * tz[r] + along_z * tp[r];
        for (size_t c = 0; c < width; c++)
            m[r * width + c] -= tp[r] * tz[c] + tz[r] * tp[c];
    }
}

/* The same of a plain side's one entity. */
static void add_plain_pairs(const half_sweep *sweep, uint32_t entity, const float *phi, workspace *work, float *m,
                            float *t)
{
    const size_t d = sweep->dimensions;
    const float weight = sweep->weights ? sweep->weights[entity] : 1.0f;
    float *p = work->pairs;
    const float labels = sum_observed(sweep, entity, p);
    memcpy(p + d, sweep->z, d * sizeof *p);
    normal_add_combination(sweep->gram, d, d, phi, weight, t);
    add_scaled(sweep->gram, d * d, weight, m);
    add_pairs(sweep, phi, p, labels, p, d, m, t);
}

void add_implicit(const half_sweep *sweep, const block_members *members, uint32_t begin, uint32_t end, workspace *work,
                  float *m, float *t)
{
    const size_t d = sweep->dimensions, width = side_block_width(sweep->side, members->block.field);
    if (sweep->plain) {
        add_plain_pairs(sweep, members->first, sweep->side->fields[0].table.values + members->first * d, work, m, t);
        return;
    }
    float *right = work->pulled,
          *turned = right + (d > width ? d : width) * width; /* G·J [D × width], then its transpose */
    for (uint32_t place = begin; place < end; place++) {
        const uint32_t entity = member_entity(members, place);
        const float weight = sweep->weights ? sweep->weights[entity] : 1.0f;
        side_embed(sweep->side, entity, work->model, work->phi);
        side_jacobian(sweep->side, entity, members->block, member_x(members, place), work->model);
        side_pull(sweep->side, members->block, work->model, sweep->gram, d, 0, width, right);
        normal_add_combination(right, d, width, work->phi, weight, t);
        turn(right, d, width, turned);
        side_pull(sweep->side, members->block, work->model, turned, width, 0, width, right);
        add_scaled(right, width * width, weight, m);
        if (!sweep->z)
            continue;
        float *p = work->pairs, *pulled = p + 2 * d; /* p and z [2 × D], pulled [2 × width] */
        const float labels = sum_observed(sweep, entity, p);
        memcpy(p + d, sweep->z, d * sizeof *p);
        side_pull(sweep->side, members->block, work->model, p, 2, 0, width, pulled);
        add_pairs(sweep, work->phi, p, labels, pulled, width, m, t);
    }
}

float plain_implicit(const half_sweep *sweep, const block_members *members, const float *theta, float *t)
{
    const size_t d = sweep->dimensions;
    const float weight = sweep->weights ? sweep->weights[members->first] : 1.0f;
    memset(t, 0, d * sizeof *t);
    normal_add_combination(sweep->gram, d, d, theta, weight, t);
    return weight;
}
