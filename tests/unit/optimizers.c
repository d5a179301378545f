/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/optimizer.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "golden/optimizers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MOST = 70, STEPS = 100 };

typedef struct stepped {
    float parameters[MOST + 1], state[OPTIMIZER_ARRAYS][MOST + 1];
} stepped;

static void step(const optimizer *by, const optimizer_setting *setting, stepped *what, const float *gradient,
                 size_t count)
{
    float *state[OPTIMIZER_ARRAYS];
    for (int a = 0; a < OPTIMIZER_ARRAYS; a++)
        state[a] = a < by->arrays ? what->state[a] : NULL;
    by->step(setting, what->parameters, gradient, state, count);
}

/* One parameter, in double. */
typedef struct twin {
    double parameter, first, second;
} twin;

static void twin_step(const char *name, const optimizer_setting *setting, twin *of, double g)
{
    const double t = (double)setting->step;
    if (strcmp(name, "sgd") == 0) {
        of->parameter -= setting->rate * g;
    } else if (strcmp(name, "adagrad") == 0) {
        of->first += g * g;
        of->parameter -= setting->rate * g / sqrt(of->first + setting->epsilon);
    } else {
        of->first = setting->beta1 * of->first + (1 - setting->beta1) * g;
        of->second = setting->beta2 * of->second + (1 - setting->beta2) * g * g;
        of->parameter -= setting->rate * (of->first / (1 - pow(setting->beta1, t))) /
                         (sqrt(of->second / (1 - pow(setting->beta2, t))) + setting->epsilon);
    }
}

/* Any length, so that whole vectors and what is left over are both met; the rate changes from step to step. */
static void steps_equal_plain_ones(void **state)
{
    (void)state;
    for (size_t which = 0; optimizer_at(which); which++)
        for (size_t count = 1; count <= MOST; count += 1 + count / 4) {
            const optimizer *by = optimizer_at(which);
            stepped fast = {0};
            twin twins[MOST] = {0};
            for (size_t at = 0; at < count; at++)
                twins[at].parameter = fast.parameters[at] = (float)random_normal(7, RANDOM_SAMPLES, at);
            for (uint64_t t = 1; t <= STEPS; t++) {
                const optimizer_setting setting = {
                    .rate = 0.1 / (double)(10 + t), .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .step = t};
                float gradient[MOST];
                for (size_t at = 0; at < count; at++) {
                    gradient[at] = (float)random_normal(count, RANDOM_ORDER, t * MOST + at);
                    twin_step(by->name, &setting, &twins[at], (double)gradient[at]);
                }
                step(by, &setting, &fast, gradient, count);
            }
            for (size_t at = 0; at < count; at++)
                assert_true(fabs((double)fast.parameters[at] - twins[at].parameter) <
                            1e-5 * (1 + fabs(twins[at].parameter)));
            assert_true(fast.parameters[count] == 0.0f && fast.state[0][count] == 0.0f);
        }
}

/* A gradient in parts is the same step as their sum, to the bit. */
static void steps_along_parts_are_steps(void **state)
{
    (void)state;
    for (size_t which = 0; optimizer_at(which); which++)
        for (size_t count = 1; count <= MOST; count += 1 + count / 4) {
            const optimizer *by = optimizer_at(which);
            stepped whole = {0}, parts = {0};
            for (size_t at = 0; at < count; at++)
                whole.parameters[at] = parts.parameters[at] = (float)random_normal(7, RANDOM_SAMPLES, at);
            for (uint64_t t = 1; t <= STEPS; t++) {
                const optimizer_setting setting = {
                    .rate = 0.1, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .step = t};
                const float coefficient = (float)random_normal(8, RANDOM_SAMPLES, t), ridge = t % 3 ? 0.01f : 0;
                float vector[MOST], gradient[MOST], *state_of[OPTIMIZER_ARRAYS];
                for (size_t at = 0; at < count; at++) {
                    vector[at] = (float)random_normal(count, RANDOM_ORDER, t * MOST + at);
                    gradient[at] = coefficient * vector[at] + ridge * whole.parameters[at];
                }
                for (int a = 0; a < OPTIMIZER_ARRAYS; a++)
                    state_of[a] = a < by->arrays ? parts.state[a] : NULL;
                step(by, &setting, &whole, gradient, count);
                by->step_along(&setting, parts.parameters, coefficient, vector, ridge, state_of, count);
            }
            assert_memory_equal(whole.parameters, parts.parameters, sizeof whole.parameters);
            assert_memory_equal(whole.state, parts.state, sizeof whole.state);
        }
}

