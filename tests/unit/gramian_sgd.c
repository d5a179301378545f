/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "train/alternating/gramian_estimate.h"
#include "train/alternating/parameter_step.h"

#include "unit/linear_fixture.h"
#include "unit/random_problem.h"

typedef struct composed {
    composition kind;
    size_t fields;
    bool biases, features;
} composed;

static const composed compositions[] = {
    {COMPOSE_PRODUCT, 1, false, false}, {COMPOSE_PRODUCT, 1, true, true}, {COMPOSE_PRODUCT, 3, true, true},
    {COMPOSE_SUM, 3, true, true},       {COMPOSE_TUCKER, 3, false, true}, {COMPOSE_TUCKER, 2, true, false},
};
enum { COMPOSITIONS = sizeof compositions / sizeof *compositions };

/* Everything that a sweep works with. */
typedef struct workbench {
    topn_context *context;
    alternating_problem problem;
    total_loss loss;
    example_list examples;
    mini_batch batch;
    gramian_estimate estimate;
    parameter_step step;
} workbench;

static void workbench_set(workbench *bench, topn_context *context, const composed *what, bool pairwise, uint32_t size)
{
    bench->context = context;
    bench->problem = random_problem(7, what->kind, what->fields, what->biases, what->features, pairwise);
    assert_int_equal(total_loss_create(context, &bench->problem, &bench->loss), TOPN_OK);
    assert_int_equal(example_list_create(context, &bench->problem, &bench->examples), TOPN_OK);
    assert_int_equal(mini_batch_create(context, &bench->problem, size, &bench->batch), TOPN_OK);
    assert_int_equal(gramian_estimate_create(context, &bench->problem, size, &bench->estimate), TOPN_OK);
    assert_int_equal(parameter_step_create(context, &bench->problem, &bench->examples, size, false, &bench->step),
                     TOPN_OK);
    assert_int_equal(gramian_estimate_set(context, &bench->problem, &bench->loss, true, &bench->estimate), TOPN_OK);
}

static void workbench_clear(workbench *bench)
{
    parameter_step_clear(&bench->problem, &bench->step);
    gramian_estimate_clear(&bench->estimate);
    mini_batch_clear(&bench->batch);
    example_list_clear(&bench->examples);
    total_loss_clear(&bench->loss);
    random_problem_clear(&bench->problem);
}

static void take_batch(workbench *bench, uint32_t begin)
{
    const uint32_t left = bench->examples.count - begin;
    mini_batch_fill(&bench->problem, &bench->examples, begin,
                    left < bench->batch.capacity ? left : bench->batch.capacity, &bench->batch);
    parameter_step_embed(bench->context, &bench->problem, &bench->step, &bench->batch);
    mini_batch_gradients(bench->context, &bench->loss, &bench->estimate.values, &bench->examples, &bench->batch);
}

/* The gradient of a whole sweep, block by block: sums[side][block]. */
static void sum_gradients(workbench *bench, double *sums[2][MOST_BLOCKS])
{
    for (uint32_t begin = 0; begin < bench->examples.count; begin += bench->batch.capacity) {
        take_batch(bench, begin);
        parameter_step_pull(bench->context, &bench->problem, &bench->batch, &bench->step);
        for (int side = 0; side < 2; side++)
            for (size_t block = 0; block < side_blocks(&bench->problem.sides[side]); block++) {
                const touched_rows *rows = &bench->step.fields[side][block];
                for (uint32_t place = 0; place < rows->count; place++)
                    for (size_t k = 0; k < rows->width; k++)
                        sums[side][block][rows->rows[place] * rows->width + k] +=
                            rows->gradients[place * rows->width + k];
            }
    }
}

/* The sum over S of the examples' gradients is the gradient of the double sum; as printed, it lacks half of the
 * implicit part (methods.md, E2). */
static void check_gradient(topn_context *context, const composed *what, bool pairwise, bool paper_exact)
{
    workbench bench;
    double *sums[2][MOST_BLOCKS] = {{NULL}};
    workbench_set(&bench, context, what, pairwise, 16);
    bench.loss.paper_exact = paper_exact;
    example_list_shuffle(&bench.examples, 3, 1);
    for (int side = 0; side < 2; side++)
        for (size_t block = 0; block < side_blocks(&bench.problem.sides[side]); block++)
            sums[side][block] = calloc(bench.step.fields[side][block].table_rows * bench.step.fields[side][block].width,
                                       sizeof(double));
    sum_gradients(&bench, sums);
    for (int side = 0; side < 2; side++)
        for (size_t block = 0; block < side_blocks(&bench.problem.sides[side]); block++) {
            const touched_rows *rows = &bench.step.fields[side][block];
            double largest = 0;
            for (size_t k = 0; k < rows->table_rows * rows->width; k++) {
                double wanted = naive_derivative(&bench.problem, side, block, k, false);
                if (paper_exact)
                    wanted -= naive_derivative(&bench.problem, side, block, k, true) / 2;
                assert_true(fabs(sums[side][block][k] - wanted) <= 2e-5 * (fabs(wanted) + 100));
                largest = fmax(largest, fabs(wanted));
            }
            assert_true(largest > 0.5);
            free(sums[side][block]);
        }
    workbench_clear(&bench);
}

