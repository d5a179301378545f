/* SPDX-License-Identifier: Apache-2.0 */
#include "store/header.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

#include <jansson.h>
#include <xxhash.h>

#define CHECKSUM_PREFIX "xxh3."
#define CHECKSUM_OF_HEADER "xxh3.__metadata__"

enum { DEEPEST = 3 }; /* header { array { "shape": [ */

static bool is_checksum(const char *key)
{
    return strncmp(key, CHECKSUM_PREFIX, strlen(CHECKSUM_PREFIX)) == 0;
}

/* ---- Checksum of the header's meaning: independent of the order in which a program wrote it ---------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const record_entry *)a)->key, ((const record_entry *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const tensor *const *)a)->name, (*(const tensor *const *)b)->name);
}

static void hash_text(XXH3_state_t *state, const char *text)
{
    XXH3_64bits_update(state, text, strlen(text) + 1);
}

static topn_status hash_entries(topn_context *context, XXH3_state_t *state, const record *metadata)
{
    record_entry *entries;
    const topn_status status = ALLOCATE(context, metadata->count, &entries);
    if (status != TOPN_OK)
        return status;
    if (metadata->count) {
        memcpy(entries, metadata->entries, metadata->count * sizeof *entries);
        qsort(entries, metadata->count, sizeof *entries, by_key);
    }
    for (size_t index = 0; index < metadata->count; index++) {
        hash_text(state, entries[index].key);
        hash_text(state, entries[index].value);
    }
    free(entries);
    return TOPN_OK;
}

static topn_status hash_descriptions(topn_context *context, XXH3_state_t *state, const tensor *tensors, size_t count)
{
    const tensor **sorted;
    const topn_status status = ALLOCATE(context, count, &sorted);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < count; index++)
        sorted[index] = &tensors[index];
    if (count)
        qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t index = 0; index < count; index++) {
        const tensor *array = sorted[index];
        char shape[64];
        if (array->dimensions == 1)
            snprintf(shape, sizeof shape, "%" PRIu64, array->shape[0]);
        else
            snprintf(shape, sizeof shape, "%" PRIu64 ",%" PRIu64, array->shape[0], array->shape[1]);
        hash_text(state, array->name);
        hash_text(state, tensor_type_name(array->type));
        hash_text(state, shape);
    }
    free(sorted);
    return TOPN_OK;
}

static topn_status header_checksum(topn_context *context, const record *metadata, const tensor *tensors, size_t count,
                                   uint64_t *out)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return fail(context, TOPN_ERROR_MEMORY, "could not allocate a checksum's state");
    XXH3_64bits_reset(state);
    topn_status status;
    TRY(hash_entries(context, state, metadata));
    TRY(hash_descriptions(context, state, tensors, count));
    *out = XXH3_64bits_digest(state);
done:
    XXH3_freeState(state);
    return status;
}

/* ---- To text ------------------------------------------------------------------------------------------------------
 */

/* The metadata as they can be written: UTF-8, without checksums of an earlier file. */
static topn_status writable_metadata(topn_context *context, const record *metadata, record *out)
{
    topn_status status = TOPN_OK;
    char *key = NULL, *value = NULL;
    for (size_t index = 0; index < metadata->count; index++) {
        if (is_checksum(metadata->entries[index].key))
            continue;
        TRY(memory_copy_text(context, metadata->entries[index].key, &key));
        TRY(memory_copy_text(context, metadata->entries[index].value, &value));
        utf8_clean(key);
        utf8_clean(value);
        TRY(record_set(context, out, key, "%s", value));
        free(key);
        free(value);
        key = value = NULL;
    }
done:
    free(key);
    free(value);
    return status;
}

static int set_checksum(json_t *object, const char *key, uint64_t sum)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, sum);
    return json_object_set_new(object, key, json_string(text));
}

static int set_tensor(json_t *root, const tensor *array, uint64_t offset)
{
    json_t *shape = json_array();
    int fault = shape ? 0 : 1;
    for (size_t dimension = 0; dimension < array->dimensions; dimension++)
        fault |= json_array_append_new(shape, json_integer((json_int_t)array->shape[dimension]));
    /* json_pack takes over `shape` on success and on failure. */
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor_type_name(array->type), "shape", shape,
                              "data_offsets", (json_int_t)offset, (json_int_t)(offset + tensor_bytes(array)));
    return fault | json_object_set_new(root, array->name, entry);
}

