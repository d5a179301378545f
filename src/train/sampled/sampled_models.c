/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/registry.h"
#include "train/sampled/loss.h"
#include "train/sampled/model_parts.h"

#define SAMPLED_MODEL(identifier, name) extern const sampled_model sampled_model_##identifier;
#include "train/sampled/sampled_models.def"
#undef SAMPLED_MODEL

static const sampled_model *const models[] = {
#define SAMPLED_MODEL(identifier, name) &sampled_model_##identifier,
#include "train/sampled/sampled_models.def"
#undef SAMPLED_MODEL
};

REGISTRY_ACCESS(sampled_model, sampled_model, models)

void draw_parameters(topn_context *context, size_t table, float *values, uint32_t rows, size_t width, size_t factors,
                     double scale)
{
    const double deviation = scale / sqrt((double)factors);
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (uint32_t row = 0; row < rows; row++)
        for (size_t j = 0; j < width; j++) {
            const uint64_t place = (uint64_t)table << 56 | ((uint64_t)row * width + j);
            values[row * width + j] =
                j < factors ? (float)(deviation * random_normal(context->seed, RANDOM_PARAMETERS, place)) : 0;
        }
}

positive_setting positive_setting_of(const sampled_params *params, positive_order natural)
{
    const sampled_loss *loss = sampled_loss_at((size_t)params->loss);
    return (positive_setting){
        .order = params->order == ORDER_CHOICE_AUTO     ? natural
                 : params->order == ORDER_CHOICE_EVENTS ? ORDER_EVENTS
                                                        : ORDER_CONTEXTS,
        .confidence = params->confidence,
        .alpha = params->alpha,
        .scale = params->confidence_scale,
        .dislike_below = params->dislike_below,
        .dislikes_are_examples = loss && strcmp(loss->name, "pointwise") == 0, /* others have no label for them */
        .user_exponent = params->user_weight_exponent,
        .item_exponent = params->item_weight_exponent,
    };
}

bool runs_of(const topn_data *data, const sampled_params *params, positive_order natural)
{
    const positive_setting setting = positive_setting_of(params, natural);
    const bool dislikes = data->has_weights && !isnan(params->dislike_below); /* of histories, not of positives */
    return setting.order == ORDER_CONTEXTS && !dislikes;
}

double item_l2_of(const sampled_params *params)
{
    return isnan(params->item_l2) ? params->l2 : params->item_l2;
}
