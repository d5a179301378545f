/* SPDX-License-Identifier: Apache-2.0
 *
 * Neighbourhood methods against NumPy (golden/neighbor.py), and on random data against the definitions, entry by entry.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"
#include "train/method.h"

#include "golden/neighbor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 40, ITEMS = 9 };

static topn_data *assemble(topn_context *context, sparse_matrix matrix)
{
    data_parts parts = {.has_weights = true, .matrix = matrix};
    assert_int_equal(string_table_numbers(context, matrix.rows, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_numbers(context, matrix.columns, &parts.item_ids), TOPN_OK);
    topn_data *data;
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

/* The interactions of golden/neighbor.py, with their weights. */
static topn_data *golden_data(topn_context *context)
{
    sparse_matrix x;
    uint64_t to = 0, state = 777;
    assert_int_equal(sparse_create(context, USERS, ITEMS, USERS * ITEMS, &x), TOPN_OK);
    for (uint32_t u = 0; u < USERS; u++) {
        for (uint32_t i = 0; i < ITEMS; i++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            const uint32_t draw = (uint32_t)(state >> 16) % 100;
            if (draw < 65 - 5 * i + ((u + i) % 3 == 0 ? 20 : 0)) {
                x.indices[to] = i;
                x.values[to++] = 1.0f + (float)(draw % 4);
            }
        }
        x.indptr[u + 1] = to;
    }
    return assemble(context, x);
}

/* Random data: item i of user u with a probability that falls with i; every seventh user has nothing. */
static topn_data *random_data(topn_context *context, uint32_t users, uint32_t items, uint64_t seed)
{
    sparse_matrix x;
    uint64_t to = 0;
    assert_int_equal(sparse_create(context, users, items, (uint64_t)users * items, &x), TOPN_OK);
    for (uint32_t u = 0; u < users; u++) {
        for (uint32_t i = 0; i < items && u % 7 != 6; i++) {
            const double draw = random_uniform(seed, RANDOM_ORDER, (uint64_t)u * items + i);
            if (draw < 0.5 / (1 + 6.0 * i / items)) {
                x.indices[to] = i;
                x.values[to++] = 1.0f + (float)(draw * 10);
            }
        }
        x.indptr[u + 1] = to;
    }
    return assemble(context, x);
}

/* Trains with "name=value" pairs; NULL ends them. */
static topn_model *train(topn_context *context, const topn_data *data, const char *method_name,
                         const char *const *pairs)
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
    if (topn_train(context, data, options, NULL, &model) != TOPN_OK)
        fail_msg("%s: %s", method_name, topn_context_message(context));
    topn_options_free(options);
    return model;
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

static double table_at(const embedding_table *table, uint32_t row, uint32_t column)
{
    for (uint64_t at = table->sparse.indptr[row]; at < table->sparse.indptr[row + 1]; at++)
        if (table->sparse.indices[at] == column)
            return (double)table->sparse.values[at];
    return 0;
}

static void expect_table(topn_context *context, const topn_data *data, const char *method_name,
                         const char *const *pairs, const double *golden)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        context->threads = threads;
        topn_model *model = train(context, data, method_name, pairs);
        assert_int_equal(model->encoder.kind, ENCODER_BAG);
        assert_int_equal(model->table.kind, ITEMS_IDENTITY);
        for (uint32_t h = 0; h < ITEMS; h++)
            for (uint32_t j = 0; j < ITEMS; j++) {
                const double found = table_at(&model->encoder.rows, h, j), expected = golden[h * ITEMS + j];
                if (!(fabs(found - expected) <= 2e-6 * fabs(expected)))
                    fail_msg("%s %s: T[%u][%u] is %.9g, not %.9g", method_name, pairs[0], h, j, found, expected);
            }
        topn_model_free(model);
    }
}

static void similarities_equal_numpy(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context);
    const char *const method_name = "itemknn";
    expect_table(context, data, method_name, PAIRS("similarity=cosine"), golden_cosine);
    expect_table(context, data, method_name, PAIRS("similarity=jaccard"), golden_jaccard);
    expect_table(context, data, method_name, PAIRS("similarity=co-count"), golden_co_count);
    expect_table(context, data, method_name, PAIRS("similarity=conditional", "alpha=0.4"), golden_conditional);
    expect_table(context, data, method_name,
                 PAIRS("similarity=cosine", "alpha=0.3", "shrinkage=3", "power=1.5", "user-weight-exponent=0.5", "k=4",
                       "normalize=sum", "neighbors-of=recommended"),
                 golden_cosine_all);
    expect_table(context, data, method_name,
                 PAIRS("similarity=jaccard", "values=weight", "k=3", "neighbors-of=history", "normalize=length"),
                 golden_jaccard_weight);
    expect_table(context, data, method_name, PAIRS("similarity=co-count", "k=3"), golden_co_count_ties);
    topn_data_free(data);
}

