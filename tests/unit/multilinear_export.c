/* SPDX-License-Identifier: Apache-2.0
 *
 * From data to sides, from a problem to a model, and from a model to the next problem.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static topn_context *context_of(uint64_t seed)
{
    topn_context *context = NULL;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->seed = seed;
    return context;
}

typedef struct model_case {
    composition kind;
    bool biases, contexts, features;
} model_case;

static const model_case cases[] = {
    {COMPOSE_SUM, true, true, true},      {COMPOSE_SUM, true, false, true},     {COMPOSE_PRODUCT, false, true, true},
    {COMPOSE_PRODUCT, true, false, true}, {COMPOSE_PRODUCT, true, true, false}, {COMPOSE_PRODUCT, false, false, false},
    {COMPOSE_TUCKER, false, true, true},  {COMPOSE_TUCKER, true, true, false},
};
enum { CASES = sizeof cases / sizeof *cases };

static void create_problem(topn_context *context, const topn_data *data, const model_case *of,
                           const alternating_params *params, alternating_problem *problem)
{
    assert_int_equal(problem_create(context, data, params, of->kind, true,
                                    of->kind == COMPOSE_TUCKER ? golden_field_factors : NULL, problem),
                     TOPN_OK);
}

/* A problem after some sweeps, and its model. */
static topn_model *trained(topn_context *context, const topn_data *data, const model_case *of,
                           const alternating_params *params, alternating_problem *problem)
{
    topn_model *model = NULL;
    create_problem(context, data, of, params, problem);
    for (int half = 0; half < 4; half++)
        golden_half_sweep(context, problem, (problem_side)(half % 2), params);
    assert_int_equal(model_create(context, data, true, &model), TOPN_OK);
    for (int twice = 0; twice < 2; twice++) /* as after judgements of several sweeps */
        assert_int_equal(problem_export(context, problem, data, params, model), TOPN_OK);
    assert_int_equal(model_check(context, model), TOPN_OK);
    return model;
}

static void assert_near(const float *a, const float *b, size_t count)
{
    for (size_t at = 0; at < count; at++)
        assert_true(fabsf(a[at] - b[at]) <= 1e-5f * (1 + fabsf(b[at])));
}

/* The model's φ of every context of the training data, and its ψ, are those of the problem. */
static void test_model_gives_the_embeddings_of_training(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    for (size_t at = 0; at < CASES; at++) {
        topn_data *data = golden_data(cases[at].contexts, cases[at].features);
        const alternating_params params = golden_params(cases[at].biases);
        alternating_problem problem;
        topn_model *model = trained(context, data, &cases[at], &params, &problem);
        const multilinear_side *side = &problem.sides[SIDE_CONTEXTS];
        const size_t d = side->dimensions;
        float *phi = malloc(d * sizeof *phi), *all = malloc((side->entities + GOLDEN_ITEMS) * d * sizeof *all);
        fields_scratch *scratch = NULL;
        assert_int_equal(fields_scratch_create(context, &model->encoder.fields, &scratch), TOPN_OK);
        assert_int_equal(side_embed_all(context, side, all), TOPN_OK);
        for (uint32_t e = 0; e < side->entities; e++) {
            const data_contexts *contexts = &data->contexts;
            const fields_query query = {.user = cases[at].contexts ? contexts->users[e] : e,
                                        .values =
                                            cases[at].contexts ? contexts->values + e * contexts->field_count : NULL};
            assert_int_equal(fields_encode(&model->encoder.fields, &model->table.rows.dense, &query, scratch, phi),
                             TOPN_OK);
            assert_near(phi, all + e * d, d);
        }
        assert_int_equal(side_embed_all(context, &problem.sides[SIDE_ITEMS], all), TOPN_OK);
        assert_memory_equal(all, model->table.rows.dense.values, GOLDEN_ITEMS * d * sizeof *all);
        fields_scratch_free(scratch);
        free(phi);
        free(all);
        topn_model_free(model);
        problem_clear(&problem);
        topn_data_free(data);
    }
    topn_context_free(context);
}

/* Training from a model goes on where it was: the same scores before any sweep, whatever the seed. */
static void test_start_from_gives_the_same_scores(void **state)
{
    (void)state;
    topn_context *context = context_of(2), *other = context_of(77);
    for (size_t at = 0; at < CASES; at++) {
        topn_data *data = golden_data(cases[at].contexts, cases[at].features);
        const alternating_params params = golden_params(cases[at].biases);
        alternating_problem problem, next;
        topn_model *model = trained(context, data, &cases[at], &params, &problem);
        create_problem(other, data, &cases[at], &params, &next);
        assert_int_equal(problem_start_from(other, model, data, &next), TOPN_OK);
        double *before = all_scores(context, &problem), *after = all_scores(context, &next);
        for (size_t pair = 0; pair < (size_t)problem.sides[SIDE_CONTEXTS].entities * GOLDEN_ITEMS; pair++)
            assert_true(fabs(before[pair] - after[pair]) < 1e-5);
        free(before);
        free(after);
        topn_model_free(model);
        problem_clear(&problem);
        problem_clear(&next);
        topn_data_free(data);
    }
    topn_context_free(context);
    topn_context_free(other);
}

