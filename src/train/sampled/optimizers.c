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

static float bounded_epsilon(const optimizer_setting *setting)
{
    return setting->epsilon > (double)FLT_MIN ? (float)setting->epsilon : FLT_MIN;
}

/* A gradient, or the parts that it is made of. */
typedef struct direction {
    const float *gradient; /* NULL: coefficient · vector + ridge · parameters */
    float coefficient, ridge;
    const float *vector;
} direction;

/* Loops over parameters with `g`, the gradient at `at`; a loop for each form of a direction. */
#define ALONG(direction, ...)                                                                                          \
    if ((direction)->gradient) {                                                                                       \
        const float *restrict gradient = (direction)->gradient;                                                        \
        for (size_t at = 0; at < count; at++) {                                                                        \
            const float g = gradient[at];                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    } else {                                                                                                           \
        const float *restrict vector = (direction)->vector;                                                            \
        const float coefficient = (direction)->coefficient, ridge = (direction)->ridge;                                \
        for (size_t at = 0; at < count; at++) {                                                                        \
            const float g = coefficient * vector[at] + ridge * parameters[at];                                         \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

VECTOR_CLONES
static void sgd_loop(float rate, const direction *along, float *restrict parameters, size_t count)
{
    ALONG(along, parameters[at] -= rate * g;)
}

static void sgd(const optimizer_setting *setting, float *parameters, const direction *along,
                float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    (void)state;
    sgd_loop((float)setting->rate, along, parameters, count);
}

VECTOR_CLONES
static void adagrad_loop(float rate, float epsilon, const direction *along, float *restrict parameters,
                         float *restrict squares, size_t count)
{
    ALONG(along, const float sum = squares[at] + g * g; squares[at] = sum > FLT_MAX ? FLT_MAX : sum;
          parameters[at] -= rate * (g / sqrtf(squares[at] + epsilon));)
}

static void adagrad(const optimizer_setting *setting, float *parameters, const direction *along,
                    float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    adagrad_loop((float)setting->rate, bounded_epsilon(setting), along, parameters, state[0], count);
}

/* rate: η/(1 − β₁ᵗ); scale: 1/(1 − β₂ᵗ), which corrects the squares under the root. */
typedef struct adam_factors {
    float rate, scale, keep_mean, take_mean, keep_square, take_square, epsilon;
} adam_factors;

VECTOR_CLONES
static void adam_loop(const adam_factors *factors, const direction *along, float *restrict parameters,
                      float *restrict means, float *restrict squares, size_t count)
{
    const adam_factors f = *factors;
    ALONG(along, const float square = f.keep_square * squares[at] + f.take_square * (g * g);
          means[at] = f.keep_mean * means[at] + f.take_mean * g; squares[at] = square > FLT_MAX ? FLT_MAX : square;
          const float corrected = squares[at] * f.scale;
          parameters[at] -= f.rate * (means[at] / (sqrtf(corrected > FLT_MAX ? FLT_MAX : corrected) + f.epsilon));)
}

static void adam(const optimizer_setting *setting, float *parameters, const direction *along,
                 float *const state[OPTIMIZER_ARRAYS], size_t count)
{
    const double t = (double)setting->step;
    const adam_factors factors = {
        .rate = (float)(setting->rate / (1 - pow(setting->beta1, t))),
        .scale = (float)(1 / (1 - pow(setting->beta2, t))),
        .keep_mean = (float)setting->beta1,
        .take_mean = (float)(1 - setting->beta1),
        .keep_square = (float)setting->beta2,
        .take_square = (float)(1 - setting->beta2),
        .epsilon = bounded_epsilon(setting),
    };
    adam_loop(&factors, along, parameters, state[0], state[1], count);
}

/* NAME_step and NAME_step_along of a row. */
#define STEPS(name)                                                                                                    \
    static void name##_step(const optimizer_setting *setting, float *parameters, const float *gradient,                \
                            float *const state[OPTIMIZER_ARRAYS], size_t count)                                        \
    {                                                                                                                  \
        const direction along = {.gradient = gradient};                                                                \
        name(setting, parameters, &along, state, count);                                                               \
    }                                                                                                                  \
    static void name##_step_along(const optimizer_setting *setting, float *parameters, float coefficient,              \
                                  const float *vector, float ridge, float *const state[OPTIMIZER_ARRAYS],              \
                                  size_t count)                                                                        \
    {                                                                                                                  \
        const direction along = {.coefficient = coefficient, .vector = vector, .ridge = ridge};                        \
        name(setting, parameters, &along, state, count);                                                               \
    }

STEPS(sgd)
STEPS(adagrad)
STEPS(adam)

const optimizer optimizer_sgd = {
    .name = "sgd",
    .summary = "steps of the rate times the gradient; nothing is kept",
    .paper = "P2 Algorithms 1–3",
    .step = sgd_step,
    .step_along = sgd_step_along,
};

const optimizer optimizer_adagrad = {
    .name = "adagrad",
    .summary = "each parameter's steps shrink with the root of the sum of its squared gradients",
    .paper = "Duchi, Hazan, Singer 2011",
    .arrays = 1,
    .array_names = {"squares"},
    .step = adagrad_step,
    .step_along = adagrad_step_along,
};

const optimizer optimizer_adam = {
    .name = "adam",
    .summary = "running means of gradients over the root of those of their squares, of touched rows only",
    .paper = "Kingma, Ba 2015",
    .arrays = 2,
    .array_names = {"means", "squares"},
    .step = adam_step,
    .step_along = adam_step_along,
};

static const optimizer *const optimizers[] = {
#define OPTIMIZER(identifier, name) &optimizer_##identifier,
#include "train/sampled/optimizers.def"
#undef OPTIMIZER
};

REGISTRY_ACCESS(optimizer, optimizer, optimizers)
