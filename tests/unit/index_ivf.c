/* SPDX-License-Identifier: Apache-2.0
 *
 * Retrieval by inverted lists: k-means against its definition, answers against the full sort.
 */
#include "index_fixture.h"
#include "retrieve/kmeans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const retriever_kind retriever_ivf;

static const model_form own_dense = {"own dense", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_DENSE};
static const model_form shared_dense = {"shared dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE};
static const model_form shared_sparse = {"shared sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE};
static const model_form constant = {"constant", ENCODER_CONSTANT, ITEMS_NONE, TABLE_NONE, TABLE_NONE};

/* Rows around a few far points: row r near point r mod topics. */
static void make_topics(const dense_matrix *rows, uint32_t topics, uint64_t seed)
{
    for (size_t at = 0; at < rows->rows * rows->columns; at++) {
        const size_t row = at / rows->columns, column = at % rows->columns;
        rows->values[at] =
            3.0f * random_value(seed, row % topics * rows->columns + column) + 0.3f * random_value(seed + 1, at);
    }
}

static double distance(const dense_matrix *rows, size_t row, float factor, const float *centre)
{
    double square = 0.0;
    for (size_t column = 0; column < rows->columns; column++) {
        const double apart =
            (double)rows->values[row * rows->columns + column] * (double)factor - (double)centre[column];
        square += apart * apart;
    }
    return square;
}

static void test_every_row_is_at_its_nearest_centre(void **state)
{
    (void)state;
    enum { ROWS = 500, COLUMNS = 7, CENTRES = 12 };
    static float values[ROWS * COLUMNS], centres[CENTRES * COLUMNS], factors[ROWS];
    static uint32_t home[ROWS];
    const dense_matrix rows = {.values = values, .rows = ROWS, .columns = COLUMNS};
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    make_topics(&rows, 4, 50);
    for (size_t row = 0; row < ROWS; row++)
        factors[row] = 1.0f + 0.2f * random_value(52, row);
    for (int scaled = 0; scaled < 2; scaled++) {
        const float *used = scaled ? factors : NULL;
        must(context, kmeans(context, &rows, used, CENTRES, centres, home));
        double within = 0.0, all = 0.0;
        for (size_t row = 0; row < ROWS; row++) {
            const float factor = scaled ? factors[row] : 1.0f, zero[COLUMNS] = {0};
            const double own = distance(&rows, row, factor, centres + home[row] * COLUMNS);
            for (size_t centre = 0; centre < CENTRES; centre++)
                assert_true(own <= distance(&rows, row, factor, centres + centre * COLUMNS) * (1 + 1e-4) + 1e-4);
            within += own;
            all += distance(&rows, row, factor, zero);
        }
        assert_true(within < 0.1 * all); /* the far points were found */
    }
    topn_context_free(context);
}

static void check_model(const model_form *form, model_shape shape)
{
    topn_model model = random_model(form, &shape);
    const dense_matrix *rows = &model_item_rows(&model)->dense;
    if (shape.items > 30)
        make_topics(rows, 9, shape.seed);
    for (uint32_t item = 0; item + 7 < shape.items; item += 5) /* ties, and rows of zeros */
        for (uint32_t column = 0; column < shape.dimensions; column++)
            rows->values[(item + 7) * shape.dimensions + column] =
                item % 4 ? rows->values[item * shape.dimensions + column] : 0.0f;
    opened_index all = open_index(&retriever_ivf, &model, "candidates=1e6 effort=1");
    assert_true(ask_much(&all, 1.0, shape.seed) == 1.0); /* every item scored again: the full sort */
    assert_true(same_at_any_threads(&all));
    close_index(&all);
    opened_index wide = open_index(&retriever_ivf, &model, "effort=1 lists=3");
    assert_true(ask_much(&wide, 1.0, shape.seed) > 0.95);
    close_index(&wide);
    opened_index index = open_index(&retriever_ivf, &model, "effort=0.2");
    assert_true(ask_much(&index, 1.0, shape.seed) > 0.8);
    assert_true(ask_much(&index, 0.0, shape.seed) > 0.0); /* nothing known: φ = 0 */
    close_index(&index);
    random_model_clear(&model);
}

static void test_answers_against_the_full_sort(void **state)
{
    (void)state;
    check_model(&own_dense, (model_shape){.items = 1, .dimensions = 1, .density = 0.3, .seed = 1});
    check_model(&own_dense, (model_shape){.items = 17, .dimensions = 5, .density = 0.3, .seed = 2});
    check_model(&own_dense, (model_shape){.items = 1500, .dimensions = 32, .density = 0.01, .seed = 3});
    check_model(&shared_dense, (model_shape){.items = 1025, .dimensions = 67, .seed = 4, .biases = true});
    const model_shape both = {
        .items = 700, .dimensions = 9, .density = 0.01, .seed = 5, .biases = true, .priors = true};
    check_model(&own_dense, both);
}

static void test_models_it_does_not_serve(void **state)
{
    (void)state;
    check_refused(&retriever_ivf, &shared_sparse, "clusters");
    check_refused(&retriever_ivf, &constant, "only exact");
}

static void test_damaged_and_interrupted(void **state)
{
    (void)state;
    const model_shape shape = {.items = 100, .dimensions = 12, .density = 0.2, .seed = 7};
    topn_model model = random_model(&own_dense, &shape);
    opened_index index = open_index(&retriever_ivf, &model, "lists=6");
    const float infinite = INFINITY;
    const uint32_t many = 100, most = UINT32_MAX, zero = 0;
    uint32_t first = 0;
    for (size_t at = 0; at < index.arrays.count; at++)
        if (strcmp(index.arrays.arrays[at].name, "items") == 0)
            first = *(const uint32_t *)index.arrays.arrays[at].bytes;
    assert_non_null(strstr(open_damaged(&index, "centres", 3, &infinite), "centres"));
    assert_non_null(strstr(open_damaged(&index, "scales", 42, &infinite), "scales"));
    assert_non_null(strstr(open_damaged(&index, "begins", 0, &many), "begins"));
    assert_non_null(strstr(open_damaged(&index, "begins", 3, &most), "begins"));
    assert_non_null(strstr(open_damaged(&index, "begins", 6, &zero), "begins"));
    assert_non_null(strstr(open_damaged(&index, "items", 1, &many), "items"));
    assert_non_null(strstr(open_damaged(&index, "items", 1, &first), "items")); /* twice */
    assert_non_null(strstr(open_damaged(&index, "items", 0, &most), "items"));  /* never */
    assert_true(refuses_other_shapes(&index));
    assert_true(survives_lack_of_memory(&index));
    assert_true(stops_when_cancelled(&index));
    close_index(&index);
    random_model_clear(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_at_its_nearest_centre),
        cmocka_unit_test(test_answers_against_the_full_sort),
        cmocka_unit_test(test_models_it_does_not_serve),
        cmocka_unit_test(test_damaged_and_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
