/* SPDX-License-Identifier: Apache-2.0
 *
 * Factorisation machine, PARAFAC and Tucker on the solver: a sweep against one without the Gramian trick
 * (tests/golden/multilinear.py), the loss against the sum over all pairs, the objective sweep by sweep, and the same
 * bits on one and on two threads.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static topn_context *context_of(int threads)
{
    topn_context *context = NULL;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    return context;
}

/* The numbers that multilinear.py starts from. */
static void first_values(dense_matrix *table, uint64_t seed)
{
    for (size_t at = 0; at < table->rows * table->columns; at++) {
        seed = (seed * 1103515245 + 12345) % ((uint64_t)1 << 31);
        table->values[at] = ((float)((seed >> 8) % 10007 % 257) - 128) / 256;
    }
}

static void set_first_values(alternating_problem *problem)
{
    multilinear_side *side = &problem->sides[SIDE_CONTEXTS];
    for (size_t field = 0; field < side->field_count; field++)
        first_values(&side->fields[field].table, 100 + field);
    first_values(&problem->sides[SIDE_ITEMS].fields[0].table, 200);
    first_values(&side->core, 300);
}

static void check_golden(composition kind, bool biases, const double *expected)
{
    topn_context *context = context_of(2);
    topn_data *data = golden_data(true, true);
    const alternating_params params = golden_params(biases);
    alternating_problem problem;
    assert_int_equal(problem_create(context, data, &params, kind, true,
                                    kind == COMPOSE_TUCKER ? golden_field_factors : NULL, &problem),
                     TOPN_OK);
    set_first_values(&problem);
    golden_half_sweep(context, &problem, SIDE_CONTEXTS, &params);
    golden_half_sweep(context, &problem, SIDE_ITEMS, &params);
    double *scores = all_scores(context, &problem);
    for (size_t at = 0; at < (size_t)GOLDEN_CONTEXTS * GOLDEN_ITEMS; at++)
        assert_true(fabs(scores[at] - expected[at]) < 2e-4);
    free(scores);
    problem_clear(&problem);
    topn_data_free(data);
    topn_context_free(context);
}

static void test_sweeps_are_those_of_the_script(void **state)
{
    (void)state;
    check_golden(COMPOSE_PRODUCT, false, golden_product);
    check_golden(COMPOSE_PRODUCT, true, golden_product_biases);
    check_golden(COMPOSE_SUM, true, golden_sum);
    check_golden(COMPOSE_TUCKER, false, golden_tucker);
    check_golden(COMPOSE_TUCKER, true, golden_tucker_biases);
}

typedef struct model_case {
    composition kind;
    bool biases, contexts, features;
    int64_t block;
} model_case;

