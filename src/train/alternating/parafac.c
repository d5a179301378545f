/* SPDX-License-Identifier: Apache-2.0
 *
 * PARAFAC (Harshman 1970) by alternating least squares over all pairs (P2 §5.1.2; Hidasi and Tikk 2012):
 *
 *     ŷ = Σ_r u_r · t_r · … · ψ_r,
 *
 * one factor for the user, one for each column of the context, one for the item. Without such columns it is matrix
 * factorisation.
 *
 * The ridge weighs on each factor of the product, and 0 is a local optimum, which a ridge as large as that of matrix
 * factorisation leads to as soon as there are contexts: hence the small default of --l2 there.
 */
#include "train/alternating/sweeps.h"

typedef struct parafac_params {
    alternating_params alternating;
    iteration_params iteration;
} parafac_params;

static const option_row parafac_options[] = {
    ALTERNATING_OPTIONS_WITH(parafac_params, 128, ALTERNATING_PRODUCT_L2(parafac_params)),
    ITERATION_OPTIONS(parafac_params, 16),
};
static const option_table parafac_option_table = OPTION_TABLE(parafac_params, parafac_options);
static const alternating_model shape = {.kind = COMPOSE_PRODUCT, .contexts = true};

static topn_status parafac_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    return alternating_check(context, "parafac", &((const parafac_params *)raw)->alternating);
}

static training_cost parafac_cost(const topn_data *data, const void *raw)
{
    const parafac_params *params = raw;
    return alternating_cost(data, &params->alternating, &params->iteration, &shape);
}

static topn_status parafac_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                                 topn_model *model)
{
    const parafac_params *params = raw;
    alternating_params resolved = params->alternating;
    resolved.l2 = alternating_product_l2(data, resolved.l2);
    return alternating_train(context, data, &resolved, &params->iteration, &shape, run, model);
}

const method method_parafac = {
    .name = "parafac",
    .summary = "product of the factors of user, context columns and item, over all pairs",
    .paper = "Rendle 2021, §5.1.2; Harshman 1970",
    .options = &parafac_option_table,
    .check = parafac_check,
    .cost = parafac_cost,
    .train_iterated = parafac_train,
};
