/* SPDX-License-Identifier: Apache-2.0 */
#include "study/draw.h"

#include <math.h>

/* SplitMix64: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static const uint64_t golden = 0x9e3779b97f4a7c15u;

draw_key draw_keyed(uint64_t seed, const char *name, uint64_t number)
{
    uint64_t state = mix(seed + golden);
    for (; *name; name++)
        state = mix(state + golden * (unsigned char)*name);
    return (draw_key){mix(state + golden * (number + 1))};
}

double draw_uniform(draw_key *key)
{
    key->state += golden;
    return (double)(mix(key->state) >> 11) * 0x1p-53;
}

double draw_normal(draw_key *key)
{
    const double radius = sqrt(-2 * log(1 - draw_uniform(key)));
    return radius * cos(6.283185307179586 * draw_uniform(key));
}
