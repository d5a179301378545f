/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward and backward through the layers. A tile of rows goes through all layers before the next; then, backward,
 * gradients of weights W are blocks of rows of Hᵀ·dZ over the whole batch. Tiles and blocks are as large as leaves work
 * for two threads, since each product has a copy of all of W, or of dZ, made; they don't depend on the threads.
 *
 * Per row and layer are kept: z, after the backward of the layer dz; h; with layer normalisation x̂ = (a − mean)/σ and
 * 1/σ; with dropout what was kept; and dh.
 */
#include "train/network/layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/tile.h"
#include "train/network/layer_norm.h"

enum {
    FEW_ROWS = 256, /* which are not shared out */
    MOST_COLUMNS = 640,
    MOST_TILE = 128,
    MOST_BLOCK = 320, /* rows of W, whose gradient one thread makes at a time */
    LEAST_TASKS = 2,
    STEP = 8,
    UNIT_BITS = 13, /* of a dropout's index: units in fours */
    WHERE_BITS = 6, /* stack and layer */
};

typedef struct kept_layer {
    size_t inputs, columns, outputs;
    float *z;            /* [rows × columns] */
    float *h;            /* [rows × outputs] */
    float *dh;           /* [rows × outputs] */
    float *unit;         /* [rows × outputs] x̂, or NULL */
    float *da;           /* [rows × outputs] where there is x̂; else dh becomes da in place */
    float *inverse;      /* [rows] 1/σ, or NULL */
    unsigned char *kept; /* [rows × outputs], or NULL */
} kept_layer;

struct layer_workspace {
    size_t capacity, count;
    kept_layer layers[MOST_LAYERS];
    size_t layer_count;
    const float *input;
    size_t input_stride;
    bool training;
};

uint64_t layer_workspace_bytes(const layer_form *forms, size_t count, size_t capacity)
{
    uint64_t row = 0;
    for (size_t layer = 0; layer < count; layer++) {
        const uint64_t outputs = forms[layer].outputs;
        row += sizeof(float) * (forms[layer].gated ? 4 : 3) * outputs;
        row += forms[layer].normal ? sizeof(float) * (2 * outputs + 1) : 0;
        row += forms[layer].dropout > 0.0 ? outputs : 0;
    }
    return sizeof(layer_workspace) + capacity * row;
}

topn_status layer_workspace_create(topn_context *context, const layer_stack *stack, size_t capacity,
                                   layer_workspace **out)
{
    topn_status status;
    layer_workspace *workspace = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &workspace));
    workspace->capacity = capacity;
    workspace->layer_count = stack->layers.layer_count;
    for (size_t layer = 0; layer < workspace->layer_count; layer++) {
        kept_layer *at = &workspace->layers[layer];
        at->inputs = layers_inputs(&stack->layers, layer);
        at->columns = layers_columns(&stack->layers, layer);
        at->outputs = layers_inputs(&stack->layers, layer + 1);
        TRY(ALLOCATE(context, capacity * at->columns, &at->z));
        TRY(ALLOCATE(context, capacity * at->outputs, &at->h));
        TRY(ALLOCATE(context, capacity * at->outputs, &at->dh));
        if (stack->layers.layers[layer].gain) {
            TRY(ALLOCATE(context, capacity * at->outputs, &at->unit));
            TRY(ALLOCATE(context, capacity * at->outputs, &at->da));
            TRY(ALLOCATE(context, capacity, &at->inverse));
        }
        if (stack->dropout[layer] > 0.0)
            TRY(ALLOCATE(context, capacity * at->outputs, &at->kept));
    }
    *out = workspace;
    return TOPN_OK;
done:
    layer_workspace_free(workspace);
    return status;
}

void layer_workspace_free(layer_workspace *workspace)
{
    if (!workspace)
        return;
    for (size_t layer = 0; layer < workspace->layer_count; layer++) {
        kept_layer *at = &workspace->layers[layer];
        free(at->z);
        free(at->h);
        free(at->dh);
        free(at->unit);
        free(at->da);
        free(at->inverse);
        free(at->kept);
    }
    free(workspace);
}

