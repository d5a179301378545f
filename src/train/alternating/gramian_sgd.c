/* SPDX-License-Identifier: Apache-2.0
 *
 * Stochastic gradients of the square loss over all pairs, observed or not (P2 §5.1.3, Algorithm 5; Krichene et al.,
 * ICLR 2019): an example (c, i) of S carries its share of the implicit part by both Gramians (train/alternating/
 * mini_batch.h), which are not computed anew for each step but followed (gramian_estimate.h). A mini-batch is worked on
 * by all threads, and what it changes is added up in an order of its own.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "train/alternating/gramian_estimate.h"
#include "train/alternating/parameter_step.h"
#include "train/alternating/sides.h"
#include "train/alternating/solver.h"
#include "train/iteration.h"

typedef enum sgd_model { MODEL_MF, MODEL_FM, MODEL_PARAFAC, MODEL_TUCKER } sgd_model;

typedef struct gramian_sgd_params {
    alternating_params alternating;
    iteration_params iteration;
    int model;     /* sgd_model */
    int optimizer; /* choice adagrad|sgd */
    int estimate;  /* estimate_kind */
    int64_t batch, gramian_every;
    double learning_rate, decay;
    double gramian_rate;
    bool paper_exact;
} gramian_sgd_params;

static const option_row gramian_sgd_options[] = {
    OPTION_CHOICE(gramian_sgd_params, model, "model", "mf", "mf|fm|parafac|tucker",
                  "matrix factorisation of users and items; or, with the context's fields and all features, a "
                  "factorisation machine, PARAFAC or Tucker"),
    ALTERNATING_LOSS_OPTIONS(gramian_sgd_params),
    OPTION_REAL(gramian_sgd_params, learning_rate, "learning-rate", 0.1, 1e-12, 1e6, "η: length of a step",
                SEARCH_LOG(0.01, 0.5)),
    OPTION_REAL(gramian_sgd_params, decay, "decay", 0, 0, 1e6, "in sweep t, from 0, the step is η/(1 + decay·t)"),
    OPTION_CHOICE(gramian_sgd_params, optimizer, "optimizer", "adagrad", "adagrad|sgd",
                  "steps divided by the root of a parameter's squared gradients so far, or plain ones"),
    OPTION_INTEGER(gramian_sgd_params, batch, "batch", 1024, 1, 1 << 24, "examples of a mini-batch"),
    OPTION_CHOICE(gramian_sgd_params, estimate, "gramian-estimate", "average", "example|average|exact",
                  "Gramians: a step for each example (eq. 40, 41), an exponential average over batches, or the true "
                  "ones anew"),
    OPTION_REAL(gramian_sgd_params, gramian_rate, "gramian-rate", 0.05, 1e-9, 1,
                "step of the estimated Gramians, by example or by batch"),
    OPTION_INTEGER(gramian_sgd_params, gramian_every, "gramian-every", 1, 1, 1000000000,
                   "batches between two computations of exact Gramians"),
    OPTION_BOOLEAN(gramian_sgd_params, paper_exact, "paper-exact", false,
                   "eq. 34 as printed, with half of the implicit part's gradient"),
    ITERATION_OPTIONS(gramian_sgd_params, 20),
};
static const option_table gramian_sgd_option_table = OPTION_TABLE(gramian_sgd_params, gramian_sgd_options);

static composition composition_of(int model)
{
    return model == MODEL_FM ? COMPOSE_SUM : model == MODEL_TUCKER ? COMPOSE_TUCKER : COMPOSE_PRODUCT;
}

static bool takes_contexts(const gramian_sgd_params *params)
{
    return params->model != MODEL_MF;
}

static size_t dimensions_of(const gramian_sgd_params *params)
{
    return (size_t)params->alternating.factors + (params->alternating.biases || params->model == MODEL_FM ? 2 : 0);
}

static topn_status gramian_sgd_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const gramian_sgd_params *params = raw;
    if (params->paper_exact && params->alternating.loss == 1)
        return fail(context, TOPN_ERROR_OPTION,
                    "gramian-sgd: --paper-exact is about the pointwise loss; leave it out with --loss pairwise");
    return alternating_check(context, "gramian-sgd", &params->alternating);
}

static uint64_t terms_of(const topn_data *data, const gramian_sgd_params *params)
{
    const bool contexts = takes_contexts(params) && data->contexts.field_count > 0;
    const sparse_matrix *events = contexts ? &data->contexts.events : &data->matrix;
    return events->indptr[events->rows];
}

