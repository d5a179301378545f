/* SPDX-License-Identifier: Apache-2.0
 *
 * The high-dimensional linear models against NumPy (golden/linear.py), against their definitions, and by properties.
 */
#include "linear_fixture.h"

#include "base/memory.h"
#include "train/linear/order.h"

#include "golden/linear.h"

static void check_ease(topn_context *context, const char *const *pairs, const double *expected)
{
    topn_data *data = golden_data(context, 1);
    topn_model *model;
    assert_int_equal(train(context, data, "ease", pairs, &model), TOPN_OK);
    double *weights = weights_of(model, ITEMS);
    for (size_t i = 0; i < ITEMS * ITEMS; i++)
        assert_float_equal(weights[i], expected[i], 2e-5);
    for (size_t i = 0; i < ITEMS; i++)
        assert_true(weights[i * ITEMS + i] == 0.0);
    free(weights);
    topn_model_free(model);
    topn_data_free(data);
}

static void ease_equals_numpy(void **state)
{
    check_ease(*state, PAIRS("l2=3"), golden_ease);
    check_ease(*state, PAIRS("l2=2", "user-weight-exponent=0.5", "ridge-exponent=0.75", "score-exponent=0.25"),
               golden_ease_weighted);
    check_ease(*state, PAIRS("l2=2", "dropout=0.2"), golden_ease_dropout);
}

static void ease_column_is_a_ridge_regression(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    topn_model *model;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3"), &model), TOPN_OK);
    for (size_t i = 0; i < ITEMS; i++)
        assert_float_equal(table_at(&model->encoder.rows, i, 4), golden_regression_4[i], 2e-5);
    topn_model_free(model);
    topn_data_free(data);
}

/* The optimality condition of min ‖X − XB‖² + λ‖B‖², diag B = 0: (G + λI)B − G is zero off the diagonal. */
static void ease_satisfies_its_optimality_condition(void **state)
{
    enum { N = 150 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 4);
    topn_model *model;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=20", "values=weight"), &model), TOPN_OK);
    double *g = calloc((size_t)N * N, sizeof *g);
    const sparse_matrix *x = &data->matrix;
    for (uint32_t u = 0; u < x->rows; u++)
        for (uint64_t p = x->indptr[u]; p < x->indptr[u + 1]; p++)
            for (uint64_t q = x->indptr[u]; q < x->indptr[u + 1]; q++)
                g[x->indices[p] * N + x->indices[q]] += (double)x->values[p] * x->values[q];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double gradient = -g[i * N + j];
            for (size_t k = 0; k < N; k++)
                gradient += (g[i * N + k] + (i == k ? 20.0 : 0.0)) * table_at(&model->encoder.rows, k, j);
            if (i != j)
                assert_true(fabs(gradient) <= 1e-4 * sqrt(g[i * N + i] * g[j * N + j]));
        }
    free(g);
    topn_model_free(model);
    topn_data_free(data);
}

static void doubling_users_and_ridge_leaves_ease_unchanged(void **state)
{
    topn_context *context = *state;
    topn_data *once = golden_data(context, 1), *twice = golden_data(context, 2);
    topn_model *a, *b;
    assert_int_equal(train(context, once, "ease", PAIRS("l2=3"), &a), TOPN_OK);
    assert_int_equal(train(context, twice, "ease", PAIRS("l2=6"), &b), TOPN_OK);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++)
            assert_float_equal(table_at(&a->encoder.rows, i, j), table_at(&b->encoder.rows, i, j), 1e-5);
    topn_model_free(a);
    topn_model_free(b);
    topn_data_free(once);
    topn_data_free(twice);
}

