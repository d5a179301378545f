/* SPDX-License-Identifier: Apache-2.0
 *
 * iCD: the same matrix factorisation as ials, number by number (Bayer, He, Kanagal, Rendle 2017): less arithmetic a
 * sweep, more sweeps to the same optimum.
 */
#include "train/alternating/sweeps.h"

typedef struct icd_params {
    alternating_params alternating;
    iteration_params iteration;
} icd_params;

static const option_row icd_options[] = {
    ALTERNATING_LOSS_OPTIONS(icd_params),
    ITERATION_OPTIONS(icd_params, 32),
};
static const option_table icd_option_table = OPTION_TABLE(icd_params, icd_options);

static const alternating_model shape = {.kind = COMPOSE_PRODUCT};

static alternating_params scalar_blocks(const icd_params *params)
{
    alternating_params alternating = params->alternating;
    alternating.block = 1;
    return alternating;
}

static topn_status icd_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    return alternating_check(context, "icd", &((const icd_params *)raw)->alternating);
}

static training_cost icd_cost(const topn_data *data, const void *raw)
{
    const icd_params *params = raw;
    const alternating_params alternating = scalar_blocks(params);
    return alternating_cost(data, &alternating, &params->iteration, &shape);
}

static topn_status icd_train(topn_context *context, const topn_data *data, const void *raw, const training_run *run,
                             topn_model *model)
{
    const icd_params *params = raw;
    const alternating_params alternating = scalar_blocks(params);
    return alternating_train(context, data, &alternating, &params->iteration, &shape, run, model);
}

const method method_icd = {
    .name = "icd",
    .summary = "matrix factorisation by least squares over all pairs, number by number",
    .paper = "Rendle 2021, §5.1; Bayer et al. 2017",
    .options = &icd_option_table,
    .check = icd_check,
    .cost = icd_cost,
    .train_iterated = icd_train,
};
