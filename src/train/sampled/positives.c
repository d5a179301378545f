/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs, what is no negative, and weights: made once, from the data; the order of a sweep by permutation.h.
 */
#include "train/sampled/positives.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/sampled/permutation.h"
#include "train/sampled/positive_memory.h"

static bool is_disliked(const topn_data *data, const sparse_matrix *pairs, const positive_setting *setting, uint64_t at)
{
    return data->has_weights && pairs->values && (double)pairs->values[at] < setting->dislike_below;
}

static uint64_t count_dislikes(const topn_data *data, const sparse_matrix *pairs, const positive_setting *setting)
{
    uint64_t count = 0;
    for (uint64_t at = 0; at < pairs->indptr[pairs->rows]; at++)
        count += is_disliked(data, pairs, setting, at);
    return count;
}

/* The `count` pairs that are dislikes, or that are none. */
static topn_status select_pairs(topn_context *context, const topn_data *data, const sparse_matrix *pairs,
                                const positive_setting *setting, bool disliked, uint64_t count, sparse_matrix *out)
{
    topn_status status;
    uint64_t to = 0;
    TRY(sparse_create(context, pairs->rows, pairs->columns, count, out));
    for (uint32_t row = 0; row < pairs->rows; row++) {
        for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++) {
            if (is_disliked(data, pairs, setting, at) != disliked)
                continue;
            out->indices[to] = pairs->indices[at];
            out->values[to++] = pairs->values[at];
        }
        out->indptr[row + 1] = to;
    }
done:
    return status;
}

/* Fills pairs, taken, dislikes and disliked. */
static topn_status choose_pairs(topn_context *context, const topn_data *data, const sparse_matrix *pairs,
                                const positive_setting *setting, positive_list *list)
{
    topn_status status = TOPN_OK;
    positive_memory *memory = list->owned;
    const uint64_t all = pairs->indptr[pairs->rows], dislikes = count_dislikes(data, pairs, setting);
    list->pairs = list->taken = *pairs;
    if (!data->has_weights)
        list->pairs.values = list->taken.values = NULL;
    if (all == 0)
        return fail(context, TOPN_ERROR_DATA, "the data have no events to train on");
    if (dislikes == all)
        return fail(context, TOPN_ERROR_DATA, "--dislike-below %g leaves no event that is liked; use a lower one",
                    setting->dislike_below);
    if (dislikes == 0)
        return status;
    TRY(select_pairs(context, data, pairs, setting, false, all - dislikes, &memory->likes));
    TRY(select_pairs(context, data, pairs, setting, true, dislikes, &memory->dislikes));
    list->taken = memory->likes;
    list->dislikes = memory->dislikes;
    if (!setting->dislikes_are_examples) {
        list->pairs = memory->likes;
        return status;
    }
    TRY(ALLOCATE(context, all, &list->disliked));
    for (uint64_t at = 0; at < all; at++)
        list->disliked[at] = is_disliked(data, pairs, setting, at);
done:
    return status;
}

/* count^−exponent; of no events 1. */
static double rarity(uint64_t count, double exponent)
{
    return exponent == 0 || count == 0 ? 1 : pow((double)count, -exponent);
}

/* α of an event's strength, as least squares have it (model/fields_encoder.h). */
static double strength(const positive_setting *setting, double w)
{
    const double more = setting->confidence == CONFIDENCE_LINEAR ? w : log1p(w);
    return setting->alpha + (setting->confidence == CONFIDENCE_NONE ? 0 : setting->scale * more);
}

static topn_status weigh(topn_context *context, const positive_setting *setting, positive_list *list)
{
    topn_status status = TOPN_OK;
    const sparse_matrix *pairs = &list->pairs;
    const bool by_strength = setting->confidence != CONFIDENCE_NONE && pairs->values;
    double sum = 0;
    if (!by_strength && setting->user_exponent == 0 && setting->item_exponent == 0)
        return status;
    TRY(ALLOCATE(context, list->count, &list->weights));
    for (uint32_t row = 0; row < pairs->rows; row++) {
        const double own = rarity(pairs->indptr[row + 1] - pairs->indptr[row], setting->user_exponent);
        for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++) {
            const double alpha = by_strength ? strength(setting, (double)pairs->values[at]) : 1;
            if (!isfinite(alpha) || alpha < 0) {
                TRY(fail(context, TOPN_ERROR_DATA,
                         "an event of weight %g has no place in the loss: --event-weight %s needs weights of 0 or more",
                         (double)pairs->values[at], setting->confidence == CONFIDENCE_LOG ? "log" : "linear"));
            }
            const double weight = alpha * own * rarity(list->item_counts[pairs->indices[at]], setting->item_exponent);
            list->weights[at] = (float)weight;
            sum += weight;
        }
    }
    if (!(sum > 0))
        TRY(fail(context, TOPN_ERROR_DATA, "all events weigh 0; use an --alpha above 0"));
    const double scale = (double)list->count / sum;
    for (uint64_t at = 0; at < list->count; at++)
        list->weights[at] = (float)(scale * (double)list->weights[at]);
