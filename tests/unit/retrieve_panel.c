/* SPDX-License-Identifier: Apache-2.0
 *
 * The panel kernel against the plain loop over a row, bit for bit: every vector width of this processor, every number
 * of lanes, several tiles and bands, rows of every length.
 */
#include "random_model.h"
#include "retrieve/cache.h"
#include "retrieve/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* About `length` non-zeros a row, spread over the columns; some rows empty, one full when it is short enough. */
static sparse_matrix spread_rows(uint32_t rows, uint32_t columns, uint32_t length, uint64_t seed)
{
    sparse_matrix matrix;
    if (sparse_create(NULL, rows, columns, (uint64_t)rows * length, &matrix) != TOPN_OK)
        abort();
    uint64_t filled = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t step = columns / length ? columns / length : 1;
        uint32_t column = random_below(seed, RANDOM_DOCTOR, row, step);
        for (uint32_t taken = 0; taken < length && row % 5 != 1 && column < columns; taken++) {
            matrix.indices[filled] = column;
            matrix.values[filled] = random_value(seed + 1, filled);
            filled++;
            column += 1 + random_below(seed + 2, RANDOM_DOCTOR, filled, step);
        }
        matrix.indptr[row + 1] = filled;
    }
    return matrix;
}

static void check_shape(uint32_t rows, uint32_t columns, uint32_t length)
{
    static const size_t user_counts[] = {1, 16, 17, 32, 50, 64};
    sparse_matrix matrix = spread_rows(rows, columns, length, rows + columns);
    panel_table table;
    assert_int_equal(panel_table_create(NULL, &matrix, &table), TOPN_OK);
    for (size_t pick = 0; pick < sizeof user_counts / sizeof *user_counts; pick++) {
        const size_t users = user_counts[pick], lanes = panel_lanes(users);
        float *panel = aligned_alloc(PANEL_ALIGNMENT, columns * lanes * sizeof(float));
        float *tile = aligned_alloc(PANEL_ALIGNMENT, PANEL_TILE_ROWS * lanes * sizeof(float));
        float *expected = malloc(users * rows * sizeof(float)), *scores = malloc(users * rows * sizeof(float));
        assert_true(panel && tile && expected && scores);
        for (size_t at = 0; at < columns * lanes; at++)
            panel[at] = at % 3 ? random_value(77, at) : 0.0f;
        for (size_t user = 0; user < users; user++) {
            for (uint32_t row = 0; row < rows; row++) {
                float sum = 0.0f;
                for (uint64_t at = matrix.indptr[row]; at < matrix.indptr[row + 1]; at++)
                    sum += panel[matrix.indices[at] * lanes + user] * matrix.values[at];
                expected[user * rows + row] = sum;
            }
        }
        const panel_block block = {.panel = panel, .tile = tile, .lanes = lanes, .users = users, .scores = scores};
        for (int vector = 4; vector <= 16; vector *= 2) {
            if (!panel_supports(vector)) {
                print_message("this processor has no vectors of %d floats\n", vector);
                continue;
            }
            memset(scores, 0x7F, users * rows * sizeof(float));
            panel_scores(&table, &block, vector);
            assert_memory_equal(scores, expected, users * rows * sizeof(float));
        }
        free(panel);
        free(tile);
        free(expected);
        free(scores);
    }
    panel_table_clear(&table);
    sparse_clear(&matrix);
}

static void equals_the_plain_loop(void **state)
{
    (void)state;
    check_shape(1, 1, 1);
    check_shape(15, 40, 40);
    check_shape(PANEL_TILE_ROWS, 100, 7);
    check_shape(PANEL_TILE_ROWS + 1, 2048, 20);
    check_shape(2 * PANEL_TILE_ROWS + 17, 2049, 9);
    check_shape(300, 9000, 100);
    check_shape(40, 70000, 3); /* more columns than 16 bits count, few non-zeros: wide bands */
}

