/* SPDX-License-Identifier: Apache-2.0
 *
 * Factorisation machine (Rendle 2010): the rows of user, context values and features are summed, on the items' side
 * those of item and features; pairs within a side are the side's own bias (model/multilinear.h, SUM).
 */
#include "train/sampled/model_parts.h"

static const sides_shape shape = {.kind = COMPOSE_SUM, .contexts = true};

static training_cost fm_cost(const topn_data *data, const sampled_params *params)
{
    return sides_model_cost(data, params, &shape);
}

static void fm_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    sides_model_form(data, params, &shape, out);
}

static topn_status fm_create(topn_context *context, const topn_data *data, const sampled_params *params,
                             const topn_model *start, sampled_towers *out)
{
    return sides_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_fm = {
    .name = "fm",
    .summary = "factorisation machine of users, their features, contexts, items and theirs",
    .paper = "Rendle 2021, §2.1.2; Rendle 2010",
    .cost = fm_cost,
    .form = fm_form,
    .create = fm_create,
    .clear = sides_model_clear,
    .export = sides_model_export,
    .finish = sides_model_finish,
};