done:
    return status;
}

static topn_status count_items(topn_context *context, positive_list *list)
{
    topn_status status;
    const sparse_matrix *taken = &list->taken;
    TRY(ALLOCATE_ZEROED(context, taken->columns, &list->item_counts));
    for (uint64_t at = 0; at < taken->indptr[taken->rows]; at++)
        list->item_counts[taken->indices[at]]++;
done:
    return status;
}

/* Items of I_c where finding one takes least: in large pages, a step of the guide in a cache line. */
static topn_status index_taken(topn_context *context, positive_list *list)
{
    topn_status status;
    positive_memory *memory = list->owned;
    const uint64_t entries = list->taken.indptr[list->taken.rows], count = (entries + TAKEN_STEP - 1) / TAKEN_STEP;
    const bool are_pairs = list->pairs.indices == list->taken.indices;
    TRY(ALLOCATE_TABLE(context, entries, &memory->taken));
    if (entries)
        memcpy(memory->taken, list->taken.indices, entries * sizeof *memory->taken);
    list->taken.indices = memory->taken;
    if (are_pairs)
        list->pairs.indices = memory->taken;
    TRY(ALLOCATE_ZEROED(context, count + TAKEN_STEP, &list->guide));
    for (uint64_t at = 0; at < count; at++)
        list->guide[at] = list->taken.indices[at * TAKEN_STEP];
done:
    return status;
}

static topn_status create_order(topn_context *context, positive_list *list)
{
    topn_status status = TOPN_OK;
    positive_memory *memory = list->owned;
    const sparse_matrix *pairs = &list->pairs;
    if (list->order == ORDER_CONTEXTS) {
        TRY(ALLOCATE(context, pairs->rows, &memory->contexts));
        TRY(ALLOCATE(context, (size_t)pairs->rows + 1, &memory->starts));
        return status;
    }
    TRY(ALLOCATE_TABLE(context, list->count, &memory->events));
    for (uint32_t row = 0; row < pairs->rows; row++)
        for (uint64_t at = pairs->indptr[row]; at < pairs->indptr[row + 1]; at++)
            memory->events[at] = (event_pair){row, pairs->indices[at]};
done:
    return status;
}

topn_status positives_create(topn_context *context, const topn_data *data, const sparse_matrix *pairs,
                             const positive_setting *setting, positive_list *out)
{
    topn_status status;
    positive_memory *memory = NULL;
    *out = (positive_list){.contexts = pairs->rows, .items = pairs->columns, .order = setting->order};
    TRY(ALLOCATE_ZEROED(context, 1, &memory));
    out->owned = memory;
    TRY(choose_pairs(context, data, pairs, setting, out));
    out->count = out->pairs.indptr[out->pairs.rows];
    TRY(count_items(context, out));
    TRY(index_taken(context, out));
    TRY(weigh(context, setting, out));
    TRY(create_order(context, out));
done:
    if (status != TOPN_OK)
        positives_clear(out);
    return status;
}

void positives_clear(positive_list *list)
{
    positive_memory *memory = list->owned;
    if (memory) {
        sparse_clear(&memory->likes);
        sparse_clear(&memory->dislikes);
        free(memory->taken);
        free(memory->events);
        free(memory->contexts);
        free(memory->starts);
        free(memory->sequence);
        free(memory->sequence_starts);
        free(memory->guide);
        free(memory->self_indptr);
        free(memory->self);
        free(memory->shuffled);
        free(memory->item_factors[0]);
        free(memory->item_factors[1]);
    }
    free(memory);
    free(list->disliked);
    free(list->weights);
    free(list->item_counts);
    free(list->guide);
    free(list->window_starts);
    *list = (positive_list){0};
}

uint64_t positives_bytes(const topn_data *data, const sparse_matrix *pairs, const positive_setting *setting)
{
    const uint64_t events = pairs->indptr[pairs->rows], contexts = pairs->rows;
    const bool dislikes = data->has_weights && !isnan(setting->dislike_below),
               weights = (setting->confidence != CONFIDENCE_NONE && data->has_weights) || setting->user_exponent != 0 ||
                         setting->item_exponent != 0;
    return 4 * (uint64_t)pairs->columns + 4 * (events + events / TAKEN_STEP + 1 + TAKEN_STEP) +
           (setting->order == ORDER_CONTEXTS ? 12 * contexts : 8 * events) + (weights ? 4 * events : 0) +
           (dislikes ? 16 * contexts + 9 * events : 0);
}

