/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact blocks of the Gram matrix, the sparse approximate inverse factor, incomplete Cholesky, and the methods fsai and
 * chol-sparse: against NumPy (golden/sparse.py), against their definitions on dense matrices, and in the limit of full
 * patterns, where they are the dense model.
 */
#include "numeric/incomplete_cholesky.h"
#include "train/linear/gram_block.h"
#include "train/linear/sparse_inverse.h"

#include "golden/sparse.h"
#include "random_system.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 4000, ITEMS = 60, GOLDEN_USERS = 60, GOLDEN_ITEMS = 12 };

static topn_context *context;
static topn_data *data;
static linear_system linear;

static int setup(void **state)
{
    (void)state;
    const linear_params params = {.l2 = 5, .user_weight_exponent = 0.5, .ridge_exponent = 0.5, .values = 1};
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    data = random_data(context, USERS, ITEMS, 7);
    assert_int_equal(linear_system_create(context, data, &params, ORDER_POPULAR_FIRST, &linear), TOPN_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    linear_system_clear(&linear);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}

/* The interactions of golden/sparse.py. */
static topn_data *golden_data(void)
{
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, GOLDEN_USERS, GOLDEN_ITEMS, GOLDEN_USERS * GOLDEN_ITEMS, &parts.matrix),
                     TOPN_OK);
    uint64_t to = 0, draw = 12345;
    for (uint32_t u = 0; u < GOLDEN_USERS; u++) {
        for (uint32_t i = 0; i < GOLDEN_ITEMS; i++) {
            draw = (draw * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((int)((draw >> 16) % 100) < 70 - 5 * (int)i + ((u + i) % 3 == 0 ? 15 : 0)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f;
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    topn_data *out;
    assert_int_equal(string_table_numbers(context, GOLDEN_USERS, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, GOLDEN_ITEMS, &parts.item_ids), TOPN_OK);
    assert_int_equal(data_assemble(context, &parts, &out), TOPN_OK);
    return out;
}

static double at(const sparse_matrix *matrix, size_t r, size_t c)
{
    for (uint64_t entry = matrix->indptr[r]; entry < matrix->indptr[r + 1]; entry++)
        if (matrix->indices[entry] == c)
            return matrix->values[entry];
    return 0;
}

static double *dense_of(const sparse_matrix *matrix)
{
    double *out = calloc((size_t)matrix->rows * matrix->columns, sizeof *out);
    for (uint32_t r = 0; r < matrix->rows; r++)
        for (uint64_t entry = matrix->indptr[r]; entry < matrix->indptr[r + 1]; entry++)
            out[(size_t)r * matrix->columns + matrix->indices[entry]] = matrix->values[entry];
    return out;
}

/* Trains with "name=value" pairs; NULL ends them. */
static topn_model *train(const topn_data *from, const char *method_name, const char *const *pairs)
{
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method_name, &options), TOPN_OK);
    for (; *pairs; pairs++) {
        char key[64];
        const char *equals = strchr(*pairs, '=');
        snprintf(key, sizeof key, "%.*s", (int)(equals - *pairs), *pairs);
        assert_int_equal(topn_options_set(context, options, key, equals + 1), TOPN_OK);
    }
    assert_int_equal(topn_train(context, from, options, NULL, &model), TOPN_OK);
    topn_options_free(options);
    return model;
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Random sets of items, through one worker, against the dense matrix, whatever belongs to the head. */
static void blocks_equal_the_dense_matrix(void **state)
{
    (void)state;
    enum { SIZE = 17 };
    double *g = dense_system(&linear, true);
    float a[SIZE * SIZE];
    for (uint32_t head = 0; head <= ITEMS; head += 12) {
        gram_source source;
        gram_worker worker;
        assert_int_equal(gram_source_create(context, &linear, head, &source), TOPN_OK);
        assert_true(source.head <= head);
        assert_int_equal(gram_worker_create(context, &source, SIZE, &worker), TOPN_OK);
        for (uint64_t trial = 0; trial < 50; trial++) {
            uint32_t members[SIZE], size = 0;
            const uint32_t most = 1 + random_below(3, RANDOM_ORDER, trial, SIZE);
            for (uint32_t item = 0; item < ITEMS && size < most; item++)
                if (random_uniform(4, RANDOM_ORDER, trial * ITEMS + item) < 0.3)
                    members[size++] = item;
            gram_block_fill(&source, &worker, members, size, a);
            for (uint32_t r = 0; r < size; r++)
                for (uint32_t c = 0; c <= r; c++) {
                    const double expected = g[members[r] * ITEMS + members[c]];
                    assert_true(fabs(a[r * size + c] - expected) <= 1e-5 * (1 + fabs(expected)));
                }
        }
        gram_worker_clear(&worker);
        gram_source_clear(&source);
    }
    free(g);
}

/* F·(G + R)·Fᵀ, and F·(G + R) when `once`. */
static double *product(const double *f, const double *g, bool once)
{
    double *half = calloc(ITEMS * ITEMS, sizeof *half), *out = calloc(ITEMS * ITEMS, sizeof *out);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < ITEMS; k++)
            for (size_t j = 0; j < ITEMS; j++)
                half[i * ITEMS + j] += f[i * ITEMS + k] * g[k * ITEMS + j];
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < ITEMS; k++)
            for (size_t j = 0; j < ITEMS; j++)
                out[i * ITEMS + j] += half[i * ITEMS + k] * f[j * ITEMS + k];
    free(once ? out : half);
    return once ? half : out;
}

