/* SPDX-License-Identifier: Apache-2.0
 *
 * From options to a model: costs, sweeps, export.
 */
#include "train/autoencoder/autoencoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/autoencoder/by_item.h"
#include "train/autoencoder/item_output.h"
#include "train/autoencoder/running_mean.h"
#include "train/autoencoder/sparse_input.h"
#include "train/sampled/permutation.h"

enum { INPUT_NUMBER = 8, OUTPUT_NUMBER = 9 /* of tables, behind those of stacks of layers */, REPORTS = 64 };
enum { RECONSTRUCTION, DIVERGENCE, RATIO, PARTS };

/* A training under way. */
typedef struct autoencoder {
    const topn_data *data;
    const sparse_matrix *events; /* what is encoded × what it is encoded by: users × items, or the other way round */
    sparse_matrix turned;        /* the other way round */
    const autoencoder_params *params;
    const network_kind *kind;
    const optimizer *by;
    void *network;
    sparse_input input;
    item_output output;
    size_t width, outputs, batch; /* of x, of h; users of a step */
    uint32_t *users;              /* [user_count] with events */
    uint32_t user_count;
    uint32_t *rows;      /* [batch] */
    uint64_t *places;    /* [batch] */
    float *x, *dx;       /* [batch × width] */
    float *h, *dh;       /* [batch × outputs] */
    size_t remembers;    /* floats of a user */
    float *remembered;   /* [user_count × remembers] what the network said of each when the sweep began; or NULL */
    float parts[PARTS];  /* of the last sweep: means over users, and β */
    running_mean mean;   /* of the weights, which models are made of; or empty */
    state_array *arrays; /* [array_count] */
    size_t array_count;
} autoencoder;

static void autoencoder_clear(autoencoder *at)
{
    if (at->network)
        at->kind->free(at->network);
    sparse_clear(&at->turned);
    sparse_input_clear(&at->input);
    item_output_clear(&at->output);
    free(at->users);
    free(at->rows);
    free(at->places);
    free(at->x);
    free(at->dx);
    free(at->remembered);
    free(at->h);
    free(at->dh);
    running_mean_clear(&at->mean);
    free(at->arrays);
}

topn_status autoencoder_check(topn_context *context, const topn_data *data, const autoencoder_params *params,
                              const network_kind *kind)
{
    (void)data;
    return kind->check(context, kind->form, params);
}

static size_t batch_of(uint32_t rows, const autoencoder_params *params)
{
    return rows < params->batch ? rows : (size_t)params->batch;
}

static uint64_t longest_row(const sparse_matrix *events)
{
    uint64_t longest = 0;
    for (uint32_t row = 0; row < events->rows; row++) {
        const uint64_t length = events->indptr[row + 1] - events->indptr[row];
        longest = length > longest ? length : longest;
    }
    return longest;
}

static size_t remembers(const network_kind *kind, const autoencoder_params *params)
{
    return kind->remembers ? kind->remembers(kind->form, params) : 0;
}

training_cost autoencoder_cost(const topn_data *data, const autoencoder_params *params, const network_kind *kind)
{
    enum { THREADS = 64 }; /* at most, as buffers of theirs are counted */
    const sparse_matrix *matrix = &data->matrix;
    const bool turned = kind->by_item != NULL;
    const uint64_t items = turned ? matrix->rows : matrix->columns, users = turned ? matrix->columns : matrix->rows,
                   count = matrix->indptr[matrix->rows], longest = turned ? count : longest_row(matrix);
    const size_t batch = batch_of((uint32_t)users, params);
    const uint64_t in_batch = batch * longest < count ? batch * longest : count;
    size_t width, outputs, first;
    uint64_t state;
    kind->sizes(kind->form, params, &width, &outputs, &first);
    const uint64_t network = kind->bytes(kind->form, params, batch, items, &state);
    state += sparse_input_state_bytes(items, width) + item_output_state_bytes(items, outputs);
    const uint64_t means = params->average > 0 ? state / (1 + OPTIMIZER_ARRAYS) : 0;
    const double passes =
        (double)(params->encoder_passes + params->decoder_passes > 0 ? params->encoder_passes + params->decoder_passes
                                                                     : 1);
    return (training_cost){
        .bytes = network + means + (turned ? 12 * count + 8 * users + 8 * width * (width + THREADS) : 0) +
                 sparse_input_bytes(items, in_batch, batch, width, THREADS) +
                 item_output_bytes(items, outputs, batch, THREADS) +
                 sizeof(float) * (2 * batch * (width + outputs) + items * (width + outputs + 1)) + 4 * users +
                 12 * batch + sizeof(float) * users * remembers(kind, params),
        .flops = (double)params->iteration.sweeps * passes *
                 ((double)users * (6.0 * (double)items * (double)outputs + kind->flops(kind->form, params, items)) +
                  4.0 * (double)count * (double)width +
                  10.0 * (double)items * (double)(width + outputs) * ceil((double)users / (double)(batch ? batch : 1))),
        .remedy = "use a smaller --batch, or fewer values in --hidden and --latent",
        .state_bytes = state + means,
    };
}

