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

/* Lower triangle as floats; the upper one is filled with garbage that nothing may read. */
static float *lower_floats(const double *a, size_t n)
{
    float *out = malloc(n * n * sizeof *out);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < n; c++)
            out[r * n + c] = c <= r ? (float)a[r * n + c] : 777.0f;
    return out;
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

static void invert(topn_context *context, float *a, size_t n)
{
    assert_int_equal(symmetric_factor(context, a, n, "factor"), TOPN_OK);
    assert_int_equal(triangle_invert(context, a, n, "invert"), TOPN_OK);
    assert_int_equal(triangle_gram(context, a, n, "multiply"), TOPN_OK);
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
        float *f = lower_floats(a, n);
        topn_context *context = make_context(2);
        assert_int_equal(symmetric_factor(context, f, n, "factor"), TOPN_OK);
        for (size_t r = 0; r < n; r++)
            for (size_t c = 0; c <= r; c++)
                assert_float_equal(f[r * n + c], l[r * n + c], 2e-4);
        topn_context_free(context);
        free(f);
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
        float *p = lower_floats(a, n);
        topn_context *context = make_context(2);
        invert(context, p, n);
        symmetric_mirror(context, p, n);
        for (size_t r = 0; r<n; r += n> 64 ? 37 : 1)
            for (size_t c = 0; c < n; c++) {
                double sum = 0;
                for (size_t k = 0; k < n; k++)
                    sum += a[r * n + k] * p[k * n + c];
                assert_float_equal(sum, r == c ? 1.0 : 0.0, 1e-3);
            }
        topn_context_free(context);
        free(p);
        free(a);
    }
}

static void same_bits_at_any_thread_count(void **state)
{
    (void)state;
    const size_t n = 1500;
    double *a = calloc(n * n, sizeof *a);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c <= r; c++)
            a[r * n + c] = (r == c ? 30.0 : 0.0) + random_normal(5, RANDOM_RESIDUAL, r * n + c) / 10;
    float *one = lower_floats(a, n), *two = lower_floats(a, n), *five = lower_floats(a, n);
    topn_context *single = make_context(1), *pair = make_context(2), *many = make_context(5);
    invert(single, one, n);
    invert(pair, two, n);
    invert(many, five, n);
    for (size_t r = 0; r < n; r++) {
        assert_memory_equal(one + r * n, two + r * n, (r + 1) * sizeof *one);
        assert_memory_equal(one + r * n, five + r * n, (r + 1) * sizeof *one);
    }
    double *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y), *z = malloc(n * sizeof *z);
    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(6, RANDOM_RESIDUAL, i);
    assert_int_equal(symmetric_multiply(single, one, n, x, y), TOPN_OK);
    assert_int_equal(symmetric_multiply(many, one, n, x, z), TOPN_OK);
    assert_memory_equal(y, z, n * sizeof *y);
    topn_context_free(single);
    topn_context_free(pair);
    topn_context_free(many);
    free(a);
    free(one);
    free(two);
    free(five);
    free(x);
    free(y);
    free(z);
}

static void products_equal_plain(void **state)
{
    (void)state;
    const size_t n = 333;
    topn_context *context = make_context(2);
    double *a = malloc(n * n * sizeof *a), *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    random_definite(n, 9, a);
    float *f = lower_floats(a, n);
    for (size_t i = 0; i < n; i++)
        x[i] = random_normal(10, RANDOM_RESIDUAL, i);
    assert_int_equal(symmetric_multiply(context, f, n, x, y), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++)
            sum += a[r * n + c] * x[c];
        assert_float_equal(y[r], sum, 1e-4);
    }
    assert_int_equal(triangle_multiply_both(context, f, n, x, y), TOPN_OK);
    for (size_t r = 0; r < n; r++) {
        double sum = 0;
        for (size_t c = 0; c <= r; c++) {
            double inner = 0;
            for (size_t k = c; k < n; k++)
                inner += f[k * n + c] * x[k];
            sum += f[r * n + c] * inner;
        }
        assert_float_equal(y[r], sum, 1e-3);
    }
    topn_context_free(context);
    free(a);
    free(x);
    free(y);
    free(f);
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
    float *f = lower_floats(a, n);
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
    assert_int_equal(symmetric_scaled_eigenvalue(context, f, n, 80, 1e-6, &found, &products), TOPN_OK);
    assert_true(fabs(found - value) <= 1e-4 * value);
    assert_true(products <= 80);
    topn_context_free(context);
    free(a);
    free(x);
    free(y);
    free(f);
}

static void indefinite_matrix_is_an_error(void **state)
{
    (void)state;
    const size_t n = 600;
    topn_context *context = make_context(2);
    float *a = calloc(n * n, sizeof *a);
    for (size_t r = 0; r < n; r++)
        a[r * n + r] = r == 550 ? -1.0f : 1.0f;
    assert_int_equal(symmetric_factor(context, a, n, "factor"), TOPN_ERROR_NUMERIC);
    assert_non_null(strstr(topn_context_message(context), "row 551 of 600"));
    for (size_t r = 0; r < n; r++)
        a[r * n + r] = r == 5 ? NAN : 1.0f;
    assert_int_equal(symmetric_factor(context, a, n, "factor"), TOPN_ERROR_NUMERIC);
    free(a);
    topn_context_free(context);
}

/* The first n whose square passes 2³¹: the arithmetic of offsets, without the memory. */
static void offsets_do_not_overflow(void **state)
{
    (void)state;
    const size_t n = 46341;
    const float *base = (const float *)(uintptr_t)64;
    const float *last = base + (n - 1) * n + (n - 1);
    assert_true((uintptr_t)last - (uintptr_t)base == (n * n - 1) * sizeof *base);
    assert_true(n * n > UINT64_C(1) << 31);
    assert_true(symmetric_scratch_bytes(n) == UINT64_C(1024) * n * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factor_equals_plain),
        cmocka_unit_test(inverse_times_matrix_is_identity),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(products_equal_plain),
        cmocka_unit_test(eigenvalue_equals_power_iteration),
        cmocka_unit_test(indefinite_matrix_is_an_error),
        cmocka_unit_test(offsets_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