/* Steps without an example, all at once or with factors made before, are steps along ridge · parameters. Counts on
 * both sides of what one piece of the loop takes. */
static void idle_steps_are_steps(void **state)
{
    enum { WIDE = 2500, IDLE = 5 };
    static float one[1 + OPTIMIZER_ARRAYS][WIDE], many[1 + OPTIMIZER_ARRAYS][WIDE], gradient[WIDE];
    static const size_t counts[] = {1, 33, 1024, 1025, WIDE};
    (void)state;
    for (size_t which = 0; optimizer_at(which); which++)
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
            for (int part = 0; part < 2; part++) {
                const optimizer *by = optimizer_at(which);
                const float ridge = part ? 0.02f : 0.0f;
                step_factors factors[IDLE];
                memset(one, 0, sizeof one);
                for (size_t at = 0; at < counts[c]; at++)
                    gradient[at] = one[0][at] = (float)random_normal(9, RANDOM_SAMPLES, at);
                float *one_state[OPTIMIZER_ARRAYS] = {one[1], one[2]},
                      *many_state[OPTIMIZER_ARRAYS] = {many[1], many[2]};
                optimizer_setting setting = {0.1, 0.9, 0.999, 1e-8, 1};
                memcpy(many, one, sizeof many);
                by->step(&setting, one[0], gradient, one_state, counts[c]);
                factors[0] = by->factors(&setting);
                by->step_by(&factors[0], many[0], gradient, many_state, counts[c]);
                assert_memory_equal(one, many, sizeof one);
                for (size_t step = 0; step < IDLE; step++) {
                    setting.step++;
                    factors[step] = by->factors(&setting);
                    for (size_t at = 0; at < counts[c]; at++)
                        gradient[at] = 0.0f + ridge * one[0][at];
                    by->step(&setting, one[0], gradient, one_state, counts[c]);
                }
                by->step_idle(factors, IDLE, ridge, many[0], many_state, counts[c]);
                assert_memory_equal(one, many, sizeof one);
            }
}

static void steps_equal_numpy(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const double *expected;
    } cases[] = {{"sgd", golden_sgd}, {"adagrad", golden_adagrad}, {"adam", golden_adam}};
    for (size_t which = 0; which < sizeof cases / sizeof *cases; which++) {
        stepped fast = {0};
        for (size_t at = 0; at < GOLDEN_COUNT; at++)
            fast.parameters[at] = (float)golden_start[at];
        for (uint64_t t = 1; t <= GOLDEN_STEPS; t++) {
            const optimizer_setting setting = {golden_rate, golden_beta1, golden_beta2, golden_epsilon, t};
            float gradient[GOLDEN_COUNT];
            for (size_t at = 0; at < GOLDEN_COUNT; at++)
                gradient[at] = (float)golden_gradients[(t - 1) * GOLDEN_COUNT + at];
            step(optimizer_find(cases[which].name), &setting, &fast, gradient, GOLDEN_COUNT);
        }
        for (size_t at = 0; at < GOLDEN_COUNT; at++)
            assert_true(fabs((double)fast.parameters[at] - cases[which].expected[at]) < 2e-5);
        assert_true(fast.parameters[2] == (float)golden_start[2]); /* whose gradient was always 0 */
    }
}

/* Gradients of 0 and of 10¹⁸, all ε, in any order: parameters and state stay finite. */
static void any_gradient_leaves_finite_parameters(void **state)
{
    (void)state;
    static const double epsilons[] = {1e-8, 0, 1e-60};
    for (size_t which = 0; optimizer_at(which); which++)
        for (size_t e = 0; e < 3; e++)
            for (uint64_t seed = 1; seed <= 8; seed++) {
                stepped fast = {0};
                for (uint64_t t = 1; t <= 2000; t++) {
                    const optimizer_setting setting = {
                        .rate = 0.05, .beta1 = seed % 2 ? 0.9 : 0, .beta2 = 0.999, .epsilon = epsilons[e], .step = t};
                    float gradient[MOST];
                    for (size_t at = 0; at < MOST; at++) {
                        const uint32_t kind = random_below(seed, RANDOM_SAMPLES, t * MOST + at, 4);
                        gradient[at] = kind == 0 ? 1e18f : kind == 1 ? -1e18f : kind == 2 ? 1e-30f : 0.0f;
                        if (t == 1 || at < 10)
                            gradient[at] = at % 2 ? 1e18f : 0.0f;
                    }
                    step(optimizer_at(which), &setting, &fast, gradient, MOST);
                }
                for (size_t at = 0; at < MOST; at++) {
                    assert_true(isfinite(fast.parameters[at]) && isfinite(fast.state[0][at]));
                    assert_true(isfinite(fast.state[1][at]));
                }
                assert_true(fast.parameters[0] == 0.0f && fast.parameters[1] < 0.0f);
            }
}

