/* SPDX-License-Identifier: Apache-2.0
 *
 * FISM (Kabbur, Ning, Karypis 2013, eq. 6): ŷ = b_i + ⟨(n − 1)^−α Σ_{h ∈ I_c, h ≠ i} p_h, q_i⟩. That the item itself is
 * left out keeps the training from explaining it by itself.
 */
#include "train/sampled/model_parts.h"

static const history_shape shape = {.exponent = 0.5, .exclude_own = true};

static training_cost fism_cost(const topn_data *data, const sampled_params *params)
{
    return history_model_cost(data, params, &shape);
}

static void fism_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    history_model_form(data, params, &shape, out);
}

static topn_status fism_create(topn_context *context, const topn_data *data, const sampled_params *params,
                               const topn_model *start, sampled_towers *out)
{
    return history_model_create(context, data, params, start, &shape, out);
}

const sampled_model sampled_model_fism = {
    .name = "fism",
    .summary = "as nsvd, but the example's own item is no part of the user",
    .paper = "Van Balen and Goethals 2021, §2.1; Kabbur, Ning and Karypis 2013",
    .cost = fism_cost,
    .form = fism_form,
    .create = fism_create,
    .clear = history_model_clear,
    .export = history_model_export,
};
