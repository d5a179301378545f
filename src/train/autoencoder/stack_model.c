/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/stack_model.h"

#include <string.h>

#include "base/memory.h"

static topn_status copy_floats(topn_context *context, const float *from, size_t count, float **out)
{
    const topn_status status = ALLOCATE(context, count, out);
    if (status == TOPN_OK)
        memcpy(*out, from, count * sizeof *from);
    return status;
}

topn_status stack_export_layer(topn_context *context, const network_layers *from, size_t layer, size_t columns,
                               network_layers *out)
{
    topn_status status;
    const dense_layer *at = &from->layers[layer];
    dense_layer *to = &out->layers[out->layer_count++];
    const size_t inputs = layers_inputs(from, layer), all = layers_columns(from, layer);
    *to = (dense_layer){.activation = at->activation, .gated = at->gated, .connected = at->connected};
    if (at->weights.values) {
        to->weights = (dense_matrix){.rows = inputs, .columns = columns};
        TRY(ALLOCATE(context, inputs * columns, &to->weights.values));
        for (size_t row = 0; row < inputs; row++)
            memcpy(to->weights.values + row * columns, at->weights.values + row * all, columns * sizeof(float));
    }
    TRY(copy_floats(context, at->biases, columns, &to->biases));
    if (at->gain) {
        TRY(copy_floats(context, at->gain, layers_inputs(from, layer + 1), &to->gain));
        TRY(copy_floats(context, at->shift, layers_inputs(from, layer + 1), &to->shift));
    }
done:
    return status;
}

bool stack_layer_fits(const network_layers *to, size_t layer, size_t columns, const network_layers *from, size_t at)
{
    if (at >= from->layer_count)
        return false;
    const dense_layer *a = &to->layers[layer], *b = &from->layers[at];
    return a->activation == b->activation && a->gated == b->gated && a->connected == b->connected &&
           !a->weights.values == !b->weights.values && layers_inputs(to, layer) == layers_inputs(from, at) &&
           columns == layers_columns(from, at) && b->biases && !a->gain == !b->gain;
}

void stack_take_layer(const network_layers *to, size_t layer, const network_layers *from, size_t at)
{
    const dense_layer *a = &to->layers[layer], *b = &from->layers[at];
    const size_t inputs = layers_inputs(to, layer), all = layers_columns(to, layer), columns = layers_columns(from, at),
                 outputs = layers_inputs(from, at + 1);
    for (size_t row = 0; a->weights.values && row < inputs; row++)
        memcpy(a->weights.values + row * all, b->weights.values + row * columns, columns * sizeof(float));
    memcpy(a->biases, b->biases, columns * sizeof(float));
    if (a->gain) {
        memcpy(a->gain, b->gain, outputs * sizeof(float));
        memcpy(a->shift, b->shift, outputs * sizeof(float));
    }
}

double stack_squares(const network_layers *layers)
{
    double sum = 0;
    for (size_t layer = 0; layer < layers->layer_count; layer++) {
        const dense_matrix *weights = &layers->layers[layer].weights;
        for (size_t at = 0; weights->values && at < weights->rows * weights->columns; at++)
            sum += (double)weights->values[at] * (double)weights->values[at];
    }
    return sum;
}
