/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"
#include "numeric/finite.h"

size_t layers_inputs(const network_layers *network, size_t layer)
{
    size_t width = network->inputs;
    for (size_t at = 0; at < layer; at++) {
        const dense_layer *made = &network->layers[at];
        width = made->weights.values ? made->weights.columns : width;
        width = made->gated ? width / 2 : width;
    }
    return width;
}

size_t layers_columns(const network_layers *network, size_t layer)
{
    const dense_layer *made = &network->layers[layer];
    return made->weights.values ? made->weights.columns : layers_inputs(network, layer);
}

size_t layers_outputs(const network_layers *network)
{
    return layers_inputs(network, network->layer_count);
}

void layers_clear(network_layers *network, bool mapped)
{
    for (size_t layer = 0; layer < network->layer_count && !mapped; layer++) {
        dense_layer *at = &network->layers[layer];
        free(at->weights.values);
        free(at->biases);
        free(at->gain);
        free(at->shift);
    }
    *network = (network_layers){0};
}

/* NULL gives NULL. */
static topn_status copy_floats(topn_context *context, const float *from, size_t count, float **out)
{
    *out = NULL;
    if (!from)
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, count, out);
    if (status == TOPN_OK && count)
        memcpy(*out, from, count * sizeof *from);
    return status;
}

topn_status layers_copy(topn_context *context, const network_layers *from, network_layers *out)
{
    topn_status status = TOPN_OK;
    network_layers copy = *from; /* the plain numbers; every pointer is replaced */
    for (size_t layer = 0; layer < copy.layer_count; layer++) {
        dense_layer *to = &copy.layers[layer];
        to->weights.values = to->biases = to->gain = to->shift = NULL;
    }
    for (size_t layer = 0; layer < from->layer_count; layer++) {
        const dense_layer *at = &from->layers[layer];
        const size_t columns = layers_columns(from, layer), outputs = layers_inputs(from, layer + 1);
        TRY(copy_floats(context, at->weights.values, at->weights.rows * at->weights.columns,
                        &copy.layers[layer].weights.values));
        TRY(copy_floats(context, at->biases, columns, &copy.layers[layer].biases));
        TRY(copy_floats(context, at->gain, outputs, &copy.layers[layer].gain));
        TRY(copy_floats(context, at->shift, outputs, &copy.layers[layer].shift));
    }
done:
    if (status != TOPN_OK)
        layers_clear(&copy, false);
    *out = copy;
    return status;
}

static topn_status check_values(topn_context *context, const char *what, size_t layer, const char *part,
                                const float *values, size_t count)
{
    const size_t at = values ? first_infinite(values, count, context ? context->threads : 1) : SIZE_MAX;
    if (at == SIZE_MAX)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_NUMERIC, "%s.%zu.%s: value %zu is not finite (%g)", what, layer, part, at,
                (double)values[at]);
}

static topn_status check_layer(topn_context *context, const char *what, const network_layers *network, size_t layer)
{
    topn_status status;
    const dense_layer *at = &network->layers[layer];
    const size_t inputs = layers_inputs(network, layer), columns = layers_columns(network, layer);
    if ((unsigned)at->activation >= ACTIVATIONS)
        return fail(context, TOPN_ERROR_FORMAT, "%s.%zu: activation %d is of no known kind", what, layer,
                    (int)at->activation);
    if (at->weights.values && (at->weights.rows != inputs || columns == 0))
        return fail(context, TOPN_ERROR_FORMAT, "%s.%zu: weights of %zu × %zu for an input of %zu", what, layer,
                    at->weights.rows, columns, inputs);
    if (at->gated && columns % 2)
        return fail(context, TOPN_ERROR_FORMAT, "%s.%zu: a gated layer of %zu columns, which are no pairs", what, layer,
                    columns);
    for (size_t earlier = 0; at->connected && earlier < layer; earlier++)
        if (layers_inputs(network, earlier + 1) != columns)
            return fail(context, TOPN_ERROR_FORMAT, "%s.%zu: %zu columns and an earlier layer's %zu cannot be added",
                        what, layer, columns, layers_inputs(network, earlier + 1));
    if (!at->gain != !at->shift)
        return fail(context, TOPN_ERROR_FORMAT, "%s.%zu: a gain without a shift, or a shift without a gain", what,
                    layer);
    const size_t outputs = layers_inputs(network, layer + 1);
    TRY(check_values(context, what, layer, "weights", at->weights.values, at->weights.rows * at->weights.columns));
    TRY(check_values(context, what, layer, "biases", at->biases, columns));
    TRY(check_values(context, what, layer, "gain", at->gain, outputs));
    TRY(check_values(context, what, layer, "shift", at->shift, outputs));
done:
    return status;
}