static void gradients_sum_to_the_full_one(void **state)
{
    for (int which = 0; which < COMPOSITIONS; which++)
        for (int pairwise = 0; pairwise < 2; pairwise++)
            check_gradient(*state, &compositions[which], pairwise, false);
}

static void as_printed_half_of_the_implicit_part_is_missing(void **state)
{
    for (int which = 0; which < COMPOSITIONS; which++)
        check_gradient(*state, &compositions[which], false, true);
}

/* One estimate for each example drawn alone from zero: their sum, each over η, is the Gramian itself. */
static void expected_estimates_are_the_gramians(void **state)
{
    for (int kind = ESTIMATE_EXAMPLE; kind <= ESTIMATE_AVERAGE; kind++)
        for (int pairwise = 0; pairwise < 2; pairwise++) {
            workbench bench;
            gramian_estimate truth;
            double sums[4][64] = {{0}};
            workbench_set(&bench, *state, &compositions[1], pairwise, 1);
            assert_int_equal(gramian_estimate_create(*state, &bench.problem, 1, &truth), TOPN_OK);
            assert_int_equal(gramian_estimate_set(*state, &bench.problem, &bench.loss, true, &truth), TOPN_OK);
            const size_t d = bench.batch.dimensions;
            bench.estimate.kind = kind;
            bench.estimate.rate = 0.25;
            const float *got[4] = {bench.estimate.values.gram[0], bench.estimate.values.gram[1],
                                   bench.estimate.values.z, bench.estimate.values.q};
            const float *wanted[4] = {truth.values.gram[0], truth.values.gram[1], truth.values.z, truth.values.q};
            const size_t sizes[4] = {d * d, d * d, pairwise ? d : 0, pairwise && kind == ESTIMATE_AVERAGE ? d : 0};
            for (uint32_t begin = 0; begin < bench.examples.count; begin++) {
                take_batch(&bench, begin);
                for (int which = 0; which < 4; which++)
                    memset((float *)got[which], 0, sizes[which] * sizeof(float));
                gramian_estimate_follow(*state, &bench.loss, &bench.examples, &bench.batch, &bench.estimate);
                for (int which = 0; which < 4; which++)
                    for (size_t k = 0; k < sizes[which]; k++)
                        sums[which][k] += got[which][k] / bench.estimate.rate;
            }
            /* EXAMPLE: η/n·|C|·φφᵀ over the terms of S is |C|·G, and the rates add up to η·|C|. */
            for (int which = 0; which < 4; which++)
                for (size_t k = 0; k < sizes[which]; k++) {
                    const double scale =
                        kind == ESTIMATE_AVERAGE ? bench.examples.count : bench.examples.entities[which == 0 ? 0 : 1];
                    assert_true(fabs(sums[which][k] / scale - wanted[which][k]) <= 1e-4 * (fabs(wanted[which][k]) + 1));
                }
            gramian_estimate_clear(&truth);
            workbench_clear(&bench);
        }
}

/* A batch of many examples moves the estimate as its examples would one by one (eq. 41). */
static void a_batch_is_its_examples_in_turn(void **state)
{
    workbench bench;
    float kept[64], one_by_one[64];
    workbench_set(&bench, *state, &compositions[1], false, 16);
    const size_t d = bench.batch.dimensions;
    const multilinear_side *side = &bench.problem.sides[0];
    example_list_shuffle(&bench.examples, 5, 2);
    bench.estimate.kind = ESTIMATE_EXAMPLE;
    bench.estimate.rate = 0.5;
    take_batch(&bench, 0);
    memcpy(kept, bench.estimate.values.gram[0], d * d * sizeof *kept);
    memcpy(one_by_one, kept, sizeof kept);
    gramian_estimate_follow(*state, &bench.loss, &bench.examples, &bench.batch, &bench.estimate);
    for (uint32_t e = 0; e < bench.batch.size; e++) {
        const uint32_t slot = bench.batch.sides[0].slots[e];
        if (slot == NOBODY)
            continue;
        const uint32_t entity = bench.batch.sides[0].entities[slot];
        const float *phi = bench.batch.sides[0].embeddings + slot * d;
        const double share = 0.5 / bench.examples.visits[0][entity];
        for (size_t k = 0; k < d * d; k++)
            one_by_one[k] =
                (float)(one_by_one[k] * (1 - share) +
                        share * side->entities * bench.problem.weights[0][entity] * phi[k / d] * phi[k % d]);
    }
    double moved = 0;
    for (size_t k = 0; k < d * d; k++) {
        assert_true(fabs(bench.estimate.values.gram[0][k] - one_by_one[k]) <= 1e-4 * (1 + fabs(one_by_one[k])));
        moved = fmax(moved, fabs(one_by_one[k] - kept[k]));
    }
    assert_true(moved > 0.1);
    workbench_clear(&bench);
}

