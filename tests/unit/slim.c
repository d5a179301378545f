/* SPDX-License-Identifier: Apache-2.0
 *
 * SLIM against other algorithms (golden/slim.py), against its optimality conditions in plain double loops, and by
 * properties.
 */
#include "random_system.h"
#include "train/linear/slim_solver.h"
#include "train/method.h"

#include "file_fixture.h" /* after the others: its global is named context */
#include "golden/slim.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { GOLDEN_USERS = 60, GOLDEN_ITEMS = 12 };

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Trains with "name=value" pairs; NULL ends them. */
static topn_status train(const topn_data *data, const char *method_name, const char *const *pairs, topn_model **out)
{
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method_name, &options), TOPN_OK);
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

static topn_model *trained(const topn_data *data, const char *const *pairs)
{
    topn_model *model;
    if (train(data, "slim", pairs, &model) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    return model;
}

static double figure(const topn_model *model, const char *key)
{
    const char *text = record_get(&model->metadata, key);
    assert_non_null(text);
    return strtod(text, NULL);
}

/* B [n × n]; a model of slim or dense ease. */
static double *weights_of(const topn_model *model)
{
    const size_t n = model->items;
    const embedding_table *rows = &model->encoder.rows;
    double *out = calloc(n * n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; rows->form == TABLE_DENSE && j < n; j++)
            out[i * n + j] = rows->dense.values[i * n + j];
        for (uint64_t at = rows->form == TABLE_SPARSE ? rows->sparse.indptr[i] : 0;
             rows->form == TABLE_SPARSE && at < rows->sparse.indptr[i + 1]; at++)
            out[i * n + rows->sparse.indices[at]] = rows->sparse.values[at];
    }
    return out;
}

