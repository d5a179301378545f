/* SPDX-License-Identifier: Apache-2.0
 *
 * Means with intervals and paired tests over users, all drawn by key: the same numbers on every machine.
 */
#ifndef TOPN_STUDY_STATISTICS_H
#define TOPN_STUDY_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

typedef struct estimate {
    double mean, low, high;
} estimate;

/* Percentile bootstrap over values [count], `resamples` ≥ 1 times. */
estimate statistics_mean(const double *values, size_t count, size_t resamples, double confidence, uint64_t seed);
/* Two-sided p of a paired sign-flip test that the differences [count] have mean 0: for few users 9 999 random flips
 * (p = (1 + as extreme ones) / 10 000), for 1 000 and more their normal limit, Σd / √Σd². */
double statistics_sign_flip(const double *differences, size_t count, uint64_t seed);
/* Holm's step-down correction (1979) in place: p [count]. */
void statistics_holm(double *p, size_t count);
/* values [count] sorted ascending → the q-quantile, linear between neighbours. */
double statistics_quantile(const double *sorted, size_t count, double q);
/* Ascending, for qsort. */
int statistics_ascending(const void *a, const void *b);

#endif
