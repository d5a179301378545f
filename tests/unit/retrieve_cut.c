/* SPDX-License-Identifier: Apache-2.0
 *
 * The cut of φ: in every way of scoring against the naive twin, by the model or by the retriever's option, in
 * explanations and lists.
 */
#include "random_model.h"
#include "retrieve/query.h"
#include "retrieve/recommend_many.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 40, MOST_ITEMS = 140, MOST_DIMENSIONS = 140, FIRST_WITH_ROWS = 3 };

static const model_shape shapes[] = {
    {.items = 1, .dimensions = 1, .density = 1.0, .seed = 1},
    {.items = 37, .dimensions = 19, .density = 0.3, .priors = true, .seed = 3},
    {.items = 64, .dimensions = 64, .density = 0.1, .priors = true, .biases = true, .normalizer = 0.5, .seed = 4},
    {.items = 131, .dimensions = 70, .density = 0.02, .use_weights = true, .seed = 5},
    {.items = 90, .dimensions = 130, .density = 0.05, .use_weights = true, .normalizer = 1.0, .seed = 6},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const uint32_t cuts[] = {1, 3, 18, 64, 1000};
enum { CUTS = sizeof cuts / sizeof *cuts };

/* The tables as dense arrays, for the naive twin. */
typedef struct dense_tables {
    size_t columns;
    float *encoder, *items; /* [items × columns] */
} dense_tables;

/* What the twin finds for one user: scores by definition, the magnitudes that rounding is relative to, and the
 * dimensions that stay. */
typedef struct naive_answer {
    double scores[MOST_ITEMS], sizes[MOST_ITEMS];
    bool kept[MOST_DIMENSIONS];
} naive_answer;

typedef struct test_scene {
    topn_context context;
    topn_model model;
    dense_tables tables;
    naive_answer *naive; /* [USERS] */
    topn_retriever *retriever;
    topn_query *query;
    block_scorer *scorer;
    sparse_matrix rows;
    history users[USERS];
} test_scene;

static float *dense_copy(const embedding_table *table, uint32_t rows, size_t columns)
{
    float *copy = calloc(rows * columns, sizeof *copy);
    if (!copy)
        abort();
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t column = 0; column < columns; column++)
            copy[row * columns + column] = (float)naive_element(table, row, column);
    return copy;
}

/* w_h·s. */
static double naive_weight(const topn_model *model, const history *user, size_t place)
{
    double sum = 0.0;
    for (size_t at = 0; at < user->length; at++)
        sum += model->encoder.use_weights && user->weights ? (double)user->weights[at] : 1.0;
    const double weight = model->encoder.use_weights && user->weights ? (double)user->weights[place] : 1.0;
    return sum > 0.0 && model->encoder.normalizer != 0.0 ? weight * pow(sum, -model->encoder.normalizer) : weight;
}

/* φ is summed in single precision like the library's, for what is nearly equal must fall the same way; then the largest
 * magnitude that is left, smaller dimension first, again and again. */
static void naive_keep(const test_scene *scene, const history *user, uint32_t cut, bool *kept)
{
    const size_t columns = scene->tables.columns;
    float phi[MOST_DIMENSIONS] = {0};
    for (size_t place = 0; place < user->length; place++) {
        const float factor = (float)naive_weight(&scene->model, user, place);
        for (size_t column = 0; column < columns; column++)
            phi[column] += factor * scene->tables.encoder[user->items[place] * columns + column];
    }
    memset(kept, 0, columns);
    for (uint32_t round = 0; round < cut && round < columns; round++) {
        size_t best = SIZE_MAX;
        for (size_t column = 0; column < columns; column++)
            if (!kept[column] && (best == SIZE_MAX || fabsf(phi[column]) > fabsf(phi[best])))
                best = column;
        kept[best] = true;
    }
}

static void naive_scores(const test_scene *scene, const history *user, uint32_t cut, naive_answer *out)
{
    const topn_model *model = &scene->model;
    const size_t columns = scene->tables.columns;
    double phi[MOST_DIMENSIONS] = {0}, terms[MOST_DIMENSIONS] = {0};
    naive_keep(scene, user, cut, out->kept);
    for (size_t place = 0; place < user->length; place++)
        for (size_t column = 0; column < columns; column++) {
            const double term =
                naive_weight(model, user, place) * (double)scene->tables.encoder[user->items[place] * columns + column];
            phi[column] += out->kept[column] ? term : 0;
            terms[column] += out->kept[column] ? fabs(term) : 0;
        }
    for (uint32_t item = 0; item < model->items; item++) {
        const double prior = model->table.priors ? (double)model->table.priors[item] : 1.0;
        const double bias = model->table.biases ? (double)model->table.biases[item] : 0.0;
        double sum = 0, size = 0;
        for (size_t column = 0; column < columns; column++) {
            const double value = (double)scene->tables.items[item * columns + column];
            sum += phi[column] * value;
            size += terms[column] * fabs(value);
        }
        out->scores[item] = sum * prior + bias;
        out->sizes[item] = size * fabs(prior) + fabs(bias);
    }
}

