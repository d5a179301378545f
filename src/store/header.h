/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON header of a safetensors file: from text and to text.
 */
#ifndef TOPN_STORE_HEADER_H
#define TOPN_STORE_HEADER_H

#include "store/safetensors.h"

enum {
    HEADER_LIMIT = 100000000, /* bytes, the reference loader's limit */
    HEADER_ENTRIES = 10000,   /* arrays, and metadata keys, that a file may have */
    HEADER_ALIGNMENT = 64,    /* the arrays start at a multiple of this */
};

typedef struct header {
    tensor *tensors;     /* [count], in the order of their bytes */
    uint64_t *checksums; /* [count], or NULL when the file has none */
    size_t count;
    record metadata; /* without the checksums */
} header;

/* Length and JSON, padded with spaces: everything before the first array. tensors are in file order. */
topn_status header_render(topn_context *context, const tensor *tensors, const uint64_t *checksums, size_t count,
                          const record *metadata, char **out, size_t *length);
/* Parses the start of a file of `size` bytes; tensors point into `bytes`, which must outlive *out. verify: the
 * header's own checksum, when there is one, must hold. */
topn_status header_parse(topn_context *context, const char *path, const unsigned char *bytes, size_t size, bool verify,
                         header *out);
void header_clear(header *old);

#endif
