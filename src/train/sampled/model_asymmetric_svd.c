/* SPDX-License-Identifier: Apache-2.0
 *
 * Asymmetric SVD (Koren 2008, eq. 13): ŷ = b_i + ⟨n^−½ Σ_{h ∈ I_c} y_h + n^−½ Σ_{h ∈ I_c} (w_h − mean w)/deviation x_h,
 * q_i⟩. Events without weights have no second sum. There ratings are predicted, and the item rated is part of its user;
 * here pairs are told from others, and an item that were part of its user would tell by itself.
 */
#include "train/sampled/model_parts.h"

static const history_shape shape = {.exponent = 0.5, .exclude_own = true, .strengths = true};

static training_cost asymmetric_svd_cost(const topn_data *data, const sampled_params *params)
{
    return history_model_cost(data, params, &shape);
}

static void asymmetric_svd_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    history_model_form(data, params, &shape, out);
}

static topn_status asymmetric_svd_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                         const topn_model *start, sampled_towers *out)
{
    return history_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_asymmetric_svd = {
    .name = "asymmetric-svd",
    .summary = "as fism, with a second sum over the history that is weighted by how strong its events are",
    .paper = "Van Balen and Goethals 2021, §2.1; Koren 2008",
    .cost = asymmetric_svd_cost,
    .form = asymmetric_svd_form,
    .create = asymmetric_svd_create,
    .clear = history_model_clear,
    .export = history_model_export,
};
