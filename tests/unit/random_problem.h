/* SPDX-License-Identifier: Apache-2.0
 *
 * A small random least-squares problem of any composition, with everything at once: three fields of a context, items
 * with shared features, weights, dislikes, ridges, contexts and items without events; and its loss by the double (or
 * triple) sum in double precision, composed anew here. Includes cmocka: include it first.
 */
#ifndef TOPN_TESTS_RANDOM_PROBLEM_H
#define TOPN_TESTS_RANDOM_PROBLEM_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/sparse.h"
#include "train/alternating/problem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { RANDOM_CONTEXTS = 14, RANDOM_ITEMS = 9, RANDOM_FACTORS = 4, RANDOM_FEATURES = 3, MOST_BLOCKS = 5 };

static inline double next_random(uint64_t seed, uint64_t *at)
{
    return random_uniform(seed, RANDOM_ORDER, (*at)++);
}

static inline void random_table(uint64_t seed, uint64_t *at, size_t rows, size_t columns, dense_matrix *out)
{
    *out = (dense_matrix){calloc(rows * columns, sizeof(float)), rows, columns};
    for (size_t k = 0; k < rows * columns; k++)
        out->values[k] = (float)(next_random(seed, at) * 2 - 0.8);
}

/* rows of `entities`: entity e has row e % `rows` with x = 1, or (features) row e and some of the last with x. */
static inline sparse_matrix random_rows(uint64_t seed, uint64_t *at, uint32_t entities, uint32_t rows,
                                        uint32_t features)
{
    sparse_matrix out;
    assert_int_equal(sparse_create(NULL, entities, rows + features, (uint64_t)entities * (1 + features), &out),
                     TOPN_OK);
    uint64_t to = 0;
    for (uint32_t e = 0; e < entities; e++) {
        out.indices[to] = features ? e : (uint32_t)(next_random(seed, at) * rows);
        out.values[to++] = 1;
        for (uint32_t f = 0; f < features; f++)
            if (next_random(seed, at) < 0.5) {
                out.indices[to] = rows + f;
                out.values[to++] = (float)(0.5 + next_random(seed, at));
            }
        out.indptr[e + 1] = to;
    }
    return out;
}

static inline void index_blocks(uint64_t seed, uint64_t *at, const multilinear_side *side, block_index **out)
{
    const size_t count = side->field_count + (side->kind == COMPOSE_TUCKER);
    *out = calloc(count, sizeof **out);
    for (size_t f = 0; f < count; f++) {
        const size_t rows = f < side->field_count ? side->fields[f].table.rows : side->core.rows;
        (*out)[f].single = f < side->field_count && !(side->is_item && side->fields[f].rows.indptr);
        if (f < side->field_count && side->fields[f].rows.indptr)
            assert_int_equal(sparse_transpose(NULL, &side->fields[f].rows, &(*out)[f].entities), TOPN_OK);
        (*out)[f].ridge = calloc(rows, sizeof(float));
        for (size_t row = 0; row < rows; row++)
            (*out)[f].ridge[row] = (float)(0.05 + next_random(seed, at));
    }
}

/* The items take part with features where `features`; a context has `fields` fields, of which the first is its own
 * row. */
