/* SPDX-License-Identifier: Apache-2.0
 *
 * --pattern-from: what is kept are the source's entries, between items matched by id, with the values of the factor of
 * the new data, which a plain double-precision twin computes here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "made_data.h"
#include "model/model_file.h"
#include "train/method.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 260, ITEMS = 70, K = 6 };

static topn_context *context;
static uint64_t failing; /* the allocation that fails in training; 0 = none */
static char path[] = "/tmp/topn-pattern-XXXXXX";

/* Items named i<first> … i<first + items − 1>; low ones are popular, neighbours go together. */
static topn_data *shifted_data(uint32_t first, uint32_t items, uint64_t seed)
{
    data_parts parts = {0};
    topn_data *data;
    uint32_t numbers[2 * ITEMS];
    made(sparse_create(NULL, USERS, items, (uint64_t)USERS * items, &parts.matrix));
    uint64_t to = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < items; item++) {
            const double draw = random_uniform(seed, RANDOM_ORDER, (uint64_t)user * items + item);
            if (draw < 0.5 / (1 + 0.05 * item) + ((user + first + item) % 7 == 0 ? 0.2 : 0)) {
                parts.matrix.indices[to] = item;
                parts.matrix.values[to++] = 1;
            }
        }
        parts.matrix.indptr[user + 1] = to;
    }
    for (uint32_t item = 0; item < items; item++)
        numbers[item] = first + item;
    parts.user_ids = made_ids("u", NULL, USERS);
    parts.item_ids = made_ids("i", numbers, items);
    made(data_assemble(NULL, &parts, &data));
    return data;
}

/* Trains with --l2 20 --beta 5 (where there is one), k, and the pattern of the model saved in `path` when asked for. */
static topn_status train(const topn_data *data, const char *method_name, const char *k, bool reuse, topn_model **out)
{
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method_name, &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "l2", "20"), TOPN_OK);
    if (topn_options_has(options, "k"))
        assert_int_equal(topn_options_set(context, options, "k", k), TOPN_OK);
    if (topn_options_has(options, "beta"))
        assert_int_equal(topn_options_set(context, options, "beta", "5"), TOPN_OK);
    if (reuse)
        assert_int_equal(topn_options_set(context, options, "pattern-from", path), TOPN_OK);
    memory_fail_after(failing);
    const topn_status status = topn_train(context, data, options, NULL, out);
    memory_fail_after(0);
    topn_options_free(options);
    return status;
}

static topn_model *trained(const topn_data *data, const char *method_name, const char *k, bool reuse)
{
    topn_model *model;
    const topn_status status = train(data, method_name, k, reuse, &model);
    if (status != TOPN_OK)
        fail_msg("%s: %s", method_name, topn_context_message(context));
    return model;
}

static topn_model *saved(topn_model *model)
{
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    return model;
}

static void assert_same_sparse(const sparse_matrix *a, const sparse_matrix *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->indptr, b->indptr, ((size_t)a->rows + 1) * sizeof *a->indptr);
    assert_memory_equal(a->indices, b->indices, a->indptr[a->rows] * sizeof *a->indices);
    assert_memory_equal(a->values, b->values, a->indptr[a->rows] * sizeof *a->values);
}

static void on_its_own_data_it_is_the_same_model(void **state)
{
    (void)state;
    static const char *const methods[] = {"chol", "inverse-factor"};
    topn_data *data = shifted_data(0, ITEMS, 1);
    for (size_t i = 0; i < 2; i++) {
        topn_model *source = saved(trained(data, methods[i], "6", false));
        topn_model *again = trained(data, methods[i], "6", true);
        assert_memory_equal(source->dimension_items, again->dimension_items, ITEMS * sizeof *again->dimension_items);
        assert_same_sparse(&source->encoder.rows.sparse, &again->encoder.rows.sparse);
        assert_string_equal(record_get(&again->metadata, "train.pattern-items"), "70");
        topn_model_free(source);
        topn_model_free(again);
    }
    topn_data_free(data);
}

/* S = (β−1)·diag(d) off which B = S·diag(1/d) is EASE's, in the order of the model's dimensions; its factor [n × n]. */
static double *plain_factor(const topn_data *data, const topn_model *model)
{
    const uint32_t n = model->items, *at = model->dimension_items;
    topn_model *ease = trained(data, "ease", "0", false);
    double *l = calloc((size_t)n * n, sizeof *l);
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t c = 0; c <= r; c++) {
            const double d = 1.0 / model->table.priors[at[c]];
            double sum = r == c ? 4.0 * d : ease->encoder.rows.dense.values[(size_t)at[r] * n + at[c]] * d;
            for (uint32_t k = 0; k < c; k++)
                sum -= l[r * n + k] * l[c * n + k];
            l[r * n + c] = r == c ? sqrt(sum) : sum / l[c * n + c];
        }
    topn_model_free(ease);
    return l;
}

