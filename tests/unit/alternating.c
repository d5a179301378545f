/* SPDX-License-Identifier: Apache-2.0
 *
 * The solver of all multilinear models: its loss against a plain double sum, its steps by their optimality, all ways to
 * the same optimum.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/sparse.h"
#include "train/alternating/conjugate.h"
#include "train/alternating/solver.h"
#include "train/alternating/sweeps.h"

#include "../golden/als.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Item i of user u with a probability that falls with i; user 3 and item 7 have no events. */
static topn_data *random_data(uint32_t users, uint32_t items, uint64_t seed)
{
    data_parts parts = {.has_weights = true};
    check(sparse_create(context, users, items, (uint64_t)users * items, &parts.matrix));
    uint64_t to = 0;
    for (uint32_t u = 0; u < users; u++) {
        for (uint32_t i = 0; i < items; i++) {
            const double draw = random_uniform(seed, RANDOM_ORDER, (uint64_t)u * items + i);
            if (draw < 0.5 / (1 + 5.0 * i / items) && (users < 4 || u != 3) && (items < 8 || i != 7)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f + (float)(draw * 10);
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    check(string_table_numbers(context, users, &parts.user_ids));
    check(string_table_numbers(context, items, &parts.item_ids));
    topn_data *data;
    check(data_assemble(context, &parts, &data));
    return data;
}

static alternating_params standard(int64_t factors, int64_t block)
{
    return (alternating_params){.l2 = 0.02,
                                .l2_exponent = 1,
                                .unobserved_weight = 0.2,
                                .alpha = 1,
                                .confidence_scale = 1,
                                .dislike_below = NAN,
                                .factors = factors,
                                .block = block,
                                .init_scale = 1,
                                .cg_steps = 3};
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t at = 0; at < count; at++)
        sum += (double)a[at] * (double)b[at];
    return sum;
}

/* L(θ) as a sum over all pairs. */
static double naive_loss(const alternating_problem *problem)
{
    const size_t d = problem->sides[0].dimensions;
    const uint32_t contexts = problem->sides[0].entities, items = problem->sides[1].entities;
    const observations *observed = &problem->observed[SIDE_CONTEXTS];
    const sparse_matrix *pairs = &observed->pairs;
    float *phi = calloc(contexts * d, sizeof *phi), *psi = calloc(items * d, sizeof *psi);
    double sum = 0;
    check(side_embed_all(context, &problem->sides[0], phi));
    check(side_embed_all(context, &problem->sides[1], psi));
    for (uint32_t c = 0; c < contexts; c++) {
        for (uint32_t i = 0; i < items; i++) {
            const double score = dot(phi + c * d, psi + i * d, d);
            sum += problem->loss.unobserved * (problem->weights[0] ? (double)problem->weights[0][c] : 1.0) *
                   (problem->weights[1] ? (double)problem->weights[1][i] : 1.0) * score * score;
        }
        for (uint64_t at = pairs->indptr[c]; at < pairs->indptr[c + 1]; at++) {
            const double error = dot(phi + c * d, psi + pairs->indices[at] * d, d) -
                                 (observed->labels ? (double)observed->labels[at] : 1.0);
            sum += (double)(pairs->values ? pairs->values[at] : observed->alpha) * error * error;
        }
    }
    for (int s = 0; s < 2; s++)
        for (size_t field = 0; field < problem->sides[s].field_count; field++) {
            const dense_matrix *table = &problem->sides[s].fields[field].table;
            for (size_t row = 0; row < table->rows; row++) {
                const float *values = table->values + row * table->columns;
                sum += (double)problem->blocks[s][field].ridge[row] * dot(values, values, table->columns);
            }
        }
    free(phi);
    free(psi);
    return sum;
}

static double fast_loss(const alternating_problem *problem)
{
    loss_parts parts;
    check(alternating_loss(context, problem, &parts));
    return parts.observed + parts.unobserved + parts.ridge;
}

static void half_sweep_of(alternating_problem *problem, int side, const alternating_params *params)
{
    check(alternating_half_sweep(context, problem, (problem_side)side, params, "test"));
}

/* Ways to weigh events, in all of which the loss has its form. */
static void vary(alternating_params *params, int variant)
{
    if (variant & 1)
        params->confidence = 2;
    if (variant & 2) {
        params->user_weight_exponent = 0.5;
        params->item_weight_exponent = 0.7;
    }
    if (variant & 4)
        params->dislike_below = 1.7;
    if (variant & 8)
        params->biases = true;
    params->alpha = variant & 16 ? 2.5 : 1;
    params->l2_exponent = variant & 2 ? 0.5 : 1;
}

static void test_loss_and_descent(void **state)
{
    (void)state;
    topn_data *data = random_data(40, 30, 5);
    for (int variant = 0; variant < 32; variant++)
        for (int64_t block = 0; block < 9; block += block < 3 ? 1 : 3) {
            alternating_params params = standard(8, block);
            alternating_problem problem;
            vary(&params, variant);
            check(problem_create(context, data, &params, variant % 3 ? COMPOSE_PRODUCT : COMPOSE_SUM, false, NULL,
                                 &problem));
            double before = naive_loss(&problem);
            for (int half = 0; half < 6; half++) {
                half_sweep_of(&problem, half % 2, &params);
                const double after = naive_loss(&problem), fast = fast_loss(&problem);
                if (!(fabs(fast - after) <= 1e-10 * after))
                    fail_msg("variant %d, block %d: %.17g by Gramians, %.17g in full", variant, (int)block, fast,
                             after);
                if (!(after <= before * (1 + 1e-6)))
                    fail_msg("variant %d, block %d, half %d: from %.17g to %.17g", variant, (int)block, half, before,
                             after);
                before = after;
            }
            problem_clear(&problem);
        }
    topn_data_free(data);
}

static double optimum(const topn_data *data, alternating_params params, int sweeps)
{
    alternating_problem problem;
    check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
    for (int half = 0; half < 2 * sweeps; half++)
        half_sweep_of(&problem, half % 2, &params);
    const double loss = fast_loss(&problem);
    problem_clear(&problem);
    return loss;
}

static void test_same_optimum(void **state)
{
    (void)state;
    topn_data *data = random_data(60, 30, 9);
    alternating_params params = standard(4, 0);
    params.l2 = 0.05;
    const double full = optimum(data, params, 400);
    for (int64_t block = 1; block < 4; block++) {
        params.block = block;
        const double other = optimum(data, params, 600);
        if (fabs(other - full) > 1e-5 * full)
            fail_msg("block %d ends at %.9g, all columns at %.9g", (int)block, other, full);
    }
    params.solver = 1;
    const double conjugate = optimum(data, params, 400);
    assert_true(fabs(conjugate - full) <= 1e-5 * full);
    topn_data_free(data);
}

/* The gradient of the naive loss by central differences, in units of the loss' own curvature: 0 at the rows that a
 * half sweep over all columns has just solved. */
static void test_gradient(void **state)
{
    (void)state;
    topn_data *data = random_data(12, 9, 3);
    for (int variant = 0; variant < 32; variant++) {
        alternating_params params = standard(3, 0);
        alternating_problem problem;
        vary(&params, variant);
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
        for (int half = 0; half < 4; half++) {
            half_sweep_of(&problem, half % 2, &params);
            const dense_matrix *table = &problem.sides[half % 2].fields[0].table;
            for (size_t at = 0; at < table->rows * table->columns; at++) {
                const float value = table->values[at], step = 0x1p-6f;
                const double middle = naive_loss(&problem);
                table->values[at] = value + step;
                const double above = naive_loss(&problem), up = (double)table->values[at] - (double)value;
                table->values[at] = value - step;
                const double below = naive_loss(&problem), down = (double)value - (double)table->values[at];
                table->values[at] = value;
                const double slope = (above - below) / (up + down), curve = (above + below - 2 * middle) / (up * down);
                if (!(fabs(slope) <= 2e-5 * curve))
                    fail_msg("variant %d, half %d, number %zu: slope %g, curvature %g", variant, half, at, slope,
                             curve);
            }
        }
        problem_clear(&problem);
    }
    topn_data_free(data);
}

/* Conjugate gradients with as many steps as unknowns, single columns many times over: the steps of Cholesky. */
static void test_same_step(void **state)
{
    (void)state;
    topn_data *data = random_data(40, 30, 17);
    for (int variant = 0; variant < 32; variant += 3) {
        alternating_params params = standard(6, 0);
        alternating_problem exact, conjugate;
        vary(&params, variant);
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &exact));
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &conjugate));
        half_sweep_of(&exact, 0, &params);
        params.solver = 1;
        params.cg_steps = 40;
        half_sweep_of(&conjugate, 0, &params);
        const dense_matrix *left = &exact.sides[0].fields[0].table, *right = &conjugate.sides[0].fields[0].table;
        for (size_t at = 0; at < left->rows * left->columns; at++)
            if (!(fabsf(left->values[at] - right->values[at]) <= 1e-4f))
                fail_msg("variant %d, number %zu: %g and %g", variant, at, (double)left->values[at],
                         (double)right->values[at]);
        problem_clear(&exact);
        problem_clear(&conjugate);
    }
    topn_data_free(data);
}

