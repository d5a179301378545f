/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/hierarchy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "train/autoencoder/gaussian.h"
#include "train/autoencoder/row_sum.h"
#include "train/autoencoder/sparse_input.h"
#include "train/autoencoder/stack_model.h"

enum { PSEUDO_NUMBER = 10 /* of a table's random numbers, behind those of the tables of items */, BUFFERS = 24 };
enum { MOST_HIDDEN = MOST_FACTORS / 4 };

static const char *const part_names[HIERARCHY_PARTS] = {"front", "outer",      "inner",      "joint",
                                                        "prior", "from-inner", "from-outer", "last"};

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

/* One width for all layers; 0 where `hidden` is not that. */
static size_t hidden_of(const autoencoder_params *params)
{
    topn_context unused = {0};
    layer_form forms[MOST_LAYERS];
    size_t count = 0;
    if (layer_forms_read(&unused, "hidden", params->hidden, ACTIVATION_IDENTITY, 0, forms, &count) != TOPN_OK ||
        count != 1 || forms[0].outputs > MOST_HIDDEN)
        return 0;
    return forms[0].outputs;
}

topn_status hierarchy_check(topn_context *context, int form, const autoencoder_params *params)
{
    (void)form;
    if (hidden_of(params))
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "option --hidden is \"%s\", not one number of 1 to %d; all hidden layers of hvamp have one width, such "
                "as 600",
                params->hidden ? params->hidden : "", MOST_HIDDEN);
}

void hierarchy_sizes(int form, const autoencoder_params *params, size_t *width, size_t *outputs, size_t *input_outputs)
{
    (void)form;
    *outputs = *input_outputs = hidden_of(params);
    *width = 4 * *outputs;
}

/* What a part is made of; how many layers. */
static size_t forms_of(hierarchy_part part, size_t hidden, size_t latent, size_t *inputs, layer_form forms[2])
{
    static const bool of_latent[HIERARCHY_PARTS] = {
        [INNER] = true, [PRIOR] = true, [FROM_INNER] = true, [FROM_OUTER] = true};
    *inputs = part == FRONT ? 4 * hidden : part == OUTER ? hidden : of_latent[part] ? latent : 2 * hidden;
    const layer_form moments = {.outputs = 2 * latent, .activation = ACTIVATION_IDENTITY};
    forms[0] = (layer_form){.outputs = part == FRONT ? 2 * hidden : hidden,
                            .activation = ACTIVATION_IDENTITY,
                            .plain = part == FRONT, /* its weights are the sparse input's */
                            .gated = true};
    if (part == OUTER)
        forms[0] = moments;
    else
        forms[1] = moments;
    return part == JOINT || part == PRIOR ? 2 : 1;
}

typedef struct buffer {
    float **values;
    uint64_t count;
} buffer;

static void list_buffers(hierarchy *at, buffer out[BUFFERS])
{
    const uint64_t b = at->capacity, k = at->component_count, h = at->hidden, l = at->latent;
    const buffer all[BUFFERS] = {
        {&at->pseudo_inputs, k * 2 * h},
        {&at->pseudo_z, k * 2 * h},
        {&at->pseudo_front, k * h},
        {&at->d_pseudo_front, k * h},
        {&at->components, k * 2 * l},
        {&at->d_components, k * 2 * l},
        {&at->front, b * 2 * h},
        {&at->d_front, b * 2 * h},
        {&at->outer, b * 2 * l},
        {&at->d_outer, b * 2 * l},
        {&at->noise2, b * l},
        {&at->z2, b * l},
        {&at->dz2, b * l},
        {&at->more, b * l},
        {&at->pair, b * 2 * h},
        {&at->d_pair, b * 2 * h},
        {&at->inner, b * 2 * l},
        {&at->d_inner, b * 2 * l},
        {&at->given, b * 2 * l},
        {&at->d_given, b * 2 * l},
        {&at->noise1, b * l},
        {&at->z1, b * l},
        {&at->dz1, b * l},
        {&at->decoded, b * 2 * h},
    };
    memcpy(out, all, sizeof all);
}

static hierarchy sized(const autoencoder_params *params, size_t batch)
{
    return (hierarchy){.hidden = hidden_of(params),
                       .latent = (size_t)params->latent,
                       .component_count = (size_t)params->pseudo_inputs,
                       .capacity = batch};
}

