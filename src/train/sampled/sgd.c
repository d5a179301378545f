/* SPDX-License-Identifier: Apache-2.0
 *
 * The method `sgd`, and its presets: the same with other defaults.
 */
#include "train/sampled/trainer.h"

const method method_sgd = {
    .name = "sgd",
    .summary = "stochastic gradients on sampled negatives: any loss, sampler, weight, model and optimiser",
    .paper = "Rendle 2021, §3, §4, Algorithms 1–3",
    .options = &sampled_option_table,
    .check = sampled_check,
    .cost = sampled_cost,
    .train_iterated = sampled_train,
};

#define PRESET(identifier, spelling, about, source, defaults)                                                          \
    extern const option_table preset_option_table_##identifier;                                                        \
    const method method_##identifier = {                                                                               \
        .name = spelling,                                                                                              \
        .summary = about,                                                                                              \
        .paper = source,                                                                                               \
        .options = &preset_option_table_##identifier,                                                                  \
        .check = sampled_check,                                                                                        \
        .cost = sampled_cost,                                                                                          \
        .train_iterated = sampled_train,                                                                               \
    };
#include "train/sampled/presets.def"
#undef PRESET
