/* SPDX-License-Identifier: Apache-2.0
 *
 * Maximal marginal relevance: each pick against its definition in double precision, for every form of model; lists
 * become less alike as diversity rises.
 */
#include "random_model.h"
#include "retrieve/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ITEMS = 120, FACTORS = 8, MOST = ITEMS };

typedef struct test_scene {
    topn_context context;
    topn_model model;
    topn_retriever *retriever;
    topn_query *query;
} test_scene;

static void open_scene(test_scene *scene, topn_model model)
{
    scene->context = (topn_context){.threads = 1};
    scene->model = model;
    assert_int_equal(retriever_create(&scene->context, &scene->model, NULL, &scene->retriever), TOPN_OK);
    assert_int_equal(topn_query_create(&scene->context, scene->retriever, &scene->query), TOPN_OK);
}

static void close_scene(test_scene *scene)
{
    topn_query_free(scene->query);
    topn_retriever_free(scene->retriever);
    random_model_clear(&scene->model);
}

/* Cosine of two rows, in double. */
static double cosine(const topn_model *model, uint32_t a, uint32_t b)
{
    const embedding_table *rows = model->table.kind == ITEMS_OWN ? &model->table.rows : &model->encoder.rows;
    double product = 0, left = 0, right = 0;
    for (uint32_t column = 0; column < embedding_dimensions(rows); column++) {
        const double x = naive_element(rows, a, column), y = naive_element(rows, b, column);
        product += x * y;
        left += x * x;
        right += y * y;
    }
    return left > 0 && right > 0 ? product / sqrt(left * right) : 0;
}

static double marginal(const topn_model *model, double diversity, double low, double high, uint32_t item, float score,
                       const uint32_t *picked, size_t count)
{
    double nearest = count ? -2 : 0;
    for (size_t at = 0; at < count; at++)
        nearest = fmax(nearest, cosine(model, item, picked[at]));
    return (1 - diversity) * (high > low ? ((double)score - low) / (high - low) : 1) - diversity * nearest;
}

/* Every pick is the best of what was left, up to rounding; the others keep their order; scores stay their items'. */
static void check_picks(const topn_model *model, double diversity, size_t n, const uint32_t *before,
                        const float *scores_before, const uint32_t *items, const float *scores, size_t count)
{
    double low = INFINITY, high = -INFINITY;
    bool gone[MOST] = {false};
    for (size_t at = 0; at < count; at++) {
        low = fmin(low, (double)scores_before[at]);
        high = fmax(high, (double)scores_before[at]);
    }
    for (size_t rank = 0; rank < n && rank < count; rank++) {
        double best = -INFINITY, own = -INFINITY;
        for (size_t at = 0; at < count; at++) {
            if (gone[at])
                continue;
            const double gain = marginal(model, diversity, low, high, before[at], scores_before[at], items, rank);
            best = fmax(best, gain);
            if (before[at] != items[rank])
                continue;
            own = gain;
            gone[at] = true;
            assert_true(scores[rank] == scores_before[at]);
        }
        if (!(own >= best - 1e-5))
            fail_msg("rank %zu: item %u has %.9g, the best %.9g", rank, items[rank], own, best);
    }
    size_t at = 0;
    for (size_t rank = n; rank < count; rank++, at++) {
        while (gone[at])
            at++;
        assert_int_equal(items[rank], before[at]);
        assert_true(scores[rank] == scores_before[at]);
    }
}

static void picks_are_the_definition(void **state)
{
    (void)state;
    static const double diversities[] = {0.0, 0.1, 0.5, 0.9, 1.0};
    static const size_t cuts[] = {0, 1, 10, 40, 100};
    const model_shape shape = {.items = ITEMS, .dimensions = 23, .density = 0.2, .priors = true, .seed = 11};
    for (size_t form = 1; form < MODEL_FORMS; form++) {
        test_scene scene;
        open_scene(&scene, random_model(&model_forms[form], &shape));
        const sparse_matrix rows = random_histories(6, ITEMS, 5);
        for (uint32_t user = 0; user < 6; user++) {
            uint32_t before[MOST], items[MOST];
            float scores_before[MOST], scores[MOST];
            const history row = history_row(&rows, user);
            const topn_request request = {.history = row.items, .history_length = row.length, .include_seen = true};
            size_t found;
            assert_int_equal(topn_recommend(scene.query, &request, 40, before, scores_before, &found), TOPN_OK);
            for (size_t round = 0; round < 25; round++) {
                memcpy(items, before, sizeof items);
                memcpy(scores, scores_before, sizeof scores);
                assert_int_equal(
                    topn_diversify(scene.query, diversities[round % 5], cuts[round / 5], items, scores, found),
                    TOPN_OK);
                check_picks(&scene.model, diversities[round % 5], diversities[round % 5] > 0 ? cuts[round / 5] : 0,
                            before, scores_before, items, scores, found);
            }
        }
        sparse_matrix done = rows;
        sparse_clear(&done);
        close_scene(&scene);
    }
}