/* ---- Setting up -------------------------------------------------------------------------------------------------- */

static void add_array(autoencoder *at, const char *name, const char *part, float *values, uint64_t rows,
                      uint64_t columns)
{
    state_array *array = &at->arrays[at->array_count++];
    *array = (state_array){.values = values, .rows = rows, .columns = columns};
    snprintf(array->name, sizeof array->name, "%s%s%s", name, part ? "." : "", part ? part : "");
}

static void add_arrays(autoencoder *at, const char *name, float *values, float *const state[OPTIMIZER_ARRAYS],
                       uint64_t rows, uint64_t columns)
{
    add_array(at, name, NULL, values, rows, columns);
    for (int array = 0; array < at->by->arrays; array++)
        add_array(at, name, at->by->array_names[array], state[array], rows, columns);
}

static topn_status list_arrays(topn_context *context, autoencoder *at)
{
    topn_status status;
    const uint64_t items = at->events->columns;
    const size_t group = 1 + (size_t)at->by->arrays;
    TRY(ALLOCATE_ZEROED(context, 2 * (MOST_NETWORK_ARRAYS + 3 * (1 + OPTIMIZER_ARRAYS)) + 1, &at->arrays));
    at->array_count = at->kind->arrays(at->network, at->by, at->arrays);
    add_arrays(at, "input", at->input.rows, at->input.state, items, at->width);
    add_arrays(at, "items", at->output.rows, at->output.state, items, at->outputs);
    add_arrays(at, "biases", at->output.biases, at->output.bias_state, items, 1);
    TRY(running_mean_create(context, at->params->average, at->arrays, at->array_count, group, &at->mean));
    at->array_count += running_mean_list(&at->mean, at->arrays, group, at->arrays + at->array_count);
    add_array(at, "parts", NULL, at->parts, 1, PARTS);
done:
    return status;
}

static by_item by_item_of(const autoencoder *at)
{
    return (by_item){
        .data = at->data,
        .events = at->events,
        .v = at->input.rows,
        .w = at->output.rows,
        .mu = at->kind->by_item(at->network),
        .width = at->width,
        .l2 = at->params->l2,
        .keep_users = at->params->keep_users,
    };
}

/* Items that the earlier model knows have its rows, and the layers its weights. */
static topn_status start_from(topn_context *context, const topn_model *earlier, autoencoder *at)
{
    const network_encoder *encoder = &earlier->encoder.network;
    if (earlier->encoder.kind != ENCODER_NETWORK || encoder->bag_count != 1 || encoder->width != at->width ||
        earlier->table.kind != ITEMS_OWN || earlier->table.rows.form != TABLE_DENSE || !earlier->table.biases ||
        earlier->table.rows.dense.columns != at->outputs || !at->kind->take(at->network, &encoder->layers))
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: the model's layers have other sizes or kinds; use the options that it was trained "
                    "with, --hidden and --latent above all");
    for (uint32_t item = 0; item < at->data->matrix.columns; item++) {
        uint32_t known;
        if (!id_index_find(&earlier->items_by_id, string_table_get(&at->data->item_ids, item), &known))
            continue;
        memcpy(at->input.rows + item * at->width, encoder->bags[0].table.values + known * at->width,
               at->width * sizeof(float));
        memcpy(at->output.rows + item * at->outputs, earlier->table.rows.dense.values + known * at->outputs,
               at->outputs * sizeof(float));
        at->output.biases[item] = earlier->table.biases[known];
    }
    return TOPN_OK;
}

