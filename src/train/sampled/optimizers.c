/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps along a gradient; formulas in optimizer.h. Sums of squares stop at the largest float, so that state stays
 * finite, and ε is at least the smallest normal one, so that a gradient of 0 is a step of 0.
 */
#include "train/sampled/optimizer.h"

#include <float.h>
#include <math.h>

#include "base/registry.h"
#include "base/vector.h"

enum { PIECE = 1024 /* parameters that take all steps before the next do: they stay in the nearest cache */ };

static float bounded_epsilon(const optimizer_setting *setting)
{
    return setting->epsilon > (double)FLT_MIN ? (float)setting->epsilon : FLT_MIN;
}

/* A gradient, or the parts that it is made of. */
typedef struct direction {
    const float *gradient; /* NULL: coefficient · vector + ridge · parameters */
    float coefficient, ridge;
    const float *vector; /* NULL: none */
} direction;

/* Loops over parameters with `g`, the gradient at `at`; a loop for each form of a direction. A sum that begins with 0
 * is never −0. */
#define ALONG(direction, ...)                                                                                          \
    if ((direction)->gradient) {                                                                                       \
        const float *restrict gradient = (direction)->gradient;                                                        \
        for (size_t at = 0; at < count; at++) {                                                                        \
            const float g = gradient[at];                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    } else if ((direction)->vector) {                                                                                  \
        const float *restrict vector = (direction)->vector;                                                            \
        const float coefficient = (direction)->coefficient, ridge = (direction)->ridge;                                \
        for (size_t at = 0; at < count; at++) {                                                                        \
            const float g = coefficient * vector[at] + ridge * parameters[at];                                         \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    } else {                                                                                                           \
        const float ridge = (direction)->ridge;                                                                        \
        for (size_t at = 0; at < count; at++) {                                                                        \
            const float g = 0.0f + ridge * parameters[at];                                                             \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static step_factors sgd_factors(const optimizer_setting *setting)
{
    return (step_factors){.rate = (float)setting->rate};
}

VECTOR_CLONES
static void sgd_loop(float rate, const direction *along, float *restrict parameters, size_t count)
{
    ALONG(along, parameters[at] -= rate * g;)
}

static void sgd(const step_factors *factors, float *parameters, const direction *along,
                float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    (void)state;
    sgd_loop(factors->rate, along, parameters, count);
}

static step_factors adagrad_factors(const optimizer_setting *setting)
{
    return (step_factors){.rate = (float)setting->rate, .epsilon = bounded_epsilon(setting)};
}

VECTOR_CLONES
static void adagrad_loop(float rate, float epsilon, const direction *along, float *restrict parameters,
                         float *restrict squares, size_t count)
{
    ALONG(along, const float sum = squares[at] + g * g; squares[at] = sum > FLT_MAX ? FLT_MAX : sum;
          parameters[at] -= rate * (g / sqrtf(squares[at] + epsilon));)
}

static void adagrad(const step_factors *factors, float *parameters, const direction *along,
                    float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    adagrad_loop(factors->rate, factors->epsilon, along, parameters, state[0], count);
}

static step_factors adam_factors(const optimizer_setting *setting)
{
    const double t = (double)setting->step;
    return (step_factors){
        .rate = (float)(setting->rate / (1 - pow(setting->beta1, t))),
        .scale = (float)(1 / (1 - pow(setting->beta2, t))),
        .keep_mean = (float)setting->beta1,
        .take_mean = (float)(1 - setting->beta1),
        .keep_square = (float)setting->beta2,
        .take_square = (float)(1 - setting->beta2),
        .epsilon = bounded_epsilon(setting),
    };
}

VECTOR_CLONES
static void adam_loop(const step_factors *factors, const direction *along, float *restrict parameters,
                      float *restrict means, float *restrict squares, size_t count)
{
    const step_factors f = *factors;
    ALONG(along, const float square = f.keep_square * squares[at] + f.take_square * (g * g);
          means[at] = f.keep_mean * means[at] + f.take_mean * g; squares[at] = square > FLT_MAX ? FLT_MAX : square;
          const float corrected = squares[at] * f.scale;
          parameters[at] -= f.rate * (means[at] / (sqrtf(corrected > FLT_MAX ? FLT_MAX : corrected) + f.epsilon));)
}

static void adam(const step_factors *factors, float *parameters, const direction *along,
                 float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    adam_loop(factors, along, parameters, state[0], state[1], count);
}

/* The functions of a row from NAME_factors and NAME. */
#define STEPS(name)                                                                                                    \
    static void name##_step_by(const step_factors *factors, float *parameters, const float *gradient,                  \
                               float *const state[OPTIMIZER_ARRAYS], size_t count)                                     \
    {                                                                                                                  \
        const direction along = {.gradient = gradient};                                                                \
        name(factors, parameters, &along, state, count);                                                               \
    }                                                                                                                  \
    static void name##_step(const optimizer_setting *setting, float *parameters, const float *gradient,                \
                            float *const state[OPTIMIZER_ARRAYS], size_t count)                                        \
    {                                                                                                                  \
        const step_factors factors = name##_factors(setting);                                                          \
        name##_step_by(&factors, parameters, gradient, state, count);                                                  \
    }                                                                                                                  \
    static void name##_step_along(const optimizer_setting *setting, float *parameters, float coefficient,              \
                                  const float *vector, float ridge, float *const state[OPTIMIZER_ARRAYS],              \
                                  size_t count)                                                                        \
    {                                                                                                                  \
        const step_factors factors = name##_factors(setting);                                                          \
        const direction along = {.coefficient = coefficient, .vector = vector, .ridge = ridge};                        \
        name(&factors, parameters, &along, state, count);                                                              \
    }                                                                                                                  \
    static void name##_step_idle(const step_factors *factors, size_t steps, float ridge, float *parameters,            \
                                 float *const state[OPTIMIZER_ARRAYS], size_t count)                                   \
    {                                                                                                                  \
        const direction along = {.ridge = ridge};                                                                      \
        for (size_t begin = 0; begin < count; begin += PIECE) {                                                        \
            float *at[OPTIMIZER_ARRAYS];                                                                               \
            for (int array = 0; array < OPTIMIZER_ARRAYS; array++)                                                     \
                at[array] = state[array] ? state[array] + begin : NULL;                                                \
            for (size_t step = 0; step < steps; step++)                                                                \
                name(&factors[step], parameters + begin, &along, at, count - begin < PIECE ? count - begin : PIECE);   \
        }                                                                                                              \
    }