static training_cost gramian_sgd_cost(const topn_data *data, const void *raw)
{
    const gramian_sgd_params *params = raw;
    const composition kind = composition_of(params->model);
    const uint64_t contexts = sides_context_count(data, takes_contexts(params)), items = data->matrix.columns,
                   events = terms_of(data, params), terms = events + contexts + items,
                   batch = terms < (uint64_t)params->batch ? terms : (uint64_t)params->batch, d = dimensions_of(params);
    const uint64_t tables = sides_bytes(data, &params->alternating, kind, takes_contexts(params), NULL);
    const double batches = (double)terms / (double)batch + 1;
    const double grams = params->estimate == ESTIMATE_EXACT ? (double)(contexts + items) / (double)params->gramian_every
                                                            : 2 * (double)batch;
    /* Squares of the gradients and a batch's rows of them are at most another table each. */
    return (training_cost){
        .bytes = problem_bytes(data, &params->alternating, kind, takes_contexts(params), NULL) +
                 example_list_bytes(contexts, items, events) + mini_batch_bytes(contexts, items, batch, d) +
                 gramian_estimate_bytes(items, batch, d) + 3 * tables,
        .flops = (double)params->iteration.sweeps *
                 (20.0 * (double)terms * (double)d + 2 * batches * (grams + 2 * (double)batch) * (double)d * (double)d),
        .remedy = "use fewer --factors or a smaller --batch",
    };
}

/* The state of a training. */
typedef struct sgd_run {
    const topn_data *data;
    const gramian_sgd_params *params;
    alternating_problem problem;
    total_loss loss;
    example_list examples;
    mini_batch batch;
    gramian_estimate estimate;
    parameter_step step;
    state_array *arrays; /* [array_count] */
    size_t array_count;
} sgd_run;

static void sgd_run_clear(sgd_run *run)
{
    parameter_step_clear(&run->problem, &run->step);
    gramian_estimate_clear(&run->estimate);
    mini_batch_clear(&run->batch);
    example_list_clear(&run->examples);
    total_loss_clear(&run->loss);
    problem_clear(&run->problem);
    free(run->arrays);
}

static void add_array(sgd_run *run, const char *name, float *values, uint64_t rows, uint64_t columns)
{
    state_array *array = &run->arrays[run->array_count++];
    snprintf(array->name, sizeof array->name, "%s", name);
    array->values = values;
    array->rows = rows;
    array->columns = columns;
}

/* Tables, squares of their gradients, and estimates. */
static topn_status list_arrays(topn_context *context, sgd_run *run)
{
    static const char *const names[2] = {"contexts", "items"};
    topn_status status;
    const size_t d = run->batch.dimensions;
    char name[48];
    size_t most = 4;
    for (int at = 0; at < 2; at++)
        most += 2 * side_blocks(&run->problem.sides[at]);
    TRY(ALLOCATE_ZEROED(context, most, &run->arrays));
    for (int at = 0; at < 2; at++) {
        multilinear_side *side = &run->problem.sides[at];
        for (size_t field = 0; field < side_blocks(side); field++) {
            const touched_rows *rows = &run->step.fields[at][field];
            snprintf(name, sizeof name, "%s.%zu", names[at], field);
            add_array(run, name, side_block_values(side, (side_block){field, 0}), rows->table_rows, rows->width);
            snprintf(name, sizeof name, "%s.%zu.squares", names[at], field);
            if (rows->squares)
                add_array(run, name, rows->squares, rows->table_rows, rows->width);
        }
        snprintf(name, sizeof name, "%s.gramian", names[at]);
        add_array(run, name, run->estimate.values.gram[at], d, d);
    }
    add_array(run, "items.sum", run->estimate.values.z, 1, d);
    add_array(run, "errors.sum", run->estimate.values.q, 1, d);
done:
    return status;
}

/* One mini-batch. */
static topn_status step_once(topn_context *context, sgd_run *run, uint32_t begin, double rate)
{
    topn_status status = TOPN_OK;
    const uint32_t left = run->examples.count - begin, capacity = run->batch.capacity;
    if (run->estimate.kind == ESTIMATE_EXACT && begin / capacity % run->params->gramian_every == 0)
        TRY(gramian_estimate_set(context, &run->problem, &run->loss, begin == 0, &run->estimate));
    mini_batch_fill(&run->problem, &run->examples, begin, left < capacity ? left : capacity, &run->batch);
    parameter_step_embed(context, &run->problem, &run->step, &run->batch);
    mini_batch_gradients(context, &run->loss, &run->estimate.values, &run->examples, &run->batch);
    parameter_step_pull(context, &run->problem, &run->batch, &run->step);
    parameter_step_apply(context, &run->problem, rate, &run->step);
    gramian_estimate_follow(context, &run->loss, &run->examples, &run->batch, &run->estimate);
done:
    return status;
}

