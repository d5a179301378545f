/* SPDX-License-Identifier: Apache-2.0 */
#include "study/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "study/draw.h"

enum { FLIPS = 9999, MANY = 1000 };

int statistics_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double statistics_quantile(const double *sorted, size_t count, double q)
{
    if (!count)
        return NAN;
    const double at = q * (double)(count - 1);
    const size_t below = (size_t)at;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : NAN;
}

estimate statistics_mean(const double *values, size_t count, size_t resamples, double confidence, uint64_t seed)
{
    estimate out = {mean_of(values, count), NAN, NAN};
    double *means = count ? malloc(resamples * sizeof *means) : NULL;
    if (!means)
        return out;
    for (size_t b = 0; b < resamples; b++) {
        draw_key key = draw_keyed(seed, "bootstrap", b);
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += values[(size_t)(draw_uniform(&key) * (double)count)];
        means[b] = sum / (double)count;
    }
    qsort(means, resamples, sizeof *means, statistics_ascending);
    out.low = statistics_quantile(means, resamples, (1 - confidence) / 2);
    out.high = statistics_quantile(means, resamples, (1 + confidence) / 2);
    free(means);
    return out;
}

double statistics_sign_flip(const double *differences, size_t count, uint64_t seed)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += differences[i];
        squares += differences[i] * differences[i];
    }
    if (!(squares > 0))
        return 1;
    if (count >= MANY)
        return erfc(fabs(sum) / sqrt(2 * squares));
    /* A flip that gives back the same sum up to rounding is as extreme. */
    const double bound = fabs(sum) * (1 - 1e-12);
    size_t extreme = 0;
    for (size_t flip = 0; flip < FLIPS; flip++) {
        draw_key key = draw_keyed(seed, "sign flip", flip);
        double flipped = 0;
        for (size_t i = 0; i < count; i++)
            flipped += draw_uniform(&key) < 0.5 ? differences[i] : -differences[i];
        extreme += fabs(flipped) >= bound;
    }
    /* With none so extreme, p is below what so many flips can tell; many comparisons need to know how far. Of all flips
     * no more than 2·exp(−t²/2) are, t = |sum|/√squares (Hoeffding 1963, Theorem 2). */
    return extreme ? (double)(extreme + 1) / (FLIPS + 1) : fmin(1.0 / (FLIPS + 1), 2 * exp(-sum * sum / (2 * squares)));
}

typedef struct ranked {
    double p;
    size_t place;
} ranked;

static int by_p(const void *a, const void *b)
{
    const ranked *first = a, *second = b;
    return first->p != second->p ? (first->p > second->p) - (first->p < second->p)
                                 : (first->place > second->place) - (first->place < second->place);
}

void statistics_holm(double *p, size_t count)
{
    ranked *order = malloc((count + 1) * sizeof *order);
    double largest = 0;
    for (size_t i = 0; order && i < count; i++)
        order[i] = (ranked){p[i], i};
    if (order)
        qsort(order, count, sizeof *order, by_p);
    for (size_t rank = 0; rank < count; rank++) {
        if (!order) { /* no memory: Bonferroni, which is no smaller */
            p[rank] = fmin(1, p[rank] * (double)count);
            continue;
        }
        largest = fmax(largest, fmin(1, order[rank].p * (double)(count - rank)));
        p[order[rank].place] = largest;
    }
    free(order);
}
