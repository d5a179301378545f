/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of items near each other in a history. Of a history of L items and a window of w ≤ L, the item at p comes
 * before min(w, L − 1 − p) others at most w places away: first L − w items with w each, then w − 1, w − 2, … 0. The
 * unordered pairs are numbered in this order, and each counts twice, once either way.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "train/sampled/permutation.h"
#include "train/sampled/positive_memory.h"

enum { AT_A_TIME = 256 };

typedef struct timed_item {
    int64_t time;
    uint32_t item;
} timed_item;

static int by_time_then_item(const void *a, const void *b)
{
    const timed_item *left = a, *right = b;
    if (left->time != right->time)
        return left->time < right->time ? -1 : 1;
    return left->item < right->item ? -1 : left->item > right->item;
}

/* Ordered pairs of a history. */
static uint64_t pairs_of(uint64_t length, uint64_t window)
{
    const uint64_t w = window < length ? window : length;
    return 2 * ((length - w) * w + w * (w > 0 ? w - 1 : 0) / 2);
}

/* Ordered pairs that begin at the item at `place`. */
static uint64_t pairs_at(uint64_t length, uint64_t window, uint64_t place)
{
    const uint64_t after = length - 1 - place;
    return (place < window ? place : window) + (after < window ? after : window);
}

/* The histories without dislikes, each by time or as it is. */
static topn_status fill_sequence(topn_context *context, const topn_data *data, bool by_time,
                                 const positive_setting *setting, positive_memory *memory)
{
    topn_status status;
    const sparse_matrix *events = &data->matrix;
    timed_item *history = NULL; /* [longest] */
    uint64_t longest = 0, to = 0;
    for (uint32_t user = 0; user < events->rows; user++) {
        const uint64_t length = events->indptr[user + 1] - events->indptr[user];
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, longest, &history));
    TRY(ALLOCATE(context, events->indptr[events->rows], &memory->sequence));
    TRY(ALLOCATE(context, (size_t)events->rows + 1, &memory->sequence_starts));
    for (uint32_t user = 0; user < events->rows; user++) {
        size_t length = 0;
        for (uint64_t at = events->indptr[user]; at < events->indptr[user + 1]; at++)
            if (!(data->has_weights && (double)events->values[at] < setting->dislike_below))
                history[length++] = (timed_item){.time = by_time ? data->times[at] : 0, .item = events->indices[at]};
        if (by_time)
            qsort(history, length, sizeof *history, by_time_then_item);
        memory->sequence_starts[user] = to;
        for (size_t place = 0; place < length; place++)
            memory->sequence[to++] = history[place].item;
    }
    memory->sequence_starts[events->rows] = to;
done:
    free(history);
    return status;
}

/* window_starts, the guide to them, and how often each item is one of a pair. */
static topn_status count_windows(topn_context *context, positive_list *list)
{
    topn_status status;
    positive_memory *memory = list->owned;
    const uint64_t *starts = memory->sequence_starts;
    TRY(ALLOCATE(context, (size_t)list->users + 1, &list->window_starts));
    TRY(ALLOCATE_ZEROED(context, list->items, &list->item_counts));
    for (uint32_t user = 0; user < list->users; user++) {
        const uint64_t length = starts[user + 1] - starts[user];
        list->window_starts[user] = list->count;
        list->count += pairs_of(length, list->window);
        for (uint64_t place = 0; place < length; place++)
            list->item_counts[memory->sequence[starts[user] + place]] +=
                (uint32_t)pairs_at(length, list->window, place);
    }
    list->window_starts[list->users] = list->count;
    while (list->count >> memory->guide_shift > list->users)
        memory->guide_shift++;
    const uint64_t guides = (list->count >> memory->guide_shift) + 1;
    TRY(ALLOCATE(context, guides, &memory->guide));
    for (uint64_t guide = 0, user = 0; guide < guides; guide++) {
        while (user + 1 < list->users && list->window_starts[user + 1] <= guide << memory->guide_shift)
            user++;
        memory->guide[guide] = (uint32_t)user;
    }
done:
    return status;
}

