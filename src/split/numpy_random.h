/* SPDX-License-Identifier: Apache-2.0
 *
 * The random orders of NumPy's legacy generator, so that splits which others published by naming a seed can be had
 * again: MT19937 (Matsumoto and Nishimura, ACM TOMACS 8(1), 1998) seeded with one number, numbers up to a bound by
 * masking and rejection, permutation by Fisher and Yates from the end. NumPy keeps these streams fixed (NEP 19).
 */
#ifndef TOPN_SPLIT_NUMPY_RANDOM_H
#define TOPN_SPLIT_NUMPY_RANDOM_H

#include <stdint.h>

enum { NUMPY_WORDS = 624 };

typedef struct numpy_random {
    uint32_t words[NUMPY_WORDS];
    uint32_t next; /* word to hand out next */
} numpy_random;

/* numpy.random.seed(seed) */
void numpy_seed(numpy_random *random, uint32_t seed);
/* out [count] = numpy.random.permutation(count); its first k are numpy.random.choice(count, k, replace=False). */
void numpy_permutation(numpy_random *random, uint32_t count, uint32_t *out);

#endif
