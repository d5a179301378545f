/* SPDX-License-Identifier: Apache-2.0
 *
 * By users first: densities of all components, their shares, and what they pull at z. Then by components: what the
 * users pull at them, in the order of the batch.
 */
#include "train/autoencoder/vamp_prior.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/vector.h"

enum { LANES = 16, TILE = 16 /* users that go through the components together */ };

uint64_t vamp_prior_bytes(uint64_t components, uint64_t latent, uint64_t capacity)
{
    return sizeof(float) * components * (latent + 1 + capacity);
}

topn_status vamp_prior_create(topn_context *context, size_t components, size_t latent, size_t capacity, vamp_prior *out)
{
    topn_status status;
    *out = (vamp_prior){.components = components, .latent = latent};
    TRY(ALLOCATE(context, components * latent, &out->precisions));
    TRY(ALLOCATE(context, components, &out->constants));
    TRY(ALLOCATE(context, capacity * components, &out->shares));
done:
    return status;
}

void vamp_prior_clear(vamp_prior *prior)
{
    free(prior->precisions);
    free(prior->constants);
    free(prior->shares);
    *prior = (vamp_prior){0};
}

/* Σ_j (z_j − μ_j)² e^−v_j, in lanes that are added in order. */
VECTOR_CLONES
static float distance(const float *z, const float *means, const float *precisions, size_t latent)
{
    float lanes[LANES] = {0}, sum = 0.0f;
    size_t at = 0;
    for (; at + LANES <= latent; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            const float away = z[at + lane] - means[at + lane];
            lanes[lane] += away * away * precisions[at + lane];
        }
    for (; at < latent; at++)
        sum += (z[at] - means[at]) * (z[at] - means[at]) * precisions[at];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* d += factor (z − μ) ⊙ e^−v */
VECTOR_CLONES
static void pull_row(float *restrict d, float factor, const float *restrict z, const float *restrict means,
                     const float *restrict precisions, size_t latent)
{
    for (size_t j = 0; j < latent; j++)
        d[j] += factor * ((z[j] - means[j]) * precisions[j]);
}

/* d += factor/2 (1 − (z − μ)² ⊙ e^−v) */
VECTOR_CLONES
static void pull_logs(float *restrict d, float factor, const float *restrict z, const float *restrict means,
                      const float *restrict precisions, size_t latent)
{
    for (size_t j = 0; j < latent; j++)
        d[j] += 0.5f * factor * (1.0f - (z[j] - means[j]) * (z[j] - means[j]) * precisions[j]);
}

static void put_component(vamp_prior *prior, size_t k, const float *components)
{
    const size_t latent = prior->latent;
    const float *logs = components + (2 * k + 1) * latent;
    double sum = 0;
    for (size_t j = 0; j < latent; j++) {
        prior->precisions[k * latent + j] = expf(-logs[j]);
        sum += (double)logs[j];
    }
    prior->constants[k] = (float)(-sum / 2);
}

/* Densities become shares; ln of their mean. */
static double share_out(size_t count, float *densities)
{
    double most = -HUGE_VAL, sum = 0;
    for (size_t k = 0; k < count; k++)
        most = (double)densities[k] > most ? (double)densities[k] : most;
    for (size_t k = 0; k < count; k++)
        sum += exp((double)densities[k] - most);
    for (size_t k = 0; k < count; k++)
        densities[k] = (float)(exp((double)densities[k] - most) / sum);
    return most + log(sum / (double)count);
}

/* Of user n, whose shares are densities so far. */
static void pull_user(vamp_prior *prior, const vamp_users *users, size_t n, const float *components, double factor)
{
    const size_t latent = prior->latent;
    float *shares = prior->shares + n * prior->components;
    const float *logs = users->moments + (2 * n + 1) * latent, *noise = users->noise + n * latent;
    double own = 0; /* ln q(z) without ln √2π, which ln p(z) lacks, too */
    for (size_t j = 0; j < latent; j++) {
        own -= ((double)logs[j] + (double)noise[j] * (double)noise[j]) / 2;
        users->d_moments[(2 * n + 1) * latent + j] -= (float)(factor / 2);
    }
    users->divergences[n] = own - share_out(prior->components, shares);
    for (size_t k = 0; k < prior->components; k++)
        if (shares[k] > 0.0f)
            pull_row(users->dz + n * latent, (float)factor * shares[k], users->z + n * latent,
                     components + 2 * k * latent, prior->precisions + k * latent, latent);
}

static void pull_component(const vamp_prior *prior, const vamp_users *users, size_t k, const float *components,
                           double factor, float *d)
{
    const size_t latent = prior->latent;
    const float *means = components + 2 * k * latent, *precisions = prior->precisions + k * latent;
    for (size_t n = 0; n < users->count; n++) {
        const float pull = (float)factor * prior->shares[n * prior->components + k];
        if (!(pull > 0.0f))
            continue;
        pull_row(d + 2 * k * latent, -pull, users->z + n * latent, means, precisions, latent);
        pull_logs(d + (2 * k + 1) * latent, pull, users->z + n * latent, means, precisions, latent);
    }
}

void vamp_prior_divergence(vamp_prior *prior, const vamp_users *users, const float *components, double factor,
                           int threads, float *d_components)
{
    const size_t latent = prior->latent, count = prior->components, tiles = (users->count + TILE - 1) / TILE;
    (void)threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (size_t k = 0; k < count; k++)
        put_component(prior, k, components);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) if (threads > 1)
    for (size_t tile = 0; tile < tiles; tile++) {
        const size_t begin = tile * TILE, end = begin + TILE < users->count ? begin + TILE : users->count;
        for (size_t k = 0; k < count; k++)
            for (size_t n = begin; n < end; n++)
                prior->shares[n * count + k] =
                    prior->constants[k] - 0.5f * distance(users->z + n * latent, components + 2 * k * latent,
                                                          prior->precisions + k * latent, latent);
        for (size_t n = begin; n < end; n++)
            pull_user(prior, users, n, components, factor);
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 8) if (threads > 1)
    for (size_t k = 0; k < count; k++)
        pull_component(prior, users, k, components, factor, d_components);
}
