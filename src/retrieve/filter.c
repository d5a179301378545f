/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/filter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { WORD = 64 };

static size_t words_of(uint32_t items)
{
    return ((size_t)items + WORD - 1) / WORD;
}

topn_status filter_create(topn_context *context, uint32_t items, topn_filter **out)
{
    topn_status status;
    topn_filter *filter = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &filter));
    filter->items = items;
    TRY(ALLOCATE_ZEROED(context, words_of(items), &filter->bits));
    *out = filter;
    return TOPN_OK;
done:
    filter_free(filter);
    return status;
}

void filter_free(topn_filter *filter)
{
    if (!filter)
        return;
    free(filter->bits);
    free(filter);
}

void filter_finish(topn_filter *filter)
{
    const size_t words = words_of(filter->items);
    filter->allowed = 0;
    if (filter->items % WORD)
        filter->bits[words - 1] &= (UINT64_C(1) << filter->items % WORD) - 1;
    for (size_t word = 0; word < words; word++)
        filter->allowed += (uint32_t)__builtin_popcountll(filter->bits[word]);
}

topn_status filter_create_flags(topn_context *context, uint32_t items, const unsigned char *allowed, topn_filter **out)
{
    const topn_status status = filter_create(context, items, out);
    if (status != TOPN_OK)
        return status;
    for (uint32_t item = 0; item < items; item++)
        (*out)->bits[item / WORD] |= (uint64_t)(allowed[item] != 0) << item % WORD;
    filter_finish(*out);
    return TOPN_OK;
}

topn_status check_filters(topn_context *context, const topn_request *request, uint32_t items)
{
    if (request->filter_count && !request->filters)
        return fail(context, TOPN_ERROR_ARGUMENT, "filters: %zu announced, but the array is NULL",
                    request->filter_count);
    for (size_t place = 0; place < request->filter_count; place++) {
        const topn_filter *filter = request->filters[place];
        if (!filter)
            return fail(context, TOPN_ERROR_ARGUMENT, "filters[%zu] is NULL", place);
        if (filter->items != items)
            return fail(context, TOPN_ERROR_ARGUMENT,
                        "filters[%zu]: made for a model of %" PRIu32 " items, this one has %" PRIu32
                        "; make it anew for this model",
                        place, filter->items, items);
    }
    return TOPN_OK;
}

static bool all_have(const topn_request *request, uint32_t item)
{
    for (size_t place = 0; place < request->filter_count; place++)
        if (!filter_has(request->filters[place], item))
            return false;
    return true;
}

/* refused of eight items, whose bits are `allowed`: bit k goes to byte k, turned. */
static void spread(unsigned allowed, unsigned char *refused)
{
    for (unsigned bit = 0; bit < 8; bit++)
        refused[bit] = !(allowed >> bit & 1);
}

/* Without an allow list: what all filters have. */
static uint32_t mark_filters(const topn_request *request, uint32_t items, unsigned char *refused)
{
    uint32_t allowed = 0;
    for (size_t word = 0; word < words_of(items); word++) {
        unsigned char *const at = refused + word * WORD;
        const size_t count = items - word * WORD < WORD ? items - word * WORD : WORD;
        uint64_t bits = request->filters[0]->bits[word];
        for (size_t place = 1; place < request->filter_count; place++)
            bits &= request->filters[place]->bits[word];
        allowed += (uint32_t)__builtin_popcountll(bits);
        if (bits == 0) { /* most words of a narrow filter */
            memset(at, 1, count);
            continue;
        }
        for (size_t item = 0; item + 8 <= count; item += 8)
            spread((unsigned)(bits >> item & 0xff), at + item);
        for (size_t item = count - count % 8; item < count; item++)
            at[item] = !(bits >> item & 1);
    }
    return allowed;
}

uint32_t mark_refused(const topn_request *request, const uint32_t *seen, size_t seen_count, uint32_t items,
                      unsigned char *refused)
{
    uint32_t allowed = items;
    if (request->allow) {
        memset(refused, 1, items);
        allowed = 0;
        for (size_t place = 0; place < request->allow_count; place++) {
            const uint32_t item = request->allow[place];
            if (!refused[item] || !all_have(request, item))
                continue;
            refused[item] = 0;
            allowed++;
        }
    } else if (request->filter_count) {
        allowed = mark_filters(request, items, refused);
    } else {
        memset(refused, 0, items);
    }
    for (size_t place = 0; place < request->deny_count; place++) {
        allowed -= !refused[request->deny[place]];
        refused[request->deny[place]] = 1;
    }
    for (size_t place = 0; place < seen_count && !request->include_seen; place++) {
        allowed -= !refused[seen[place]];
        refused[seen[place]] = 1;
    }
    return allowed;
}
