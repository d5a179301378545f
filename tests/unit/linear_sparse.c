/* SPDX-License-Identifier: Apache-2.0
 *
 * The linear models that never hold the dense matrix, against the dense one, against NumPy and by properties.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "made_data.h"
#include "train/method.h"

#include "golden/linear.h"
#include "golden/mrf.h"
#include "golden/sansa.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Item i of user u with a probability that falls with i, and more often when both are of the same of `groups` groups;
 * item 7 has no events. */
static topn_data *random_data(uint32_t users, uint32_t items, uint32_t groups, uint64_t seed)
{
    uint32_t(*pairs)[2] = malloc((size_t)users * items * sizeof *pairs);
    uint64_t count = 0;
    for (uint32_t u = 0; u < users; u++)
        for (uint32_t i = 0; i < items; i++) {
            const double likely = (u % groups == i % groups ? 0.4 : 0.1) / (1 + 4.0 * i / items);
            if (i == 7 || random_uniform(seed, RANDOM_ORDER, (uint64_t)u * items + i) >= likely)
                continue;
            pairs[count][0] = u;
            pairs[count++][1] = i;
        }
    topn_data *data = made_data(users, items, (const uint32_t(*)[2])pairs, NULL, count);
    free(pairs);
    return data;
}

enum { GOLDEN_USERS = 60, MORE_GOLDEN_USERS = 400, GOLDEN_ITEMS = 12 };

/* The interactions of golden/linear.py. */
static topn_data *golden_data(uint32_t users)
{
    static uint32_t pairs[MORE_GOLDEN_USERS * GOLDEN_ITEMS][2];
    uint64_t count = 0, state = 12345;
    for (uint32_t u = 0; u < users; u++)
        for (uint32_t i = 0; i < GOLDEN_ITEMS; i++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((int)((state >> 16) % 100) < 70 - 5 * (int)i + ((u + i) % 3 == 0 ? 15 : 0)) {
                pairs[count][0] = u;
                pairs[count++][1] = i;
            }
        }
    return made_data(users, GOLDEN_ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
}

/* Trains with "name=value" pairs; NULL ends them. */
static topn_status try_train(topn_context *context, const topn_data *data, const char *name, const char *const *pairs,
                             topn_model **out)
{
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, name, &options), TOPN_OK);
    for (; *pairs; pairs++) {
        char key[64];
        const char *equals = strchr(*pairs, '=');
        snprintf(key, sizeof key, "%.*s", (int)(equals - *pairs), *pairs);
        assert_int_equal(topn_options_set(context, options, key, equals + 1), TOPN_OK);
    }
    const topn_status status = topn_train(context, data, options, NULL, out);
    topn_options_free(options);
    return status;
}

static topn_model *train(topn_context *context, const topn_data *data, const char *name, const char *const *pairs)
{
    topn_model *model;
    if (try_train(context, data, name, pairs, &model) != TOPN_OK)
        fail_msg("%s: %s", name, topn_context_message(context));
    return model;
}

/* T[r][c] of either form of table. */
static double table_at(const embedding_table *table, size_t r, size_t c)
{
    if (table->form == TABLE_DENSE)
        return table->dense.values[r * table->dense.columns + c];
    for (uint64_t at = table->sparse.indptr[r]; at < table->sparse.indptr[r + 1]; at++)
        if (table->sparse.indices[at] == c)
            return table->sparse.values[at];
    return 0;
}

static double number(const topn_model *model, const char *key)
{
    const char *text = record_get(&model->metadata, key);
    assert_non_null(text);
    return strtod(text, NULL);
}

/* The same arrays with 1, 2 and 5 threads. */
static void check_threads(topn_context *context, const topn_data *data, const char *name, const char *const *pairs)
{
    static const int threads[] = {1, 2, 5};
    topn_model *models[3];
    for (int run = 0; run < 3; run++) {
        context->threads = threads[run];
        models[run] = train(context, data, name, pairs);
        const sparse_matrix *a = &models[0]->encoder.rows.sparse, *b = &models[run]->encoder.rows.sparse;
        assert_memory_equal(a->indptr, b->indptr, ((size_t)a->rows + 1) * sizeof *a->indptr);
        assert_memory_equal(a->indices, b->indices, a->indptr[a->rows] * sizeof *a->indices);
        assert_memory_equal(a->values, b->values, a->indptr[a->rows] * sizeof *a->values);
        if (models[0]->table.priors)
            assert_memory_equal(models[0]->table.priors, models[run]->table.priors, a->rows * sizeof(float));
    }
    context->threads = 2;
    for (int run = 0; run < 3; run++)
        topn_model_free(models[run]);
}

