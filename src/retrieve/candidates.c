/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/candidates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/item_score.h"
#include "retrieve/top_list.h"

enum {
    AHEAD = 4,       /* rows that are fetched before their turn */
    CACHE_LINE = 64, /* bytes */
    MOST_LINES = 16, /* of a row that are fetched */
};

/* Smaller for a higher score; equal scores of either zero are equal. */
static uint64_t key_of(uint32_t item, float score)
{
    const float plain = score + 0.0f; /* no −0 */
    uint32_t bits;
    memcpy(&bits, &plain, sizeof bits);
    bits = bits & UINT32_C(0x80000000) ? bits : bits ^ UINT32_C(0x7fffffff);
    return (uint64_t)bits << 32 | item;
}

static float score_of(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    float score;
    bits = bits & UINT32_C(0x80000000) ? bits : bits ^ UINT32_C(0x7fffffff);
    memcpy(&score, &bits, sizeof score);
    return score;
}

static uint64_t middle_of(uint64_t a, uint64_t b, uint64_t c)
{
    if (a > b) {
        const uint64_t swap = a;
        a = b;
        b = swap;
    }
    return c < a ? a : c > b ? b : c;
}

/* Puts the `wanted` smallest of different keys first (Hoare's selection). O(count) on average. */
static void select_smallest(uint64_t *keys, size_t count, size_t wanted)
{
    size_t begin = 0, end = count; /* place `wanted` − 1 is in begin … end − 1 */
    while (end - begin > 1) {
        const uint64_t pivot = middle_of(keys[begin], keys[begin + (end - begin) / 2], keys[end - 1]);
        size_t low = begin, high = end - 1;
        for (;;) {
            while (keys[low] < pivot)
                low++;
            while (keys[high] > pivot)
                high--;
            if (low >= high)
                break;
            const uint64_t swap = keys[low];
            keys[low++] = keys[high];
            keys[high--] = swap;
        }
        const size_t left = high + 1; /* keys before `left` are ≤ the pivot, the others are ≥ it */
        if (wanted <= left)
            end = left < end ? left : end - 1;
        else
            begin = left;
    }
}

static void cut_back(candidates *pool)
{
    if (pool->count <= pool->room)
        return;
    select_smallest(pool->keys, pool->count, pool->room);
    pool->count = pool->room;
    pool->last = 0;
    for (size_t at = 0; at < pool->count; at++)
        if (pool->keys[at] > pool->last)
            pool->last = pool->keys[at];
    pool->threshold = score_of(pool->last);
}

topn_status candidates_create(topn_context *context, uint32_t items, candidates *out)
{
    *out = (candidates){0};
    return ALLOCATE(context, items, &out->keys);
}

void candidates_clear(candidates *pool)
{
    free(pool->keys);
    *pool = (candidates){0};
}

void candidates_start(candidates *pool, size_t room)
{
    pool->count = 0;
    pool->room = room;
    pool->last = UINT64_MAX;
    pool->threshold = -INFINITY;
}

void candidates_offer(candidates *pool, uint32_t item, float score)
{
    if (!(score >= pool->threshold))
        return;
    const uint64_t key = key_of(item, score);
    if (key >= pool->last)
        return;
    pool->keys[pool->count++] = key;
    if (pool->count == 2 * pool->room)
        cut_back(pool);
}

/* Puts `key` into the hole at `place` of a heap with the smallest on top, which is in order below. */
static void sift_down(uint64_t *keys, size_t count, size_t place, uint64_t key)
{
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= count)
            break;
        child += child + 1 < count && keys[child + 1] < keys[child];
        if (keys[child] >= key)
            break;
        keys[place] = keys[child];
        place = child;
    }
    keys[place] = key;
}

void candidates_order(candidates *pool)
{
    cut_back(pool);
    for (size_t place = pool->count / 2; place-- > 0;)
        sift_down(pool->keys, pool->count, place, pool->keys[place]);
}

bool candidates_pop(candidates *pool, uint32_t *item, float *score)
{
    if (pool->count == 0)
        return false;
    *item = (uint32_t)pool->keys[0];
    *score = score_of(pool->keys[0]);
    pool->count--;
    sift_down(pool->keys, pool->count, 0, pool->keys[pool->count]);
    return true;
}

static void fetch_row(const embedding_table *rows, uint32_t item)
{
    if (rows->form != TABLE_DENSE)
        return;
    const size_t columns = rows->dense.columns, bytes = columns * sizeof(float);
    const char *row = (const char *)(rows->dense.values + item * columns);
    for (size_t line = 0; line < MOST_LINES && line * CACHE_LINE < bytes; line++)
        __builtin_prefetch(row + line * CACHE_LINE);
}

size_t candidates_rescore(candidates *pool, const topn_model *model, const index_question *question, uint32_t *item_out,
                          float *score_out)
{
    const embedding_table *rows = model_item_rows(model);
    top_list best = {.items = item_out, .scores = score_out, .room = question->n};
    cut_back(pool);
    for (size_t at = 0; at < pool->count; at++) {
        const uint32_t item = (uint32_t)pool->keys[at];
        if (at + AHEAD < pool->count)
            fetch_row(rows, (uint32_t)pool->keys[at + AHEAD]);
        const float score = item_score(model, rows, question->phi, item);
        if (score > -INFINITY)
            top_list_offer(&best, item, score);
    }
    top_list_sort(&best);
    return best.count;
}

size_t candidates_wanted(const index_question *question, double share)
{
    const double wanted = ceil(share * (double)question->n);
    const size_t least = question->n < question->allowed ? question->n : question->allowed;
    const size_t count = wanted < (double)question->allowed ? (size_t)wanted : question->allowed;
    return count < least ? least : count;
}
