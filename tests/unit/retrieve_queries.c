/* SPDX-License-Identifier: Apache-2.0
 *
 * One user's questions: scores, the top n under filters against brute force, similar items, explanations, bad input.
 */
#include "random_model.h"
#include "retrieve/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 12, MOST_ITEMS = 140 };

static const model_shape shapes[] = {
    {.items = 1, .dimensions = 1, .density = 1.0, .seed = 1},
    {.items = 37, .dimensions = 19, .density = 0.3, .priors = true, .seed = 3},
    {.items = 64, .dimensions = 64, .density = 0.1, .priors = true, .biases = true, .normalizer = 0.5, .seed = 4},
    {.items = 131, .dimensions = 70, .density = 0.02, .use_weights = true, .seed = 5},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct test_scene {
    topn_context context;
    topn_model model;
    topn_retriever *retriever;
    topn_query *query;
    sparse_matrix rows;
} test_scene;

static void open_scene(test_scene *scene, const model_form *form, const model_shape *shape)
{
    scene->context = (topn_context){.threads = 1};
    scene->model = random_model(form, shape);
    scene->rows = random_histories(USERS, shape->items, shape->seed + 100);
    assert_int_equal(retriever_create(&scene->context, &scene->model, NULL, &scene->retriever), TOPN_OK);
    assert_int_equal(topn_query_create(&scene->context, scene->retriever, &scene->query), TOPN_OK);
}

static void close_scene(test_scene *scene)
{
    topn_query_free(scene->query);
    topn_retriever_free(scene->retriever);
    sparse_clear(&scene->rows);
    random_model_clear(&scene->model);
}

static topn_request request_of(const test_scene *scene, uint32_t user)
{
    const history row = history_row(&scene->rows, user);
    return (topn_request){.history = row.items, .weights = row.weights, .history_length = row.length};
}

/* Scores of all items in order. */
static void all_scores(test_scene *scene, const topn_request *request, float *scores)
{
    uint32_t items[MOST_ITEMS];
    for (uint32_t item = 0; item < scene->model.items; item++)
        items[item] = item;
    assert_int_equal(topn_score(scene->query, request, items, scene->model.items, scores), TOPN_OK);
}

static bool contains(const uint32_t *items, size_t count, uint32_t item)
{
    for (size_t place = 0; place < count; place++)
        if (items[place] == item)
            return true;
    return false;
}

/* The definition of the answer: repeated maximum over what the filters leave. */
static size_t brute_force(const test_scene *scene, const topn_request *request, const float *scores, size_t n,
                          uint32_t *out)
{
    size_t found = 0;
    while (found < n) {
        uint32_t best = UINT32_MAX;
        for (uint32_t item = 0; item < scene->model.items; item++) {
            if (contains(out, found, item) || contains(request->deny, request->deny_count, item) ||
                (request->allow && !contains(request->allow, request->allow_count, item)) ||
                (!request->include_seen && contains(request->history, request->history_length, item)))
                continue;
            if (best == UINT32_MAX || scores[item] > scores[best])
                best = item;
        }
        if (best == UINT32_MAX)
            break;
        out[found++] = best;
    }
    return found;
}

static void check_recommend(test_scene *scene, const topn_request *request, size_t n)
{
    float scores[MOST_ITEMS], score_out[MOST_ITEMS + 8];
    uint32_t item_out[MOST_ITEMS + 8], expected[MOST_ITEMS + 8];
    size_t found = 99;
    all_scores(scene, request, scores);
    const size_t count = brute_force(scene, request, scores, n, expected);
    assert_int_equal(topn_recommend(scene->query, request, n, item_out, score_out, &found), TOPN_OK);
    assert_int_equal(found, count);
    for (size_t rank = 0; rank < count; rank++) {
        assert_int_equal(item_out[rank], expected[rank]);
        assert_true(score_out[rank] == scores[expected[rank]]);
    }
}

static void scores_equal_the_naive_twin(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (size_t shape = 0; shape < SHAPES; shape++) {
            test_scene scene;
            open_scene(&scene, &model_forms[form], &shapes[shape]);
            for (uint32_t user = 0; user < USERS; user++) {
                const topn_request request = request_of(&scene, user);
                const history row = history_row(&scene.rows, user);
                float scores[MOST_ITEMS];
                all_scores(&scene, &request, scores);
                for (uint32_t item = 0; item < scene.model.items; item++) {
                    double size;
                    const double expected = naive_score(&scene.model, &row, item, &size);
                    if (!(fabs((double)scores[item] - expected) <= 2e-6 * size))
                        fail_msg("%s, shape %zu, user %u, item %u: %.9g instead of %.9g", model_forms[form].name, shape,
                                 user, item, (double)scores[item], expected);
                }
            }
            close_scene(&scene);
        }
    }
}

