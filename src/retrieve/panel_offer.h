/* SPDX-License-Identifier: Apache-2.0
 *
 * From a tile of scores to the users' lists of the best.
 */
#ifndef TOPN_RETRIEVE_PANEL_OFFER_H
#define TOPN_RETRIEVE_PANEL_OFFER_H

#include "retrieve/panel.h"
#include "retrieve/top_list.h"

/* Items that one user may not be given. */
typedef struct seen_items {
    const uint32_t *items; /* [count], ascending */
    size_t count;
} seen_items;

typedef struct panel_offer {
    top_list *lists;              /* [lanes] of users, room ≥ 1 */
    float *thresholds;            /* [lanes] what a score must exceed: −∞ at first; +∞ in lanes without a user */
    const seen_items *seen;       /* [lanes] */
    const float *priors, *biases; /* [items], or NULL */
    const unsigned char *refused; /* [items], or NULL */
} panel_offer;

/* tile [height × lanes]: ⟨φ, ψ⟩ of items from `first` on, which follow those offered before. Each gets prior and bias
 * as in finish_scores, which overwrites the tile; those that are not refused, nor seen, nor −∞, nor NaN, go into the
 * lists. vector: as in panel_tile. */
void panel_offer_tile(const panel_offer *offer, float *tile, size_t lanes, uint32_t first, uint32_t height, int vector);

#endif