/* The weights of a model of golden data, priors included. */
static void compare_with_numpy(topn_context *context, const topn_data *data, const char *name, const char *const *pairs,
                               const double *expected)
{
    topn_model *model = train(context, data, name, pairs);
    for (size_t i = 0; i < GOLDEN_ITEMS; i++)
        for (size_t j = 0; j < GOLDEN_ITEMS; j++) {
            const double value = table_at(&model->encoder.rows, i, j);
            assert_float_equal(value * (model->table.priors ? model->table.priors[j] : 1),
                               expected[i * GOLDEN_ITEMS + j], 1e-5);
        }
    topn_model_free(model);
}

static void ease_cg_equals_numpy(void **state)
{
    topn_data *data = golden_data(GOLDEN_USERS);
    compare_with_numpy(*state, data, "ease-cg", PAIRS("k=0", "l2=3"), golden_ease);
    compare_with_numpy(*state, data, "ease-cg",
                       PAIRS("k=0", "l2=2", "user-weight-exponent=0.5", "ridge-exponent=0.75", "score-exponent=0.25"),
                       golden_ease_weighted);
    compare_with_numpy(*state, data, "ease-cg", PAIRS("k=0", "l2=2", "dropout=0.2"), golden_ease_dropout);
    topn_data_free(data);
}

/* On shapes that fill blocks and that don't, with a loose tolerance and a tight one. */
static void ease_cg_equals_ease(void **state)
{
    static const uint32_t shapes[][2] = {{90, 9}, {40, 64}, {300, 131}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        topn_data *data = random_data(shapes[s][0], shapes[s][1], 3, s);
        topn_model *dense = train(*state, data, "ease", PAIRS("l2=4"));
        topn_model *exact = train(*state, data, "ease-cg", PAIRS("l2=4", "k=0"));
        const dense_matrix *a = &dense->encoder.rows.dense, *b = &exact->encoder.rows.dense;
        for (size_t at = 0; at < a->rows * a->columns; at++)
            assert_float_equal(a->values[at], b->values[at], 1e-5);
        assert_true(number(exact, "train.worst-residual") <= 1e-6);
        topn_model *tight = train(*state, data, "ease-cg", PAIRS("l2=4", "k=0", "tolerance=1e-10"));
        assert_true(number(tight, "train.worst-residual") <= 1e-10);
        assert_true(number(tight, "train.mean-steps") > number(exact, "train.mean-steps"));
        topn_model_free(dense);
        topn_model_free(exact);
        topn_model_free(tight);
        topn_data_free(data);
    }
}

/* The weights of `ease --prune item`, but where two magnitudes at the edge are equal within rounding. */
static void ease_cg_keeps_what_pruned_ease_keeps(void **state)
{
    enum { N = 131, K = 9 };
    topn_data *data = random_data(300, N, 3, 6);
    topn_model *dense = train(*state, data, "ease", PAIRS("l2=4"));
    topn_model *pruned = train(*state, data, "ease", PAIRS("l2=4", "k=9", "prune=item"));
    topn_model *exact = train(*state, data, "ease-cg", PAIRS("l2=4", "k=9"));
    for (size_t j = 0; j < N; j++) {
        double least = INFINITY;
        size_t count = 0;
        for (size_t i = 0; i < N; i++) {
            const double kept = table_at(&exact->encoder.rows, i, j);
            count += kept != 0;
            if (kept != 0) {
                least = fmin(least, fabs(kept));
                assert_float_equal(kept, table_at(&dense->encoder.rows, i, j), 1e-5);
            }
        }
        assert_int_equal(count, j == 7 ? 0 : K);
        for (size_t i = 0; i < N; i++) {
            const double other = table_at(&pruned->encoder.rows, i, j);
            if (other != 0 && table_at(&exact->encoder.rows, i, j) == 0)
                assert_float_equal(fabs(other), least, 1e-5);
        }
    }
    topn_model_free(dense);
    topn_model_free(pruned);
    topn_model_free(exact);
    topn_data_free(data);
}

