/* SPDX-License-Identifier: Apache-2.0
 *
 * Factorisation, inverse, products and eigenvalue of symmetric matrices against plain double-precision twins.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "numeric/symmetric.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

/* A random positive definite matrix, well conditioned: Z·Zᵀ/n + I/2, whole square, from Z [n × n]. */
static void random_definite(size_t n, uint64_t seed, double *a)
{
    double *z = malloc(n * n * sizeof *z);
    for (size_t i = 0; i < n * n; i++)
        z[i] = random_normal(seed, RANDOM_RESIDUAL, i);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++) {
            double sum = r == c ? 0.5 : 0;
            for (size_t k = 0; k < n; k++)
                sum += z[r * n + k] * z[c * n + k] / (double)n;
            a[r * n + c] = a[c * n + r] = sum;
        }
    free(z);
}

/* Lower triangle as floats, in either layout; what the full one has above is garbage that nothing may read. */
static symmetric lower_floats(const double *a, size_t n, bool half)
{
    symmetric out;
    assert_int_equal(symmetric_create(NULL, n, half, &out), TOPN_OK);
    for (size_t cell = 0; cell < symmetric_bytes(n, half) / sizeof(float); cell++)
        out.values[cell] = 777.0f;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++)
            symmetric_row(&out, r)[c] = (float)a[r * n + c];
    return out;
}

static float at(const symmetric *a, size_t r, size_t c)
{
    return symmetric_row(a, r)[c];
}

/* Plain Cholesky in double: lower factor. */
static void plain_factor(const double *a, size_t n, double *l)
{
    memset(l, 0, n * n * sizeof *l);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++) {
            double sum = a[r * n + c];
            for (size_t k = 0; k < c; k++)
                sum -= l[r * n + k] * l[c * n + k];
            l[r * n + c] = r == c ? sqrt(sum) : sum / l[c * n + c];
        }
}

static topn_context *make_context(int threads)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    return context;
}

static void invert(topn_context *context, symmetric *a)
{
    assert_int_equal(symmetric_factor(context, a, "factor"), TOPN_OK);
    assert_int_equal(triangle_invert(context, a, "invert"), TOPN_OK);
    assert_int_equal(triangle_gram(context, a, "multiply"), TOPN_OK);
}

/* Sizes around the tile size of 256, where edge tiles are full, partial or a single row. */
static const size_t sizes[] = {1, 2, 7, 64, 255, 256, 257, 600};

static void factor_equals_plain(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        double *a = malloc(n * n * sizeof *a), *l = malloc(n * n * sizeof *l);
        random_definite(n, n, a);
        plain_factor(a, n, l);
        topn_context *context = make_context(2);
        for (int half = 0; half < 2; half++) {
            symmetric f = lower_floats(a, n, half);
            assert_int_equal(symmetric_factor(context, &f, "factor"), TOPN_OK);
            for (size_t r = 0; r < n; r++)
                for (size_t c = 0; c <= r; c++)
                    assert_float_equal(at(&f, r, c), l[r * n + c], 2e-4);
            symmetric_clear(&f);
        }
        topn_context_free(context);
        free(a);
        free(l);
    }
}

static void inverse_times_matrix_is_identity(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t n = sizes[s];
        double *a = malloc(n * n * sizeof *a);
        random_definite(n, 100 + n, a);
        symmetric p = lower_floats(a, n, false);
        topn_context *context = make_context(2);
        invert(context, &p);
        symmetric_mirror(context, &p);
        for (size_t r = 0; r<n; r += n> 64 ? 37 : 1)
            for (size_t c = 0; c < n; c++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++)
                    sum += a[r * n + k] * p.values[k * n + c];
                assert_float_equal(sum, r == c ? 1.0 : 0.0, 1e-3);
            }
        topn_context_free(context);
        symmetric_clear(&p);
        free(a);
    }
}

/* Products with vectors read the same rows, so they need no more than one look each. */
static void check_same_products(topn_context *context, const symmetric *one, topn_context *other_context,
                                const symmetric *other)
{
    const size_t n = one->n;
    double *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y), *z = malloc(n * sizeof *z);
    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(6, RANDOM_RESIDUAL, i);
    assert_int_equal(symmetric_multiply(context, one, x, y), TOPN_OK);
    assert_int_equal(symmetric_multiply(other_context, other, x, z), TOPN_OK);
    assert_memory_equal(y, z, n * sizeof *y);
    for (int transposed = 0; transposed < 2; transposed++) {
        assert_int_equal(triangle_multiply_both(context, one, transposed, x, y), TOPN_OK);
        assert_int_equal(triangle_multiply_both(other_context, other, transposed, x, z), TOPN_OK);
        assert_memory_equal(y, z, n * sizeof *y);
    }
    free(x);
    free(y);
    free(z);
}