/* Rows of a piece where `count` are shared out evenly, at most `most` to each. */
static size_t piece_of(size_t count, size_t most)
{
    const size_t even = (count + most - 1) / most, pieces = even < LEAST_TASKS ? LEAST_TASKS : even;
    return ((count + pieces - 1) / pieces + STEP - 1) / STEP * STEP;
}

static size_t pieces_of(size_t count, size_t piece)
{
    return piece ? (count + piece - 1) / piece : 0;
}

/* Rows begin … begin + rows − 1 of what layer `layer` takes. */
static const float *input_of(const layer_workspace *workspace, size_t layer, size_t begin, size_t *stride)
{
    if (layer == 0) {
        *stride = workspace->input_stride;
        return workspace->input + begin * *stride;
    }
    *stride = workspace->layers[layer - 1].outputs;
    return workspace->layers[layer - 1].h + begin * *stride;
}

VECTOR_CLONES
static void add_row(size_t width, const float *restrict from, float *restrict to)
{
    for (size_t at = 0; at < width; at++)
        to[at] += from[at];
}

VECTOR_CLONES
static void put_sum(size_t width, const float *restrict a, const float *restrict b, float *restrict to)
{
    for (size_t at = 0; at < width; at++)
        to[at] = a[at] + b[at];
}

VECTOR_CLONES
static void add_products(size_t width, const float *restrict a, const float *restrict b, float *restrict to)
{
    for (size_t at = 0; at < width; at++)
        to[at] += a[at] * b[at];
}

static void add_rows(size_t rows, size_t width, const float *from, size_t from_stride, float *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        add_row(width, from + row * from_stride, to + row * to_stride);
}

/* z = h_before·W + b + Σ earlier h, `width` columns of it from `first` on. */
static void put_linear(const layer_stack *stack, layer_workspace *workspace, size_t layer, size_t begin, size_t rows,
                       size_t first, size_t width)
{
    const dense_layer *made = &stack->layers.layers[layer];
    kept_layer *at = &workspace->layers[layer];
    float *z = at->z + begin * at->columns + first;
    size_t stride;
    const float *input = input_of(workspace, layer, begin, &stride);
    if (made->weights.values) {
        for (size_t row = 0; row < rows; row++)
            memcpy(z + row * at->columns, made->biases + first, width * sizeof *z);
        tile_product(false, false, rows, width, at->inputs, input, stride, made->weights.values + first, at->columns,
                     1.0f, z, at->columns);
    } else {
        for (size_t row = 0; row < rows; row++)
            put_sum(width, made->biases + first, input + row * stride + first, z + row * at->columns);
    }
    for (size_t earlier = 0; made->connected && earlier < layer; earlier++)
        add_rows(rows, width, workspace->layers[earlier].h + begin * at->columns + first, at->columns, z, at->columns);
}

static void drop_row(const layer_stack *stack, size_t layer, uint64_t example, size_t count, float *h,
                     unsigned char *kept)
{
    const double p = stack->dropout[layer];
    const uint64_t threshold = (uint64_t)(p * 4294967296.0);
    const uint64_t where = (uint64_t)stack->number * MOST_LAYERS + layer;
    const float scale = (float)(1.0 / (1.0 - p));
    uint32_t words[4];
    for (size_t at = 0; at < count; at++) {
        if (at % 4 == 0)
            random_block(stack->seed, RANDOM_DROPOUT, (example << WHERE_BITS | where) << UNIT_BITS | at / 4, words);
        kept[at] = words[at % 4] >= threshold;
        h[at] = kept[at] ? h[at] * scale : 0.0f;
    }
}

static void put_outputs(const layer_stack *stack, layer_workspace *workspace, size_t layer, size_t row,
                        uint64_t example)
{
    const dense_layer *made = &stack->layers.layers[layer];
    const kept_layer *at = &workspace->layers[layer];
    const float *z = at->z + row * at->columns;
    float *h = at->h + row * at->outputs;
    activate(made->activation, at->outputs, z, h);
    if (made->gated)
        gate(at->outputs, z + at->outputs, h);
    if (at->unit)
        layer_norm(at->outputs, made->gain, made->shift, h, at->unit + row * at->outputs, &at->inverse[row]);
    if (at->kept && workspace->training)
        drop_row(stack, layer, example, at->outputs, h, at->kept + row * at->outputs);
}

