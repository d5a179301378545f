/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning against a full sort, with many ties.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

typedef struct entry {
    float magnitude;
    size_t place; /* row · columns + column */
} entry;

static int largest_first(const void *a, const void *b)
{
    const entry *left = a, *right = b;
    if (left->magnitude != right->magnitude)
        return left->magnitude > right->magnitude ? -1 : 1;
    return left->place < right->place ? -1 : 1;
}

/* Values of few distinct magnitudes, both signs, a third of them zero. */
static dense_matrix few_values(size_t rows, size_t columns, uint64_t seed)
{
    dense_matrix out = {.values = malloc(rows * columns * sizeof(float)), .rows = rows, .columns = columns};
    for (size_t i = 0; i < rows * columns; i++) {
        const uint32_t draw = random_below(seed, RANDOM_ORDER, i, 12);
        out.values[i] = draw < 4 ? 0.0f : (draw & 1 ? -1.0f : 1.0f) * (float)(draw / 3);
    }
    return out;
}

/* Keeps the first `keep` of the sorted entries: what the result must equal. */
static void check_against_sort(const dense_matrix *matrix, const sparse_matrix *got, size_t first, size_t count,
                               size_t keep)
{
    entry *sorted = malloc(count * sizeof *sorted);
    bool *kept = calloc(count, 1);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (entry){fabsf(matrix->values[first + i]), i};
    qsort(sorted, count, sizeof *sorted, largest_first);
    size_t expected = 0;
    for (size_t i = 0; i < count && i < keep && sorted[i].magnitude > 0; i++, expected++)
        kept[sorted[i].place] = true;
    size_t seen = 0;
    for (size_t r = first / matrix->columns; r <= (first + count - 1) / matrix->columns; r++)
        for (uint64_t at = got->indptr[r]; at < got->indptr[r + 1]; at++, seen++) {
            const size_t place = r * matrix->columns + got->indices[at] - first;
            assert_true(place < count && kept[place]);
            assert_true(got->values[at] == matrix->values[first + place]);
        }
    assert_int_equal(seen, expected);
    free(sorted);
    free(kept);
}

static void global_equals_sort(void **state)
{
    (void)state;
    static const size_t keeps[] = {0, 1, 5, 100, 333, 700, 5000};
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        dense_matrix matrix = few_values(37, 23, seed);
        for (size_t k = 0; k < sizeof keeps / sizeof *keeps; k++) {
            sparse_matrix got;
            assert_int_equal(prune_global(context, &matrix, keeps[k], &got), TOPN_OK);
            assert_int_equal(sparse_check(context, &got, "pruned"), TOPN_OK);
            check_against_sort(&matrix, &got, 0, matrix.rows * matrix.columns, keeps[k]);
            sparse_clear(&got);
        }
        free(matrix.values);
    }
    topn_context_free(context);
}

static void rows_equal_sort(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 2, 7, 22, 23, 40};
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        dense_matrix matrix = few_values(37, 23, 100 + seed);
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
            sparse_matrix got;
            assert_int_equal(prune_rows(context, &matrix, ks[k], false, NULL, &got), TOPN_OK);
            assert_int_equal(sparse_check(context, &got, "pruned"), TOPN_OK);
            for (size_t r = 0; r < matrix.rows; r++)
                check_against_sort(&matrix, &got, r * matrix.columns, matrix.columns, ks[k]);
            sparse_clear(&got);
        }
        free(matrix.values);
    }
    topn_context_free(context);
}

static dense_matrix transposed(const dense_matrix *matrix)
{
    dense_matrix out = {malloc(matrix->rows * matrix->columns * sizeof(float)), matrix->columns, matrix->rows};
    for (size_t r = 0; r < matrix->rows; r++)
        for (size_t c = 0; c < matrix->columns; c++)
            out.values[c * out.columns + r] = matrix->values[r * matrix->columns + c];
    return out;
}

static void columns_equal_sort(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 2, 7, 36, 37, 50};
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        dense_matrix matrix = few_values(37, 23, 200 + seed), turned = transposed(&matrix);
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
            sparse_matrix got, columns;
            assert_int_equal(prune_columns(context, &matrix, ks[k], &got), TOPN_OK);
            assert_int_equal(sparse_check(context, &got, "pruned"), TOPN_OK);
            assert_int_equal(sparse_transpose(context, &got, &columns), TOPN_OK);
            for (size_t c = 0; c < turned.rows; c++)
                check_against_sort(&turned, &columns, c * turned.columns, turned.columns, ks[k]);
            sparse_clear(&got);
            sparse_clear(&columns);
        }
        free(matrix.values);
        free(turned.values);
    }
    topn_context_free(context);
}

