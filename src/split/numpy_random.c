/* SPDX-License-Identifier: Apache-2.0 */
#include "split/numpy_random.h"

enum { SHIFT = 397 }; /* distance of the words that a new one is made of */

void numpy_seed(numpy_random *random, uint32_t seed)
{
    random->words[0] = seed;
    for (uint32_t at = 1; at < NUMPY_WORDS; at++) {
        const uint32_t before = random->words[at - 1];
        random->words[at] = 1812433253u * (before ^ before >> 30) + at;
    }
    random->next = NUMPY_WORDS;
}

/* The recurrence: upper bit of one word, lower bits of the next, and a word further on. */
static void advance(uint32_t words[NUMPY_WORDS])
{
    for (uint32_t at = 0; at < NUMPY_WORDS; at++) {
        const uint32_t mixed = (words[at] & 0x80000000u) | (words[(at + 1) % NUMPY_WORDS] & 0x7fffffffu);
        words[at] = words[(at + SHIFT) % NUMPY_WORDS] ^ mixed >> 1 ^ (mixed & 1 ? 0x9908b0dfu : 0);
    }
}

static uint32_t next_word(numpy_random *random)
{
    if (random->next == NUMPY_WORDS) {
        advance(random->words);
        random->next = 0;
    }
    uint32_t word = random->words[random->next++];
    word ^= word >> 11;
    word ^= word << 7 & 0x9d2c5680u;
    word ^= word << 15 & 0xefc60000u;
    return word ^ word >> 18;
}

/* Uniform on 0 … largest: words cut to the bits of `largest` until one is not above it. */
static uint32_t draw_up_to(numpy_random *random, uint32_t largest)
{
    uint32_t mask = largest;
    for (int bits = 1; bits < 32; bits *= 2)
        mask |= mask >> bits;
    uint32_t value = next_word(random) & mask;
    while (value > largest)
        value = next_word(random) & mask;
    return value;
}

void numpy_permutation(numpy_random *random, uint32_t count, uint32_t *out)
{
    for (uint32_t at = 0; at < count; at++)
        out[at] = at;
    for (uint32_t last = count; last > 1; last--) {
        const uint32_t from = draw_up_to(random, last - 1), value = out[from];
        out[from] = out[last - 1];
        out[last - 1] = value;
    }
}
