/* SPDX-License-Identifier: Apache-2.0
 *
 * SSVD against NumPy (golden/ssvd.py), against CHOL, whose scores it must give unpruned, and under pruning, which it
 * must bear worse (P1 Table 2).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "made_data.h"
#include "train/method.h"

#include "golden/ssvd.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 300, ITEMS = 90 };

static topn_context *context;

/* The interactions of golden/ssvd.py. */
static topn_data *golden_data(void)
{
    static uint32_t pairs[GOLDEN_USERS * GOLDEN_ITEMS][2];
    uint64_t count = 0, state = 12345;
    for (uint32_t u = 0; u < GOLDEN_USERS; u++)
        for (uint32_t i = 0; i < GOLDEN_ITEMS; i++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((int)((state >> 16) % 100) < 70 - 5 * (int)i + ((u + i) % 3 == 0 ? 15 : 0)) {
                pairs[count][0] = u;
                pairs[count++][1] = i;
            }
        }
    return made_data(GOLDEN_USERS, GOLDEN_ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
}

/* beta NULL = auto. */
static topn_model *train(const topn_data *data, const char *method_name, const char *l2, const char *k,
                         const char *beta)
{
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method_name, &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "l2", l2), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "k", k), TOPN_OK);
    if (beta)
        assert_int_equal(topn_options_set(context, options, "beta", beta), TOPN_OK);
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_OK);
    topn_options_free(options);
    return model;
}

static double table_at(const topn_model *model, size_t r, size_t c)
{
    const embedding_table *table = &model->encoder.rows;
    if (table->form == TABLE_DENSE)
        return table->dense.values[r * table->dense.columns + c];
    for (uint64_t at = table->sparse.indptr[r]; at < table->sparse.indptr[r + 1]; at++)
        if (table->sparse.indices[at] == c)
            return table->sparse.values[at];
    return 0;
}

/* Scores of every pair of items: rows ⟨T_i, T_j⟩·π_j. */
static double *scores_of(const topn_model *model, size_t n)
{
    double *out = calloc(n * n, sizeof *out);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            for (size_t c = 0; c < n; c++)
                out[i * n + j] += table_at(model, i, c) * table_at(model, j, c);
            out[i * n + j] *= model->table.priors[j];
        }
    return out;
}

static void embeddings_equal_numpy(void **state)
{
    (void)state;
    topn_data *data = golden_data();
    topn_model *model = train(data, "ssvd", "3", "0", "2.5");
    assert_int_equal(model->encoder.rows.form, TABLE_DENSE);
    assert_null(model->dimension_items);
    for (size_t i = 0; i < GOLDEN_ITEMS; i++)
        for (size_t c = 0; c < GOLDEN_ITEMS; c++)
            assert_float_equal(table_at(model, i, c), golden_ssvd[i * GOLDEN_ITEMS + c], 2e-4);
    topn_model_free(model);
    topn_data_free(data);
}

static void whole_it_scores_as_chol(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, false, 3);
    topn_model *ssvd = train(data, "ssvd", "20", "0", "4"), *chol = train(data, "chol", "20", "0", "4");
    assert_true(strtod(record_get(&ssvd->metadata, "train.factor-residual"), NULL) < 1e-5);
    double *left = scores_of(ssvd, ITEMS), *right = scores_of(chol, ITEMS);
    for (size_t i = 0; i < ITEMS * ITEMS; i++)
        assert_float_equal(left[i], right[i], 2e-4);
    free(left);
    free(right);
    topn_model_free(ssvd);
    topn_model_free(chol);
    topn_data_free(data);
}

/* ‖scores − whole‖ / ‖whole‖ off the diagonal. */
static double distance(const topn_data *data, const char *method_name, const char *k, const double *whole)
{
    topn_model *model = train(data, method_name, "20", k, NULL);
    double *scores = scores_of(model, ITEMS);
    double error = 0, length = 0;
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++) {
            const double difference = scores[i * ITEMS + j] - whole[i * ITEMS + j];
            error += i == j ? 0 : difference * difference;
            length += i == j ? 0 : whole[i * ITEMS + j] * whole[i * ITEMS + j];
        }
    free(scores);
    topn_model_free(model);
    return sqrt(error / length);
}

static void pruned_it_loses_more_than_chol(void **state)
{
    (void)state;
    static const char *const ks[] = {"60", "30", "10"};
    topn_data *data = made_random_data(USERS, ITEMS, false, 4);
    topn_model *model = train(data, "ssvd", "20", "0", NULL);
    double *whole = scores_of(model, ITEMS), before = 0;
    topn_model_free(model);
    for (size_t k = 0; k < 3; k++) {
        const double ssvd = distance(data, "ssvd", ks[k], whole), chol = distance(data, "chol", ks[k], whole);
        assert_true(ssvd > chol);
        assert_true(ssvd > before);
        before = ssvd;
    }
    free(whole);
    topn_data_free(data);
}

static void rows_keep_their_largest(void **state)
{
    (void)state;
    enum { K = 7 };
    topn_data *data = made_random_data(USERS, ITEMS, false, 5);
    topn_model *whole = train(data, "ssvd", "20", "0", NULL), *pruned = train(data, "ssvd", "20", "7", NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        const sparse_matrix *kept = &pruned->encoder.rows.sparse;
        double smallest = INFINITY;
        size_t larger = 0;
        assert_int_equal(kept->indptr[i + 1] - kept->indptr[i], K);
        for (uint64_t at = kept->indptr[i]; at < kept->indptr[i + 1]; at++) {
            assert_true(kept->values[at] == table_at(whole, i, kept->indices[at]));
            smallest = fmin(smallest, fabs(kept->values[at]));
        }
        for (size_t c = 0; c < ITEMS; c++)
            larger += fabs(table_at(whole, i, c)) > smallest;
        assert_true(larger < K);
    }
    topn_model_free(whole);
    topn_model_free(pruned);
    topn_data_free(data);
}

static void too_small_a_beta_is_refused(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, false, 6);
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "ssvd", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "beta", "1"), TOPN_OK);
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--beta of ssvd: 1 is too small"));
    topn_options_free(options);
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
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
        cmocka_unit_test(embeddings_equal_numpy),         cmocka_unit_test(whole_it_scores_as_chol),
        cmocka_unit_test(pruned_it_loses_more_than_chol), cmocka_unit_test(rows_keep_their_largest),
        cmocka_unit_test(too_small_a_beta_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
