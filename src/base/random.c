/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <math.h>

void random_block(uint64_t seed, random_stream stream, uint64_t index, uint32_t out[4])
{
    uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream, 0};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xD2511F53u * counter[0];
        const uint64_t b = (uint64_t)0xCD9E8D57u * counter[2];
        const uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key[0], (uint32_t)b,
                                  (uint32_t)(a >> 32) ^ counter[3] ^ key[1], (uint32_t)a};
        for (int word = 0; word < 4; word++)
            counter[word] = next[word];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    for (int word = 0; word < 4; word++)
        out[word] = counter[word];
}

uint64_t random_bits(uint64_t seed, random_stream stream, uint64_t index)
{
    uint32_t words[4];
    random_block(seed, stream, index, words);
    return (uint64_t)words[1] << 32 | words[0];
}

double random_uniform(uint64_t seed, random_stream stream, uint64_t index)
{
    return (double)(random_bits(seed, stream, index) >> 11) * 0x1p-53;
}

uint32_t random_below(uint64_t seed, random_stream stream, uint64_t index, uint32_t bound)
{
    const uint64_t high = random_bits(seed, stream, index) >> 32;
    return (uint32_t)(high * bound >> 32);
}

double random_normal(uint64_t seed, random_stream stream, uint64_t index)
{
    uint32_t words[4];
    random_block(seed, stream, index, words);
    const double u = ((double)words[0] + 1.0) * 0x1p-32; /* (0, 1] */
    const double v = (double)words[1] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
