/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/sums.h"

#include "base/vector.h"

enum { LANES = 16 };

VECTOR_CLONES
double sum_floats(const float *values, size_t count)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)values[at + lane];
    for (size_t lane = 0; at < count; at++, lane++)
        lanes[lane] += (double)values[at];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

VECTOR_CLONES
double sum_doubles(const double *values, size_t count)
{
    double lanes[LANES] = {0}, sum = 0;
    size_t at = 0;
    for (; at + LANES <= count; at += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += values[at + lane];
    for (size_t lane = 0; at < count; at++, lane++)
        lanes[lane] += values[at];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum;
}

VECTOR_CLONES
double sum_products(const float *restrict a, const float *restrict b, size_t count)
{
    double lanes[2 * LANES] = {0}, sum = 0;
    size_t at = 0;
    for (; at + 2 * LANES <= count; at += 2 * LANES)
        for (size_t lane = 0; lane < 2 * LANES; lane++)
            lanes[lane] += (double)a[at + lane] * (double)b[at + lane];
    for (; at < count; at++)
        sum += (double)a[at] * (double)b[at];
    for (size_t lane = 0; lane < 2 * LANES; lane++)
        sum += lanes[lane];
    return sum;
}

VECTOR_CLONES
void scale_floats(float *values, size_t count, float factor)
{
    for (size_t j = 0; j < count; j++)
        values[j] *= factor;
}
