/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel_offer.h"

#include <math.h>
#include <string.h>

enum { GROUP = 16 }; /* lanes compared at once */

static bool is_seen(const seen_items *seen, uint32_t item)
{
    size_t low = 0, high = seen->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (seen->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < seen->count && seen->items[low] == item;
}

static void offer_lane(const panel_offer *offer, size_t lane, uint32_t item, float score)
{
    top_list *list = &offer->lists[lane];
    if (is_seen(&offer->seen[lane], item))
        return;
    top_list_offer(list, item, score);
    if (list->count == list->room)
        offer->thresholds[lane] = list->scores[0];
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
                offer_lane(offer, lane, item, scores[lane]);                                                           \
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
