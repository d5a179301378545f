/* SPDX-License-Identifier: Apache-2.0 */
#include "study/statistics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "study/draw.h"

static void fill(double *out, size_t count, double shift, uint64_t seed)
{
    draw_key key = draw_keyed(seed, "numbers", 0);
    for (size_t i = 0; i < count; i++)
        out[i] = shift + draw_normal(&key);
}

/* Against all 2^12 flips by hand. */
static void sign_flips_are_those_of_all(void **state)
{
    (void)state;
    enum { N = 12 };
    double values[N], sum = 0;
    size_t extreme = 0;
    fill(values, N, 0.5, 4);
    for (size_t i = 0; i < N; i++)
        sum += values[i];
    for (unsigned flips = 0; flips < 1u << N; flips++) {
        double flipped = 0;
        for (unsigned i = 0; i < N; i++)
            flipped += flips >> i & 1 ? -values[i] : values[i];
        extreme += fabs(flipped) >= fabs(sum) * (1 - 1e-12);
    }
    const double exact = (double)extreme / (1u << N);
    assert_true(fabs(statistics_sign_flip(values, N, 1) - exact) < 0.02);
}

/* Few users' flips and many users' limit agree where they meet, and equal lists are no different. */
static void many_users_take_the_limit(void **state)
{
    (void)state;
    enum { N = 1000 };
    static double values[N];
    fill(values, N, 0.05, 9);
    const double limit = statistics_sign_flip(values, N, 1), flips = statistics_sign_flip(values, N - 1, 1);
    assert_true(fabs(limit - flips) < 0.03);
    for (size_t i = 0; i < N; i++)
        values[i] = 0;
    assert_true(statistics_sign_flip(values, N, 1) == 1 && statistics_sign_flip(values, 10, 1) == 1);
}

/* The example of Holm's paper's kind: sorted p times what is left, never falling. */
static void holm_corrects_step_by_step(void **state)
{
    (void)state;
    double p[] = {0.04, 0.01, 0.03, 0.005, 0.9};
    const double wanted[] = {0.09, 0.04, 0.09, 0.025, 0.9};
    statistics_holm(p, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(fabs(p[i] - wanted[i]) < 1e-12);
    statistics_holm(p, 0);
}

/* An interval of the mean is about 1.96 standard errors to each side, and the same for the same seed. */
static void intervals_are_as_wide_as_they_should_be(void **state)
{
    (void)state;
    enum { N = 400 };
    double values[N];
    fill(values, N, 3, 2);
    const estimate one = statistics_mean(values, N, 2000, 0.95, 1), again = statistics_mean(values, N, 2000, 0.95, 1);
    assert_true(one.low == again.low && one.high == again.high);
    assert_true(one.low < one.mean && one.mean < one.high);
    assert_true(fabs((one.high - one.low) / (2 * 1.96 / sqrt(N)) - 1) < 0.15);
    assert_true(isnan(statistics_mean(values, 0, 10, 0.95, 1).mean));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_flips_are_those_of_all),
        cmocka_unit_test(many_users_take_the_limit),
        cmocka_unit_test(holm_corrects_step_by_step),
        cmocka_unit_test(intervals_are_as_wide_as_they_should_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