static void filters_equal_brute_force(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (size_t shape = 0; shape < SHAPES; shape++) {
            test_scene scene;
            open_scene(&scene, &model_forms[form], &shapes[shape]);
            const uint32_t items = scene.model.items;
            uint32_t some[MOST_ITEMS], others[MOST_ITEMS];
            size_t some_count = 0, other_count = 0;
            for (uint32_t item = 0; item < items; item++) {
                if (random_bits(9, RANDOM_DOCTOR, item) & 1)
                    some[some_count++] = item;
                if (random_bits(10, RANDOM_DOCTOR, item) & 1)
                    others[other_count++] = item;
            }
            for (uint32_t user = 0; user < USERS; user++) {
                const size_t cuts[] = {0, 1, 5, items, items + 8};
                for (size_t mode = 0; mode < 16; mode++) {
                    topn_request request = request_of(&scene, user);
                    request.include_seen = mode & 1;
                    if (mode & 2)
                        request.allow = some, request.allow_count = mode & 8 ? 0 : some_count;
                    if (mode & 4)
                        request.deny = others, request.deny_count = other_count;
                    check_recommend(&scene, &request, cuts[(user + mode) % 5]);
                }
            }
            close_scene(&scene);
        }
    }
}

static void everything_seen_finds_nothing(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        test_scene scene;
        open_scene(&scene, &model_forms[form], &shapes[1]);
        const topn_request request = request_of(&scene, 2);
        uint32_t item_out[4];
        float score_out[4];
        size_t found = 4;
        assert_int_equal(request.history_length, scene.model.items);
        assert_int_equal(topn_recommend(scene.query, &request, 4, item_out, score_out, &found), TOPN_OK);
        assert_int_equal(found, 0);
        close_scene(&scene);
    }
}

static void ties_go_by_index(void **state)
{
    (void)state;
    test_scene scene;
    open_scene(&scene, &model_forms[4], &shapes[1]);
    const topn_request request = {0};
    uint32_t item_out[5];
    float score_out[5];
    size_t found;
    assert_int_equal(topn_recommend(scene.query, &request, 5, item_out, score_out, &found), TOPN_OK);
    assert_int_equal(found, 5);
    for (uint32_t rank = 0; rank < 5; rank++) {
        assert_int_equal(item_out[rank], rank);
        assert_true(score_out[rank] == 0.0f);
    }
    close_scene(&scene);
}

static void similar_items(void **state)
{
    (void)state;
    for (size_t form = 1; form < MODEL_FORMS; form++) {
        test_scene scene;
        open_scene(&scene, &model_forms[form], &shapes[2]);
        const uint32_t item = 17;
        const topn_request request = {.history = &item, .history_length = 1};
        uint32_t similar[MOST_ITEMS], recommended[MOST_ITEMS];
        float similar_scores[MOST_ITEMS], scores[MOST_ITEMS];
        size_t found, expected;
        assert_int_equal(topn_similar(scene.query, item, 64, similar, similar_scores, &found), TOPN_OK);
        assert_int_equal(topn_recommend(scene.query, &request, 64, recommended, scores, &expected), TOPN_OK);
        assert_int_equal(found, 63);
        assert_int_equal(expected, 63);
        assert_memory_equal(similar, recommended, 63 * sizeof *similar);
        assert_memory_equal(similar_scores, scores, 63 * sizeof *scores);
        assert_false(contains(similar, found, item));
        assert_int_equal(topn_similar(scene.query, 64, 1, similar, scores, &found), TOPN_ERROR_ARGUMENT);
        assert_non_null(strstr(scene.context.message, "item 64 is out of range, the model has 64 items"));
        close_scene(&scene);
    }
    test_scene scene;
    open_scene(&scene, &model_forms[0], &shapes[2]);
    uint32_t item;
    float score;
    size_t found;
    assert_int_equal(topn_similar(scene.query, 3, 1, &item, &score, &found), TOPN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(scene.context.message, "no relations between items"));
    close_scene(&scene);
}

