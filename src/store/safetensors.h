/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors container: 8-byte little-endian header length, JSON header, arrays. topn's additions are all inside
 * the format, whose reference loader allows no gap between arrays: the header is padded with spaces so that the arrays
 * start at a multiple of 64 bytes; arrays are ordered by element size (8, 4, 1), so each is aligned to its elements
 * without gaps; __metadata__ holds an XXH3-64 of each array under "xxh3.<name>" and one of the metadata and array
 * descriptions under "xxh3.__metadata__". See FORMAT.md.
 */
#ifndef TOPN_STORE_SAFETENSORS_H
#define TOPN_STORE_SAFETENSORS_H

#include "base/context.h"
#include "base/record.h"

typedef enum tensor_type { TENSOR_F32, TENSOR_F64, TENSOR_U8, TENSOR_U32, TENSOR_I64, TENSOR_U64 } tensor_type;

typedef struct tensor {
    const char *name;
    tensor_type type;
    uint64_t shape[2];
    size_t dimensions; /* 1 or 2 */
    const void *bytes;
} tensor;

/* "F32" … */
const char *tensor_type_name(tensor_type type);
size_t tensor_type_size(tensor_type type); /* bytes of an element */
uint64_t tensor_bytes(const tensor *array);

/* The highest version under the key "topn.format" that this program reads. A file says the lowest that tells all. */
enum { SAFETENSORS_TOPN_FORMAT = 6 };

/* The order in which tensors stand in a file: by element size, descending, else as given. */
void safetensors_order(tensor *tensors, size_t count);

/* Writes atomically. Same tensors and metadata, same bytes; bytes of the metadata that are not UTF-8 become '?'.
 * Progress in bytes. Errors: IO, MEMORY, CANCELLED. */
topn_status safetensors_write(topn_context *context, const char *path, const tensor *tensors, size_t count,
                              const record *metadata);

typedef struct safetensors_file safetensors_file;
/* Maps and parses; checks every offset, shape and (when verify) checksum: a file has checksums of everything or none
 * (when another program wrote it). Rejects files that are not safetensors, and those of a newer "topn.format", with
 * TOPN_ERROR_FORMAT. O(header) or, with verify, O(file). */
topn_status safetensors_open(topn_context *context, const char *path, bool verify, safetensors_file **out);
void safetensors_close(safetensors_file *file);
size_t safetensors_count(const safetensors_file *file);
const tensor *safetensors_at(const safetensors_file *file, size_t index);
/* NULL when absent. */
const tensor *safetensors_find(const safetensors_file *file, const char *name);
/* As given to safetensors_open, for messages. */
const char *safetensors_path(const safetensors_file *file);
/* Metadata without the checksums, in file order. */
const record *safetensors_metadata(const safetensors_file *file);
/* true when the file starts like safetensors (a plausible header length and '{'). */
bool safetensors_looks_like(const unsigned char *bytes, size_t size);

/* A tensor of that name, type and number of elements (UINT64_MAX = any), else FORMAT naming path and tensor. */
topn_status safetensors_require(topn_context *context, const safetensors_file *file, const char *name, tensor_type type,
                                uint64_t elements, const tensor **out);

#endif