static topn_status list_users(topn_context *context, autoencoder *at)
{
    const sparse_matrix *events = at->events;
    const topn_status status = ALLOCATE(context, events->rows, &at->users);
    for (uint32_t user = 0; status == TOPN_OK && user < events->rows; user++)
        if (events->indptr[user + 1] > events->indptr[user])
            at->users[at->user_count++] = user;
    return status;
}

static topn_status autoencoder_create(topn_context *context, const topn_data *data, const autoencoder_params *params,
                                      const network_kind *kind, const training_run *run, autoencoder *out)
{
    topn_status status;
    size_t first;
    *out = (autoencoder){.data = data, .params = params, .kind = kind, .by = optimizer_find("adam")};
    TRY(data_require_events(context, data, "to train on"));
    out->events = &data->matrix;
    if (kind->by_item) {
        TRY(sparse_transpose(context, &data->matrix, &out->turned));
        out->events = &out->turned;
    }
    const uint32_t items = out->events->columns;
    TRY(list_users(context, out));
    const size_t batch = out->batch = batch_of(out->events->rows, params);
    kind->sizes(kind->form, params, &out->width, &out->outputs, &first);
    TRY(kind->create(context, kind->form, params, batch, items, out->by, &out->network));
    TRY(sparse_input_create(context, out->events, batch, out->width, first, INPUT_NUMBER, out->by, &out->input));
    out->input.dropout = params->dropout;
    out->input.exponent = kind->by_item ? 0 : 0.5;
    TRY(item_output_create(context, items, out->outputs, batch, OUTPUT_NUMBER, out->by, &out->output));
    out->output.unbiased = kind->by_item != NULL;
    TRY(ALLOCATE(context, batch, &out->rows));
    TRY(ALLOCATE(context, batch, &out->places));
    TRY(ALLOCATE(context, batch * out->width, &out->x));
    TRY(ALLOCATE(context, batch * out->width, &out->dx));
    TRY(ALLOCATE(context, batch * out->outputs, &out->h));
    TRY(ALLOCATE(context, batch * out->outputs, &out->dh));
    if ((out->remembers = remembers(kind, params)) > 0)
        TRY(ALLOCATE_TABLE(context, out->user_count * out->remembers, &out->remembered));
    TRY(list_arrays(context, out));
    if (run && run->start && kind->by_item) {
        const by_item trained = by_item_of(out);
        TRY(by_item_start(context, run->start, &trained));
    } else if (run && run->start) {
        TRY(start_from(context, run->start, out));
    }
done:
    return status;
}

/* ---- A sweep ----------------------------------------------------------------------------------------------------- */

/* β rises with the steps. */
static double beta_of(const autoencoder_params *params, uint64_t steps)
{
    const double risen = params->anneal_steps ? (double)steps / (double)params->anneal_steps : params->beta;
    return risen < params->beta ? risen : params->beta;
}

/* Sums over the users of a sweep. */
typedef struct sweep_sums {
    double reconstruction;
    divergence_sums divergence;
} sweep_sums;

static void step_batch(autoencoder *at, user_batch *batch, const autoencoder_step *step, sweep_sums *sums)
{
    sparse_input_forward(&at->input, batch, at->x);
    at->kind->forward(at->network, batch, at->x, at->h);
    sums->reconstruction +=
        item_output_forward(&at->output, batch, at->h,
                            at->kind->by_item ? LIKELIHOOD_GAUSSIAN : (likelihood)at->params->likelihood, step->scale);
    const bool further = step->encoder || !at->kind->decodes || at->kind->decodes(at->network);
    item_output_backward(&at->output, batch, at->h, further ? at->dh : NULL, step->decoder ? step->by : NULL,
                         &step->setting, step->l2);
    if (!further)
        return;
    const divergence_sums divergence = at->kind->backward(at->network, batch, step, at->dh, at->dx);
    sums->divergence.plain += divergence.plain;
    sums->divergence.weighted += divergence.weighted;
    if (step->encoder)
        sparse_input_step(&at->input, batch, at->dx, step->by, &step->setting, step->l2);
}