/* Position in dimension_items [n] of an item. */
static uint32_t place_of(const topn_model *model, uint32_t item)
{
    uint32_t place = 0;
    while (model->dimension_items[place] != item)
        place++;
    return place;
}

/* The model's item of that id, or UINT32_MAX. */
static uint32_t same_item(const topn_model *from, uint32_t item, const topn_model *to)
{
    uint32_t found;
    return id_index_find(&to->items_by_id, string_table_get(&from->item_ids, item), &found) ? found : UINT32_MAX;
}

/* Entry (item, other) of a model's table, and whether it is stored. */
static bool entry_of(const topn_model *model, uint32_t item, uint32_t other, float *value)
{
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
        if (model->dimension_items[rows->indices[at]] == other) {
            *value = rows->values[at];
            return true;
        }
    return false;
}

/* Known items come first, in the source's order. */
static void check_order(const topn_model *source, const topn_model *model, uint32_t known)
{
    uint32_t before = 0;
    for (uint32_t place = 0; place < model->items; place++) {
        const uint32_t theirs = same_item(model, model->dimension_items[place], source);
        assert_int_equal(theirs != UINT32_MAX, place < known);
        if (theirs == UINT32_MAX)
            continue;
        assert_true(place == 0 || place_of(source, theirs) > before);
        before = place_of(source, theirs);
    }
}

static void other_data_keep_the_entries_of_known_items(void **state)
{
    (void)state;
    enum { FIRST = 25, KNOWN = ITEMS - FIRST };
    topn_data *left = shifted_data(0, ITEMS, 1), *right = shifted_data(FIRST, ITEMS, 2);
    topn_model *source = saved(trained(left, "chol", "6", false)), *model = trained(right, "chol", "6", true);
    double *l = plain_factor(right, model);
    check_order(source, model, KNOWN);
    for (uint32_t item = 0; item < ITEMS; item++) {
        const uint32_t theirs = same_item(model, item, source), own = place_of(model, item);
        uint32_t kept = 0, larger = 0;
        double smallest = INFINITY;
        float value, ignored;
        for (uint32_t place = 0; place < ITEMS; place++) {
            const uint32_t other = model->dimension_items[place], other_theirs = same_item(model, other, source);
            const bool stored = entry_of(model, item, other, &value);
            if (theirs != UINT32_MAX)
                assert_int_equal(stored,
                                 other_theirs != UINT32_MAX && entry_of(source, theirs, other_theirs, &ignored));
            if (!stored)
                continue;
            assert_float_equal(value, l[own * ITEMS + place], 1e-4 * fabs(l[own * ITEMS + own]));
            smallest = fmin(smallest, fabs(l[own * ITEMS + place]));
            kept++;
        }
        for (uint32_t place = 0; place <= own; place++)
            larger += fabs(l[own * ITEMS + place]) > smallest * (1 + 1e-4);
        if (theirs == UINT32_MAX)
            assert_true(kept == K && larger < K);
    }
    assert_string_equal(record_get(&model->metadata, "train.pattern-items"), "45");
    free(l);
    topn_model_free(source);
    topn_model_free(model);
    topn_data_free(left);
    topn_data_free(right);
}

/* A factor of the other kind has the same structure the other way round. */
static void every_kind_of_factor_serves_every_other(void **state)
{
    (void)state;
    static const char *const sources[] = {"chol", "inverse-factor", "fsai", "chol-sparse"}, *const methods[] = {
                                                                                                "chol",
                                                                                                "inverse-factor"};
    topn_data *data = shifted_data(0, ITEMS, 3);
    for (size_t s = 0; s < 4; s++)
        for (size_t m = 0; m < 2; m++) {
            topn_model *source = saved(trained(data, sources[s], "6", false));
            topn_model *model = trained(data, methods[m], "6", true);
            const sparse_matrix *theirs = &source->encoder.rows.sparse, *rows = &model->encoder.rows.sparse;
            assert_int_equal(rows->indptr[ITEMS], theirs->indptr[ITEMS]);
            for (uint32_t item = 0; item < ITEMS; item++)
                for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
                    float value;
                    assert_true(entry_of(source, item, model->dimension_items[rows->indices[at]], &value));
                    assert_true(rows->values[at] != 0);
                }
            topn_model_free(source);
            topn_model_free(model);
        }
    topn_data_free(data);
}

