/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model keeps of its contexts where rows of new users and items are solved for with the pairwise loss
 * (pairwise.h). With the mean item ψ̄ = z/N and ȳ_c = ⟨φ_c, ψ̄⟩:
 *
 *     gram = Σ_c v_c φ_c φ_cᵀ,  v_c = Σ_i α_ci       pull = Σ_c φ_c Σ_i α_ci (ŷ_ci − ȳ_c − y_ci·label)
 *
 * Half the gradient in the row of an item, less what its own events put into it, is u·(gram (ψ − ψ̄) − pull), so that a
 * new item can be solved for without the events of those who did not take it. Contexts' own biases cancel in it.
 */
#ifndef TOPN_TRAIN_ALTERNATING_PAIR_STATISTICS_H
#define TOPN_TRAIN_ALTERNATING_PAIR_STATISTICS_H

#include "train/alternating/problem.h"

/* Into context_gram and context_pull of an encoder whose item_sum and item_weights are there, and into loss.label:
 * where problem->other_loss, by how much the events of the data score above the mean item, the units of rows that
 * another loss made; else, and where that is not above 0, the problem's. psi [items × D]; the problem needs sides,
 * weights and loss alone. O((|S| + |C|)·D + |C|·D²). */
topn_status pair_statistics_export(topn_context *context, const alternating_problem *problem, const topn_data *data,
                                   const dense_matrix *psi, fields_encoder *out);

#endif
