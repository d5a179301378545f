/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest tiles, which only matrices of 12 288 rows and more have: the same bits in both layouts and at different
 * numbers of threads. 0.9 GB.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "numeric/symmetric.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { N = 12300 };

/* Diagonally dominant, with pseudo-random entries. */
static symmetric make(topn_context *context, bool half)
{
    symmetric out;
    assert_int_equal(symmetric_create(context, N, half, &out), TOPN_OK);
    for (size_t r = 0; r < N; r++) {
        float *row = symmetric_row(&out, r);
        for (size_t c = 0; c < r; c++)
            row[c] = (float)((r * 7919 + c * 104729) % 1009) / 1009 - 0.5f;
        row[r] = N;
    }
    return out;
}

static symmetric inverse(bool half, int threads)
{
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    symmetric a = make(context, half);
    assert_int_equal(symmetric_factor(context, &a, "factor"), TOPN_OK);
    assert_int_equal(triangle_invert(context, &a, "invert"), TOPN_OK);
    assert_int_equal(triangle_gram(context, &a, "multiply"), TOPN_OK);
    topn_context_free(context);
    return a;
}

static void same_bits_with_the_largest_tiles(void **state)
{
    (void)state;
    symmetric full = inverse(false, 2), half = inverse(true, 3);
    for (size_t r = 0; r < N; r++)
        assert_memory_equal(symmetric_row(&full, r), symmetric_row(&half, r), (r + 1) * sizeof(float));
    /* and they are an inverse: A times column 0 of P */
    for (size_t r = 0; r < N; r += 1111) {
        double sum = 0;
        for (size_t c = 0; c < N; c++) {
            const size_t high = r > c ? r : c, low = r > c ? c : r;
            const double a = high == low ? N : (double)((high * 7919 + low * 104729) % 1009) / 1009 - 0.5;
            sum += a * (double)symmetric_row(&full, c)[0];
        }
        assert_true(fabs(sum - (r == 0)) < 1e-4);
    }
    symmetric_clear(&full);
    symmetric_clear(&half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits_with_the_largest_tiles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