static void walks_equal_numpy(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context);
    expect_table(context, data, "rp3beta", PAIRS("alpha=0.8", "beta=0.4"), golden_rp3beta);
    expect_table(context, data, "rp3beta",
                 PAIRS("alpha=0.7", "beta=0.6", "k=3", "values=weight", "neighbors-of=history", "normalize=sum"),
                 golden_rp3beta_weight);
    expect_table(context, data, "rp3beta", PAIRS("alpha=1", "beta=0", "k=4", "neighbors-of=recommended"),
                 golden_rp3beta_recommended);
    topn_model *model = train(context, data, "rp3beta", PAIRS("alpha=0.7"));
    assert_true(model->encoder.normalizer == 0.7);
    topn_model_free(model);
    topn_data_free(data);
}

/* Scores of the first four users and of three who are not in the data, by blocks of one and by single queries. */
static void expect_scores(topn_context *context, const topn_data *data, const char *const *pairs, const double *golden)
{
    enum { KNOWN = 4, ALL = 7 };
    topn_model *model = train(context, data, "userknn", pairs);
    topn_retriever *retriever;
    topn_query *query;
    assert_int_equal(topn_retriever_create(context, model, NULL, &retriever), TOPN_OK);
    assert_int_equal(topn_query_create(context, retriever, &query), TOPN_OK);
    for (uint32_t user = 0; user < ALL; user++) {
        uint32_t items[ITEMS], all[ITEMS];
        float weights[ITEMS], scores[ITEMS];
        topn_request request = {.history = items, .weights = weights};
        for (uint32_t item = 0; item < ITEMS; item++) {
            all[item] = item;
            const double weight = user < KNOWN ? 0 : golden_probes[(user - KNOWN) * ITEMS + item];
            if (weight == 0)
                continue;
            items[request.history_length] = item;
            weights[request.history_length++] = (float)weight;
        }
        if (user < KNOWN)
            request.history_length = topn_model_history(model, user, &request.history, &request.weights);
        assert_int_equal(topn_score(query, &request, all, ITEMS, scores), TOPN_OK);
        for (uint32_t item = 0; item < ITEMS; item++) {
            const double expected = golden[user * ITEMS + item];
            if (!(fabs((double)scores[item] - expected) <= 3e-6 * fabs(expected)))
                fail_msg("%s: user %u, item %u: %.9g, not %.9g", pairs[0], user, item, (double)scores[item], expected);
        }
    }
    topn_query_free(query);
    topn_retriever_free(retriever);
    topn_model_free(model);
}

static void user_neighbors_equal_numpy(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context);
    expect_scores(context, data, PAIRS("k=7"), golden_userknn);
    expect_scores(context, data, PAIRS("k=5", "similarity=co-count"), golden_userknn_co_count);
    expect_scores(context, data,
                  PAIRS("k=9", "alpha=0.3", "item-weight-exponent=0.5", "vote-exponent=0.25", "score-exponent=0.2"),
                  golden_userknn_all);
    expect_scores(context, data, PAIRS("k=6", "values=weight"), golden_userknn_weight);
    topn_data_free(data);
}

/* Users who have both items. */
static double naive_common(const topn_data *data, uint32_t a, uint32_t b)
{
    double count = 0;
    for (uint32_t u = 0; u < data->matrix.rows; u++) {
        int held = 0;
        for (uint64_t at = data->matrix.indptr[u]; at < data->matrix.indptr[u + 1]; at++)
            held += data->matrix.indices[at] == a || data->matrix.indices[at] == b;
        count += held == 2;
    }
    return count;
}

/* Co-counts are whole numbers, so ties abound and are exact: item j is kept for i exactly when fewer than k others
 * come before it. */
