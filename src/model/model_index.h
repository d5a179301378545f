/* SPDX-License-Identifier: Apache-2.0
 *
 * A retrieval index that travels with a model: named arrays that the model stores, maps and frees without knowing what
 * they mean. retrieve/ gives them their meaning (retrieve/index.h). In a file they are "index.<kind>.<name>"; what was
 * measured when the index was built is metadata "index.<kind>.…".
 */
#ifndef TOPN_MODEL_MODEL_INDEX_H
#define TOPN_MODEL_MODEL_INDEX_H

#include "base/context.h"
#include "store/safetensors.h"

enum { MODEL_INDEX_ARRAYS = 12, MODEL_INDEXES = 8, MODEL_INDEX_NAME = 32 };

typedef struct index_array {
    char name[MODEL_INDEX_NAME]; /* "links" */
    tensor_type type;
    uint64_t rows, columns; /* columns 0: one dimension */
    void *bytes;            /* heap, or in the model's mapped file */
} index_array;

typedef struct model_index {
    char kind[MODEL_INDEX_NAME]; /* "hnsw" */
    index_array arrays[MODEL_INDEX_ARRAYS];
    size_t count;
    bool mapped; /* the arrays lie in a mapped file and are not freed */
} model_index;

/* A zeroed array of that shape, added to the index; its bytes, or NULL with MEMORY said. */
void *model_index_add(topn_context *context, model_index *index, const char *name, tensor_type type, uint64_t rows,
                      uint64_t columns);
/* FORMAT naming kind and array when it is not there with this type and these rows and columns (UINT64_MAX = any). */
topn_status model_index_require(topn_context *context, const model_index *index, const char *name, tensor_type type,
                                uint64_t rows, uint64_t columns, const index_array **out);
void model_index_clear(model_index *index);

#endif