/* From nothing, with the parameters at rest, the estimates come near. */
static void distances_fall(void **state)
{
    for (int kind = ESTIMATE_EXAMPLE; kind <= ESTIMATE_AVERAGE; kind++) {
        workbench bench;
        double before[2], after[2];
        workbench_set(&bench, *state, &compositions[2], false, 8);
        const size_t d = bench.batch.dimensions;
        bench.estimate.kind = kind;
        bench.estimate.rate = kind == ESTIMATE_EXAMPLE ? 0.02 : 0.05;
        for (int side = 0; side < 2; side++)
            memset(bench.estimate.values.gram[side], 0, d * d * sizeof(float));
        assert_int_equal(gramian_estimate_distance(*state, &bench.problem, &bench.loss, &bench.estimate, before),
                         TOPN_OK);
        for (int64_t sweep = 0; sweep < 40; sweep++) {
            example_list_shuffle(&bench.examples, 1, sweep);
            for (uint32_t begin = 0; begin < bench.examples.count; begin += 8) {
                take_batch(&bench, begin);
                gramian_estimate_follow(*state, &bench.loss, &bench.examples, &bench.batch, &bench.estimate);
            }
        }
        assert_int_equal(gramian_estimate_distance(*state, &bench.problem, &bench.loss, &bench.estimate, after),
                         TOPN_OK);
        for (int side = 0; side < 2; side++) {
            assert_true(fabs(before[side] - 1) < 1e-6);
            assert_true(after[side] < 0.15);
        }
        workbench_clear(&bench);
    }
}

/* Each sweep draws every term once, in another order. */
static void a_sweep_takes_every_term_once(void **state)
{
    workbench bench;
    workbench_set(&bench, *state, &compositions[0], false, 4);
    uint32_t *seen = calloc(bench.examples.count, sizeof *seen), moved = 0;
    assert_true(bench.examples.lone_count[0] >= 1 && bench.examples.lone_count[1] >= 1);
    for (int64_t sweep = 0; sweep < 3; sweep++) {
        example_list_shuffle(&bench.examples, 9, sweep);
        for (uint32_t i = 0; i < bench.examples.count; i++) {
            seen[bench.examples.order[i]]++;
            moved += bench.examples.order[i] != i;
        }
    }
    for (uint32_t i = 0; i < bench.examples.count; i++)
        assert_int_equal(seen[i], 3);
    assert_true(moved > bench.examples.count);
    free(seen);
    workbench_clear(&bench);
}

/* The loss at which a training with "name=value" options ends. */
static double final_loss(topn_context *context, const topn_data *data, const char *name, const char *const *pairs)
{
    topn_model *model;
    assert_int_equal(train(context, data, name, pairs, &model), TOPN_OK);
    const double loss = strtod(record_get(&model->metadata, "train.loss"), NULL);
    if (strcmp(name, "gramian-sgd") == 0) {
        assert_true(strtod(record_get(&model->metadata, "train.gramian-distance-contexts"), NULL) < 0.1);
        assert_true(strtod(record_get(&model->metadata, "train.gramian-distance-items"), NULL) < 0.1);
    }
    topn_model_free(model);
    return loss;
}

/* Stochastic steps come near the optimum that alternating least squares find; as printed, eq. 34 leads elsewhere. */
static void training_ends_near_the_optimum(void **state)
{
    topn_data *data = random_data(*state, 60, 25, 4);
    for (int pairwise = 0; pairwise < 2; pairwise++) {
        const char *loss = pairwise ? "loss=pairwise" : "loss=pointwise", *l2 = pairwise ? "l2=0.12" : "l2=0.1";
        const double optimum = final_loss(*state, data, "ials", PAIRS(loss, l2, "factors=4", "sweeps=200"));
        const double reached =
            final_loss(*state, data, "gramian-sgd",
                       PAIRS(loss, l2, "factors=4", "sweeps=300", "batch=64", "gramian-estimate=exact"));
        const double printed = pairwise ? NAN
                                        : final_loss(*state, data, "gramian-sgd",
                                                     PAIRS(loss, l2, "factors=4", "sweeps=300", "batch=64",
                                                           "gramian-estimate=exact", "paper-exact=true"));
        assert_true(reached > 0.99 * optimum && reached < 1.02 * optimum);
        assert_true(pairwise || printed > 1.01 * optimum);
    }
    topn_data_free(data);
}

static void paper_exact_is_pointwise(void **state)
{
    topn_context *context = *state;
    topn_data *data = random_data(context, 20, 10, 4);
    topn_model *model;
    assert_int_equal(train(context, data, "gramian-sgd", PAIRS("loss=pairwise", "paper-exact=true"), &model),
                     TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--paper-exact"));
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_sum_to_the_full_one),
        cmocka_unit_test(as_printed_half_of_the_implicit_part_is_missing),
        cmocka_unit_test(expected_estimates_are_the_gramians),
        cmocka_unit_test(a_batch_is_its_examples_in_turn),
        cmocka_unit_test(distances_fall),
        cmocka_unit_test(a_sweep_takes_every_term_once),
        cmocka_unit_test(training_ends_near_the_optimum),
        cmocka_unit_test(paper_exact_is_pointwise),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
