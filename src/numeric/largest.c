/* SPDX-License-Identifier: Apache-2.0
 *
 * The 31 bits of a magnitude are found from the top, 11, 10 and 10 at a time, each time by counting the entries that
 * agree with what is known so far. Zeros are not counted: where fewer than `keep` others are found, all bits come out
 * 0.
 */
#include "numeric/largest.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 3 };
static const unsigned shifts[PASSES] = {20, 10, 0};

magnitude_limit magnitude_limit_of(const float *values, size_t count, size_t keep)
{
    uint32_t known = 0; /* the bits above `shift` of the last pass */
    size_t wanted = keep;
    if (keep == 0)
        return (magnitude_limit){.order = UINT32_MAX};
    if (count <= keep)
        return (magnitude_limit){.order = 0};
    for (int pass = 0; pass < PASSES; pass++) {
        uint32_t counts[DIGITS] = {0};
        const unsigned shift = shifts[pass], above = pass ? shifts[pass - 1] : 31;
        const uint32_t mask = (1u << (above - shift)) - 1;
        for (size_t at = 0; at < count; at++) {
            const uint32_t order = magnitude_order(values[at]);
            if (order && order >> above == known) /* most of φ may be 0, and one counter of them all would be slow */
                counts[order >> shift & mask]++;
        }
        uint32_t digit = mask;
        for (; digit > 0 && counts[digit] < wanted; digit--)
            wanted -= counts[digit];
        known = known << (above - shift) | digit;
    }
    return (magnitude_limit){.order = known, .ties = known ? wanted : 0};
}

void keep_largest(float *values, size_t count, size_t keep)
{
    magnitude_limit limit = magnitude_limit_of(values, count, keep);
    for (size_t at = 0; at < count; at++) {
        const uint32_t order = magnitude_order(values[at]);
        if (order > limit.order)
            continue;
        if (order == limit.order && limit.ties)
            limit.ties--;
        else
            values[at] = 0.0f;
    }
}