/* User weights w are the same as rows scaled by √w: with one history length for all, any exponent changes nothing. */
static void equal_user_weights_give_plain_ease(void **state)
{
    topn_context *context = *state;
    enum { N = 20, M = 50, LENGTH = 6 };
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, M, N, M * LENGTH, &parts.matrix), TOPN_OK);
    for (uint32_t u = 0; u < M; u++) {
        for (uint32_t h = 0; h < LENGTH; h++) {
            parts.matrix.indices[u * LENGTH + h] = (u * 3 + h * (1 + u % 3)) % N;
            parts.matrix.values[u * LENGTH + h] = 1;
        }
        parts.matrix.indptr[u + 1] = (u + 1) * LENGTH;
    }
    assert_int_equal(string_table_numbers(context, M, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, N, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    topn_model *plain, *weighted;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3"), &plain), TOPN_OK);
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3", "user-weight-exponent=0.7"), &weighted), TOPN_OK);
    for (size_t i = 0; i < N * N; i++)
        assert_float_equal(plain->encoder.rows.dense.values[i], weighted->encoder.rows.dense.values[i], 1e-6);
    topn_model_free(plain);
    topn_model_free(weighted);
    topn_data_free(data);
}

static int descending(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

static void pruned_ease_keeps_the_largest_weights(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    topn_model *dense, *global, *item;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3"), &dense), TOPN_OK);
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3", "k=4"), &global), TOPN_OK);
    assert_int_equal(train(context, data, "ease", PAIRS("l2=3", "k=4", "prune=item"), &item), TOPN_OK);
    double sizes[ITEMS * ITEMS];
    for (size_t i = 0; i < ITEMS * ITEMS; i++)
        sizes[i] = fabs(dense->encoder.rows.dense.values[i]);
    qsort(sizes, ITEMS * ITEMS, sizeof *sizes, descending);
    assert_int_equal(global->encoder.rows.sparse.indptr[ITEMS], 4 * ITEMS);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++) {
            const double full = table_at(&dense->encoder.rows, i, j), kept = table_at(&global->encoder.rows, i, j);
            assert_true(fabs(full) >= sizes[4 * ITEMS - 1] ? kept == full : kept == 0);
        }
    for (size_t j = 0; j < ITEMS; j++) {
        double column[ITEMS];
        for (size_t i = 0; i < ITEMS; i++)
            column[i] = fabs(table_at(&dense->encoder.rows, i, j));
        qsort(column, ITEMS, sizeof *column, descending);
        size_t count = 0;
        for (size_t i = 0; i < ITEMS; i++) {
            const double kept = table_at(&item->encoder.rows, i, j);
            count += kept != 0;
            if (kept != 0)
                assert_true(fabs(kept) >= column[3] - 1e-7 && fabs(kept - table_at(&dense->encoder.rows, i, j)) < 1e-7);
        }
        assert_int_equal(count, 4);
    }
    topn_model_free(dense);
    topn_model_free(global);
    topn_model_free(item);
    topn_data_free(data);
}

static void chol_equals_numpy(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    topn_model *model;
    assert_int_equal(train(context, data, "chol", PAIRS("l2=3", "k=0", "beta=2.5", "order=popular-first"), &model),
                     TOPN_OK);
    for (size_t r = 0; r < ITEMS; r++)
        for (size_t c = 0; c < ITEMS; c++)
            assert_float_equal(table_at(&model->encoder.rows, (size_t)golden_order[r], c), golden_chol[r * ITEMS + c],
                               2e-5);
    const double lambda = strtod(record_get(&model->metadata, "train.lambda-max"), NULL);
    assert_true(fabs(lambda - golden_lambda_max[0]) <= 1e-3 * golden_lambda_max[0]);
    topn_model_free(model);
    topn_data_free(data);
}

/* For every order: off the diagonal the weights are EASE's, on it β − 1. */
static void dense_chol_is_ease_off_the_diagonal(void **state)
{
    enum { N = 300 };
    static const char *const orders[] = {"order=popular-first", "order=popular-last", "order=co-count-first",
                                         "order=co-count-last", "order=random",       "order=given"};
    topn_context *context = *state;
    topn_data *data = random_data(context, 500, N, 8);
    topn_model *ease;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=30"), &ease), TOPN_OK);
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        topn_model *chol;
        assert_int_equal(train(context, data, "chol", PAIRS("l2=30", "k=0", "beta=6", orders[o]), &chol), TOPN_OK);
        assert_true(strtod(record_get(&chol->metadata, "train.factor-residual"), NULL) < 1e-5);
        double *weights = weights_of(chol, N);
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++)
                assert_float_equal(weights[i * N + j], i == j ? 5.0 : table_at(&ease->encoder.rows, i, j), 1e-4);
        free(weights);
        topn_model_free(chol);
    }
    topn_model_free(ease);
    topn_data_free(data);
}

