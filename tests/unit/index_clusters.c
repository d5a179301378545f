/* SPDX-License-Identifier: Apache-2.0
 *
 * Retrieval by blocks of sparse rows: bounds against true scores, answers against the full sort.
 */
#include "index_fixture.h"
#include "retrieve/clusters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const retriever_kind retriever_clusters;

static const model_form shared_sparse = {"shared sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE};
static const model_form own_sparse = {"own sparse", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_SPARSE};
static const model_form shared_dense = {"shared dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE};
static const model_form constant = {"constant", ENCODER_CONSTANT, ITEMS_NONE, TABLE_NONE, TABLE_NONE};

/* Rows of groups of five are alike, so that blocks have something in common; every seventh is a copy of another, and
 * some are empty. */
static void make_alike(topn_model *model)
{
    sparse_matrix *rows = (sparse_matrix *)&model_item_rows(model)->sparse;
    for (uint32_t item = 0; item < rows->rows; item++)
        for (uint64_t at = rows->indptr[item]; at < rows->indptr[item + 1]; at++) {
            const uint64_t key = (uint64_t)(item / 5) * rows->columns + rows->indices[at];
            rows->values[at] = random_value(77, key) + 0.1f * rows->values[at];
            if (item % 10 < 5)
                rows->values[at] = fabsf(rows->values[at]); /* blocks of one sign */
            if (item % 23 == 0)
                rows->values[at] = 0.0f;
        }
}

/* The bounds of blocks of `size` against all items' sums, and with a summary against sums of what it keeps. */
static void check_bounds(const topn_model *model, uint32_t size, double share, uint64_t seed)
{
    const sparse_matrix *rows = &model_item_rows(model)->sparse;
    topn_context *context;
    item_blocks blocks;
    block_summary summary;
    float *phi, *sums;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    must(context, item_blocks_create(context, rows, size, &blocks));
    must(context, block_summary_create(context, rows, model->table.priors, &blocks, share, &summary));
    must(context, ALLOCATE(context, rows->columns, &phi));
    must(context, ALLOCATE(context, blocks.count, &sums));
    assert_int_equal(blocks.begins[blocks.count], rows->rows);
    const block_postings highest = {summary.highest_begins, summary.highest};
    const block_postings lowest = {summary.lowest_begins, summary.lowest};
    double slack = 0.0, size_of_sums = 0.0;
    for (uint64_t trial = 0; trial < 12; trial++) {
        double norm = 0.0;
        random_phi(phi, rows->columns, trial == 0 ? 0.0 : 0.1 * (double)trial, seed + trial);
        for (uint32_t dimension = 0; dimension < rows->columns; dimension++)
            norm += (double)phi[dimension] * (double)phi[dimension];
        memset(sums, 0, blocks.count * sizeof *sums);
        block_sums(&highest, &lowest, rows->columns, phi, sums);
        for (uint32_t block = 0; block < blocks.count; block++) {
            assert_true(blocks.begins[block] < blocks.begins[block + 1]);
            assert_true(blocks.begins[block + 1] - blocks.begins[block] <= size);
            for (uint32_t at = blocks.begins[block]; at < blocks.begins[block + 1]; at++) {
                const float product =
                    sparse_product(rows, phi, blocks.items[at]) * (model->table.priors ? -1.0f : 1.0f);
                if (share == 1.0)
                    assert_true(sums[block] >= product); /* to the bit, without any slack */
                else
                    assert_true((double)sums[block] + sqrt(norm) * (double)summary.rest * (1 + 1e-6) + 1e-5 >=
                                (double)product);
                slack += (double)(sums[block] - product);
                size_of_sums += fabs((double)product);
            }
        }
    }
    if (share == 1.0) {
        assert_true(summary.rest == 0.0f);
        if (size == 1) /* a block of one: its bound is its score but for the 16 bits of values */
            assert_true(slack <= 0.03 * size_of_sums);
    } else
        assert_true(summary.rest > 0.0f && summary.rest < summary.norm);
    free(phi);
    free(sums);
    item_blocks_clear(&blocks);
    block_summary_clear(&summary);
    topn_context_free(context);
}

static void test_bounds_are_never_below_the_score(void **state)
{
    (void)state;
    const model_shape shape = {.items = 400, .dimensions = 150, .density = 0.1, .seed = 31};
    const uint32_t sizes[] = {1, 2, 7, 64};
    topn_model model = random_model(&shared_sparse, &shape);
    make_alike(&model);
    for (size_t at = 0; at < 2 * sizeof sizes / sizeof *sizes; at++) {
        if (at == sizeof sizes / sizeof *sizes) { /* the other half with priors below 0 */
            model.table.priors = random_vector(shape.items, 33);
            for (uint32_t item = 0; item < shape.items; item++)
                model.table.priors[item] *= -1.0f;
        }
        check_bounds(&model, sizes[at % 4], 1.0, 10 * at);
        check_bounds(&model, sizes[at % 4], 0.3, 10 * at);
    }
    random_model_clear(&model);
}

/* Blocks hold items that are alike: more of an item's own group are in its block than chance would put there. */
static void test_blocks_hold_like_items(void **state)
{
    (void)state;
    const model_shape shape = {.items = 500, .dimensions = 40, .density = 0.9, .seed = 32};
    topn_model model = random_model(&shared_sparse, &shape);
    topn_context *context;
    item_blocks blocks;
    size_t together = 0;
    make_alike(&model);
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    must(context, item_blocks_create(context, &model_item_rows(&model)->sparse, 10, &blocks));
    for (uint32_t block = 0; block < blocks.count; block++)
        for (uint32_t at = blocks.begins[block]; at + 1 < blocks.begins[block + 1]; at++)
            together += blocks.items[at] / 5 == blocks.items[at + 1] / 5;
    assert_true(together > 100); /* by chance 4 of 500 */
    item_blocks_clear(&blocks);
    topn_context_free(context);
    random_model_clear(&model);
}

static void check_model(const model_form *form, model_shape shape, double density)
{
    topn_model model = random_model(form, &shape);
    make_alike(&model);
    const char *const exact[] = {"block=1 summary=1 effort=1", "block=6 summary=1 effort=1",
                                 "block=6 summary=0.2 effort=1", "block=1000 summary=1 effort=1"};
    for (size_t at = 0; at < sizeof exact / sizeof *exact; at++) {
        opened_index index = open_index(&retriever_clusters, &model, exact[at]);
        assert_true(ask_much(&index, density, shape.seed + at) == 1.0);
        if (at == 1)
            assert_true(same_at_any_threads(&index));
        close_index(&index);
    }
    opened_index index = open_index(&retriever_clusters, &model, "block=2 summary=0.5 effort=0.05");
    assert_true(ask_much(&index, density, shape.seed) > 0.6);
    assert_true(ask_much(&index, 0.0, shape.seed) >= 0.0); /* nothing known: φ = 0 */
    close_index(&index);
    random_model_clear(&model);
}

static void test_answers_against_the_full_sort(void **state)
{
    (void)state;
    check_model(&shared_sparse, (model_shape){.items = 1, .dimensions = 1, .density = 1, .seed = 1}, 1.0);
    check_model(&shared_sparse, (model_shape){.items = 33, .dimensions = 9, .density = 0.3, .seed = 2}, 0.5);
    check_model(&own_sparse, (model_shape){.items = 800, .dimensions = 120, .density = 0.05, .seed = 3}, 0.2);
    check_model(&shared_sparse,
                (model_shape){.items = 700, .dimensions = 90, .density = 0.1, .seed = 4, .biases = true}, 0.2);
    check_model(
        &own_sparse,
        (model_shape){.items = 600, .dimensions = 80, .density = 0.1, .seed = 5, .biases = true, .priors = true}, 0.3);
}

/* Priors below 0 turn the order around. */
static void test_negative_priors(void **state)
{
    (void)state;
    const model_shape shape = {.items = 300, .dimensions = 60, .density = 0.2, .seed = 6, .priors = true};
    topn_model model = random_model(&shared_sparse, &shape);
    for (uint32_t item = 0; item < shape.items; item += 9)
        model.table.priors[item] *= -1.0f;
    opened_index index = open_index(&retriever_clusters, &model, "block=2 summary=1 effort=1");
    assert_true(ask_much(&index, 0.3, 60) == 1.0);
    close_index(&index);
    for (uint32_t item = 0; item < shape.items; item++) /* as those of inverse factors */
        model.table.priors[item] = -fabsf(model.table.priors[item]);
    opened_index all = open_index(&retriever_clusters, &model, "summary=1 effort=1");
    assert_true(ask_much(&all, 0.3, 61) == 1.0);
    close_index(&all);
    random_model_clear(&model);
}

static void test_models_it_does_not_serve(void **state)
{
    (void)state;
    check_refused(&retriever_clusters, &shared_dense, "int8");
    check_refused(&retriever_clusters, &constant, "only exact");
}

static void test_damaged_and_interrupted(void **state)
{
    (void)state;
    const model_shape shape = {.items = 100, .dimensions = 30, .density = 0.2, .seed = 8};
    topn_model model = random_model(&shared_sparse, &shape);
    opened_index index = open_index(&retriever_clusters, &model, "block=4");
    const uint32_t many = 100, most = UINT32_MAX, infinite = UINT32_C(0x7f800000);
    const uint64_t far = UINT64_C(1) << 60;
    const float negative = -1.0f, endless = INFINITY;
    const uint32_t first = *(const uint32_t *)index.arrays.arrays[0].bytes;
    assert_string_equal(index.arrays.arrays[0].name, "items");
    assert_non_null(strstr(open_damaged(&index, "items", 7, &many), "items"));
    assert_non_null(strstr(open_damaged(&index, "items", 7, &first), "items")); /* twice */
    assert_non_null(strstr(open_damaged(&index, "begins", 0, &many), "begins"));
    assert_non_null(strstr(open_damaged(&index, "begins", 3, &most), "begins"));
    assert_non_null(strstr(open_damaged(&index, "begins", 3, &(uint32_t){0}), "begins"));
    assert_non_null(strstr(open_damaged(&index, "highest-begins", 5, &far), "highest-begins"));
    assert_non_null(strstr(open_damaged(&index, "lowest-begins", 30, &(uint64_t){0}), "lowest-begins"));
    assert_non_null(strstr(open_damaged(&index, "highest", 5, &(uint32_t){0xffff}), "highest"));
    assert_non_null(strstr(open_damaged(&index, "lowest", 5, &infinite), "lowest"));
    assert_non_null(strstr(open_damaged(&index, "norms", 0, &negative), "norms"));
    assert_non_null(strstr(open_damaged(&index, "norms", 1, &endless), "norms"));
    assert_true(refuses_other_shapes(&index));
    assert_true(survives_lack_of_memory(&index));
    assert_true(stops_when_cancelled(&index));
    close_index(&index);
    random_model_clear(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_are_never_below_the_score), cmocka_unit_test(test_blocks_hold_like_items),
        cmocka_unit_test(test_answers_against_the_full_sort),    cmocka_unit_test(test_negative_priors),
        cmocka_unit_test(test_models_it_does_not_serve),         cmocka_unit_test(test_damaged_and_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
