/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of a published data set: its sizes, and how history lengths, popularity and co-occurrence are drawn.
 *
 *   lengths     n_u = m + s·exp(σ·z_u), z_u standard normal, m = `shortest`, σ = `spread`, at most L; s such that they
 *               sum to the number of events, rounded so that the sum stays exact. L = min(N, max(N/4, 2·mean)). Where
 *               the mean is below 2·m, m is half the mean.
 *   popularity  w_r = exp(−c·r/N) / (r + q) for the item of rank r = 1 … N: Zipf–Mandelbrot with offset q and an
 *               exponential cut-off c. Ranks are given to items at random.
 *   topics      every item has one home topic of `topic_items` items; TOPICS_PER_GENRE topics are a genre.
 *   interests   user u has k = 2 + ⌊n_u/EVENTS_PER_INTEREST⌋ of them (at most MOST_INTERESTS), topics drawn with
 *               probability ∝ the popularity of their items. The r-th is used with probability ln(1 + 1/r)/ln(k + 1).
 *   events      with probability `background` an item drawn from all, else one from an interest's genre (`genre`) or
 *               from the interest's topic itself (1 − genre), in each with probability ∝ w; items that u has are drawn
 *               again. An item that nobody drew then takes the place of a repeated item of its topic.
 */
#ifndef TOPN_GENERATE_SHAPE_H
#define TOPN_GENERATE_SHAPE_H

#include <stddef.h>
#include <stdint.h>

enum { TOPICS_PER_GENRE = 8, EVENTS_PER_INTEREST = 10, MOST_INTERESTS = 32 };

typedef struct shape {
    const char *name, *what;
    uint32_t users, items;
    uint64_t events;
    uint32_t shortest;
    double spread, offset, cutoff;
    uint32_t topic_items;
    double background, genre;
} shape;

/* NULL past the end. */
const shape *shape_at(size_t index);

#endif