/* Dense rows: within rounding of the naive sum, and a lane's bits are its own, for each vector width by itself. */
static void check_dense(uint32_t rows, uint32_t columns, size_t users)
{
    const size_t lanes = panel_lanes(users);
    embedding_table table = {0};
    random_rows(&table, TABLE_DENSE, rows, columns, 1.0, 31);
    float *panel = aligned_alloc(PANEL_ALIGNMENT, columns * lanes * sizeof(float));
    float *narrow = aligned_alloc(PANEL_ALIGNMENT, columns * PANEL_LEAST_LANES * sizeof(float));
    float *tile = aligned_alloc(PANEL_ALIGNMENT, PANEL_TILE_ROWS * lanes * sizeof(float));
    float *scores = malloc(users * rows * sizeof(float)), *alone = malloc(rows * sizeof(float));
    assert_true(panel && narrow && tile && scores && alone);
    for (size_t at = 0; at < columns * lanes; at++)
        panel[at] = random_value(78, at);
    const panel_block block = {.panel = panel, .tile = tile, .lanes = lanes, .users = users, .scores = scores};
    const panel_block first = {.panel = narrow, .tile = tile, .lanes = PANEL_LEAST_LANES, .users = 1, .scores = alone};
    for (int vector = 4; vector <= 16; vector *= 2) {
        if (!panel_supports(vector))
            continue;
        memset(scores, 0x7F, users * rows * sizeof(float));
        panel_scores_dense(&table.dense, &block, vector);
        for (size_t user = 0; user < users; user++) {
            for (uint32_t row = 0; row < rows; row += 5) {
                double sum = 0.0, size = 0.0;
                for (uint32_t column = 0; column < columns; column++) {
                    const double term = (double)panel[column * lanes + user] *
                                        (double)table.dense.values[(size_t)row * columns + column];
                    sum += term;
                    size += fabs(term);
                }
                assert_true(fabs((double)scores[user * rows + row] - sum) <= 2e-6 * size);
            }
            /* The same user, alone and in the first lane of a narrow panel. */
            memset(narrow, 0, columns * PANEL_LEAST_LANES * sizeof(float));
            for (uint32_t column = 0; column < columns; column++)
                narrow[column * PANEL_LEAST_LANES] = panel[column * lanes + user];
            panel_scores_dense(&table.dense, &first, vector);
            assert_memory_equal(alone, scores + user * rows, rows * sizeof(float));
        }
    }
    free(panel);
    free(narrow);
    free(tile);
    free(scores);
    free(alone);
    random_rows_clear(&table);
}

static void dense_lanes_keep_their_bits(void **state)
{
    (void)state;
    check_dense(1, 1, 1);
    check_dense(5, 3, 64);
    check_dense(13, 700, 64);
    check_dense(41, 129, 32);
    check_dense(41, 129, 50);
    check_dense(PANEL_TILE_ROWS + 4, 17, 20);
}

static void one_user_has_the_bits_of_a_block(void **state)
{
    (void)state;
    enum { ITEMS = 900, DIMENSIONS = 500, USERS = 40 };
    const uint32_t items = ITEMS;
    topn_model model = {.items = ITEMS};
    topn_context context = {.threads = 1};
    model.encoder.kind = ENCODER_BAG;
    model.encoder.rows.form = TABLE_SPARSE;
    model.encoder.rows.sparse = spread_rows(ITEMS, DIMENSIONS, 6, 4);
    model.table.kind = ITEMS_SHARED;
    model.table.priors = random_vector(ITEMS, 9);
    topn_retriever *retriever;
    block_scorer *scorer;
    topn_query *query;
    float *block, single[ITEMS];
    assert_int_equal(retriever_create(&context, &model, NULL, &retriever), TOPN_OK);
    assert_int_equal(block_scorer_create(&context, retriever, &scorer), TOPN_OK);
    assert_int_equal(query_create(&context, retriever, &query), TOPN_OK);
    for (uint32_t user = 0; user < USERS; user++) {
        uint32_t items_seen[8];
        for (uint32_t place = 0; place < 8; place++)
            items_seen[place] = (user * 37 + place * 101) % items;
        const history row = {.items = items_seen, .length = 8};
        const topn_request request = {.history = items_seen, .history_length = 8};
        assert_int_equal(block_scores(scorer, &row, 1, &block), TOPN_OK);
        query_scores(query, &request);
        memcpy(single, query->scores, sizeof single);
        assert_memory_equal(single, block, sizeof single);
        /* Both ways are taken: rows first, postings once they are worth their price. */
        if (user == 3)
            assert_null(cache_postings(retriever));
    }
    assert_non_null(cache_postings(retriever));
    query_free(query);
    block_scorer_free(scorer);
    retriever_free(retriever);
    random_model_clear(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_plain_loop),
        cmocka_unit_test(dense_lanes_keep_their_bits),
        cmocka_unit_test(one_user_has_the_bits_of_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