static void pruned_chol_keeps_k_a_row_and_short_rows_whole(void **state)
{
    enum { N = 200, K = 9 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 2);
    topn_model *dense, *pruned;
    assert_int_equal(train(context, data, "chol", PAIRS("l2=30", "k=0", "beta=6"), &dense), TOPN_OK);
    assert_int_equal(train(context, data, "chol", PAIRS("l2=30", "k=9", "beta=6"), &pruned), TOPN_OK);
    uint32_t order[N];
    assert_int_equal(item_order_compute(context, &data->matrix, ORDER_POPULAR_FIRST, order), TOPN_OK);
    for (size_t r = 0; r < N; r++) {
        const sparse_matrix *kept = &pruned->encoder.rows.sparse;
        const uint32_t item = order[r];
        const uint64_t count = kept->indptr[item + 1] - kept->indptr[item];
        assert_int_equal(count, r + 1 < K ? r + 1 : K);
        assert_int_equal(pruned->dimension_items[r], item);
        double smallest = INFINITY;
        for (uint64_t at = kept->indptr[item]; at < kept->indptr[item + 1]; at++) {
            assert_true(kept->values[at] == table_at(&dense->encoder.rows, item, kept->indices[at]));
            smallest = fmin(smallest, fabs(kept->values[at]));
        }
        size_t larger = 0;
        for (size_t c = 0; c < N; c++)
            larger += fabs(table_at(&dense->encoder.rows, item, c)) > smallest;
        assert_true(larger < K);
    }
    topn_model_free(dense);
    topn_model_free(pruned);
    topn_data_free(data);
}

/* E6: a fixed β at or below λ_max is refused with the figure; auto stays above it. */
static void beta_is_checked_against_its_bound(void **state)
{
    topn_context *context = *state;
    topn_data *data = random_data(context, 80, 200, 3);
    topn_model *model;
    assert_int_equal(train(context, data, "chol", PAIRS("l2=0.05", "beta=2"), &model), TOPN_ERROR_OPTION);
    assert_null(model);
    assert_non_null(strstr(topn_context_message(context), "--beta"));
    assert_non_null(strstr(topn_context_message(context), "auto"));
    assert_int_equal(train(context, data, "chol", PAIRS("l2=0.05", "beta=auto"), &model), TOPN_OK);
    const double lambda = strtod(record_get(&model->metadata, "train.lambda-max"), NULL);
    const double beta = strtod(record_get(&model->metadata, "train.beta"), NULL);
    assert_true(lambda > 2 && fabs(beta - 1.05 * lambda) < 1e-4 * beta);
    topn_model_free(model);
    assert_int_equal(train(context, data, "chol", PAIRS("l2=100000"), &model), TOPN_OK);
    assert_true(strtod(record_get(&model->metadata, "train.beta"), NULL) == 2.0);
    topn_model_free(model);
    topn_data_free(data);
}

static void same_bits_at_any_thread_count(void **state)
{
    enum { N = 700 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 300, N, 5);
    topn_model *models[2];
    static const int threads[] = {1, 3};
    for (int run = 0; run < 2; run++) {
        context->threads = threads[run];
        assert_int_equal(train(context, data, "chol", PAIRS("l2=10", "k=50", "user-weight-exponent=0.5"), &models[run]),
                         TOPN_OK);
    }
    assert_same_table(&models[0]->encoder.rows, &models[1]->encoder.rows);
    assert_memory_equal(models[0]->table.priors, models[1]->table.priors, N * sizeof(float));
    context->threads = 2;
    topn_model_free(models[0]);
    topn_model_free(models[1]);
    topn_data_free(data);
}

