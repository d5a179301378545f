/* SPDX-License-Identifier: Apache-2.0
 *
 * Block scores of every form of model against the naive double-precision twin; the same bits wherever a user stands.
 */
#include "random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 40 };

static const model_shape shapes[] = {
    {.items = 1, .dimensions = 1, .density = 1.0, .seed = 1},
    {.items = 2, .dimensions = 3, .density = 0.5, .biases = true, .seed = 2},
    {.items = 37, .dimensions = 19, .density = 0.3, .priors = true, .seed = 3},
    {.items = 64, .dimensions = 64, .density = 0.1, .priors = true, .biases = true, .normalizer = 0.5, .seed = 4},
    {.items = 131, .dimensions = 70, .density = 0.2, .use_weights = true, .seed = 5},
    {.items = 95, .dimensions = 33, .density = 0.0, .use_weights = true, .normalizer = 1.0, .seed = 6},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct test_scene {
    topn_model model;
    topn_retriever *retriever;
    block_scorer *scorer;
    sparse_matrix rows;
    history users[USERS];
} test_scene;

static void open_scene(test_scene *scene, const model_form *form, const model_shape *shape,
                       const retriever_params *params)
{
    scene->model = random_model(form, shape);
    scene->rows = random_histories(USERS, shape->items, shape->seed + 100);
    for (uint32_t user = 0; user < USERS; user++)
        scene->users[user] = history_row(&scene->rows, user);
    assert_int_equal(retriever_create(NULL, &scene->model, params, &scene->retriever), TOPN_OK);
    assert_int_equal(block_scorer_create(NULL, scene->retriever, &scene->scorer), TOPN_OK);
    assert_true(block_scorer_users(scene->scorer) >= 1);
}

static void close_scene(test_scene *scene)
{
    block_scorer_free(scene->scorer);
    retriever_free(scene->retriever);
    sparse_clear(&scene->rows);
    random_model_clear(&scene->model);
}

/* Scores of all USERS, in blocks of `step` users. */
static float *score_all(test_scene *scene, size_t step)
{
    const size_t items = scene->model.items;
    float *all, *scores;
    assert_int_equal(ALLOCATE(NULL, USERS * items, &all), TOPN_OK);
    for (size_t begin = 0; begin < USERS; begin += step) {
        const size_t count = USERS - begin < step ? USERS - begin : step;
        assert_int_equal(block_scores(scene->scorer, scene->users + begin, count, &scores), TOPN_OK);
        memcpy(all + begin * items, scores, count * items * sizeof *all);
        memset(scores, 0x7F, count * items * sizeof *all);
    }
    return all;
}

static size_t whole_block(const test_scene *scene)
{
    const size_t users = block_scorer_users(scene->scorer);
    return users < USERS ? users : USERS;
}

static void equal_the_naive_twin(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (size_t shape = 0; shape < SHAPES; shape++) {
            test_scene scene;
            open_scene(&scene, &model_forms[form], &shapes[shape], NULL);
            const uint32_t items = scene.model.items;
            float *all = score_all(&scene, whole_block(&scene));
            for (size_t user = 0; user < USERS; user++) {
                for (uint32_t item = 0; item < items; item++) {
                    double size;
                    const double expected = naive_score(&scene.model, &scene.users[user], item, &size);
                    const double actual = (double)all[user * items + item];
                    if (!(fabs(actual - expected) <= 2e-6 * size))
                        fail_msg("%s, shape %zu, user %zu, item %u: %.9g instead of %.9g", model_forms[form].name,
                                 shape, user, item, actual, expected);
                    /* No term at all: exactly the bias, so that coverage can be counted. */
                    if (size == 0.0)
                        assert_true(all[user * items + item] == 0.0f);
                }
            }
            free(all);
            close_scene(&scene);
        }
    }
}

static void same_bits_in_any_block(void **state)
{
    (void)state;
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        for (size_t shape = 0; shape < SHAPES; shape++) {
            test_scene scene;
            open_scene(&scene, &model_forms[form], &shapes[shape], NULL);
            const size_t bytes = (size_t)USERS * scene.model.items * sizeof(float);
            float *whole = score_all(&scene, whole_block(&scene));
            for (size_t step = 1; step < whole_block(&scene); step += 6) {
                float *parts = score_all(&scene, step);
                assert_memory_equal(whole, parts, bytes);
                free(parts);
            }
            free(whole);
            close_scene(&scene);
        }
    }
}

static void same_bits_with_little_memory(void **state)
{
    (void)state;
    const retriever_params little = {.block_memory = 1};
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        test_scene scene;
        open_scene(&scene, &model_forms[form], &shapes[3], NULL);
        float *much = score_all(&scene, whole_block(&scene));
        const size_t bytes = (size_t)USERS * scene.model.items * sizeof(float);
        close_scene(&scene);
        open_scene(&scene, &model_forms[form], &shapes[3], &little);
        float *few = score_all(&scene, whole_block(&scene));
        if (memcmp(much, few, bytes) != 0)
            fail_msg("%s: bits depend on block-memory", model_forms[form].name);
        free(much);
        free(few);
        close_scene(&scene);
    }
}

static void shapes_that_do_not_fit(void **state)
{
    (void)state;
    topn_retriever *retriever;
    topn_context context = {.threads = 1};
    topn_model model = random_model(&model_forms[5], &shapes[2]);
    model.table.rows.dense.columns--;
    assert_int_equal(retriever_create(&context, &model, NULL, &retriever), TOPN_ERROR_FORMAT);
    assert_null(retriever);
    assert_string_equal(context.message, "model: the encoder has 19 dimensions, the item table 18");
    model.table.rows.dense.columns++;
    model.encoder.rows.dense.rows--;
    assert_int_equal(retriever_create(&context, &model, NULL, &retriever), TOPN_ERROR_FORMAT);
    model.encoder.rows.dense.rows++;
    model.table.kind = ITEMS_IDENTITY;
    assert_int_equal(retriever_create(&context, &model, NULL, &retriever), TOPN_ERROR_FORMAT);
    model.table.kind = ITEMS_NONE;
    assert_int_equal(retriever_create(&context, &model, NULL, &retriever), TOPN_ERROR_FORMAT);
    random_model_clear(&model);
}

static void failed_allocations_leak_nothing(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    for (size_t form = 0; form < MODEL_FORMS; form++) {
        topn_model model = random_model(&model_forms[form], &shapes[2]);
        for (uint64_t after = 1;; after++) {
            topn_retriever *retriever = NULL;
            block_scorer *scorer = NULL;
            float *scores;
            const uint32_t items[] = {3, 1};
            const history user = {.items = items, .length = 2};
            memory_fail_after(after);
            topn_status status = retriever_create(&context, &model, NULL, &retriever);
            if (status == TOPN_OK)
                status = block_scorer_create(&context, retriever, &scorer);
            if (status == TOPN_OK)
                status = block_scores(scorer, &user, 1, &scores);
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
        cmocka_unit_test(equal_the_naive_twin),
        cmocka_unit_test(same_bits_in_any_block),
        cmocka_unit_test(same_bits_with_little_memory),
        cmocka_unit_test(shapes_that_do_not_fit),
        cmocka_unit_test(failed_allocations_leak_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