/* Adam's first step is the rate, whatever the gradient's size: that is what its corrections are for. */
static void adams_first_step_is_the_rate(void **state)
{
    (void)state;
    const optimizer_setting setting = {.rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-12, .step = 1};
    stepped fast = {0};
    const float gradient[4] = {1e-3f, -5, 1e6f, 0};
    step(optimizer_find("adam"), &setting, &fast, gradient, 4);
    const double expected[4] = {-0.01, 0.01, -0.01, 0};
    for (size_t at = 0; at < 4; at++)
        assert_true(fabs((double)fast.parameters[at] - expected[at]) < 1e-7);
}

static void schedules_follow_their_formulas(void **state)
{
    (void)state;
    for (double done = 0; done < 10; done += 0.625) {
        const double progress = done / 10;
        assert_true(schedule_rate(schedule_find("constant"), 0.3, 2, 0, done, 10) == 0.3);
        assert_true(fabs(schedule_rate(schedule_find("inverse"), 0.3, 2, 0, done, 10) - 0.3 / (1 + 2 * done)) < 1e-15);
        assert_true(fabs(schedule_rate(schedule_find("linear"), 0.3, 2, 0, done, 10) - 0.3 * (1 - progress)) < 1e-15);
        assert_true(fabs(schedule_rate(schedule_find("cosine"), 0.3, 2, 0, done, 10) -
                         0.3 * (1 + cos(3.141592653589793 * progress)) / 2) < 1e-15);
    }
}

static void warm_up_leads_into_the_schedule(void **state)
{
    (void)state;
    for (size_t which = 0; schedule_at(which); which++) {
        const schedule *shape = schedule_at(which);
        double before = 0;
        for (double done = 0; done < 3; done += 0.25) {
            const double rate = schedule_rate(shape, 0.6, 1, 3, done, 8);
            assert_true(fabs(rate - 0.2 * done) < 1e-15 && rate >= before);
            before = rate;
        }
        assert_true(fabs(schedule_rate(shape, 0.6, 1, 3, 3, 8) - 0.6) < 1e-15);
        for (double done = 3; done <= 9; done += 0.25) { /* also past what was planned */
            const double rate = schedule_rate(shape, 0.6, 1, 3, done, 8);
            assert_true(rate >= 0 && rate <= 0.6);
            assert_true(done == 3 || rate <= before);
            before = rate;
        }
        assert_true(isfinite(schedule_rate(shape, 0.6, 1, 8, 8, 8)));
    }
    assert_true(fabs(schedule_rate(schedule_find("linear"), 1, 0, 2, 6, 10) - 0.5) < 1e-15);
}

static void lists_name_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(optimizer_find("sgd")->arrays, 0);
    assert_string_equal(optimizer_find("adagrad")->array_names[0], "squares");
    assert_int_equal(optimizer_find("adam")->arrays, 2);
    assert_null(optimizer_find("newton"));
    assert_null(schedule_find("step"));
    for (size_t which = 0; optimizer_at(which); which++) {
        assert_true(optimizer_at(which)->arrays <= OPTIMIZER_ARRAYS);
        for (int a = 0; a < optimizer_at(which)->arrays; a++)
            assert_non_null(optimizer_at(which)->array_names[a]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_plain_ones),
        cmocka_unit_test(steps_along_parts_are_steps),
        cmocka_unit_test(idle_steps_are_steps),
        cmocka_unit_test(steps_equal_numpy),
        cmocka_unit_test(any_gradient_leaves_finite_parameters),
        cmocka_unit_test(adams_first_step_is_the_rate),
        cmocka_unit_test(schedules_follow_their_formulas),
        cmocka_unit_test(warm_up_leads_into_the_schedule),
        cmocka_unit_test(lists_name_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