static void check_same(sparse_matrix *left, sparse_matrix *right)
{
    const uint64_t count = left->indptr[left->rows];
    assert_int_equal(left->rows, right->rows);
    assert_int_equal(left->columns, right->columns);
    assert_memory_equal(left->indptr, right->indptr, (left->rows + 1) * sizeof *left->indptr);
    assert_memory_equal(left->indices, right->indices, count * sizeof *left->indices);
    assert_memory_equal(left->values, right->values, count * sizeof *left->values);
    sparse_clear(left);
    sparse_clear(right);
}

static void sparse_rows_are_pruned_like_dense_ones(void **state)
{
    (void)state;
    static const uint32_t ks[] = {1, 3, 9, 30, UINT32_MAX};
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        dense_matrix matrix = few_values(37, 23, 300 + seed);
        sparse_matrix whole, from_dense, from_sparse;
        assert_int_equal(prune_global(context, &matrix, UINT64_MAX, &whole), TOPN_OK);
        for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
            assert_int_equal(prune_rows(context, &matrix, ks[k], false, NULL, &from_dense), TOPN_OK);
            assert_int_equal(prune_sparse_rows(context, &whole, ks[k], &from_sparse), TOPN_OK);
            check_same(&from_dense, &from_sparse);
            assert_int_equal(prune_columns(context, &matrix, ks[k], &from_dense), TOPN_OK);
            assert_int_equal(prune_sparse_columns(context, &whole, ks[k], &from_sparse), TOPN_OK);
            check_same(&from_dense, &from_sparse);
            assert_int_equal(prune_global(context, &matrix, 37u * (uint64_t)ks[k], &from_dense), TOPN_OK);
            assert_int_equal(prune_sparse_global(context, &whole, 37u * (uint64_t)ks[k], &from_sparse), TOPN_OK);
            check_same(&from_dense, &from_sparse);
        }
        sparse_clear(&whole);
        free(matrix.values);
    }
    topn_context_free(context);
}

static void triangle_ignores_the_upper_part_and_reorders(void **state)
{
    (void)state;
    enum { N = 31 };
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    dense_matrix matrix = few_values(N, N, 7);
    uint32_t source[N];
    for (uint32_t r = 0; r < N; r++)
        source[r] = (r * 7 + 3) % N;
    sparse_matrix got;
    assert_int_equal(prune_rows(context, &matrix, 4, true, source, &got), TOPN_OK);
    for (uint32_t r = 0; r < N; r++) {
        const uint64_t count = got.indptr[r + 1] - got.indptr[r];
        assert_true(count <= 4);
        for (uint64_t at = got.indptr[r]; at < got.indptr[r + 1]; at++) {
            assert_true(got.indices[at] <= source[r]);
            assert_true(got.values[at] == matrix.values[(size_t)source[r] * N + got.indices[at]]);
        }
    }
    sparse_clear(&got);
    free(matrix.values);
    topn_context_free(context);
}

static void same_result_at_any_thread_count(void **state)
{
    (void)state;
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    dense_matrix matrix = few_values(500, 300, 9);
    sparse_matrix one, four;
    context->threads = 1;
    assert_int_equal(prune_global(context, &matrix, 20000, &one), TOPN_OK);
    context->threads = 4;
    assert_int_equal(prune_global(context, &matrix, 20000, &four), TOPN_OK);
    assert_int_equal(one.indptr[500], 20000);
    assert_memory_equal(one.indptr, four.indptr, 501 * sizeof *one.indptr);
    assert_memory_equal(one.indices, four.indices, 20000 * sizeof *one.indices);
    assert_memory_equal(one.values, four.values, 20000 * sizeof *one.values);
    sparse_clear(&one);
    sparse_clear(&four);
    free(matrix.values);
    topn_context_free(context);
}

/* Rows of a dense matrix, copied as if they had to be made. */
static void copy_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width)
{
    const dense_matrix *from = matrix;
    memcpy(scratch, from->values + first * from->columns, count * from->columns * sizeof *scratch);
    for (size_t i = 0; i < count; i++) {
        row[i] = scratch + i * from->columns;
        width[i] = from->columns;
    }
}

