/* SPDX-License-Identifier: Apache-2.0
 *
 * --duplicates: one event of several.
 */
#ifndef TOPN_INGEST_DUPLICATES_H
#define TOPN_INGEST_DUPLICATES_H

#include <stddef.h>
#include <stdint.h>

enum { SUM, MAX, LAST, COUNT }; /* choices of --duplicates */

/* One event made of the `count` whose places are the lower halves of keys, in file order. times may be NULL, then time
 * is left alone. */
static inline void duplicates_merge(int rule, const float *weights, const int64_t *times, const uint64_t *keys,
                                    size_t count, float *weight, int64_t *time)
{
    double sum = 0;
    size_t latest = (uint32_t)keys[0];
    float most = weights[latest];
    for (size_t at = 0; at < count; at++) {
        const size_t from = (uint32_t)keys[at];
        sum += weights[from];
        most = weights[from] > most ? weights[from] : most;
        if (!times || times[from] >= times[latest])
            latest = from;
    }
    *weight = rule == SUM ? (float)sum : rule == MAX ? most : rule == COUNT ? (float)count : weights[latest];
    if (times)
        *time = times[latest];
}

#endif