static void ease_cg_says_when_it_falls_short(void **state)
{
    topn_context *context = *state;
    topn_model *model;
    topn_data *data = random_data(100, 40, 3, 2);
    assert_int_equal(try_train(context, data, "ease-cg", PAIRS("l2=1", "iterations=3"), &model), TOPN_ERROR_NUMERIC);
    assert_null(model);
    assert_non_null(strstr(topn_context_message(context), "after 3 steps"));
    assert_non_null(strstr(topn_context_message(context), "--iterations"));
    topn_data_free(data);
    data = random_data(6, 40, 3, 2); /* more items than users: singular without a ridge */
    assert_int_equal(try_train(context, data, "ease-cg", PAIRS("l2=0"), &model), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "--l2"));
    topn_data_free(data);
}

static void ease_cg_has_the_same_bits_at_any_thread_count(void **state)
{
    topn_data *data = random_data(300, 131, 3, 6);
    check_threads(*state, data, "ease-cg", PAIRS("l2=4", "k=9", "user-weight-exponent=0.5", "score-exponent=0.5"));
    topn_data_free(data);
}

static void mrf_equals_numpy(void **state)
{
    topn_data *data = golden_data(MORE_GOLDEN_USERS);
    compare_with_numpy(*state, data, "mrf", PAIRS("k=5", "l2=3"), golden_mrf_own);
    compare_with_numpy(*state, data, "mrf", PAIRS("k=5", "l2=3", "block-share=0.4"), golden_mrf_shared);
    compare_with_numpy(*state, data, "mrf", PAIRS("l2=3", "block-share=0.3", "pattern-exponent=1", "threshold=0.08"),
                       golden_mrf_threshold);
    topn_data_free(data);
}

/* Every pair of the golden items has a common user, so that nothing limits the pattern; with r = 1 a single block. */
static void mrf_with_every_pair_is_ease(void **state)
{
    topn_data *data = golden_data(MORE_GOLDEN_USERS);
    compare_with_numpy(*state, data, "mrf", PAIRS("l2=3"), golden_mrf_every);
    compare_with_numpy(*state, data, "mrf", PAIRS("l2=3", "block-share=0.5"), golden_mrf_every);
    compare_with_numpy(*state, data, "mrf", PAIRS("l2=3", "block-share=1"), golden_mrf_every);
    topn_model *model = train(*state, data, "mrf", PAIRS("l2=3", "block-share=1"));
    assert_true(number(model, "train.blocks") == 1);
    topn_model_free(model);
    topn_data_free(data);
}

/* G of binary data [items × items]. */
static double *gram(const topn_data *data)
{
    const size_t n = data->matrix.columns;
    double *g = calloc(n * n, sizeof *g);
    const sparse_matrix *x = &data->matrix;
    for (uint32_t u = 0; u < x->rows; u++)
        for (uint64_t p = x->indptr[u]; p < x->indptr[u + 1]; p++)
            for (uint64_t q = x->indptr[u]; q < x->indptr[u + 1]; q++)
                g[x->indices[p] * n + x->indices[q]]++;
    return g;
}

/* With r = 0 each column is the ridge regression of its item on its neighbours: the gradient vanishes on them. */
static void mrf_columns_are_regressions_on_the_neighbors(void **state)
{
    enum { N = 131, K = 12 };
    topn_data *data = random_data(300, N, 3, 6);
    topn_model *model = train(*state, data, "mrf", PAIRS("l2=4", "k=12"));
    const embedding_table *b = &model->encoder.rows;
    double *g = gram(data);
    assert_true(number(model, "train.blocks") == N);
    for (size_t j = 0; j < N; j++) {
        size_t count = 0;
        for (size_t i = 0; i < N; i++) {
            if (table_at(b, i, j) == 0)
                continue;
            double gradient = 4 * table_at(b, i, j) - g[i * N + j];
            for (size_t m = 0; m < N; m++)
                gradient += g[i * N + m] * table_at(b, m, j);
            assert_true(i != j && fabs(gradient) < 1e-3);
            count++;
        }
        assert_int_equal(count, j == 7 ? 0 : K);
    }
    free(g);
    topn_model_free(model);
    topn_data_free(data);
}

