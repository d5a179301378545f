/* SPDX-License-Identifier: Apache-2.0
 *
 * Retrieval with models whose users' rows are solved for: one user, blocks and many users agree with the encoder; a
 * history that the model keeps is answered with its user's row; what is asked for is checked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "made_data.h"
#include "retrieve/query.h"
#include "retrieve/retriever.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { USERS = 70, ITEMS = 50, FACTORS = 7, D = FACTORS + 2, HOURS = 3, FEATURES = 2, CHOSEN = 5 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static dense_matrix random_table(size_t rows, size_t columns, uint64_t seed)
{
    dense_matrix out = {.rows = rows, .columns = columns};
    check(ALLOCATE(context, rows * columns, &out.values));
    for (size_t at = 0; at < rows * columns; at++)
        out.values[at] = (float)(random_uniform(seed, RANDOM_DOCTOR, at) - 0.5);
    return out;
}

static void fill_fields(topn_model *model)
{
    static const char *const hours[] = {"morning", "noon", "evening"}, *const features[] = {"gender=F", "age"};
    fields_encoder *encoder = &model->encoder.fields;
    const float *psi = model->table.rows.dense.values;
    *encoder = (fields_encoder){
        .kind = COMPOSE_SUM,
        .factors = FACTORS,
        .biases = true,
        .field_count = 2,
        .loss = {.alpha = 1,
                 .confidence = CONFIDENCE_LINEAR,
                 .scale = 0.5,
                 .dislike_below = NAN,
                 .unobserved = 0.1,
                 .l2 = 0.01,
                 .l2_exponent = 1},
        .user_scale = 1,
    };
    check(ALLOCATE_ZEROED(context, 2, &encoder->fields));
    check(memory_copy_text(context, "user", &encoder->fields[0].name));
    check(memory_copy_text(context, "hour", &encoder->fields[1].name));
    check(string_table_create(context, features, FEATURES, &encoder->fields[0].features));
    check(id_index_create(context, &encoder->fields[0].features, &encoder->fields[0].by_feature));
    check(string_table_create(context, hours, HOURS, &encoder->fields[1].values));
    check(id_index_create(context, &encoder->fields[1].values, &encoder->fields[1].by_value));
    encoder->fields[0].table = random_table(USERS + 1 + FEATURES, FACTORS + 1, 11);
    encoder->fields[1].table = random_table(HOURS + 1, FACTORS + 1, 12);
    check(ALLOCATE(context, D * D, &encoder->item_gram));
    check(ALLOCATE_ZEROED(context, D * D, &encoder->context_gram));
    for (size_t row = 0; row < D; row++)
        for (size_t column = 0; column < D; column++) {
            double sum = 0;
            for (size_t item = 0; item < ITEMS; item++)
                sum += (double)psi[item * D + row] * (double)psi[item * D + column];
            encoder->item_gram[row * D + column] = (float)sum;
        }
}

/* Random parameters; users' histories are kept, with weights; user 3 has none. */
static topn_model *random_fields_model(void)
{
    uint32_t pairs[USERS * ITEMS][2];
    uint64_t count = 0;
    topn_model *model;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            if (user != 3 &&
                (item == user % ITEMS || random_uniform(7, RANDOM_DOCTOR, (uint64_t)user * ITEMS + item) < 0.1)) {
                pairs[count][0] = user;
                pairs[count++][1] = item;
            }
    topn_data *data = made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
    data->has_weights = true;
    for (uint64_t at = 0; at < count; at++)
        data->matrix.values[at] = 1 + (float)(at % 3);
    check(model_create(context, data, true, &model));
    topn_data_free(data);
    model->encoder.kind = ENCODER_FIELDS;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    model->table.rows.dense = random_table(ITEMS, D, 13);
    for (size_t item = 0; item < ITEMS; item++)
        model->table.rows.dense.values[item * D + FACTORS] = 1;
    model->table.priors = random_table(1, ITEMS, 14).values;
    fill_fields(model);
    check(model_check(context, model));
    return model;
}

typedef struct scene {
    topn_model *model;
    topn_retriever *retriever;
    topn_query *query;
} scene;

