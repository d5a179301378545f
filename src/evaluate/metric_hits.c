/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics that only count the relevant items among the first n. R: the user's hidden items.
 */
#include "evaluate/metric.h"

static uint64_t hits_within(const ranking *user, size_t cutoff)
{
    uint64_t hits = 0;
    for (size_t rank = 0; rank < user->list_length && rank < cutoff; rank++)
        hits += user->hits[rank];
    return hits;
}

static double precision(const ranking *user, size_t cutoff)
{
    return (double)hits_within(user, cutoff) / (double)cutoff;
}

static double recall(const ranking *user, size_t cutoff)
{
    return (double)hits_within(user, cutoff) / (double)user->relevant;
}

static double recall_capped(const ranking *user, size_t cutoff)
{
    const uint64_t reachable = user->relevant < cutoff ? user->relevant : cutoff;
    return (double)hits_within(user, cutoff) / (double)reachable;
}

static double hit(const ranking *user, size_t cutoff)
{
    return hits_within(user, cutoff) > 0 ? 1 : 0;
}

const metric metric_precision = {
    .name = "precision",
    .summary = "hidden items among the first n, divided by n",
    .paper = "Rendle 2021, eq. 4",
    .takes_cutoff = true,
    .value = precision,
};

const metric metric_recall = {
    .name = "recall",
    .summary = "hidden items among the first n, divided by the number of hidden items |R|",
    .paper = "Rendle 2021, eq. 5",
    .takes_cutoff = true,
    .value = recall,
};

/* Many papers print this under the name recall; it is larger than recall@n where |R| > n. */
const metric metric_recall_capped = {
    .name = "recall-capped",
    .summary = "hidden items among the first n, divided by min(n, |R|)",
    .paper = "Liang et al. 2018",
    .takes_cutoff = true,
    .value = recall_capped,
};

const metric metric_hit = {
    .name = "hit",
    .summary = "1 when a hidden item is among the first n, else 0 (hit rate)",
    .paper = "",
    .takes_cutoff = true,
    .value = hit,
};
