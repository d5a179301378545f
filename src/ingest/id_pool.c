/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "ingest/id_pool.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static topn_status grow_slots(id_pool *pool)
{
    const uint64_t slots = pool->slots ? 2 * (pool->mask + 1) : 1024, mask = slots - 1;
    uint64_t *grown;
    const topn_status status = ALLOCATE_ZEROED(NULL, slots, &grown);
    if (status != TOPN_OK)
        return status;
    for (uint32_t index = 0; index < pool->count; index++) {
        const uint64_t begin = pool->offsets[index], length = pool->offsets[index + 1] - begin - 1;
        const uint64_t hash = XXH3_64bits(pool->bytes + begin, length);
        uint64_t slot = hash & mask;
        while (grown[slot])
            slot = (slot + 1) & mask;
        grown[slot] = (hash >> 32 << 32) | (index + 1);
    }
    free(pool->slots);
    pool->slots = grown;
    pool->mask = mask;
    return TOPN_OK;
}

static topn_status append(id_pool *pool, const unsigned char *text, size_t length)
{
    topn_status status = TOPN_OK;
    if (pool->used + length + 1 > pool->capacity) {
        const uint64_t capacity = 2 * (pool->used + length + 1) + 4096;
        TRY(RESIZE(NULL, capacity, &pool->bytes));
        pool->capacity = capacity;
    }
    if (pool->count + 1 >= pool->room) {
        const uint32_t room = pool->room ? (pool->room > ID_TEXT / 2 ? ID_TEXT : 2 * pool->room) : 512;
        TRY(RESIZE(NULL, (size_t)room + 1, &pool->offsets));
        pool->room = room;
        pool->offsets[0] = 0;
    }
    memcpy(pool->bytes + pool->used, text, length);
    pool->bytes[pool->used + length] = '\0';
    pool->used += length + 1;
    pool->offsets[++pool->count] = pool->used;
done:
    return status;
}

topn_status id_pool_add(id_pool *pool, const unsigned char *text, size_t length, uint32_t *out)
{
    topn_status status;
    if (!pool->slots || pool->count >= (pool->mask + 1) / 2)
        TRY(grow_slots(pool));
    const uint64_t hash = XXH3_64bits(text, length);
    uint64_t slot = hash & pool->mask;
    for (; pool->slots[slot]; slot = (slot + 1) & pool->mask) {
        if (pool->slots[slot] >> 32 != hash >> 32)
            continue;
        const uint32_t index = (uint32_t)pool->slots[slot] - 1;
        const uint64_t begin = pool->offsets[index];
        if (pool->offsets[index + 1] - begin - 1 == length && memcmp(pool->bytes + begin, text, length) == 0) {
            *out = index;
            return TOPN_OK;
        }
    }
    if (pool->count == ID_TEXT - 1)
        return TOPN_ERROR_DATA;
    TRY(append(pool, text, length));
    pool->slots[slot] = (hash >> 32 << 32) | pool->count;
    *out = pool->count - 1;
done:
    return status;
}

void id_pool_clear(id_pool *pool)
{
    free(pool->bytes);
    free(pool->offsets);
    free(pool->slots);
    *pool = (id_pool){0};
}

bool id_is_number(const unsigned char *text, size_t length, uint32_t *out)
{
    if (length == 0 || length > 10 || (text[0] == '0' && length > 1))
        return false;
    uint64_t value = 0;
    for (size_t at = 0; at < length; at++) {
        const unsigned digit = (unsigned)text[at] - '0';
        if (digit > 9)
            return false;
        value = 10 * value + digit;
    }
    *out = (uint32_t)value;
    return value < ID_TEXT;
}

topn_status id_code(id_pool *pool, const unsigned char *text, size_t length, uint32_t *out)
{
    if (id_is_number(text, length, out))
        return TOPN_OK;
    const topn_status status = id_pool_add(pool, text, length, out);
    *out |= ID_TEXT;
    return status;
}