/* The header as a JSON object; NULL when memory ran out. */
static json_t *header_json(const tensor *tensors, const uint64_t *checksums, size_t count, const record *metadata,
                           uint64_t header_sum)
{
    json_t *root = json_object(), *about = json_object();
    int fault = !root || !about;
    for (size_t index = 0; !fault && index < metadata->count; index++)
        fault = json_object_set_new(about, metadata->entries[index].key, json_string(metadata->entries[index].value));
    for (size_t index = 0; !fault && index < count; index++) {
        char key[256];
        snprintf(key, sizeof key, CHECKSUM_PREFIX "%s", tensors[index].name);
        fault = set_checksum(about, key, checksums[index]);
    }
    if (!fault)
        fault = set_checksum(about, CHECKSUM_OF_HEADER, header_sum);
    if (!fault)
        fault = json_object_set(root, "__metadata__", about);
    uint64_t offset = 0;
    for (size_t index = 0; !fault && index < count; index++) {
        fault = set_tensor(root, &tensors[index], offset);
        offset += tensor_bytes(&tensors[index]);
    }
    json_decref(about);
    if (!fault)
        return root;
    json_decref(root);
    return NULL;
}

static void store_length(char *out, uint64_t length)
{
    for (int byte = 0; byte < 8; byte++)
        out[byte] = (char)(unsigned char)(length >> (8 * byte));
}

topn_status header_render(topn_context *context, const tensor *tensors, const uint64_t *checksums, size_t count,
                          const record *metadata, char **out, size_t *length)
{
    topn_status status;
    record written = {0};
    json_t *root = NULL;
    *out = NULL;
    TRY(writable_metadata(context, metadata, &written));
    uint64_t sum;
    TRY(header_checksum(context, &written, tensors, count, &sum));
    root = header_json(tensors, checksums, count, &written, sum);
    const size_t text = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0;
    if (text == 0) {
        status = fail(context, TOPN_ERROR_MEMORY, "could not allocate the header of a model file");
        goto done;
    }
    *length = (8 + text + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
    if (*length - 8 > HEADER_LIMIT || written.count + count + 1 > HEADER_ENTRIES) {
        status = fail(context, TOPN_ERROR_UNSUPPORTED, "the metadata are too large for a model file (limit %d bytes)",
                      HEADER_LIMIT);
        goto done;
    }
    TRY(memory_allocate(context, *length, 1, out));
    memset(*out, ' ', *length);
    store_length(*out, *length - 8);
    if (json_dumpb(root, *out + 8, text, JSON_COMPACT) != text)
        status = fail(context, TOPN_ERROR_MEMORY, "could not allocate the header of a model file");
done:
    if (status != TOPN_OK) {
        free(*out);
        *out = NULL;
    }
    json_decref(root);
    record_clear(&written);
    return status;
}

/* ---- From text ----------------------------------------------------------------------------------------------------
 */

/* What a hostile header could make the JSON parser spend is bounded here, before it runs. */
static topn_status check_extent(topn_context *context, const char *path, const char *text, size_t length)
{
    size_t depth = 0, values = 0;
    bool quoted = false;
    for (size_t at = 0; at < length; at++) {
        const char c = text[at];
        if (quoted) {
            at += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEEPEST)
                return fail(context, TOPN_ERROR_FORMAT, "%s: the header is nested too deeply for safetensors", path);
        } else if (c == '}' || c == ']') {
            depth -= depth > 0;
        } else if (c == ',' && ++values > 8 * HEADER_ENTRIES) {
            return fail(context, TOPN_ERROR_FORMAT, "%s: the header has more than %d entries", path, HEADER_ENTRIES);
        }
    }
    return TOPN_OK;
}

static topn_status read_metadata(topn_context *context, const char *path, json_t *about, record *out)
{
    topn_status status = TOPN_OK;
    if (about && !json_is_object(about))
        return fail(context, TOPN_ERROR_FORMAT, "%s: __metadata__ is not a JSON object", path);
    if (json_object_size(about) > HEADER_ENTRIES)
        return fail(context, TOPN_ERROR_FORMAT, "%s: __metadata__ has more than %d entries", path, HEADER_ENTRIES);
    const char *key;
    json_t *value;
    json_object_foreach(about, key, value)
    {
        if (!json_is_string(value)) {
            status = fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is not a string", path, key);
            goto done;
        }
        if (!is_checksum(key))
            TRY(record_set(context, out, key, "%s", json_string_value(value)));
    }
done:
    return status;
}

