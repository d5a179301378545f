/* SPDX-License-Identifier: Apache-2.0
 *
 * Small least squares against plain double loops, with every vector that the processor has.
 */
#include "numeric/normal_equations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static const int lanes[] = {4, 8, 16, 0};
static const size_t widths[] = {1, 2, 7, 15, 16, 17, 31, 33, 48, 64, 65, 100, 128, 192, 193, 250};
static const size_t counts[] = {0, 1, 2, 5, 37, 128, 300};
enum { WIDTHS = sizeof widths / sizeof *widths, COUNTS = sizeof counts / sizeof *counts, TABLE_ROWS = 50 };

static float *random_floats(size_t count, uint64_t seed)
{
    float *values = malloc((count + NORMAL_SLACK) * sizeof *values);
    for (size_t at = 0; at < count; at++)
        values[at] = (float)(random_uniform(seed, RANDOM_ORDER, at) - 0.5);
    for (size_t at = count; at < count + NORMAL_SLACK; at++)
        values[at] = NAN; /* may be read, must not matter */
    return values;
}

static void near(double actual, double expected, double size)
{
    if (!(fabs(actual - expected) <= 1e-5 * (size + 1)))
        fail_msg("%.9g, not %.9g", actual, expected);
}

static void compare_products(size_t width, size_t count)
{
    float *rows = random_floats(count * width, 1), *v = random_floats(width, 2), *w = random_floats(count, 3);
    float *products = random_floats(count, 4), *start = random_floats(count, 4), *sum = random_floats(width, 5),
          *sum_start = random_floats(width, 5);
    normal_add_products(rows, count, width, v, products);
    normal_add_combination(rows, count, width, w, 2, sum);
    for (size_t r = 0; r < count; r++) {
        double expected = (double)start[r];
        for (size_t c = 0; c < width; c++)
            expected += (double)rows[r * width + c] * (double)v[c];
        near((double)products[r], expected, 5);
    }
    for (size_t c = 0; c < width; c++) {
        double expected = (double)sum_start[c];
        for (size_t r = 0; r < count; r++)
            expected += 2 * (double)w[r] * (double)rows[r * width + c];
        near((double)sum[c], expected, 10);
    }
    free(rows);
    free(v);
    free(w);
    free(products);
    free(start);
    free(sum);
    free(sum_start);
}

/* Columns begin … begin + width − 1 of rows of a wider table. */
static void compare_gathered(size_t width, size_t count, bool weighted)
{
    const size_t stride = width + 5, begin = 3;
    float *table = random_floats(TABLE_ROWS * stride, 6), *v = random_floats(width, 7), *out = random_floats(count, 8),
          *start = random_floats(count, 8), *rows = random_floats(count * width, 9), alpha[300];
    uint32_t indices[300];
    for (size_t r = 0; r < count; r++) {
        indices[r] = random_below(10, RANDOM_ORDER, r, TABLE_ROWS);
        alpha[r] = (float)(r % 5);
    }
    normal_add_gathered_products(table + begin, stride, indices, count, width, v, out);
    normal_gather(table + begin, stride, indices, weighted ? alpha : NULL, count, width, rows);
    for (size_t r = 0; r < count; r++) {
        const float *row = table + indices[r] * stride + begin;
        double expected = (double)start[r];
        for (size_t c = 0; c < width; c++) {
            expected += (double)row[c] * (double)v[c];
            near((double)rows[r * width + c], (double)row[c] * (weighted ? sqrt((double)alpha[r]) : 1), 0);
        }
        near((double)out[r], expected, 5);
    }
    free(table);
    free(v);
    free(out);
    free(start);
    free(rows);
}

/* H = scale·M + ridge·I + alpha·XᵀX, and the solution of a system with it. */
static void compare_system(size_t width, size_t count)
{
    const size_t stride = normal_stride(width);
    float *rows = random_floats(count * width, 11), *m = random_floats(width * width, 12),
          *h = random_floats(normal_floats(width), 13), *g = random_floats(width, 14), *x = random_floats(width, 14);
    double *expected = calloc(width * width, sizeof *expected);
    for (size_t r = 0; r < width; r++)
        for (size_t c = 0; c <= r; c++)
            m[r * width + c] = m[c * width + r] = (r == c ? 4 : 0) + m[r * width + c] / (float)width;
    for (size_t r = 0; r < width; r++)
        for (size_t c = 0; c < width; c++) {
            expected[r * width + c] = 0.5 * (double)m[r * width + c] + (r == c ? 0.25 : 0);
            for (size_t k = 0; k < count; k++)
                expected[r * width + c] += 3 * (double)rows[k * width + r] * (double)rows[k * width + c];
        }
    normal_start(m, width, 0.5f, 0.25f, width, h);
    normal_add_gram(rows, count, width, 3, h);
    for (size_t r = 0; r < width; r++)
        for (size_t c = r; c < width; c++)
            near((double)h[r * stride + c], expected[r * width + c], expected[r * width + r]);
    assert_true(normal_solve(h, width, x));
    for (size_t r = 0; r < width; r++) {
        double sum = 0;
        for (size_t c = 0; c < width; c++)
            sum += expected[r * width + c] * (double)x[c];
        near(sum, (double)g[r], 3);
    }
    free(rows);
    free(m);
    free(h);
    free(g);
    free(x);
    free(expected);
}

static void test_against_loops(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof lanes / sizeof *lanes; kind++) {
        if (!normal_use(lanes[kind]))
            continue;
        for (size_t w = 0; w < WIDTHS; w++)
            for (size_t n = 0; n < COUNTS; n++) {
                compare_products(widths[w], counts[n]);
                compare_gathered(widths[w], counts[n], n % 2);
                compare_system(widths[w], counts[n]);
            }
    }
    normal_use(0);
}

/* A matrix with an eigenvalue that is not positive, and one with an element that is not finite. */
static void test_no_solution(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < sizeof lanes / sizeof *lanes; kind++) {
        if (!normal_use(lanes[kind]))
            continue;
        for (size_t w = 0; w < WIDTHS; w++)
            for (int fault = 0; fault < 3; fault++) {
                const size_t width = widths[w], stride = normal_stride(width);
                float *h = calloc(normal_floats(width), sizeof *h), *x = random_floats(width, 15);
                for (size_t r = 0; r < width; r++)
                    h[r * stride + r] = 1;
                h[(width / 2) * stride + width / 2] = fault == 0 ? 0 : fault == 1 ? -1 : NAN;
                assert_false(normal_solve(h, width, x));
                free(h);
                free(x);
            }
    }
    normal_use(0);
}

static void test_multiple(void **state)
{
    (void)state;
    enum { ROWS = 5, INNER = 7, COLUMNS = 11, WIDE = 13 };
    float *a = random_floats(ROWS * WIDE, 16), *b = random_floats(INNER * WIDE, 17),
          *out = random_floats(ROWS * WIDE, 18), *start = random_floats(ROWS * WIDE, 18);
    normal_add_multiple(a, WIDE, ROWS, INNER, b, WIDE, COLUMNS, out, WIDE);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < WIDE; c++) {
            double expected = (double)start[r * WIDE + c];
            for (size_t k = 0; c < COLUMNS && k < INNER; k++)
                expected += (double)a[r * WIDE + k] * (double)b[k * WIDE + c];
            near((double)out[r * WIDE + c], expected, 1);
        }
    free(a);
    free(b);
    free(out);
    free(start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_loops),
        cmocka_unit_test(test_no_solution),
        cmocka_unit_test(test_multiple),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
