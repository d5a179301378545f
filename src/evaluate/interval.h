/* SPDX-License-Identifier: Apache-2.0
 *
 * Uncertainty over users: percentile bootstrap intervals and the sign-flip test. The numbers depend on the context's
 * seed alone, never on the thread count.
 */
#ifndef TOPN_EVALUATE_INTERVAL_H
#define TOPN_EVALUATE_INTERVAL_H

#include "base/context.h"

/* Percentile interval (Efron 1979) of the mean over users for each column of values [users × columns], from `samples`
 * ≥ 1 resamples of all users with replacement, the same ones for every column. counts [users] or NULL: values are sums
 * over so many cases of the user, and the mean is over cases (a cluster bootstrap). Between two order statistics the
 * quantile is interpolated linearly. low, high [columns]. O(samples × (users × columns + log samples)). */
topn_status bootstrap_interval(topn_context *context, const double *values, const double *counts, size_t users,
                               size_t columns, size_t samples, double confidence, double *low, double *high);

/* Two-sided sign-flip (permutation) test that the mean of differences [users] is 0: (1 + sign patterns at least as
 * extreme as the observed one) / (1 + flips), over `flips` random patterns. */
topn_status sign_flip_test(topn_context *context, const double *differences, size_t users, size_t flips,
                           double *p_value);

#endif