static void mrf_has_the_same_bits_at_any_thread_count(void **state)
{
    topn_data *data = random_data(300, 131, 3, 6);
    check_threads(*state, data, "mrf", PAIRS("l2=4", "k=20", "user-weight-exponent=0.5", "score-exponent=0.5"));
    check_threads(*state, data, "mrf", PAIRS("l2=4", "k=20", "block-share=0.3"));
    topn_data_free(data);
}

static void mrf_names_the_ridge_when_a_block_is_singular(void **state)
{
    topn_context *context = *state;
    topn_model *model;
    topn_data *data = random_data(6, 40, 3, 2);
    assert_int_equal(try_train(context, data, "mrf", PAIRS("l2=0"), &model), TOPN_ERROR_NUMERIC);
    assert_null(model);
    assert_non_null(strstr(topn_context_message(context), "--l2"));
    topn_data_free(data);
}

/* T·Tᵀ·diag(π) of the golden items; the diagonal, too. */
static void compare_products(topn_context *context, const topn_data *data, const char *const *pairs,
                             const double *expected, double tolerance)
{
    topn_model *model = train(context, data, "sansa", pairs);
    for (size_t i = 0; i < GOLDEN_ITEMS; i++)
        for (size_t j = 0; j < GOLDEN_ITEMS; j++) {
            double product = 0;
            for (size_t c = 0; c < GOLDEN_ITEMS; c++)
                product += table_at(&model->encoder.rows, i, c) * table_at(&model->encoder.rows, j, c);
            assert_float_equal(product * model->table.priors[j], expected[i * GOLDEN_ITEMS + j], tolerance);
        }
    topn_model_free(model);
}

static void sansa_equals_numpy(void **state)
{
    topn_data *data = golden_data(MORE_GOLDEN_USERS);
    compare_products(*state, data, PAIRS("l2=3", "k=3", "scans=1", "finetune-steps=2"), golden_sansa_global, 1e-5);
    compare_products(*state, data,
                     PAIRS("l2=3", "k=4", "prune=item", "scans=3", "finetune-steps=0", "scale-items=false"),
                     golden_sansa_item, 1e-5);
    compare_products(*state, data, PAIRS("l2=3", "k=3", "prune=item", "inverse=solve"), golden_sansa_solve, 1e-5);
    topn_data_free(data);
}

/* Nothing pruned: the weights are EASE's off the diagonal, −1 on it, in any order, by either inverse. */
static void sansa_with_all_entries_is_ease(void **state)
{
    topn_data *data = golden_data(MORE_GOLDEN_USERS);
    for (size_t i = 0; i < GOLDEN_ITEMS; i++)
        for (size_t j = 0; j < GOLDEN_ITEMS; j++)
            assert_float_equal(golden_sansa_every[i * GOLDEN_ITEMS + j],
                               i == j ? -1 : golden_mrf_every[i * GOLDEN_ITEMS + j], 1e-8);
    compare_products(*state, data, PAIRS("l2=3", "inverse=solve"), golden_sansa_every, 1e-5);
    compare_products(*state, data, PAIRS("l2=3", "inverse=solve", "order=random", "scale-items=false"),
                     golden_sansa_every, 1e-5);
    compare_products(*state, data, PAIRS("l2=3", "scans=100", "finetune-steps=0"), golden_sansa_every, 1e-4);
    compare_products(*state, data, PAIRS("l2=3", "scans=100", "prune=item", "order=popular-first"), golden_sansa_every,
                     1e-4);
    topn_data_free(data);
}

static void sansa_steps_shrink_the_residual(void **state)
{
    static const char *const steps[][2] = {{"scans=0", "finetune-steps=0"},
                                           {"scans=1", "finetune-steps=0"},
                                           {"scans=1", "finetune-steps=4"},
                                           {"scans=100", "finetune-steps=0"}};
    topn_data *data = random_data(300, 131, 3, 6);
    double last = INFINITY;
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        topn_model *model = train(*state, data, "sansa", PAIRS("l2=20", "k=130", steps[s][0], steps[s][1]));
        const double residual = number(model, "train.inverse-residual");
        assert_true(residual < last);
        last = residual;
        topn_model_free(model);
    }
    assert_true(last < 0.02); /* a column of the inverse has no more room than that of the factor */
    topn_data_free(data);
}

