/* SPDX-License-Identifier: Apache-2.0
 *
 * Compositions against their definitions, Jacobians against differences. φ is linear in a block, so a difference over
 * any step is the derivative, and the sides hold numbers that round nowhere: all comparisons are for equality.
 */
#include <stdlib.h>
#include <string.h>

#include "random_side.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

/* x of table row r at entity e, 0 where it has not got it. */
static double coefficient(const side_field *field, uint32_t entity, uint32_t row)
{
    if (!field->rows.indptr)
        return entity == row;
    for (uint64_t at = field->rows.indptr[entity]; at < field->rows.indptr[entity + 1]; at++)
        if (field->rows.indices[at] == row)
            return field->rows.values ? (double)field->rows.values[at] : 1;
    return 0;
}

/* Entry `column` of u_f(e). */
static double entry(const multilinear_side *side, size_t f, uint32_t entity, size_t column)
{
    const side_field *field = &side->fields[f];
    double sum = 0;
    for (uint32_t row = 0; row < field->table.rows; row++)
        sum += coefficient(field, entity, row) * (double)field->table.values[row * field->table.columns + column];
    return sum;
}

/* Σ over pairs of distinct rows, of all fields, of x·x'⟨θ, θ'⟩, taken pair by pair. */
static double pair_sum(const multilinear_side *side, uint32_t entity)
{
    double sum = 0;
    for (size_t f = 0; f < side->field_count; f++)
        for (size_t g = f; g < side->field_count; g++)
            for (uint32_t r = 0; r < side->fields[f].table.rows; r++)
                for (uint32_t s = g == f ? r + 1 : 0; s < side->fields[g].table.rows; s++)
                    for (size_t j = 0; j < side->factors; j++) {
                        const dense_matrix *a = &side->fields[f].table, *b = &side->fields[g].table;
                        sum += coefficient(&side->fields[f], entity, r) * coefficient(&side->fields[g], entity, s) *
                               (double)a->values[r * a->columns + j] * (double)b->values[s * b->columns + j];
                    }
    return sum;
}

/* φ as multilinear.h states it. */
static void plain_embed(const multilinear_side *side, uint32_t entity, double *phi)
{
    double own = side->kind == COMPOSE_SUM ? pair_sum(side, entity) : 0;
    for (size_t r = 0; r < side->factors; r++) {
        double product = 1, sum = 0;
        for (size_t f = 0; f < side->field_count; f++) {
            product *= side->kind == COMPOSE_PRODUCT ? entry(side, f, entity, r) : 0;
            sum += side->kind == COMPOSE_SUM ? entry(side, f, entity, r) : 0;
        }
        phi[r] = side->kind == COMPOSE_PRODUCT ? product : sum;
        for (size_t k = 0; side->kind == COMPOSE_TUCKER && k < side->core.columns; k++) {
            double term = side->core.values[r * side->core.columns + k];
            size_t rest = k;
            for (size_t f = side->field_count; f-- > 0;) {
                const size_t factors = side->fields[f].table.columns - (side->biases ? 1 : 0);
                term *= entry(side, f, entity, rest % factors);
                rest /= factors;
            }
            phi[r] += term;
        }
    }
    if (!side->biases)
        return;
    for (size_t f = 0; f < side->field_count; f++)
        own += entry(side, f, entity, side->fields[f].table.columns - 1);
    phi[side->factors] = side->is_item ? 1 : own;
    phi[side->factors + 1] = side->is_item ? own : 1;
}

static void check_embed(const multilinear_side *side)
{
    float *scratch = malloc(side_scratch(side) * sizeof *scratch), *phi = malloc(side->dimensions * sizeof *phi);
    double *plain = malloc(side->dimensions * sizeof *plain);
    for (uint32_t e = 0; e < side->entities; e++) {
        side_embed(side, e, scratch, phi);
        plain_embed(side, e, plain);
        for (size_t r = 0; r < side->dimensions; r++)
            assert_true((double)phi[r] == plain[r]);
    }
    free(scratch);
    free(phi);
    free(plain);
}