/* New users and items keep their random rows; known ones move to their new places. */
static void test_start_from_goes_by_name(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    static const uint32_t pairs[][2] = {{0, 0}, {0, 2}, {1, 1}, {2, 2}, {2, 0}};
    topn_data *data = made_data(3, 3, pairs, NULL, 5), *turned = NULL;
    data_parts parts = {0};
    static const uint32_t users[4] = {2, 9, 0, 1}, items[4] = {8, 2, 1, 0};
    parts.user_ids = made_ids("u", users, 4);
    parts.item_ids = made_ids("i", items, 4);
    made(sparse_create(NULL, 4, 4, 4, &parts.matrix));
    for (uint32_t u = 0; u < 4; u++) {
        parts.matrix.indices[u] = u;
        parts.matrix.values[u] = 1;
        parts.matrix.indptr[u + 1] = u + 1;
    }
    assert_int_equal(data_assemble(context, &parts, &turned), TOPN_OK);
    const model_case mf = {COMPOSE_PRODUCT, false, false, false};
    const alternating_params params = golden_params(false);
    alternating_problem problem, next, untouched;
    topn_model *model = trained(context, data, &mf, &params, &problem);
    create_problem(context, turned, &mf, &params, &next);
    create_problem(context, turned, &mf, &params, &untouched);
    assert_int_equal(problem_start_from(context, model, turned, &next), TOPN_OK);
    for (int s = 0; s < 2; s++) {
        const uint32_t *names = s == 0 ? users : items;
        const float *got = next.sides[s].fields[0].table.values, *old = problem.sides[s].fields[0].table.values,
                    *first = untouched.sides[s].fields[0].table.values;
        for (uint32_t row = 0; row < 4; row++)
            assert_near(got + row * 3, names[row] < 3 ? old + names[row] * 3 : first + row * 3, 3);
    }
    problem_clear(&problem);
    problem_clear(&next);
    problem_clear(&untouched);
    topn_model_free(model);
    topn_data_free(data);
    topn_data_free(turned);
    topn_context_free(context);
}

static void test_start_from_refuses_other_models(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    topn_data *data = golden_data(true, false), *plain = golden_data(false, false);
    alternating_params params = golden_params(true);
    const model_case parafac = {COMPOSE_PRODUCT, true, true, false}, fm = {COMPOSE_SUM, true, true, false};
    alternating_problem problem, next;
    topn_model *model = trained(context, data, &parafac, &params, &problem);
    create_problem(context, data, &fm, &params, &next);
    assert_int_equal(problem_start_from(context, model, data, &next), TOPN_ERROR_OPTION);
    assert_non_null(strstr(context->message, "by products, this method by sums"));
    problem_clear(&next);
    params.factors = 4;
    create_problem(context, data, &parafac, &params, &next);
    assert_int_equal(problem_start_from(context, model, data, &next), TOPN_ERROR_OPTION);
    assert_non_null(strstr(context->message, "use --factors 3, not 4"));
    problem_clear(&next);
    params = golden_params(false);
    create_problem(context, data, &parafac, &params, &next);
    assert_int_equal(problem_start_from(context, model, data, &next), TOPN_ERROR_OPTION);
    assert_non_null(strstr(context->message, "use --biases"));
    problem_clear(&next);
    params = golden_params(true);
    create_problem(context, plain, &parafac, &params, &next);
    assert_int_equal(problem_start_from(context, model, plain, &next), TOPN_ERROR_OPTION);
    assert_non_null(strstr(context->message, "2 context columns, the data 0"));
    problem_clear(&next);
    problem_clear(&problem);
    topn_model_free(model);
    topn_data_free(data);
    topn_data_free(plain);
    topn_context_free(context);
}

