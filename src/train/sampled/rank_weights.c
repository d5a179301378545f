/* SPDX-License-Identifier: Apache-2.0
 *
 * γ of ranks, and ranks estimated from samples; formulas in rank_weight.h.
 */
#include "train/sampled/rank_weight.h"

#include <math.h>

#include "base/registry.h"
#include "base/vector.h"

static double none(const rank_setting *setting, uint32_t positive_rank, uint32_t negative_rank)
{
    (void)setting, (void)positive_rank, (void)negative_rank;
    return 1;
}

static double linear(const rank_setting *setting, uint32_t positive_rank, uint32_t negative_rank)
{
    (void)negative_rank;
    return setting->items > 1 ? (double)positive_rank / (double)(setting->items - 1) : 0;
}

static double step(const rank_setting *setting, uint32_t positive_rank, uint32_t negative_rank)
{
    (void)negative_rank;
    return positive_rank < setting->cutoff ? (double)positive_rank / (double)setting->cutoff : 1;
}

/* The harmonic number: its first terms one by one, then ln r + 0.577… + 1/2r − 1/12r² + 1/120r⁴ − 1/252r⁶, which is off
 * by less than 1/240r⁸. */
static double reciprocal(const rank_setting *setting, uint32_t positive_rank, uint32_t negative_rank)
{
    enum { SUMMED = 24 };
    (void)setting, (void)negative_rank;
    if (positive_rank > SUMMED) {
        const double r = positive_rank, r2 = 1 / (r * r);
        return log(r) + 0.57721566490153286 + 0.5 / r - r2 * (1.0 / 12 - r2 * (1.0 / 120 - r2 / 252));
    }
    double sum = 0;
    for (uint32_t k = 1; k <= positive_rank; k++)
        sum += 1.0 / k;
    return sum;
}

static double discount(uint32_t rank)
{
    return 1 / log2(2.0 + rank);
}

static double lambda(const rank_setting *setting, uint32_t positive_rank, uint32_t negative_rank)
{
    (void)setting;
    return fabs(discount(positive_rank) - discount(negative_rank));
}

const rank_weight rank_weight_none = {"none", "1 whatever the ranks", "P2 §4.2.1", false, none};
const rank_weight rank_weight_linear = {"linear", "rank of the positive over items less 1, as AUC counts it",
                                        "P2 §4.2.3", true, linear};
const rank_weight rank_weight_step = {
    "step", "rank of the positive over the cut-off, at most 1, as precision counts it", "P2 §4.2.3", true, step};
const rank_weight rank_weight_reciprocal = {"reciprocal", "1 + 1/2 + … + 1/rank of the positive",
                                            "P2 §4.2.3; Weston, Bengio, Usunier 2011", true, reciprocal};
const rank_weight rank_weight_lambda = {
    "lambda", "what swapping the two items would change in DCG, |1/log₂(2 + rank) − 1/log₂(2 + other rank)|",
    "P2 §4.2.2; Yuan et al. 2016", true, lambda};

static const rank_weight *const rank_weights[] = {
#define RANK_WEIGHT(identifier, name) &rank_weight_##identifier,
#include "train/sampled/rank_weights.def"
#undef RANK_WEIGHT
};

REGISTRY_ACCESS(rank_weight, rank_weight, rank_weights)

uint32_t warp_rank(uint32_t items, uint32_t rounds)
{
    return (items - 1) / rounds;
}

VECTOR_CLONES
static uint64_t count_above(double score, const double *scores, size_t count)
{
    uint64_t above = 0;
    for (size_t j = 0; j < count; j++)
        above += scores[j] > score;
    return above;
}

static uint32_t at_most(double rank, uint32_t most)
{
    return rank < (double)most ? (uint32_t)rank : most;
}

void sampled_ranks(double positive, const double *negatives, size_t count, uint32_t others, uint32_t *positive_rank,
                   uint32_t *negative_ranks)
{
    const double n = others, m = (double)count;
    *positive_rank = count ? at_most((double)count_above(positive, negatives, count) * n / m, others) : 0;
    for (size_t j = 0; j < count; j++) {
        const double above = (double)count_above(negatives[j], negatives, count);
        negative_ranks[j] = at_most((above + 1) * (n + 1) / (m + 1) - 1 + (positive > negatives[j]), others);
    }
}
