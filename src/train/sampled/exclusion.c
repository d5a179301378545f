/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/exclusion.h"

enum { SEARCHES = 64 }; /* side by side */

/* Entries below j; halves without a branch on what is read. */
static uint32_t entries_below(const uint32_t *entries, uint32_t count, uint32_t j)
{
    const uint32_t *first = entries;
    for (uint32_t left = count; left > 0;) {
        const uint32_t half = left - left / 2;
        first += first[half - 1] < j ? half : 0;
        left /= 2;
    }
    return (uint32_t)(first - entries);
}

static bool entries_hold(const uint32_t *entries, uint32_t count, uint32_t j)
{
    const uint32_t place = entries_below(entries, count, j);
    return place < count && entries[place] == j;
}

refused_items refused_for(exclusion kind, const positive_list *positives, uint32_t context, uint32_t item)
{
    refused_items refused = {.with_item = kind != EXCLUDE_NOTHING, .item = item, .item_rank = item};
    const sparse_matrix *taken = &positives->taken;
    if (kind != EXCLUDE_HISTORY || taken->indptr == NULL || context >= taken->rows)
        return refused;
    refused.taken = taken->indices + taken->indptr[context];
    refused.count = (uint32_t)(taken->indptr[context + 1] - taken->indptr[context]);
    const uint32_t below = entries_below(refused.taken, refused.count, item);
    refused.with_item = below == refused.count || refused.taken[below] != item;
    refused.item_rank = item - below;
    return refused;
}

refused_items refused_for_request(exclusion kind, const positive_list *positives, const draw_request *request)
{
    const sparse_matrix *taken = &positives->taken;
    const uint32_t context = request->context;
    if (kind == EXCLUDE_HISTORY && taken->indptr && context < taken->rows &&
        positives->pairs.indices == taken->indices && request->pair >= taken->indptr[context] &&
        request->pair < taken->indptr[context + 1] && taken->indices[request->pair] == request->item) {
        const uint64_t begin = taken->indptr[context], end = taken->indptr[context + 1];
        return (refused_items){
            .taken = taken->indices + begin,
            .count = (uint32_t)(end - begin),
            .item = request->item,
            .item_rank = request->item - (uint32_t)(request->pair - begin),
        };
    }
    return refused_for(kind, positives, context, request->item);
}

uint32_t refused_count(const refused_items *refused)
{
    return refused->count + (refused->with_item ? 1 : 0);
}

bool refuses(const refused_items *refused, uint32_t j)
{
    return (refused->with_item && j == refused->item) || entries_hold(refused->taken, refused->count, j);
}

uint32_t refused_below(const refused_items *refused, uint32_t j)
{
    return entries_below(refused->taken, refused->count, j) + (refused->with_item && refused->item < j ? 1 : 0);
}

uint32_t allowed_item(const refused_items *refused, uint32_t n)
{
    if (refused->with_item && n >= refused->item_rank)
        n++;
    /* n + (entries t_k with t_k − k ≤ n), since t_k − k is how many items below t_k are none of them. */
    uint32_t first = 0;
    for (uint32_t left = refused->count; left > 0;) {
        const uint32_t half = left - left / 2, last = first + half - 1;
        first += refused->taken[last] - last <= n ? half : 0;
        left /= 2;
    }
    return n + first;
}

/* Of at most SEARCHES examples: a step of every search, then the next of every one. */
static void find_allowed(const refused_items *refused, size_t count, uint32_t *items)
{
    uint32_t first[SEARCHES], left[SEARCHES], most = 0;
    for (size_t e = 0; e < count; e++) {
        items[e] += refused[e].with_item && items[e] >= refused[e].item_rank ? 1 : 0;
        first[e] = 0;
        left[e] = refused[e].count;
        most = left[e] > most ? left[e] : most;
    }
    for (; most > 0; most /= 2) {
        for (size_t e = 0; e < count; e++) {
            const uint32_t half = left[e] - left[e] / 2;
            if (half == 0)
                continue;
            const uint32_t last = first[e] + half - 1;
            first[e] += refused[e].taken[last] - last <= items[e] ? half : 0;
            left[e] /= 2;
        }
    }
    for (size_t e = 0; e < count; e++)
        items[e] += first[e];
}

void allowed_items(const refused_items *refused, size_t count, uint32_t *items)
{
    for (size_t at = 0; at < count; at += SEARCHES)
        find_allowed(refused + at, count - at < SEARCHES ? count - at : SEARCHES, items + at);
}

bool next_gap(gap_walk *walk, uint32_t *begin, uint32_t *end)
{
    const refused_items *refused = walk->refused;
    while (!walk->over) {
        uint32_t stop = walk->place < refused->count ? refused->taken[walk->place] : walk->items;
        const bool item_is_next = refused->with_item && !walk->item_passed && refused->item < stop;
        if (item_is_next) {
            stop = refused->item;
            walk->item_passed = true;
        } else if (walk->place < refused->count) {
            walk->place++;
        } else {
            walk->over = true;
        }
        *begin = walk->next;
        *end = stop;
        walk->next = stop + 1;
        if (*begin < *end)
            return true;
    }
    return false;
}

bool is_excluded(exclusion kind, const positive_list *positives, uint32_t context, uint32_t item, uint32_t j)
{
    if (kind == EXCLUDE_NOTHING || j == item)
        return kind != EXCLUDE_NOTHING;
    const sparse_matrix *taken = &positives->taken;
    if (kind == EXCLUDE_POSITIVE || taken->indptr == NULL || context >= taken->rows)
        return false;
    return entries_hold(taken->indices + taken->indptr[context],
                        (uint32_t)(taken->indptr[context + 1] - taken->indptr[context]), j);
}
