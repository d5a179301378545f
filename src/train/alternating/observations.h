/* SPDX-License-Identifier: Apache-2.0
 *
 * From data to observed pairs, weights and ridges of an alternating_problem.
 */
#ifndef TOPN_TRAIN_ALTERNATING_OBSERVATIONS_H
#define TOPN_TRAIN_ALTERNATING_OBSERVATIONS_H

#include "train/alternating/problem.h"

/* v [contexts] and u [items] from the events [contexts × items]; NULL for an exponent of 0. */
topn_status pair_weights_create(topn_context *context, const sparse_matrix *events, const square_loss *loss,
                                float *weights[2], double *user_scale);
/* Both sides of the pairs. DATA when the weight of an event gives no α. */
topn_status observations_create(topn_context *context, const sparse_matrix *events, bool has_weights,
                                const square_loss *loss, float *const weights[2], observations out[2]);
/* Weight 0 for the entities of a side without events, so that they leave its Gramian. That all of a new item's pairs
 * are unobserved says nothing about it; what its features say would be trained away. */
topn_status leave_out_new(topn_context *context, const observations *observed, float **weights);
void observations_clear(observations observed[2]);
/* For each field of a side, and the core: which entities its rows describe, and their ridges. */
topn_status blocks_create(topn_context *context, const multilinear_side *side, const observations *observed,
                          const square_loss *loss, block_index **out);
void blocks_free(block_index *blocks, const multilinear_side *side);

#endif
