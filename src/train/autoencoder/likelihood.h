/* SPDX-License-Identifier: Apache-2.0
 *
 * What an autoencoder's scores of all items say about a user's events x (1 where there is one, else 0):
 *
 *   multinomial  −Σ_i x_i ln p_i, p = softmax of the scores           ∂/∂s_i = n·p_i − x_i, n = Σ x
 *   bernoulli    Σ_i ln(1 + e^s_i) − x_i s_i                          ∂/∂s_i = σ(s_i) − x_i
 *   gaussian     ½ Σ_i (s_i − x_i)²                                   ∂/∂s_i = s_i − x_i
 *
 * (Liang et al. 2018, eq. 2, 4, 3; constants are left out.)
 */
#ifndef TOPN_TRAIN_AUTOENCODER_LIKELIHOOD_H
#define TOPN_TRAIN_AUTOENCODER_LIKELIHOOD_H

#include <stddef.h>
#include <stdint.h>

typedef enum likelihood { LIKELIHOOD_MULTINOMIAL, LIKELIHOOD_BERNOULLI, LIKELIHOOD_GAUSSIAN } likelihood;
#define LIKELIHOOD_CHOICES "multinomial|bernoulli|gaussian"

/* The negative logarithm of the likelihood of the events at `taken` [count]; scores [items] become its derivatives
 * times `scale`. */
double likelihood_row(likelihood kind, float *scores, size_t items, const uint32_t *taken, size_t count, double scale);

#endif
