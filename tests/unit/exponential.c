/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/exponential.h"

#include <float.h>
#include <math.h>

#include "base/random.h"
#include "numeric/sums.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static float next_of(float value, uint32_t step)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits += step;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void exponential_equals_libm_over_its_range(void **state)
{
    (void)state;
    double worst = 0;
    for (int sign = -1; sign <= 1; sign += 2)
        for (float size = FLT_MIN; size < (sign < 0 ? 87.3f : 88.72f); size = next_of(size, 1009)) {
            const double expected = exp((double)((float)sign * size));
            worst = fmax(worst, fabs((double)exponential((float)sign * size) - expected) / expected);
        }
    assert_true(worst < 3e-7);
    assert_true(worst > 1e-9); /* that is: it was measured */
}

static void exponential_of_what_has_no_place(void **state)
{
    (void)state;
    assert_true(exponential(0.0f) == 1.0f);
    assert_true(exponential(-0.0f) == 1.0f);
    assert_true(exponential(-INFINITY) == 0.0f);
    assert_true(exponential(-1e30f) == 0.0f);
    assert_true(exponential(-87.34f) == 0.0f);
    assert_true(exponential(-87.33f) > 0.0f);
    assert_true(exponential(88.7f) < INFINITY);
    assert_true(exponential(88.73f) == INFINITY);
    assert_true(exponential(1e30f) == INFINITY);
    assert_true(exponential(INFINITY) == INFINITY);
    assert_true(isnan(exponential(NAN)));
}

static void logarithm_equals_libm_over_its_range(void **state)
{
    (void)state;
    double worst = 0;
    for (float x = FLT_MIN; x <= 1.0f; x = next_of(x, 997))
        worst = fmax(worst, fabs((double)log_one_plus(x) / log1p((double)x) - 1));
    assert_true(worst < 3e-7);
    assert_true(log_one_plus(0.0f) == 0.0f);
    assert_true(fabs((double)log_one_plus(1.0f) / log(2) - 1) < 3e-7);
}

static void logistic_and_tanh_equal_libm(void **state)
{
    (void)state;
    double worst = 0, worst_logistic = 0;
    for (int sign = -1; sign <= 1; sign += 2)
        for (float size = FLT_MIN; size < 87.0f; size = next_of(size, 1009)) {
            const float x = (float)sign * size;
            worst = fmax(worst, fabs((double)hyperbolic_tangent(x) / tanh((double)x) - 1));
            worst_logistic = fmax(worst_logistic, fabs((double)logistic(x) * (1 + exp(-(double)x)) - 1));
        }
    assert_true(worst < 5e-7 && worst > 1e-9);
    assert_true(worst_logistic < 5e-7 && worst_logistic > 1e-9);
    assert_true(hyperbolic_tangent(0.0f) == 0.0f);
    assert_true(hyperbolic_tangent(INFINITY) == 1.0f && hyperbolic_tangent(-INFINITY) == -1.0f);
    assert_true(hyperbolic_tangent(1e30f) == 1.0f && isnan(hyperbolic_tangent(NAN)));
    assert_true(logistic(INFINITY) == 1.0f && logistic(-INFINITY) == 0.0f && isnan(logistic(NAN)));
    assert_true(logistic(30.0f) == 1.0f); /* an open gate lets all through: train/autoencoder/hierarchy_model.c */
}

/* The lanes are those that sums.h promises: this loop, compiled for the oldest processor, has the same bits. */
static void sums_are_made_in_sixteen_lanes(void **state)
{
    (void)state;
    enum { MOST = 300, LANES = 16 };
    float values[MOST];
    double doubles[MOST];
    for (size_t at = 0; at < MOST; at++) {
        doubles[at] = (random_uniform(1, RANDOM_SAMPLES, at) - 0.5) * exp(20 * random_uniform(2, RANDOM_SAMPLES, at));
        values[at] = (float)doubles[at];
    }
    for (size_t count = 0; count <= MOST; count++) {
        double of_floats[LANES] = {0}, of_doubles[LANES] = {0}, sum_of_floats = 0, sum_of_doubles = 0;
        for (size_t at = 0; at < count; at++) {
            of_floats[at % LANES] += (double)values[at];
            of_doubles[at % LANES] += doubles[at];
        }
        for (size_t lane = 0; lane < LANES; lane++) {
            sum_of_floats += of_floats[lane];
            sum_of_doubles += of_doubles[lane];
        }
        assert_true(sum_floats(values, count) == sum_of_floats);
        assert_true(sum_doubles(doubles, count) == sum_of_doubles);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_equals_libm_over_its_range), cmocka_unit_test(exponential_of_what_has_no_place),
        cmocka_unit_test(logarithm_equals_libm_over_its_range),   cmocka_unit_test(logistic_and_tanh_equal_libm),
        cmocka_unit_test(sums_are_made_in_sixteen_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