static const model_case cases[] = {
    {COMPOSE_SUM, true, true, true, 0},       {COMPOSE_SUM, true, true, true, 2},
    {COMPOSE_SUM, true, false, true, 1},      {COMPOSE_SUM, true, false, false, 0},
    {COMPOSE_PRODUCT, false, true, true, 0},  {COMPOSE_PRODUCT, true, true, false, 2},
    {COMPOSE_PRODUCT, true, false, true, 0},  {COMPOSE_PRODUCT, false, false, false, 1},
    {COMPOSE_TUCKER, false, true, true, 0},   {COMPOSE_TUCKER, true, true, true, 5},
    {COMPOSE_TUCKER, false, false, false, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

static topn_data *data_of(const model_case *of)
{
    return golden_data(of->contexts, of->features);
}

static alternating_params params_of(const model_case *of)
{
    alternating_params params = golden_params(of->biases);
    params.block = of->block;
    params.user_weight_exponent = 0.5;
    params.item_weight_exponent = 0.3;
    return params;
}

static void create_problem(topn_context *context, const topn_data *data, const model_case *of,
                           const alternating_params *params, alternating_problem *problem)
{
    assert_int_equal(problem_create(context, data, params, of->kind, true,
                                    of->kind == COMPOSE_TUCKER ? golden_field_factors : NULL, problem),
                     TOPN_OK);
}

/* Σ over all pairs, one by one, of embeddings and weights as they are stored, in single precision. */
static double naive_loss(topn_context *context, const alternating_problem *problem, const sparse_matrix *events)
{
    const float *v = problem->weights[SIDE_CONTEXTS], *u = problem->weights[SIDE_ITEMS];
    const observations *observed = &problem->observed[SIDE_CONTEXTS];
    const size_t d = problem->sides[0].dimensions;
    float *phi = calloc(events->rows * d, sizeof *phi), *psi = calloc(events->columns * d, sizeof *psi);
    double sum = 0;
    assert_int_equal(side_embed_all(context, &problem->sides[SIDE_CONTEXTS], phi), TOPN_OK);
    assert_int_equal(side_embed_all(context, &problem->sides[SIDE_ITEMS], psi), TOPN_OK);
    for (uint32_t c = 0; c < events->rows; c++) {
        uint64_t at = events->indptr[c];
        for (uint32_t i = 0; i < events->columns; i++) {
            double score = 0;
            for (size_t k = 0; k < d; k++)
                score += (double)phi[c * d + k] * (double)psi[i * d + k];
            sum += problem->loss.unobserved * (v ? (double)v[c] : 1) * (u ? (double)u[i] : 1) * score * score;
            if (at < events->indptr[c + 1] && events->indices[at] == i) {
                const float *values = observed->pairs.values;
                sum += (values ? (double)values[at] : (double)observed->alpha) * (score - 1) * (score - 1);
                at++;
            }
        }
    }
    free(phi);
    free(psi);
    return sum;
}

static void test_loss_is_the_sum_over_all_pairs(void **state)
{
    (void)state;
    topn_context *context = context_of(1);
    for (size_t at = 0; at < CASES; at++) {
        topn_data *data = data_of(&cases[at]);
        const alternating_params params = params_of(&cases[at]);
        alternating_problem problem;
        create_problem(context, data, &cases[at], &params, &problem);
        loss_parts parts;
        assert_int_equal(alternating_loss(context, &problem, &parts), TOPN_OK);
        const double naive = naive_loss(context, &problem, cases[at].contexts ? &data->contexts.events : &data->matrix);
        assert_true(fabs(parts.observed + parts.unobserved - naive) < 1e-10 * naive);
        problem_clear(&problem);
        topn_data_free(data);
    }
    topn_context_free(context);
}

static void test_objective_never_rises(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    for (size_t at = 0; at < CASES; at++) {
        topn_data *data = data_of(&cases[at]);
        const alternating_params params = params_of(&cases[at]);
        alternating_problem problem;
        create_problem(context, data, &cases[at], &params, &problem);
        double last = total_loss(context, &problem);
        const double first = last;
        for (int half = 0; half < 20; half++) {
            golden_half_sweep(context, &problem, (problem_side)(half % 2), &params);
            const double loss = total_loss(context, &problem);
            assert_true(loss <= last * (1 + 1e-6));
            last = loss;
        }
        assert_true(last < 0.9 * first);
        problem_clear(&problem);
        topn_data_free(data);
    }
    topn_context_free(context);
}

static void assert_same_tables(const alternating_problem *a, const alternating_problem *b)
{
    for (int s = 0; s < 2; s++) {
        const multilinear_side *left = &a->sides[s], *right = &b->sides[s];
        for (size_t f = 0; f < left->field_count; f++)
            assert_memory_equal(left->fields[f].table.values, right->fields[f].table.values,
                                left->fields[f].table.rows * left->fields[f].table.columns * sizeof(float));
        if (left->core.values)
            assert_memory_equal(left->core.values, right->core.values,
                                left->core.rows * left->core.columns * sizeof(float));
    }
}

static void test_threads_change_no_bit(void **state)
{
    (void)state;
    topn_context *contexts[2] = {context_of(1), context_of(2)};
    for (size_t at = 0; at < CASES; at++) {
        topn_data *data = data_of(&cases[at]);
        const alternating_params params = params_of(&cases[at]);
        alternating_problem problems[2];
        for (int run = 0; run < 2; run++) {
            create_problem(contexts[run], data, &cases[at], &params, &problems[run]);
            for (int half = 0; half < 4; half++)
                golden_half_sweep(contexts[run], &problems[run], (problem_side)(half % 2), &params);
        }
        assert_same_tables(&problems[0], &problems[1]);
        problem_clear(&problems[0]);
        problem_clear(&problems[1]);
        topn_data_free(data);
    }
    topn_context_free(contexts[0]);
    topn_context_free(contexts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sweeps_are_those_of_the_script),
        cmocka_unit_test(test_loss_is_the_sum_over_all_pairs),
        cmocka_unit_test(test_objective_never_rises),
        cmocka_unit_test(test_threads_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
