/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of a trained network, one example at a time. Layer l makes h_l of h_{l−1} (h_{−1}: the network's input):
 *
 *   z = h_{l−1} W + b  (+ Σ_{k<l} h_k where `connected`: Huang et al. 2017, as Shenbin et al. 2020 have it)
 *   a = activation(z);  gated: activation(left half of z) ⊙ σ(right half)               (Dauphin et al. 2017)
 *   h = a;  with a gain: gain ⊙ (a − mean a)/√(var a + 1e-5) + shift                    (Ba, Kiros, Hinton 2016)
 *
 * and behind the last layer φ = scale · h, or scale · h/‖h‖ where `normalize` (0 stays 0).
 */
#ifndef TOPN_MODEL_NETWORK_LAYERS_H
#define TOPN_MODEL_NETWORK_LAYERS_H

#include "base/context.h"
#include "numeric/activation.h"
#include "numeric/matrix.h"

enum { MOST_LAYERS = 8 };
#define LAYER_NORM_EPSILON 1e-5

typedef struct dense_layer {
    dense_matrix weights; /* W [inputs × columns]; columns = 2 · outputs where gated; values NULL: z = h_{l−1} + b */
    float *biases;        /* [columns], or NULL = all 0 */
    float *gain, *shift;  /* [outputs], or both NULL = no layer normalisation */
    activation_kind activation;
    bool gated, connected;
} dense_layer;

typedef struct network_layers {
    size_t inputs;
    dense_layer layers[MOST_LAYERS];
    size_t layer_count; /* 0: φ is the input, normalised and scaled */
    bool normalize;
    double scale; /* not 0 */
} network_layers;

/* Entries of what layer `layer` takes, that is of h of the layer before; and columns of its z. */
size_t layers_inputs(const network_layers *network, size_t layer);
size_t layers_columns(const network_layers *network, size_t layer);
size_t layers_outputs(const network_layers *network);
void layers_clear(network_layers *network, bool mapped);
topn_status layers_copy(topn_context *context, const network_layers *from, network_layers *out);
/* Shapes fit each other (FORMAT), values are finite (NUMERIC); `what` stands before the layer's number. */
topn_status layers_check(topn_context *context, const char *what, const network_layers *network);
/* Floats of scratch that layers_forward takes. */
size_t layers_scratch(const network_layers *network);
/* input [inputs], out [outputs], scratch [layers_scratch]. */
void layers_forward(const network_layers *network, const float *input, float *scratch, float *out);

#endif
