/* SPDX-License-Identifier: Apache-2.0
 *
 * Means of weights over the sweeps of a training. A step along the gradient of few users jumps about the optimum; the
 * mean of where it was lies nearer to it (Polyak, Juditsky 1992), and forgets early sweeps as it goes. After sweep n,
 * from 1,
 *
 *   mean += (weights − mean) · max(1 − keep, 1/n)
 *
 * which is the plain mean of all sweeps until 1/(1 − keep) of them are over. Training goes on with the weights; the
 * means are arrays of its state, "average.NAME", and so in checkpoints and beside the best state.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_RUNNING_MEAN_H
#define TOPN_TRAIN_AUTOENCODER_RUNNING_MEAN_H

#include "base/context.h"
#include "train/iteration.h"

typedef struct mean_array {
    float *weights, *mean; /* [count] */
    size_t count;
} mean_array;

typedef struct running_mean {
    double keep;        /* in [0, 1); 0: none is kept */
    mean_array *arrays; /* [array_count] */
    size_t array_count;
} running_mean;

/* Of every `group`-th of the arrays [count], from the first on: weights, behind which their optimiser's arrays lie. */
topn_status running_mean_create(topn_context *context, double keep, const state_array *arrays, size_t count,
                                size_t group, running_mean *out);
void running_mean_clear(running_mean *mean);
/* Writes the means, by the names of the same arrays, to `to`; returns how many. */
size_t running_mean_list(const running_mean *mean, const state_array *arrays, size_t group, state_array *to);
/* After sweep `sweep`, counted from 0. */
void running_mean_take(running_mean *mean, int64_t sweep, int threads);
/* Weights and means change places: what is exported between two calls is made of means. */
void running_mean_swap(const running_mean *mean, int threads);

#endif