static inline alternating_problem random_problem(uint64_t seed, composition kind, size_t fields, bool biases,
                                                 bool features, bool pairwise)
{
    alternating_problem problem = {.loss = {.pairwise = pairwise, .unobserved = 0.3}};
    uint64_t at = 0;
    for (int which = 0; which < 2; which++) {
        multilinear_side *side = &problem.sides[which];
        const bool item = which == SIDE_ITEMS;
        *side = (multilinear_side){.kind = item && kind == COMPOSE_TUCKER ? COMPOSE_PRODUCT : kind,
                                   .entities = item ? RANDOM_ITEMS : RANDOM_CONTEXTS,
                                   .factors = RANDOM_FACTORS,
                                   .biases = biases || kind == COMPOSE_SUM,
                                   .is_item = item,
                                   .field_count = item ? 1 : fields};
        side->dimensions = side->factors + (side->biases ? 2 : 0);
        side->fields = calloc(side->field_count, sizeof *side->fields);
        size_t product = 1;
        for (size_t f = 0; f < side->field_count; f++) {
            const uint32_t rows = f ? 3 : side->entities;
            const size_t factors = side->kind == COMPOSE_TUCKER ? 2 + f : side->factors;
            if (f)
                side->fields[f].rows = random_rows(seed, &at, side->entities, rows, 0);
            else if (item && features)
                side->fields[f].rows = random_rows(seed, &at, side->entities, rows, RANDOM_FEATURES);
            random_table(seed, &at, rows + (item && features ? RANDOM_FEATURES : 0), factors + side->biases,
                         &side->fields[f].table);
            product *= factors;
        }
        if (side->kind == COMPOSE_TUCKER)
            random_table(seed, &at, side->factors, product, &side->core);
        index_blocks(seed, &at, side, &problem.blocks[which]);
        problem.weights[which] = calloc(side->entities, sizeof(float));
        for (uint32_t e = 0; e < side->entities; e++)
            problem.weights[which][e] = (float)(0.5 + next_random(seed, &at));
    }
    /* Context 3 and item 5 have no events. */
    observations *observed = problem.observed;
    sparse_matrix pairs, labels, turned;
    const uint64_t most = (uint64_t)RANDOM_CONTEXTS * RANDOM_ITEMS;
    assert_int_equal(sparse_create(NULL, RANDOM_CONTEXTS, RANDOM_ITEMS, most, &pairs), TOPN_OK);
    assert_int_equal(sparse_create(NULL, RANDOM_CONTEXTS, RANDOM_ITEMS, most, &labels), TOPN_OK);
    uint64_t to = 0;
    for (uint32_t c = 0; c < RANDOM_CONTEXTS; c++) {
        for (uint32_t i = 0; i < RANDOM_ITEMS; i++)
            if (next_random(seed, &at) < 0.4 && c != 3 && i != 5) {
                pairs.indices[to] = labels.indices[to] = i;
                /* In 64ths, so that sums of them are exact. */
                pairs.values[to] = (float)(floor(32 + 64 * next_random(seed, &at)) / 64);
                labels.values[to++] = next_random(seed, &at) < 0.8 || pairwise ? 1 : 0;
            }
        pairs.indptr[c + 1] = labels.indptr[c + 1] = to;
    }
    observed[0] = (observations){.pairs = pairs, .labels = labels.values, .alpha = NAN};
    assert_int_equal(sparse_transpose(NULL, &pairs, &observed[1].pairs), TOPN_OK);
    assert_int_equal(sparse_transpose(NULL, &labels, &turned), TOPN_OK);
    observed[1].labels = turned.values;
    observed[1].alpha = NAN;
    turned.values = labels.values = NULL;
    sparse_clear(&turned);
    sparse_clear(&labels);
    for (uint32_t c = 0; pairwise && c < RANDOM_CONTEXTS; c++) { /* v_c of P2 eq. 45 */
        problem.weights[0][c] = 0;
        for (uint64_t k = pairs.indptr[c]; k < pairs.indptr[c + 1]; k++)
            problem.weights[0][c] += pairs.values[k];
    }
    return problem;
}

static inline void random_problem_clear(alternating_problem *problem)
{
    for (int which = 0; which < 2; which++) {
        multilinear_side *side = &problem->sides[which];
        for (size_t f = 0; f < side->field_count + (side->kind == COMPOSE_TUCKER); f++) {
            if (f < side->field_count) {
                sparse_clear(&side->fields[f].rows);
                free(side->fields[f].table.values);
            }
            sparse_clear(&problem->blocks[which][f].entities);
            free(problem->blocks[which][f].ridge);
        }
        free(problem->blocks[which]);
        free(side->fields);
        free(side->core.values);
        free(problem->weights[which]);
        sparse_clear(&problem->observed[which].pairs);
        free(problem->observed[which].labels);
    }
}

/* Parameters of block `block` (the core last) of a side, as doubles in the place of the problem's own: NULL = those. */
typedef struct shifted_parameter {
    int side;
    size_t block, index;
    double change;
} shifted_parameter;

static inline double parameter(const alternating_problem *problem, const shifted_parameter *shift, int which,
                               size_t block, size_t index)
{
    const multilinear_side *side = &problem->sides[which];
    const double value = block < side->field_count ? side->fields[block].table.values[index] : side->core.values[index];
    const bool hit = shift && shift->side == which && shift->block == block && shift->index == index;
    return value + (hit ? shift->change : 0);
}

