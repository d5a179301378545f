/* SPDX-License-Identifier: Apache-2.0
 *
 * A retrieval index that travels with a model: named arrays that the model stores, maps and frees without knowing what
 * they mean. retrieve/ gives them their meaning (retrieve/index.h). In a file they are "index.<kind>.<name>"; what was
 * measured when the index was built is metadata "index.<kind>.…".
 *
 * An index belongs to the very tables it was built from: copies of a model with other tables, priors or items come
 * without indexes.
 */
#ifndef TOPN_MODEL_MODEL_INDEX_H
#define TOPN_MODEL_MODEL_INDEX_H

#include "base/context.h"
#include "store/safetensors.h"

enum { MODEL_INDEX_ARRAYS = 12, MODEL_INDEXES = 8, MODEL_INDEX_NAME = 32 };

/* In a model's file every array and key of an index begins so. */
#define MODEL_INDEX_PREFIX "index."

typedef struct index_array {
    char name[MODEL_INDEX_NAME];       /* "links" */
    char stored[3 * MODEL_INDEX_NAME]; /* "index.hnsw.links" */
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

/* A zeroed array of that shape, added to the index, whose kind is set; its bytes, or NULL with MEMORY said. */
void *model_index_add(topn_context *context, model_index *index, const char *name, tensor_type type, uint64_t rows,
                      uint64_t columns);
/* FORMAT naming kind and array when it is not there with this type and these rows and columns (UINT64_MAX = any). */
topn_status model_index_require(topn_context *context, const model_index *index, const char *name, tensor_type type,
                                uint64_t rows, uint64_t columns, const index_array **out);
uint64_t model_index_bytes(const model_index *index);
void model_index_clear(model_index *index);

/* NULL where the model has none of that kind. */
const model_index *model_find_index(const topn_model *model, const char *kind);
/* The index becomes the model's, in place of one of its kind; *index is empty after. Indexes stand in the order of
 * their kinds, arrays in that of their names, so that the same indexes give the same file however they came in.
 * UNSUPPORTED when there are as many as a model takes. */
topn_status model_put_index(topn_context *context, topn_model *model, model_index *index);
/* Takes the index and its metadata away; false when there is none. */
bool model_drop_index(topn_model *model, const char *kind);

/* The arrays "index.…" of the model's file, as views of its map. FORMAT naming an array that no index can have. */
topn_status model_load_indexes(topn_context *context, topn_model *model);

#endif
