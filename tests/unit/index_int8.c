/* SPDX-License-Identifier: Apache-2.0
 *
 * Retrieval by rows of 8 bits: kernels against plain sums, answers against the full sort.
 */
#include "index_fixture.h"
#include "retrieve/int8_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const retriever_kind retriever_int8;

enum { MOST_GROUPS = 5, MOST_COLUMNS = 203 };

static const model_form own_dense = {"own dense", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_DENSE};
static const model_form shared_dense = {"shared dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE};
static const model_form shared_sparse = {"shared sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE};
static const model_form constant = {"constant", ENCODER_CONSTANT, ITEMS_NONE, TABLE_NONE, TABLE_NONE};

/* Rows and a query as encoded, decoded and multiplied in the plainest way. */
static void check_kernels(size_t columns, uint64_t seed, bool extreme)
{
    const size_t quads = int8_quads(columns), rows = MOST_GROUPS * INT8_GROUP;
    static uint8_t codes[MOST_GROUPS * (MOST_COLUMNS + 3) / 4 * INT8_GROUP_QUAD + INT8_GROUP_QUAD * MOST_GROUPS];
    static float row[MOST_COLUMNS], phi[MOST_COLUMNS];
    static int8_t query[MOST_COLUMNS + 3];
    static int32_t expected[MOST_GROUPS * INT8_GROUP], sums[MOST_GROUPS * INT8_GROUP];
    int32_t query_sum, plain_sum = 0;
    for (size_t at = 0; at < columns; at++)
        phi[at] = extreme ? (at % 3 ? 2.0f : -2.0f) : random_value(seed, at);
    const float scale = int8_encode_query(phi, columns, query, &query_sum);
    for (size_t at = 0; at < columns; at++) {
        assert_true(fabs((double)(phi[at] - scale * (float)query[at])) <= 0.501 * (double)scale);
        plain_sum += query[at];
    }
    assert_int_equal(query_sum, plain_sum);
    for (size_t at = 0; at < rows; at++) {
        uint8_t *group = codes + at / INT8_GROUP * quads * INT8_GROUP_QUAD;
        for (size_t column = 0; column < columns; column++)
            row[column] = extreme ? ((at + column) % 2 ? 1.0f : -1.0f) : random_value(seed + 1, at * columns + column);
        const float row_scale = int8_encode_row(row, columns, at % INT8_GROUP, group);
        expected[at] = 0;
        for (size_t column = 0; column < columns; column++) {
            const int code = group[column / 4 * INT8_GROUP_QUAD + at % INT8_GROUP * 4 + column % 4] - (int)INT8_ZERO;
            assert_true(fabs((double)(row[column] - row_scale * (float)code)) <= 0.501 * (double)row_scale);
            expected[at] += code * query[column];
        }
    }
    for (int level = 0; level <= INT8_VNNI; level++) {
        if (level && !int8_supports((int8_level)level))
            continue;
        memset(sums, 0x55, sizeof sums);
        int8_sums(codes, MOST_GROUPS, quads, query, query_sum, level, sums);
        assert_memory_equal(sums, expected, sizeof sums);
    }
}

static void test_kernels_give_the_same_integers(void **state)
{
    (void)state;
    const size_t columns[] = {1, 3, 4, 15, 16, 17, 64, 128, 130, MOST_COLUMNS};
    for (size_t at = 0; at < sizeof columns / sizeof *columns; at++) {
        check_kernels(columns[at], 100 + at, false);
        check_kernels(columns[at], 200 + at, true);
    }
}

static void test_rows_without_numbers(void **state)
{
    (void)state;
    const float zeros[4] = {0, -0.0f, 0, 0}, odd[4] = {INFINITY, NAN, -INFINITY, 3.0f};
    uint8_t group[INT8_GROUP_QUAD];
    assert_true(int8_encode_row(zeros, 4, 3, group) == 0.0f);
    for (size_t at = 12; at < 16; at++)
        assert_int_equal(group[at], INT8_ZERO);
    assert_true(int8_encode_row(odd, 4, 0, group) == (float)(3.0 / 127));
    assert_int_equal(group[0], INT8_ZERO);
    assert_int_equal(group[1], INT8_ZERO);
    assert_int_equal(group[2], INT8_ZERO);
    assert_int_equal(group[3], INT8_ZERO + 127);
}

static void check_model(const model_form *form, model_shape shape)
{
    topn_model model = random_model(form, &shape);
    if (shape.items > 30)
        for (uint32_t item = 0; item + 7 < shape.items; item += 5) /* ties, and rows of zeros */
            for (uint32_t column = 0; column < shape.dimensions; column++) {
                const dense_matrix *rows = &model_item_rows(&model)->dense;
                rows->values[(item + 7) * shape.dimensions + column] =
                    item % 4 ? rows->values[item * shape.dimensions + column] : 0.0f;
            }
    opened_index all = open_index(&retriever_int8, &model, "candidates=1e6");
    assert_true(ask_much(&all, 1.0, shape.seed) == 1.0); /* every item scored again: the full sort */
    assert_true(same_at_any_threads(&all));
    close_index(&all);
    opened_index index = open_index(&retriever_int8, &model, "");
    assert_true(ask_much(&index, 1.0, shape.seed) > 0.95);
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
    check_model(
        &own_dense,
        (model_shape){.items = 700, .dimensions = 9, .density = 0.01, .seed = 5, .biases = true, .priors = true});
}

static void test_models_it_does_not_serve(void **state)
{
    (void)state;
    check_refused(&retriever_int8, &shared_sparse, "clusters");
    check_refused(&retriever_int8, &constant, "only exact");
}

static void test_damaged_and_interrupted(void **state)
{
    (void)state;
    const model_shape shape = {.items = 100, .dimensions = 12, .density = 0.2, .seed = 7};
    topn_model model = random_model(&own_dense, &shape);
    opened_index index = open_index(&retriever_int8, &model, "");
    const float infinite = INFINITY;
    assert_non_null(strstr(open_damaged(&index, "scales", 42, &infinite), "scales"));
    assert_true(refuses_other_shapes(&index));
    assert_true(survives_lack_of_memory(&index));
    assert_true(stops_when_cancelled(&index));
    close_index(&index);
    random_model_clear(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_give_the_same_integers), cmocka_unit_test(test_rows_without_numbers),
        cmocka_unit_test(test_answers_against_the_full_sort),  cmocka_unit_test(test_models_it_does_not_serve),
        cmocka_unit_test(test_damaged_and_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
