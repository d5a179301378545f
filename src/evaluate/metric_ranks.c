/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics that look at the ranks of the relevant items. R: the user's hidden items; ranks count from 1.
 */
#include "evaluate/metric.h"

#include <math.h>

static double average_precision(const ranking *user, size_t cutoff)
{
    double sum = 0;
    size_t hits = 0;
    for (size_t rank = 0; rank < user->list_length && rank < cutoff; rank++)
        if (user->hits[rank])
            sum += (double)++hits / (double)(rank + 1);
    return sum / (double)(user->relevant < cutoff ? user->relevant : cutoff);
}

static double ndcg(const ranking *user, size_t cutoff)
{
    double gain = 0, ideal = 0;
    for (size_t rank = 0; rank < user->list_length && rank < cutoff; rank++)
        if (user->hits[rank])
            gain += 1 / log2((double)rank + 2);
    if (gain == 0)
        return 0;
    for (size_t rank = 0; rank < user->relevant && rank < cutoff; rank++)
        ideal += 1 / log2((double)rank + 2);
    return gain / ideal;
}

static double reciprocal_rank(const ranking *user, size_t cutoff)
{
    for (size_t rank = 0; rank < user->list_length && rank < cutoff; rank++)
        if (user->hits[rank])
            return 1 / (double)(rank + 1);
    return 0;
}

static double auc(const ranking *user, size_t cutoff)
{
    (void)cutoff;
    return user->auc;
}

const metric metric_ap = {
    .name = "ap",
    .summary = "average precision: precision at the rank of each hidden item among the first n, summed and divided by "
               "min(|R|, n); its mean over users is known as MAP",
    .paper = "Rendle 2021, eq. 6",
    .takes_cutoff = true,
    .value = average_precision,
};

const metric metric_ndcg = {
    .name = "ndcg",
    .summary = "sum of 1/log2(rank + 1) over hidden items among the first n, divided by that of a perfect list",
    .paper = "Rendle 2021, eq. 7",
    .takes_cutoff = true,
    .value = ndcg,
};

const metric metric_mrr = {
    .name = "mrr",
    .summary = "1/rank of the first hidden item, 0 when it is beyond n (mean reciprocal rank)",
    .paper = "",
    .takes_cutoff = true,
    .value = reciprocal_rank,
};

const metric metric_auc = {
    .name = "auc",
    .summary =
        "share of pairs (hidden item, other item) with the hidden item scored higher; equal scores count one half",
    .paper = "Rendle 2021, eq. 8",
    .needs = NEED_AUC,
    .value = auc,
};
