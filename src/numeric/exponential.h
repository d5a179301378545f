/* SPDX-License-Identifier: Apache-2.0
 *
 * e^x, ln(1 + x), 1/(1 + e^−x) and tanh x in single precision, as plain arithmetic without branches or calls, so that
 * loops over them become vector code. The same bits whatever the width of the vectors.
 */
#ifndef TOPN_NUMERIC_EXPONENTIAL_H
#define TOPN_NUMERIC_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

/* a where the condition holds, else b: by their bits, since compilers leave loops with several ?: scalar. */
static inline float choose_float(int condition, float a, float b)
{
    uint32_t of_a, of_b;
    memcpy(&of_a, &a, sizeof of_a);
    memcpy(&of_b, &b, sizeof of_b);
    const uint32_t mask = 0u - (uint32_t)(condition != 0), bits = (of_a & mask) | (of_b & ~mask);
    float chosen;
    memcpy(&chosen, &bits, sizeof chosen);
    return chosen;
}

/* e^x within 3·10⁻⁷ of it (relative); 0 where that would be less than the smallest normal number (x < −87.3), −∞
 * included; ∞ where it is larger than the largest (x > 88.72). NaN stays NaN.
 *
 * x = n·ln 2 + r with |r| ≤ ln 2/2; e^r by its series up to r⁷/7! (the rest is below 6·10⁻⁹); 2ⁿ by its bits, in two
 * halves, since n may be 128. */
static inline float exponential(float x)
{
    const float round_here = 12582912.0f; /* 1.5·2²³: what is added to it is rounded to a whole number */
    const float bounded = choose_float(x < -87.4f, -87.4f, choose_float(x > 89.0f, 89.0f, x));
    const float shifted = bounded * 1.44269504f + round_here, n = shifted - round_here;
    /* ln 2 in two parts; n times the first is exact. */
    const float r = bounded - n * 0.693359375f + n * 2.12194440e-4f;
    const float series =
        1.0f +
        r * (1.0f +
             r * (0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))))));
    uint32_t bits, here_bits;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&here_bits, &round_here, sizeof here_bits);
    const int32_t power = (int32_t)(bits - here_bits), half = power >> 1;
    const uint32_t low = (uint32_t)(half + 127) << 23, high = (uint32_t)(power - half + 127) << 23;
    float low_scale, high_scale;
    memcpy(&low_scale, &low, sizeof low_scale);
    memcpy(&high_scale, &high, sizeof high_scale);
    return choose_float(x < -87.336544f, 0.0f, series * low_scale * high_scale);
}

/* ln(1 + x) for x from 0 to 1, within 3·10⁻⁷ of it (relative).
 *
 * 2 artanh t with t = x/(2 + x) ≤ 1/3, by its series up to t¹⁵/15 (the rest is below 2·10⁻⁹). */
static inline float log_one_plus(float x)
{
    const float t = x / (2.0f + x), square = t * t;
    const float series =
        1.0f +
        square *
            (1.0f / 3 +
             square *
                 (1.0f / 5 +
                  square * (1.0f / 7 +
                            square * (1.0f / 9 + square * (1.0f / 11 + square * (1.0f / 13 + square * (1.0f / 15)))))));
    return 2.0f * t * series;
}

/* 1/(1 + e^−x), within 5·10⁻⁷ of it (relative) for x > −87; 0 far below. NaN stays NaN. */
static inline float logistic(float x)
{
    return 1.0f / (1.0f + exponential(-x));
}

/* tanh x, within 5·10⁻⁷ of it (relative). NaN stays NaN.
 *
 * Near 0 the beginning of its continued fraction x/(1 + x²/(3 + x²/(5 + …))) up to the 9 (the rest is below 10⁻⁹);
 * elsewhere 1 − 2/(e^2|x| + 1). */
static inline float hyperbolic_tangent(float x)
{
    const float size = choose_float(x < 0.0f, -x, x), square = x * x;
    const float near = x * (945.0f + square * (105.0f + square)) / (945.0f + square * (420.0f + square * 15.0f));
    const float far = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
    return choose_float(size < 0.6f, near, choose_float(x < 0.0f, -far, far));
}

#endif
