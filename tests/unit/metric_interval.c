/* SPDX-License-Identifier: Apache-2.0
 *
 * Bootstrap intervals and the sign-flip test: how often they are right, and that threads change nothing.
 */
#include "evaluate/interval.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { USERS = 120, TRIALS = 400 };

/* Skewed, like per-user metrics: squares of uniforms, mean 1/3. */
static void draw(uint64_t trial, double *values)
{
    for (size_t user = 0; user < USERS; user++) {
        const double uniform = random_uniform(trial, RANDOM_DOCTOR, user);
        values[user] = uniform * uniform;
    }
}

/* 95 % intervals hold the true mean in 380 of 400 samples on average; 356 and 396 are four deviations off. */
static void intervals_cover_the_mean(void **state)
{
    (void)state;
    double values[USERS], low, high;
    int covered = 0;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        topn_context context = {.threads = 2, .seed = trial};
        draw(trial, values);
        assert_int_equal(bootstrap_interval(&context, values, NULL, USERS, 1, 400, 0.95, &low, &high), TOPN_OK);
        assert_true(low < high);
        covered += low <= 1.0 / 3 && 1.0 / 3 <= high;
    }
    assert_in_range(covered, 356, 396);
}

/* About as wide as the normal approximation. */
static void intervals_have_the_right_width(void **state)
{
    (void)state;
    static double values[2000];
    double low, high, sum = 0, squares = 0;
    for (size_t user = 0; user < 2000; user++) {
        values[user] = random_normal(3, RANDOM_DOCTOR, user);
        sum += values[user];
        squares += values[user] * values[user];
    }
    topn_context context = {.threads = 1, .seed = 9};
    assert_int_equal(bootstrap_interval(&context, values, NULL, 2000, 1, 4000, 0.9, &low, &high), TOPN_OK);
    const double mean = sum / 2000, error = sqrt((squares / 2000 - mean * mean) / 2000);
    assert_true(fabs((high - low) / (2 * 1.6449 * error) - 1) < 0.06);
    assert_true(fabs((high + low) / 2 - mean) < 0.2 * error);
}

static void same_bits_at_any_thread_count(void **state)
{
    (void)state;
    static double values[USERS * 3];
    double low[4][3], high[4][3], p[4];
    for (size_t at = 0; at < USERS * 3; at++)
        values[at] = random_normal(8, RANDOM_DOCTOR, at);
    for (int run = 0; run < 4; run++) {
        topn_context context = {.threads = run == 3 ? 1 : run + 1, .seed = run == 3 ? 2 : 1};
        assert_int_equal(bootstrap_interval(&context, values, NULL, USERS, 3, 333, 0.95, low[run], high[run]), TOPN_OK);
        assert_int_equal(sign_flip_test(&context, values, USERS, 777, &p[run]), TOPN_OK);
    }
    for (int run = 1; run < 3; run++) {
        assert_memory_equal(low[0], low[run], sizeof low[0]);
        assert_memory_equal(high[0], high[run], sizeof high[0]);
        assert_true(p[0] == p[run]);
    }
    assert_memory_not_equal(low[0], low[3], sizeof low[0]); /* another seed */
}

/* A column's interval does not depend on what stands beside it. */
static void columns_are_independent(void **state)
{
    (void)state;
    double together[USERS * 2], alone[USERS], low[2], high[2], own_low, own_high;
    for (size_t user = 0; user < USERS; user++) {
        together[2 * user] = random_normal(4, RANDOM_DOCTOR, user);
        alone[user] = together[2 * user + 1] = random_uniform(4, RANDOM_LANCZOS, user);
    }
    topn_context context = {.threads = 1, .seed = 1};
    assert_int_equal(bootstrap_interval(&context, together, NULL, USERS, 2, 100, 0.95, low, high), TOPN_OK);
    assert_int_equal(bootstrap_interval(&context, alone, NULL, USERS, 1, 100, 0.95, &own_low, &own_high), TOPN_OK);
    assert_true(low[1] == own_low && high[1] == own_high);
}

/* All 2^10 patterns by hand, against random ones. */
static void sign_flips_approach_the_exact_test(void **state)
{
    (void)state;
    const double differences[10] = {0.3, -0.1, 0.2, 0.25, -0.05, 0.1, 0, 0.4, -0.2, 0.15};
    double observed = 0;
    for (int user = 0; user < 10; user++)
        observed += differences[user];
    int extreme = 0;
    for (int pattern = 0; pattern < 1024; pattern++) {
        double sum = 0;
        for (int user = 0; user < 10; user++)
            sum += pattern >> user & 1 ? -differences[user] : differences[user];
        extreme += fabs(sum) >= fabs(observed) - 1e-12;
    }
    topn_context context = {.threads = 2, .seed = 6};
    double p;
    assert_int_equal(sign_flip_test(&context, differences, 10, 20000, &p), TOPN_OK);
    assert_true(fabs(p - extreme / 1024.0) < 0.01);
    const double same[4] = {0, 0, 0, 0};
    assert_int_equal(sign_flip_test(&context, same, 4, 100, &p), TOPN_OK);
    assert_true(p == 1);
}

/* Under the null hypothesis p ≤ 0.1 in a tenth of the cases: 40 of 400, 16 and 64 are four deviations off. */
static void sign_flips_keep_their_level(void **state)
{
    (void)state;
    double differences[USERS], p;
    int rejected = 0;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        for (size_t user = 0; user < USERS; user++)
            differences[user] = random_normal(trial, RANDOM_DOCTOR, user);
        topn_context context = {.threads = 2, .seed = trial + 1000};
        assert_int_equal(sign_flip_test(&context, differences, USERS, 399, &p), TOPN_OK);
        rejected += p <= 0.1;
    }
    assert_in_range(rejected, 16, 64);
}

static bool stop(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    return progress->done == 0;
}

static void cancels(void **state)
{
    (void)state;
    static double values[USERS];
    double low, high, p;
    topn_context context = {.threads = 1, .progress = stop};
    assert_int_equal(bootstrap_interval(&context, values, NULL, USERS, 1, 1000, 0.95, &low, &high),
                     TOPN_ERROR_CANCELLED);
    assert_int_equal(sign_flip_test(&context, values, USERS, 1000, &p), TOPN_ERROR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_cover_the_mean),
        cmocka_unit_test(intervals_have_the_right_width),
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(columns_are_independent),
        cmocka_unit_test(sign_flips_approach_the_exact_test),
        cmocka_unit_test(sign_flips_keep_their_level),
        cmocka_unit_test(cancels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