/* Parameters of both sides after two sweeps. */
static float *trained(const topn_data *data, const alternating_params *params, composition kind, int threads,
                      size_t *count)
{
    alternating_problem problem;
    state_array *arrays = NULL;
    size_t array_count;
    const int before = context->threads;
    context->threads = threads;
    check(problem_create(context, data, params, kind, false, NULL, &problem));
    for (int half = 0; half < 4; half++)
        half_sweep_of(&problem, half % 2, params);
    check(problem_arrays(context, &problem, &arrays, &array_count));
    *count = 0;
    for (size_t index = 0; index < array_count; index++)
        *count += arrays[index].rows * arrays[index].columns;
    float *values = calloc(*count, sizeof *values), *to = values;
    for (size_t index = 0; index < array_count; index++) {
        memcpy(to, arrays[index].values, arrays[index].rows * arrays[index].columns * sizeof *to);
        to += arrays[index].rows * arrays[index].columns;
    }
    free(arrays);
    problem_clear(&problem);
    context->threads = before;
    return values;
}

static void same_bits(const topn_data *data, const alternating_params *params, composition kind)
{
    size_t count, other_count;
    float *one = trained(data, params, kind, 1, &count);
    for (int threads = 2; threads <= 4; threads += 2) {
        float *other = trained(data, params, kind, threads, &other_count);
        assert_int_equal(count, other_count);
        assert_memory_equal(one, other, count * sizeof *one);
        free(other);
    }
    free(one);
}