static sparse_matrix factor_of(uint32_t k)
{
    const sparse_params params = {.k = k, .alpha = 0.75, .order = ORDER_POPULAR_FIRST};
    record metadata = {0};
    sparse_matrix f;
    assert_int_equal(sparse_inverse_factor(context, &linear, &params, &metadata, &f), TOPN_OK);
    record_clear(&metadata);
    assert_int_equal(sparse_check(context, &f, "F"), TOPN_OK);
    return f;
}

static void full_pattern_is_the_exact_inverse_factor(void **state)
{
    (void)state;
    double *g = dense_system(&linear, true);
    for (size_t i = 0; i < ITEMS * ITEMS; i++)
        assert_true(g[i] != 0); /* every pair is a candidate */
    sparse_matrix f = factor_of(ITEMS);
    double *dense = dense_of(&f), *unit = product(dense, g, false);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++)
            assert_true(fabs(unit[i * ITEMS + j] - (i == j)) <= 1e-5);
    free(g);
    free(dense);
    free(unit);
    sparse_clear(&f);
}

/* Row i: (G + R)[S_i, S_i]·F_i is 0 but for item i, F·(G + R)·Fᵀ has ones on its diagonal, and the larger the sets the
 * nearer the Kullback-Leibler optimum, which is where Σ log F_ii is largest. */
static void rows_satisfy_their_systems(void **state)
{
    (void)state;
    double *g = dense_system(&linear, true), before = -INFINITY;
    for (uint32_t k = 1; k <= 32; k *= 2) {
        sparse_matrix f = factor_of(k);
        double *dense = dense_of(&f), *once = product(dense, g, true), *twice = product(dense, g, false), logs = 0;
        for (uint32_t i = 0; i < ITEMS; i++) {
            const uint64_t begin = f.indptr[i], end = f.indptr[i + 1];
            assert_int_equal(end - begin, k < i + 1 ? k : i + 1);
            assert_int_equal(f.indices[end - 1], i);
            for (uint64_t entry = begin; entry + 1 < end; entry++)
                assert_true(fabs(once[i * ITEMS + f.indices[entry]]) <= 1e-4);
            assert_true(fabs(twice[i * ITEMS + i] - 1) <= 1e-5);
            logs += log(f.values[end - 1]);
        }
        assert_true(logs > before);
        before = logs;
        free(dense);
        free(once);
        free(twice);
        sparse_clear(&f);
    }
    free(g);
}

