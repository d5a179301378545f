/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums are in 16 lanes that are added in order at the end.
 */
#include "numeric/softmax.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/vector.h"
#include "numeric/exponential.h"

enum { LANES = 16, FEW = 32 * LANES /* numbers whose sum is in single precision */ };

/* Floats and whole numbers in the same order; −0 before 0. Its own inverse. */
static inline int32_t order_of(int32_t bits)
{
    return bits ^ (bits >> 31 & INT32_MAX);
}

/* By whole numbers: compilers make vectors of their maxima alone. */
VECTOR_CLONES
float softmax_add(float *restrict scores, const float *restrict biases, size_t count)
{
    const float none = -INFINITY;
    float largest;
    int32_t most, bits;
    memcpy(&bits, &none, sizeof bits);
    most = order_of(bits);
    for (size_t at = 0; at < count; at++) {
        scores[at] += biases[at];
        memcpy(&bits, &scores[at], sizeof bits);
        const int32_t place = order_of(bits);
        most = place > most ? place : most;
    }
    bits = order_of(most);
    memcpy(&largest, &bits, sizeof largest);
    return largest;
}

VECTOR_CLONES
static double raise_few(float *scores, size_t count, float most)
{
    float lanes[LANES] = {0};
    double sum = 0;
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++) {
            scores[at + lane] = exponential(scores[at + lane] - most);
            lanes[lane] += scores[at + lane];
        }
    for (size_t lane = 0; at < count; at++, lane++) {
        scores[at] = exponential(scores[at] - most);
        lanes[lane] += scores[at];
    }
    for (size_t lane = 0; lane < LANES; lane++)
        sum += (double)lanes[lane];
    return sum;
}

double softmax_raise(float *scores, size_t count, float most)
{
    double sum = 0;
    for (size_t at = 0; at < count; at += FEW)
        sum += raise_few(scores + at, count - at < FEW ? count - at : FEW, most);
    return sum;
}

VECTOR_CLONES
void softmax_scale(float *scores, size_t count, float factor)
{
    for (size_t at = 0; at < count; at++)
        scores[at] *= factor;
}