static void test_threads(void **state)
{
    (void)state;
    topn_data *data = random_data(90, 40, 21);
    for (int64_t block = 0; block < 9; block += block < 3 ? 1 : 3)
        for (int solver = 0; solver < 2; solver++)
            for (int biases = 0; biases < 2; biases++) {
                alternating_params params = standard(8, block);
                params.solver = solver;
                params.biases = biases;
                same_bits(data, &params, COMPOSE_PRODUCT);
            }
    alternating_params params = standard(70, 16);
    same_bits(data, &params, COMPOSE_SUM);
    topn_data_free(data);
}

/* Every user has item 0, all but each third item 1: so many that all threads work on a row at once. */
static topn_data *crowd(uint32_t users)
{
    data_parts parts = {0};
    check(sparse_create(context, users, 3, (uint64_t)users * 3, &parts.matrix));
    uint64_t to = 0;
    for (uint32_t u = 0; u < users; u++) {
        for (uint32_t i = 0; i < 3; i++)
            if (i == 0 || (i == 1 && u % 3) || (i == 2 && u % 7 == 0)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f;
            }
        parts.matrix.indptr[u + 1] = to;
    }
    check(string_table_numbers(context, users, &parts.user_ids));
    check(string_table_numbers(context, 3, &parts.item_ids));
    topn_data *data;
    check(data_assemble(context, &parts, &data));
    return data;
}