/* A random symmetric matrix, its rows dominated by the diagonal; below the diagonal a share of the entries. */
static sparse_matrix random_triangle(uint32_t n, double share, double size)
{
    sparse_matrix a;
    uint64_t to = 0;
    assert_int_equal(sparse_create(context, n, n, (uint64_t)n * n, &a), TOPN_OK);
    for (uint32_t r = 0; r < n; r++) {
        for (uint32_t c = 0; c < r; c++) {
            const uint64_t index = (uint64_t)r * n + c;
            if (random_uniform(8, RANDOM_ORDER, index) < share) {
                a.indices[to] = c;
                a.values[to++] = (float)(size * (random_uniform(9, RANDOM_ORDER, index) - 0.5));
            }
        }
        a.indptr[r + 1] = to;
    }
    return a;
}

/* Of L·Lᵀ at most the entries where `pattern` has some, all of them when it is full, differ from A by 1e-5 or less. */
static void nothing_dropped_gives_a_on_its_pattern(void **state)
{
    (void)state;
    enum { N = 300 }; /* more than two blocks */
    const double shares[] = {1, 0.3, 0.02, 0};
    for (size_t trial = 0; trial < 4; trial++) {
        sparse_matrix a = random_triangle(N, shares[trial], 0.05), kept = random_triangle(N, shares[trial], 0.05), l;
        uint64_t raised;
        const incomplete_settings settings = {.diagonal = 1.5, .keep = N, .floor = 0.1};
        assert_int_equal(incomplete_cholesky(context, &a, &settings, &l, &raised), TOPN_OK);
        assert_int_equal(raised, 0);
        assert_int_equal(sparse_check(context, &l, "L"), TOPN_OK);
        double *dense = dense_of(&l);
        for (uint32_t r = 0; r < N; r++) {
            double diagonal = 0;
            for (uint32_t c = 0; c <= r; c++)
                diagonal += dense[r * N + c] * dense[r * N + c];
            assert_true(fabs(diagonal - 1.5) <= 1e-5);
            assert_int_equal(l.indptr[r + 1] - l.indptr[r], kept.indptr[r + 1] - kept.indptr[r] + 1);
            for (uint64_t entry = kept.indptr[r]; entry < kept.indptr[r + 1]; entry++) {
                double sum = 0;
                for (uint32_t m = 0; m <= kept.indices[entry]; m++)
                    sum += dense[r * N + m] * dense[kept.indices[entry] * N + m];
                assert_true(fabs(sum - kept.values[entry]) <= 1e-5);
            }
        }
        free(dense);
        sparse_clear(&a);
        sparse_clear(&kept);
        sparse_clear(&l);
    }
}

/* The same in the plainest form, with dropping. l [n × n]. */
static uint64_t plain_incomplete(const sparse_matrix *a, const incomplete_settings *settings, double *l)
{
    const size_t n = a->rows;
    uint64_t raised = 0;
    for (size_t i = 0; i < n; i++) {
        double *row = l + i * n;
        for (uint64_t entry = a->indptr[i]; entry < a->indptr[i + 1]; entry++) {
            const size_t j = a->indices[entry];
            double value = a->values[entry];
            for (size_t m = 0; m < j; m++)
                value -= row[m] * l[j * n + m];
            value /= l[j * n + j];
            row[j] = fabs(value) < settings->drop ? 0 : value;
        }
        for (;;) {
            size_t count = 0, least = 0;
            for (size_t j = 0; j < i; j++)
                if (row[j] != 0) {
                    least = count++ && fabs(row[least]) <= fabs(row[j]) ? least : j;
                }
            if (count < settings->keep)
                break;
            row[least] = 0;
        }
        double pivot = settings->diagonal;
        for (size_t j = 0; j < i; j++)
            pivot -= row[j] * row[j];
        raised += pivot < settings->floor;
        row[i] = sqrt(fmax(pivot, settings->floor));
    }
    return raised;
}