static scene open_scene(const retriever_params *params)
{
    scene out = {.model = random_fields_model()};
    check(retriever_create(context, out.model, params, &out.retriever));
    check(query_create(context, out.retriever, &out.query));
    return out;
}

static void close_scene(scene *now)
{
    query_free(now->query);
    retriever_free(now->retriever);
    topn_model_free(now->model);
}

static topn_request request_of(const scene *now, uint32_t user)
{
    topn_request request = {.include_seen = true};
    request.history_length = topn_model_history(now->model, user, &request.history, &request.weights);
    return request;
}

/* Scores of all items by the definition, φ from the encoder. */
static void expect(const scene *now, const fields_query *query, double *out)
{
    fields_scratch *scratch;
    float phi[D];
    const topn_model *model = now->model;
    check(fields_scratch_create(context, &model->encoder.fields, &scratch));
    check(fields_encode(&model->encoder.fields, &model->table.rows.dense, query, scratch, phi));
    fields_scratch_free(scratch);
    for (size_t item = 0; item < ITEMS; item++) {
        out[item] = 0;
        for (size_t column = 0; column < D; column++)
            out[item] += (double)phi[column] * (double)model->table.rows.dense.values[item * D + column];
        out[item] *= (double)model->table.priors[item];
    }
}

static void score(const scene *now, const topn_request *request, float *out)
{
    uint32_t items[ITEMS];
    for (uint32_t item = 0; item < ITEMS; item++)
        items[item] = item;
    check(topn_score(now->query, request, items, ITEMS, out));
}

static void assert_scores(const float *found, const double *expected)
{
    for (size_t item = 0; item < ITEMS; item++)
        if (!(fabs((double)found[item] - expected[item]) <= 1e-5 * (1 + fabs(expected[item]))))
            fail_msg("item %zu scores %g, not %g", item, (double)found[item], expected[item]);
}

static void queries_ask_the_encoder(void **state)
{
    (void)state;
    scene now = open_scene(NULL);
    const uint32_t hour = 2, feature = 1;
    const float age = 0.25f;
    for (uint32_t user = 0; user < USERS; user += 3) {
        double expected[ITEMS];
        float found[ITEMS];
        topn_request request = request_of(&now, user);
        fields_query query = {.user = user == 3 ? UINT32_MAX : user,
                              .items = request.history,
                              .weights = request.weights,
                              .length = request.history_length};
        score(&now, &request, found); /* lent: the trained row */
        expect(&now, &query, expected);
        assert_scores(found, expected);
        uint32_t copy[ITEMS];
        memcpy(copy, request.history, request.history_length * sizeof *copy);
        request.history = copy; /* anybody's: solved for */
        request.context = &hour;
        request.features = &feature;
        request.feature_values = &age;
        request.feature_count = 1;
        query.user = UINT32_MAX;
        query.values = &hour;
        query.features = &feature;
        query.feature_values = &age;
        query.feature_count = 1;
        score(&now, &request, found);
        expect(&now, &query, expected);
        assert_scores(found, expected);
    }
    close_scene(&now);
}

/* A part of a kept history, or one with other weights, is somebody else's. */
static void only_the_whole_history_is_the_users(void **state)
{
    (void)state;
    scene now = open_scene(NULL);
    const uint32_t user = 20;
    topn_request request = request_of(&now, user);
    assert_true(request.history_length > 2);
    float own[ITEMS], found[ITEMS], weights[ITEMS];
    score(&now, &request, own);
    request.history_length--;
    score(&now, &request, found);
    assert_memory_not_equal(own, found, sizeof own);
    request = request_of(&now, user);
    memcpy(weights, request.weights, request.history_length * sizeof *weights);
    request.weights = weights;
    score(&now, &request, found);
    assert_memory_equal(own, found, sizeof own);
    weights[1] += 1;
    score(&now, &request, found);
    assert_memory_not_equal(own, found, sizeof own);
    close_scene(&now);
}

typedef struct answers {
    uint32_t items[USERS][CHOSEN];
    float scores[USERS][CHOSEN];
    size_t calls;
} answers;

