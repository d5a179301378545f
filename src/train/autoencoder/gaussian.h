/* SPDX-License-Identifier: Apache-2.0
 *
 * Latent values that are Gaussian with a diagonal covariance: drawn as z = μ + σ ⊙ ε with ε standard normal, so that
 * derivatives go through them (Kingma, Welling 2014; Rezende et al. 2014). v stands for ln σ².
 */
#ifndef TOPN_TRAIN_AUTOENCODER_GAUSSIAN_H
#define TOPN_TRAIN_AUTOENCODER_GAUSSIAN_H

#include "train/autoencoder/user_batch.h"

/* z [count × L] and ε (same) from [μ | v] in rows of 2L; ε is drawn by (seed, number of the example), 0 where the batch
 * does not sample. layer: which latent layer, 0 or 1. */
void gaussian_draw(const user_batch *batch, size_t latent, unsigned layer, const float *moments, float *noise,
                   float *z);
/* d [count × 2L] += derivatives by μ and v of what has the derivatives dz by z. */
void gaussian_pull(const user_batch *batch, size_t latent, const float *moments, const float *noise, const float *dz,
                   float *d);
/* KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ_j (σ_j² + μ_j² − 1 − v_j) of one row of moments; d [2L] += factor times its derivatives.
 */
double gaussian_divergence(size_t latent, const float *moments, double factor, float *d);
/* The same from another Gaussian N(μ', σ'²) in place of the standard one: ½ Σ_j (v'_j − v_j + (σ_j² + (μ_j −
 * μ'_j)²)/σ'_j² − 1); d_other [2L] += factor times the derivatives by its moments. */
double gaussian_divergence_from(size_t latent, const float *moments, const float *other, double factor, float *d,
                                float *d_other);

#endif
