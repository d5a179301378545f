/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled training from its options to a model: what may be combined, what it costs, and the sweeps.
 */
#ifndef TOPN_TRAIN_SAMPLED_TRAINER_H
#define TOPN_TRAIN_SAMPLED_TRAINER_H

#include "train/method.h"
#include "train/sampled/sampled.h"
#include "train/sampled/step.h"

/* What options come to. */
typedef struct sampled_choice {
    const sampled_model *model;
    const sampled_loss *loss;
    const surrogate *surrogate;
    const sampler *sampler;
    const rank_weight *weight;
    const optimizer *optimizer;
    const schedule *schedule;
    sampler_params sampling; /* texts borrowed from the options */
    sampler_traits traits;   /* of the sampler with these */
    exclusion exclusion;
    bool shared, corrected;
} sampled_choice;
sampled_choice sampled_choose(const sampled_params *params);

/* Of `struct method`. */
topn_status sampled_check(topn_context *context, const topn_data *data, const void *params);
training_cost sampled_cost(const topn_data *data, const void *params);
topn_status sampled_train(topn_context *context, const topn_data *data, const void *params, const training_run *run,
                          topn_model *model);

#endif
