/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverse-factor embeddings against NumPy (golden/linear.py), against EASE, and their pruning against a full sort.
 */
#include "linear_fixture.h"

#include "base/memory.h"
#include "train/linear/order.h"

#include "golden/linear.h"

static void equals_numpy(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context, 1);
    topn_model *model;
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=3", "k=0"), &model), TOPN_OK);
    for (size_t j = 0; j < ITEMS; j++) {
        const size_t item = (size_t)golden_rare_order[j];
        assert_int_equal(model->dimension_items[j], item);
        assert_float_equal(prior(model, item), golden_inverse_factor_priors[j],
                           2e-5 * fabs(golden_inverse_factor_priors[j]));
        for (size_t r = 0; r < ITEMS; r++)
            assert_float_equal(table_at(&model->encoder.rows, item, r), golden_inverse_factor[r * ITEMS + j], 2e-5);
    }
    topn_model_free(model);
    topn_data_free(data);
}

/* In every order, with every weight: off the diagonal EASE's weights, on it −1 (times the score exponent's factor). */
static void dense_equals_ease_off_the_diagonal(void **state)
{
    enum { N = 300 };
    static const char *const orders[] = {"order=popular-first", "order=popular-last", "order=co-count-first",
                                         "order=co-count-last", "order=random",       "order=given"};
    static const char *const exponents[] = {"score-exponent=0", "score-exponent=0.3"};
    topn_context *context = *state;
    topn_data *data = random_data(context, 500, N, 8);
    for (size_t e = 0; e < 2; e++) {
        topn_model *ease;
        assert_int_equal(train(context, data, "ease", PAIRS("l2=30", "values=weight", exponents[e]), &ease), TOPN_OK);
        double *expected = weights_of(ease, N);
        for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
            topn_model *model;
            assert_int_equal(train(context, data, "inverse-factor",
                                   PAIRS("l2=30", "k=0", "values=weight", exponents[e], orders[o]), &model),
                             TOPN_OK);
            assert_true(strtod(record_get(&model->metadata, "train.inverse-residual"), NULL) < 1e-4);
            double *weights = weights_of(model, N);
            for (size_t i = 0; i < N; i++)
                for (size_t j = 0; j < N; j++)
                    if (i != j)
                        assert_float_equal(weights[i * N + j], expected[i * N + j], 1e-4);
                    else if (e == 0)
                        assert_float_equal(weights[i * N + i], -1.0, 1e-4);
            free(weights);
            topn_model_free(model);
        }
        free(expected);
        topn_model_free(ease);
    }
    topn_data_free(data);
}

/* The best unseen items of a user are EASE's; similar items are the ones with the largest weights, which are positive.
 */
static void ranks_and_likens_as_ease_does(void **state)
{
    enum { N = 120, TOP = 10 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 3);
    topn_model *models[2];
    uint32_t items[2][TOP];
    float scores[2][TOP];
    assert_int_equal(train(context, data, "ease", PAIRS("l2=30"), &models[0]), TOPN_OK);
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=30", "k=0"), &models[1]), TOPN_OK);
    for (int m = 0; m < 2; m++) {
        topn_retriever *retriever;
        topn_query *query;
        size_t found;
        assert_int_equal(topn_retriever_create(context, models[m], NULL, &retriever), TOPN_OK);
        assert_int_equal(topn_query_create(context, retriever, &query), TOPN_OK);
        assert_int_equal(topn_similar(query, 7, TOP, items[m], scores[m], &found), TOPN_OK);
        assert_int_equal(found, TOP);
        topn_query_free(query);
        topn_retriever_free(retriever);
    }
    for (size_t place = 0; place < TOP; place++) {
        assert_true(scores[1][place] > 0);
        assert_float_equal(scores[1][place], scores[0][place], 1e-4);
        if (place && scores[0][place - 1] - scores[0][place] > 1e-4 &&
            (place + 1 == TOP || scores[0][place] - scores[0][place + 1] > 1e-4))
            assert_int_equal(items[1][place], items[0][place]);
    }
    topn_model_free(models[0]);
    topn_model_free(models[1]);
    topn_data_free(data);
}

