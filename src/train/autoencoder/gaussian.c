/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/gaussian.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "base/vector.h"
#include "numeric/exponential.h"

/* z = μ + σ ⊙ ε. */
VECTOR_CLONES
static void put_drawn(size_t latent, const float *restrict mean, const float *restrict logs,
                      const float *restrict noise, float *restrict z)
{
    for (size_t j = 0; j < latent; j++)
        z[j] = mean[j] + noise[j] * exponential(0.5f * logs[j]);
}

/* By μ and v from those by z. */
VECTOR_CLONES
static void pull_drawn(size_t latent, const float *restrict logs, const float *restrict noise, const float *restrict dz,
                       float *restrict d_mean, float *restrict d_logs)
{
    for (size_t j = 0; j < latent; j++) {
        d_mean[j] += dz[j];
        d_logs[j] += dz[j] * noise[j] * 0.5f * exponential(0.5f * logs[j]);
    }
}

void gaussian_draw(const user_batch *batch, size_t latent, unsigned layer, const float *moments, float *noise, float *z)
{
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        const uint64_t first = (2 * batch_example(batch, n) + layer) * latent;
        const float *mean = moments + 2 * n * latent;
        if (batch->sample)
            random_normals(batch->seed, RANDOM_LATENT, first, latent, noise + n * latent);
        else
            memset(noise + n * latent, 0, latent * sizeof *noise);
        put_drawn(latent, mean, mean + latent, noise + n * latent, z + n * latent);
    }
}

void gaussian_pull(const user_batch *batch, size_t latent, const float *moments, const float *noise, const float *dz,
                   float *d)
{
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        float *to = d + 2 * n * latent;
        pull_drawn(latent, moments + (2 * n + 1) * latent, noise + n * latent, dz + n * latent, to, to + latent);
    }
}

double gaussian_divergence(size_t latent, const float *moments, double factor, float *d)
{
    const float *logs = moments + latent;
    double sum = 0;
    for (size_t j = 0; j < latent; j++) {
        const double mean = (double)moments[j], log_square = (double)logs[j], square = exp(log_square);
        sum += square + mean * mean - 1 - log_square;
        d[j] += (float)(factor * mean);
        d[latent + j] += (float)(factor * 0.5 * (square - 1));
    }
    return sum / 2;
}

double gaussian_divergence_from(size_t latent, const float *moments, const float *other, double factor, float *d,
                                float *d_other)
{
    const float *logs = moments + latent, *other_logs = other + latent;
    double sum = 0;
    for (size_t j = 0; j < latent; j++) {
        const double away = (double)moments[j] - (double)other[j], precision = exp(-(double)other_logs[j]),
                     ratio = exp((double)logs[j] - (double)other_logs[j]), square = away * away * precision;
        sum += (double)other_logs[j] - (double)logs[j] + ratio + square - 1;
        d[j] += (float)(factor * away * precision);
        d[latent + j] += (float)(factor * 0.5 * (ratio - 1));
        d_other[j] -= (float)(factor * away * precision);
        d_other[latent + j] += (float)(factor * 0.5 * (1 - ratio - square));
    }
    return sum / 2;
}
