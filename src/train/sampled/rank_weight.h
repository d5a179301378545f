/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights α̃(c, i, j) of pairs that depend on ranks (P2 §4.2.2, §4.2.3): one row of rank_weights.def each.
 *
 *   none         1
 *   linear       γ(r) = Σ_{k=1..r} 1/(|I| − 1) = r/(|I| − 1)                           (AUC)
 *   step         γ(r) = min(r, k)/k with k = `cutoff`                                    (precision@k)
 *   reciprocal   γ(r) = Σ_{k=1..r} 1/k                          (reciprocal of the position: WSABIE's)
 *   lambda       |M(r_i) − M(r_j)|, M the discount of NDCG: 1/log₂(2 + r)             (LambdaRank, LambdaFM)
 *
 * r: items that rank above the positive, from 0. WARP estimates it as ⌊(|I| − 1)/rounds⌋ (WSABIE; P2 eq. 17 as printed,
 * ⌊(rounds − 1)/|I|⌋, is always 0). Other samplers estimate ranks from the m sampled scores and n = |I| − |I_c|, the
 * items that there are to draw: with `a` negatives above it, the positive is at n·a/m, and a negative at
 * (a + 1)(n + 1)/(m + 1) − 1, which is where the (a + 1)-th best of m uniform draws is on average, and one further down
 * when the positive is above it. These hold where negatives are drawn uniformly, and order pairs where not.
 */
#ifndef TOPN_TRAIN_SAMPLED_RANK_WEIGHT_H
#define TOPN_TRAIN_SAMPLED_RANK_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct rank_setting {
    uint32_t items;  /* |I| */
    uint32_t cutoff; /* k of `step` */
} rank_setting;

typedef struct rank_weight {
    const char *name, *summary, *paper;
    bool needs_ranks; /* false: 1 whatever the ranks */
    /* Ranks from 0; 0 ≤ result, finite. `reciprocal` in O(1). */
    double (*of)(const rank_setting *, uint32_t positive_rank, uint32_t negative_rank);
} rank_weight;

const rank_weight *rank_weight_at(size_t index);
const rank_weight *rank_weight_find(const char *name);
/* ⌊(items − 1)/rounds⌋, rounds ≥ 1. */
uint32_t warp_rank(uint32_t items, uint32_t rounds);
/* Ranks of the positive and of each negative [count] as estimated from their scores among each other and `others` =
 * |I| − |I_c|; at most `others`. O(count²), vectorised. */
void sampled_ranks(double positive, const double *negatives, size_t count, uint32_t others, uint32_t *positive_rank,
                   uint32_t *negative_ranks);

#endif
