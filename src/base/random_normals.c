/* SPDX-License-Identifier: Apache-2.0
 *
 * Many standard normals as vector code: arithmetic without calls or branches, the same bits whatever the width of the
 * vectors. Logarithm and cosine by their series, within 10⁻¹³.
 */
#include "base/random.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/vector.h"

enum { PIECE = 64, ROUNDS = 10 };

/* Words 0 and 1 of `PIECE` blocks from index `first` on. */
VECTOR_CLONES
static void put_words(uint64_t seed, random_stream stream, uint64_t first, uint32_t words[2][PIECE])
{
    uint32_t c0[PIECE], c1[PIECE], c2[PIECE], c3[PIECE], key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (size_t at = 0; at < PIECE; at++) {
        c0[at] = (uint32_t)(first + at);
        c1[at] = (uint32_t)((first + at) >> 32);
        c2[at] = (uint32_t)stream;
        c3[at] = 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t at = 0; at < PIECE; at++) {
            const uint64_t a = (uint64_t)0xD2511F53u * c0[at], b = (uint64_t)0xCD9E8D57u * c2[at];
            c0[at] = (uint32_t)(b >> 32) ^ c1[at] ^ key0;
            c2[at] = (uint32_t)(a >> 32) ^ c3[at] ^ key1;
            c1[at] = (uint32_t)b;
            c3[at] = (uint32_t)a;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    memcpy(words[0], c0, sizeof c0);
    memcpy(words[1], c1, sizeof c1);
}

/* ln u of a normal number. u = 2ⁿ·m with m from √½ to √2; ln m = 2 artanh s with s = (m − 1)/(m + 1), |s| < 0.172, by
 * its series up to s¹⁹/19 (the rest is below 10⁻¹⁵). */
static inline double logarithm(double u)
{
    const uint64_t half_root = 0x3FE6A09E667F3BCDu, one = 0x3FF0000000000000u; /* √½, 1 */
    const double round_here = 6755399441055744.0; /* 1.5·2⁵²: whole numbers added to its bits are added to it */
    uint64_t bits, here_bits;
    double m, n;
    memcpy(&bits, &u, sizeof bits);
    memcpy(&here_bits, &round_here, sizeof here_bits);
    const uint64_t power = (bits - half_root + one) >> 52; /* n + 1023 */
    bits -= (power << 52) - one;
    here_bits += power - 1023;
    memcpy(&m, &bits, sizeof m);
    memcpy(&n, &here_bits, sizeof n);
    const double s = (m - 1.0) / (m + 1.0), square = s * s;
    const double series =
        1.0 +
        square *
            (1.0 / 3 +
             square *
                 (1.0 / 5 +
                  square * (1.0 / 7 +
                            square * (1.0 / 9 +
                                      square * (1.0 / 11 +
                                                square * (1.0 / 13 +
                                                          square * (1.0 / 15 +
                                                                    square * (1.0 / 17 + square * (1.0 / 19)))))))));
    return (n - round_here) * 0.6931471805599453 + 2.0 * s * series;
}

/* cos 2πv for v from 0 to 1: sin x with x = 2π(¼ − |v − ½|) turned round, |x| ≤ π/2, by its series up to x¹⁹/19! (the
 * rest is below 10⁻¹⁵). */
static inline double cosine_of_turn(double v)
{
    const double x = 6.283185307179586 * (fabs(v - 0.5) - 0.25), square = x * x;
    const double series =
        1.0 -
        square *
            (1.0 / 6 -
             square *
                 (1.0 / 120 -
                  square *
                      (1.0 / 5040 -
                       square * (1.0 / 362880 -
                                 square * (1.0 / 39916800 -
                                           square * (1.0 / 6227020800.0 -
                                                     square * (1.0 / 1307674368000.0 -
                                                               square * (1.0 / 355687428096000.0 -
                                                                         square * (1.0 / 121645100408832000.0)))))))));
    return x * series;
}

VECTOR_CLONES
static void put_normals(uint32_t words[2][PIECE], float out[PIECE])
{
    for (size_t at = 0; at < PIECE; at++) {
        const double u = ((double)words[0][at] + 1.0) * 0x1p-32, v = (double)words[1][at] * 0x1p-32;
        out[at] = (float)(sqrt(-2.0 * logarithm(u)) * cosine_of_turn(v));
    }
}

void random_normals(uint64_t seed, random_stream stream, uint64_t first, size_t count, float *out)
{
    uint32_t words[2][PIECE];
    float piece[PIECE];
    for (size_t begin = 0; begin < count; begin += PIECE) {
        const size_t left = count - begin;
        put_words(seed, stream, first + begin, words);
        put_normals(words, left < PIECE ? piece : out + begin);
        if (left < PIECE)
            memcpy(out + begin, piece, left * sizeof *out);
    }
}
