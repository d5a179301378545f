/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "golden/pairwise.h"
#include "train/alternating/solver.h"

#include "unit/random_problem.h"

typedef struct composed {
    composition kind;
    size_t fields;
    bool biases, features;
} composed;

static const composed compositions[] = {
    {COMPOSE_PRODUCT, 1, false, false}, {COMPOSE_PRODUCT, 1, true, true}, {COMPOSE_PRODUCT, 3, false, true},
    {COMPOSE_SUM, 3, true, true},       {COMPOSE_TUCKER, 3, false, true}, {COMPOSE_TUCKER, 2, true, false},
};
enum { COMPOSITIONS = sizeof compositions / sizeof *compositions };
enum { CHOLESKY, CG };

static double fast_loss(topn_context *context, const alternating_problem *problem)
{
    loss_parts parts;
    assert_int_equal(alternating_loss(context, problem, &parts), TOPN_OK);
    return parts.observed + parts.unobserved + parts.ridge;
}

static void half_sweep(topn_context *context, alternating_problem *problem, problem_side side, int64_t block,
                       int solver)
{
    const alternating_params params = {.block = block, .solver = solver, .cg_steps = 3};
    assert_int_equal(alternating_half_sweep(context, problem, side, &params, "test"), TOPN_OK);
}

/* Embeddings are exact where they are rows of a table, else rounded to single precision. */
static void loss_is_the_triple_sum(void **state)
{
    for (int which = 0; which < COMPOSITIONS; which++)
        for (uint64_t seed = 1; seed < 5; seed++) {
            const composed *what = &compositions[which];
            alternating_problem problem =
                random_problem(seed, what->kind, what->fields, what->biases, what->features, true);
            const double naive = naive_loss(&problem, NULL, NULL), fast = fast_loss(*state, &problem);
            assert_true(fabs(fast - naive) <= (which == 0 ? 1e-10 : 1e-6) * naive);
            random_problem_clear(&problem);
        }
}

static double largest_derivative(const alternating_problem *problem, int side, size_t block, uint32_t begin,
                                 uint32_t end)
{
    const multilinear_side *of = &problem->sides[side];
    const dense_matrix *table = block < of->field_count ? &of->fields[block].table : &of->core;
    double largest = 0;
    for (size_t k = begin * table->columns; k < end * table->columns; k++)
        largest = fmax(largest, fabs(naive_derivative(problem, side, block, k, false)));
    return largest;
}

static uint32_t rows_of(const alternating_problem *problem, int side, size_t block)
{
    const multilinear_side *of = &problem->sides[side];
    return (uint32_t)(block < of->field_count ? of->fields[block].table.rows : of->core.rows);
}

/* Right after half a sweep the derivative is 0 in the block that came last, and in all blocks of the last field where
 * they don't depend on each other; before it was not. For items this holds only if z and q followed every step. */
static void last_blocks_are_at_their_optimum(void **state)
{
    for (int which = 0; which < COMPOSITIONS; which++)
        for (int side = 0; side < 2; side++) {
            const composed *what = &compositions[which];
            alternating_problem problem =
                random_problem(3, what->kind, what->fields, what->biases, what->features, true);
            const size_t last = problem.sides[side].field_count - 1 + (problem.sides[side].kind == COMPOSE_TUCKER);
            const uint32_t rows = rows_of(&problem, side, last);
            const uint32_t begin = problem.blocks[side][last].single && side == SIDE_CONTEXTS ? 0 : rows - 1;
            const double before = largest_derivative(&problem, side, last, begin, rows);
            half_sweep(*state, &problem, (problem_side)side, 0, CHOLESKY);
            assert_true(before > 1);
            assert_true(largest_derivative(&problem, side, last, begin, rows) < 2e-4 * before);
            random_problem_clear(&problem);
        }
}

static void loss_never_rises(void **state)
{
    static const int64_t blocks[] = {0, 1, 2, 0};
    for (int which = 0; which < COMPOSITIONS; which++)
        for (int how = 0; how < 4; how++) {
            const composed *what = &compositions[which];
            alternating_problem problem =
                random_problem(5, what->kind, what->fields, what->biases, what->features, true);
            double last = fast_loss(*state, &problem);
            for (int half = 0; half < 24; half++) {
                half_sweep(*state, &problem, (problem_side)(half % 2), blocks[how], how == 3 ? CG : CHOLESKY);
                const double now = fast_loss(*state, &problem);
                assert_true(now <= last * (1 + 1e-6));
                assert_true(half > 1 || now < 0.99 * last);
                last = now;
            }
            random_problem_clear(&problem);
        }
}

/* ALS, subspaces, CD and CG end at the same loss, where the gradient is 0. */
static void all_solvers_meet(void **state)
{
    static const int64_t blocks[] = {0, 1, 2, 0};
    double optimum = 0;
    for (int how = 0; how < 4; how++) {
        alternating_problem problem = random_problem(11, COMPOSE_PRODUCT, 1, false, false, true);
        for (int side = 0; side < 2; side++)
            for (uint32_t row = 0; row < rows_of(&problem, side, 0); row++)
                problem.blocks[side][0].ridge[row] = 6;
        double start = 0;
        for (int side = 0; side < 2; side++)
            start = fmax(start, largest_derivative(&problem, side, 0, 0, rows_of(&problem, side, 0)));
        for (int half = 0; half < 1600; half++)
            half_sweep(*state, &problem, (problem_side)(half % 2), blocks[how], how == 3 ? CG : CHOLESKY);
        for (int side = 0; side < 2; side++)
            assert_true(largest_derivative(&problem, side, 0, 0, rows_of(&problem, side, 0)) < 1e-4 * start);
        const double loss = naive_loss(&problem, NULL, NULL);
        optimum = how == 0 ? loss : optimum;
        assert_true(fabs(loss - optimum) < 1e-5 * optimum);
        random_problem_clear(&problem);
    }
}

