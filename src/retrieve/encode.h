/* SPDX-License-Identifier: Apache-2.0
 *
 * From a history to φ, and from ⟨φ, ψ_i⟩ to the score.
 */
#ifndef TOPN_RETRIEVE_ENCODE_H
#define TOPN_RETRIEVE_ENCODE_H

#include "retrieve/retriever.h"

/* s = (Σ_h w_h)^−normalizer; 1 without a normaliser and for a history whose weights don't sum to something positive. */
double history_scale(const topn_model *model, const history *user);
/* s·w_h, rounded once: what row h of the encoder's table is multiplied by, in every way of scoring. */
float history_factor(const topn_model *model, const history *user, double scale, size_t place);
/* target[j] += factor · row[j] over `count` entries. */
void add_scaled_row(float *restrict target, const float *restrict row, float factor, size_t count);
/* φ of a bag encoder, dense, [embedding dimensions]; rows are added in the order of the history. */
void encode_history(const topn_model *model, const history *user, float *phi);
/* What an encoder with rows of users is asked for this user: his trained row, where the history is his. */
fields_query query_of(const topn_model *model, const history *user);
/* One thread's memory for encoding; of the encoders that need none both are NULL. */
typedef struct encode_scratch {
    fields_scratch *fields;
    network_scratch *network;
} encode_scratch;
topn_status encode_scratch_create(topn_context *context, const topn_model *model, encode_scratch *out);
void encode_scratch_clear(encode_scratch *scratch);
/* φ of any encoder but CONSTANT, with the retriever's cut: what ψ is multiplied by. NUMERIC, without a message, when a
 * user's row cannot be solved for or a network's output is not finite; a bag cannot fail, and its scratch may be NULL.
 */
topn_status encode_user(const topn_retriever *retriever, const history *user, const encode_scratch *scratch,
                        float *phi);
/* φ of one user into a lane (every lanes-th float) of a panel, which is zero there. row: [dimensions] scratch where
 * encode_needs_row says so, else NULL. */
topn_status encode_lane(const topn_retriever *retriever, const history *user, const encode_scratch *scratch, float *row,
                        float *lane, size_t lanes);
bool encode_needs_row(const topn_retriever *retriever);
/* The message for NUMERIC. */
topn_status fail_encode(topn_context *context, const topn_model *model);
/* Whether `user` < model_user_rows and the model keeps exactly this history of his, which then has items. */
bool is_trained_history(const topn_model *model, uint32_t user, const history *given);
/* scores[i] = scores[i] · π_i + b_i over all items. */
void finish_scores(const topn_model *model, float *scores);

#endif