static void test_shared_rows(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    const int stride = 5; /* watched, all of them would take ten minutes */
#else
    const int stride = 1;
#endif
    topn_data *data = crowd(20000);
    for (int variant = 0; variant < 12; variant += stride) {
        alternating_params params = standard(variant % 4 < 2 ? 5 : 20, (variant & 1) ? 3 : 0);
        params.biases = variant >= 8;
        params.solver = variant >= 4 && variant < 8;
        same_bits(data, &params, COMPOSE_PRODUCT);
        alternating_problem problem;
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
        double before = fast_loss(&problem);
        for (int half = 0; half < 6; half++) {
            half_sweep_of(&problem, half % 2, &params);
            const double after = fast_loss(&problem);
            assert_true(after <= before * (1 + 1e-6));
            before = after;
        }
        problem_clear(&problem);
    }
    topn_data_free(data);
}

static uint32_t next_number(uint64_t *seed)
{
    *seed = (*seed * 1103515245 + 12345) % (UINT64_C(1) << 31);
    return (uint32_t)(*seed >> 8) % 10007;
}

static topn_data *golden_events(void)
{
    data_parts parts = {.has_weights = true};
    uint64_t to = 0, seed = 11;
    check(sparse_create(context, ALS_USERS, ALS_ITEMS, ALS_USERS * ALS_ITEMS, &parts.matrix));
    for (uint32_t u = 0; u < ALS_USERS; u++) {
        for (uint32_t i = 0; i < ALS_ITEMS; i++) {
            const uint32_t draw = next_number(&seed);
            if (u != 3 && i != 5 && draw < 5000 - 500 * i) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = (float)(1 + draw % 5);
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    check(string_table_numbers(context, ALS_USERS, &parts.user_ids));
    check(string_table_numbers(context, ALS_ITEMS, &parts.item_ids));
    topn_data *data;
    check(data_assemble(context, &parts, &data));
    return data;
}

static void compare_golden(const dense_matrix *table, const double *expected, size_t rows)
{
    for (size_t at = 0; at < rows * table->columns; at++)
        if (!(fabs((double)table->values[at] - expected[at]) <= 1e-5))
            fail_msg("number %zu is %.9g, not %.9g", at, (double)table->values[at], expected[at]);
}

static void test_golden(void **state)
{
    (void)state;
    alternating_params params = {.l2 = 0.05,
                                 .l2_exponent = 0.7,
                                 .unobserved_weight = 0.3,
                                 .alpha = 0.5,
                                 .confidence = 2,
                                 .confidence_scale = 2,
                                 .dislike_below = 2,
                                 .user_weight_exponent = 0.5,
                                 .item_weight_exponent = 0.8,
                                 .factors = ALS_FACTORS,
                                 .init_scale = 1,
                                 .cg_steps = 3};
    alternating_problem problem;
    topn_data *data = golden_events();
    check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
    dense_matrix *users = &problem.sides[0].fields[0].table, *items = &problem.sides[1].fields[0].table;
    uint64_t seed = 23;
    for (size_t at = 0; at < (size_t)ALS_ITEMS * ALS_FACTORS; at++)
        items->values[at] = (float)(next_number(&seed) / 10007.0 - 0.5);
    half_sweep_of(&problem, 0, &params);
    compare_golden(users, als_users, ALS_USERS);
    half_sweep_of(&problem, 1, &params);
    compare_golden(items, als_items, ALS_ITEMS);
    assert_true(fabs(fast_loss(&problem) - als_loss) <= 1e-5 * als_loss);
    problem_clear(&problem);
    topn_data_free(data);
}

/* Users and items without events end at 0, with any number of items. */
static void test_empty_rows(void **state)
{
    (void)state;
    for (uint32_t items = 1; items < 12; items += 5) {
        topn_data *data = random_data(15, items, 2);
        alternating_params params = standard(5, 0);
        alternating_problem problem;
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
        for (int half = 0; half < 40; half++)
            half_sweep_of(&problem, half % 2, &params);
        for (int s = 0; s < 2; s++) {
            const sparse_matrix *pairs = &problem.observed[s].pairs;
            for (uint32_t row = 0; row < pairs->rows; row++)
                for (size_t k = 0; pairs->indptr[row] == pairs->indptr[row + 1] && k < 5; k++)
                    if (!(fabsf(problem.sides[s].fields[0].table.values[row * 5 + k]) < 1e-6f))
                        fail_msg("%u items, side %d, row %u: %g", items, s, row,
                                 (double)problem.sides[s].fields[0].table.values[row * 5 + k]);
        }
        problem_clear(&problem);
        topn_data_free(data);
    }
}

/* H = I / 10 */
static void tenth(const float *p, float *out, void *data)
{
    for (size_t at = 0; at < *(const size_t *)data; at++)
        out[at] = 0.1f * p[at];
}

/* A gradient next to 0, as rows without events come to have: no step is left to take, which is no failure. */
static void test_vanishing_gradient(void **state)
{
    (void)state;
    size_t n = 3;
    for (int zero = 0; zero < 2; zero++) {
        float g[3] = {0, 0, 0}, scratch[6], x[3];
        if (!zero)
            g[1] = 2.8e-45f;
        assert_true(conjugate_solve(tenth, &n, n, 5, g, scratch, x));
        for (size_t at = 0; at < n; at++)
            assert_true(fabsf(x[at]) < 1e-30f);
    }
}

/* Without ridge the implicit part makes the answer unique; without that, the ridge; without both there is an error. */
static void test_no_ridge(void **state)
{
    (void)state;
    topn_data *data = random_data(40, 30, 5);
    for (int which = 0; which < 3; which++) {
        alternating_params params = standard(6, 0);
        alternating_problem problem;
        params.l2 = which == 1 ? 0.05 : 0;
        params.unobserved_weight = which == 0 ? 0.3 : 0;
        assert_int_equal(alternating_check(context, "ials", &params), which == 2 ? TOPN_ERROR_OPTION : TOPN_OK);
        check(problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem));
        if (which == 2) {
            assert_int_equal(alternating_half_sweep(context, &problem, SIDE_CONTEXTS, &params, "users"),
                             TOPN_ERROR_NUMERIC);
            assert_non_null(strstr(topn_context_message(context), "row "));
            assert_non_null(strstr(topn_context_message(context), "--l2"));
        } else {
            double before = naive_loss(&problem);
            for (int half = 0; half < 8; half++) {
                half_sweep_of(&problem, half % 2, &params);
                assert_true(naive_loss(&problem) <= before * (1 + 1e-6));
                before = naive_loss(&problem);
            }
        }
        problem_clear(&problem);
    }
    topn_data_free(data);
}

/* Whichever allocation fails, nothing is lost and the message says memory. */
static void test_memory(void **state)
{
    (void)state;
    topn_data *data = random_data(12, 9, 3);
    for (int variant = 0; variant < 32; variant += 15) {
        alternating_params params = standard(3, 0);
        vary(&params, variant);
        bool failed = true;
        for (uint64_t count = 1; failed; count++) {
            alternating_problem problem;
            loss_parts parts;
            memory_fail_after(count);
            topn_status status = problem_create(context, data, &params, COMPOSE_PRODUCT, false, NULL, &problem);
            if (status == TOPN_OK) {
                status = alternating_half_sweep(context, &problem, SIDE_ITEMS, &params, "items");
                if (status == TOPN_OK)
                    status = alternating_loss(context, &problem, &parts);
                problem_clear(&problem);
            }
            failed = status != TOPN_OK;
            memory_fail_after(0);
            if (failed)
                assert_int_equal(status, TOPN_ERROR_MEMORY);
        }
    }
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss_and_descent),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_same_step),
        cmocka_unit_test(test_same_optimum),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_shared_rows),
        cmocka_unit_test(test_empty_rows),
        cmocka_unit_test(test_vanishing_gradient),
        cmocka_unit_test(test_no_ridge),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
