/* SPDX-License-Identifier: Apache-2.0
 *
 * Users' rows solved from their histories, against least squares over every term of the loss (tests/golden/fields.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "golden/fields.h"
#include "model/fields_encoder.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { ITEMS = 11, USERS = 3, VALUES_0 = 4, VALUES_1 = 3, FEATURES = 3, FACTORS = 4, LENGTH = 5, MOST = 1024 };

static const uint32_t history[LENGTH] = {7, 2, 9, 0, 4};
static const float weights[LENGTH] = {1, 3, 0.5f, 2, 4};
static const uint32_t values[2] = {2, FIELD_MISSING}, features[2] = {0, 2};
static const float feature_values[2] = {1, -0.5f};

/* One of the script's cases. */
typedef struct golden_case {
    composition kind;
    bool biases, pairwise, log;
    size_t fields, user_width, field_width[2];
    const double *users, *tables[2], *core, *psi, *item_weights, *phi, *shares, *trained, *unknown;
} golden_case;

#define TABLES(name)                                                                                                   \
    {                                                                                                                  \
        golden_##name##_field_0, golden_##name##_field_1                                                               \
    }
#define RESULTS(name)                                                                                                  \
    .users = golden_##name##_users, .psi = golden_##name##_psi, .phi = golden_##name##_phi,                            \
    .shares = golden_##name##_shares, .trained = golden_##name##_trained, .unknown = golden_##name##_unknown
static const golden_case cases[] = {
    {.kind = COMPOSE_PRODUCT, .user_width = 4, RESULTS(plain)},
    {.kind = COMPOSE_PRODUCT,
     .biases = true,
     .fields = 2,
     .user_width = 5,
     .field_width = {5, 5},
     .tables = TABLES(product),
     .item_weights = golden_product_weights,
     RESULTS(product)},
    {.kind = COMPOSE_SUM,
     .biases = true,
     .log = true,
     .fields = 2,
     .user_width = 5,
     .field_width = {5, 5},
     .tables = TABLES(sum),
     RESULTS(sum)},
    {.kind = COMPOSE_TUCKER,
     .biases = true,
     .fields = 2,
     .user_width = 4,
     .field_width = {3, 4},
     .tables = TABLES(tucker),
     .core = golden_tucker_core,
     .item_weights = golden_tucker_weights,
     RESULTS(tucker)},
    {.kind = COMPOSE_PRODUCT, .pairwise = true, .user_width = 4, RESULTS(pair)},
    {.kind = COMPOSE_PRODUCT,
     .pairwise = true,
     .biases = true,
     .fields = 2,
     .user_width = 5,
     .field_width = {5, 5},
     .tables = TABLES(pair_product),
     .item_weights = golden_pair_product_weights,
     RESULTS(pair_product)},
    {.kind = COMPOSE_SUM,
     .pairwise = true,
     .biases = true,
     .fields = 2,
     .user_width = 5,
     .field_width = {5, 5},
     .tables = TABLES(pair_sum),
     .item_weights = golden_pair_sum_weights,
     RESULTS(pair_sum)},
};
enum { CASES = sizeof cases / sizeof *cases };

/* An encoder over memory of its own. */
typedef struct scene {
    fields_encoder encoder;
    encoder_field fields[3];
    dense_matrix psi;
    float memory[MOST];
    size_t used;
} scene;

static float *floats(scene *to, const double *from, size_t count)
{
    float *out = to->memory + to->used;
    assert_true(to->used + count <= MOST);
    for (size_t at = 0; at < count; at++)
        out[at] = (float)from[at];
    to->used += count;
    return out;
}

static dense_matrix matrix(scene *to, const double *from, size_t rows, size_t columns)
{
    return (dense_matrix){floats(to, from, rows * columns), rows, columns};
}

static void fill_gram(scene *to)
{
    const size_t d = to->psi.columns;
    double gram[36] = {0}, sum[6] = {0};
    for (size_t item = 0; item < ITEMS; item++) {
        const float *row = to->psi.values + item * d;
        const double u = to->encoder.item_weights ? (double)to->encoder.item_weights[item] : 1.0;
        for (size_t r = 0; r < d; r++) {
            sum[r] += u * (double)row[r];
            for (size_t c = 0; c < d; c++)
                gram[r * d + c] += u * (double)row[r] * (double)row[c];
        }
    }
    to->encoder.item_gram = floats(to, gram, d * d);
    to->encoder.context_gram = to->encoder.item_gram;
    to->encoder.item_sum = to->encoder.loss.pairwise ? floats(to, sum, d) : NULL;
}