/* One pass over the users. first_step: steps of these parameters before. */
static topn_status run_pass(topn_context *context, autoencoder *at, uint64_t pass, uint64_t first_step,
                            const autoencoder_step *kind, bool drop, sweep_sums *sums)
{
    topn_status status = TOPN_OK;
    const uint32_t count = at->user_count;
    const permutation order = permutation_of(count, context->seed, pass);
    for (uint32_t begin = 0, number = 0; begin < count; begin += (uint32_t)at->batch, number++) {
        if (number % (count / (at->batch * REPORTS) + 1) == 0)
            TRY(progress_report(context, "users", "users", begin, count, NAN));
        user_batch batch = {.events = at->events,
                            .rows = at->rows,
                            .count = count - begin < at->batch ? count - begin : at->batch,
                            .seed = context->seed,
                            .pass = pass,
                            .place = begin,
                            .in_total = count,
                            .remembered = at->remembered,
                            .places = at->places,
                            .drop = drop,
                            .sample = true,
                            .threads = context->threads};
        permutation_take(&order, begin, (uint32_t)batch.count, at->places);
        for (size_t n = 0; n < batch.count; n++)
            at->rows[n] = at->users[at->places[n]];
        autoencoder_step step = *kind;
        step.scale = 1 / (double)batch.count;
        step.setting.step = first_step + number + 1;
        step.beta = beta_of(at->params, first_step + number);
        at->parts[RATIO] = (float)step.beta;
        step_batch(at, &batch, &step, sums);
    }
    TRY(progress_report(context, "users", "users", count, count, NAN));
done:
    return status;
}

/* What the network says of all users before a sweep changes it. */
static topn_status remember(topn_context *context, autoencoder *at)
{
    topn_status status = TOPN_OK;
    const uint32_t count = at->user_count, most = (uint32_t)at->batch;
    for (uint32_t begin = 0, number = 0; begin < count; begin += most, number++) {
        if (number % (count / (most * REPORTS) + 1) == 0)
            TRY(progress_report(context, "users", "users", begin, count, NAN));
        const user_batch batch = {.events = at->events,
                                  .rows = at->users + begin,
                                  .count = count - begin < most ? count - begin : most,
                                  .seed = context->seed,
                                  .place = begin,
                                  .in_total = count,
                                  .threads = context->threads};
        sparse_input_gather(&at->input, &batch, at->x);
        at->kind->remember(at->network, &batch, at->x, at->remembered + begin * at->remembers);
    }
done:
    return status;
}

static double squares(const float *values, size_t count)
{
    double sum = 0;
    for (size_t at = 0; at < count; at++)
        sum += (double)values[at] * (double)values[at];
    return sum;
}