static void assert_equal_matrices(const sparse_matrix *a, const sparse_matrix *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->indptr, b->indptr, ((size_t)a->rows + 1) * sizeof *a->indptr);
    assert_memory_equal(a->indices, b->indices, a->indptr[a->rows] * sizeof *a->indices);
    assert_memory_equal(a->values, b->values, a->indptr[a->rows] * sizeof *a->values);
}

/* So many rows that the threshold is guessed from a sample of blocks: random values; many ties; large ones in the
 * sampled blocks only, so that the guess is too high; none in them, so that it is too low; almost all zeros. */
static void streams_equal_the_whole_matrix(void **state)
{
    enum { ROWS = 4500, COLUMNS = 50, KINDS = 5, EACH = 16 * STREAM_BLOCK };
    static const uint64_t keeps[] = {1, 1000, 20000, 150000, 1000000};
    (void)state;
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    dense_matrix matrix = {.values = malloc(sizeof(float) * ROWS * COLUMNS), .rows = ROWS, .columns = COLUMNS};
    const row_stream stream = {
        .rows = ROWS, .columns = COLUMNS, .matrix = &matrix, .make = copy_rows, .needs_scratch = true};
    for (int kind = 0; kind < KINDS; kind++) {
        for (size_t at = 0; at < (size_t)ROWS * COLUMNS; at++) {
            const bool sampled = at / COLUMNS % EACH < STREAM_BLOCK;
            const float value = (float)random_normal(3, RANDOM_ORDER, at);
            matrix.values[at] = kind == 0   ? value
                                : kind == 1 ? roundf(value * 2)
                                : kind == 4 ? (at % 97 ? 0.0f : value)
                                            : value * (sampled == (kind == 2) ? 1000.0f : 1.0f);
        }
        for (size_t k = 0; k < sizeof keeps / sizeof *keeps; k++) {
            sparse_matrix whole, streamed;
            context->threads = 1 + (int)k % 3;
            assert_int_equal(prune_global(context, &matrix, keeps[k], &whole), TOPN_OK);
            assert_int_equal(stream_prune_global(context, &stream, keeps[k], &streamed), TOPN_OK);
            assert_equal_matrices(&whole, &streamed);
            sparse_clear(&whole);
            sparse_clear(&streamed);
        }
        for (uint32_t k = 1; k < 80; k += 26) {
            sparse_matrix whole, streamed;
            assert_int_equal(prune_rows(context, &matrix, k, false, NULL, &whole), TOPN_OK);
            assert_int_equal(stream_prune_rows(context, &stream, k, &streamed), TOPN_OK);
            assert_equal_matrices(&whole, &streamed);
            sparse_clear(&whole);
            sparse_clear(&streamed);
        }
    }
    free(matrix.values);
    topn_context_free(context);
}

static void transpose_twice_is_the_same(void **state)
{
    (void)state;
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    dense_matrix matrix = few_values(19, 40, 3);
    sparse_matrix a, b, c;
    assert_int_equal(prune_global(context, &matrix, 300, &a), TOPN_OK);
    assert_int_equal(sparse_transpose(context, &a, &b), TOPN_OK);
    assert_int_equal(sparse_transpose(context, &b, &c), TOPN_OK);
    assert_int_equal(sparse_check(context, &b, "transposed"), TOPN_OK);
    assert_memory_equal(a.indptr, c.indptr, 20 * sizeof *a.indptr);
    assert_memory_equal(a.indices, c.indices, a.indptr[19] * sizeof *a.indices);
    assert_memory_equal(a.values, c.values, a.indptr[19] * sizeof *a.values);
    sparse_clear(&a);
    sparse_clear(&b);
    sparse_clear(&c);
    free(matrix.values);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_equal_the_whole_matrix),
        cmocka_unit_test(global_equals_sort),
        cmocka_unit_test(rows_equal_sort),
        cmocka_unit_test(columns_equal_sort),
        cmocka_unit_test(sparse_rows_are_pruned_like_dense_ones),
        cmocka_unit_test(triangle_ignores_the_upper_part_and_reorders),
        cmocka_unit_test(same_result_at_any_thread_count),
        cmocka_unit_test(transpose_twice_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