static void sansa_keeps_its_budget_and_its_bits(void **state)
{
    enum { N = 131, K = 9 };
    topn_data *data = random_data(300, N, 3, 6);
    topn_model *model = train(*state, data, "sansa", PAIRS("l2=4", "k=9", "prune=item"));
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    for (uint32_t i = 0; i < N; i++)
        assert_in_range(rows->indptr[i + 1] - rows->indptr[i], 1, K + 1);
    topn_model_free(model);
    model = train(*state, data, "sansa", PAIRS("l2=4", "k=9"));
    assert_in_range(model->encoder.rows.sparse.indptr[N], N, (K + 1) * N);
    topn_model_free(model);
    check_threads(*state, data, "sansa", PAIRS("l2=4", "k=9", "user-weight-exponent=0.5", "score-exponent=0.5"));
    check_threads(*state, data, "sansa", PAIRS("l2=4", "k=9", "prune=item", "inverse=solve"));
    topn_data_free(data);
}

/* Only in builds with TOPN_CHOLMOD. Nothing pruned: EASE off the diagonal, β − 1 on it. Pruned: each weight is EASE's
 * or 0, at least k of a row are not, and the diagonal stays. */
static void chol_cholmod_factors_what_was_kept(void **state)
{
    enum { N = 60, K = 7 };
    if (!method_find("chol-cholmod")) {
        print_message("skipped: this build is without CHOLMOD (house/long_cholmod tests it)\n");
        skip();
    }
    topn_data *data = random_data(200, N, 3, 6);
    topn_model *ease = train(*state, data, "ease", PAIRS("l2=20"));
    static const char *const kept[] = {"k=60", "k=7"};
    for (int pruned = 0; pruned < 2; pruned++) {
        topn_model *model = train(*state, data, "chol-cholmod", PAIRS("l2=20", kept[pruned], "beta=4"));
        const embedding_table *t = &model->encoder.rows;
        for (size_t i = 0; i < N; i++) {
            size_t nonzero = 0;
            for (size_t j = 0; j < N; j++) {
                double weight = 0;
                for (size_t c = 0; c < N; c++)
                    weight += table_at(t, i, c) * table_at(t, j, c);
                weight *= model->table.priors[j];
                const double whole = i == j ? 3 : table_at(&ease->encoder.rows, i, j);
                if (pruned && fabs(weight) < 1e-5)
                    continue;
                assert_float_equal(weight, whole, 2e-5);
                nonzero += i != j;
            }
            assert_true(!pruned || i == 7 || (nonzero >= K - 1 && nonzero < N - 1));
        }
        const double fill = number(model, "train.fill");
        assert_true(pruned ? fill < 1 : fill > 0.95);
        topn_model_free(model);
    }
    topn_model *refused;
    assert_int_equal(try_train(*state, data, "chol-cholmod", PAIRS("l2=20", "beta=1.01"), &refused), TOPN_ERROR_OPTION);
    assert_null(refused);
    topn_model_free(ease);
    topn_data_free(data);
}

static int setup(void **state)
{
    topn_context *context;
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
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
        cmocka_unit_test(ease_cg_equals_numpy),
        cmocka_unit_test(ease_cg_equals_ease),
        cmocka_unit_test(ease_cg_keeps_what_pruned_ease_keeps),
        cmocka_unit_test(ease_cg_says_when_it_falls_short),
        cmocka_unit_test(ease_cg_has_the_same_bits_at_any_thread_count),
        cmocka_unit_test(mrf_equals_numpy),
        cmocka_unit_test(mrf_with_every_pair_is_ease),
        cmocka_unit_test(mrf_columns_are_regressions_on_the_neighbors),
        cmocka_unit_test(mrf_has_the_same_bits_at_any_thread_count),
        cmocka_unit_test(mrf_names_the_ridge_when_a_block_is_singular),
        cmocka_unit_test(sansa_equals_numpy),
        cmocka_unit_test(sansa_with_all_entries_is_ease),
        cmocka_unit_test(sansa_steps_shrink_the_residual),
        cmocka_unit_test(sansa_keeps_its_budget_and_its_bits),
        cmocka_unit_test(chol_cholmod_factors_what_was_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