/* Three tiles of rows: the layouts differ. Every dense method, in each way of pruning. */
static void same_bits_in_both_storages(void **state)
{
    enum { N = 700 };
    static const struct {
        const char *method, *option;
    } cases[] = {{"ease", "prune=global"}, {"ease", "prune=item"}, {"chol", "order=popular-first"}};
    topn_context *context = *state;
    topn_data *data = random_data(context, 300, N, 6);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        topn_model *full, *half;
        const char *option = cases[c].option;
        assert_int_equal(train(context, data, cases[c].method, PAIRS("l2=10", "k=20", "storage=full", option), &full),
                         TOPN_OK);
        context->threads = 3;
        assert_int_equal(train(context, data, cases[c].method, PAIRS("l2=10", "k=20", "storage=half", option), &half),
                         TOPN_OK);
        context->threads = 2;
        assert_same_table(&full->encoder.rows, &half->encoder.rows);
        assert_string_equal(record_get(&full->metadata, "train.inverse-residual"),
                            record_get(&half->metadata, "train.inverse-residual"));
        topn_model_free(full);
        topn_model_free(half);
    }
    topn_data_free(data);
}

/* The pruned weights are those of the dense model, bit by bit. */
static void pruning_streams_the_dense_weights(void **state)
{
    enum { N = 300 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 7);
    topn_model *dense, *item;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=10"), &dense), TOPN_OK);
    assert_int_equal(train(context, data, "ease", PAIRS("l2=10", "k=299", "prune=item"), &item), TOPN_OK);
    size_t kept = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            kept += table_at(&dense->encoder.rows, i, j) == table_at(&item->encoder.rows, i, j);
    assert_int_equal(kept, N * N); /* 299 of 300 in each column: all but the diagonal */
    topn_model_free(dense);
    topn_model_free(item);
    topn_data_free(data);
}

static void half_storage_needs_a_sparse_result(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    static const char *const methods[] = {"ease", "chol"};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        topn_model *model;
        assert_int_equal(train(context, data, methods[m], PAIRS("k=0", "storage=half"), &model), TOPN_ERROR_OPTION);
        assert_non_null(strstr(topn_context_message(context), "half needs --k"));
        /* k = N keeps everything, in a sparse table. */
        assert_int_equal(train(context, data, methods[m], PAIRS("k=12", "storage=half"), &model), TOPN_OK);
        assert_int_equal(model->encoder.rows.form, TABLE_SPARSE);
        topn_model_free(model);
    }
    topn_data_free(data);
}

/* One item; one user; an item without events; a constant column: right answers, no NaN. */
static void degenerate_data_are_served(void **state)
{
    topn_context *context = *state;
    static const char *const methods[] = {"popularity", "ease", "chol"};
    static const struct {
        uint32_t users, items;
        uint64_t indptr[5];
        uint32_t indices[8];
    } cases[] = {
        {2, 1, {0, 1, 2}, {0, 0}},
        {1, 3, {0, 3}, {0, 1, 2}},
        {3, 4, {0, 2, 3, 5}, {0, 1, 0, 0, 3}}, /* item 2 has no events, item 0 is in every history */
    };
    for (size_t m = 0; m < 3; m++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            data_parts parts = {0};
            const uint64_t events = cases[c].indptr[cases[c].users];
            assert_int_equal(sparse_create(context, cases[c].users, cases[c].items, events, &parts.matrix), TOPN_OK);
            memcpy(parts.matrix.indptr, cases[c].indptr, (cases[c].users + 1) * sizeof(uint64_t));
            memcpy(parts.matrix.indices, cases[c].indices, events * sizeof(uint32_t));
            for (uint64_t at = 0; at < events; at++)
                parts.matrix.values[at] = 1;
            assert_int_equal(string_table_numbers(context, cases[c].users, &parts.user_ids), TOPN_OK);
            assert_int_equal(string_table_numbers(context, cases[c].items, &parts.item_ids), TOPN_OK);
            topn_data *data;
            assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
            topn_model *model;
            const bool popularity = m == 0;
            const char *const *pairs = popularity ? PAIRS("values=binary") : PAIRS("l2=1", "ridge-exponent=0.5");
            assert_int_equal(train(context, data, methods[m], pairs, &model), TOPN_OK);
            assert_int_equal(model_check(context, model), TOPN_OK);
            topn_model_free(model);
            topn_data_free(data);
        }
}