uint64_t hierarchy_bytes(int form, const autoencoder_params *params, size_t batch, uint64_t items, uint64_t *state)
{
    (void)form;
    (void)items;
    hierarchy at = sized(params, batch);
    buffer buffers[BUFFERS];
    uint64_t kept = 0;
    list_buffers(&at, buffers);
    *state = OPTIMIZER_ARRAYS * buffers[0].count * sizeof(float);
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++) {
        size_t inputs;
        layer_form forms[2];
        const size_t count = forms_of(part, at.hidden, at.latent, &inputs, forms);
        const uint64_t parameters = layer_stack_bytes(inputs, forms, count, 0);
        *state += (1 + OPTIMIZER_ARRAYS) * parameters;
        kept += parameters; /* gradients */
        for (size_t layer = 0; layer < count; layer++)
            kept += sizeof(float) * (batch + (part == OUTER ? at.component_count : 0)) * forms[layer].outputs *
                    (forms[layer].gated ? 4 : 3);
    }
    for (size_t index = 1; index < BUFFERS; index++)
        kept += sizeof(float) * buffers[index].count;
    *state += sizeof(float) * buffers[0].count;
    return *state + kept + vamp_prior_bytes(at.component_count, at.latent, batch) + 2 * sizeof(double) * batch +
           hierarchy_model_bytes(&at);
}

double hierarchy_flops(int form, const autoencoder_params *params, uint64_t items)
{
    (void)form;
    (void)items;
    const double h = (double)hidden_of(params), l = (double)params->latent, k = (double)params->pseudo_inputs;
    const double outer = 2 * h * l, others = 4 * 2 * h * l + 2 * 4 * h * h + 2 * 2 * h * l;
    return 6 * (outer * (1 + k / (double)params->batch) + others) + 12 * k * l;
}

/* ---- Making it --------------------------------------------------------------------------------------------------- */

void hierarchy_free(void *network)
{
    hierarchy *at = network;
    buffer buffers[BUFFERS];
    if (!at)
        return;
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++) {
        layer_gradients_free(at->gradients[part]);
        layer_workspace_free(at->workspaces[part]);
        layer_stack_free(at->stacks[part]);
    }
    layer_workspace_free(at->of_pseudo);
    list_buffers(at, buffers);
    for (size_t index = 0; index < BUFFERS; index++)
        free(*buffers[index].values);
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        free(at->pseudo_state[array]);
    vamp_prior_clear(&at->prior);
    free(at->divergences);
    free(at->of_users);
    free(at);
}

static topn_status create_part(topn_context *context, hierarchy_part part, const optimizer *by, hierarchy *at)
{
    topn_status status;
    size_t inputs;
    layer_form forms[2];
    const size_t count = forms_of(part, at->hidden, at->latent, &inputs, forms);
    TRY(layer_stack_create(context, inputs, forms, count, part, &at->stacks[part]));
    TRY(layer_stack_create_state(context, by, at->stacks[part]));
    TRY(layer_workspace_create(context, at->stacks[part], at->capacity, &at->workspaces[part]));
    TRY(layer_gradients_create(context, at->stacks[part], &at->gradients[part]));
done:
    return status;
}

topn_status hierarchy_create(topn_context *context, int form, const autoencoder_params *params, size_t batch,
                             uint32_t items, const optimizer *by, void **out)
{
    topn_status status;
    hierarchy *at = NULL;
    buffer buffers[BUFFERS];
    (void)form;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &at));
    *at = sized(params, batch);
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++)
        TRY(create_part(context, part, by, at));
    TRY(layer_workspace_create(context, at->stacks[OUTER], at->component_count, &at->of_pseudo));
    list_buffers(at, buffers);
    for (size_t index = 0; index < BUFFERS; index++)
        TRY(ALLOCATE_ZEROED(context, buffers[index].count, buffers[index].values));
    for (int array = 0; array < by->arrays; array++)
        TRY(ALLOCATE_ZEROED(context, buffers[0].count, &at->pseudo_state[array]));
    TRY(vamp_prior_create(context, at->component_count, at->latent, batch, &at->prior));
    TRY(ALLOCATE(context, batch, &at->divergences));
    TRY(ALLOCATE(context, batch, &at->of_users));
    /* As the input's rows are: like histories of one event. */
    draw_weights(context, PSEUDO_NUMBER, sqrt(6.0 / ((double)items + (double)at->hidden)), buffers[0].count,
                 at->pseudo_inputs);
    *out = at;
    return TOPN_OK;
done:
    hierarchy_free(at);
    return status;
}

size_t hierarchy_arrays(const void *network, const optimizer *by, state_array *arrays)
{
    const hierarchy *at = network;
    size_t count = 0;
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++)
        count += layer_stack_arrays(at->stacks[part], part_names[part], by, arrays + count);
    for (int array = -1; array < by->arrays; array++) {
        state_array *to = &arrays[count++];
        *to = (state_array){.rows = at->component_count, .columns = 2 * at->hidden};
        to->values = array < 0 ? at->pseudo_inputs : at->pseudo_state[array];
        snprintf(to->name, sizeof to->name, "pseudo-inputs%s%s", array < 0 ? "" : ".",
                 array < 0 ? "" : by->array_names[array]);
    }
    return count;
}

