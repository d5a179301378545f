/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of a block of users against sparse item rows: the φ of the block stand side by side as a panel, dimension by
 * dimension, so that one non-zero of an item serves all users of the block with one contiguous load.
 */
#ifndef TOPN_RETRIEVE_PANEL_H
#define TOPN_RETRIEVE_PANEL_H

#include "numeric/matrix.h"

enum { PANEL_LANES = 32, PANEL_ALIGNMENT = 64 };

/* scores[u · rows + i] = ⟨panel's lane u, row i⟩ for u < users ≤ PANEL_LANES.
 * panel [columns × PANEL_LANES], aligned to PANEL_ALIGNMENT bytes; lanes from `users` on hold zeros. */
void panel_scores(const sparse_matrix *rows, const float *panel, size_t users, float *scores);

#endif
