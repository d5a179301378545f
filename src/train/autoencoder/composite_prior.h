/* SPDX-License-Identifier: Apache-2.0
 *
 * RecVAE's prior of the latent values of a user (Shenbin et al. 2020, §3.3): value by value a mixture of
 *
 *   3/20 N(0, 1)   3/4 N(μ_old, σ_old²), the encoder's answer as it was when the sweep began   1/10 N(0, e^10)
 *
 * and the divergence ln q(z) − ln p(z) at the drawn z, whose mean over draws is the Kullback–Leibler divergence. (The
 * three shares are those of the paper's published program; they add up to 1.)
 */
#ifndef TOPN_TRAIN_AUTOENCODER_COMPOSITE_PRIOR_H
#define TOPN_TRAIN_AUTOENCODER_COMPOSITE_PRIOR_H

#include <stddef.h>

/* Of one user; moments and old [2L] are [μ | ln σ²], noise and z [L]. dz [L] and d [2L] += factor times the derivatives
 * by z and, where z is held, by the moments. */
double composite_divergence(size_t latent, const float *moments, const float *old, const float *noise, const float *z,
                            double factor, float *dz, float *d);

#endif