/* A model of the encoder "fields" whose items have biases: the last two columns are 1 and the bias. */
static void biases_say_nothing_of_likeness(void **state)
{
    (void)state;
    const model_form form = {"own dense", ENCODER_BAG, ITEMS_OWN, TABLE_DENSE, TABLE_DENSE};
    const model_shape shape = {.items = ITEMS, .dimensions = FACTORS + 2, .seed = 4};
    test_scene scene;
    open_scene(&scene, random_model(&form, &shape));
    topn_model plain = scene.model;
    float *psi = scene.model.table.rows.dense.values, *factors;
    assert_int_equal(ALLOCATE(NULL, (size_t)ITEMS * FACTORS, &factors), TOPN_OK);
    for (uint32_t item = 0; item < ITEMS; item++) {
        memcpy(factors + (size_t)item * FACTORS, psi + (size_t)item * (FACTORS + 2), FACTORS * sizeof *factors);
        psi[item * (FACTORS + 2) + FACTORS] = 1;
        psi[item * (FACTORS + 2) + FACTORS + 1] = 100;
    }
    plain.table.rows.dense = (dense_matrix){factors, ITEMS, FACTORS};
    scene.model.encoder.kind = ENCODER_FIELDS;
    scene.model.encoder.fields.biases = true;
    scene.model.encoder.fields.factors = FACTORS;
    uint32_t before[30], items[30];
    float scores_before[30], scores[30];
    for (uint32_t at = 0; at < 30; at++) {
        before[at] = items[at] = 3 * at;
        scores_before[at] = scores[at] = 10.0f - (float)at;
    }
    assert_int_equal(topn_diversify(scene.query, 0.6, 12, items, scores, 30), TOPN_OK);
    check_picks(&plain, 0.6, 12, before, scores_before, items, scores, 30);
    free(factors);
    scene.model.encoder.kind = ENCODER_BAG;
    close_scene(&scene);
}

static double likeness(const topn_model *model, const uint32_t *items, size_t n)
{
    double sum = 0;
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < a; b++)
            sum += cosine(model, items[a], items[b]);
    return sum / (double)(n * (n - 1) / 2);
}

/* Items come in ten groups whose rows are near each other, and the best candidates are of one group. */
static void lists_become_less_alike(void **state)
{
    (void)state;
    const model_form form = {"shared dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE};
    const model_shape shape = {.items = ITEMS, .dimensions = FACTORS, .seed = 9};
    test_scene scene;
    open_scene(&scene, random_model(&form, &shape));
    float *values = scene.model.encoder.rows.dense.values;
    for (uint32_t item = 0; item < ITEMS; item++)
        for (uint32_t column = 0; column < FACTORS; column++)
            values[item * FACTORS + column] =
                random_value(100 + item / 12, column) + 0.3f * random_value(200, item * FACTORS + column);
    double last = 2;
    for (int step = 0; step <= 4; step++) {
        uint32_t items[ITEMS];
        float scores[ITEMS];
        for (uint32_t at = 0; at < ITEMS; at++) {
            items[at] = at;
            scores[at] = 5.0f - 0.01f * (float)at;
        }
        assert_int_equal(topn_diversify(scene.query, step / 4.0, 10, items, scores, ITEMS), TOPN_OK);
        const double now = likeness(&scene.model, items, 10);
        assert_true(step == 0 ? now > 0.8 : now <= last + 1e-9);
        last = now;
    }
    assert_true(last < 0.1);
    close_scene(&scene);
}

static void bad_input_is_named(void **state)
{
    (void)state;
    const model_shape shape = {.items = 37, .dimensions = 5, .density = 0.3, .seed = 3};
    test_scene scene;
    open_scene(&scene, random_model(&model_forms[4], &shape));
    uint32_t items[] = {3, 36, 5}, far[] = {3, 37};
    float scores[] = {3, 2, 1}, endless[] = {1, INFINITY};
    assert_int_equal(topn_diversify(scene.query, 1.5, 2, items, scores, 3), TOPN_ERROR_ARGUMENT);
    assert_string_equal(scene.context.message, "topn_diversify: diversity 1.5 is not 0 … 1");
    assert_int_equal(topn_diversify(scene.query, NAN, 2, items, scores, 3), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_diversify(scene.query, 0.5, 2, far, scores, 2), TOPN_ERROR_ARGUMENT);
    assert_string_equal(scene.context.message, "items[1]: item 37 is out of range, the model has 37 items");
    assert_int_equal(topn_diversify(scene.query, 0.5, 2, items, endless, 2), TOPN_ERROR_ARGUMENT);
    assert_string_equal(scene.context.message, "scores[1]: inf is not a finite number");
    assert_int_equal(topn_diversify(NULL, 0.5, 2, items, scores, 2), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_diversify(scene.query, 0.5, 2, NULL, NULL, 0), TOPN_OK);
    assert_int_equal(items[0], 3);
    for (uint64_t allocation = 1; allocation <= 2; allocation++) {
        memory_fail_after(allocation);
        assert_int_equal(topn_diversify(scene.query, 0.5, 2, items, scores, 3), TOPN_ERROR_MEMORY);
        memory_fail_after(0);
        assert_int_equal(items[0], 3);
    }
    close_scene(&scene);
    open_scene(&scene, random_model(&model_forms[0], &shape));
    assert_int_equal(topn_diversify(scene.query, 0.5, 2, items, scores, 3), TOPN_ERROR_UNSUPPORTED);
    assert_int_equal(topn_diversify(scene.query, 0.0, 2, items, scores, 3), TOPN_OK);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picks_are_the_definition),
        cmocka_unit_test(biases_say_nothing_of_likeness),
        cmocka_unit_test(lists_become_less_alike),
        cmocka_unit_test(bad_input_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
