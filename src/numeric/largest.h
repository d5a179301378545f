/* SPDX-License-Identifier: Apache-2.0
 *
 * Which entries of one list are its largest by magnitude, without sorting and without memory.
 */
#ifndef TOPN_NUMERIC_LARGEST_H
#define TOPN_NUMERIC_LARGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* |value| as bits, which order like the numbers themselves. */
static inline uint32_t magnitude_order(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

/* Entries with magnitude_order above `order` are kept, and the first `ties` of those equal to it. */
typedef struct magnitude_limit {
    uint32_t order;
    size_t ties;
} magnitude_limit;

/* The limit that keeps the `keep` entries of largest magnitude of values[0 … count), count < 2³², and never an exact
 * zero. Three passes, O(count). */
magnitude_limit magnitude_limit_of(const float *values, size_t count, size_t keep);

/* Is this entry, the next one of the list, among them? Counts the ties down. */
static inline bool magnitude_kept(float value, magnitude_limit *limit)
{
    const uint32_t order = magnitude_order(value);
    if (order < limit->order || (order == limit->order && !limit->ties))
        return false;
    limit->ties -= order == limit->order;
    return true;
}

/* Zeroes all but the `keep` entries of largest magnitude, ties to the smaller index. O(count). */
void keep_largest(float *values, size_t count, size_t keep);

#endif
