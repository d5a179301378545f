/* SPDX-License-Identifier: Apache-2.0
 *
 * α̃ l(νŷ_i, y) + Σ_j α̃_j l(νŷ_j, 0): P2 eq. 9 and Algorithm 1, of scores times ν.
 */
#include <math.h>

#include "numeric/sums.h"
#include "train/sampled/loss.h"

static double example(const loss_setting *setting, const loss_example *one, double *d_positive, double *d_negatives)
{
    const surrogate *l = setting->surrogate;
    const double label = one->disliked ? l->negative_label : 1;
    const double nu = setting->inverse_temperature;
    double sum = one->weight * l->value(nu * one->positive, label, setting->margin, d_positive);
    *d_positive *= one->weight * nu;
    for (size_t j = 0; j < one->count; j++) {
        d_negatives[j] = 0;
        if (one->negatives[j] == -INFINITY)
            continue;
        const double weight = one->weights ? one->weights[j] : 1;
        sum += weight * l->value(nu * one->negatives[j], l->negative_label, setting->margin, &d_negatives[j]);
        d_negatives[j] *= weight * nu;
    }
    return sum;
}

static double row(const loss_setting *setting, float positive, float weight, bool disliked, size_t count, float *scores,
                  const float *log_counts, float *d_positive)
{
    (void)log_counts;
    const surrogate *l = setting->surrogate;
    const float nu = (float)setting->inverse_temperature;
    double derivative, ignored;
    const double value =
        l->value((double)(nu * positive), disliked ? l->negative_label : 1, setting->margin, &derivative) *
        (double)weight;
    *d_positive = (float)(derivative * (double)weight * (double)nu);
    if (nu != 1)
        scale_floats(scores, count, nu);
    const double negatives = l->row(0, -(float)l->negative_label, (float)setting->margin, 1, count, scores, &ignored);
    if (nu != 1)
        scale_floats(scores, count, nu);
    return value + negatives;
}

const sampled_loss sampled_loss_pointwise = {
    .name = "pointwise",
    .summary = "each item by itself: the positive's score against 1, the negatives' against 0 or −1",
    .paper = "P2 §3.1, §4.1, eq. 9",
    .takes_surrogate = true,
    .excludes_history = true, /* eq. 15: q = 0 where (c, j) ∈ S */
    .example = example,
    .row = row,
};