static void set_scene(const golden_case *from, scene *to)
{
    static const uint32_t value_counts[] = {VALUES_0, VALUES_1};
    const size_t features_known = from->fields ? FEATURES : 0;
    *to = (scene){0};
    to->psi = matrix(to, from->psi, ITEMS, FACTORS + (from->biases ? 2 : 0));
    to->encoder = (fields_encoder){
        .kind = from->kind,
        .factors = FACTORS,
        .biases = from->biases,
        .fields = to->fields,
        .field_count = 1 + from->fields,
        .loss = {.pairwise = from->pairwise,
                 .alpha = from->log ? 0.5 : 1.0,
                 .confidence = from->log ? CONFIDENCE_LOG : CONFIDENCE_LINEAR,
                 .scale = from->log ? 2.0 : 0.7,
                 .dislike_below = from->log ? 1.0 : (double)NAN,
                 .label = 1,
                 .unobserved = 0.3,
                 .l2 = 0.05,
                 .l2_exponent = 0.5,
                 .user_exponent = 0.25},
        .user_scale = 1.7,
    };
    to->fields[0].table = matrix(to, from->users, USERS + 1 + features_known, from->user_width);
    to->fields[0].features.count = (uint32_t)features_known;
    to->fields[0].name = (char[]){"user"};
    for (size_t field = 0; field < from->fields; field++) {
        to->fields[field + 1].values.count = value_counts[field];
        to->fields[field + 1].table =
            matrix(to, from->tables[field], value_counts[field] + 1, from->field_width[field]);
    }
    if (from->core)
        to->encoder.core = matrix(to, from->core, FACTORS, 18);
    if (from->item_weights)
        to->encoder.item_weights = floats(to, from->item_weights, ITEMS);
    fill_gram(to);
}

static fields_query query_for(const golden_case *from)
{
    fields_query query = {.user = UINT32_MAX, .items = history, .weights = weights, .length = LENGTH};
    if (from->fields) {
        query.values = values;
        query.features = features;
        query.feature_values = feature_values;
        query.feature_count = 2;
    }
    return query;
}

static void assert_near(const float *found, const double *expected, size_t count, double tolerance)
{
    double size = 1;
    for (size_t at = 0; at < count; at++)
        size = fmax(size, fabs(expected[at]));
    for (size_t at = 0; at < count; at++)
        if (!(fabs((double)found[at] - expected[at]) <= tolerance * size))
            fail_msg("value %zu is %g, not %g", at, (double)found[at], expected[at]);
}

static void rows_solve_the_loss(void **state)
{
    (void)state;
    for (size_t at = 0; at < CASES; at++) {
        static scene now;
        float phi[6];
        fields_scratch *scratch;
        set_scene(&cases[at], &now);
        assert_int_equal(fields_encoder_check(NULL, &now.encoder, &now.psi, USERS), TOPN_OK);
        assert_int_equal(fields_scratch_create(NULL, &now.encoder, &scratch), TOPN_OK);
        fields_query query = query_for(&cases[at]);
        assert_int_equal(fields_encode(&now.encoder, &now.psi, &query, scratch, phi), TOPN_OK);
        assert_near(phi, cases[at].phi, now.psi.columns, 1e-5);
        query.user = 1;
        assert_int_equal(fields_encode(&now.encoder, &now.psi, &query, scratch, phi), TOPN_OK);
        assert_near(phi, cases[at].trained, now.psi.columns, 1e-6);
        query.user = UINT32_MAX;
        query.length = 0;
        assert_int_equal(fields_encode(&now.encoder, &now.psi, &query, scratch, phi), TOPN_OK);
        assert_near(phi, cases[at].unknown, now.psi.columns, 1e-6);
        fields_scratch_free(scratch);
    }
}

static void contributions_are_what_events_add(void **state)
{
    (void)state;
    for (size_t at = 0; at < CASES; at++) {
        static scene now;
        fields_scratch *scratch;
        set_scene(&cases[at], &now);
        assert_int_equal(fields_scratch_create(NULL, &now.encoder, &scratch), TOPN_OK);
        const fields_query query = query_for(&cases[at]);
        for (size_t item = 0; item < ITEMS; item++) {
            double shares[LENGTH];
            float found[LENGTH];
            assert_int_equal(fields_contributions(&now.encoder, &now.psi, &query, scratch,
                                                  now.psi.values + item * now.psi.columns, shares),
                             TOPN_OK);
            for (size_t place = 0; place < LENGTH; place++)
                found[place] = (float)shares[place];
            assert_near(found, cases[at].shares + item * LENGTH, LENGTH, 1e-5);
        }
        fields_scratch_free(scratch);
    }
}