/* φ of an entity by the definition in model/multilinear.h. */
static inline void naive_embed(const alternating_problem *problem, const shifted_parameter *shift, int which,
                               uint32_t entity, double *phi)
{
    const multilinear_side *side = &problem->sides[which];
    const size_t d = side->factors;
    double u[MOST_BLOCKS][16] = {{0}}, total[16] = {0}, squares = 0, own = 0;
    for (size_t f = 0; f < side->field_count; f++) {
        const side_field *field = &side->fields[f];
        const size_t width = field->table.columns, factors = width - side->biases;
        const uint64_t begin = field->rows.indptr ? field->rows.indptr[entity] : 0;
        const uint64_t end = field->rows.indptr ? field->rows.indptr[entity + 1] : 1;
        for (uint64_t at = begin; at < end; at++) {
            const size_t row = field->rows.indptr ? field->rows.indices[at] : entity;
            const double x = field->rows.indptr ? field->rows.values[at] : 1;
            for (size_t k = 0; k < factors; k++) {
                const double term = x * parameter(problem, shift, which, f, row * width + k);
                u[f][k] += term;
                squares += term * term;
            }
            own += side->biases ? x * parameter(problem, shift, which, f, row * width + factors) : 0;
        }
        for (size_t k = 0; k < d && side->kind != COMPOSE_TUCKER; k++)
            total[k] = side->kind == COMPOSE_SUM ? total[k] + u[f][k] : (f ? total[k] : 1) * u[f][k];
    }
    for (size_t r = 0; side->kind == COMPOSE_TUCKER && r < d; r++)
        for (size_t c = 0; c < side->core.columns; c++) {
            double product = parameter(problem, shift, which, side->field_count, r * side->core.columns + c);
            size_t rest = c;
            for (size_t f = side->field_count; f-- > 0;) {
                const size_t factors = side->fields[f].table.columns - side->biases;
                product *= u[f][rest % factors];
                rest /= factors;
            }
            total[r] += product;
        }
    for (size_t k = 0; side->kind == COMPOSE_SUM && k < d; k++)
        own += total[k] * total[k] / 2;
    own -= side->kind == COMPOSE_SUM ? squares / 2 : 0;
    memcpy(phi, total, d * sizeof *phi);
    if (side->biases) {
        phi[d] = side->is_item ? 1 : own;
        phi[d + 1] = side->is_item ? own : 1;
    }
}

/* L(θ) as P2 eq. 21 and eq. 42 have it, and the implicit part alone in *implicit (or NULL). */
static inline double naive_loss(const alternating_problem *problem, const shifted_parameter *shift, double *implicit)
{
    double phi[RANDOM_CONTEXTS][16], psi[RANDOM_ITEMS][16], loss = 0, all = 0;
    const size_t d = problem->sides[0].dimensions;
    for (uint32_t c = 0; c < RANDOM_CONTEXTS; c++)
        naive_embed(problem, shift, SIDE_CONTEXTS, c, phi[c]);
    for (uint32_t i = 0; i < RANDOM_ITEMS; i++)
        naive_embed(problem, shift, SIDE_ITEMS, i, psi[i]);
    for (uint32_t c = 0; c < RANDOM_CONTEXTS; c++) {
        double scores[RANDOM_ITEMS] = {0};
        const sparse_matrix *pairs = &problem->observed[0].pairs;
        for (uint32_t i = 0; i < RANDOM_ITEMS; i++) {
            for (size_t k = 0; k < d; k++)
                scores[i] += phi[c][k] * psi[i][k];
            all += problem->loss.unobserved * problem->weights[0][c] * problem->weights[1][i] * scores[i] * scores[i];
        }
        for (uint64_t at = pairs->indptr[c]; at < pairs->indptr[c + 1]; at++) {
            const double error = scores[pairs->indices[at]] - problem->observed[0].labels[at],
                         alpha = pairs->values[at];
            if (!problem->loss.pairwise)
                loss += alpha * error * error;
            for (uint32_t j = 0; problem->loss.pairwise && j < RANDOM_ITEMS; j++)
                loss += alpha * problem->weights[1][j] * (error - scores[j]) * (error - scores[j]);
        }
    }
    if (!problem->loss.pairwise)
        loss += all;
    for (int which = 0; which < 2; which++) {
        const multilinear_side *side = &problem->sides[which];
        for (size_t b = 0; b < side->field_count + (side->kind == COMPOSE_TUCKER); b++) {
            const dense_matrix *table = b < side->field_count ? &side->fields[b].table : &side->core;
            for (size_t k = 0; k < table->rows * table->columns; k++) {
                const double value = parameter(problem, shift, which, b, k);
                loss += (double)problem->blocks[which][b].ridge[k / table->columns] * value * value;
            }
        }
    }
    if (implicit)
        *implicit = all;
    return loss;
}

/* Central differences: L is quadratic in each parameter, so they are exact but for rounding. */
static inline double naive_derivative(const alternating_problem *problem, int side, size_t block, size_t index,
                                      bool implicit_only)
{
    const double h = 1e-2;
    double low, high;
    shifted_parameter shift = {side, block, index, h};
    const double above = naive_loss(problem, &shift, &high);
    shift.change = -h;
    const double below = naive_loss(problem, &shift, &low);
    return implicit_only ? (high - low) / (2 * h) : (above - below) / (2 * h);
}

#endif