static bool keep(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *all = user_data;
    assert_int_equal(found, CHOSEN);
    memcpy(all->items[user], items, sizeof all->items[user]);
    memcpy(all->scores[user], scores, sizeof all->scores[user]);
    all->calls++;
    return true;
}

static void many_users_in_blocks_of_any_size(void **state)
{
    (void)state;
    static answers all, other;
    const retriever_params small = {.block_memory = 1};
    scene now = open_scene(NULL);
    topn_retriever *narrow;
    const uint32_t hour = 1;
    const topn_request filters = {.context = &hour};
    check(retriever_create(context, now.model, &small, &narrow));
    context->threads = 1;
    memset(&all, 0, sizeof all);
    check(topn_recommend_many(context, now.retriever, NULL, NULL, 0, CHOSEN, &filters, keep, &all));
    assert_int_equal(all.calls, USERS);
    context->threads = 3;
    memset(&other, 0, sizeof other);
    check(topn_recommend_many(context, narrow, NULL, NULL, 0, CHOSEN, &filters, keep, &other));
    assert_memory_equal(&all, &other, sizeof all);
    for (uint32_t user = 0; user < USERS; user++) {
        topn_request request = request_of(&now, user);
        uint32_t items[CHOSEN];
        float scores[CHOSEN];
        size_t found;
        request.include_seen = false;
        request.context = &hour;
        check(topn_recommend(now.query, &request, CHOSEN, items, scores, &found));
        for (size_t place = 0; place < CHOSEN; place++)
            assert_true(fabsf(scores[place] - all.scores[user][place]) <= 1e-5f * (1 + fabsf(scores[place])));
    }
    retriever_free(narrow);
    close_scene(&now);
}

/* Users of data come with the features that the data have of them, by name. */
static void features_of_data_are_known(void **state)
{
    (void)state;
    static answers all;
    scene now = open_scene(NULL);
    static const char *const names[] = {"shoe size", "age", "gender=F"};
    const uint32_t pairs[][2] = {{0, 4}, {0, 9}, {1, 4}, {1, 9}};
    topn_data *data = made_data(2, ITEMS, pairs, NULL, 4);
    feature_table *known = &data->user_features;
    check(string_table_create(context, names, 3, &known->names));
    check(sparse_create(context, 2, 3, 2, &known->rows));
    known->rows.indices[0] = 1; /* user 0: an age, and feet that the model knows nothing of */
    known->rows.values[0] = 0.75f;
    known->rows.indptr[1] = known->rows.indptr[2] = 1;
    memset(&all, 0, sizeof all);
    check(topn_recommend_many(context, now.retriever, data, NULL, 0, CHOSEN, NULL, keep, &all));
    for (uint32_t user = 0; user < 2; user++) {
        const uint32_t had[] = {4, 9}, age = 1;
        const float number = 0.75f;
        topn_request request = {.history = had, .history_length = 2, .features = &age, .feature_values = &number};
        request.feature_count = user == 0 ? 1 : 0;
        uint32_t items[CHOSEN];
        float scores[CHOSEN];
        size_t found;
        check(topn_recommend(now.query, &request, CHOSEN, items, scores, &found));
        for (size_t place = 0; place < CHOSEN; place++)
            assert_true(fabsf(scores[place] - all.scores[user][place]) <= 1e-5f * (1 + fabsf(scores[place])));
    }
    assert_memory_not_equal(all.scores[0], all.scores[1], sizeof all.scores[0]);
    topn_data_free(data);
    close_scene(&now);
}