static topn_status autoencoder_sweep(topn_context *context, void *state, int64_t sweep, double *loss)
{
    topn_status status;
    autoencoder *at = state;
    const autoencoder_params *params = at->params;
    const uint64_t steps = (at->user_count + at->batch - 1) / at->batch, done = (uint64_t)sweep + 1,
                   total = (uint64_t)params->iteration.sweeps;
    const uint64_t encoder = params->encoder_passes ? (uint64_t)params->encoder_passes : 1,
                   decoder = params->alternating ? (uint64_t)params->decoder_passes : 0, passes = encoder + decoder;
    sweep_sums sums = {0}, ignored = {0};
    autoencoder_step step = {
        .encoder = true,
        .decoder = decoder == 0,
        .by = at->by,
        .setting = {.rate = params->learning_rate, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
        .l2 = params->l2,
    };
    if (at->remembered)
        TRY(remember(context, at));
    for (uint64_t pass = 0; pass < encoder; pass++)
        TRY(run_pass(context, at, (uint64_t)sweep * passes + pass, ((uint64_t)sweep * encoder + pass) * steps, &step,
                     true, &sums));
    step.encoder = false;
    step.decoder = true;
    for (uint64_t pass = 0; pass < decoder; pass++)
        TRY(run_pass(context, at, (uint64_t)sweep * passes + encoder + pass, ((uint64_t)sweep * decoder + pass) * steps,
                     &step, false, &ignored));
    sparse_input_settle(&at->input, context->threads);
    running_mean_take(&at->mean, sweep, context->threads); /* now that no row's steps wait */
    const double count = (double)encoder * at->user_count;
    at->parts[RECONSTRUCTION] = (float)(sums.reconstruction / count);
    at->parts[DIVERGENCE] = (float)(sums.divergence.plain / count);
    at->parts[RATIO] = (float)(at->remembered ? params->beta_per_event : (double)at->parts[RATIO]);
    *loss = (sums.reconstruction + sums.divergence.weighted) / count;
    if (params->l2 > 0)
        *loss += params->l2 / 2 *
                 (at->kind->squares(at->network) + squares(at->input.rows, at->input.items * at->width) +
                  squares(at->output.rows, at->output.items * at->outputs));
    TRY(progress_report(context, "reconstruction", "sweeps", done, total, sums.reconstruction / count));
    TRY(progress_report(context, "divergence", "sweeps", done, total, sums.divergence.plain / count));
    log_line(context, "reconstruction %.6g, divergence %.6g times %.4g", (double)at->parts[RECONSTRUCTION],
             (double)at->parts[DIVERGENCE], (double)at->parts[RATIO]);
done:
    return status;
}

/* ---- The model --------------------------------------------------------------------------------------------------- */

static topn_status copy_table(topn_context *context, const float *values, size_t rows, size_t columns,
                              dense_matrix *out)
{
    *out = (dense_matrix){.rows = rows, .columns = columns};
    const topn_status status = ALLOCATE(context, rows * columns, &out->values);
    if (status == TOPN_OK)
        memcpy(out->values, values, rows * columns * sizeof *values);
    return status;
}

static topn_status record_parts(topn_context *context, const autoencoder *at, topn_model *model)
{
    topn_status status;
    TRY(record_set_real(context, &model->metadata, "train.reconstruction", (double)at->parts[RECONSTRUCTION]));
    TRY(record_set_real(context, &model->metadata, "train.divergence", (double)at->parts[DIVERGENCE]));
    TRY(record_set_real(context, &model->metadata, "train.divergence-weight", (double)at->parts[RATIO]));
done:
    return status;
}

/* Of the weights as they are in the arrays. */
static topn_status export_weights(topn_context *context, const autoencoder *at, topn_model *model)
{
    topn_status status;
    const size_t items = at->data->matrix.columns;
    if (at->kind->by_item) {
        const by_item trained = by_item_of(at);
        TRY(by_item_export(context, &trained, model));
        return record_parts(context, at, model);
    }
    network_encoder *out = &model->encoder.network;
    network_encoder_clear(out); /* of an earlier sweep */
    embedding_clear(&model->table.rows);
    free(model->table.biases);
    model->table.biases = NULL;
    model->encoder.kind = ENCODER_NETWORK;
    model->encoder.use_weights = false;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    out->width = at->width;
    out->bag_count = 1;
    out->bags[0] = (network_bag){.exponent = 0.5};
    TRY(copy_table(context, at->input.rows, items, at->width, &out->bags[0].table));
    TRY(memory_copy_text(context, "user", &out->users.name));
    out->users.table = (dense_matrix){.rows = 1, .columns = at->width}; /* nobody has a row of his own */
    TRY(ALLOCATE_ZEROED(context, at->width, &out->users.table.values));
    TRY(at->kind->export(context, at->network, &out->layers));
    TRY(copy_table(context, at->output.rows, items, at->outputs, &model->table.rows.dense));
    TRY(ALLOCATE(context, items, &model->table.biases));
    memcpy(model->table.biases, at->output.biases, items * sizeof *model->table.biases);
    TRY(record_parts(context, at, model));
done:
    return status;
}

static topn_status autoencoder_export(topn_context *context, void *state, topn_model *model)
{
    const autoencoder *at = state;
    running_mean_swap(&at->mean, context->threads);
    const topn_status status = export_weights(context, at, model);
    running_mean_swap(&at->mean, context->threads);
    return status;
}

topn_status autoencoder_train(topn_context *context, const topn_data *data, const autoencoder_params *params,
                              const network_kind *kind, const training_run *run, topn_model *model)
{
    topn_status status;
    autoencoder at;
    TRY(autoencoder_create(context, data, params, kind, run, &at));
    const iterated trained = {
        .state = &at,
        .arrays = at.arrays,
        .array_count = at.array_count,
        .sweep = autoencoder_sweep,
        .export = autoencoder_export,
        .remedy = "a smaller --learning-rate or a larger --l2 helps",
    };
    TRY(iteration_run(context, data, &params->iteration, run, &trained, model));
done:
    autoencoder_clear(&at);
    return status;
}