/* An item is no negative of itself. */
static topn_status take_themselves(topn_context *context, positive_list *list)
{
    topn_status status;
    positive_memory *memory = list->owned;
    TRY(ALLOCATE(context, (size_t)list->items + 1, &memory->self_indptr));
    TRY(ALLOCATE(context, list->items, &memory->self));
    for (uint32_t item = 0; item < list->items; item++)
        memory->self_indptr[item] = memory->self[item] = item;
    memory->self_indptr[list->items] = list->items;
    list->taken = (sparse_matrix){
        .indptr = memory->self_indptr, .indices = memory->self, .rows = list->items, .columns = list->items};
done:
    return status;
}

static double rarity(uint32_t count, double exponent)
{
    return count > 0 ? pow(count, -exponent) : 1;
}

/* Both items of a pair have a factor of its weight, each of mean 1 over the pairs. */
static topn_status weigh_items(topn_context *context, const positive_setting *setting, positive_list *list)
{
    topn_status status = TOPN_OK;
    positive_memory *memory = list->owned;
    const double exponents[2] = {setting->user_exponent, setting->item_exponent};
    if (exponents[0] == 0 && exponents[1] == 0)
        return status;
    for (int which = 0; which < 2; which++) {
        double sum = 0;
        TRY(ALLOCATE(context, list->items, &memory->item_factors[which]));
        for (uint32_t item = 0; item < list->items; item++)
            sum += list->item_counts[item] * rarity(list->item_counts[item], exponents[which]);
        for (uint32_t item = 0; item < list->items; item++)
            memory->item_factors[which][item] =
                (float)((double)list->count / sum * rarity(list->item_counts[item], exponents[which]));
    }
done:
    return status;
}

topn_status positives_create_windows(topn_context *context, const topn_data *data, uint32_t window, bool by_time,
                                     const positive_setting *setting, positive_list *out)
{
    topn_status status;
    positive_memory *memory = NULL;
    const uint32_t items = data->matrix.columns;
    *out = (positive_list){
        .contexts = items, .items = items, .order = ORDER_EVENTS, .window = window, .users = data->matrix.rows};
    if (by_time && !data->times)
        return fail(
            context, TOPN_ERROR_DATA,
            "the events have no times to order histories by; use --by-time false for histories without an order");
    TRY(ALLOCATE_ZEROED(context, 1, &memory));
    out->owned = memory;
    TRY(fill_sequence(context, data, by_time, setting, memory));
    memory->is_set = !by_time;
    TRY(count_windows(context, out));
    if (out->count == 0)
        TRY(fail(context, TOPN_ERROR_DATA, "no history has two items: there are no pairs to train on"));
    TRY(take_themselves(context, out));
    TRY(weigh_items(context, setting, out));
    if (memory->is_set)
        TRY(ALLOCATE(context, memory->sequence_starts[out->users], &memory->shuffled));
    out->sequence = memory->is_set ? memory->shuffled : memory->sequence;
    out->sequence_starts = memory->sequence_starts;
done:
    if (status != TOPN_OK)
        positives_clear(out);
    return status;
}

/* Histories without an order have another one in each sweep, so that all pairs of a set meet in time. */
static void shuffle(const positive_list *list, uint64_t seed, int64_t sweep)
{
    positive_memory *memory = list->owned;
    const uint64_t *starts = memory->sequence_starts, first = ((uint64_t)sweep + 1) << 40;
    memcpy(memory->shuffled, memory->sequence, starts[list->users] * sizeof *memory->sequence);
    for (uint32_t user = 0; user < list->users; user++)
        for (uint64_t at = starts[user + 1]; at > starts[user] + 1; at--) {
            const uint64_t other =
                starts[user] + random_below(seed, RANDOM_POSITIVES, first + at, (uint32_t)(at - starts[user]));
            const uint32_t item = memory->shuffled[at - 1];
            memory->shuffled[at - 1] = memory->shuffled[other];
            memory->shuffled[other] = item;
        }
    memory->seed = seed;
    memory->sweep = sweep;
    memory->filled = true;
}

