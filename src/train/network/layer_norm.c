/* SPDX-License-Identifier: Apache-2.0 */
#include "train/network/layer_norm.h"

#include <math.h>

#include "base/vector.h"
#include "model/network_layers.h"

enum { LANES = 16 };

/* Sums in lanes that are added in order: vector code, and the same bits whatever the width of the vectors. */
static double sum_lanes(const double lanes[LANES])
{
    double sum = 0.0;
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

/* Σ a, and Σ (a − mean)². */
VECTOR_CLONES
static double sum_row(size_t count, const float *a)
{
    double lanes[LANES] = {0};
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)a[at + lane];
    for (size_t lane = 0; at < count; at++, lane++)
        lanes[lane] += (double)a[at];
    return sum_lanes(lanes);
}

VECTOR_CLONES
static double sum_squares(size_t count, const float *a, double mean)
{
    double lanes[LANES] = {0};
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += ((double)a[at + lane] - mean) * ((double)a[at + lane] - mean);
    for (size_t lane = 0; at < count; at++, lane++)
        lanes[lane] += ((double)a[at] - mean) * ((double)a[at] - mean);
    return sum_lanes(lanes);
}

/* Σ a b. */
VECTOR_CLONES
static double sum_products(size_t count, const float *a, const float *b)
{
    double lanes[LANES] = {0};
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)a[at + lane] * (double)b[at + lane];
    for (size_t lane = 0; at < count; at++, lane++)
        lanes[lane] += (double)a[at] * (double)b[at];
    return sum_lanes(lanes);
}

VECTOR_CLONES
static void put_normal(size_t count, const float *restrict gain, const float *restrict shift, double mean,
                       float inverse, float *restrict h, float *restrict unit)
{
    for (size_t at = 0; at < count; at++) {
        unit[at] = (float)((double)h[at] - mean) * inverse;
        h[at] = gain[at] * unit[at] + shift[at];
    }
}

VECTOR_CLONES
static void put_products(size_t width, const float *restrict a, const float *restrict b, float *restrict to)
{
    for (size_t at = 0; at < width; at++)
        to[at] = a[at] * b[at];
}

void layer_norm(size_t count, const float *gain, const float *shift, float *h, float *unit, float *inverse)
{
    const double mean = sum_row(count, h) / (double)count, squares = sum_squares(count, h, mean);
    *inverse = (float)(1.0 / sqrt(squares / (double)count + LAYER_NORM_EPSILON));
    put_normal(count, gain, shift, mean, *inverse, h, unit);
}

VECTOR_CLONES
static void put_unit_pull(size_t count, const float *restrict unit, double mean, double along, double inverse,
                          float *restrict da)
{
    for (size_t at = 0; at < count; at++)
        da[at] = (float)(((double)da[at] - mean - (double)unit[at] * along) * inverse);
}

void layer_norm_backward(size_t count, const float *gain, const float *dh, const float *unit, float inverse, float *da)
{
    put_products(count, dh, gain, da);
    const double mean = sum_row(count, da) / (double)count, along = sum_products(count, da, unit) / (double)count;
    put_unit_pull(count, unit, mean, along, (double)inverse, da);
}
