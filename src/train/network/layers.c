/* SPDX-License-Identifier: Apache-2.0 */
#include "train/network/layers.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

enum { LAYER_BITS = 3, PLACE_BITS = 48 }; /* of random numbers' indices: stack, layer, place */

static topn_status fail_sizes(topn_context *context, const char *option, const char *text)
{
    return fail(context, TOPN_ERROR_OPTION,
                "option --%s is \"%s\", not up to %d numbers of 1 to %d with commas between them, such as 256,128, or "
                "nothing for no layers",
                option, text, MOST_LAYERS - 1, MOST_LAYER_UNITS);
}

topn_status layer_forms_read(topn_context *context, const char *option, const char *text, activation_kind activation,
                             double dropout, layer_form forms[MOST_LAYERS], size_t *count)
{
    const char *at = text ? text : "";
    while (*at) {
        char *end;
        const long units = isdigit((unsigned char)*at) ? strtol(at, &end, 10) : 0;
        if (units < 1 || units > MOST_LAYER_UNITS || (*end && (*end != ',' || !end[1])) || *count == MOST_LAYERS - 1)
            return fail_sizes(context, option, text);
        forms[(*count)++] = (layer_form){.outputs = (size_t)units, .activation = activation, .dropout = dropout};
        at = *end ? end + 1 : end;
    }
    return TOPN_OK;
}

static size_t columns_of(const layer_form *form)
{
    return form->gated ? 2 * form->outputs : form->outputs;
}

static size_t parameters_of(size_t inputs, const layer_form *form)
{
    return (form->plain ? 0 : inputs * columns_of(form)) + columns_of(form) + (form->normal ? 2 * form->outputs : 0);
}

static size_t count_parameters(size_t inputs, const layer_form *forms, size_t count)
{
    size_t parameters = 0;
    for (size_t layer = 0; layer < count; layer++) {
        parameters += parameters_of(inputs, &forms[layer]);
        inputs = forms[layer].outputs;
    }
    return parameters;
}

uint64_t layer_stack_bytes(size_t inputs, const layer_form *forms, size_t count, int optimizer_arrays)
{
    return (1 + (uint64_t)optimizer_arrays) * sizeof(float) * count_parameters(inputs, forms, count);
}

/* Places of layer `layer` in the array from `values` on; returns what is behind them. */
static float *place_layer(network_layers *layers, size_t layer, size_t inputs, const layer_form *form, float *values)
{
    dense_layer *at = &layers->layers[layer];
    const size_t columns = columns_of(form);
    *at = (dense_layer){.activation = form->activation, .gated = form->gated, .connected = form->connected};
    if (!form->plain) {
        at->weights = (dense_matrix){values, inputs, columns};
        values += inputs * columns;
    }
    at->biases = values;
    values += columns;
    if (form->normal) {
        at->gain = values;
        at->shift = values + form->outputs;
        values += 2 * form->outputs;
    }
    return values;
}

static void draw_layer(uint64_t seed, unsigned number, size_t layer, const dense_layer *at, size_t outputs)
{
    const bool rectified = at->activation == ACTIVATION_RELU || at->activation == ACTIVATION_SWISH;
    const size_t inputs = at->weights.rows, count = inputs * at->weights.columns;
    const double bound = sqrt(6.0 / (double)(rectified ? inputs : inputs + outputs));
    const uint64_t first = ((uint64_t)number << LAYER_BITS | layer) << PLACE_BITS;
    for (size_t place = 0; place < count; place++)
        at->weights.values[place] = (float)(bound * (2.0 * random_uniform(seed, RANDOM_LAYERS, first + place) - 1.0));
    for (size_t unit = 0; at->gain && unit < outputs; unit++)
        at->gain[unit] = 1.0f;
}

/* Zeros in large pages, as optimisers go over them with each batch. */
static topn_status allocate_values(topn_context *context, size_t count, float **out)
{
    const topn_status status = ALLOCATE_TABLE(context, count, out);
    if (status == TOPN_OK)
        memset(*out, 0, count * sizeof **out);
    return status;
}

topn_status layer_stack_create(topn_context *context, size_t inputs, const layer_form *forms, size_t count,
                               unsigned number, layer_stack **out)
{
    topn_status status;
    layer_stack *stack = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &stack));
    stack->parameters = count_parameters(inputs, forms, count);
    stack->seed = context->seed;
    stack->number = number;
    TRY(allocate_values(context, stack->parameters, &stack->values));
    stack->layers = (network_layers){.inputs = inputs, .layer_count = count, .scale = 1.0};
    float *values = stack->values;
    for (size_t layer = 0; layer < count; layer++) {
        values = place_layer(&stack->layers, layer, inputs, &forms[layer], values);
        stack->dropout[layer] = forms[layer].dropout;
        inputs = forms[layer].outputs;
        draw_layer(stack->seed, number, layer, &stack->layers.layers[layer], inputs);
    }
    TRY(layers_check(context, "layer", &stack->layers));
    *out = stack;
    return TOPN_OK;
