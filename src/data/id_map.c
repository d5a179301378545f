/* SPDX-License-Identifier: Apache-2.0 */
#include "data/id_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"

const char *string_table_get(const string_table *table, uint32_t index)
{
    return table->bytes + table->offsets[index];
}

/* Arrays for count strings of `bytes` bytes in all, NULs included. */
static topn_status table_arrays(topn_context *context, uint32_t count, uint64_t bytes, char **text, uint64_t **offsets)
{
    *text = NULL;
    *offsets = NULL;
    topn_status status;
    TRY(ALLOCATE(context, bytes, text));
    TRY(ALLOCATE(context, (size_t)count + 1, offsets));
    (*offsets)[0] = 0;
    return TOPN_OK;
done:
    free(*text);
    *text = NULL;
    return status;
}

topn_status string_table_create(topn_context *context, const char *const *strings, uint32_t count, string_table *out)
{
    *out = (string_table){0};
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; index++)
        bytes += strlen(strings[index]) + 1;
    char *text;
    uint64_t *offsets;
    const topn_status status = table_arrays(context, count, bytes, &text, &offsets);
    if (status != TOPN_OK)
        return status;
    for (uint32_t index = 0; index < count; index++) {
        const size_t size = strlen(strings[index]) + 1;
        memcpy(text + offsets[index], strings[index], size);
        offsets[index + 1] = offsets[index] + size;
    }
    *out = (string_table){.bytes = text, .offsets = offsets, .count = count, .owned = true};
    return TOPN_OK;
}

topn_status string_table_numbers(topn_context *context, uint32_t count, string_table *out)
{
    *out = (string_table){0};
    char number[16];
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; index++)
        bytes += (uint64_t)snprintf(number, sizeof number, "%" PRIu32, index) + 1;
    char *text;
    uint64_t *offsets;
    const topn_status status = table_arrays(context, count, bytes, &text, &offsets);
    if (status != TOPN_OK)
        return status;
    for (uint32_t index = 0; index < count; index++)
        offsets[index + 1] = offsets[index] + (uint64_t)sprintf(text + offsets[index], "%" PRIu32, index) + 1;
    *out = (string_table){.bytes = text, .offsets = offsets, .count = count, .owned = true};
    return TOPN_OK;
}

topn_status string_table_pick(topn_context *context, const string_table *from, const uint32_t *indices, uint32_t count,
                              string_table *out)
{
    *out = (string_table){0};
    uint64_t bytes = 0;
    for (uint32_t index = 0; index < count; index++)
        bytes += from->offsets[indices[index] + 1] - from->offsets[indices[index]];
    char *text;
    uint64_t *offsets;
    const topn_status status = table_arrays(context, count, bytes, &text, &offsets);
    if (status != TOPN_OK)
        return status;
    for (uint32_t index = 0; index < count; index++) {
        const uint64_t begin = from->offsets[indices[index]], size = from->offsets[indices[index] + 1] - begin;
        memcpy(text + offsets[index], from->bytes + begin, size);
        offsets[index + 1] = offsets[index] + size;
    }
    *out = (string_table){.bytes = text, .offsets = offsets, .count = count, .owned = true};
    return TOPN_OK;
}

topn_status string_table_copy(topn_context *context, const string_table *from, string_table *out)
{
    *out = (string_table){0};
    if (!from->offsets)
        return TOPN_OK;
    char *text;
    uint64_t *offsets;
    const topn_status status = table_arrays(context, from->count, from->offsets[from->count], &text, &offsets);
    if (status != TOPN_OK)
        return status;
    if (from->offsets[from->count])
        memcpy(text, from->bytes, from->offsets[from->count]);
    memcpy(offsets, from->offsets, ((size_t)from->count + 1) * sizeof *offsets);
    *out = (string_table){.bytes = text, .offsets = offsets, .count = from->count, .owned = true};
    return TOPN_OK;
}

topn_status string_table_check(topn_context *context, const string_table *table, uint64_t bytes, const char *what)
{
    if (table->offsets[0] != 0 || table->offsets[table->count] != bytes)
        return fail(context, TOPN_ERROR_FORMAT, "%s: offsets do not span the text", what);
    for (uint32_t index = 0; index < table->count; index++) {
        const uint64_t begin = table->offsets[index], end = table->offsets[index + 1];
        if (end <= begin || end > bytes || memchr(table->bytes + begin, '\0', end - begin) != table->bytes + end - 1)
            return fail(context, TOPN_ERROR_FORMAT, "%s: string %" PRIu32 " is broken", what, index);
    }
    return TOPN_OK;
}

void string_table_clear(string_table *table)
{
    if (table->owned) {
        free((void *)table->bytes);
        free((void *)table->offsets);
    }
    *table = (string_table){0};
}

static uint32_t slot_of(const id_index *index, const char *id, size_t length)
{
    return (uint32_t)XXH3_64bits(id, length) & index->mask;
}

topn_status id_index_create(topn_context *context, const string_table *table, id_index *out)
{
    *out = (id_index){.table = table};
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)table->count)
        slots *= 2;
    if (slots > UINT64_C(1) << 32)
        slots = UINT64_C(1) << 32;
    out->mask = (uint32_t)(slots - 1);
    const topn_status status = ALLOCATE_ZEROED(context, slots, &out->slots);
    if (status != TOPN_OK)
        return status;
    for (uint32_t index = 0; index < table->count; index++) {
        const char *id = string_table_get(table, index);
        const size_t size = table->offsets[index + 1] - table->offsets[index];
        uint32_t slot = slot_of(out, id, size - 1);
        for (; out->slots[slot]; slot = (slot + 1) & out->mask) {
            if (strcmp(string_table_get(table, out->slots[slot] - 1), id) == 0) {
                id_index_clear(out);
                return fail(context, TOPN_ERROR_FORMAT, "id \"%s\" appears twice", id);
            }
        }
        out->slots[slot] = index + 1;
    }
    return TOPN_OK;
}

bool id_index_find(const id_index *index, const char *id, uint32_t *out)
{
    if (!index->slots || !id)
        return false;
    uint32_t slot = slot_of(index, id, strlen(id));
    for (; index->slots[slot]; slot = (slot + 1) & index->mask) {
        if (strcmp(string_table_get(index->table, index->slots[slot] - 1), id) == 0) {
            if (out)
                *out = index->slots[slot] - 1;
            return true;
        }
    }
    return false;
}

void id_index_clear(id_index *index)
{
    free(index->slots);
    *index = (id_index){0};
}
