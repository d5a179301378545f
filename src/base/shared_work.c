/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { MOST_KEPT = 16, SHARE_OF_MEMORY = 4 };

typedef struct kept {
    char key[SHARED_KEY];
    void *bytes; /* [size] */
    size_t size;
    uint64_t used; /* the clock when it was last asked for */
} kept;

struct topn_cache {
    kept entries[MOST_KEPT]; /* [count] */
    size_t count;
    uint64_t bytes, limit, clock;
};

topn_status topn_cache_create(topn_context *context, uint64_t bytes, topn_cache **out)
{
    if (!out)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_cache_create needs a place for its result");
    const topn_status status = ALLOCATE_ZEROED(context, 1, out);
    if (status == TOPN_OK)
        (*out)->limit = bytes ? bytes : memory_available(context) / SHARE_OF_MEMORY;
    return status;
}

static void empty(topn_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        free(cache->entries[i].bytes);
    cache->count = 0;
    cache->bytes = 0;
}

void topn_cache_free(topn_cache *cache)
{
    if (cache)
        empty(cache);
    free(cache);
}

void topn_context_set_cache(topn_context *context, topn_cache *cache)
{
    if (context)
        context->cache = cache;
}

uint64_t shared_work_bytes(const topn_context *context)
{
    return context->cache ? context->cache->bytes : 0;
}

void shared_work_drop(topn_context *context)
{
    if (context->cache)
        empty(context->cache);
}

static kept *entry_of(topn_cache *cache, const char *key)
{
    for (size_t i = 0; cache && i < cache->count; i++)
        if (strcmp(cache->entries[i].key, key) == 0)
            return &cache->entries[i];
    return NULL;
}

bool shared_work_find(topn_context *context, const char *key, void *out, size_t size)
{
    kept *found = entry_of(context->cache, key);
    if (!found || found->size != size)
        return false;
    found->used = ++context->cache->clock;
    memcpy(out, found->bytes, size);
    return true;
}

/* Takes out what was used longest ago. */
static void evict(topn_cache *cache)
{
    size_t oldest = 0;
    for (size_t i = 1; i < cache->count; i++)
        if (cache->entries[i].used < cache->entries[oldest].used)
            oldest = i;
    cache->bytes -= cache->entries[oldest].size;
    free(cache->entries[oldest].bytes);
    cache->entries[oldest] = cache->entries[--cache->count];
}

void shared_work_keep(topn_context *context, const char *key, const void *bytes, size_t size)
{
    topn_cache *cache = context->cache;
    if (!cache || size > cache->limit || strlen(key) >= SHARED_KEY || entry_of(cache, key))
        return;
    while (cache->count == MOST_KEPT || cache->bytes + size > cache->limit)
        evict(cache);
    /* The training that this comes from has its peak still before it. */
    void *copy = memory_available(context) / SHARE_OF_MEMORY >= size ? malloc(size) : NULL;
    if (!copy)
        return;
    memcpy(copy, bytes, size);
    kept *added = &cache->entries[cache->count++];
    *added = (kept){.bytes = copy, .size = size, .used = ++cache->clock};
    memcpy(added->key, key, strlen(key) + 1);
    cache->bytes += size;
}
