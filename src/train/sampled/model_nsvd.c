/* SPDX-License-Identifier: Apache-2.0
 *
 * NSVD (Paterek 2007): ŷ = b_i + ⟨n^−½ Σ_{h ∈ I_c} x_h, q_i⟩; rows of users are gone.
 */
#include "train/sampled/model_parts.h"

static const history_shape shape = {.exponent = 0.5};

static training_cost nsvd_cost(const topn_data *data, const sampled_params *params)
{
    return history_model_cost(data, params, &shape);
}

static void nsvd_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    history_model_form(data, params, &shape, out);
}

static topn_status nsvd_create(topn_context *context, const topn_data *data, const sampled_params *params,
                               const topn_model *start, sampled_towers *out)
{
    return history_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_nsvd = {
    .name = "nsvd",
    .summary = "a user is the scaled sum of one set of item rows, items have another",
    .paper = "Van Balen and Goethals 2021, §2.1; Paterek 2007",
    .cost = nsvd_cost,
    .form = nsvd_form,
    .create = nsvd_create,
    .clear = history_model_clear,
    .export = history_model_export,
};