#define STEPS_OF(name)                                                                                                 \
    .step = name##_step, .step_along = name##_step_along, .factors = name##_factors, .step_by = name##_step_by,        \
    .step_idle = name##_step_idle

STEPS(sgd)
STEPS(adagrad)
STEPS(adam)

const optimizer optimizer_sgd = {
    .name = "sgd",
    .summary = "steps of the rate times the gradient; nothing is kept",
    .paper = "P2 Algorithms 1–3",
    STEPS_OF(sgd),
};

const optimizer optimizer_adagrad = {
    .name = "adagrad",
    .summary = "each parameter's steps shrink with the root of the sum of its squared gradients",
    .paper = "Duchi, Hazan, Singer 2011",
    .arrays = 1,
    .array_names = {"squares"},
    STEPS_OF(adagrad),
};

const optimizer optimizer_adam = {
    .name = "adam",
    .summary = "running means of gradients over the root of those of their squares, of touched rows only",
    .paper = "Kingma, Ba 2015",
    .arrays = 2,
    .array_names = {"means", "squares"},
    STEPS_OF(adam),
};

static const optimizer *const optimizers[] = {
#define OPTIMIZER(identifier, name) &optimizer_##identifier,
#include "train/sampled/optimizers.def"
#undef OPTIMIZER
};

REGISTRY_ACCESS(optimizer, optimizer, optimizers)
