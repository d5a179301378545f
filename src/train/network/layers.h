/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of neural networks with hand-written gradients, in single precision on sgemm. Rows are examples. What a layer
 * computes is said in model/network_layers.h; training adds dropout, behind each layer that asks for it: h_j is kept
 * with probability 1 − p and then divided by 1 − p, else 0 (Srivastava et al. 2014, "inverted").
 *
 * A batch is worked on in tiles of rows by all threads; gradients of weights are sums over all rows of the batch, made
 * in blocks of the weights' rows. Neither depends on the number of threads: results have the same bits.
 */
#ifndef TOPN_TRAIN_NETWORK_LAYERS_H
#define TOPN_TRAIN_NETWORK_LAYERS_H

#include "base/context.h"
#include "model/network_layers.h"
#include "train/iteration.h"
#include "train/sampled/optimizer.h"

enum { MOST_LAYER_UNITS = 1 << 15 };

/* A layer to be made. */
typedef struct layer_form {
    size_t outputs;
    activation_kind activation;
    bool plain;     /* no weights: activation of the input plus biases */
    bool gated;     /* two halves of weights */
    bool connected; /* earlier layers' outputs are added */
    bool normal;    /* layer normalisation */
    double dropout; /* p in [0, 1) */
} layer_form;

/* Hidden layers as text: "256,128", "" for none, behind each other from forms[*count] on. OPTION with the option's name
 * and the text where it is not numbers of 1 … MOST_LAYER_UNITS, or too many. */
topn_status layer_forms_read(topn_context *context, const char *option, const char *text, activation_kind activation,
                             double dropout, layer_form forms[MOST_LAYERS], size_t *count);

/* Parameters of all layers lie in one array, so that an optimiser steps them at once. */
typedef struct layer_stack {
    network_layers
        layers; /* its arrays are places in `values`; normalize and scale are the caller's to set for export */
    double dropout[MOST_LAYERS];
    float *values; /* [parameters] */
    size_t parameters;
    float *state[OPTIMIZER_ARRAYS]; /* [parameters] each, or NULL */
    uint64_t seed;                  /* of dropout */
    unsigned number;                /* of the stack, to keep random numbers of several apart; below 8 */
} layer_stack;

/* Weights are drawn by (seed, number, layer, place): uniform on ±√(6/(inputs + outputs)) (Glorot, Bengio 2010), before
 * relu and swish on ±√(6/inputs) (He et al. 2015); biases and shifts are 0, gains 1. No layers: the identity. */
topn_status layer_stack_create(topn_context *context, size_t inputs, const layer_form *forms, size_t count,
                               unsigned number, layer_stack **out);
topn_status layer_stack_create_state(topn_context *context, const optimizer *by, layer_stack *stack);
void layer_stack_free(layer_stack *stack);
uint64_t layer_stack_bytes(size_t inputs, const layer_form *forms, size_t count, int optimizer_arrays);
/* Writes the stack's arrays (1 + by->arrays), "NAME", "NAME.squares" …, to `arrays`; returns how many. */
size_t layer_stack_arrays(const layer_stack *stack, const char *name, const optimizer *by, state_array *arrays);
/* Whether the layer of that shape of an earlier model fits, and if all do takes their values over. */
bool layer_stack_take(layer_stack *stack, const network_layers *from);

/* Gradients of a stack's parameters, summed since they were begun. */
typedef struct layer_gradients {
    float *values; /* [parameters]; what is in them while empty is left from before */
    size_t parameters;
    bool empty; /* begun: the next backward writes to them, others add */
} layer_gradients;
topn_status layer_gradients_create(topn_context *context, const layer_stack *stack, layer_gradients **out);
void layer_gradients_free(layer_gradients *gradients);
void layer_gradients_begin(layer_gradients *gradients);
/* One step. l2: adds λθ of the weights (not of biases, gains and shifts) to the gradient; clip: longest gradient over
 * all parameters, 0 = any. */
void layer_stack_step(layer_stack *stack, layer_gradients *gradients, const optimizer *by,
                      const optimizer_setting *setting, double l2, double clip, int threads);

/* What a forward keeps for its backward, for at most `capacity` rows. */
typedef struct layer_workspace layer_workspace;
topn_status layer_workspace_create(topn_context *context, const layer_stack *stack, size_t capacity,
                                   layer_workspace **out);
void layer_workspace_free(layer_workspace *workspace);
uint64_t layer_workspace_bytes(const layer_form *forms, size_t count, size_t capacity);

/* out[n] of rows input[n], count of them; strides are floats from row to row. The input must stay for the backward.
 * training: dropout applies, drawn by (seed, number of the example: first_example + n). */
void layer_forward(const layer_stack *stack, layer_workspace *workspace, size_t count, const float *input,
                   size_t input_stride, bool training, uint64_t first_example, int threads, float *out,
                   size_t out_stride);
/* After the forward of the same rows: from d_out, derivatives by `out`, those by the input in dx (NULL: not wanted),
 * and those by the parameters, added to gradients. */
void layer_backward(const layer_stack *stack, layer_workspace *workspace, const float *d_out, size_t d_stride,
                    int threads, float *dx, size_t dx_stride, layer_gradients *gradients);

/* Rows divided by their lengths, which go to lengths [count]; a row of zeros stays. */
void rows_normalize(size_t count, size_t width, float *rows, size_t stride, float *lengths);
/* d[n] becomes the derivative by the rows before: (d − ⟨d, row⟩ row)/length; 0 of rows of zeros. rows as they are now.
 */
void rows_normalize_backward(size_t count, size_t width, const float *rows, size_t stride, const float *lengths,
                             float *d, size_t d_stride);

#endif
