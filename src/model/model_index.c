/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model_index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/model.h"

void *model_index_add(topn_context *context, model_index *index, const char *name, tensor_type type, uint64_t rows,
                      uint64_t columns)
{
    index_array array = {.type = type, .rows = rows, .columns = columns};
    if (index->count == MODEL_INDEX_ARRAYS || strlen(name) >= sizeof array.name) {
        fail(context, TOPN_ERROR_INTERNAL, "index %s: no room for array %s", index->kind, name);
        return NULL;
    }
    snprintf(array.name, sizeof array.name, "%s", name);
    snprintf(array.stored, sizeof array.stored, MODEL_INDEX_PREFIX "%s.%s", index->kind, name);
    uint64_t elements;
    if (__builtin_mul_overflow(rows, columns ? columns : 1, &elements) ||
        memory_allocate_zeroed(context, elements, tensor_type_size(type), &array.bytes) != TOPN_OK)
        return NULL;
    index->arrays[index->count++] = array;
    return array.bytes;
}

topn_status model_index_require(topn_context *context, const model_index *index, const char *name, tensor_type type,
                                uint64_t rows, uint64_t columns, const index_array **out)
{
    *out = NULL;
    for (size_t at = 0; at < index->count; at++)
        if (strcmp(index->arrays[at].name, name) == 0)
            *out = &index->arrays[at];
    if (!*out)
        return fail(context, TOPN_ERROR_FORMAT, "index %s: array " MODEL_INDEX_PREFIX "%s.%s is missing", index->kind,
                    index->kind, name);
    const index_array *found = *out;
    if (found->type != type)
        return fail(context, TOPN_ERROR_FORMAT, "array %s is of type %s, not %s", found->stored,
                    tensor_type_name(found->type), tensor_type_name(type));
    if ((rows != UINT64_MAX && found->rows != rows) || (columns != UINT64_MAX && found->columns != columns))
        return fail(context, TOPN_ERROR_FORMAT,
                    "array %s: %" PRIu64 " × %" PRIu64 " elements, which is not what this model's index has",
                    found->stored, found->rows, found->columns ? found->columns : 1);
    return TOPN_OK;
}

static uint64_t array_bytes(const index_array *array)
{
    return tensor_type_size(array->type) * array->rows * (array->columns ? array->columns : 1);
}

uint64_t model_index_bytes(const model_index *index)
{
    uint64_t bytes = 0;
    for (size_t at = 0; at < index->count; at++)
        bytes += array_bytes(&index->arrays[at]);
    return bytes;
}

void model_index_clear(model_index *index)
{
    for (size_t at = 0; at < index->count && !index->mapped; at++)
        free(index->arrays[at].bytes);
    *index = (model_index){0};
}

/* Where the kind's index is, or index_count. */
static size_t place_of(const topn_model *model, const char *kind)
{
    size_t place = 0;
    while (place < model->index_count && strcmp(model->indexes[place].kind, kind) != 0)
        place++;
    return place;
}

const model_index *model_find_index(const topn_model *model, const char *kind)
{
    const size_t place = place_of(model, kind);
    return place < model->index_count ? &model->indexes[place] : NULL;
}

static int compare_arrays(const void *left, const void *right)
{
    return strcmp(((const index_array *)left)->name, ((const index_array *)right)->name);
}

static int compare_indexes(const void *left, const void *right)
{
    return strcmp(((const model_index *)left)->kind, ((const model_index *)right)->kind);
}

topn_status model_put_index(topn_context *context, topn_model *model, model_index *index)
{
    const size_t place = place_of(model, index->kind);
    if (place == MODEL_INDEXES)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "a model takes %d indexes: remove one of them first",
                    MODEL_INDEXES);
    if (place == model->index_count)
        model->index_count++;
    else
        model_index_clear(&model->indexes[place]);
    qsort(index->arrays, index->count, sizeof *index->arrays, compare_arrays);
    model->indexes[place] = *index;
    *index = (model_index){0};
    qsort(model->indexes, model->index_count, sizeof *model->indexes, compare_indexes);
    return TOPN_OK;
}

bool model_drop_index(topn_model *model, const char *kind)
{
    const size_t place = place_of(model, kind);
    if (place == model->index_count)
        return false;
    char prefix[2 * MODEL_INDEX_NAME];
    snprintf(prefix, sizeof prefix, MODEL_INDEX_PREFIX "%s.", model->indexes[place].kind);
    record_remove(&model->metadata, prefix);
    snprintf(prefix, sizeof prefix, "run." MODEL_INDEX_PREFIX "%s.", model->indexes[place].kind);
    record_remove(&model->metadata, prefix);
    model_index_clear(&model->indexes[place]);
    model->index_count--;
    memmove(&model->indexes[place], &model->indexes[place + 1], (model->index_count - place) * sizeof *model->indexes);
    model->indexes[model->index_count] = (model_index){0};
    return true;
}

/* Copies a name of lower-case letters, digits, '-' and '_' that ends at `end`; false when it is none. */
static bool take_name(const char *text, const char *end, char out[MODEL_INDEX_NAME])
{
    const size_t length = (size_t)(end - text);
    if (length == 0 || length >= MODEL_INDEX_NAME || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") < length)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* One array of the file: "index.<kind>.<name>". */
static topn_status load_array(topn_context *context, const char *path, const tensor *stored, topn_model *model)
{
    char kind[MODEL_INDEX_NAME];
    index_array array = {.type = stored->type,
                         .rows = stored->shape[0],
                         .columns = stored->dimensions == 2 ? stored->shape[1] : 0,
                         .bytes = (void *)stored->bytes};
    const char *begin = stored->name + strlen(MODEL_INDEX_PREFIX), *dot = strchr(begin, '.');
    if (!dot || !take_name(begin, dot, kind) || !take_name(dot + 1, dot + 1 + strlen(dot + 1), array.name) ||
        (stored->dimensions == 2 && stored->shape[1] == 0))
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s is not one of an index", path, stored->name);
    snprintf(array.stored, sizeof array.stored, "%s", stored->name);
    const size_t place = place_of(model, kind);
    model_index *index = &model->indexes[place];
    if (place == MODEL_INDEXES || index->count == MODEL_INDEX_ARRAYS)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s is more than a model has room for (%d indexes of %d)",
                    path, array.stored, MODEL_INDEXES, MODEL_INDEX_ARRAYS);
    if (place == model->index_count) {
        model->index_count++;
        snprintf(index->kind, sizeof index->kind, "%s", kind);
        index->mapped = true;
    }
    index->arrays[index->count++] = array;
    return TOPN_OK;
}

topn_status model_load_indexes(topn_context *context, topn_model *model)
{
    topn_status status = TOPN_OK;
    const char *path = safetensors_path(model->file);
    for (size_t index = 0; index < safetensors_count(model->file); index++) {
        const tensor *stored = safetensors_at(model->file, index);
        if (strncmp(stored->name, MODEL_INDEX_PREFIX, strlen(MODEL_INDEX_PREFIX)) == 0)
            TRY(load_array(context, path, stored, model));
    }
    for (size_t index = 0; index < model->index_count; index++)
        qsort(model->indexes[index].arrays, model->indexes[index].count, sizeof(index_array), compare_arrays);
    qsort(model->indexes, model->index_count, sizeof *model->indexes, compare_indexes);
done:
    return status;
}
