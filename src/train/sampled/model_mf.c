/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix factorisation: φ_c = row of the user, ψ_i = row of the item, and, where the data have features, the rows of
 * these added to them.
 */
#include "train/sampled/model_parts.h"

static const sides_shape shape = {.kind = COMPOSE_PRODUCT, .contexts = false};

static training_cost mf_cost(const topn_data *data, const sampled_params *params)
{
    return sides_model_cost(data, params, &shape);
}

static void mf_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    sides_model_form(data, params, &shape, out);
}

static topn_status mf_create(topn_context *context, const topn_data *data, const sampled_params *params,
                             const topn_model *start, sampled_towers *out)
{
    return sides_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_mf = {
    .name = "mf",
    .summary = "matrix factorisation: a row for each user and item, and for each of their features",
    .paper = "Rendle 2021, §2.1.1; Rendle et al. 2009",
    .cost = mf_cost,
    .form = mf_form,
    .create = mf_create,
    .clear = sides_model_clear,
    .export = sides_model_export,
    .finish = sides_model_finish,
};