/* Places of the unordered pair `number` of a history. */
static void place_pair(uint64_t length, uint64_t window, uint64_t number, uint64_t *left, uint64_t *right)
{
    const uint64_t w = window < length ? window : length, whole = (length - w) * w;
    if (number < whole) {
        *left = number / w;
        *right = *left + 1 + number - *left * w;
        return;
    }
    /* Counted from the end, rows of the triangle are 1, 2, 3, … long. */
    const uint64_t back = w * (w - 1) / 2 - 1 - (number - whole);
    uint64_t row = (uint64_t)((sqrt(8 * (double)back + 1) - 1) / 2);
    while (row * (row + 1) / 2 > back)
        row--;
    while ((row + 1) * (row + 2) / 2 <= back)
        row++;
    *left = length - 2 - row;
    *right = length - 1 - (back - row * (row + 1) / 2);
}

/* Users of `count` pairs, and after that their places in `sequence`: each step asks for what the next one reads. */
static void find_users(const positive_list *list, const uint64_t *pairs, uint32_t count, uint32_t *users)
{
    const positive_memory *memory = list->owned;
    for (uint32_t n = 0; n < count; n++)
        __builtin_prefetch(memory->guide + (pairs[n] >> memory->guide_shift));
    for (uint32_t n = 0; n < count; n++) {
        users[n] = memory->guide[pairs[n] >> memory->guide_shift];
        __builtin_prefetch(list->window_starts + users[n]);
        __builtin_prefetch(list->sequence_starts + users[n]);
    }
    for (uint32_t n = 0; n < count; n++)
        while (list->window_starts[users[n] + 1] <= pairs[n])
            users[n]++;
}

static void take_pairs(const positive_list *list, const uint64_t *pairs, uint32_t count, positive *out)
{
    const positive_memory *memory = list->owned;
    uint32_t users[AT_A_TIME];
    uint64_t places[AT_A_TIME][2];
    find_users(list, pairs, count, users);
    for (uint32_t n = 0; n < count; n++) {
        const uint64_t start = list->sequence_starts[users[n]], length = list->sequence_starts[users[n] + 1] - start,
                       number = pairs[n] - list->window_starts[users[n]];
        uint64_t left, right;
        place_pair(length, list->window, number >> 1, &left, &right);
        places[n][0] = start + (number & 1 ? right : left);
        places[n][1] = start + (number & 1 ? left : right);
        __builtin_prefetch(list->sequence + places[n][0]);
    }
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t from = list->sequence[places[n][0]], to = list->sequence[places[n][1]];
        out[n] = (positive){.context = from, .item = to, .pair = pairs[n], .weight = 1};
        if (memory->item_factors[0])
            out[n].weight = memory->item_factors[0][from] * memory->item_factors[1][to];
    }
}

void windows_take(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                  positive *out)
{
    const positive_memory *memory = list->owned;
    const permutation order = permutation_of(list->count, seed, (uint64_t)sweep);
    uint64_t pairs[AT_A_TIME];
    if (memory->is_set) {
#pragma omp critical(positives_order)
        if (!memory->filled || memory->seed != seed || memory->sweep != sweep)
            shuffle(list, seed, sweep);
    }
    for (uint32_t done = 0; done < count; done += AT_A_TIME) {
        const uint32_t some = count - done < AT_A_TIME ? count - done : AT_A_TIME;
        permutation_take(&order, begin + done, some, pairs);
        take_pairs(list, pairs, some, out + done);
    }
}

uint64_t windows_bytes(const topn_data *data)
{
    const uint64_t events = data->matrix.indptr[data->matrix.rows];
    return 8 * events + 20 * (uint64_t)data->matrix.rows + 24 * (uint64_t)data->matrix.columns;
}
