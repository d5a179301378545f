/* SPDX-License-Identifier: Apache-2.0
 *
 * String tables and sparse matrices as arrays of a safetensors file: NAME.offsets and NAME.bytes; NAME.indptr,
 * NAME.indices and NAME.values.
 */
#ifndef TOPN_DATA_STORED_H
#define TOPN_DATA_STORED_H

#include "data/id_map.h"
#include "numeric/matrix.h"
#include "store/safetensors.h"

/* A list of arrays being put together. Names are string constants. */
typedef struct tensor_list {
    tensor *tensors; /* room for all that is added */
    size_t count;
} tensor_list;

void stored_add(tensor_list *list, const char *name, tensor_type type, uint64_t rows, const void *bytes);
void stored_add_matrix(tensor_list *list, const char *name, uint64_t rows, uint64_t columns, const float *values);
void stored_add_strings(tensor_list *list, const char *const names[2], const string_table *table);
/* Without names[2] when there are no values. */
void stored_add_sparse(tensor_list *list, const char *const names[3], const sparse_matrix *matrix);

/* The names of a table's arrays, spelled once. */
#define STORED_STRINGS(name) ((const char *const[2]){name ".offsets", name ".bytes"})
#define STORED_SPARSE(name) ((const char *const[3]){name ".indptr", name ".indices", name ".values"})

/* Lend the file's arrays; every offset, string and index is checked. FORMAT with path and array. */
topn_status stored_strings(topn_context *context, const safetensors_file *file, const char *const names[2],
                           string_table *out);
topn_status stored_sparse(topn_context *context, const safetensors_file *file, const char *const names[3],
                          uint32_t columns, bool values_needed, sparse_matrix *out);
/* The metadata value of key; FORMAT when absent. */
topn_status stored_text(topn_context *context, const safetensors_file *file, const char *key, const char **out);
/* Index of the value in list [count], else FORMAT. */
topn_status stored_choice(topn_context *context, const safetensors_file *file, const char *key, const char *const *list,
                          int count, int *out);
topn_status stored_count(topn_context *context, const safetensors_file *file, const char *key, uint64_t *out);
/* "topn.kind" must be `kind`; FORMAT with what to do else. */
topn_status stored_kind(topn_context *context, const safetensors_file *file, const char *kind);

#endif