static void incomplete_factor_equals_its_plain_twin(void **state)
{
    (void)state;
    enum { N = 290 };
    const incomplete_settings settings[] = {{.diagonal = 1.5, .keep = 9, .drop = 0.02, .floor = 0.75},
                                            {.diagonal = 1, .keep = 40, .drop = 0, .floor = 0.9},
                                            {.diagonal = 1, .keep = 1, .drop = 0.001, .floor = 0.5}};
    uint64_t raised_in_all = 0;
    for (size_t trial = 0; trial < 3; trial++) {
        sparse_matrix a = random_triangle(N, 0.3, 0.4), l, again;
        double *expected = calloc((size_t)N * N, sizeof *expected);
        const uint64_t expected_raised = plain_incomplete(&a, &settings[trial], expected);
        uint64_t raised, raised_again;
        assert_int_equal(incomplete_cholesky(context, &a, &settings[trial], &l, &raised), TOPN_OK);
        assert_int_equal(raised, expected_raised);
        raised_in_all += raised;
        double *dense = dense_of(&l);
        for (size_t i = 0; i < (size_t)N * N; i++)
            assert_true(fabs(dense[i] - expected[i]) <= 1e-4);
        sparse_clear(&a);
        a = random_triangle(N, 0.3, 0.4);
        context->threads = 1;
        assert_int_equal(incomplete_cholesky(context, &a, &settings[trial], &again, &raised_again), TOPN_OK);
        context->threads = 2;
        assert_int_equal(l.indptr[N], again.indptr[N]);
        assert_memory_equal(l.indices, again.indices, l.indptr[N] * sizeof *l.indices);
        assert_memory_equal(l.values, again.values, l.indptr[N] * sizeof *l.values);
        free(dense);
        free(expected);
        sparse_clear(&a);
        sparse_clear(&l);
        sparse_clear(&again);
    }
    assert_true(raised_in_all > 0);
}

static void check_golden_rows(const topn_model *model, const double *expected, bool transposed)
{
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    for (size_t r = 0; r < GOLDEN_ITEMS; r++)
        for (size_t c = 0; c < GOLDEN_ITEMS; c++)
            assert_float_equal(at(rows, (size_t)golden_order[r], c),
                               expected[transposed ? c * GOLDEN_ITEMS + r : r * GOLDEN_ITEMS + c], 1e-5);
}

static void check_fsai(const char *anchors, const double *factor, const double *diagonal)
{
    topn_data *golden = golden_data();
    topn_model *model = train(golden, "fsai", PAIRS("l2=3", "k=4", anchors));
    check_golden_rows(model, factor, true);
    for (size_t r = 0; r < GOLDEN_ITEMS; r++) {
        const double expected = -1 / diagonal[r];
        assert_true(fabs(model->table.priors[(size_t)golden_order[r]] - expected) <= 1e-5 * fabs(expected));
    }
    topn_model_free(model);
    topn_data_free(golden);
}

static void fsai_equals_numpy(void **state)
{
    (void)state;
    check_fsai("anchors=0", golden_inverse_factor_anchors_0, golden_diagonal_anchors_0);
    check_fsai("anchors=2", golden_inverse_factor_anchors_2, golden_diagonal_anchors_2);
}

static void check_chol(const char *anchors, const double *incomplete, const double *first_order, double lambda_max)
{
    topn_data *golden = golden_data();
    topn_model *model = train(golden, "chol-sparse", PAIRS("l2=3", "k=4", "inverse-k=4", "beta=2.5", anchors));
    check_golden_rows(model, incomplete, false);
    const double lambda = strtod(record_get(&model->metadata, "train.lambda-max"), NULL);
    assert_true(fabs(lambda - lambda_max) <= 1e-3 * lambda_max);
    topn_model_free(model);
    model =
        train(golden, "chol-sparse", PAIRS("l2=3", "k=4", "inverse-k=4", "beta=2.5", "factor=first-order", anchors));
    check_golden_rows(model, first_order, false);
    topn_model_free(model);
    topn_data_free(golden);
}