static void explanations_add_up(void **state)
{
    (void)state;
    const retriever_params cut = {.block_memory = 1 << 20, .cut = 4};
    const uint32_t hour = 0;
    for (int run = 0; run < 2; run++) {
        scene now = open_scene(run ? &cut : NULL);
        for (uint32_t user = 0; user < USERS; user += 9) {
            topn_request request = request_of(&now, user);
            uint32_t copy[ITEMS];
            float found[ITEMS], shares[ITEMS], rest;
            memcpy(copy, request.history, request.history_length * sizeof *copy);
            request.history = user % 2 ? copy : request.history;
            request.context = &hour;
            score(&now, &request, found);
            for (uint32_t item = 0; item < ITEMS; item += 7) {
                check(topn_explain(now.query, &request, item, shares, &rest));
                double sum = (double)rest, size = fabs((double)rest);
                for (size_t place = 0; place < request.history_length; place++) {
                    sum += (double)shares[place];
                    size += fabs((double)shares[place]);
                }
                assert_true(fabs(sum - (double)found[item]) <= 1e-6 * size);
            }
        }
        close_scene(&now);
    }
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    scene now = open_scene(NULL);
    const uint32_t item = 1, far = HOURS, features[] = {0, FEATURES};
    const float negative = -1, infinite[] = {1, INFINITY};
    uint32_t out;
    float value;
    size_t found;
    const struct {
        topn_request request;
        const char *message;
    } cases[] = {
        {{.context = &far}, "context[0]: value 3 is out of range, field \"hour\" has 3 values"},
        {{.features = features, .feature_count = 2},
         "features[1]: feature 2 is out of range, the model has 2 features"},
        {{.features = (const uint32_t[]){0, 1}, .feature_values = infinite, .feature_count = 2},
         "feature_values[1]: inf is not a finite number"},
        {{.feature_count = 1}, "features: 1 announced, but the array is NULL"},
        {{.history = &item, .weights = &negative, .history_length = 1}, "weights[0]: -1 is negative"},
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        assert_int_equal(topn_recommend(now.query, &cases[at].request, 1, &out, &value, &found), TOPN_ERROR_ARGUMENT);
        assert_non_null(strstr(topn_context_message(context), cases[at].message));
    }
    static answers ignored;
    assert_int_equal(
        topn_recommend_many(context, now.retriever, NULL, NULL, 0, CHOSEN, &cases[0].request, keep, &ignored),
        TOPN_ERROR_ARGUMENT);
    close_scene(&now);
}

/* A model whose ridge is too small for its numbers says so, alone and in blocks. */
static void rows_without_solution_are_reported(void **state)
{
    (void)state;
    scene now = open_scene(NULL);
    topn_request request = request_of(&now, 20);
    static answers ignored;
    float value;
    uint32_t copy[ITEMS];
    const uint32_t asked = 0;
    memcpy(copy, request.history, request.history_length * sizeof *copy);
    request.history = copy;
    now.model->encoder.fields.item_gram[0] = -1e9f;
    assert_int_equal(topn_score(now.query, &request, &asked, 1, &value), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "--l2"));
    float shares[ITEMS];
    assert_int_equal(topn_explain(now.query, &request, 0, shares, &value), TOPN_ERROR_NUMERIC);
    now.model->encoder.fields.fields[0].table.rows -= USERS; /* no users' rows: all are solved for */
    assert_int_equal(topn_recommend_many(context, now.retriever, NULL, NULL, 0, CHOSEN, NULL, keep, &ignored),
                     TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "--l2"));
    close_scene(&now);
}

static void names_are_found(void **state)
{
    (void)state;
    topn_model *model = random_fields_model();
    uint32_t found = 9;
    assert_int_equal(topn_model_fields(model), 1);
    assert_string_equal(topn_model_field_name(model, 0), "hour");
    assert_null(topn_model_field_name(model, 1));
    assert_true(topn_model_find_value(model, 0, "evening", &found));
    assert_int_equal(found, 2);
    assert_false(topn_model_find_value(model, 0, "night", &found));
    assert_false(topn_model_find_value(model, 1, "evening", &found));
    assert_true(topn_model_find_feature(model, "age", &found));
    assert_int_equal(found, 1);
    assert_false(topn_model_find_feature(model, "height", &found));
    topn_model_free(model);
}

static int begin(void **state)
{
    (void)state;
    return topn_context_create(&context);
}

static int end(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_ask_the_encoder),
        cmocka_unit_test(only_the_whole_history_is_the_users),
        cmocka_unit_test(many_users_in_blocks_of_any_size),
        cmocka_unit_test(features_of_data_are_known),
        cmocka_unit_test(explanations_add_up),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(rows_without_solution_are_reported),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
