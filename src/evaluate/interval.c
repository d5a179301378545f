/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/interval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

/* Resamples between two calls of the progress callback, per thread. */
enum { ROUND = 32 };

/* Mean of every column over one resample of the users, written to mean[column × stride]. Philox gives four indices a
 * call. */
static void resample(uint64_t seed, size_t sample, const double *values, const double *counts, size_t users,
                     size_t columns, size_t stride, double *sums, double *mean)
{
    const uint64_t calls = (users + 3) / 4;
    uint32_t words[4];
    double total = 0;
    memset(sums, 0, columns * sizeof *sums);
    for (size_t draw = 0; draw < users; draw++) {
        if (draw % 4 == 0)
            random_block(seed, RANDOM_BOOTSTRAP, sample * calls + draw / 4, words);
        const size_t user = (size_t)((uint64_t)words[draw % 4] * users >> 32);
        const double *row = values + user * columns;
        total += counts ? counts[user] : 1;
        for (size_t column = 0; column < columns; column++)
            sums[column] += row[column];
    }
    for (size_t column = 0; column < columns; column++)
        mean[column * stride] = sums[column] / total;
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Quantile of ascending values, linear between neighbours. */
static double quantile(const double *values, size_t count, double share)
{
    const double place = share * (double)(count - 1);
    const size_t below = (size_t)place;
    if (below + 1 >= count)
        return values[count - 1];
    return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}

topn_status bootstrap_interval(topn_context *context, const double *values, const double *counts, size_t users,
                               size_t columns, size_t samples, double confidence, double *low, double *high)
{
    topn_status status;
    double *means = NULL; /* [columns × samples] */
    double *sums = NULL;  /* [round × columns], scratch of each resample under way */
    const size_t round = (size_t)context->threads * ROUND;
    TRY(ALLOCATE(context, columns * samples, &means));
    TRY(ALLOCATE(context, round * columns, &sums));
    for (size_t first = 0; first < samples; first += round) {
        const size_t last = first + round < samples ? first + round : samples;
        TRY(progress_report(context, "bootstrap", "samples", first, samples, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(static)
        for (size_t sample = first; sample < last; sample++)
            resample(context->seed, sample, values, counts, users, columns, samples, sums + (sample - first) * columns,
                     means + sample);
    }
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t column = 0; column < columns; column++) {
        double *sorted = means + column * samples;
        qsort(sorted, samples, sizeof *sorted, by_value);
        low[column] = quantile(sorted, samples, (1 - confidence) / 2);
        high[column] = quantile(sorted, samples, (1 + confidence) / 2);
    }
    TRY(progress_report(context, "bootstrap", "samples", samples, samples, NAN));
done:
    free(means);
    free(sums);
    return status;
}

/* Sum of the differences under one random pattern of signs; Philox gives 128 signs a call. */
static double flipped_sum(uint64_t seed, size_t flip, const double *differences, size_t users)
{
    const uint64_t calls = (users + 127) / 128;
    uint32_t words[4];
    double sum = 0;
    for (size_t user = 0; user < users; user++) {
        if (user % 128 == 0)
            random_block(seed, RANDOM_SIGN_FLIP, flip * calls + user / 128, words);
        const bool minus = words[user % 128 / 32] >> user % 32 & 1;
        sum += minus ? -differences[user] : differences[user];
    }
    return sum;
}

topn_status sign_flip_test(topn_context *context, const double *differences, size_t users, size_t flips,
                           double *p_value)
{
    double observed = 0, size = 0;
    for (size_t user = 0; user < users; user++) {
        observed += differences[user];
        size += fabs(differences[user]);
    }
    /* Patterns equal to the observed one but for rounding count as equal. */
    const double bar = fabs(observed) - 1e-12 * size;
    const size_t round = (size_t)context->threads * ROUND;
    uint64_t extreme = 0;
    for (size_t first = 0; first < flips; first += round) {
        const size_t last = first + round < flips ? first + round : flips;
        const topn_status status = progress_report(context, "sign-flip test", "patterns", first, flips, NAN);
        if (status != TOPN_OK)
            return status;
#pragma omp parallel for num_threads(context->threads) schedule(static) reduction(+ : extreme)
        for (size_t flip = first; flip < last; flip++)
            extreme += fabs(flipped_sum(context->seed, flip, differences, users)) >= bar;
    }
    *p_value = (double)(1 + extreme) / (double)(1 + flips);
    return TOPN_OK;
}