topn_status layers_check(topn_context *context, const char *what, const network_layers *network)
{
    topn_status status = TOPN_OK;
    if (network->layer_count > MOST_LAYERS || network->inputs == 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: %zu layers over an input of %zu; at most %d over one of 1 or more",
                    what, network->layer_count, network->inputs, MOST_LAYERS);
    if (!isfinite(network->scale) || fpclassify(network->scale) == FP_ZERO)
        return fail(context, TOPN_ERROR_NUMERIC, "%s: the scale of its output is %g", what, network->scale);
    for (size_t layer = 0; layer < network->layer_count; layer++)
        TRY(check_layer(context, what, network, layer));
done:
    return status;
}

/* Columns of the widest layer. */
static size_t widest(const network_layers *network)
{
    size_t most = 0;
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        const size_t columns = layers_columns(network, layer);
        most = columns > most ? columns : most;
    }
    return most;
}

size_t layers_scratch(const network_layers *network)
{
    size_t floats = widest(network); /* z, and behind it every h */
    for (size_t layer = 0; layer < network->layer_count; layer++)
        floats += layers_inputs(network, layer + 1);
    return floats;
}

VECTOR_CLONES
static void add_row(float *restrict target, const float *restrict row, float factor, size_t count)
{
    for (size_t at = 0; at < count; at++)
        target[at] += factor * row[at];
}

/* z = input·W + b. */
static void put_linear(const dense_layer *layer, size_t inputs, size_t columns, const float *input, float *z)
{
    if (layer->biases)
        memcpy(z, layer->biases, columns * sizeof *z);
    else
        memset(z, 0, columns * sizeof *z);
    if (!layer->weights.values)
        add_row(z, input, 1.0f, columns);
    for (size_t at = 0; layer->weights.values && at < inputs; at++)
        if (input[at] != 0.0f)
            add_row(z, layer->weights.values + at * columns, input[at], columns);
}

/* gain ⊙ (h − mean)/√(var + ε) + shift. */
static void layer_norm(const dense_layer *layer, size_t count, float *h)
{
    double sum = 0.0, squares = 0.0;
    for (size_t at = 0; at < count; at++)
        sum += (double)h[at];
    const double mean = sum / (double)count;
    for (size_t at = 0; at < count; at++)
        squares += ((double)h[at] - mean) * ((double)h[at] - mean);
    const double inverse = 1.0 / sqrt(squares / (double)count + LAYER_NORM_EPSILON);
    for (size_t at = 0; at < count; at++)
        h[at] = layer->gain[at] * (float)(((double)h[at] - mean) * inverse) + layer->shift[at];
}

/* φ of the last h. */
static void put_output(const network_layers *network, size_t count, const float *h, float *out)
{
    double factor = network->scale, squares = 0.0;
    if (network->normalize) {
        for (size_t at = 0; at < count; at++)
            squares += (double)h[at] * (double)h[at];
        factor = squares > 0.0 ? factor / sqrt(squares) : 0.0;
    }
    for (size_t at = 0; at < count; at++)
        out[at] = (float)(factor * (double)h[at]);
}

void layers_forward(const network_layers *network, const float *input, float *scratch, float *out)
{
    float *z = scratch, *h = scratch + widest(network);
    const float *before = input, *first = h;
    size_t inputs = network->inputs;
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        const dense_layer *at = &network->layers[layer];
        const size_t columns = layers_columns(network, layer), outputs = at->gated ? columns / 2 : columns;
        put_linear(at, inputs, columns, before, z);
        for (const float *earlier = first; at->connected && earlier < h; earlier += columns)
            add_row(z, earlier, 1.0f, columns);
        activate(at->activation, outputs, z, h);
        if (at->gated)
            gate(outputs, z + outputs, h);
        if (at->gain)
            layer_norm(at, outputs, h);
        before = h;
        h += outputs;
        inputs = outputs;
    }
    put_output(network, inputs, before, out);
}
