/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of a model is layers in a row, and here ways part and meet again. So a layer of the model does the work
 * of several, with blocks of zeros between their weights, and carries what later ones take: an identity among its
 * weights, where it is gated with a gate that is open (σ(30) is 1 in single precision). With latent values at their
 * means:
 *
 *   0  x ─▶ [a' | b']              gated, of the input
 *   1  ─▶ [b' | μ2]
 *   2  ─▶ [b' | of μ2 | μ2]        gated
 *   3  ─▶ [joint | μ2]             gated
 *   4  ─▶ [μ1 | μ2]
 *   5  ─▶ [of μ1 | of μ2]          gated
 *   6  ─▶ h                        gated
 */
#include "train/autoencoder/hierarchy.h"

#include <string.h>

#include "base/memory.h"
#include "train/autoencoder/stack_model.h"

enum { MODEL_LAYERS = 7, BLOCKS = 7, CARRIES = 5 };
static const float open_gate = 30;

typedef struct shape {
    size_t inputs, outputs;
    bool gated;
} shape;

/* A layer of a part, the first `columns` columns (of each half, where gated), and where it is in the model. */
typedef struct block {
    hierarchy_part part;
    size_t layer, columns;
    size_t to, row, column;
} block;

typedef struct carry {
    size_t to, row, column, count;
} carry;

typedef struct plan {
    shape shapes[MODEL_LAYERS];
    block blocks[BLOCKS];
    carry carries[CARRIES];
} plan;

static plan plan_of(const hierarchy *at)
{
    const size_t h = at->hidden, l = at->latent;
    return (plan){
        .shapes = {{4 * h, 2 * h, true},
                   {2 * h, h + l, false},
                   {h + l, 2 * h + l, true},
                   {2 * h + l, h + l, true},
                   {h + l, 2 * l, false},
                   {2 * l, 2 * h, true},
                   {2 * h, h, true}},
        .blocks = {{OUTER, 0, l, 1, 0, h},
                   {INNER, 0, h, 2, h, h},
                   {JOINT, 0, h, 3, 0, 0},
                   {JOINT, 1, l, 4, 0, 0},
                   {FROM_INNER, 0, h, 5, 0, 0},
                   {FROM_OUTER, 0, h, 5, l, h},
                   {LAST, 0, h, 6, 0, 0}},
        .carries = {{1, h, 0, h}, {2, 0, 0, h}, {2, h, 2 * h, l}, {3, 2 * h, h, l}, {4, h, l, l}},
    };
}

/* Between a block's weights and biases and their places in the model's layer: to the model, or back. */
static void move_block(const dense_layer *part, const block *of, size_t outputs, const dense_layer *model, bool back)
{
    const size_t halves = part->gated ? 2 : 1, inputs = part->weights.rows, stride = part->weights.columns,
                 model_stride = model->weights.columns, bytes = of->columns * sizeof(float);
    for (size_t half = 0; half < halves; half++) {
        const size_t from = half * of->columns, to = half * outputs + of->column;
        for (size_t row = 0; row < inputs; row++) {
            float *own = part->weights.values + row * stride + from,
                  *place = model->weights.values + (of->row + row) * model_stride + to;
            memcpy(back ? own : place, back ? place : own, bytes);
        }
        memcpy(back ? part->biases + from : model->biases + to, back ? model->biases + to : part->biases + from, bytes);
    }
}

static void move_blocks(const hierarchy *at, const plan *of, const network_layers *model, bool back)
{
    for (size_t index = 0; index < BLOCKS; index++) {
        const block *moved = &of->blocks[index];
        move_block(&at->stacks[moved->part]->layers.layers[moved->layer], moved, of->shapes[moved->to].outputs,
                   &model->layers[moved->to], back);
    }
}

topn_status hierarchy_export(topn_context *context, const void *network, network_layers *out)
{
    topn_status status;
    const hierarchy *at = network;
    const plan of = plan_of(at);
    *out = (network_layers){.inputs = of.shapes[0].inputs, .scale = 1};
    TRY(stack_export_layer(context, &at->stacks[FRONT]->layers, 0, of.shapes[0].inputs, out));
    for (size_t index = 1; index < MODEL_LAYERS; index++) {
        const shape *made = &of.shapes[index];
        const size_t columns = made->outputs * (made->gated ? 2 : 1);
        dense_layer *layer = &out->layers[out->layer_count++];
        *layer = (dense_layer){.activation = ACTIVATION_IDENTITY, .gated = made->gated};
        layer->weights = (dense_matrix){.rows = made->inputs, .columns = columns};
        TRY(ALLOCATE_ZEROED(context, made->inputs * columns, &layer->weights.values));
        TRY(ALLOCATE_ZEROED(context, columns, &layer->biases));
    }
    move_blocks(at, &of, out, false);
    for (size_t index = 0; index < CARRIES; index++) {
        const carry *kept = &of.carries[index];
        const dense_layer *layer = &out->layers[kept->to];
        for (size_t unit = 0; unit < kept->count; unit++) {
            layer->weights.values[(kept->row + unit) * layer->weights.columns + kept->column + unit] = 1;
            if (layer->gated)
                layer->biases[of.shapes[kept->to].outputs + kept->column + unit] = open_gate;
        }
    }
done:
    return status;
}

uint64_t hierarchy_model_bytes(const hierarchy *at)
{
    const plan of = plan_of(at);
    uint64_t values = 0;
    for (size_t index = 1; index < MODEL_LAYERS; index++)
        values += (of.shapes[index].inputs + 1) * of.shapes[index].outputs * (of.shapes[index].gated ? 2 : 1);
    return sizeof(float) * values;
}

bool hierarchy_take(void *network, const network_layers *from)
{
    hierarchy *at = network;
    const plan of = plan_of(at);
    bool fits = from->layer_count == MODEL_LAYERS && from->inputs == of.shapes[0].inputs;
    for (size_t index = 0; fits && index < MODEL_LAYERS; index++) {
        const dense_layer *layer = &from->layers[index];
        fits = layer->activation == ACTIVATION_IDENTITY && layer->gated == of.shapes[index].gated &&
               !layer->connected && layer->biases && !layer->gain && !layer->weights.values == (index == 0) &&
               layers_inputs(from, index) == of.shapes[index].inputs &&
               layers_inputs(from, index + 1) == of.shapes[index].outputs;
    }
    if (!fits)
        return false;
    stack_take_layer(&at->stacks[FRONT]->layers, 0, from, 0);
    move_blocks(at, &of, from, true);
    return true;
}
