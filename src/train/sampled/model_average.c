/* SPDX-License-Identifier: Apache-2.0
 *
 * A user is the mean of his items' embeddings (P2 §6.3), of which there is one set. The own item is left out, or it
 * would meet itself.
 */
#include "train/sampled/model_parts.h"

static const history_shape shape = {.exponent = 1, .exclude_own = true, .shared = true};

static training_cost average_cost(const topn_data *data, const sampled_params *params)
{
    return history_model_cost(data, params, &shape);
}

static void average_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    history_model_form(data, params, &shape, out);
}

static topn_status average_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                  const topn_model *start, sampled_towers *out)
{
    return history_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_average = {
    .name = "average",
    .summary = "a user is the mean of the embeddings of his items, of which there is one set",
    .paper = "Rendle 2021, §6.3",
    .cost = average_cost,
    .form = average_form,
    .create = average_create,
    .clear = history_model_clear,
    .export = history_model_export,
};