/* ---- Forward ----------------------------------------------------------------------------------------------------- */

static void forward(hierarchy *at, hierarchy_part part, const user_batch *batch, size_t count, const float *input,
                    size_t stride, float *out, size_t out_stride)
{
    layer_forward(at->stacks[part], at->workspaces[part], count, input, stride, batch->drop, batch_example(batch, 0),
                  batch->threads, out, out_stride);
}

static void copy_rows(size_t rows, size_t width, const float *from, size_t from_stride, float *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        memcpy(to + row * to_stride, from + row * from_stride, width * sizeof *to);
}

/* What FRONT makes of the pseudo-inputs' a: where that is in x, [v of a | v of b | g of a | g of b], are its biases. */
static void put_pseudo_front(hierarchy *at, const user_batch *batch)
{
    const size_t h = at->hidden;
    const float *biases = at->stacks[FRONT]->layers.layers[0].biases;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t k = 0; k < at->component_count; k++) {
        float *z = at->pseudo_z + k * 2 * h, *front = at->pseudo_front + k * h;
        memcpy(z, at->pseudo_inputs + k * 2 * h, 2 * h * sizeof *z);
        row_sum sum = row_sum_begin(z, h);
        row_sum_add(&sum, biases, 1.0f);
        row_sum_end(&sum);
        sum = row_sum_begin(z + h, h);
        row_sum_add(&sum, biases + 2 * h, 1.0f);
        row_sum_end(&sum);
        memcpy(front, z, h * sizeof *front);
        gate(h, z + h, front);
    }
}

void hierarchy_forward(void *network, const user_batch *batch, const float *x, float *h)
{
    hierarchy *at = network;
    const size_t count = batch->count, hidden = at->hidden, latent = at->latent;
    put_pseudo_front(at, batch);
    layer_forward(at->stacks[OUTER], at->of_pseudo, at->component_count, at->pseudo_front, hidden, batch->drop, 0,
                  batch->threads, at->components, 2 * latent);
    forward(at, FRONT, batch, count, x, 4 * hidden, at->front, 2 * hidden);
    forward(at, OUTER, batch, count, at->front, 2 * hidden, at->outer, 2 * latent);
    gaussian_draw(batch, latent, 0, at->outer, at->noise2, at->z2);
    copy_rows(count, hidden, at->front + hidden, 2 * hidden, at->pair, 2 * hidden);
    forward(at, INNER, batch, count, at->z2, latent, at->pair + hidden, 2 * hidden);
    forward(at, JOINT, batch, count, at->pair, 2 * hidden, at->inner, 2 * latent);
    gaussian_draw(batch, latent, 1, at->inner, at->noise1, at->z1);
    forward(at, PRIOR, batch, count, at->z2, latent, at->given, 2 * latent);
    forward(at, FROM_INNER, batch, count, at->z1, latent, at->decoded, 2 * hidden);
    forward(at, FROM_OUTER, batch, count, at->z2, latent, at->decoded + hidden, 2 * hidden);
    forward(at, LAST, batch, count, at->decoded, 2 * hidden, h, hidden);
}

/* ---- Backward ---------------------------------------------------------------------------------------------------- */

static void backward(hierarchy *at, hierarchy_part part, const user_batch *batch, const float *d_out, size_t stride,
                     float *d_input, size_t input_stride)
{
    layer_backward(at->stacks[part], at->workspaces[part], d_out, stride, batch->threads, d_input, input_stride,
                   at->gradients[part]);
}

/* The same of what z2 goes into. */
static void backward_z2(hierarchy *at, hierarchy_part part, const user_batch *batch, const float *d_out, size_t stride)
{
    backward(at, part, batch, d_out, stride, at->more, at->latent);
    for (size_t place = 0; place < batch->count * at->latent; place++)
        at->dz2[place] += at->more[place];
}

/* Of z1; the sum over users. */
static double pull_inner(hierarchy *at, const user_batch *batch, double factor)
{
    const size_t latent = at->latent, row = 2 * latent;
    double sum = 0;
    memset(at->d_inner, 0, batch->count * row * sizeof *at->d_inner);
    memset(at->d_given, 0, batch->count * row * sizeof *at->d_given);
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++)
        at->of_users[n] = gaussian_divergence_from(latent, at->inner + n * row, at->given + n * row, factor,
                                                   at->d_inner + n * row, at->d_given + n * row);
    gaussian_pull(batch, latent, at->inner, at->noise1, at->dz1, at->d_inner);
    for (size_t n = 0; n < batch->count; n++)
        sum += at->of_users[n];
    return sum;
}

