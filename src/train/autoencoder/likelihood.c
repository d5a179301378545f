/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums over items are in 16 lanes that are added in order at the end: vector code, and the same bits whatever the width
 * of the vectors.
 */
#include "train/autoencoder/likelihood.h"

#include <math.h>

#include "base/vector.h"
#include "numeric/exponential.h"

enum { LANES = 16 };

VECTOR_CLONES
static float largest_score(const float *scores, size_t items)
{
    float lanes[LANES], most;
    size_t at = 0;
    for (size_t lane = 0; lane < LANES; lane++)
        lanes[lane] = -INFINITY;
    for (; at + LANES <= items; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] = scores[at + lane] > lanes[lane] ? scores[at + lane] : lanes[lane];
    most = at < items ? scores[at] : lanes[0];
    for (; at < items; at++)
        most = scores[at] > most ? scores[at] : most;
    for (size_t lane = 0; lane < LANES; lane++)
        most = lanes[lane] > most ? lanes[lane] : most;
    return most;
}

/* As raise_scores; few enough for sums in single precision. */
VECTOR_CLONES
static double raise_few(float *scores, size_t items, float most)
{
    float lanes[LANES] = {0};
    double sum = 0;
    size_t at = 0;
    for (; at + LANES <= items; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            scores[at + lane] = exponential(scores[at + lane] - most);
            lanes[lane] += scores[at + lane];
        }
    for (size_t lane = 0; at < items; at++, lane++) {
        scores[at] = exponential(scores[at] - most);
        lanes[lane] += scores[at];
    }
    for (size_t lane = 0; lane < LANES; lane++)
        sum += (double)lanes[lane];
    return sum;
}

/* scores become e^(s − most); their sum. */
static double raise_scores(float *scores, size_t items, float most)
{
    enum { FEW = 32 * LANES };
    double sum = 0;
    for (size_t at = 0; at < items; at += FEW)
        sum += raise_few(scores + at, items - at < FEW ? items - at : FEW, most);
    return sum;
}

VECTOR_CLONES
static void scale_scores(float *scores, size_t items, float factor)
{
    for (size_t at = 0; at < items; at++)
        scores[at] *= factor;
}

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

likelihood_piece likelihood_begin(likelihood kind, float *scores, size_t items, size_t first, const uint32_t *taken,
                                  size_t count, double scale)
{
    likelihood_piece piece = {.factor = 1.0f};
    for (size_t at = 0; at < count; at++)
        piece.along += (double)scores[taken[at] - first];
    switch (kind) {
    case LIKELIHOOD_MULTINOMIAL:
        piece.most = largest_score(scores, items);
        piece.sum = raise_scores(scores, items, piece.most);
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
        scale_scores(scores, items, piece->factor);
    for (size_t at = 0; at < count; at++)
        scores[taken[at] - first] -= (float)scale;
}

double likelihood_row(likelihood kind, float *scores, size_t items, const uint32_t *taken, size_t count, double scale)
{
    likelihood_piece piece = likelihood_begin(kind, scores, items, 0, taken, count, scale);
    const double loss = likelihood_join(kind, &piece, 1, count, scale);
    likelihood_end(&piece, scores, items, 0, taken, count, scale);
    return loss;
}