/* by_option: the model has another cut, and the retriever's option overrides it. */
static void open_scene(test_scene *scene, size_t form, size_t shape, uint32_t cut, bool by_option)
{
    const retriever_params params = {.block_memory = 1 << 20, .cut = cut};
    scene->context = (topn_context){.threads = 1};
    scene->model = random_model(&model_forms[form], &shapes[shape]);
    scene->rows = random_histories(USERS, shapes[shape].items, shapes[shape].seed + 100);
    for (uint32_t user = 0; user < USERS; user++)
        scene->users[user] = history_row(&scene->rows, user);
    scene->model.encoder.cut = by_option ? 2 : cut;
    assert_int_equal(retriever_create(&scene->context, &scene->model, by_option ? &params : NULL, &scene->retriever),
                     TOPN_OK);
    const embedding_table *rows = model_item_rows(&scene->model);
    scene->tables.columns = embedding_dimensions(rows);
    scene->tables.encoder = dense_copy(&scene->model.encoder.rows, scene->model.items, scene->tables.columns);
    scene->tables.items = dense_copy(rows, scene->model.items, scene->tables.columns);
    assert_int_equal(ALLOCATE(NULL, USERS, &scene->naive), TOPN_OK);
    for (uint32_t user = 0; user < USERS; user++)
        naive_scores(scene, &scene->users[user], cut, &scene->naive[user]);
    assert_int_equal(query_create(&scene->context, scene->retriever, &scene->query), TOPN_OK);
    assert_int_equal(block_scorer_create(&scene->context, scene->retriever, &scene->scorer), TOPN_OK);
}

static void close_scene(test_scene *scene)
{
    block_scorer_free(scene->scorer);
    query_free(scene->query);
    retriever_free(scene->retriever);
    sparse_clear(&scene->rows);
    random_model_clear(&scene->model);
    free(scene->tables.encoder);
    free(scene->tables.items);
    free(scene->naive);
}

/* Calls `test` for every form with item rows × shape × cut, with the model's cut and with the option. */
static void for_each_scene(void (*test)(test_scene *scene, const char *name))
{
    for (size_t form = FIRST_WITH_ROWS; form < MODEL_FORMS; form++)
        for (size_t shape = 0; shape < SHAPES; shape++)
            for (size_t cut = 0; cut < CUTS; cut++) {
                test_scene scene;
                char name[96];
                snprintf(name, sizeof name, "%s, shape %zu, cut %u", model_forms[form].name, shape, cuts[cut]);
                open_scene(&scene, form, shape, cuts[cut], (form + shape + cut) % 2);
                test(&scene, name);
                close_scene(&scene);
            }
}

static topn_request request_of(const history *user)
{
    return (topn_request){.history = user->items, .weights = user->weights, .history_length = user->length};
}

static void expect_naive(const test_scene *scene, const char *name, const char *way, uint32_t user, const float *scores)
{
    const naive_answer *naive = &scene->naive[user];
    for (uint32_t item = 0; item < scene->model.items; item++)
        if (!(fabs((double)scores[item] - naive->scores[item]) <= 2e-6 * naive->sizes[item]))
            fail_msg("%s, %s, user %u, item %u: %.9g instead of %.9g", name, way, user, item, (double)scores[item],
                     naive->scores[item]);
}

/* Twice over all users: the second time single users are asked after their postings have been made. */
static void one_by_one_and_in_blocks(test_scene *scene, const char *name)
{
    const uint32_t items = scene->model.items;
    const size_t whole = block_scorer_users(scene->scorer) < USERS ? block_scorer_users(scene->scorer) : USERS;
    const bool same_bits = scene->retriever->rows->form == TABLE_SPARSE;
    for (size_t step = 1; step <= whole; step = step < whole && step + 9 > whole ? whole : step + 9)
        for (uint32_t begin = 0; begin < USERS; begin += (uint32_t)step) {
            const uint32_t count = USERS - begin < step ? USERS - begin : (uint32_t)step;
            float *scores;
            assert_int_equal(block_scores(scene->scorer, scene->users + begin, count, &scores), TOPN_OK);
            for (uint32_t place = 0; place < count; place++) {
                const topn_request request = request_of(&scene->users[begin + place]);
                expect_naive(scene, name, "in a block", begin + place, scores + place * items);
                query_scores(scene->query, &request);
                expect_naive(scene, name, "alone", begin + place, scene->query->scores);
                if (same_bits)
                    for (uint32_t item = 0; item < items; item++)
                        assert_true(scores[place * items + item] == scene->query->scores[item]);
            }
        }
}

static void every_way_equals_the_naive_twin(void **state)
{
    (void)state;
    for_each_scene(one_by_one_and_in_blocks);
}