/* Of z2, to which all but its own divergence has pulled. */
static double pull_outer(hierarchy *at, const user_batch *batch, double factor)
{
    const size_t latent = at->latent;
    const vamp_users drawn = {.count = batch->count,
                              .moments = at->outer,
                              .noise = at->noise2,
                              .z = at->z2,
                              .divergences = at->divergences,
                              .dz = at->dz2,
                              .d_moments = at->d_outer};
    double sum = 0;
    memset(at->d_outer, 0, batch->count * 2 * latent * sizeof *at->d_outer);
    memset(at->d_components, 0, at->component_count * 2 * latent * sizeof *at->d_components);
    vamp_prior_divergence(&at->prior, &drawn, at->components, factor, batch->threads, at->d_components);
    gaussian_pull(batch, latent, at->outer, at->noise2, at->dz2, at->d_outer);
    for (size_t n = 0; n < batch->count; n++)
        sum += at->divergences[n];
    return sum;
}

/* From d_pseudo_front to pseudo_z, and to the gradient of FRONT's biases. */
static void pull_pseudo_front(hierarchy *at, const user_batch *batch)
{
    enum { COLUMNS = 128 };
    const size_t h = at->hidden, pieces = (h + COLUMNS - 1) / COLUMNS;
    const layer_stack *front = at->stacks[FRONT];
    float *biases = at->gradients[FRONT]->values + (front->layers.layers[0].biases - front->values);
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t k = 0; k < at->component_count; k++)
        gate_backward(ACTIVATION_IDENTITY, h, at->pseudo_z + k * 2 * h, at->d_pseudo_front + k * h);
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t piece = 0; piece < 2 * pieces; piece++) {
        const size_t half = piece / pieces, begin = piece % pieces * COLUMNS,
                     width = h - begin < COLUMNS ? h - begin : COLUMNS;
        row_sum sum = row_sum_begin(biases + 2 * half * h + begin, width);
        for (size_t k = 0; k < at->component_count; k++)
            row_sum_add(&sum, at->pseudo_z + (2 * k + half) * h + begin, 1.0f);
        row_sum_end(&sum);
    }
}

static void step_pseudo_inputs(hierarchy *at, const user_batch *batch, const autoencoder_step *step)
{
    const size_t width = 2 * at->hidden;
    const step_factors factors = step->by->factors(&step->setting);
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t k = 0; k < at->component_count; k++) {
        const unsigned saved = threads_flush_begin(); /* averages of those that no user is near */
        float *state[OPTIMIZER_ARRAYS] = {0};
        for (int array = 0; array < step->by->arrays; array++)
            state[array] = at->pseudo_state[array] + k * width;
        step->by->step_by(&factors, at->pseudo_inputs + k * width, at->pseudo_z + k * width, state, width);
        threads_flush_end(saved);
    }
}

divergence_sums hierarchy_backward(void *network, const user_batch *batch, const autoencoder_step *step,
                                   const float *dh, float *dx)
{
    hierarchy *at = network;
    const size_t count = batch->count, hidden = at->hidden, latent = at->latent;
    const double factor = step->beta * step->scale;
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++)
        layer_gradients_begin(at->gradients[part]);
    backward(at, LAST, batch, dh, hidden, at->d_pair, 2 * hidden);
    backward(at, FROM_INNER, batch, at->d_pair, 2 * hidden, at->dz1, latent);
    backward(at, FROM_OUTER, batch, at->d_pair + hidden, 2 * hidden, at->dz2, latent);
    divergence_sums sums = {.plain = pull_inner(at, batch, factor)};
    backward_z2(at, PRIOR, batch, at->d_given, 2 * latent);
    backward(at, JOINT, batch, at->d_inner, 2 * latent, at->d_pair, 2 * hidden);
    backward_z2(at, INNER, batch, at->d_pair + hidden, 2 * hidden);
    sums.plain += pull_outer(at, batch, factor);
    sums.weighted = step->beta * sums.plain;
    copy_rows(count, hidden, at->d_pair, 2 * hidden, at->d_front + hidden, 2 * hidden);
    backward(at, OUTER, batch, at->d_outer, 2 * latent, at->d_front, 2 * hidden);
    backward(at, FRONT, batch, at->d_front, 2 * hidden, dx, 4 * hidden);
    layer_backward(at->stacks[OUTER], at->of_pseudo, at->d_components, 2 * latent, batch->threads, at->d_pseudo_front,
                   hidden, at->gradients[OUTER]);
    pull_pseudo_front(at, batch);
    step_pseudo_inputs(at, batch, step);
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++)
        layer_stack_step(at->stacks[part], at->gradients[part], step->by, &step->setting, step->l2, 0, batch->threads);
    return sums;
}

double hierarchy_squares(const void *network)
{
    const hierarchy *at = network;
    double sum = 0;
    for (hierarchy_part part = 0; part < HIERARCHY_PARTS; part++)
        sum += stack_squares(&at->stacks[part]->layers);
    return sum;
}
