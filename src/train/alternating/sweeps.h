/* SPDX-License-Identifier: Apache-2.0
 *
 * A method of alternating least squares from data to model: a problem, sweeps over both of its sides, an export.
 */
#ifndef TOPN_TRAIN_ALTERNATING_SWEEPS_H
#define TOPN_TRAIN_ALTERNATING_SWEEPS_H

#include "train/alternating/problem.h"
#include "train/iteration.h"
#include "train/method.h"

/* What tells the methods apart. */
typedef struct alternating_model {
    composition kind;
    bool contexts;               /* contexts have fields beside the user, where the data have them */
    const size_t *field_factors; /* as for problem_create */
    double core_l2;              /* TUCKER: λ of the core; NAN = that of the rows */
} alternating_model;

training_cost alternating_cost(const topn_data *data, const alternating_params *params,
                               const iteration_params *iteration, const alternating_model *shape);
topn_status alternating_train(topn_context *context, const topn_data *data, const alternating_params *params,
                              const iteration_params *iteration, const alternating_model *shape,
                              const training_run *run, topn_model *model);
/* The parameters of a problem by name: "context.0", "item.0", …, "context.core". *out [*count] is the caller's to
 * free, its values the problem's. */
topn_status problem_arrays(topn_context *context, const alternating_problem *problem, state_array **out, size_t *count);

#endif