/* out [count × (end − begin)]: differences of ⟨φ, m_r⟩ when entry begin … of the block grows by 2. */
static void differences(multilinear_side *side, uint32_t entity, side_block block, const float *m, size_t count,
                        size_t begin, size_t end, double *out)
{
    float *values = side_block_values(side, block);
    double *before = malloc(side->dimensions * sizeof *before), *after = malloc(side->dimensions * sizeof *after);
    plain_embed(side, entity, before);
    for (size_t j = begin; j < end; j++) {
        const float old = values[j];
        values[j] += 2;
        plain_embed(side, entity, after);
        values[j] = old;
        for (size_t r = 0; r < count; r++) {
            double sum = 0;
            for (size_t k = 0; k < side->dimensions; k++)
                sum += 0.5 * (after[k] - before[k]) * (double)m[r * side->dimensions + k];
            out[r * (end - begin) + j - begin] = sum;
        }
    }
    free(before);
    free(after);
}

static void check_block(multilinear_side *side, uint32_t entity, side_block block, float x)
{
    enum { COUNT = 3 };
    const size_t width = side_block_width(side, block.field);
    float *scratch = malloc(side_scratch(side) * sizeof *scratch), *out = malloc(COUNT * width * sizeof *out);
    float *m = malloc(COUNT * side->dimensions * sizeof *m);
    double *expected = malloc(COUNT * width * sizeof *expected);
    random_quarters(m, COUNT * side->dimensions, 77 + entity);
    side_jacobian(side, entity, block, x, scratch);
    const size_t cuts[][2] = {{0, width}, {0, 1}, {width - 1, width}, {width / 3, width - width / 3}};
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
        const size_t begin = cuts[c][0], end = cuts[c][1];
        differences(side, entity, block, m, COUNT, begin, end, expected);
        side_pull(side, block, scratch, m, COUNT, begin, end, out);
        for (size_t i = 0; i < COUNT * (end - begin); i++)
            assert_true((double)out[i] == expected[i]);
    }
    free(scratch);
    free(out);
    free(m);
    free(expected);
}

static void check_side(const side_shape *shape, uint64_t seed)
{
    multilinear_side side = random_side(shape, seed);
    check_embed(&side);
    for (uint32_t e = 0; e < side.entities; e++) {
        for (size_t f = 0; f < side.field_count; f++)
            for (uint32_t row = 0; row < side.fields[f].table.rows; row++) {
                const double x = coefficient(&side.fields[f], e, row);
                if (x != 0)
                    check_block(&side, e, (side_block){.field = f, .row = row}, (float)x);
            }
        for (uint32_t row = 0; side.kind == COMPOSE_TUCKER && row < side.core.rows; row++)
            check_block(&side, e, (side_block){.field = side.field_count, .row = row}, 1);
    }
    random_side_free(&side);
}

static void test_every_composition(void **state)
{
    (void)state;
    static const size_t tucker[][4] = {{5, 3, 2, 1}, {1, 2, 2, 3}, {2, 1, 4, 2}};
    uint64_t seed = 1;
    for (size_t fields = 1; fields <= 4; fields++)
        for (int switches = 0; switches < 8; switches++)
            for (size_t factors = 1; factors <= 9; factors += 4) {
                side_shape shape = {.factors = factors,
                                    .fields = fields,
                                    .biases = switches & 1,
                                    .is_item = switches & 2,
                                    .plain_first = switches & 4};
                shape.kind = COMPOSE_PRODUCT;
                check_side(&shape, seed++);
                shape.kind = COMPOSE_TUCKER;
                shape.field_factors = tucker[seed % 3];
                check_side(&shape, seed++);
                shape.kind = COMPOSE_SUM;
                shape.field_factors = NULL;
                shape.biases = true;
                check_side(&shape, seed++);
            }
}

/* Where J is the identity, pull hands m through. */
static void test_plain(void **state)
{
    (void)state;
    const side_shape plain = {.kind = COMPOSE_PRODUCT, .factors = 6, .fields = 1, .plain_first = true};
    side_shape others[4] = {plain, plain, plain, plain};
    others[0].biases = true;
    others[1].plain_first = false;
    others[2].fields = 2;
    others[3].kind = COMPOSE_TUCKER;
    for (size_t i = 0; i < 4; i++) {
        multilinear_side side = random_side(&others[i], 5);
        assert_false(side_is_plain(&side));
        random_side_free(&side);
    }
    multilinear_side side = random_side(&plain, 5);
    assert_true(side_is_plain(&side));
    float m[12], out[12], *scratch = malloc(side_scratch(&side) * sizeof *scratch);
    random_quarters(m, 12, 3);
    const side_block block = {.field = 0, .row = 4};
    side_jacobian(&side, 4, block, 1, scratch);
    side_pull(&side, block, scratch, m, 2, 0, 6, out);
    assert_memory_equal(m, out, sizeof m);
    free(scratch);
    random_side_free(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_composition),
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
