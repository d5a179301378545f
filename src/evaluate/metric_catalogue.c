/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics of how much of the catalogue a model uses.
 */
#include "evaluate/metric.h"

#include <stdlib.h>

static double coverage(const ranking *user, size_t cutoff)
{
    (void)cutoff;
    return (double)user->scored / (double)user->catalogue;
}

static double novelty(const ranking *user, size_t cutoff)
{
    const size_t length = user->list_length < cutoff ? user->list_length : cutoff;
    double sum = 0;
    for (size_t rank = 0; rank < length; rank++)
        sum += user->novelty[user->list[rank]];
    return length ? sum / (double)length : 0;
}

static double catalogue_coverage(uint64_t *counts, uint32_t items)
{
    uint32_t used = 0;
    for (uint32_t item = 0; item < items; item++)
        used += counts[item] > 0;
    return (double)used / (double)items;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* With counts c ascending: Σ_j (2j − N − 1)·c_j / (N·Σ c). */
static double gini(uint64_t *counts, uint32_t items)
{
    qsort(counts, items, sizeof *counts, by_value);
    double weighted = 0, total = 0;
    for (uint32_t item = 0; item < items; item++) {
        weighted += (2.0 * item + 1 - items) * (double)counts[item];
        total += (double)counts[item];
    }
    return total > 0 ? weighted / (items * total) : 0;
}

const metric metric_coverage = {
    .name = "coverage",
    .summary = "prediction coverage: share of all items with a non-zero score",
    .paper = "Van Balen and Goethals 2021, §1.1",
    .needs = NEED_SCORED,
    .value = coverage,
};

const metric metric_catalogue_coverage = {
    .name = "catalogue-coverage",
    .summary = "share of all items that are among the first n of at least one user",
    .paper = "",
    .takes_cutoff = true,
    .overall = catalogue_coverage,
};

const metric metric_gini = {
    .name = "gini",
    .summary = "Gini coefficient of how often each item is among the first n: 0 = all equally often, 1 = one item only",
    .paper = "",
    .takes_cutoff = true,
    .overall = gini,
};

const metric metric_novelty = {
    .name = "novelty",
    .summary =
        "mean of −log2(share of users who have the item) over the first n; an item that nobody has counts as had "
        "by one user",
    .paper = "",
    .takes_cutoff = true,
    .needs = NEED_NOVELTY,
    .value = novelty,
};