static void explanations_sum_to_the_score(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (size_t shape = 0; shape < SHAPES; shape++) {
            test_scene scene;
            open_scene(&scene, &model_forms[form], &shapes[shape]);
            for (uint32_t user = 0; user < USERS; user++) {
                const topn_request request = request_of(&scene, user);
                const history row = history_row(&scene.rows, user);
                float scores[MOST_ITEMS], contributions[MOST_ITEMS], bias;
                all_scores(&scene, &request, scores);
                for (uint32_t item = 0; item < scene.model.items; item += 3) {
                    double size, sum, terms;
                    assert_int_equal(topn_explain(scene.query, &request, item, contributions, &bias), TOPN_OK);
                    sum = (double)bias;
                    for (size_t place = 0; place < request.history_length; place++)
                        sum += (double)contributions[place];
                    naive_score(&scene.model, &row, item, &size);
                    assert_true(fabs(sum - (double)scores[item]) <= 1e-5 * size);
                    /* One by one as well: a contribution is its own item's share. */
                    if (request.history_length && scene.model.encoder.normalizer == 0.0 &&
                        !scene.model.encoder.use_weights) {
                        const double prior = scene.model.table.priors ? (double)scene.model.table.priors[item] : 1.0;
                        const double share = prior * naive_product(&scene.model, request.history[0], item, &terms);
                        assert_true(fabs((double)contributions[0] - share) <= 1e-6 * terms * fabs(prior));
                    }
                }
            }
            close_scene(&scene);
        }
    }
}

static void expect_argument(test_scene *scene, const topn_request *request, const char *message)
{
    uint32_t item_out[2];
    float score_out[2];
    size_t found = 7;
    scene->context.message[0] = '\0';
    assert_int_equal(topn_recommend(scene->query, request, 2, item_out, score_out, &found), TOPN_ERROR_ARGUMENT);
    assert_int_equal(found, 0);
    assert_string_equal(scene->context.message, message);
}

static void bad_input_is_named(void **state)
{
    (void)state;
    test_scene scene;
    open_scene(&scene, &model_forms[4], &shapes[1]);
    const uint32_t far[] = {3, 37}, twice[] = {5, 2, 5}, fine[] = {5, 2, 6};
    const float weights[] = {1.0f, NAN, 2.0f};
    expect_argument(&scene, &(topn_request){.history = far, .history_length = 2},
                    "history[1]: item 37 is out of range, the model has 37 items");
    expect_argument(&scene, &(topn_request){.history = twice, .history_length = 3}, "history[2]: item 5 occurs twice");
    expect_argument(&scene, &(topn_request){.history_length = 3}, "history: 3 items announced, but the array is NULL");
    expect_argument(&scene, &(topn_request){.history = fine, .history_length = 3, .weights = weights},
                    "weights[1]: nan is not a finite number");
    expect_argument(&scene, &(topn_request){.allow = far, .allow_count = 2},
                    "allow[1]: item 37 is out of range, the model has 37 items");
    expect_argument(&scene, &(topn_request){.deny = far, .deny_count = 2},
                    "deny[1]: item 37 is out of range, the model has 37 items");
    /* A refused duplicate leaves nothing behind that would refuse the next request. */
    const topn_request request = {.history = fine, .history_length = 3};
    check_recommend(&scene, &request, 5);
    float score;
    assert_int_equal(topn_score(scene.query, &request, far, 2, &score), TOPN_ERROR_ARGUMENT);
    assert_string_equal(scene.context.message, "items[1]: item 37 is out of range, the model has 37 items");
    assert_int_equal(topn_explain(scene.query, &request, 37, &score, &score), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_recommend(NULL, &request, 0, NULL, NULL, NULL), TOPN_ERROR_ARGUMENT);
    close_scene(&scene);
}

static void weights_that_sum_to_nothing(void **state)
{
    (void)state;
    const model_shape shape = {
        .items = 9, .dimensions = 4, .density = 0.5, .use_weights = true, .normalizer = 0.5, .seed = 8};
    test_scene scene;
    open_scene(&scene, &model_forms[4], &shape);
    const uint32_t items[] = {1, 2};
    const float weights[] = {1.0f, -1.0f};
    expect_argument(&scene, &(topn_request){.history = items, .history_length = 2, .weights = weights},
                    "weights: they sum to 0; this model divides by a power of the sum, which must be positive");
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_equal_the_naive_twin),
        cmocka_unit_test(filters_equal_brute_force),
        cmocka_unit_test(everything_seen_finds_nothing),
        cmocka_unit_test(ties_go_by_index),
        cmocka_unit_test(similar_items),
        cmocka_unit_test(explanations_sum_to_the_score),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(weights_that_sum_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