static void explain_all(test_scene *scene, const char *name)
{
    const size_t columns = scene->tables.columns;
    for (uint32_t user = 0; user < USERS; user += 3) {
        const topn_request request = request_of(&scene->users[user]);
        const naive_answer *naive = &scene->naive[user];
        float contributions[MOST_ITEMS], bias;
        for (uint32_t item = 0; item < scene->model.items; item += 7) {
            query_explain(scene->query, &request, item, contributions, &bias);
            double sum = (double)bias;
            for (size_t place = 0; place < request.history_length; place++) {
                sum += (double)contributions[place];
                /* Each by itself: the share of its item in the dimensions that stay. */
                double share = 0, size = 0;
                for (size_t column = 0; column < columns; column++) {
                    const double term = (double)scene->tables.encoder[request.history[place] * columns + column] *
                                        (double)scene->tables.items[item * columns + column];
                    share += naive->kept[column] ? term : 0;
                    size += fabs(term);
                }
                const double factor = naive_weight(&scene->model, &scene->users[user], place) *
                                      (scene->model.table.priors ? (double)scene->model.table.priors[item] : 1.0);
                if (!(fabs((double)contributions[place] - share * factor) <= 1e-6 * size * fabs(factor)))
                    fail_msg("%s, user %u, item %u, place %zu: %.9g instead of %.9g", name, user, item, place,
                             (double)contributions[place], share * factor);
            }
            if (!(fabs(sum - naive->scores[item]) <= 1e-5 * naive->sizes[item]))
                fail_msg("%s, user %u, item %u: contributions add up to %.9g, the score is %.9g", name, user, item, sum,
                         naive->scores[item]);
        }
    }
}

static void explanations_leave_out_what_is_cut(void **state)
{
    (void)state;
    for_each_scene(explain_all);
}

typedef struct answers {
    const test_scene *scene;
    uint32_t calls;
} answers;

static bool compare_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *seen = user_data;
    topn_request request = request_of(&seen->scene->users[user]);
    uint32_t expected_items[10];
    float expected[10];
    size_t expected_found;
    const topn_status status =
        topn_recommend(seen->scene->query, &request, 10, expected_items, expected, &expected_found);
    assert_int_equal(status, TOPN_OK);
    assert_int_equal(found, expected_found);
    assert_memory_equal(items, expected_items, found * sizeof *items);
    assert_memory_equal(scores, expected, found * sizeof *scores);
    seen->calls++;
    return true;
}

/* Sparse item rows: the lists of many users are those of each user asked alone, to the bit, on any threads. */
static void recommend_to_all(test_scene *scene, const char *name)
{
    (void)name;
    const topn_request no_filters = {0};
    if (scene->retriever->rows->form != TABLE_SPARSE)
        return;
    for (int threads = 1; threads <= 3; threads++) {
        topn_context context = {.threads = threads};
        answers seen = {.scene = scene};
        const recommend_job job = {.retriever = scene->retriever,
                                   .histories = &scene->rows,
                                   .user_count = USERS,
                                   .n = 10,
                                   .filters = &no_filters,
                                   .callback = compare_answer,
                                   .user_data = &seen};
        assert_int_equal(recommend_many(&context, &job), TOPN_OK);
        assert_int_equal(seen.calls, USERS);
    }
}

static void lists_of_many_equal_those_of_one(void **state)
{
    (void)state;
    for_each_scene(recommend_to_all);
}

static void models_without_item_rows_take_no_cut(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    const retriever_params params = {.block_memory = 1 << 20, .cut = 5};
    for (size_t form = 0; form < FIRST_WITH_ROWS; form++) {
        topn_model model = random_model(&model_forms[form], &shapes[1]);
        topn_retriever *retriever;
        assert_int_equal(retriever_create(&context, &model, &params, &retriever), TOPN_ERROR_UNSUPPORTED);
        assert_null(retriever);
        assert_non_null(strstr(context.message, "option --cut: this model has no user embedding to cut, it "));
        random_model_clear(&model);
    }
}

static void failed_allocations_leak_nothing(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    for (size_t form = FIRST_WITH_ROWS; form < MODEL_FORMS; form++) {
        topn_model model = random_model(&model_forms[form], &shapes[4]);
        model.encoder.cut = 60; /* the postings of so many are longer than the panel */
        for (uint64_t after = 1;; after++) {
            topn_retriever *retriever = NULL;
            block_scorer *scorer = NULL;
            float *scores;
            const uint32_t items[] = {3, 1, 5, 7, 9, 11};
            const history user = {.items = items, .length = 6};
            memory_fail_after(after);
            topn_status status = retriever_create(&context, &model, NULL, &retriever);
            if (status == TOPN_OK)
                status = block_scorer_create(&context, retriever, &scorer);
            if (status == TOPN_OK)
                status = block_scores(scorer, &user, 1, &scores);
            if (status == TOPN_ERROR_MEMORY && scorer) { /* the next call may do better */
                memory_fail_after(0);
                assert_int_equal(block_scores(scorer, &user, 1, &scores), TOPN_OK);
            }
            memory_fail_after(0);
            block_scorer_free(scorer);
            retriever_free(retriever);
            if (status == TOPN_OK)
                break;
            assert_int_equal(status, TOPN_ERROR_MEMORY);
        }
        random_model_clear(&model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_equals_the_naive_twin),  cmocka_unit_test(explanations_leave_out_what_is_cut),
        cmocka_unit_test(lists_of_many_equal_those_of_one), cmocka_unit_test(models_without_item_rows_take_no_cut),
        cmocka_unit_test(failed_allocations_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