static topn_status check_version(topn_context *context, const char *path, const record *metadata)
{
    const char *text = record_get(metadata, "topn.format");
    if (!text)
        return TOPN_OK;
    char *end;
    const unsigned long version = strtoul(text, &end, 10);
    if (*text < '1' || *text > '9' || *end || version > 1000000)
        return fail(context, TOPN_ERROR_FORMAT, "%s: \"topn.format\" is \"%.40s\", not a version number", path, text);
    if (version > SAFETENSORS_TOPN_FORMAT)
        return fail(context, TOPN_ERROR_FORMAT, "%s: written by a newer topn (format %lu); this one reads up to %d",
                    path, version, SAFETENSORS_TOPN_FORMAT);
    return TOPN_OK;
}

/* A whole number of at least 0. */
static bool read_count(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static topn_status read_type(topn_context *context, const char *path, const char *name, const char *text, tensor *out)
{
    for (int type = TENSOR_F32; type <= TENSOR_U64; type++) {
        if (strcmp(text, tensor_type_name((tensor_type)type)) == 0) {
            out->type = (tensor_type)type;
            return TOPN_OK;
        }
    }
    return fail(context, TOPN_ERROR_FORMAT,
                "%s: array %.200s has type \"%.20s\"; topn reads F32, F64, U8, U32, I64 and U64", path, name, text);
}

/* One array's description; its place in the file goes to range[2]. */
static topn_status read_tensor(topn_context *context, const char *path, const char *name, const json_t *entry,
                               tensor *out, uint64_t range[2])
{
    const json_t *type = json_object_get(entry, "dtype"), *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (json_object_size(entry) != 3 || !json_is_string(type) || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2 || !read_count(json_array_get(offsets, 0), &range[0]) ||
        !read_count(json_array_get(offsets, 1), &range[1]) || range[1] < range[0])
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s lacks a dtype, shape or data_offsets that make sense",
                    path, name);
    topn_status status = read_type(context, path, name, json_string_value(type), out);
    if (status != TOPN_OK)
        return status;
    out->dimensions = json_array_size(shape);
    if (out->dimensions < 1 || out->dimensions > 2)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s has %zu dimensions; topn reads 1 or 2", path, name,
                    out->dimensions);
    uint64_t bytes = tensor_type_size(out->type);
    bool fits = true;
    for (size_t dimension = 0; dimension < out->dimensions; dimension++)
        fits = fits && read_count(json_array_get(shape, dimension), &out->shape[dimension]) &&
               !__builtin_mul_overflow(bytes, out->shape[dimension], &bytes);
    if (!fits || bytes != range[1] - range[0])
        return fail(context, TOPN_ERROR_FORMAT, "%s: shape and data_offsets of array %.200s do not agree", path, name);
    return TOPN_OK;
}

/* An array and where it lies, for sorting by place. */
typedef struct placed {
    tensor tensor;
    uint64_t range[2];
} placed;

static int by_place(const void *a, const void *b)
{
    const placed *left = a, *right = b;
    for (int end = 0; end < 2; end++)
        if (left->range[end] != right->range[end])
            return left->range[end] < right->range[end] ? -1 : 1;
    return strcmp(left->tensor.name, right->tensor.name);
}