static void copy_rows(size_t rows, size_t width, const float *from, size_t from_stride, float *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        memcpy(to + row * to_stride, from + row * from_stride, width * sizeof *to);
}

/* All rows together, columns shared out: each thread copies a part of W alone. */
static void forward_few(const layer_stack *stack, layer_workspace *workspace, uint64_t first_example, int threads,
                        float *out, size_t out_stride)
{
    const size_t count = workspace->count;
    (void)threads; /* without OpenMP */
    for (size_t layer = 0; layer < workspace->layer_count; layer++) {
        const kept_layer *at = &workspace->layers[layer];
        const bool last = layer + 1 == workspace->layer_count;
        const size_t most = piece_of(at->columns, MOST_COLUMNS), pieces = pieces_of(at->columns, most);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
        for (size_t piece = 0; piece < pieces; piece++) {
            const size_t first = piece * most, left = at->columns - first;
            put_linear(stack, workspace, layer, 0, count, first, left < most ? left : most);
        }
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
        for (size_t row = 0; row < count; row++) {
            put_outputs(stack, workspace, layer, row, first_example + row);
            if (last)
                memcpy(out + row * out_stride, at->h + row * at->outputs, at->outputs * sizeof *out);
        }
    }
}

void layer_forward(const layer_stack *stack, layer_workspace *workspace, size_t count, const float *input,
                   size_t input_stride, bool training, uint64_t first_example, int threads, float *out,
                   size_t out_stride)
{
    const size_t tile_rows = piece_of(count, MOST_TILE), tiles = pieces_of(count, tile_rows),
                 layers = workspace->layer_count;
    workspace->count = count;
    workspace->input = input;
    workspace->input_stride = input_stride;
    workspace->training = training;
    const int saved = threads_serial_blas_begin();
    if (count <= FEW_ROWS && layers > 0) {
        forward_few(stack, workspace, first_example, threads, out, out_stride);
        threads_serial_blas_end(saved);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t tile = 0; tile < tiles; tile++) {
        const size_t begin = tile * tile_rows, rows = count - begin < tile_rows ? count - begin : tile_rows;
        for (size_t layer = 0; layer < layers; layer++) {
            put_linear(stack, workspace, layer, begin, rows, 0, workspace->layers[layer].columns);
            for (size_t row = begin; row < begin + rows; row++)
                put_outputs(stack, workspace, layer, row, first_example + row);
        }
        size_t stride;
        const float *last = input_of(workspace, layers, begin, &stride);
        copy_rows(rows, layers_outputs(&stack->layers), last, stride, out + begin * out_stride, out_stride);
    }
    threads_serial_blas_end(saved);
}

/* dz in place of z of one row, from da, which is overwritten. */
static void pull_activation(const dense_layer *made, size_t outputs, float *da, float *z)
{
    if (made->gated) {
        gate_backward(made->activation, outputs, z, da);
        return;
    }
    activation_backward(made->activation, outputs, z, da);
    memcpy(z, da, outputs * sizeof *z);
}

/* dz of a tile, whose dh are there, and what goes on by connections. pulled: whether later layers have written to the
 * dh of all before this one; they are added to, else written. */
static void pull_rows(const layer_stack *stack, layer_workspace *workspace, size_t layer, size_t begin, size_t rows,
                      bool pulled)
{
    const dense_layer *made = &stack->layers.layers[layer];
    kept_layer *at = &workspace->layers[layer];
    const float scale = (float)(1.0 / (1.0 - stack->dropout[layer]));
    for (size_t row = begin; row < begin + rows; row++) {
        float *dh = at->dh + row * at->outputs, *da = at->unit ? at->da + row * at->outputs : dh;
        for (size_t unit = 0; at->kept && workspace->training && unit < at->outputs; unit++)
            dh[unit] = at->kept[row * at->outputs + unit] ? dh[unit] * scale : 0.0f;
        if (at->unit)
            layer_norm_backward(at->outputs, made->gain, dh, at->unit + row * at->outputs, at->inverse[row], da);
        pull_activation(made, at->outputs, da, at->z + row * at->columns);
    }
    const float *dz = at->z + begin * at->columns;
    void (*const give)(size_t, size_t, const float *, size_t, float *, size_t) = pulled ? add_rows : copy_rows;
    for (size_t earlier = 0; made->connected && earlier < layer; earlier++)
        give(rows, at->columns, dz, at->columns, workspace->layers[earlier].dh + begin * at->columns, at->columns);
}

