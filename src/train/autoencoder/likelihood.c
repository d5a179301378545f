/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over items are in 16 lanes that are added in order at the end: vector code, and the same bits whatever the width
 * of the vectors.
 */
#include "train/autoencoder/likelihood.h"

#include <math.h>

#include "base/vector.h"
#include "numeric/exponential.h"
#include "numeric/softmax.h"

enum { LANES = 16 };
static const double MOST_SHARE = 1e12; /* of an event where a factor is left out: sums of them are far from ∞ */

/* scores become scale·σ(s); Σ ln(1 + e^s). */
VECTOR_CLONES
static double bernoulli_scores(float *scores, size_t items, float scale)
{
    double lanes[LANES] = {0}, sum = 0;
    for (size_t begin = 0; begin < items; begin += LANES) {
        const size_t left = items - begin, count = left < LANES ? left : LANES;
        for (size_t lane = 0; lane < count; lane++) {
            const float s = scores[begin + lane], away = exponential(s > 0.0f ? -s : s); /* e^−|s| */
            lanes[lane] += (double)((s > 0.0f ? s : 0.0f) + log_one_plus(away));
            scores[begin + lane] = scale * ((s > 0.0f ? 1.0f : away) / (1.0f + away));
        }
    }
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* scores become scale·s; ½ Σ s². */
VECTOR_CLONES
static double gaussian_scores(float *scores, size_t items, float scale)
{
    double lanes[LANES] = {0}, sum = 0;
    for (size_t begin = 0; begin < items; begin += LANES) {
        const size_t left = items - begin, count = left < LANES ? left : LANES;
        for (size_t lane = 0; lane < count; lane++) {
            const float s = scores[begin + lane];
            lanes[lane] += (double)s * (double)s;
            scores[begin + lane] = scale * s;
        }
    }
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum / 2;
}

likelihood_piece likelihood_begin(likelihood kind, float *scores, const float *biases, size_t items, size_t first,
                                  const uint32_t *taken, size_t count, double scale)
{
    const float most = softmax_add(scores, biases, items);
    likelihood_piece piece = {.factor = 1.0f};
    for (size_t at = 0; at < count; at++)
        piece.along += (double)scores[taken[at] - first];
    switch (kind) {
    case LIKELIHOOD_MULTINOMIAL:
        piece.most = most;
        piece.sum = softmax_raise(scores, items, most);
        break;
    case LIKELIHOOD_BERNOULLI:
        piece.sum = bernoulli_scores(scores, items, (float)scale);
        break;
    case LIKELIHOOD_GAUSSIAN:
        piece.sum = gaussian_scores(scores, items, (float)scale) + (double)count / 2;
        break;
    }
    return piece;
}

double likelihood_join(likelihood kind, likelihood_piece *pieces, size_t count, size_t events, double scale)
{
    double along = 0, sum = 0, most = -INFINITY;
    for (size_t at = 0; at < count; at++) {
        along += pieces[at].along;
        most = (double)pieces[at].most > most ? (double)pieces[at].most : most;
    }
    if (kind != LIKELIHOOD_MULTINOMIAL) {
        for (size_t at = 0; at < count; at++)
            sum += pieces[at].sum;
        return sum - along;
    }
    for (size_t at = 0; at < count; at++)
        sum += pieces[at].sum * exp((double)pieces[at].most - most);
    for (size_t at = 0; at < count; at++)
        pieces[at].factor = (float)(scale * (double)events / sum * exp((double)pieces[at].most - most));
    return (double)events * (most + log(sum)) - along;
}

void likelihood_end(const likelihood_piece *piece, float *scores, size_t items, size_t first, const uint32_t *taken,
                    size_t count, double scale)
{
    if (piece->factor != 1.0f)
        softmax_scale(scores, items, piece->factor);
    for (size_t at = 0; at < count; at++)
        scores[taken[at] - first] -= (float)scale;
}

float likelihood_end_but_factor(const likelihood_piece *piece, float *scores, size_t items, size_t first,
                                const uint32_t *taken, size_t count, double scale)
{
    const double share = scale / (double)piece->factor;
    if (share > MOST_SHARE) {
        likelihood_end(piece, scores, items, first, taken, count, scale);
        return 1.0f;
    }
    for (size_t at = 0; at < count; at++)
        scores[taken[at] - first] -= (float)share;
    return piece->factor;
}

double likelihood_row(likelihood kind, float *scores, const float *biases, size_t items, const uint32_t *taken,
                      size_t count, double scale)
{
    likelihood_piece piece = likelihood_begin(kind, scores, biases, items, 0, taken, count, scale);
    const double loss = likelihood_join(kind, &piece, 1, count, scale);
    likelihood_end(&piece, scores, items, 0, taken, count, scale);
    return loss;
}