static void same_bits_at_any_thread_count(void **state)
{
    topn_context *context = *state;
    for (int which = 0; which < COMPOSITIONS; which++) {
        const composed *what = &compositions[which];
        alternating_problem problems[2];
        for (int run = 0; run < 2; run++) {
            problems[run] = random_problem(8, what->kind, what->fields, what->biases, what->features, true);
            context->threads = run ? 3 : 1;
            for (int half = 0; half < 6; half++)
                half_sweep(context, &problems[run], (problem_side)(half % 2), 2, CHOLESKY);
        }
        for (int side = 0; side < 2; side++)
            for (size_t field = 0; field < problems[0].sides[side].field_count; field++) {
                const dense_matrix *table = &problems[0].sides[side].fields[field].table;
                assert_memory_equal(table->values, problems[1].sides[side].fields[field].table.values,
                                    table->rows * table->columns * sizeof(float));
            }
        random_problem_clear(&problems[0]);
        random_problem_clear(&problems[1]);
    }
    context->threads = 2;
}

static float draw(uint64_t *at)
{
    *at = (*at * 1103515245 + 12345) % (UINT64_C(1) << 31);
    return (float)((double)(*at >> 16) - 1000.0 * (double)((*at >> 16) / 1000)) / 1000;
}

/* The problem of golden/pairwise.py. */
static void golden_problem(alternating_problem *problem, dense_matrix tables[2], float *weights, block_index blocks[2],
                           side_field fields[2])
{
    enum { MOST = GOLDEN_USERS * GOLDEN_ITEMS };
    static const uint32_t sizes[2] = {GOLDEN_USERS, GOLDEN_ITEMS};
    uint64_t at = 12345, to = 0;
    *problem = (alternating_problem){.loss = {.pairwise = true}};
    for (int side = 0; side < 2; side++) {
        tables[side] = (dense_matrix){calloc(sizes[side] * GOLDEN_FACTORS, sizeof(float)), sizes[side], GOLDEN_FACTORS};
        for (size_t k = 0; k < (size_t)sizes[side] * GOLDEN_FACTORS; k++)
            tables[side].values[k] = (float)((double)draw(&at) - 0.5);
        fields[side] = (side_field){.table = tables[side]};
        blocks[side] = (block_index){.single = true, .ridge = calloc(sizes[side], sizeof(float))};
        for (uint32_t row = 0; row < sizes[side]; row++)
            blocks[side].ridge[row] = (float)golden_ridge;
        problem->blocks[side] = &blocks[side];
        problem->sides[side] = (multilinear_side){.kind = COMPOSE_PRODUCT,
                                                  .entities = sizes[side],
                                                  .factors = GOLDEN_FACTORS,
                                                  .dimensions = GOLDEN_FACTORS,
                                                  .is_item = side == SIDE_ITEMS,
                                                  .fields = &fields[side],
                                                  .field_count = 1};
    }
    for (uint32_t item = 0; item < GOLDEN_ITEMS; item++)
        weights[item] = (float)(0.5 + (double)draw(&at));
    problem->weights[SIDE_ITEMS] = weights;
    sparse_matrix pairs;
    assert_int_equal(sparse_create(NULL, GOLDEN_USERS, GOLDEN_ITEMS, MOST, &pairs), TOPN_OK);
    for (uint32_t user = 0; user < GOLDEN_USERS; user++) {
        for (uint32_t item = 0; item < GOLDEN_ITEMS; item++)
            if ((double)draw(&at) < 0.45) {
                pairs.indices[to] = item;
                pairs.values[to++] = (float)(0.5 + (double)draw(&at));
            }
        pairs.indptr[user + 1] = to;
    }
    problem->observed[SIDE_CONTEXTS].pairs = pairs;
    assert_int_equal(sparse_transpose(NULL, &pairs, &problem->observed[SIDE_ITEMS].pairs), TOPN_OK);
}

static void steps_equal_numpy(void **state)
{
    alternating_problem problem;
    dense_matrix tables[2];
    float weights[GOLDEN_ITEMS];
    block_index blocks[2];
    side_field fields[2];
    golden_problem(&problem, tables, weights, blocks, fields);
    for (int sweep = 0; sweep <= GOLDEN_SWEEPS; sweep++) {
        assert_true(fabs(fast_loss(*state, &problem) - golden_losses[sweep]) < 1e-5 * golden_losses[sweep]);
        for (int side = 0; side < 2 && sweep < GOLDEN_SWEEPS; side++)
            half_sweep(*state, &problem, (problem_side)side, 0, CHOLESKY);
    }
    for (size_t k = 0; k < GOLDEN_USERS * GOLDEN_FACTORS; k++)
        assert_true(fabs(tables[SIDE_CONTEXTS].values[k] - golden_users[k]) < 2e-5);
    for (size_t k = 0; k < GOLDEN_ITEMS * GOLDEN_FACTORS; k++)
        assert_true(fabs(tables[SIDE_ITEMS].values[k] - golden_items[k]) < 2e-5);
    for (int side = 0; side < 2; side++) {
        free(tables[side].values);
        free(blocks[side].ridge);
        sparse_clear(&problem.observed[side].pairs);
    }
}

static int setup(void **state)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    *state = context;
    return 0;
}

static int teardown(void **state)
{
    topn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_is_the_triple_sum), cmocka_unit_test(last_blocks_are_at_their_optimum),
        cmocka_unit_test(loss_never_rises),       cmocka_unit_test(all_solvers_meet),
        cmocka_unit_test(steps_equal_numpy),      cmocka_unit_test(same_bits_at_any_thread_count),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
