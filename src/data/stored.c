/* SPDX-License-Identifier: Apache-2.0 */
#include "data/stored.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numeric/sparse.h"

void stored_add(tensor_list *list, const char *name, tensor_type type, uint64_t rows, const void *bytes)
{
    list->tensors[list->count++] =
        (tensor){.name = name, .type = type, .shape = {rows}, .dimensions = 1, .bytes = bytes};
}

void stored_add_matrix(tensor_list *list, const char *name, uint64_t rows, uint64_t columns, const float *values)
{
    list->tensors[list->count++] =
        (tensor){.name = name, .type = TENSOR_F32, .shape = {rows, columns}, .dimensions = 2, .bytes = values};
}

void stored_add_strings(tensor_list *list, const char *const names[2], const string_table *table)
{
    static const uint64_t none = 0;
    const uint64_t *offsets = table->offsets ? table->offsets : &none;
    stored_add(list, names[0], TENSOR_U64, (uint64_t)table->count + 1, offsets);
    stored_add(list, names[1], TENSOR_U8, offsets[table->count], table->bytes);
}

void stored_add_sparse(tensor_list *list, const char *const names[3], const sparse_matrix *matrix)
{
    const uint64_t nonzeros = matrix->indptr[matrix->rows];
    stored_add(list, names[0], TENSOR_U64, (uint64_t)matrix->rows + 1, matrix->indptr);
    stored_add(list, names[1], TENSOR_U32, nonzeros, matrix->indices);
    if (matrix->values)
        stored_add(list, names[2], TENSOR_F32, nonzeros, matrix->values);
}

/* Array of offsets: at least one, and no more than 32-bit indices can count. */
static topn_status require_offsets(topn_context *context, const safetensors_file *file, const char *name,
                                   const uint64_t **offsets, uint32_t *count)
{
    const tensor *found;
    const topn_status status = safetensors_require(context, file, name, TENSOR_U64, UINT64_MAX, &found);
    if (status != TOPN_OK)
        return status;
    const uint64_t length = tensor_bytes(found) / sizeof **offsets;
    if (length == 0 || length > UINT32_MAX)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s has %" PRIu64 " elements, not 1 … %" PRIu32,
                    safetensors_path(file), name, length, UINT32_MAX);
    *offsets = found->bytes;
    *count = (uint32_t)(length - 1);
    return TOPN_OK;
}

topn_status stored_strings(topn_context *context, const safetensors_file *file, const char *const names[2],
                           string_table *out)
{
    topn_status status;
    const tensor *bytes;
    *out = (string_table){0};
    string_table table = {0};
    TRY(require_offsets(context, file, names[0], &table.offsets, &table.count));
    TRY(safetensors_require(context, file, names[1], TENSOR_U8, UINT64_MAX, &bytes));
    table.bytes = bytes->bytes;
    char what[512];
    snprintf(what, sizeof what, "%s: array %s", safetensors_path(file), names[0]);
    TRY(string_table_check(context, &table, tensor_bytes(bytes), what));
    *out = table;
done:
    return status;
}

topn_status stored_sparse(topn_context *context, const safetensors_file *file, const char *const names[3],
                          uint32_t columns, bool values_needed, sparse_matrix *out)
{
    topn_status status;
    const tensor *indices, *values = NULL;
    *out = (sparse_matrix){0};
    sparse_matrix matrix = {.columns = columns};
    const uint64_t *indptr = NULL;
    TRY(require_offsets(context, file, names[0], &indptr, &matrix.rows));
    const uint64_t nonzeros = indptr[matrix.rows];
    if (nonzeros == UINT64_MAX) { /* which would ask for any number of elements */
        status = fail(context, TOPN_ERROR_FORMAT, "%s: array %s ends with an impossible offset", safetensors_path(file),
                      names[0]);
        goto done;
    }
    TRY(safetensors_require(context, file, names[1], TENSOR_U32, nonzeros, &indices));
    if (values_needed || safetensors_find(file, names[2]))
        TRY(safetensors_require(context, file, names[2], TENSOR_F32, nonzeros, &values));
    matrix.indptr = (uint64_t *)indptr;
    matrix.indices = (uint32_t *)indices->bytes;
    matrix.values = values ? (float *)values->bytes : NULL;
    *out = matrix;
done:
    return status;
}

topn_status stored_text(topn_context *context, const safetensors_file *file, const char *key, const char **out)
{
    *out = record_get(safetensors_metadata(file), key);
    return *out ? TOPN_OK
                : fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is missing", safetensors_path(file), key);
}

topn_status stored_choice(topn_context *context, const safetensors_file *file, const char *key, const char *const *list,
                          int count, int *out)
{
    const char *text;
    const topn_status status = stored_text(context, file, key, &text);
    if (status != TOPN_OK)
        return status;
    for (*out = 0; *out < count; ++*out)
        if (strcmp(text, list[*out]) == 0)
            return TOPN_OK;
    return fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is \"%.100s\", not \"%s\" or its like",
                safetensors_path(file), key, text, list[0]);
}

topn_status stored_count(topn_context *context, const safetensors_file *file, const char *key, uint64_t *out)
{
    const char *text;
    const topn_status status = stored_text(context, file, key, &text);
    if (status != TOPN_OK)
        return status;
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is \"%.100s\", not a number",
                    safetensors_path(file), key, text);
    return TOPN_OK;
}

static const char *kind_name(const char *kind)
{
    static const char *const names[][2] = {
        {"model", "a model"}, {"data", "interaction data"}, {"checkpoint", "the checkpoint of a training"}};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++)
        if (strcmp(kind, names[index][0]) == 0)
            return names[index][1];
    return "something else";
}

topn_status stored_kind(topn_context *context, const safetensors_file *file, const char *kind)
{
    const record *metadata = safetensors_metadata(file);
    const char *path = safetensors_path(file), *found = record_get(metadata, "topn.kind");
    if (!found || !record_get(metadata, "topn.format"))
        return fail(context, TOPN_ERROR_FORMAT, "%s: a safetensors file, but not one of topn's", path);
    if (strcmp(found, kind) != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: holds %s, not %s", path, kind_name(found), kind_name(kind));
    return TOPN_OK;
}
