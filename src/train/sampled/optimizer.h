/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimisers: one row of optimizers.def each. They step along a gradient; a row of a table that no example of the batch
 * touched is not stepped at all, so its bits stay ("lazy"): what Adam's averages would have decayed meanwhile is left
 * out.
 *
 *   sgd       θ −= η g
 *   adagrad   s += g², θ −= η g/√(s + ε)                                  (Duchi, Hazan, Singer 2011)
 *   adam      m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², θ −= η m̂/(√v̂ + ε)    (Kingma, Ba 2015; t counts the batches of the
 * training)
 */
#ifndef TOPN_TRAIN_SAMPLED_OPTIMIZER_H
#define TOPN_TRAIN_SAMPLED_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

enum { OPTIMIZER_ARRAYS = 2 };

typedef struct optimizer_setting {
    double rate;         /* η of this batch, schedule applied */
    double beta1, beta2; /* adam */
    double epsilon;
    uint64_t step; /* batches so far, this one counted: from 1 */
} optimizer_setting;

/* What a setting comes to, made once for many rows; adam's rate is η/(1 − β₁ᵗ), and scale, 1/(1 − β₂ᵗ), corrects the
 * squares under the root. */
typedef struct step_factors {
    float rate, epsilon;
    float scale, keep_mean, take_mean, keep_square, take_square;
} step_factors;

typedef struct optimizer {
    const char *name, *summary, *paper;
    int arrays;                                /* floats of state beside each parameter, all 0 at first */
    const char *array_names[OPTIMIZER_ARRAYS]; /* "squares" */
    /* parameters, gradient, state[…] [count]. O(count), vectorised. */
    void (*step)(const optimizer_setting *, float *parameters, const float *gradient,
                 float *const state[OPTIMIZER_ARRAYS], size_t count);
    /* The same along coefficient · vector + ridge · parameters, in one pass: the same bits. */
    void (*step_along)(const optimizer_setting *, float *parameters, float coefficient, const float *vector,
                       float ridge, float *const state[OPTIMIZER_ARRAYS], size_t count);
    /* The same in two parts, the first for all rows of a batch. */
    step_factors (*factors)(const optimizer_setting *);
    void (*step_by)(const step_factors *, float *parameters, const float *gradient,
                    float *const state[OPTIMIZER_ARRAYS], size_t count);
    /* `steps` of them one after the other along ridge · parameters, all that pulls at a row without an example. */
    void (*step_idle)(const step_factors *, size_t steps, float ridge, float *parameters,
                      float *const state[OPTIMIZER_ARRAYS], size_t count);
} optimizer;

const optimizer *optimizer_at(size_t index);
const optimizer *optimizer_find(const char *name);

/* How the rate runs over a training: one row of schedules.def each.
 * progress: the share of the planned sweeps that is done, in [0, 1); sweeps: done so far, with fractions; decay ≥ 0.
 *   constant 1   inverse 1/(1 + decay·sweeps)   linear 1 − progress   cosine (1 + cos π·progress)/2                */
typedef struct schedule {
    const char *name, *summary;
    double (*factor)(double progress, double sweeps, double decay);
} schedule;
const schedule *schedule_at(size_t index);
const schedule *schedule_find(const char *name);
/* Rises linearly from 0 to `rate` over the first `warm_up` sweeps, then follows the schedule over the others. */
double schedule_rate(const schedule *, double rate, double decay, double warm_up, double sweeps_done,
                     double sweeps_planned);

#endif
