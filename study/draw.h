/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers of searches and tests, keyed by seed, name and counters: the number at a place depends on nothing
 * else, so a resumed study draws what an undisturbed one draws.
 */
#ifndef TOPN_STUDY_DRAW_H
#define TOPN_STUDY_DRAW_H

#include <stdint.h>

typedef struct draw_key {
    uint64_t state;
} draw_key;

/* name: what the numbers are for ("ease") */
draw_key draw_keyed(uint64_t seed, const char *name, uint64_t number);
/* The next number, uniform on [0, 1). */
double draw_uniform(draw_key *key);
/* Standard normal. */
double draw_normal(draw_key *key);

#endif
