/* SPDX-License-Identifier: Apache-2.0
 *
 * From a tile of scores to what each user keeps of it. A lane keeps what exceeds its threshold, in the order in which
 * it comes; when there is no room left, all but the n best go and the threshold becomes the last of these. That costs a
 * fraction of a heap, whose every comparison surprises the processor.
 */
#ifndef TOPN_RETRIEVE_PANEL_OFFER_H
#define TOPN_RETRIEVE_PANEL_OFFER_H

#include "retrieve/panel.h"

typedef struct lane_list {
    uint32_t *items;      /* [lane_room(n)] ascending */
    float *scores;        /* [lane_room(n)] */
    size_t count, n;      /* n ≥ 1 */
    const uint32_t *seen; /* [seen_left] items that the user may not be given and that are still to come, ascending */
    size_t seen_left;
} lane_list;

/* Entries that a list has room for. */
static inline size_t lane_room(size_t n)
{
    return n + (n > 64 ? n : 64);
}

/* Leaves the n best, ties by item, and returns what a further score must exceed to be among them: −∞ where there are
 * fewer. */
float lane_list_cut(lane_list *list);

typedef struct panel_offer {
    lane_list *lists;             /* [lanes] of users */
    float *thresholds;            /* [lanes] what a score must exceed: −∞ at first; +∞ in lanes without a user */
    const float *priors, *biases; /* [items], or NULL */
    const unsigned char *refused; /* [items], or NULL */
} panel_offer;

/* tile [height × lanes]: ⟨φ, ψ⟩ of items from `first` on, which follow those offered before. Each gets prior and bias
 * as in finish_scores, which overwrites the tile; those that are not refused, nor seen, nor −∞, nor NaN, and exceed the
 * lane's threshold go into its list. vector: as in panel_tile. */
void panel_offer_tile(const panel_offer *offer, float *tile, size_t lanes, uint32_t first, uint32_t height, int vector);

#endif
