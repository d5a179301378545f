/* SPDX-License-Identifier: Apache-2.0
 *
 * A random side of a multilinear model. All numbers are small multiples of 1/4 (x: of 1/2), so that single precision
 * computes with them without rounding and results can be compared for equality.
 */
#ifndef TOPN_TESTS_RANDOM_SIDE_H
#define TOPN_TESTS_RANDOM_SIDE_H

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "model/multilinear.h"

typedef struct side_shape {
    composition kind;
    size_t factors;
    size_t fields; /* ≤ 4; the first is one row an entity (plain_first) or several with x, the second one row an entity
                      by index, the third several with x = 1, the fourth again several with x */
    const size_t *field_factors; /* [fields], TUCKER; else NULL */
    bool biases, is_item, plain_first;
} side_shape;

enum { RANDOM_SIDE_ENTITIES = 7 };

static inline void random_quarters(float *values, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        values[i] = 0.25F * ((float)random_below(seed, RANDOM_ORDER, i, 9) - 4);
}

/* Every entity has 1 (some: as `most` says) of `rows` table rows, ascending; entity 3 has none where most > 1. */
static inline sparse_matrix random_rows(uint32_t rows, uint32_t most, bool with_x, uint64_t seed)
{
    const uint32_t n = RANDOM_SIDE_ENTITIES;
    sparse_matrix out = {.rows = n, .columns = rows, .indptr = calloc(n + 1, sizeof(uint64_t))};
    out.indices = malloc((size_t)n * rows * sizeof(uint32_t));
    out.values = with_x ? malloc((size_t)n * rows * sizeof(float)) : NULL;
    for (uint32_t e = 0; e < n; e++) {
        uint64_t to = out.indptr[e];
        const uint32_t one = random_below(seed, RANDOM_ORDER, 1000 + e, rows);
        for (uint32_t r = 0; r < rows; r++) {
            const bool chosen =
                most == 1 ? r == one : e != 3 && random_below(seed, RANDOM_ORDER, 97 * e + r, rows) < most;
            if (!chosen)
                continue;
            if (with_x)
                out.values[to] = 0.5F * ((float)random_below(seed, RANDOM_ORDER, 5000 + 97 * e + r, 7) - 3);
            out.indices[to++] = r;
        }
        out.indptr[e + 1] = to;
    }
    return out;
}

static inline multilinear_side random_side(const side_shape *shape, uint64_t seed)
{
    multilinear_side side = {.kind = shape->kind,
                             .entities = RANDOM_SIDE_ENTITIES,
                             .factors = shape->factors,
                             .dimensions = shape->factors + (shape->biases ? 2 : 0),
                             .biases = shape->biases,
                             .is_item = shape->is_item,
                             .field_count = shape->fields,
                             .fields = calloc(shape->fields, sizeof *side.fields)};
    size_t columns = 1;
    for (size_t f = 0; f < shape->fields; f++) {
        const size_t factors = shape->field_factors ? shape->field_factors[f] : shape->factors;
        const bool several = f != 1 && !(f == 0 && shape->plain_first);
        const uint32_t rows = f == 0 ? RANDOM_SIDE_ENTITIES : 5;
        side_field *field = &side.fields[f];
        if (f != 0 || !shape->plain_first)
            field->rows = random_rows(rows, several ? 3 : 1, several && f != 2, seed + 10 * f);
        field->table = (dense_matrix){.rows = rows, .columns = factors + (shape->biases ? 1 : 0)};
        field->table.values = malloc(rows * field->table.columns * sizeof(float));
        random_quarters(field->table.values, rows * field->table.columns, seed + 10 * f + 1);
        columns *= factors;
    }
    if (shape->kind == COMPOSE_TUCKER) {
        side.core = (dense_matrix){.rows = shape->factors, .columns = columns};
        side.core.values = malloc(shape->factors * columns * sizeof(float));
        random_quarters(side.core.values, shape->factors * columns, seed + 999);
    }
    return side;
}

static inline void random_side_free(multilinear_side *side)
{
    for (size_t f = 0; f < side->field_count; f++) {
        free(side->fields[f].rows.indptr);
        free(side->fields[f].rows.indices);
        free(side->fields[f].rows.values);
        free(side->fields[f].table.values);
    }
    free(side->fields);
    free(side->core.values);
}

#endif
