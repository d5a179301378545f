/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/composite_prior.h"

#include <math.h>

enum { STANDARD, OLD, WIDE, COMPONENTS };

/* Shares 3/20, 3/4, 1/10; ln σ² of the wide one is 10. */
static const double log_shares[COMPONENTS] = {-1.8971199848858813, -0.2876820724517809, -2.3025850929940455};
static const double wide_log_square = 10, wide_precision = 4.5399929762484854e-05;

/* ln p(z) without ln √2π, and its derivative. */
static double log_mixture(double z, double old_mean, double old_log_square, double *slope)
{
    const double means[COMPONENTS] = {0, old_mean, 0}, logs[COMPONENTS] = {0, old_log_square, wide_log_square};
    const double precisions[COMPONENTS] = {1, exp(-old_log_square), wide_precision};
    double terms[COMPONENTS], most = -INFINITY, sum = 0, along = 0;
    for (int k = 0; k < COMPONENTS; k++) {
        const double away = z - means[k];
        terms[k] = log_shares[k] - 0.5 * (logs[k] + away * away * precisions[k]);
        most = terms[k] > most ? terms[k] : most;
    }
    for (int k = 0; k < COMPONENTS; k++) {
        const double weight = exp(terms[k] - most);
        sum += weight;
        along -= weight * (z - means[k]) * precisions[k];
    }
    *slope = along / sum;
    return most + log(sum);
}

double composite_divergence(size_t latent, const float *moments, const float *old, const float *noise, const float *z,
                            double factor, float *dz, float *d)
{
    const float *logs = moments + latent, *old_logs = old + latent;
    double sum = 0;
    for (size_t j = 0; j < latent; j++) {
        const double e = (double)noise[j];
        double slope;
        /* ln q(z) = −(ln σ² + ε²)/2 without ln √2π: by z = μ + σε it changes with σ alone. */
        sum +=
            -0.5 * ((double)logs[j] + e * e) - log_mixture((double)z[j], (double)old[j], (double)old_logs[j], &slope);
        dz[j] -= (float)(factor * slope);
        d[latent + j] -= (float)(factor * 0.5);
    }
    return sum;
}