typedef struct entry {
    double size;
    size_t item, dimension;
} entry;

static int largest_first(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    return (left->size < right->size) - (left->size > right->size);
}

/* All entries of the dense table as items of unit length, sorted; `popular` puts the `forced` largest of each item
 * among dimensions `last` … N−1 before everything else. */
static entry *sorted_entries(const topn_model *dense, size_t n, size_t forced, size_t last)
{
    entry *out = malloc(n * n * sizeof *out), *row = malloc(n * sizeof *row);
    for (size_t i = 0; i < n; i++) {
        const double scale = sqrt(-prior(dense, i));
        for (size_t d = 0; d < n; d++)
            out[i * n + d] = (entry){fabs(table_at(&dense->encoder.rows, i, d)) * scale, i, d};
        memcpy(row, out + i * n, n * sizeof *row);
        qsort(row + last, n - last, sizeof *row, largest_first);
        for (size_t at = last; at < last + forced && at < n; at++)
            if (row[at].size > 0)
                out[i * n + row[at].dimension].size += 1000;
    }
    qsort(out, n * n, sizeof *out, largest_first);
    free(row);
    return out;
}

static void global_pruning_equals_a_full_sort(void **state)
{
    enum { N = 200, K = 12 };
    static const struct {
        const char *share, *dimensions;
        size_t forced, last;
    } cases[] = {
        {"popular-share=0", "popular-dimensions=0.02", 0, N},
        {"popular-share=0.25", "popular-dimensions=0.02", 3, N - 6}, /* at least twice 3 */
        {"popular-share=0.5", "popular-dimensions=0.1", 6, N - 20},
        {"popular-share=1", "popular-dimensions=1", 12, 0},
    };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 2);
    topn_model *dense;
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=30", "k=0"), &dense), TOPN_OK);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        topn_model *pruned;
        assert_int_equal(train(context, data, "inverse-factor",
                               PAIRS("l2=30", "k=12", cases[c].share, cases[c].dimensions, "prune=global"), &pruned),
                         TOPN_OK);
        entry *sorted = sorted_entries(dense, N, cases[c].forced, cases[c].last);
        assert_int_equal(pruned->encoder.rows.sparse.indptr[N], K * N);
        for (size_t at = 0; at < (size_t)K * N; at++) {
            const double kept = table_at(&pruned->encoder.rows, sorted[at].item, sorted[at].dimension);
            if (sorted[at].size > sorted[K * N].size * (1 + 1e-5))
                assert_true(kept == table_at(&dense->encoder.rows, sorted[at].item, sorted[at].dimension));
        }
        for (size_t item = 0; item < N; item++) /* 1/d is that of the whole factor */
            assert_true(pruned->table.priors[item] == dense->table.priors[item]);
        free(sorted);
        topn_model_free(pruned);
    }
    topn_model_free(dense);
    topn_data_free(data);
}

/* k of every item, with the forced ones among them; and k of every dimension. */
static void pruning_by_item_and_by_dimension_keeps_k(void **state)
{
    enum { N = 200, K = 12 };
    topn_context *context = *state;
    topn_data *data = random_data(context, 400, N, 2);
    topn_model *dense, *item, *row;
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=30", "k=0"), &dense), TOPN_OK);
    assert_int_equal(
        train(context, data, "inverse-factor", PAIRS("l2=30", "k=12", "prune=item", "popular-share=0"), &item),
        TOPN_OK);
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=30", "k=12", "prune=row"), &row), TOPN_OK);
    entry *sorted = sorted_entries(dense, N, 0, N);
    size_t of_item[N] = {0}, of_dimension[N] = {0};
    for (size_t at = 0; at < (size_t)N * N; at++) {
        const size_t i = sorted[at].item, d = sorted[at].dimension;
        const double value = table_at(&dense->encoder.rows, i, d);
        if (sorted[at].size == 0)
            continue;
        if (of_item[i]++ < K)
            assert_true(table_at(&item->encoder.rows, i, d) == value);
        else
            assert_true(table_at(&item->encoder.rows, i, d) == 0);
        if (of_dimension[d]++ < K)
            assert_true(table_at(&row->encoder.rows, i, d) == value);
        else
            assert_true(table_at(&row->encoder.rows, i, d) == 0);
    }
    free(sorted);
    topn_model_free(dense);
    topn_model_free(item);
    topn_model_free(row);
    topn_data_free(data);
}

