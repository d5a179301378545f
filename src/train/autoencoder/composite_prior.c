/* SPDX-License-Identifier: Apache-2.0
 *
 * Value by value without calls or branches, so that loops become vector code.
 */
#include "train/autoencoder/composite_prior.h"

#include "base/vector.h"
#include "numeric/exponential.h"

enum { PIECE = 64 };

/* Logarithms of the shares 3/20, 3/4, 1/10; ln σ² of the wide one is 10. */
static const float standard_share = -1.8971199848858813f, old_share = -0.2876820724517809f,
                   wide_share = -2.3025850929940455f - 5.0f, wide_precision = 4.5399929762484854e-05f;

static inline float larger(float a, float b)
{
    return choose_float(a > b, a, b);
}

/* ln x for x from 1 to 3. */
static inline float logarithm_of_three(float x)
{
    const float over = x - 1.0f;
    return choose_float(over > 1.0f, 0.693147181f + log_one_plus((over - 1.0f) * 0.5f), log_one_plus(over));
}

/* ln p(z) of each value without ln √2π, and its derivative by z. */
VECTOR_CLONES
static void put_mixture(size_t count, const float *restrict z, const float *restrict old,
                        const float *restrict old_logs, float *restrict logs, float *restrict slopes)
{
    for (size_t j = 0; j < count; j++) {
        const float away = z[j] - old[j], precision = exponential(-old_logs[j]);
        const float a = standard_share - 0.5f * (z[j] * z[j]),
                    b = old_share - 0.5f * (old_logs[j] + away * away * precision),
                    c = wide_share - 0.5f * (z[j] * z[j] * wide_precision), most = larger(a, larger(b, c));
        const float of_a = exponential(a - most), of_b = exponential(b - most), of_c = exponential(c - most),
                    sum = of_a + of_b + of_c;
        logs[j] = most + logarithm_of_three(sum);
        slopes[j] = -(of_a * z[j] + of_b * away * precision + of_c * z[j] * wide_precision) / sum;
    }
}

double composite_divergence(size_t latent, const float *moments, const float *old, const float *noise, const float *z,
                            double factor, float *dz, float *d)
{
    double sum = 0;
    for (size_t begin = 0; begin < latent; begin += PIECE) {
        const size_t left = latent - begin, count = left < PIECE ? left : PIECE;
        float logs[PIECE], slopes[PIECE];
        put_mixture(count, z + begin, old + begin, old + latent + begin, logs, slopes);
        for (size_t at = 0; at < count; at++) {
            const size_t j = begin + at;
            const double e = (double)noise[j];
            /* ln q(z) = −(ln σ² + ε²)/2 without ln √2π: by z = μ + σε it changes with σ alone. */
            sum += -0.5 * ((double)moments[latent + j] + e * e) - (double)logs[at];
            dz[j] -= (float)factor * slopes[at];
            d[latent + j] -= (float)(factor * 0.5);
        }
    }
    return sum;
}
