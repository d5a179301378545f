/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/tile.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 40 * 40 };
static const size_t sizes[] = {0, 1, 3, 16, 37};
enum { SIZES = sizeof sizes / sizeof *sizes };

static float a[MOST], b[MOST], got[MOST], before[MOST];

static void fill(void)
{
    for (size_t at = 0; at < MOST; at++) {
        a[at] = (float)random_normal(1, RANDOM_SAMPLES, at);
        b[at] = (float)random_normal(2, RANDOM_SAMPLES, at);
        got[at] = before[at] = (float)random_normal(3, RANDOM_SAMPLES, at);
    }
}

/* got [m × n] = scale·before + Σ_l a[r·a_row + l·a_step] b[c·b_column + l·b_step], and nothing behind it. */
static void assert_product(size_t m, size_t n, size_t k, size_t a_row, size_t a_step, size_t b_column, size_t b_step,
                           double scale)
{
    for (size_t r = 0; r < m; r++)
        for (size_t c = 0; c < n; c++) {
            double sum = scale * (double)before[r * n + c];
            for (size_t l = 0; l < k; l++)
                sum += (double)a[r * a_row + l * a_step] * (double)b[c * b_column + l * b_step];
            assert_true(fabs((double)got[r * n + c] - sum) < 1e-4);
        }
    assert_true(got[m * n] == before[m * n]);
}

/* Of every shape, those without rows, columns or terms among them: sums of nothing are 0. */
static void products_are_their_definitions(void **unused)
{
    (void)unused;
    for (size_t at = 0; at < SIZES * SIZES * SIZES; at++) {
        const size_t m = sizes[at % SIZES], n = sizes[at / SIZES % SIZES], k = sizes[at / SIZES / SIZES];
        fill();
        tile_multiply(m, n, k, a, b, got);
        assert_product(m, n, k, k, 1, 1, n, 0);
        fill();
        tile_multiply_transposed(m, n, k, a, b, got);
        assert_product(m, n, k, k, 1, k, 1, 0);
        for (int scale = 0; scale < 2; scale++) {
            fill();
            tile_multiply_left_transposed(m, n, k, a, m + 2, b, (float)scale, got);
            assert_product(m, n, k, 1, m + 2, 1, n, scale);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_their_definitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
