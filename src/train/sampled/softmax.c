/* SPDX-License-Identifier: Apache-2.0
 *
 * α̃ [−νŷ_i + ln(exp νŷ_i + Σ_j exp(νŷ_j − ln m·q_j))]: P2 eq. 14 and 19, Algorithm 3.
 *
 *   a_0 = νŷ_i, a_j = νŷ_j − ln m·q_j   the corrected scores
 *   top = max a                          what they are taken relative to, so that no power overflows
 *   p = exp(a − top)/Σ exp(a − top)      value α̃ [top − a_0 + ln Σ exp(a − top)], derivatives α̃ν (p_j − δ_j0)
 *
 * The positive's derivative is made from the negatives', −α̃ν Σ_j p_j, and not as p_0 − 1, which would cancel.
 */
#include <float.h>
#include <math.h>

#include "base/vector.h"
#include "numeric/exponential.h"
#include "numeric/sums.h"
#include "train/sampled/loss.h"

static double corrected(const loss_setting *setting, const loss_example *one, size_t j)
{
    return setting->inverse_temperature * one->negatives[j] - (one->log_counts ? one->log_counts[j] : 0);
}

static double example(const loss_setting *setting, const loss_example *one, double *d_positive, double *d_negatives)
{
    const double nu = setting->inverse_temperature, own = nu * one->positive;
    double top = own, others = 0; /* others: Σ exp(a − top) but for the one term at the top, which is 1 */
    size_t top_at = one->count;   /* count: the positive */
    for (size_t j = 0; j < one->count; j++)
        if (corrected(setting, one, j) > top) {
            top = corrected(setting, one, j);
            top_at = j;
        }
    for (size_t j = 0; j < one->count; j++) {
        d_negatives[j] = exp(corrected(setting, one, j) - top);
        if (j != top_at)
            others += d_negatives[j];
    }
    if (top_at != one->count)
        others += exp(own - top);
    *d_positive = 0;
    for (size_t j = 0; j < one->count; j++) {
        d_negatives[j] *= one->weight * nu / (1 + others);
        *d_positive -= d_negatives[j];
    }
    return one->weight * (top - own + log1p(others));
}

/* scores become νs − log_counts; returns the largest. */
VECTOR_CLONES
static float correct_row(float nu, size_t count, float *restrict scores, const float *restrict log_counts)
{
    enum { LANES = 16 };
    const float bound = FLT_MAX / 4; /* differences stay finite */
    float tops[LANES], top = -INFINITY;
    if (log_counts)
        for (size_t j = 0; j < count; j++) {
            const float score = nu * scores[j] - log_counts[j];
            scores[j] = score > bound ? bound : score;
        }
    else
        for (size_t j = 0; j < count; j++)
            scores[j] = nu * scores[j] > bound ? bound : nu * scores[j];
    for (size_t lane = 0; lane < LANES; lane++)
        tops[lane] = -INFINITY;
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            tops[lane] = scores[at + lane] > tops[lane] ? scores[at + lane] : tops[lane];
    for (; at < count; at++)
        top = scores[at] > top ? scores[at] : top;
    for (size_t lane = 0; lane < LANES; lane++)
        top = tops[lane] > top ? tops[lane] : top;
    return top;
}

VECTOR_CLONES
static void powers(float top, size_t count, float *restrict scores)
{
    for (size_t j = 0; j < count; j++)
        scores[j] = exponential(scores[j] - top);
}

static double row(const loss_setting *setting, float positive, float weight, bool disliked, size_t count, float *scores,
                  const float *log_counts, float *d_positive)
{
    (void)disliked;
    const float nu = (float)setting->inverse_temperature, bound = FLT_MAX / 4;
    const float own = nu * positive > bound ? bound : nu * positive < -bound ? -bound : nu * positive;
    const float largest = correct_row(nu, count, scores, log_counts), top = largest > own ? largest : own;
    powers(top, count, scores);
    const double negatives = sum_floats(scores, count), own_power = exp((double)own - (double)top);
    const double total = negatives + own_power;
    scale_floats(scores, count, (float)((double)(weight * nu) / total));
    *d_positive = (float)(-(double)(weight * nu) * (negatives / total));
    /* The terms but for one at the top, so that a loss near 0 keeps its digits. */
    return (double)weight * ((double)top - (double)own + log1p(top > own ? total - 1 : negatives));
}

const sampled_loss sampled_loss_softmax = {
    .name = "softmax",
    .summary = "−ln of the positive's share of exp(score) among itself and the negatives, corrected by how often "
               "each is drawn",
    .paper = "P2 §3.3, §4.3, eq. 14, 19",
    .corrected = true,
    .example = example,
    .row = row,
};
