/* SPDX-License-Identifier: Apache-2.0 */
#include "store/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/header.h"

#include <xxhash.h>

static const size_t chunk = (size_t)1 << 26; /* bytes between two reports of progress */

struct safetensors_file {
    file_map map;
    char *path;
    header header;
};

/* Bytes hashed or written so far, for the progress callback. */
typedef struct task {
    const char *stage;
    uint64_t done, total;
} task;

const char *tensor_type_name(tensor_type type)
{
    static const char *const names[] = {"F32", "F64", "U8", "U32", "I64", "U64"};
    return names[type];
}

size_t tensor_type_size(tensor_type type)
{
    static const size_t sizes[] = {4, 8, 1, 4, 8, 8};
    return sizes[type];
}

uint64_t tensor_bytes(const tensor *array)
{
    uint64_t bytes = tensor_type_size(array->type);
    for (size_t dimension = 0; dimension < array->dimensions; dimension++)
        bytes *= array->shape[dimension];
    return bytes;
}

/* Stable insertion sort: files hold a dozen arrays. */
void safetensors_order(tensor *tensors, size_t count)
{
    for (size_t index = 1; index < count; index++) {
        const tensor moved = tensors[index];
        size_t at = index;
        for (; at > 0 && tensor_type_size(tensors[at - 1].type) < tensor_type_size(moved.type); at--)
            tensors[at] = tensors[at - 1];
        tensors[at] = moved;
    }
}

static topn_status hash_tensor(topn_context *context, const tensor *array, task *work, uint64_t *out)
{
    topn_status status = TOPN_OK;
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return fail(context, TOPN_ERROR_MEMORY, "could not allocate a checksum's state");
    XXH3_64bits_reset(state);
    const uint64_t bytes = tensor_bytes(array);
    for (uint64_t at = 0; at < bytes; at += chunk) {
        const size_t size = bytes - at < chunk ? bytes - at : chunk;
        XXH3_64bits_update(state, (const char *)array->bytes + at, size);
        work->done += size;
        TRY(progress_report(context, work->stage, "bytes", work->done, work->total, NAN));
    }
    *out = XXH3_64bits_digest(state);
done:
    XXH3_freeState(state);
    return status;
}

static topn_status write_tensor(topn_context *context, file_writer *writer, const tensor *array, task *work)
{
    topn_status status = TOPN_OK;
    const uint64_t bytes = tensor_bytes(array);
    for (uint64_t at = 0; at < bytes; at += chunk) {
        const size_t size = bytes - at < chunk ? bytes - at : chunk;
        TRY(file_write(writer, (const char *)array->bytes + at, size));
        work->done += size;
        TRY(progress_report(context, work->stage, "bytes", work->done, work->total, NAN));
    }
done:
    return status;
}

topn_status safetensors_write(topn_context *context, const char *path, const tensor *tensors, size_t count,
                              const record *metadata)
{
    topn_status status;
    tensor *ordered = NULL;
    uint64_t *sums = NULL;
    char *text = NULL;
    file_writer *writer = NULL;
    TRY(ALLOCATE(context, count, &ordered));
    TRY(ALLOCATE(context, count, &sums));
    if (count)
        memcpy(ordered, tensors, count * sizeof *tensors);
    safetensors_order(ordered, count);
    task checksum = {.stage = "checksum"}, save = {.stage = "write"};
    for (size_t index = 0; index < count; index++)
        checksum.total = save.total += tensor_bytes(&ordered[index]);
    for (size_t index = 0; index < count; index++)
        TRY(hash_tensor(context, &ordered[index], &checksum, &sums[index]));
    size_t length;
    TRY(header_render(context, ordered, sums, count, metadata, &text, &length));
    TRY(file_create(context, path, &writer));
    TRY(file_write(writer, text, length));
    for (size_t index = 0; index < count; index++)
        TRY(write_tensor(context, writer, &ordered[index], &save));
    status = file_commit(writer);
    writer = NULL;
done:
    file_abandon(writer);
    free(text);
    free(sums);
    free(ordered);
    return status;
}

static topn_status verify_tensors(topn_context *context, const safetensors_file *file)
{
    topn_status status = TOPN_OK;
    const header *about = &file->header;
    task work = {.stage = "verify"};
    for (size_t index = 0; index < about->count; index++)
        work.total += tensor_bytes(&about->tensors[index]);
    for (size_t index = 0; index < about->count; index++) {
        uint64_t sum;
        TRY(hash_tensor(context, &about->tensors[index], &work, &sum));
        if (sum != about->checksums[index]) {
            status = fail(context, TOPN_ERROR_FORMAT,
                          "%s: array %s is corrupt: its checksum is %016" PRIx64 ", not %016" PRIx64, file->path,
                          about->tensors[index].name, sum, about->checksums[index]);
            goto done;
        }
    }
done:
    return status;
}

topn_status safetensors_open(topn_context *context, const char *path, bool verify, safetensors_file **out)
{
    topn_status status;
    safetensors_file *file = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &file));
    TRY(memory_copy_text(context, path, &file->path));
    TRY(file_map_open(context, path, &file->map));
    TRY(header_parse(context, path, file->map.bytes, file->map.size, verify, &file->header));
    if (verify && file->header.checksums)
        TRY(verify_tensors(context, file));
    *out = file;
    return TOPN_OK;
done:
    safetensors_close(file);
    return status;
}

void safetensors_close(safetensors_file *file)
{
    if (!file)
        return;
    header_clear(&file->header);
    file_map_close(&file->map);
    free(file->path);
    free(file);
}

size_t safetensors_count(const safetensors_file *file)
{
    return file->header.count;
}

const tensor *safetensors_at(const safetensors_file *file, size_t index)
{
    return index < file->header.count ? &file->header.tensors[index] : NULL;
}

const tensor *safetensors_find(const safetensors_file *file, const char *name)
{
    for (size_t index = 0; index < file->header.count; index++)
        if (strcmp(file->header.tensors[index].name, name) == 0)
            return &file->header.tensors[index];
    return NULL;
}

const record *safetensors_metadata(const safetensors_file *file)
{
    return &file->header.metadata;
}

const char *safetensors_path(const safetensors_file *file)
{
    return file->path;
}

bool safetensors_looks_like(const unsigned char *bytes, size_t size)
{
    if (size < 9 || bytes[8] != '{')
        return false;
    uint64_t length = 0;
    for (int byte = 7; byte >= 0; byte--)
        length = length << 8 | bytes[byte];
    return length >= 2 && length <= HEADER_LIMIT;
}

topn_status safetensors_require(topn_context *context, const safetensors_file *file, const char *name, tensor_type type,
                                uint64_t elements, const tensor **out)
{
    *out = safetensors_find(file, name);
    if (!*out)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s is missing", file->path, name);
    const uint64_t found = tensor_bytes(*out) / tensor_type_size((*out)->type);
    if ((*out)->type != type)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s has type %s, not %s", file->path, name,
                    tensor_type_name((*out)->type), tensor_type_name(type));
    if (elements != UINT64_MAX && found != elements)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s has %" PRIu64 " elements, not %" PRIu64, file->path, name,
                    found, elements);
    return TOPN_OK;
}