/* After each step, for any number of threads and both layouts; n spans tiles of 256 and of 512. */
static void same_bits_at_any_thread_count_and_layout(void **state)
{
    static const size_t orders[] = {257, 1500, 4100};
    (void)state;
    for (size_t o = 0; o < sizeof orders / sizeof *orders; o++) {
        const size_t n = orders[o];
        double *a = calloc(n * n, sizeof *a);
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c <= r; c++)
                a[r * n + c] = (r == c ? 2000.0 : 0.0) + fmod((double)(r * 7919 + c * 104729) * 0.618, 1.0) - 0.5;
        symmetric first = lower_floats(a, n, false);
        topn_context *single = make_context(1);
        invert(single, &first);
        for (int run = 0; run < 3; run++) {
            topn_context *context = make_context(run == 0 ? 1 : run == 1 ? 2 : 5);
            symmetric other = lower_floats(a, n, run != 1);
            invert(context, &other);
            for (size_t r = 0; r < n; r++)
                assert_memory_equal(symmetric_row(&first, r), symmetric_row(&other, r), (r + 1) * sizeof(float));
            check_same_products(single, &first, context, &other);
            symmetric_clear(&other);
            topn_context_free(context);
        }
        symmetric_clear(&first);
        topn_context_free(single);
        free(a);
    }
}

/* Blocks of whole rows and of columns, also across panels, equal element by element. */
static void gathered_blocks_equal_elements(void **state)
{
    enum { N = 700, BLOCK = 64 };
    (void)state;
    float *out = malloc((size_t)BLOCK * N * sizeof *out);
    for (int half = 0; half < 2; half++) {
        symmetric a;
        assert_int_equal(symmetric_create(NULL, N, half, &a), TOPN_OK);
        for (size_t r = 0; r < N; r++)
            for (size_t c = 0; c <= r; c++)
                symmetric_row(&a, r)[c] = (float)(1 + r * N + c);
        for (size_t first = 0; first < N; first += BLOCK) {
            const size_t count = N - first < BLOCK ? N - first : BLOCK;
            symmetric_gather(&a, first, count, out);
            for (size_t i = 0; i < count; i++)
                for (size_t c = 0, r = first + i; c < N; c++)
                    assert_true(out[i * N + c] == (c <= r ? at(&a, r, c) : at(&a, c, r)));
            triangle_gather_columns(&a, first, count, out);
            for (size_t i = 0; i < count; i++)
                for (size_t r = 0; r < N; r++)
                    assert_true(out[i * N + r] == (r >= first + i ? at(&a, r, first + i) : 0.0f));
        }
        symmetric_clear(&a);
    }
    free(out);
}

static void rows_are_reordered_in_place(void **state)
{
    enum { N = 97 };
    (void)state;
    symmetric a;
    uint32_t source[N];
    topn_context *context = make_context(1);
    assert_int_equal(symmetric_create(context, N, false, &a), TOPN_OK);
    for (uint32_t r = 0; r < N; r++) {
        source[r] = r < 90 ? (r * 7 + 3) % 90 : r; /* several cycles, and rows that stay */
        for (size_t c = 0; c < N; c++)
            a.values[r * N + c] = (float)(r * N + c);
    }
    assert_int_equal(square_reorder_rows(context, &a, source), TOPN_OK);
    for (size_t r = 0; r < N; r++)
        for (size_t c = 0; c < N; c++)
            assert_true(a.values[r * N + c] == (float)(source[r] * N + c));
    symmetric_clear(&a);
    topn_context_free(context);
}

static void products_equal_plain(void **state)
{
    (void)state;
    const size_t n = 333;
    topn_context *context = make_context(2);
    double *a = malloc(n * n * sizeof *a), *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    random_definite(n, 9, a);
    symmetric f = lower_floats(a, n, true);
    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(10, RANDOM_RESIDUAL, i);
    assert_int_equal(symmetric_multiply(context, &f, x, y), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++)
            sum += a[r * n + c] * x[c];
        assert_float_equal(y[r], sum, 1e-4);
    }
    assert_int_equal(triangle_multiply_both(context, &f, false, x, y), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t c = 0; c <= r; c++) {
            double inner = 0;
            for (size_t k = c; k < n; k++)
                inner += at(&f, k, c) * x[k];
            sum += at(&f, r, c) * inner;
        }
        assert_float_equal(y[r], sum, 1e-3);
    }
    assert_int_equal(triangle_multiply_both(context, &f, true, x, y), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t k = r; k < n; k++) {
            double inner = 0;
            for (size_t c = 0; c <= k; c++)
                inner += at(&f, k, c) * x[c];
            sum += at(&f, k, r) * inner;
        }
        assert_float_equal(y[r], sum, 1e-3);
    }
    topn_context_free(context);
    free(a);
    free(x);
    free(y);
    symmetric_clear(&f);
}

