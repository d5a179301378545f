/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/exclusion.h"

#include "base/vector.h"

enum {
    SEARCHES = 64,    /* side by side */
    LANES = 16,       /* entries that are looked at together */
    MOST_COUNTED = 64 /* entries that are all looked at sooner than halved */
};
_Static_assert((int)LANES == (int)TAKEN_STEP, "a step of the guide is looked at in one go");

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
    if (kind != EXCLUDE_HISTORY || taken->indptr == NULL || context >= taken->rows)
        return refused_for(kind, positives, context, request->item);
    const uint64_t begin = taken->indptr[context], end = taken->indptr[context + 1];
    const uint32_t lead = (uint32_t)(-begin % TAKEN_STEP);
    const bool is_entry = positives->pairs.indices == taken->indices && begin <= request->pair && request->pair < end;
    refused_items refused = {.taken = taken->indices + begin,
                             .count = (uint32_t)(end - begin),
                             .item = request->item,
                             .item_rank = request->item - (uint32_t)(request->pair - begin)};
    if (!is_entry)
        refused = refused_for(kind, positives, context, request->item);
    if (positives->guide && refused.count > lead) {
        refused.guide = positives->guide + (begin + lead) / TAKEN_STEP;
        refused.lead = lead;
        const uint32_t entries = (refused.count - lead) / TAKEN_STEP;
        for (uint32_t at = 0; at <= entries && at < MOST_COUNTED; at += LANES)
            __builtin_prefetch(refused.guide + at);
    }
    return refused;
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

/* Of the LANES entries t_k of a row that stand at `entries`, its places k from `place` on in steps of `step`: how many
 * of the first `count` have t_k − k ≤ n. (Within another loop gcc would take this one apart before it is made vectors.)
 */
VECTOR_CLONES
static uint32_t count_allowed(const uint32_t *entries, uint32_t place, uint32_t step, uint32_t count, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t lane = 0; lane < LANES; lane++)
        sum += (uint32_t)(entries[lane] - (place + lane * step) <= n) & (uint32_t)(lane < count);
    return sum;
}

/* Places before the first that the search of rank n has to look at, and how many these are, by the guide: at most
 * TAKEN_STEP − 1. The guide's last entries are followed by LANES more. */
static uint32_t search_guide(const refused_items *refused, uint32_t n, uint32_t *open)
{
    const uint32_t lead = refused->lead, total = refused->count;
    uint32_t first = 0, left = (total - lead + TAKEN_STEP - 1) / TAKEN_STEP;
    while (left > MOST_COUNTED) {
        const uint32_t half = left - left / 2, last = first + half - 1;
        first += refused->guide[last] - (lead + last * TAKEN_STEP) <= n ? half : 0;
        left /= 2;
    }
    uint32_t passed = first;
    for (uint32_t at = 0; at < left; at += LANES)
        passed +=
            count_allowed(refused->guide + first + at, lead + (first + at) * TAKEN_STEP, TAKEN_STEP, left - at, n);
    const uint32_t begin = passed ? lead + (passed - 1) * TAKEN_STEP + 1 : 0, end = lead + passed * TAKEN_STEP;
    *open = (end < total ? end : total) - begin;
    return begin;
}

/* The same without a guide. */
static uint32_t search_row(const refused_items *refused, uint32_t n, uint32_t *open)
{
    uint32_t first = 0, left = refused->count;
    while (left >= TAKEN_STEP) {
        const uint32_t half = left - left / 2, last = first + half - 1;
        first += refused->taken[last] - last <= n ? half : 0;
        left /= 2;
    }
    *open = left;
    return first;
}

/* Of at most SEARCHES examples: first where to look, then, when that has come from memory, what is there. */
static void find_allowed(const refused_items *refused, size_t count, uint32_t *items)
{
    uint32_t begins[SEARCHES], opens[SEARCHES];
    for (size_t e = 0; e < count; e++) {
        items[e] += refused[e].with_item && items[e] >= refused[e].item_rank ? 1 : 0;
        begins[e] = refused[e].guide ? search_guide(&refused[e], items[e], &opens[e])
                                     : search_row(&refused[e], items[e], &opens[e]);
        if (opens[e] > 0)
            __builtin_prefetch(refused[e].taken + begins[e]);
    }
    for (size_t e = 0; e < count; e++) {
        const uint32_t total = refused[e].count;
        uint32_t place = begins[e], open = opens[e];
        if (total >= LANES) { /* as many as there are lanes, all of the row; those before `place` count as well */
            place = place < total - LANES ? place : total - LANES;
            items[e] += place + count_allowed(refused[e].taken + place, place, 1, begins[e] + open - place, items[e]);
            continue;
        }
        for (; open > 0 && refused[e].taken[place] - place <= items[e]; open--)
            place++;
        items[e] += place;
    }
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
