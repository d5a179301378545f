/* SPDX-License-Identifier: Apache-2.0
 *
 * A Feistel network on numbers l·right + r, whose halves are added to modulo `left` and `right` in place of being
 * xor'ed (Black, Rogaway, Ciphers with Arbitrary Finite Domains, 2002): the domain then is hardly larger than the
 * count, and the few results beyond it are put through the network again until they are inside ("cycle walking").
 */
#include "train/sampled/permutation.h"

#include <math.h>
#include <stdbool.h>

#include "base/random.h"
#include "base/vector.h"

enum { LANES = 64 };

permutation permutation_of(uint64_t count, uint64_t seed, uint64_t number)
{
    permutation order = {.count = count, .left = 1, .right = 1};
    uint32_t words[8];
    random_block(seed, RANDOM_POSITIVES, 2 * number, words);
    random_block(seed, RANDOM_POSITIVES, 2 * number + 1, words + 4);
    for (int round = 0; round < PERMUTATION_ROUNDS; round++)
        order.keys[round] = words[round];
    if (count == 0)
        return order;
    order.left = (uint32_t)ceil(sqrt((double)count));
    order.right = (uint32_t)((count + order.left - 1) / order.left);
    return order;
}

/* The final mixing of MurmurHash3 (Appleby), then scaled to 0 … bound−1. */
static inline uint32_t mix(uint32_t value, uint32_t key, uint32_t bound)
{
    uint32_t hash = value ^ key;
    hash = (hash ^ hash >> 16) * 0x85ebca6bU;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35U;
    return (uint32_t)((uint64_t)hash * bound >> 32);
}

/* value + step mod bound; both below it. */
static inline uint32_t add(uint32_t value, uint32_t step, uint32_t bound)
{
    const uint32_t sum = value + step; /* bound ≤ 2³¹ */
    return sum >= bound ? sum - bound : sum;
}

VECTOR_CLONES
static void mix_lanes(const permutation *order, uint32_t *restrict left, uint32_t *restrict right)
{
    for (int round = 0; round < PERMUTATION_ROUNDS; round += 2) {
        const uint32_t first = order->keys[round], second = order->keys[round + 1], a = order->left, b = order->right;
        for (int lane = 0; lane < LANES; lane++)
            left[lane] = add(left[lane], mix(right[lane], first, a), a);
        for (int lane = 0; lane < LANES; lane++)
            right[lane] = add(right[lane], mix(left[lane], second, b), b);
    }
}

static uint64_t walk(const permutation *order, uint64_t value)
{
    while (value >= order->count) {
        uint32_t left = (uint32_t)(value / order->right), right = (uint32_t)(value % order->right);
        for (int round = 0; round < PERMUTATION_ROUNDS; round += 2) {
            left = add(left, mix(right, order->keys[round], order->left), order->left);
            right = add(right, mix(left, order->keys[round + 1], order->right), order->right);
        }
        value = (uint64_t)left * order->right + right;
    }
    return value;
}

void permutation_take(const permutation *order, uint64_t begin, uint32_t count, uint64_t *out)
{
    uint32_t left[LANES], right[LANES], l = (uint32_t)(begin / order->right), r = (uint32_t)(begin % order->right);
    for (uint32_t done = 0; done < count; done += LANES) {
        const uint32_t lanes = count - done < LANES ? count - done : LANES;
        for (uint32_t lane = 0; lane < LANES; lane++) { /* of lanes past the end nothing is taken */
            left[lane] = l;
            right[lane] = r;
            const bool last = r + 1 == order->right;
            r = last ? 0 : r + 1;
            l = last ? (l + 1 == order->left ? 0 : l + 1) : l;
        }
        mix_lanes(order, left, right);
        for (uint32_t lane = 0; lane < lanes; lane++) {
            const uint64_t value = (uint64_t)left[lane] * order->right + right[lane];
            out[done + lane] = value < order->count ? value : walk(order, value);
        }
    }
}