/* Hour 1 is never missing in these data, a place is; nobody is an unknown user in training. */
static void test_unknown_rows(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    static const uint32_t counts[2] = {3, 2};
    static const unsigned contexts[4][3] = {{0, 0, 0}, {0, 1, 2}, {1, 1, 1}, {2, 1, 0}}, indptr[5] = {0, 1, 2, 3, 4},
                          items[4] = {0, 1, 1, 2};
    topn_data *data = context_data(&(context_arrays){.users = 4,
                                                     .items = 3,
                                                     .field_count = 2,
                                                     .value_counts = counts,
                                                     .contexts = contexts[0],
                                                     .context_count = 4,
                                                     .indptr = indptr,
                                                     .event_items = items});
    const model_case parafac = {COMPOSE_PRODUCT, false, true, false};
    alternating_params params = golden_params(false);
    alternating_problem problem;
    topn_model *model = trained(context, data, &parafac, &params, &problem);
    const side_field *sides = problem.sides[SIDE_CONTEXTS].fields;
    const encoder_field *fields = model->encoder.fields.fields;
    assert_int_equal(fields[0].table.rows, 5);
    assert_int_equal(fields[1].table.rows, 4);
    assert_int_equal(fields[2].table.rows, 3);
    const float *user = sides[0].table.values, *hour = sides[1].table.values;
    for (size_t j = 0; j < 3; j++) {
        const float mean_user = (2 * user[j] + user[3 + j] + user[6 + j]) / 4,
                    mean_hour = (hour[j] + 3 * hour[3 + j]) / 4;
        assert_near(&fields[0].table.values[4 * 3 + j], &mean_user, 1);
        assert_near(&fields[0].table.values[3 * 3 + j], &mean_user, 1); /* user 3 has no events */
        assert_near(&fields[1].table.values[3 * 3 + j], &mean_hour, 1);
        assert_near(&fields[1].table.values[2 * 3 + j], &mean_hour, 1); /* nor has hour 2 */
        assert_near(&fields[2].table.values[2 * 3 + j], &sides[2].table.values[2 * 3 + j], 1);
    }
    topn_model_free(model);
    params.keep_users = false;
    assert_int_equal(model_create(context, data, false, &model), TOPN_OK);
    assert_int_equal(problem_export(context, &problem, data, &params, model), TOPN_OK);
    assert_int_equal(model_check(context, model), TOPN_OK);
    assert_int_equal(model->encoder.fields.fields[0].table.rows, 1);
    assert_int_equal(fields_users(&model->encoder.fields), 0);
    topn_model_free(model);
    problem_clear(&problem);
    topn_data_free(data);
    topn_context_free(context);
}

/* First values depend on the seed alone, in every row; features follow the rows of ids. */
static void test_sides(void **state)
{
    (void)state;
    topn_context *context = context_of(2);
    topn_data *data = golden_data(true, true);
    alternating_params params = golden_params(true);
    params.init_scale = 0.1;
    multilinear_side sides[2];
    assert_int_equal(sides_create(context, data, &params, COMPOSE_PRODUCT, true, NULL, sides), TOPN_OK);
    const multilinear_side *side = &sides[SIDE_CONTEXTS];
    assert_int_equal(side->field_count, 3);
    assert_int_equal(side->entities, GOLDEN_CONTEXTS);
    assert_int_equal(side->fields[0].table.rows, GOLDEN_USERS + 2);
    assert_int_equal(side->fields[1].table.rows, 3 + 1);
    assert_int_equal(sides[SIDE_ITEMS].fields[0].table.rows, GOLDEN_ITEMS + 3);
    for (uint32_t c = 0; c < side->entities; c++)
        for (size_t f = 0; f < 3; f++) {
            const sparse_matrix *rows = &side->fields[f].rows;
            assert_int_equal(rows->indices[rows->indptr[c]], golden_contexts[3 * c + f]);
            uint64_t at = rows->indptr[c] + 1;
            for (uint32_t feature = 0; f == 0 && feature < 2; feature++) {
                const double x = golden_user_features[2 * golden_contexts[3 * c] + feature];
                if (x == 0)
                    continue;
                assert_int_equal(rows->indices[at], GOLDEN_USERS + feature);
                assert_true((double)rows->values[at++] == x);
            }
            assert_int_equal(at, rows->indptr[c + 1]);
        }
    for (size_t f = 0; f < 3; f++) /* the user near 0, what multiplies it near 1, biases 0 */
        for (size_t row = 0; row < side->fields[f].table.rows; row++) {
            const float *values = side->fields[f].table.values + row * 4;
            for (size_t j = 0; j < 3; j++)
                assert_true(fabsf(values[j] - (f > 0)) < 0.3f);
            assert_true(values[3] == 0);
        }
    sides_clear(sides);
    topn_data_free(data);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sides),
        cmocka_unit_test(test_model_gives_the_embeddings_of_training),
        cmocka_unit_test(test_unknown_rows),
        cmocka_unit_test(test_start_from_gives_the_same_scores),
        cmocka_unit_test(test_start_from_goes_by_name),
        cmocka_unit_test(test_start_from_refuses_other_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