static void chol_sparse_equals_numpy(void **state)
{
    (void)state;
    check_chol("anchors=0", golden_chol_sparse_anchors_0, golden_first_order_anchors_0, golden_lambda_max_anchors_0[0]);
    check_chol("anchors=2", golden_chol_sparse_anchors_2, golden_first_order_anchors_2, golden_lambda_max_anchors_2[0]);
}

/* The weights y = x·weights of a shared table, [n × n]. */
static double *weights_of(const topn_model *model)
{
    double *out = calloc(ITEMS * ITEMS, sizeof *out), *rows = dense_of(&model->encoder.rows.sparse);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++) {
            for (size_t m = 0; m < ITEMS; m++)
                out[i * ITEMS + j] += rows[i * ITEMS + m] * rows[j * ITEMS + m];
            out[i * ITEMS + j] *= (double)model->table.priors[j];
        }
    free(rows);
    return out;
}

/* With all neighbours of all items, both methods are dense EASE off the diagonal, in every order. */
static void full_models_are_ease(void **state)
{
    (void)state;
    const char *const orders[] = {"order=popular-first", "order=popular-last", "order=given"};
    topn_model *ease = train(data, "ease", PAIRS("l2=5", "ridge-exponent=0.5"));
    for (size_t order = 0; order < 3; order++) {
        for (int which = 0; which < 2; which++) {
            topn_model *model =
                which
                    ? train(data, "chol-sparse",
                            PAIRS("l2=5", "ridge-exponent=0.5", "k=60", "inverse-k=60", "history-cap=0", "drop=0",
                                  orders[order]))
                    : train(data, "fsai", PAIRS("l2=5", "ridge-exponent=0.5", "k=60", "history-cap=0", orders[order]));
            double *weights = weights_of(model);
            for (size_t i = 0; i < ITEMS; i++)
                for (size_t j = 0; j < ITEMS; j++)
                    if (i != j)
                        assert_float_equal(weights[i * ITEMS + j], ease->encoder.rows.dense.values[i * ITEMS + j],
                                           1e-4);
            free(weights);
            topn_model_free(model);
        }
    }
    topn_model_free(ease);
}

static void a_small_beta_is_refused(void **state)
{
    (void)state;
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "chol-sparse", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "l2", "1"), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "beta", "1.01"), TOPN_OK);
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--beta of chol-sparse: 1.01 is too small"));
    topn_options_free(options);
}

/* Two items that the same users hold, and no ridge. */
static void a_singular_block_names_its_item(void **state)
{
    (void)state;
    static const uint64_t indptr[] = {0, 2, 4, 5};
    static const uint32_t indices[] = {0, 1, 0, 1, 2};
    topn_data *twins;
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_data_copy_csr(context, 3, 3, indptr, indices, NULL, &twins), TOPN_OK);
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "fsai", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "l2", "0"), TOPN_OK);
    assert_int_equal(topn_train(context, twins, options, NULL, &model), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "raise --l2"));
    topn_options_free(options);
    topn_data_free(twins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_equal_the_dense_matrix),
        cmocka_unit_test(full_pattern_is_the_exact_inverse_factor),
        cmocka_unit_test(rows_satisfy_their_systems),
        cmocka_unit_test(nothing_dropped_gives_a_on_its_pattern),
        cmocka_unit_test(incomplete_factor_equals_its_plain_twin),
        cmocka_unit_test(fsai_equals_numpy),
        cmocka_unit_test(chol_sparse_equals_numpy),
        cmocka_unit_test(full_models_are_ease),
        cmocka_unit_test(a_small_beta_is_refused),
        cmocka_unit_test(a_singular_block_names_its_item),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