static void no_events_and_singular_systems_are_errors(void **state)
{
    topn_context *context = *state;
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, 2, 3, 0, &parts.matrix), TOPN_OK);
    parts.matrix.indptr[1] = parts.matrix.indptr[2] = 0;
    assert_int_equal(string_table_numbers(context, 2, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, 3, &parts.item_ids), TOPN_OK);
    topn_data *data;
    topn_model *model;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    assert_int_equal(train(context, data, "ease", PAIRS("l2=1"), &model), TOPN_ERROR_DATA);
    assert_int_equal(train(context, data, "chol", PAIRS("l2=1"), &model), TOPN_ERROR_DATA);
    assert_int_equal(train(context, data, "popularity", PAIRS("values=weight"), &model), TOPN_ERROR_DATA);
    topn_data_free(data);
    data = random_data(context, 5, 40, 1); /* rank 5 at most: singular without a ridge */
    assert_int_equal(train(context, data, "ease", PAIRS("l2=0"), &model), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "--l2"));
    topn_data_free(data);
}

static void too_little_memory_is_refused_with_both_figures(void **state)
{
    topn_context *context = *state;
    topn_data *data = random_data(context, 10, 600, 1);
    topn_model *model;
    context->memory_limit = 1 << 20;
    assert_int_equal(train(context, data, "ease", PAIRS("l2=1"), &model), TOPN_ERROR_MEMORY);
    assert_non_null(strstr(topn_context_message(context), "1.0 MiB"));
    context->memory_limit = 0;
    topn_data_free(data);
}

/* Every allocation of a training run fails once: a clean error each time, nothing leaked (sanitizers see to that). */
static void every_failed_allocation_is_survived(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    topn_status status = TOPN_ERROR_MEMORY;
    uint64_t step = 1;
    for (; status != TOPN_OK && step < 2000; step++) {
        topn_model *model = NULL;
        topn_options *options;
        assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "chol", &options), TOPN_OK);
        assert_int_equal(topn_options_set(context, options, "k", "4"), TOPN_OK);
        memory_fail_after(step);
        status = topn_train(context, data, options, NULL, &model);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || (status == TOPN_ERROR_MEMORY && model == NULL));
        topn_model_free(model);
        topn_options_free(options);
    }
    assert_true(step > 30 && step < 2000);
    topn_data_free(data);
}

static bool refuse(const topn_progress *progress, void *stage)
{
    return strcmp(progress->stage, stage) != 0;
}

static void cancelling_in_any_stage_frees_everything(void **state)
{
    static const char *const stages[] = {"gram", "factor", "invert", "multiply", "eigenvalue", "factor again", "prune"};
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        topn_model *model;
        topn_context_set_progress(context, refuse, (void *)stages[s]);
        assert_int_equal(train(context, data, "chol", PAIRS("k=4"), &model), TOPN_ERROR_CANCELLED);
        assert_null(model);
    }
    topn_context_set_progress(context, NULL, NULL);
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ease_equals_numpy),
        cmocka_unit_test(ease_column_is_a_ridge_regression),
        cmocka_unit_test(ease_satisfies_its_optimality_condition),
        cmocka_unit_test(doubling_users_and_ridge_leaves_ease_unchanged),
        cmocka_unit_test(equal_user_weights_give_plain_ease),
        cmocka_unit_test(pruned_ease_keeps_the_largest_weights),
        cmocka_unit_test(chol_equals_numpy),
        cmocka_unit_test(dense_chol_is_ease_off_the_diagonal),
        cmocka_unit_test(pruned_chol_keeps_k_a_row_and_short_rows_whole),
        cmocka_unit_test(beta_is_checked_against_its_bound),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(same_bits_in_both_storages),
        cmocka_unit_test(pruning_streams_the_dense_weights),
        cmocka_unit_test(half_storage_needs_a_sparse_result),
        cmocka_unit_test(degenerate_data_are_served),
        cmocka_unit_test(no_events_and_singular_systems_are_errors),
        cmocka_unit_test(too_little_memory_is_refused_with_both_figures),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(cancelling_in_any_stage_frees_everything),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
