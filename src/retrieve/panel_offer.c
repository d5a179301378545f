/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel_offer.h"

#include <math.h>
#include <string.h>

#include "base/vector.h"

enum { GROUP = 16 }; /* lanes compared at once */

/* Floats in the order of integers, and back. */
static uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static float value_of(uint32_t key)
{
    const uint32_t bits = key >> 31 ? key ^ UINT32_C(1) << 31 : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

VECTOR_CLONES
static uint32_t count_above(const float *scores, size_t count, float value)
{
    uint32_t above = 0;
    for (size_t place = 0; place < count; place++)
        above += scores[place] > value;
    return above;
}

VECTOR_CLONES
static float least_above(const float *scores, size_t count, float value)
{
    float least = INFINITY;
    for (size_t place = 0; place < count; place++) {
        const float score = scores[place] > value ? scores[place] : INFINITY;
        least = score < least ? score : least;
    }
    return least;
}

/* The n-th best of `count` ≥ n scores above −∞: halves the values that it can be until as many as n lie above. */
static float find_last(const float *scores, size_t count, size_t n)
{
    uint32_t low = key_of(-INFINITY), high = key_of(INFINITY); /* n or more lie above low, fewer above high */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        const uint32_t above = count_above(scores, count, value_of(middle));
        if (above == n)
            return least_above(scores, count, value_of(middle));
        if (above > n)
            low = middle;
        else
            high = middle;
    }
    return value_of(high);
}

float lane_list_cut(lane_list *list)
{
    if (list->count < list->n)
        return -INFINITY;
    const float last = find_last(list->scores, list->count, list->n);
    size_t equal = list->n - count_above(list->scores, list->count, last), kept = 0; /* that stay, the first ones */
    for (size_t place = 0; place < list->count; place++) {
        const float score = list->scores[place];
        const bool ties = !(score < last) && !(score > last) && equal;
        list->items[kept] = list->items[place];
        list->scores[kept] = score;
        equal -= ties;
        kept += score > last || ties;
    }
    list->count = kept;
    return last;
}

static void offer_lane(lane_list *list, float *threshold, uint32_t item, float score)
{
    while (list->seen_left && *list->seen < item) {
        list->seen++;
        list->seen_left--;
    }
    if (list->seen_left && *list->seen == item)
        return;
    list->items[list->count] = item;
    list->scores[list->count++] = score;
    if (list->count == lane_room(list->n))
        *threshold = lane_list_cut(list);
}

/* Bit l is set where lane l's score exceeds its threshold; [GROUP]. */
static inline uint32_t lanes_above(const float *scores, const float *thresholds)
{
    int any = 0;
    for (size_t lane = 0; lane < GROUP; lane++)
        any |= scores[lane] > thresholds[lane];
    uint32_t above = 0;
    for (size_t lane = 0; any && lane < GROUP; lane++)
        above |= (uint32_t)(scores[lane] > thresholds[lane]) << lane;
    return above;
}

/* The body of every variant. */
#define OFFER_ROWS(ABOVE)                                                                                              \
    for (uint32_t row = 0; row < height; row++) {                                                                      \
        const uint32_t item = first + row;                                                                             \
        if (offer->refused && offer->refused[item])                                                                    \
            continue;                                                                                                  \
        float *const scores = tile + row * lanes;                                                                      \
        if (offer->priors)                                                                                             \
            for (size_t lane = 0; lane < lanes; lane++)                                                                \
                scores[lane] = scores[lane] * offer->priors[item] + 0.0f;                                              \
        if (offer->biases)                                                                                             \
            for (size_t lane = 0; lane < lanes; lane++)                                                                \
                scores[lane] += offer->biases[item];                                                                   \
        for (size_t begin = 0; begin < lanes; begin += GROUP)                                                          \
            for (uint32_t above = ABOVE(scores + begin, offer->thresholds + begin); above; above &= above - 1) {       \
                const size_t lane = begin + (size_t)__builtin_ctz(above);                                              \
                offer_lane(&offer->lists[lane], &offer->thresholds[lane], item, scores[lane]);                         \
            }                                                                                                          \
    }

static void offer_4(const panel_offer *offer, float *tile, size_t lanes, uint32_t first, uint32_t height)
{
    OFFER_ROWS(lanes_above)
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

__attribute__((target("avx2"))) static inline uint32_t lanes_above_8(const float *scores, const float *thresholds)
{
    const __m256 low = _mm256_cmp_ps(_mm256_loadu_ps(scores), _mm256_loadu_ps(thresholds), _CMP_GT_OQ);
    const __m256 high = _mm256_cmp_ps(_mm256_loadu_ps(scores + 8), _mm256_loadu_ps(thresholds + 8), _CMP_GT_OQ);
    return (uint32_t)_mm256_movemask_ps(low) | (uint32_t)_mm256_movemask_ps(high) << 8;
}

__attribute__((target("avx2"))) static void offer_8(const panel_offer *offer, float *tile, size_t lanes, uint32_t first,
                                                    uint32_t height)
{
    OFFER_ROWS(lanes_above_8)
}

__attribute__((target("avx512f"))) static inline uint32_t lanes_above_16(const float *scores, const float *thresholds)
{
    return _mm512_cmp_ps_mask(_mm512_loadu_ps(scores), _mm512_loadu_ps(thresholds), _CMP_GT_OQ);
}

__attribute__((target("avx512f"))) static void offer_16(const panel_offer *offer, float *tile, size_t lanes,
                                                        uint32_t first, uint32_t height)
{
    OFFER_ROWS(lanes_above_16)
}

void panel_offer_tile(const panel_offer *offer, float *tile, size_t lanes, uint32_t first, uint32_t height, int vector)
{
    if (vector == 16 || (vector == 0 && panel_supports(16)))
        offer_16(offer, tile, lanes, first, height);
    else if (vector == 8 || (vector == 0 && panel_supports(8)))
        offer_8(offer, tile, lanes, first, height);
    else
        offer_4(offer, tile, lanes, first, height);
}

#else

void panel_offer_tile(const panel_offer *offer, float *tile, size_t lanes, uint32_t first, uint32_t height, int vector)
{
    (void)vector;
    offer_4(offer, tile, lanes, first, height);
}

#endif
