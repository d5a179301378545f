/* SPDX-License-Identifier: Apache-2.0
 *
 * iALS: matrix factorisation by least squares over all pairs (Hu, Koren, Volinsky 2008), in the loss, with the ridges
 * and the first values of Rendle et al. 2021, solved exactly in blocks of columns (iALS++, Rendle et al. 2021).
 */
#include "train/alternating/sweeps.h"

typedef struct ials_params {
    alternating_params alternating;
    iteration_params iteration;
} ials_params;

static const option_row ials_options[] = {
    ALTERNATING_OPTIONS(ials_params, 64),
    ITERATION_OPTIONS(ials_params, 16),
};
static const option_table ials_option_table = OPTION_TABLE(ials_params, ials_options);

static const alternating_model shape = {.kind = COMPOSE_PRODUCT};

static topn_status ials_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    return alternating_check(context, "ials", &((const ials_params *)raw)->alternating);
}

static training_cost ials_cost(const topn_data *data, const void *raw)
{
    const ials_params *params = raw;
    return alternating_cost(data, &params->alternating, &params->iteration, &shape);
}

static topn_status ials_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                              topn_model *model)
{
    const ials_params *params = raw;
    return alternating_train(context, data, &params->alternating, &params->iteration, &shape, run, model);
}

const method method_ials = {
    .name = "ials",
    .summary = "matrix factorisation by least squares over all pairs, in blocks of columns",
    .paper = "Rendle 2021, §5.1; Hu et al. 2008; Rendle et al. 2021, iALS++",
    .options = &ials_option_table,
    .check = ials_check,
    .cost = ials_cost,
    .train_iterated = ials_train,
};