done:
    layer_stack_free(stack);
    return status;
}

topn_status layer_stack_create_state(topn_context *context, const optimizer *by, layer_stack *stack)
{
    topn_status status = TOPN_OK;
    for (int array = 0; array < by->arrays; array++)
        TRY(allocate_values(context, stack->parameters, &stack->state[array]));
done:
    return status;
}

void layer_stack_free(layer_stack *stack)
{
    if (!stack)
        return;
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        free(stack->state[array]);
    free(stack->values);
    free(stack);
}

size_t layer_stack_arrays(const layer_stack *stack, const char *name, const optimizer *by, state_array *arrays)
{
    for (int array = -1; array < by->arrays; array++) {
        state_array *to = &arrays[array + 1];
        *to = (state_array){.rows = 1, .columns = stack->parameters};
        to->values = array < 0 ? stack->values : stack->state[array];
        snprintf(to->name, sizeof to->name, "%s%s%s", name, array < 0 ? "" : ".",
                 array < 0 ? "" : by->array_names[array]);
    }
    return 1 + (size_t)by->arrays;
}

bool layer_stack_take(layer_stack *stack, const network_layers *from)
{
    const network_layers *to = &stack->layers;
    bool fits = to->inputs == from->inputs && to->layer_count == from->layer_count;
    for (size_t layer = 0; fits && layer < to->layer_count; layer++) {
        const dense_layer *a = &to->layers[layer], *b = &from->layers[layer];
        fits = a->weights.rows == b->weights.rows && a->weights.columns == b->weights.columns &&
               a->activation == b->activation && a->gated == b->gated && a->connected == b->connected &&
               layers_columns(to, layer) == layers_columns(from, layer) && b->biases && !a->gain == !b->gain;
    }
    for (size_t layer = 0; fits && layer < to->layer_count; layer++) {
        const dense_layer *a = &to->layers[layer], *b = &from->layers[layer];
        const size_t outputs = layers_inputs(to, layer + 1);
        if (a->weights.values)
            memcpy(a->weights.values, b->weights.values, a->weights.rows * a->weights.columns * sizeof(float));
        memcpy(a->biases, b->biases, layers_columns(to, layer) * sizeof(float));
        if (a->gain) {
            memcpy(a->gain, b->gain, outputs * sizeof(float));
            memcpy(a->shift, b->shift, outputs * sizeof(float));
        }
    }
    return fits;
}

topn_status layer_gradients_create(topn_context *context, const layer_stack *stack, layer_gradients **out)
{
    topn_status status;
    layer_gradients *gradients = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &gradients));
    TRY(allocate_values(context, stack->parameters, &gradients->values));
    gradients->parameters = stack->parameters;
    *out = gradients;
    return TOPN_OK;
done:
    layer_gradients_free(gradients);
    return status;
}

void layer_gradients_free(layer_gradients *gradients)
{
    if (!gradients)
        return;
    free(gradients->values);
    free(gradients);
}

void layer_gradients_begin(layer_gradients *gradients)
{
    gradients->empty = true;
}

/* Shortens the gradient to `clip`. */
static void clip_gradient(layer_gradients *gradients, double clip)
{
    double squares = 0.0;
    for (size_t at = 0; at < gradients->parameters; at++)
        squares += (double)gradients->values[at] * (double)gradients->values[at];
    const double factor = clip / sqrt(squares);
    for (size_t at = 0; factor < 1.0 && at < gradients->parameters; at++)
        gradients->values[at] = (float)((double)gradients->values[at] * factor);
}

void layer_stack_step(layer_stack *stack, layer_gradients *gradients, const optimizer *by,
                      const optimizer_setting *setting, double l2, double clip, int threads)
{
    enum { PIECE = 1 << 14 };
    if (gradients->empty) /* no backward came */
        memset(gradients->values, 0, gradients->parameters * sizeof *gradients->values);
    for (size_t layer = 0; l2 > 0.0 && layer < stack->layers.layer_count; layer++) {
        const dense_matrix *weights = &stack->layers.layers[layer].weights;
        float *gradient = gradients->values + (weights->values ? weights->values - stack->values : 0);
        for (size_t at = 0; weights->values && at < weights->rows * weights->columns; at++)
            gradient[at] += (float)l2 * weights->values[at];
    }
    if (clip > 0.0)
        clip_gradient(gradients, clip);
    const size_t pieces = (stack->parameters + PIECE - 1) / PIECE;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (size_t piece = 0; piece < pieces; piece++) {
        const size_t begin = piece * PIECE, left = stack->parameters - begin;
        float *state[OPTIMIZER_ARRAYS] = {0};
        for (int array = 0; array < by->arrays; array++)
            state[array] = stack->state[array] + begin;
        by->step(setting, stack->values + begin, gradients->values + begin, state, left < PIECE ? left : PIECE);
    }
}