static topn_status sgd_sweep(topn_context *context, void *state, int64_t sweep, double *loss)
{
    enum { REPORTS = 16 };
    topn_status status;
    sgd_run *run = state;
    loss_parts parts;
    double distances[2];
    const uint32_t count = run->examples.count, capacity = run->batch.capacity,
                   batches = (uint32_t)(((uint64_t)count + capacity - 1) / capacity), every = batches / REPORTS + 1;
    const double rate = run->params->learning_rate / (1 + run->params->decay * (double)sweep);
    example_list_shuffle(&run->examples, context->seed, sweep);
    for (uint32_t batch = 0; batch < batches; batch++) {
        if (batch % every == 0)
            TRY(progress_report(context, "gradients", "examples", (uint64_t)batch * capacity, count, NAN));
        TRY(step_once(context, run, batch * capacity, rate));
    }
    TRY(progress_report(context, "gradients", "examples", count, count, NAN));
    TRY(alternating_loss(context, &run->problem, &parts));
    *loss = parts.observed + parts.unobserved + parts.ridge;
    TRY(gramian_estimate_distance(context, &run->problem, &run->loss, &run->estimate, distances));
    log_line(context, "Gramians: estimates off by %.2f %% (contexts), %.2f %% (items)", 100 * distances[SIDE_CONTEXTS],
             100 * distances[SIDE_ITEMS]);
    TRY(progress_report(context, "gramian-distance", "sides", 1, 2, distances[SIDE_CONTEXTS]));
    TRY(progress_report(context, "gramian-distance", "sides", 2, 2, distances[SIDE_ITEMS]));
done:
    return status;
}

static topn_status sgd_export(topn_context *context, void *state, topn_model *model)
{
    topn_status status;
    sgd_run *run = state;
    double distances[2];
    TRY(gramian_estimate_distance(context, &run->problem, &run->loss, &run->estimate, distances));
    TRY(record_set_real(context, &model->metadata, "train.gramian-distance-contexts", distances[SIDE_CONTEXTS]));
    TRY(record_set_real(context, &model->metadata, "train.gramian-distance-items", distances[SIDE_ITEMS]));
    TRY(problem_export(context, &run->problem, run->data, &run->params->alternating, model));
done:
    return status;
}

static topn_status sgd_run_set(topn_context *context, const topn_data *data, const gramian_sgd_params *params,
                               const training_run *training, sgd_run *run)
{
    topn_status status;
    *run = (sgd_run){.data = data, .params = params};
    TRY(problem_create(context, data, &params->alternating, composition_of(params->model), takes_contexts(params), NULL,
                       &run->problem));
    if (training && training->start)
        TRY(problem_start_from(context, training->start, data, &run->problem));
    TRY(total_loss_create(context, &run->problem, &run->loss));
    run->loss.paper_exact = params->paper_exact;
    TRY(example_list_create(context, &run->problem, &run->examples));
    const uint32_t capacity = run->examples.count < params->batch ? run->examples.count : (uint32_t)params->batch;
    TRY(mini_batch_create(context, &run->problem, capacity, &run->batch));
    TRY(gramian_estimate_create(context, &run->problem, capacity, &run->estimate));
    run->estimate.kind = (estimate_kind)params->estimate;
    run->estimate.rate = params->gramian_rate;
    TRY(parameter_step_create(context, &run->problem, &run->examples, capacity, params->optimizer == 0, &run->step));
    TRY(gramian_estimate_set(context, &run->problem, &run->loss, true, &run->estimate));
    TRY(list_arrays(context, run));
done:
    return status;
}

static topn_status gramian_sgd_train(topn_context *context, const topn_data *data, const void *raw,
                                     const training_run *training, topn_model *model)
{
    topn_status status;
    const gramian_sgd_params *params = raw;
    sgd_run run;
    TRY(sgd_run_set(context, data, params, training, &run));
    const iterated trained = {
        .state = &run, .arrays = run.arrays, .array_count = run.array_count, .sweep = sgd_sweep, .export = sgd_export};
    TRY(iteration_run(context, data, &params->iteration, training, &trained, model));
done:
    sgd_run_clear(&run);
    return status;
}

const method method_gramian_sgd = {
    .name = "gramian-sgd",
    .summary = "stochastic gradients of least squares over all pairs, by estimated Gramians",
    .paper = "Rendle 2021, §5.1.3, Algorithm 5; Krichene et al. 2019",
    .options = &gramian_sgd_option_table,
    .check = gramian_sgd_check,
    .cost = gramian_sgd_cost,
    .train_iterated = gramian_sgd_train,
};