static topn_data *golden_data(void)
{
    data_parts parts = {0};
    uint64_t to = 0, state = 12345;
    assert_int_equal(sparse_create(context, GOLDEN_USERS, GOLDEN_ITEMS, GOLDEN_USERS * GOLDEN_ITEMS, &parts.matrix),
                     TOPN_OK);
    for (uint32_t u = 0; u < GOLDEN_USERS; u++) {
        for (uint32_t i = 0; i < GOLDEN_ITEMS; i++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((int)((state >> 16) % 100) < 70 - 5 * (int)i + ((u + i) % 3 == 0 ? 15 : 0)) {
                parts.matrix.indices[to] = i;
                parts.matrix.values[to++] = 1.0f;
            }
        }
        parts.matrix.indptr[u + 1] = to;
    }
    assert_int_equal(string_table_numbers(context, GOLDEN_USERS, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, GOLDEN_ITEMS, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

/* Short histories over many items, near ones together: few pairs have a common user, so G is kept sparse. */
static topn_data *sparse_data(uint32_t users, uint32_t items)
{
    enum { LENGTH = 5 };
    data_parts parts = {0};
    assert_int_equal(sparse_create(context, users, items, (uint64_t)users * LENGTH, &parts.matrix), TOPN_OK);
    for (uint32_t u = 0; u < users; u++) {
        const uint32_t first = random_below(3, RANDOM_ORDER, u, items / 2);
        for (uint32_t h = 0; h < LENGTH; h++) {
            parts.matrix.indices[u * LENGTH + h] =
                (first + h * h + random_below(4, RANDOM_ORDER, u * LENGTH + h, 2 * h + 1)) % items;
            parts.matrix.values[u * LENGTH + h] = 1;
        }
        parts.matrix.indptr[u + 1] = (u + 1) * LENGTH;
    }
    assert_int_equal(string_table_numbers(context, users, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, items, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

/* The problem in plain double loops: G = XᵀX (X binary), a ridge of l2, which weights may differ from zero. */
typedef struct plain_problem {
    const topn_data *data;
    double l1, l2;
    bool nonnegative;
    const uint8_t *allowed; /* [items × items] or NULL */
} plain_problem;

/* The largest violation of the optimality conditions over all coordinates of all columns of `weights`, each divided by
 * the largest |G_ij| of its column. */
static double kkt_residual(const plain_problem *problem, const double *weights)
{
    const sparse_matrix *x = &problem->data->matrix;
    const size_t n = x->columns;
    double *g = calloc(n * n, sizeof *g), worst = 0;
    for (uint32_t u = 0; u < x->rows; u++)
        for (uint64_t p = x->indptr[u]; p < x->indptr[u + 1]; p++)
            for (uint64_t q = x->indptr[u]; q < x->indptr[u + 1]; q++)
                g[x->indices[p] * n + x->indices[q]] += 1;
    for (size_t j = 0; j < n; j++) {
        double scale = 0, missed = 0;
        for (size_t i = 0; i < n; i++)
            if (i != j && g[i * n + j] > scale)
                scale = g[i * n + j];
        for (size_t i = 0; i < n; i++) {
            const double w = weights[i * n + j];
            if (i == j || (problem->allowed && !problem->allowed[i * n + j])) {
                assert_true(w == 0);
                continue;
            }
            double r = g[i * n + j] - problem->l2 * w;
            for (size_t k = 0; k < n; k++)
                if (weights[k * n + j] != 0)
                    r -= g[i * n + k] * weights[k * n + j];
            const double at_zero = fmax(0, (problem->nonnegative ? r : fabs(r)) - problem->l1);
            missed = fmax(missed, w == 0 ? at_zero : fabs(r - (w > 0 ? problem->l1 : -problem->l1)));
        }
        if (scale > 0)
            worst = fmax(worst, missed / scale);
    }
    free(g);
    return worst;
}

static void check_golden(const char *const *pairs, const double *expected)
{
    topn_data *data = golden_data();
    topn_model *model = trained(data, pairs);
    double *weights = weights_of(model);
    for (size_t at = 0; at < GOLDEN_ITEMS * GOLDEN_ITEMS; at++) {
        assert_float_equal(weights[at], expected[at], 2e-6);
        if (expected[at] == 0)
            assert_true(weights[at] == 0);
    }
    free(weights);
    topn_model_free(model);
    topn_data_free(data);
}

static void weights_equal_those_of_other_algorithms(void **state)
{
    (void)state;
    check_golden(PAIRS("l1=2", "l2=3", "tolerance=1e-7"), golden_slim);
    check_golden(PAIRS("l1=0.5", "l2=3", "nonnegative=false", "tolerance=1e-7"), golden_slim_signed);
    check_golden(PAIRS("l1=1", "l2=2", "user-weight-exponent=0.5", "ridge-exponent=0.75", "tolerance=1e-7"),
                 golden_slim_weighted);
}

/* Trains with both signs; the residual recorded is that of the plain loops, and the tolerance is met. */
static void check_optimality(const topn_data *data, const char *l1, const char *l2)
{
    char l1_pair[32], l2_pair[32];
    snprintf(l1_pair, sizeof l1_pair, "l1=%s", l1);
    snprintf(l2_pair, sizeof l2_pair, "l2=%s", l2);
    for (int nonnegative = 0; nonnegative < 2; nonnegative++) {
        topn_model *model =
            trained(data, PAIRS(l1_pair, l2_pair, nonnegative ? "nonnegative=true" : "nonnegative=false"));
        double *weights = weights_of(model);
        const plain_problem problem = {data, strtod(l1, NULL), strtod(l2, NULL), nonnegative, NULL};
        const double residual = kkt_residual(&problem, weights);
        assert_true(residual <= 1e-6 && residual > 0);
        assert_float_equal(residual, figure(model, "train.kkt-residual"), 1e-8);
        assert_true(figure(model, "train.unconverged-items") == 0);
        uint64_t negative = 0;
        for (size_t at = 0; at < (size_t)model->items * model->items; at++)
            negative += weights[at] < 0;
        assert_int_equal(nonnegative && negative, 0);
        if (!nonnegative)
            assert_true(negative > 10);
        free(weights);
        topn_model_free(model);
    }
}

static void optimality_holds_in_plain_double_loops(void **state)
{
    (void)state;
    topn_data *dense = random_data(context, 400, 300, 11), *sparse = sparse_data(3000, 700);
    check_optimality(dense, "4", "20");
    check_optimality(dense, "0.5", "1");
    check_optimality(sparse, "0.3", "2");
    topn_data_free(dense);
    topn_data_free(sparse);
}

static void without_penalty_and_sign_it_is_ease(void **state)
{
    enum { N = 80 };
    (void)state;
    topn_data *data = random_data(context, 500, N, 4);
    topn_model *ease, *slim = trained(data, PAIRS("l1=0", "l2=20", "nonnegative=false", "tolerance=1e-7"));
    assert_int_equal(train(data, "ease", PAIRS("l2=20"), &ease), TOPN_OK);
    double *left = weights_of(slim), *right = weights_of(ease);
    for (size_t at = 0; at < N * N; at++)
        assert_float_equal(left[at], right[at], 1e-5);
    free(left);
    free(right);
    topn_model_free(slim);
    topn_model_free(ease);
    topn_data_free(data);
}

static void same_bits_at_any_thread_count(void **state)
{
    enum { N = 300 };
    static const int threads[] = {1, 2, 5};
    (void)state;
    topn_data *data = random_data(context, 300, N, 5);
    topn_model *models[3];
    const int before = context->threads;
    for (int run = 0; run < 3; run++) {
        context->threads = threads[run];
        models[run] = trained(data, PAIRS("l1=2", "l2=10", "user-weight-exponent=0.5", "path=3"));
    }
    context->threads = before;
    const sparse_matrix *a = &models[0]->encoder.rows.sparse;
    assert_true(a->indptr[N] > N);
    for (int run = 1; run < 3; run++) {
        const sparse_matrix *b = &models[run]->encoder.rows.sparse;
        assert_memory_equal(a->indptr, b->indptr, (N + 1) * sizeof *a->indptr);
        assert_memory_equal(a->indices, b->indices, a->indptr[N] * sizeof *a->indices);
        assert_memory_equal(a->values, b->values, a->indptr[N] * sizeof *a->values);
        assert_true(figure(models[0], "train.sweeps") == figure(models[run], "train.sweeps"));
    }
    for (int run = 0; run < 3; run++)
        topn_model_free(models[run]);
    topn_data_free(data);
}

static void same_weights(const topn_model *left, const topn_model *right, double tolerance)
{
    double *a = weights_of(left), *b = weights_of(right);
    for (size_t at = 0; at < (size_t)left->items * left->items; at++)
        assert_float_equal(a[at], b[at], tolerance);
    free(a);
    free(b);
}

/* `data` without the items where index % 5 == 2; the others keep their ids and get new indices. */
static topn_data *without_some_items(const topn_data *data)
{
    const uint32_t n = data->matrix.columns;
    bool *keep = calloc(n, sizeof *keep);
    for (uint32_t item = 0; item < n; item++)
        keep[item] = item % 5 != 2;
    topn_data *out;
    const data_selection selection = {.keep_item = keep, .compact_items = true};
    assert_int_equal(data_select(context, data, &selection, &out), TOPN_OK);
    free(keep);
    return out;
}

static void start_gives_the_same_optimum_sooner(void **state)
{
    (void)state;
    char start[80];
    topn_data *data = random_data(context, 400, 200, 6), *fewer = without_some_items(data);
    topn_model *near = trained(data, PAIRS("l1=3.2", "l2=10"));
    assert_int_equal(topn_model_save(context, near, path), TOPN_OK);
    snprintf(start, sizeof start, "start-from=%s", path);
    const topn_data *each[] = {data, fewer};
    for (int d = 0; d < 2; d++) {
        topn_model *cold = trained(each[d], PAIRS("l1=3", "l2=10", "tolerance=1e-7"));
        topn_model *warm = trained(each[d], PAIRS("l1=3", "l2=10", "tolerance=1e-7", start));
        same_weights(cold, warm, 1e-6);
        assert_true(figure(warm, "train.sweeps") < figure(cold, "train.sweeps"));
        topn_model_free(cold);
        topn_model_free(warm);
    }
    topn_model *again_model = trained(data, PAIRS("l1=3.2", "l2=10", start)); /* the optimum itself: nothing to do */
    assert_true(figure(again_model, "train.sweeps") == 0);
    same_weights(near, again_model, 0);
    topn_model_free(again_model);
    topn_model_free(near);
    topn_data_free(data);
    topn_data_free(fewer);
}

static void path_leads_to_the_same_optimum(void **state)
{
    (void)state;
    topn_data *data = random_data(context, 300, 100, 8);
    for (int nonnegative = 0; nonnegative < 2; nonnegative++) {
        const char *sign = nonnegative ? "nonnegative=true" : "nonnegative=false";
        topn_model *direct = trained(data, PAIRS("l1=2", "l2=10", "tolerance=1e-7", sign));
        topn_model *along = trained(data, PAIRS("l1=2", "l2=10", "tolerance=1e-7", "path=10", sign));
        same_weights(direct, along, 1e-6);
        topn_model_free(direct);
        topn_model_free(along);
    }
    topn_data_free(data);
}

/* The pairs that `model` allows in `data`, by its ids. */
static uint8_t *allowed_pairs(const topn_model *model, const topn_data *data)
{
    const size_t n = data->matrix.columns;
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    uint8_t *out = calloc(n * n, 1);
    for (uint32_t row = 0; row < model->items; row++)
        for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++) {
            const bool factor = model->dimension_items != NULL;
            const uint32_t column = factor ? model->dimension_items[rows->indices[at]] : rows->indices[at];
            uint32_t i, j;
            if (!id_index_find(&data->items_by_id, string_table_get(&model->item_ids, row), &i) ||
                !id_index_find(&data->items_by_id, string_table_get(&model->item_ids, column), &j))
                continue;
            out[i * n + j] = 1;
            if (factor)
                out[j * n + i] = 1;
        }
    return out;
}

static void pattern_is_kept_and_optimal_within(void **state)
{
    static const char *const methods[] = {"ease", "slim", "chol"};
    (void)state;
    char pattern[80];
    topn_data *data = random_data(context, 400, 150, 7), *fewer = without_some_items(data);
    snprintf(pattern, sizeof pattern, "pattern-from=%s", path);
    for (int m = 0; m < 3; m++) {
        topn_model *source;
        assert_int_equal(train(data, methods[m], PAIRS("l2=10", "k=20"), &source), TOPN_OK);
        assert_int_equal(topn_model_save(context, source, path), TOPN_OK);
        uint8_t *allowed = allowed_pairs(source, fewer);
        for (int nonnegative = 0; nonnegative < 2; nonnegative++) {
            topn_model *model = trained(
                fewer, PAIRS("l1=0.5", "l2=10", pattern, nonnegative ? "nonnegative=true" : "nonnegative=false"));
            double *weights = weights_of(model);
            const plain_problem problem = {fewer, 0.5, 10, nonnegative, allowed};
            assert_true(kkt_residual(&problem, weights) <= 1e-6);
            assert_true(figure(model, "train.weights") > model->items);
            free(weights);
            topn_model_free(model);
        }
        free(allowed);
        topn_model_free(source);
    }
    topn_data_free(data);
    topn_data_free(fewer);
}

static void models_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    char start[80], pattern[80];
    topn_data *data = golden_data(), *other = random_data(context, 50, 20, 1);
    topn_model *model, *none;
    snprintf(start, sizeof start, "start-from=%s", path);
    snprintf(pattern, sizeof pattern, "pattern-from=%s", path);
    assert_int_equal(train(data, "chol", PAIRS("k=4"), &model), TOPN_OK);
    assert_int_equal(topn_model_save(context, model, path), TOPN_OK);
    assert_int_equal(train(data, "slim", PAIRS(start), &none), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--start-from"));
    topn_model_free(model);
    assert_int_equal(train(data, "popularity", PAIRS("values=binary"), &model), TOPN_OK);
    assert_int_equal(topn_model_save(context, model, path), TOPN_OK);
    assert_int_equal(train(data, "slim", PAIRS(pattern), &none), TOPN_ERROR_OPTION);
    topn_model_free(model);
    string_table names;
    static const char *const strangers[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
    assert_int_equal(string_table_create(context, strangers, GOLDEN_ITEMS, &names), TOPN_OK);
    model = trained(data, PAIRS("l1=1", "l2=1"));
    string_table_clear(&model->item_ids);
    model->item_ids = names;
    assert_int_equal(topn_model_save(context, model, path), TOPN_OK);
    assert_int_equal(train(data, "slim", PAIRS(start), &none), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "no item"));
    topn_model_free(model);
    assert_int_equal(train(data, "slim", PAIRS("start-from=/nonexistent/model"), &none), TOPN_ERROR_IO);
    topn_data_free(data);
    topn_data_free(other);
}

static void k_keeps_the_largest_of_each_item(void **state)
{
    enum { N = 150, K = 7 };
    (void)state;
    topn_data *data = random_data(context, 300, N, 9);
    topn_model *all = trained(data, PAIRS("l1=1", "l2=10")), *pruned = trained(data, PAIRS("l1=1", "l2=10", "k=7"));
    topn_model *later;
    assert_int_equal(topn_model_prune(context, all, K, TOPN_PRUNE_ITEM, &later), TOPN_OK);
    same_weights(later, pruned, 0);
    assert_string_equal(record_get(&later->metadata, "option.k"), "7");
    topn_model_free(later);
    double *full = weights_of(all), *kept = weights_of(pruned);
    uint32_t cut = 0;
    for (size_t j = 0; j < N; j++) {
        size_t count = 0, wanted = 0;
        double least = INFINITY;
        for (size_t i = 0; i < N; i++) {
            assert_true(kept[i * N + j] == 0 || kept[i * N + j] == full[i * N + j]);
            wanted += full[i * N + j] != 0;
            count += kept[i * N + j] != 0;
            least = kept[i * N + j] != 0 ? fmin(least, fabs(kept[i * N + j])) : least;
        }
        assert_int_equal(count, wanted < K ? wanted : K);
        cut += wanted > K;
        for (size_t i = 0; i < N; i++)
            if (kept[i * N + j] == 0 && wanted > K)
                assert_true(fabs(full[i * N + j]) <= least);
    }
    assert_true(cut > N / 2);
    free(full);
    free(kept);
    topn_model_free(all);
    topn_model_free(pruned);
    topn_data_free(data);
}

/* More weights than a working set's square holds, on dense and on sparse rows; checked over all coordinates. */
static void long_columns_are_solved_on_the_rows(void **state)
{
    enum { N = 1200, USERS = 300, COLUMNS = 3 };
    (void)state;
    topn_data *data = random_data(context, USERS, N, 12);
    float *g = calloc((size_t)N * N, sizeof *g), values[N];
    double *diagonal = calloc(N, sizeof *diagonal);
    uint32_t indices[N];
    sparse_matrix sparse;
    const sparse_matrix *x = &data->matrix;
    for (uint32_t u = 0; u < USERS; u++)
        for (uint64_t p = x->indptr[u]; p < x->indptr[u + 1]; p++)
            for (uint64_t q = x->indptr[u]; q < x->indptr[u + 1]; q++)
                g[x->indices[p] * N + x->indices[q]] += 1;
    assert_int_equal(sparse_create(context, N, N, (uint64_t)N * N, &sparse), TOPN_OK);
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t j = 0; j < N; j++) {
            sparse.indices[(size_t)i * N + j] = j;
            sparse.values[(size_t)i * N + j] = g[(size_t)i * N + j]; /* with the diagonal, which is to be ignored */
        }
        sparse.indptr[i + 1] = (uint64_t)(i + 1) * N;
        diagonal[i] = g[(size_t)i * N + i] + 300;
        g[(size_t)i * N + i] = 0;
    }
    for (int form = 0; form < 2; form++) {
        const slim_problem problem = {.items = N,
                                      .dense = form ? NULL : g,
                                      .sparse = &sparse,
                                      .diagonal = diagonal,
                                      .tolerance = 1e-6,
                                      .path = 1,
                                      .max_sweeps = 10000};
        slim_worker *worker;
        assert_int_equal(slim_worker_create(context, &problem, &worker), TOPN_OK);
        for (uint32_t j = 0; j < COLUMNS; j++) {
            slim_column column;
            slim_solve(&problem, worker, j, indices, values, &column);
            assert_true(column.converged && column.count > 1024);
            double scale = 0, missed = 0;
            for (uint32_t i = 0; i < N; i++) {
                if (i == j)
                    continue;
                double r = g[(size_t)i * N + j];
                scale = fmax(scale, r);
                for (uint32_t at = 0; at < column.count; at++)
                    r -= (indices[at] == i ? diagonal[i] : g[(size_t)i * N + indices[at]]) * values[at];
                missed = fmax(missed, fabs(r));
            }
            assert_true(missed <= 1e-6 * scale);
        }
        slim_worker_free(worker);
    }
    sparse_clear(&sparse);
    free(g);
    free(diagonal);
    topn_data_free(data);
}

static bool warned;

static void look_for_warning(const char *line, void *data)
{
    (void)data;
    warned |= strstr(line, "--max-sweeps") != NULL;
}

static void too_few_sweeps_are_reported(void **state)
{
    (void)state;
    topn_data *data = random_data(context, 300, 100, 2);
    warned = false;
    topn_context_set_log(context, look_for_warning, NULL);
    topn_model *model = trained(data, PAIRS("l1=1", "l2=10"));
    assert_false(warned);
    topn_model_free(model);
    model = trained(data, PAIRS("l1=1", "l2=10", "max-sweeps=2"));
    topn_context_set_log(context, NULL, NULL);
    assert_true(warned);
    assert_true(figure(model, "train.unconverged-items") > 50);
    double *weights = weights_of(model);
    const plain_problem problem = {data, 1, 10, true, NULL};
    const double residual = kkt_residual(&problem, weights);
    assert_true(residual > 1e-6);
    assert_float_equal(residual, figure(model, "train.kkt-residual"), 1e-3 * residual + 1e-8);
    free(weights);
    topn_model_free(model);
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_equal_those_of_other_algorithms),
        cmocka_unit_test(optimality_holds_in_plain_double_loops),
        cmocka_unit_test(without_penalty_and_sign_it_is_ease),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(start_gives_the_same_optimum_sooner),
        cmocka_unit_test(path_leads_to_the_same_optimum),
        cmocka_unit_test(pattern_is_kept_and_optimal_within),
        cmocka_unit_test(models_that_do_not_fit_are_refused),
        cmocka_unit_test(k_keeps_the_largest_of_each_item),
        cmocka_unit_test(long_columns_are_solved_on_the_rows),
        cmocka_unit_test(too_few_sweeps_are_reported),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
