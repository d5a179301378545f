/* SPDX-License-Identifier: Apache-2.0
 *
 * Factorisation machine (Rendle 2010) by alternating least squares over all pairs (P2 §5.1.2). With x the rows that
 * describe a context and z those of an item,
 *
 *     ŷ = Σ_k w_k + Σ_{k<l} ⟨θ_k, θ_l⟩ over all rows k, l of x and z together
 *       = ⟨Σ_x θ, Σ_z θ⟩ + own bias of the context + own bias of the item (model/multilinear.h, SUM).
 */
#include "train/alternating/sweeps.h"

typedef struct fm_params {
    alternating_params alternating;
    iteration_params iteration;
} fm_params;

static const option_row fm_options[] = {
    ALTERNATING_OPTIONS(fm_params, 128),
    ITERATION_OPTIONS(fm_params, 16),
};
static const option_table fm_option_table = OPTION_TABLE(fm_params, fm_options);
static const alternating_model shape = {.kind = COMPOSE_SUM, .contexts = true};

static topn_status fm_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    return alternating_check(context, "fm", &((const fm_params *)raw)->alternating);
}

static training_cost fm_cost(const topn_data *data, const void *raw)
{
    const fm_params *params = raw;
    return alternating_cost(data, &params->alternating, &params->iteration, &shape);
}

static topn_status fm_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                            topn_model *model)
{
    const fm_params *params = raw;
    return alternating_train(context, data, &params->alternating, &params->iteration, &shape, run, model);
}

const method method_fm = {
    .name = "fm",
    .summary = "factorisation machine of users, their features, contexts, items and theirs, over all pairs",
    .paper = "Rendle 2021, §5.1.2; Rendle 2010",
    .options = &fm_option_table,
    .check = fm_check,
    .cost = fm_cost,
    .train_iterated = fm_train,
};
