/* SPDX-License-Identifier: Apache-2.0
 *
 * α̃ Σ_j α̃_j l(ν(ŷ_i − ŷ_j), 1): P2 eq. 11 and Algorithm 2, of scores times ν (cosines have no length that could absorb
 * it).
 */
#include <math.h>

#include "numeric/sums.h"
#include "train/sampled/loss.h"

static double example(const loss_setting *setting, const loss_example *one, double *d_positive, double *d_negatives)
{
    const double nu = setting->inverse_temperature;
    double sum = 0;
    *d_positive = 0;
    for (size_t j = 0; j < one->count; j++) {
        d_negatives[j] = 0;
        if (one->negatives[j] == -INFINITY)
            continue;
        const double weight = one->weight * (one->weights ? one->weights[j] : 1);
        double derivative;
        sum += weight *
               setting->surrogate->value(nu * (one->positive - one->negatives[j]), 1, setting->margin, &derivative);
        *d_positive += weight * nu * derivative;
        d_negatives[j] = -weight * nu * derivative;
    }
    return sum;
}

static double row(const loss_setting *setting, float positive, float weight, bool disliked, size_t count, float *scores,
                  const float *log_counts, float *d_positive)
{
    (void)disliked, (void)log_counts;
    const float nu = (float)setting->inverse_temperature;
    double derivatives;
    if (nu != 1)
        scale_floats(scores, count, nu);
    const double value =
        setting->surrogate->row(nu * positive, 1, (float)setting->margin, weight, count, scores, &derivatives);
    *d_positive = (float)(-(double)nu * derivatives);
    if (nu != 1)
        scale_floats(scores, count, nu);
    return (double)weight * value;
}

const sampled_loss sampled_loss_pairwise = {
    .name = "pairwise",
    .summary = "the positive's score against each negative's",
    .paper = "P2 §3.2, §4.2, eq. 11",
    .takes_surrogate = true,
    .excludes_history = true, /* pairs (i, j) with (c, i) ∈ S, (c, j) ∉ S */
    .example = example,
    .row = row,
};
