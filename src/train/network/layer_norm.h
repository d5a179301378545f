/* SPDX-License-Identifier: Apache-2.0
 *
 * Layer normalisation of one row (Ba, Kiros, Hinton 2016): h becomes gain ⊙ x̂ + shift with x̂ = (h − mean)/σ.
 */
#ifndef TOPN_TRAIN_NETWORK_LAYER_NORM_H
#define TOPN_TRAIN_NETWORK_LAYER_NORM_H

#include <stddef.h>

/* In place, all [count]; keeps x̂ in unit and 1/σ. */
void layer_norm(size_t count, const float *gain, const float *shift, float *h, float *unit, float *inverse);
/* da, derivatives by h as it was, from dh, those by what it became. */
void layer_norm_backward(size_t count, const float *gain, const float *dh, const float *unit, float inverse, float *da);

#endif
