/* SPDX-License-Identifier: Apache-2.0
 *
 * What follows the linear part of a layer, value by value:
 *
 *   identity z   relu max(0, z)   tanh tanh z   sigmoid σ(z) = 1/(1 + e^−z)   swish z·σ(z)   (Ramachandran et al. 2017)
 */
#ifndef TOPN_NUMERIC_ACTIVATION_H
#define TOPN_NUMERIC_ACTIVATION_H

#include <stddef.h>

typedef enum activation_kind {
    ACTIVATION_IDENTITY,
    ACTIVATION_RELU,
    ACTIVATION_TANH,
    ACTIVATION_SIGMOID,
    ACTIVATION_SWISH,
    ACTIVATIONS
} activation_kind;

/* Names in the order of the kinds, NULL behind the last. */
extern const char *const activation_names[ACTIVATIONS + 1];

/* out[j] = a(z[j]); out may be z. */
void activate(activation_kind kind, size_t count, const float *z, float *out);
/* d[j] *= a′(z[j]). */
void activation_backward(activation_kind kind, size_t count, const float *z, float *d);
/* Gates: h[j] *= σ(z[j]). */
void gate(size_t count, const float *z, float *h);
/* Where h = a(z[j]) σ(z[count + j]) has the derivatives d: z [2·count] becomes those by z. d is overwritten. */
void gate_backward(activation_kind kind, size_t count, float *z, float *d);

#endif
