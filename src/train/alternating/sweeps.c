/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/sweeps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "train/alternating/solver.h"

topn_status problem_arrays(topn_context *context, const alternating_problem *problem, state_array **out, size_t *count)
{
    static const char *const names[] = {"context", "item"};
    topn_status status;
    *count = 0;
    TRY(ALLOCATE_ZEROED(context, problem->sides[0].field_count + problem->sides[1].field_count + 2, out));
    for (int s = 0; s < 2; s++) {
        const multilinear_side *side = &problem->sides[s];
        for (size_t field = 0; field < side->field_count + (side->kind == COMPOSE_TUCKER); field++) {
            const bool core = field == side->field_count;
            const dense_matrix *table = core ? &side->core : &side->fields[field].table;
            state_array *array = &(*out)[(*count)++];
            *array = (state_array){.values = table->values, .rows = table->rows, .columns = table->columns};
            if (core)
                snprintf(array->name, sizeof array->name, "%s.core", names[s]);
            else
                snprintf(array->name, sizeof array->name, "%s.%zu", names[s], field);
        }
    }
done:
    return status;
}

/* The core's ridge by its own λ. */
static void set_core_ridge(alternating_problem *problem, double core_l2)
{
    const multilinear_side *side = &problem->sides[SIDE_CONTEXTS];
    const sparse_matrix *pairs = &problem->observed[SIDE_CONTEXTS].pairs;
    const double extent = (double)pairs->indptr[pairs->rows] + problem->loss.unobserved * pairs->rows * pairs->columns;
    for (size_t row = 0; row < side->core.rows; row++)
        problem->blocks[SIDE_CONTEXTS][side->field_count].ridge[row] =
            (float)(core_l2 * pow(extent, problem->loss.l2_exponent));
}

training_cost alternating_cost(const topn_data *data, const alternating_params *params,
                               const iteration_params *iteration, const alternating_model *shape)
{
    return (training_cost){
        .bytes = problem_bytes(data, params, shape->kind, shape->contexts, shape->field_factors),
        .flops = (double)iteration->sweeps *
                 problem_sweep_flops(data, params, shape->kind, shape->contexts, shape->field_factors),
        .remedy = "fewer --factors need less",
        .state_bytes = problem_state_bytes(data, params, shape->kind, shape->contexts, shape->field_factors),
    };
}

/* A training under way. */
typedef struct training {
    alternating_problem problem;
    const alternating_params *params;
    const topn_data *data;
    double seconds[2], loss_seconds;
} training;

static topn_status sweep(topn_context *context, void *state, int64_t number, double *loss)
{
    static const char *const stages[] = {"contexts", "items"};
    training *at = state;
    topn_status status;
    loss_parts parts;
    (void)number;
    for (int side = 0; side < 2; side++) {
        const double start = clock_seconds();
        TRY(alternating_half_sweep(context, &at->problem, (problem_side)side, at->params, stages[side]));
        at->seconds[side] += clock_seconds() - start;
    }
    const double start = clock_seconds();
    TRY(alternating_loss(context, &at->problem, &parts));
    at->loss_seconds += clock_seconds() - start;
    *loss = parts.observed + parts.unobserved + parts.ridge;
done:
    return status;
}

static topn_status export_model(topn_context *context, void *state, topn_model *model)
{
    const training *at = state;
    return problem_export(context, &at->problem, at->data, at->params, model);
}

static topn_status finish_model(topn_context *context, void *state, topn_model *model)
{
    training *at = state;
    return problem_finish(context, &at->problem, at->data, at->params, model);
}

/* Products of three and more factors have an optimum at 0, which a ridge that is too large leads to. */
static void say_when_all_is_zero(topn_context *context, const alternating_problem *problem)
{
    const dense_matrix *items = &problem->sides[SIDE_ITEMS].fields[0].table;
    for (size_t at = 0; at < items->rows * items->columns; at++)
        if (fabsf(items->values[at]) > 1e-12f)
            return;
    log_line(context, "all embeddings went to 0: a smaller --l2 (or --init-scale above 0) would keep them apart");
}

topn_status alternating_train(topn_context *context, const topn_data *data, const alternating_params *params,
                              const iteration_params *iteration, const alternating_model *shape,
                              const training_run *run, topn_model *model)
{
    topn_status status;
    training at = {.params = params, .data = data};
    iterated trained = {.state = &at, .sweep = sweep, .export = export_model, .finish = finish_model};
    const double start = clock_seconds();
    TRY(problem_create(context, data, params, shape->kind, shape->contexts, shape->field_factors, &at.problem));
    if (shape->kind == COMPOSE_TUCKER && !isnan(shape->core_l2))
        set_core_ridge(&at.problem, shape->core_l2);
    if (run && run->start)
        TRY(problem_start_from(context, run->start, data, &at.problem));
    TRY(problem_arrays(context, &at.problem, &trained.arrays, &trained.array_count));
    TRY(record_set(context, &model->metadata, "run.seconds.prepare", "%.3f", clock_seconds() - start));
    TRY(iteration_run(context, data, iteration, run, &trained, model));
    say_when_all_is_zero(context, &at.problem);
    TRY(record_set(context, &model->metadata, "run.seconds.contexts", "%.3f", at.seconds[SIDE_CONTEXTS]));
    TRY(record_set(context, &model->metadata, "run.seconds.items", "%.3f", at.seconds[SIDE_ITEMS]));
    TRY(record_set(context, &model->metadata, "run.seconds.loss", "%.3f", at.loss_seconds));
done:
    free(trained.arrays);
    problem_clear(&at.problem);
    return status;
}
