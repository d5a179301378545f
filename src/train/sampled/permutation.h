/* SPDX-License-Identifier: Apache-2.0
 *
 * A random order of 0 … count−1 that is known at every place without being written down: a keyed permutation.
 */
#ifndef TOPN_TRAIN_SAMPLED_PERMUTATION_H
#define TOPN_TRAIN_SAMPLED_PERMUTATION_H

#include <stdint.h>

enum { PERMUTATION_ROUNDS = 6 };

typedef struct permutation {
    uint64_t count;
    uint32_t left, right; /* left · right ≥ count, by less than `left` */
    uint32_t keys[PERMUTATION_ROUNDS];
} permutation;

/* count < 2⁶². (seed, number): which of the permutations; stream RANDOM_POSITIVES. */
permutation permutation_of(uint64_t count, uint64_t seed, uint64_t number);
/* What stands at the places begin … begin + count − 1; out [count]. */
void permutation_take(const permutation *order, uint64_t begin, uint32_t count, uint64_t *out);

#endif
