/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays in NumPy's .npy form, versions 1 to 3 (NEP 1).
 */
#ifndef TOPN_INGEST_NPY_H
#define TOPN_INGEST_NPY_H

#include "base/context.h"

typedef struct npy_array {
    const unsigned char *values; /* little-endian, may be unaligned */
    uint64_t count;
    char kind; /* 'i', 'u', 'f', 'b' (bool), 'S' (bytes) */
    int width; /* bytes of an element */
} npy_array;

/* `what` stands in messages. FORMAT or UNSUPPORTED. */
topn_status npy_parse(topn_context *context, const char *what, const unsigned char *bytes, size_t size, npy_array *out);
/* Element as a whole number; false when it is negative or no integer kind. index < count. */
bool npy_whole(const npy_array *array, uint64_t index, uint64_t *out);
/* Element of any numeric kind. */
double npy_real(const npy_array *array, uint64_t index);

#endif