/* Arrays in the order of their bytes, which they cover without gap or overlap. */
static topn_status read_tensors(topn_context *context, const char *path, json_t *root, const unsigned char *data,
                                uint64_t size, header *out)
{
    topn_status status;
    placed *all = NULL;
    const size_t most = json_object_size(root);
    size_t count = 0;
    if (most > HEADER_ENTRIES)
        return fail(context, TOPN_ERROR_FORMAT, "%s: the header has more than %d entries", path, HEADER_ENTRIES);
    TRY(ALLOCATE_ZEROED(context, most, &all));
    TRY(ALLOCATE_ZEROED(context, most, &out->tensors));
    const char *name;
    json_t *entry;
    json_object_foreach(root, name, entry)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        placed *next = &all[count++];
        TRY(read_tensor(context, path, name, entry, &next->tensor, next->range));
        next->tensor.name = name;
    }
    qsort(all, count, sizeof *all, by_place);
    uint64_t end = 0;
    for (size_t index = 0; index < count; index++) {
        tensor *array = &all[index].tensor;
        const uint64_t begin = all[index].range[0];
        if (begin != end || all[index].range[1] > size) {
            status = fail(context, TOPN_ERROR_FORMAT,
                          "%s: array %.200s lies at %" PRIu64 "–%" PRIu64 ", where bytes %" PRIu64 "–%" PRIu64
                          " are left (file truncated?)",
                          path, array->name, begin, all[index].range[1], end, size);
            goto done;
        }
        end = all[index].range[1];
        array->bytes = data + begin;
        if ((uintptr_t)array->bytes % tensor_type_size(array->type) != 0) {
            status =
                fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s is not aligned to its elements", path, array->name);
            goto done;
        }
        char *copy;
        TRY(memory_copy_text(context, array->name, &copy));
        array->name = copy;
        out->tensors[out->count++] = *array;
    }
    if (end != size)
        status = fail(context, TOPN_ERROR_FORMAT, "%s: %" PRIu64 " bytes of arrays, of which the header names %" PRIu64,
                      path, size, end);
done:
    free(all);
    return status;
}

static bool read_checksum(const json_t *about, const char *key, uint64_t *out)
{
    const char *text = json_string_value(json_object_get(about, key));
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
        return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

/* All checksums or none. */
static topn_status read_checksums(topn_context *context, const char *path, json_t *about, bool verify, header *out)
{
    topn_status status = TOPN_OK;
    const size_t present = json_object_size(about) - out->metadata.count;
    if (present == 0)
        return TOPN_OK;
    TRY(ALLOCATE(context, out->count, &out->checksums));
    for (size_t index = 0; index < out->count; index++) {
        char key[256];
        const int length = snprintf(key, sizeof key, CHECKSUM_PREFIX "%s", out->tensors[index].name);
        if (length >= (int)sizeof key || !read_checksum(about, key, &out->checksums[index])) {
            status = fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s has no checksum, though others have", path,
                          out->tensors[index].name);
            goto done;
        }
    }
    uint64_t stated, found;
    if (present != out->count + 1 || !read_checksum(about, CHECKSUM_OF_HEADER, &stated)) {
        status = fail(context, TOPN_ERROR_FORMAT, "%s: checksums and arrays do not match", path);
        goto done;
    }
    TRY(header_checksum(context, &out->metadata, out->tensors, out->count, &found));
    if (verify && found != stated)
        status =
            fail(context, TOPN_ERROR_FORMAT,
                 "%s: the header is corrupt: its checksum is %016" PRIx64 ", not %016" PRIx64, path, found, stated);
done:
    return status;
}

topn_status header_parse(topn_context *context, const char *path, const unsigned char *bytes, size_t size, bool verify,
                         header *out)
{
    topn_status status;
    json_t *root = NULL;
    *out = (header){0};
    uint64_t length = 0;
    for (int byte = 7; size >= 8 && byte >= 0; byte--)
        length = length << 8 | bytes[byte];
    if (size < 8 || length < 2 || length > HEADER_LIMIT || length > size - 8 || bytes[8] != '{')
        return fail(context, TOPN_ERROR_FORMAT, "%s: not a safetensors file, or cut short", path);
    const char *text = (const char *)bytes + 8;
    TRY(check_extent(context, path, text, length));
    json_error_t error;
    root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!root || !json_is_object(root)) {
        status = fail(context, TOPN_ERROR_FORMAT, "%s: the header is not valid JSON: %s at byte %d", path, error.text,
                      8 + error.position);
        goto done;
    }
    json_t *about = json_object_get(root, "__metadata__");
    TRY(read_metadata(context, path, about, &out->metadata));
    TRY(check_version(context, path, &out->metadata));
    TRY(read_tensors(context, path, root, bytes + 8 + length, size - 8 - length, out));
    TRY(read_checksums(context, path, about, verify, out));
done:
    json_decref(root);
    if (status != TOPN_OK)
        header_clear(out);
    return status;
}

void header_clear(header *old)
{
    for (size_t index = 0; index < old->count; index++)
        free((char *)old->tensors[index].name);
    free(old->tensors);
    free(old->checksums);
    record_clear(&old->metadata);
    *old = (header){0};
}