/* The features that the model keeps of a user go with his row where none are given. */
static void kept_features_go_with_the_row(void **state)
{
    (void)state;
    static scene now;
    uint64_t indptr[USERS + 1] = {0, 0, 2, 2};
    fields_scratch *scratch;
    float phi[6];
    set_scene(&cases[2], &now);
    now.encoder.user_features = (sparse_matrix){.indptr = indptr,
                                                .indices = (uint32_t *)features,
                                                .values = (float *)feature_values,
                                                .rows = USERS,
                                                .columns = FEATURES};
    assert_int_equal(fields_scratch_create(NULL, &now.encoder, &scratch), TOPN_OK);
    fields_query query = query_for(&cases[2]);
    query.user = 1;
    query.feature_count = 0;
    assert_int_equal(fields_encode(&now.encoder, &now.psi, &query, scratch, phi), TOPN_OK);
    assert_near(phi, cases[2].trained, now.psi.columns, 1e-6);
    fields_scratch_free(scratch);
}

/* More events than are gathered at a time, and more factors than the golden cases: the normal equations hold. */
static void long_histories(void **state)
{
    (void)state;
    enum { N = 900, D = 40, M = 700 };
    static float psi[N * D], gram[D * D], phi[D], table[D];
    static uint32_t items[M];
    for (uint64_t at = 0; at < (uint64_t)N * D; at++)
        psi[at] = (float)(random_uniform(5, RANDOM_DOCTOR, at) - 0.4);
    for (uint32_t at = 0; at < M; at++)
        items[at] = at * 7 % N;
    for (size_t r = 0; r < D; r++)
        for (size_t c = 0; c < D; c++) {
            double sum = 0;
            for (size_t item = 0; item < N; item++)
                sum += (double)psi[item * D + r] * (double)psi[item * D + c];
            gram[r * D + c] = (float)sum;
        }
    encoder_field user = {.table = {table, 1, D}};
    const fields_encoder encoder = {
        .factors = D,
        .fields = &user,
        .field_count = 1,
        .loss = {.alpha = 1, .dislike_below = NAN, .unobserved = 0.1, .l2 = 0.01, .l2_exponent = 1},
        .user_scale = 1,
        .item_gram = gram,
        .context_gram = gram,
    };
    const dense_matrix rows = {psi, N, D};
    const fields_query query = {.user = UINT32_MAX, .items = items, .length = M};
    fields_scratch *scratch;
    assert_int_equal(fields_scratch_create(NULL, &encoder, &scratch), TOPN_OK);
    assert_int_equal(fields_encode(&encoder, &rows, &query, scratch, phi), TOPN_OK);
    fields_scratch_free(scratch);
    const double ridge = 0.01 * (M + 0.1 * N);
    double residual[D], size = 0;
    for (size_t r = 0; r < D; r++) {
        residual[r] = ridge * (double)phi[r];
        for (size_t c = 0; c < D; c++)
            residual[r] += 0.1 * (double)gram[r * D + c] * (double)phi[c];
    }
    for (size_t at = 0; at < M; at++) {
        const float *row = psi + items[at] * (size_t)D;
        double score = -1;
        for (size_t c = 0; c < D; c++)
            score += (double)row[c] * (double)phi[c];
        for (size_t r = 0; r < D; r++) {
            residual[r] += score * (double)row[r];
            size += fabs((double)row[r]) / D;
        }
    }
    for (size_t r = 0; r < D; r++)
        assert_true(fabs(residual[r]) <= 1e-5 * size);
}

/* Nothing observed, nothing weighed, no ridge: an error, not a number that is none. */
static void a_system_without_solution_is_refused(void **state)
{
    (void)state;
    static scene now;
    fields_scratch *scratch;
    float phi[6];
    double shares[LENGTH];
    set_scene(&cases[0], &now);
    now.encoder.loss.l2 = now.encoder.loss.unobserved = 0;
    memset(now.psi.values + 7 * FACTORS, 0, FACTORS * sizeof(float));
    assert_int_equal(fields_scratch_create(NULL, &now.encoder, &scratch), TOPN_OK);
    fields_query query = query_for(&cases[0]);
    query.length = 1;
    assert_int_equal(fields_encode(&now.encoder, &now.psi, &query, scratch, phi), TOPN_ERROR_NUMERIC);
    assert_int_equal(fields_contributions(&now.encoder, &now.psi, &query, scratch, now.psi.values, shares),
                     TOPN_ERROR_NUMERIC);
    fields_scratch_free(scratch);
}

static void memory_failures_are_clean(void **state)
{
    (void)state;
    static scene now;
    fields_scratch *scratch = NULL;
    set_scene(&cases[3], &now);
    uint64_t step = 1;
    for (;; step++) {
        memory_fail_after(step);
        const topn_status status = fields_scratch_create(NULL, &now.encoder, &scratch);
        memory_fail_after(0);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
        assert_null(scratch);
    }
    assert_true(step > 5);
    fields_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_solve_the_loss),
        cmocka_unit_test(contributions_are_what_events_add),
        cmocka_unit_test(kept_features_go_with_the_row),
        cmocka_unit_test(long_histories),
        cmocka_unit_test(a_system_without_solution_is_refused),
        cmocka_unit_test(memory_failures_are_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