/* What goes on through W to a tile of the layer before or of dx: `width` inputs from `first` on. adds: to what is
 * there.
 */
static void pull_inputs(const layer_stack *stack, const layer_workspace *workspace, size_t layer, size_t begin,
                        size_t rows, size_t first, size_t width, bool adds, float *before, size_t stride)
{
    const float *weights = stack->layers.layers[layer].weights.values;
    const kept_layer *at = &workspace->layers[layer];
    const float *dz = at->z + begin * at->columns;
    float *to = before + first;
    if (weights)
        tile_product(false, true, rows, width, at->columns, dz, at->columns, weights + first * at->columns, at->columns,
                     adds ? 1.0f : 0.0f, to, stride);
    else if (adds)
        add_rows(rows, width, dz + first, at->columns, to, stride);
    else
        copy_rows(rows, width, dz + first, at->columns, to, stride);
}

/* dz of all layers and dx of a tile. */
static void pull_layers(const layer_stack *stack, layer_workspace *workspace, size_t begin, size_t rows,
                        const float *d_out, size_t d_stride, float *dx, size_t dx_stride)
{
    const size_t layers = workspace->layer_count;
    bool pulled = false;
    if (layers == 0 && dx)
        copy_rows(rows, stack->layers.inputs, d_out, d_stride, dx, dx_stride);
    for (size_t layer = layers; layer-- > 0;) {
        kept_layer *at = &workspace->layers[layer];
        if (layer + 1 == layers)
            copy_rows(rows, at->outputs, d_out, d_stride, at->dh + begin * at->outputs, at->outputs);
        float *before = layer ? workspace->layers[layer - 1].dh + begin * at->inputs : dx;
        pull_rows(stack, workspace, layer, begin, rows, pulled);
        pulled |= stack->layers.layers[layer].connected;
        if (before)
            pull_inputs(stack, workspace, layer, begin, rows, 0, at->inputs, layer > 0 && pulled, before,
                        layer ? at->inputs : dx_stride);
    }
}

/* The same of all rows together, as forward_few. */
static void pull_few(const layer_stack *stack, layer_workspace *workspace, const float *d_out, size_t d_stride,
                     int threads, float *dx, size_t dx_stride)
{
    const size_t count = workspace->count, layers = workspace->layer_count;
    bool pulled = false;
    (void)threads; /* without OpenMP */
    for (size_t layer = layers; layer-- > 0;) {
        const kept_layer *at = &workspace->layers[layer];
        float *before = layer ? workspace->layers[layer - 1].dh : dx;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
        for (size_t row = 0; row < count; row++) {
            if (layer + 1 == layers)
                memcpy(at->dh + row * at->outputs, d_out + row * d_stride, at->outputs * sizeof *d_out);
            pull_rows(stack, workspace, layer, row, 1, pulled);
        }
        pulled |= stack->layers.layers[layer].connected;
        const size_t most = piece_of(at->inputs, MOST_COLUMNS), pieces = before ? pieces_of(at->inputs, most) : 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
        for (size_t piece = 0; piece < pieces; piece++) {
            const size_t first = piece * most, left = at->inputs - first;
            pull_inputs(stack, workspace, layer, 0, count, first, left < most ? left : most, layer > 0 && pulled,
                        before, layer ? at->inputs : dx_stride);
        }
    }
}

/* Sums over rows: of dz for the biases, of dh and dh ⊙ x̂ for shift and gain. */
static void sum_vectors(const layer_stack *stack, const layer_workspace *workspace, size_t layer,
                        layer_gradients *gradients)
{
    const dense_layer *made = &stack->layers.layers[layer];
    const kept_layer *at = &workspace->layers[layer];
    float *biases = gradients->values + (made->biases - stack->values);
    if (gradients->empty)
        memset(biases, 0, at->columns * sizeof *biases);
    add_rows(workspace->count, at->columns, at->z, at->columns, biases, 0);
    if (!at->unit)
        return;
    float *gain = gradients->values + (made->gain - stack->values),
          *shift = gradients->values + (made->shift - stack->values);
    if (gradients->empty) {
        memset(gain, 0, at->outputs * sizeof *gain);
        memset(shift, 0, at->outputs * sizeof *shift);
    }
    add_rows(workspace->count, at->outputs, at->dh, at->outputs, shift, 0);
    for (size_t row = 0; row < workspace->count; row++)
        add_products(at->outputs, at->dh + row * at->outputs, at->unit + row * at->outputs, gain);
}