static void unknown_items_of_the_inverse_factor_come_first(void **state)
{
    (void)state;
    topn_data *left = shifted_data(0, ITEMS, 1), *right = shifted_data(20, ITEMS, 2);
    topn_model *source = saved(trained(left, "inverse-factor", "6", false));
    topn_model *model = trained(right, "inverse-factor", "6", true);
    const sparse_matrix *rows = &model->encoder.rows.sparse;
    for (uint32_t place = 0; place < ITEMS; place++) {
        const uint32_t item = model->dimension_items[place];
        assert_int_equal(same_item(model, item, source) == UINT32_MAX, place < 20);
        if (place < 20)
            assert_int_equal(rows->indptr[item + 1] - rows->indptr[item], K);
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++)
            assert_true(rows->indices[at] >= place);
    }
    topn_model_free(source);
    topn_model_free(model);
    topn_data_free(left);
    topn_data_free(right);
}

static void same_bits_at_any_thread_count(void **state)
{
    (void)state;
    topn_data *left = shifted_data(0, ITEMS, 1), *right = shifted_data(25, ITEMS, 2);
    topn_model_free(saved(trained(left, "chol", "6", false)));
    const int threads = context->threads;
    context->threads = 1;
    topn_model *one = trained(right, "chol", "6", true);
    context->threads = 4;
    topn_model *four = trained(right, "chol", "6", true);
    context->threads = threads;
    assert_same_sparse(&one->encoder.rows.sparse, &four->encoder.rows.sparse);
    topn_model_free(one);
    topn_model_free(four);
    topn_data_free(left);
    topn_data_free(right);
}

static void refused(const topn_data *data, const char *k, const char *text)
{
    topn_model *model;
    assert_int_equal(train(data, "chol", k, true, &model), TOPN_ERROR_OPTION);
    assert_null(model);
    if (!strstr(topn_context_message(context), text))
        fail_msg("%s", topn_context_message(context));
}

static void what_has_no_pattern_is_refused(void **state)
{
    (void)state;
    topn_data *data = shifted_data(0, ITEMS, 1), *apart = shifted_data(500, ITEMS, 1);
    topn_model_free(saved(trained(data, "chol", "0", false)));
    refused(data, "6", "is a dense model of chol");
    topn_model_free(saved(trained(data, "ease", "5", false)));
    refused(data, "6", "is a sparse model of ease");
    topn_model_free(saved(trained(data, "chol", "6", false)));
    refused(data, "0", "option --k of chol");
    refused(apart, "6", "no item of");
    topn_data_free(data);
    topn_data_free(apart);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    topn_data *left = shifted_data(0, 20, 1), *right = shifted_data(5, 20, 2);
    topn_model_free(saved(trained(left, "chol", "4", false)));
    topn_status status = TOPN_ERROR_MEMORY;
    for (uint64_t at = 1; status != TOPN_OK; at++) {
        topn_model *model;
        assert_true(at < 2000);
        failing = at;
        status = train(right, "chol", "4", true, &model);
        failing = 0;
        assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
        topn_model_free(model);
    }
    topn_data_free(left);
    topn_data_free(right);
}

/* Fewer numbers an item are not what training with that k and the pattern would give. */
static void pruning_it_is_recorded_as_such(void **state)
{
    (void)state;
    topn_data *data = shifted_data(0, ITEMS, 1);
    topn_model_free(saved(trained(data, "chol", "6", false)));
    topn_model *model = trained(data, "chol", "6", true), *pruned;
    assert_int_equal(topn_model_prune(context, model, 3, TOPN_PRUNE_ROW, &pruned), TOPN_OK);
    assert_string_equal(record_get(&pruned->metadata, "prune.k"), "3");
    assert_string_equal(record_get(&pruned->metadata, "option.k"), "6");
    topn_model_free(model);
    topn_model_free(pruned);
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    const int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    return topn_context_create(&context) != TOPN_OK;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_its_own_data_it_is_the_same_model),
        cmocka_unit_test(other_data_keep_the_entries_of_known_items),
        cmocka_unit_test(every_kind_of_factor_serves_every_other),
        cmocka_unit_test(unknown_items_of_the_inverse_factor_come_first),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(what_has_no_pattern_is_refused),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(pruning_it_is_recorded_as_such),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