static void lists_hold_the_first_k(void **state)
{
    topn_context *context = *state;
    static const struct {
        uint32_t users, items, k;
    } sizes[] = {{30, 1, 5}, {12, 25, 1}, {90, 40, 7}, {150, 61, 60}, {40, 33, 32}};
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
        const uint32_t items = sizes[size].items;
        topn_data *data = random_data(context, sizes[size].users, items, size + 5);
        char k[32];
        snprintf(k, sizeof k, "k=%u", sizes[size].k);
        topn_model *of_history =
            train(context, data, "itemknn", PAIRS("similarity=co-count", k, "neighbors-of=history"));
        topn_model *of_recommended = train(context, data, "itemknn", PAIRS("similarity=co-count", k));
        for (uint32_t i = 0; i < items; i++)
            for (uint32_t j = 0; j < items; j++) {
                if (i == j) {
                    assert_true(table_at(&of_history->encoder.rows, i, i) == 0);
                    continue;
                }
                const double common = naive_common(data, i, j);
                uint32_t before = 0;
                for (uint32_t other = 0; other < items; other++) {
                    const double theirs = other == i ? -1 : naive_common(data, i, other);
                    before += theirs > common || (theirs == common && other < j);
                }
                const double expected = before < sizes[size].k ? common : 0;
                assert_true(table_at(&of_history->encoder.rows, i, j) == expected);
                assert_true(table_at(&of_recommended->encoder.rows, j, i) == expected);
            }
        topn_model_free(of_history);
        topn_model_free(of_recommended);
        topn_data_free(data);
    }
}

static void score_exponent_makes_priors(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context);
    topn_model *model = train(context, data, "itemknn", PAIRS("score-exponent=0.5"));
    for (uint32_t item = 0; item < ITEMS; item++)
        assert_true(fabs((double)model->table.priors[item] - 1 / sqrt(golden_events_per_item[item])) < 1e-6);
    topn_model_free(model);
    topn_data_free(data);
}

static void cosine_takes_no_large_alpha(void **state)
{
    topn_context *context = *state;
    topn_data *data = golden_data(context);
    topn_options *options;
    topn_model *model;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "itemknn", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "alpha", "1.5"), TOPN_OK);
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_OPTION);
    assert_string_equal(topn_context_message(context),
                        "option --alpha of itemknn: 1.5 is too large for cosine, which takes 0 to 1");
    topn_options_free(options);
    topn_data_free(data);
}

/* The definition: repeatedly the largest magnitude that is left, smaller index first. */
static void naive_keep(float *values, size_t count, size_t keep)
{
    bool *kept = calloc(count ? count : 1, sizeof *kept);
    for (size_t round = 0; round < keep && round < count; round++) {
        size_t best = SIZE_MAX;
        for (size_t at = 0; at < count; at++)
            if (!kept[at] && (best == SIZE_MAX || fabsf(values[at]) > fabsf(values[best])))
                best = at;
        kept[best] = true;
    }
    for (size_t at = 0; at < count; at++)
        if (!kept[at])
            values[at] = 0.0f;
    free(kept);
}

static void largest_equal_the_naive_twin(void **state)
{
    (void)state;
    enum { MOST = 70 };
    for (uint64_t seed = 0; seed < 400; seed++) {
        float values[MOST], expected[MOST];
        const size_t count = random_below(seed, RANDOM_DOCTOR, 0, MOST),
                     keep = random_below(seed, RANDOM_DOCTOR, 1, MOST);
        const uint32_t kinds = 1 + (uint32_t)(seed % 5) * 20; /* few different values: many ties */
        for (size_t at = 0; at < count; at++) {
            const float size = (float)random_below(seed, RANDOM_DOCTOR, 2 * at + 2, kinds);
            const float scale = seed % 3 == 0 ? 1.0f : seed % 3 == 1 ? 1e-41f : 3e30f;
            values[at] = (random_bits(seed, RANDOM_DOCTOR, 2 * at + 3) & 1 ? size : -size) * scale;
        }
        memcpy(expected, values, sizeof values);
        naive_keep(expected, count, keep);
        keep_largest(values, count, keep);
        for (size_t at = 0; at < count; at++)
            assert_true(values[at] == expected[at]);
    }
}

static int setup(void **state)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
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
        cmocka_unit_test_setup_teardown(similarities_equal_numpy, setup, teardown),
        cmocka_unit_test_setup_teardown(walks_equal_numpy, setup, teardown),
        cmocka_unit_test_setup_teardown(user_neighbors_equal_numpy, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_hold_the_first_k, setup, teardown),
        cmocka_unit_test_setup_teardown(score_exponent_makes_priors, setup, teardown),
        cmocka_unit_test_setup_teardown(cosine_takes_no_large_alpha, setup, teardown),
        cmocka_unit_test(largest_equal_the_naive_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