/* A block of rows of ∂W += Hᵀ·dZ. */
static void sum_weights(const layer_stack *stack, const layer_workspace *workspace, size_t layer, size_t block,
                        layer_gradients *gradients)
{
    const dense_layer *made = &stack->layers.layers[layer];
    const kept_layer *at = &workspace->layers[layer];
    const size_t most = piece_of(at->inputs, MOST_BLOCK), begin = block * most,
                 rows = at->inputs - begin < most ? at->inputs - begin : most;
    size_t stride;
    const float *input = input_of(workspace, layer, 0, &stride);
    float *to = gradients->values + (made->weights.values - stack->values) + begin * at->columns;
    tile_product(true, false, rows, at->columns, workspace->count, input + begin, stride, at->z, at->columns,
                 gradients->empty ? 0.0f : 1.0f, to, at->columns);
}

void layer_backward(const layer_stack *stack, layer_workspace *workspace, const float *d_out, size_t d_stride,
                    int threads, float *dx, size_t dx_stride, layer_gradients *gradients)
{
    const size_t count = workspace->count, tile_rows = piece_of(count, MOST_TILE), tiles = pieces_of(count, tile_rows);
    size_t first[MOST_LAYERS + 1] = {0}; /* tasks before each layer's: one for its vectors, then its blocks */
    for (size_t layer = 0; layer < workspace->layer_count; layer++) {
        const bool weights = stack->layers.layers[layer].weights.values != NULL;
        const size_t inputs = workspace->layers[layer].inputs, blocks = pieces_of(inputs, piece_of(inputs, MOST_BLOCK));
        first[layer + 1] = first[layer] + 1 + (weights ? blocks : 0);
    }
    const int saved = threads_serial_blas_begin();
    const bool few = count <= FEW_ROWS && workspace->layer_count > 0;
    if (few)
        pull_few(stack, workspace, d_out, d_stride, threads, dx, dx_stride);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t tile = 0; tile < (few ? 0 : tiles); tile++) {
        const size_t begin = tile * tile_rows, rows = count - begin < tile_rows ? count - begin : tile_rows;
        pull_layers(stack, workspace, begin, rows, d_out + begin * d_stride, d_stride,
                    dx ? dx + begin * dx_stride : NULL, dx_stride);
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t task = 0; task < first[workspace->layer_count]; task++) {
        size_t layer = 0;
        while (task >= first[layer + 1])
            layer++;
        if (task == first[layer])
            sum_vectors(stack, workspace, layer, gradients);
        else
            sum_weights(stack, workspace, layer, task - first[layer] - 1, gradients);
    }
    threads_serial_blas_end(saved);
    gradients->empty = false;
}

void rows_normalize(size_t count, size_t width, float *rows, size_t stride, float *lengths)
{
    for (size_t n = 0; n < count; n++) {
        float *row = rows + n * stride;
        double squares = 0.0;
        for (size_t at = 0; at < width; at++)
            squares += (double)row[at] * (double)row[at];
        const double length = sqrt(squares);
        lengths[n] = (float)length;
        for (size_t at = 0; length > 0.0 && at < width; at++)
            row[at] = (float)((double)row[at] / length);
    }
}

void rows_normalize_backward(size_t count, size_t width, const float *rows, size_t stride, const float *lengths,
                             float *d, size_t d_stride)
{
    for (size_t n = 0; n < count; n++) {
        const float *row = rows + n * stride;
        float *to = d + n * d_stride;
        double along = 0.0;
        for (size_t at = 0; at < width; at++)
            along += (double)row[at] * (double)to[at];
        for (size_t at = 0; at < width; at++)
            to[at] =
                lengths[n] > 0.0f ? (float)(((double)to[at] - along * (double)row[at]) / (double)lengths[n]) : 0.0f;
    }
}