bool positives_hold(const positive_list *list, uint32_t context, uint32_t item)
{
    const uint32_t *indices = list->taken.indices;
    uint64_t begin = list->taken.indptr[context], end = list->taken.indptr[context + 1];
    while (begin < end) {
        const uint64_t middle = begin + (end - begin) / 2;
        if (indices[middle] == item)
            return true;
        if (indices[middle] < item)
            begin = middle + 1;
        else
            end = middle;
    }
    return false;
}

/* The sweep's order of contexts, and how many positives come before each. */
static void fill_order(const positive_list *list, uint64_t seed, int64_t sweep)
{
    enum { AT_A_TIME = 256 };
    positive_memory *memory = list->owned;
    const permutation order = permutation_of(list->contexts, seed, (uint64_t)sweep);
    uint64_t rows[AT_A_TIME], before = 0;
    for (uint32_t done = 0; done < list->contexts; done += AT_A_TIME) {
        const uint32_t count = list->contexts - done < AT_A_TIME ? list->contexts - done : AT_A_TIME;
        permutation_take(&order, done, count, rows);
        for (uint32_t n = 0; n < count; n++) {
            memory->contexts[done + n] = (uint32_t)rows[n];
            memory->starts[done + n] = before;
            before += list->pairs.indptr[rows[n] + 1] - list->pairs.indptr[rows[n]];
        }
    }
    memory->starts[list->contexts] = before;
    memory->seed = seed;
    memory->sweep = sweep;
    memory->filled = true;
}

/* The last context in the sweep's order that begins at `place` or before. */
static uint32_t context_at(const positive_memory *memory, uint32_t contexts, uint64_t place)
{
    uint32_t begin = 0, end = contexts;
    while (end - begin > 1) {
        const uint32_t middle = begin + (end - begin) / 2;
        if (memory->starts[middle] <= place)
            begin = middle;
        else
            end = middle;
    }
    return begin;
}

static positive positive_of(const positive_list *list, uint32_t row, uint32_t item, uint64_t pair)
{
    return (positive){.context = row,
                      .item = item,
                      .pair = pair,
                      .weight = list->weights ? list->weights[pair] : 1,
                      .disliked = list->disliked && list->disliked[pair]};
}

static void take_contexts(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                          positive *out)
{
    const positive_memory *memory = list->owned;
#pragma omp critical(positives_order)
    if (!memory->filled || memory->seed != seed || memory->sweep != sweep)
        fill_order(list, seed, sweep);
    uint32_t at = context_at(memory, list->contexts, begin);
    for (uint32_t n = 0; n < count; n++) {
        while (begin + n >= memory->starts[at + 1])
            at++;
        const uint32_t row = memory->contexts[at];
        const uint64_t pair = list->pairs.indptr[row] + (begin + n - memory->starts[at]);
        out[n] = positive_of(list, row, list->pairs.indices[pair], pair);
    }
}

static void take_events(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                        positive *out)
{
    enum { AT_A_TIME = 256, AHEAD = 32 };
    const event_pair *events = ((const positive_memory *)list->owned)->events;
    const permutation order = permutation_of(list->count, seed, (uint64_t)sweep);
    uint64_t places[AT_A_TIME];
    for (uint32_t done = 0; done < count; done += AT_A_TIME) {
        const uint32_t some = count - done < AT_A_TIME ? count - done : AT_A_TIME;
        permutation_take(&order, begin + done, some, places);
        for (uint32_t n = 0; n < some && n < AHEAD; n++)
            __builtin_prefetch(events + places[n]);
        for (uint32_t n = 0; n < some; n++) {
            __builtin_prefetch(events + places[n + AHEAD < some ? n + AHEAD : n]);
            const event_pair at = events[places[n]];
            out[done + n] = positive_of(list, at.context, at.item, places[n]);
        }
    }
}

void positives_take(const positive_list *list, uint64_t seed, int64_t sweep, uint64_t begin, uint32_t count,
                    positive *out)
{
    if (list->sequence)
        windows_take(list, seed, sweep, begin, count, out);
    else if (list->order == ORDER_CONTEXTS)
        take_contexts(list, seed, sweep, begin, count, out);
    else
        take_events(list, seed, sweep, begin, count, out);
}