static void same_bits_in_both_storages_at_any_thread_count(void **state)
{
    enum { N = 700 };
    static const char *const prunings[] = {"prune=global", "prune=item", "prune=row"};
    topn_context *context = *state;
    topn_data *data = random_data(context, 300, N, 6);
    for (size_t p = 0; p < sizeof prunings / sizeof *prunings; p++) {
        topn_model *full, *half;
        context->threads = 1;
        assert_int_equal(
            train(context, data, "inverse-factor", PAIRS("l2=10", "k=20", "storage=full", prunings[p]), &full),
            TOPN_OK);
        context->threads = 3;
        assert_int_equal(train(context, data, "inverse-factor", PAIRS("l2=10", "k=20", prunings[p]), &half), TOPN_OK);
        context->threads = 2;
        assert_same_table(&full->encoder.rows, &half->encoder.rows);
        assert_memory_equal(full->table.priors, half->table.priors, N * sizeof(float));
        topn_model_free(full);
        topn_model_free(half);
    }
    topn_data_free(data);
}

/* Two equal columns without a ridge: no factor, and the message names the option. */
static void singular_gram_names_the_ridge(void **state)
{
    topn_context *context = *state;
    data_parts parts = {0};
    topn_data *data;
    topn_model *model;
    assert_int_equal(sparse_create(context, 4, 3, 7, &parts.matrix), TOPN_OK);
    memcpy(parts.matrix.indptr, (uint64_t[]){0, 2, 4, 5, 7}, 5 * sizeof(uint64_t));
    memcpy(parts.matrix.indices, (uint32_t[]){0, 1, 0, 1, 2, 0, 1}, 7 * sizeof(uint32_t));
    for (size_t at = 0; at < 7; at++)
        parts.matrix.values[at] = 1;
    assert_int_equal(string_table_numbers(context, 4, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, 3, &parts.item_ids), TOPN_OK);
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    static const char *const methods[] = {"ease", "chol", "inverse-factor"};
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
        assert_int_equal(train(context, data, methods[m], PAIRS("l2=0"), &model), TOPN_ERROR_NUMERIC);
        assert_non_null(strstr(topn_context_message(context), "raise --l2"));
        assert_int_equal(train(context, data, methods[m], PAIRS("l2=1"), &model), TOPN_OK);
        topn_model_free(model);
    }
    topn_data_free(data);
}

static void half_storage_and_memory_are_spoken_of(void **state)
{
    topn_context *context = *state;
    topn_data *data = random_data(context, 10, 900, 1);
    topn_model *model;
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("k=0", "storage=half"), &model), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "half needs --k"));
    context->memory_limit = 4 << 20;
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("k=9", "storage=full"), &model), TOPN_ERROR_MEMORY);
    assert_non_null(strstr(topn_context_message(context), "--storage half"));
    assert_int_equal(train(context, data, "inverse-factor", PAIRS("k=0"), &model), TOPN_ERROR_MEMORY);
    assert_non_null(strstr(topn_context_message(context), "--k 200"));
    context->memory_limit = 0;
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_numpy),
        cmocka_unit_test(dense_equals_ease_off_the_diagonal),
        cmocka_unit_test(ranks_and_likens_as_ease_does),
        cmocka_unit_test(global_pruning_equals_a_full_sort),
        cmocka_unit_test(pruning_by_item_and_by_dimension_keeps_k),
        cmocka_unit_test(same_bits_in_both_storages_at_any_thread_count),
        cmocka_unit_test(singular_gram_names_the_ridge),
        cmocka_unit_test(half_storage_and_memory_are_spoken_of),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