/* Power iteration on D^-½·A·D^-½ as the independent way to its largest eigenvalue. */
static void eigenvalue_equals_power_iteration(void **state)
{
    (void)state;
    const size_t n = 200;
    topn_context *context = make_context(2);
    double *a = malloc(n * n * sizeof *a), *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    random_definite(n, 11, a);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            a[i * n + j] *= (1 + (double)i / 50) * (1 + (double)j / 50);
    symmetric f = lower_floats(a, n, true);
    double value = 0, found = 0;
    for (size_t i = 0; i < n; i++)
        x[i] = 1;
    for (int step = 0; step < 20000; step++) {
        double length = 0;
        for (size_t r = 0; r < n; r++) {
            y[r] = 0;
            for (size_t c = 0; c < n; c++)
                y[r] += a[r * n + c] / sqrt(a[r * n + r] * a[c * n + c]) * x[c];
            length += y[r] * y[r];
        }
        value = sqrt(length);
        for (size_t r = 0; r < n; r++)
            x[r] = y[r] / value;
    }
    int products;
    assert_int_equal(symmetric_scaled_eigenvalue(context, &f, 80, 1e-6, &found, &products), TOPN_OK);
    assert_true(fabs(found - value) <= 1e-4 * value);
    assert_true(products <= 80);
    topn_context_free(context);
    free(a);
    free(x);
    free(y);
    symmetric_clear(&f);
}

static void indefinite_matrix_is_an_error(void **state)
{
    (void)state;
    const size_t n = 600;
    topn_context *context = make_context(2);
    symmetric a;
    assert_int_equal(symmetric_create(context, n, true, &a), TOPN_OK);
    for (size_t r = 0; r < n; r++)
        symmetric_row(&a, r)[r] = r == 550 ? -1.0f : 1.0f;
    assert_int_equal(symmetric_factor(context, &a, "factor"), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "row 551 of 600"));
    for (size_t r = 0; r < n; r++)
        symmetric_row(&a, r)[r] = r == 5 ? NAN : 1.0f;
    assert_int_equal(symmetric_factor(context, &a, "factor"), TOPN_ERROR_NUMERIC);
    symmetric_clear(&a);
    topn_context_free(context);
}

/* The first n whose square passes 2³¹, in both layouts: the arithmetic of offsets, without the memory. */
static void offsets_do_not_overflow(void **state)
{
    (void)state;
    const size_t n = 46341;
    for (int half = 0; half < 2; half++) {
        const symmetric a = {.values = (float *)(uintptr_t)64, .n = n, .half = half};
        const uintptr_t end = (uintptr_t)(symmetric_row(&a, n - 1) + n) - 64, bytes = symmetric_bytes(n, half);
        assert_true(end <= bytes && bytes - end <= 64);
        assert_true(half ? bytes < n * n * 2 + n * 1024 * 2 + n * 128 : bytes == n * n * 4);
        for (size_t r = 1; r < n; r += 511) /* a row ends before the next begins */
            assert_true(symmetric_row(&a, r - 1) + r <= symmetric_row(&a, r));
    }
    assert_true(n * n > UINT64_C(1) << 31);
    assert_true(symmetric_scratch_bytes(n) == UINT64_C(1024) * n * 4);
}

/* A chain of weak neighbours, whose factor has entries below the normal numbers: they are 0, and the caller's
 * arithmetic is what it was. */
static void tiny_numbers_are_flushed_in_the_factor_alone(void **state)
{
    (void)state;
    const size_t n = 300;
    symmetric a;
    topn_context *context = make_context(2);
    assert_int_equal(symmetric_create(context, n, true, &a), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        symmetric_row(&a, r)[r] = 1.0f;
        if (r)
            symmetric_row(&a, r)[r - 1] = 1e-3f;
    }
    assert_int_equal(symmetric_factor(context, &a, "factor"), TOPN_OK);
    assert_int_equal(triangle_invert(context, &a, "invert"), TOPN_OK);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < r; c++)
            assert_int_not_equal(fpclassify(at(&a, r, c)), FP_SUBNORMAL);
    volatile float tiny = 1.2e-38f;
    tiny = tiny / 4;
    assert_int_equal(fpclassify(tiny), FP_SUBNORMAL);
    symmetric_clear(&a);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_equals_plain),
        cmocka_unit_test(inverse_times_matrix_is_identity),
        cmocka_unit_test(same_bits_at_any_thread_count_and_layout),
        cmocka_unit_test(gathered_blocks_equal_elements),
        cmocka_unit_test(rows_are_reordered_in_place),
        cmocka_unit_test(products_equal_plain),
        cmocka_unit_test(eigenvalue_equals_power_iteration),
        cmocka_unit_test(indefinite_matrix_is_an_error),
        cmocka_unit_test(offsets_do_not_overflow),
        cmocka_unit_test(tiny_numbers_are_flushed_in_the_factor_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
