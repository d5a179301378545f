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
#include "train/alternating/solver.h"
#include "train/alternating/sweeps.h"

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
        const double other = optimum(data, params, 800);
        if (fabs(other - full) > 1e-5 * full)
            fail_msg("block %d ends at %.9g, all columns at %.9g", (int)block, other, full);
    }
    params.solver = 1;
    const double conjugate = optimum(data, params, 400);
    assert_true(fabs(conjugate - full) <= 1e-5 * full);
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
        cmocka_unit_test(test_same_optimum),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
