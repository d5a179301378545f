/* SPDX-License-Identifier: Apache-2.0
 *
 * The VampPrior (Tomczak, Welling 2018, eq. 9): a mixture, in equal shares, of what the encoder says of K learned
 * pseudo-inputs,
 *
 *   p(z) = 1/K Σ_k N(z; μ_k, σ_k²)
 *
 * and the divergence ln q(z) − ln p(z) at the drawn z, whose mean over draws is the Kullback–Leibler divergence of the
 * encoder's N(μ, σ²) from it. Rows of moments are [μ | v] of L values each, v = ln σ².
 */
#ifndef TOPN_TRAIN_AUTOENCODER_VAMP_PRIOR_H
#define TOPN_TRAIN_AUTOENCODER_VAMP_PRIOR_H

#include "base/context.h"

typedef struct vamp_prior {
    size_t components, latent; /* K, L */
    float *precisions;         /* [K × L] e^−v_k */
    float *constants;          /* [K] −½ Σ_j v_kj */
    float *shares;             /* [capacity × K] a component's share of p(z) */
    float *panels; /* μ and e^−v of some components at a time, value by value, so that lanes are components; else 0 */
} vamp_prior;

/* For at most `capacity` users at a time. */
topn_status vamp_prior_create(topn_context *context, size_t components, size_t latent, size_t capacity,
                              vamp_prior *out);
void vamp_prior_clear(vamp_prior *prior);
uint64_t vamp_prior_bytes(uint64_t components, uint64_t latent, uint64_t capacity);

/* Users whose z were drawn by z = μ + σ ⊙ ε. */
typedef struct vamp_users {
    size_t count;
    const float *moments;   /* [count × 2L] */
    const float *noise, *z; /* [count × L] ε and z */
    double *divergences;    /* [count] out */
    float *dz;              /* [count × L] */
    float *d_moments;       /* [count × 2L] */
} vamp_users;

/* The divergences; and factor times the derivatives of their sum is added to dz, to d_moments (where z is held) and to
 * d_components [K × 2L], those by the components' moments. O(count·K·L); the same bits at any number of threads. */
void vamp_prior_divergence(vamp_prior *prior, const vamp_users *users, const float *components, double factor,
                           int threads, float *d_components);

#endif
