/* SPDX-License-Identifier: Apache-2.0
 *
 * The pairwise square loss (P2 §5.2, eq. 42–45; Takács and Tikk, RecSys 2012, RankALS) for all models: with weights
 * α_ci and u_j, N = Σ_j u_j, z = Σ_j u_j ψ_j and v_c = Σ_{i∈I_c} α_ci,
 *
 *     Σ_S α_ci Σ_j u_j (ŷ_ci − ŷ_cj − y)² = Σ_S α_ci [N(ŷ − y)² − 2(ŷ − y)⟨φ_c, z⟩] + ⟨G^C, G^I⟩
 *
 * A block of the contexts meets only the other side's z and G^I: with p_e = Σ_{i∈I_e} α ψ_i it is the pointwise loss
 * with weights αN and, in place of α₀v_e G, the matrix v_e G^I − p_e zᵀ − z p_eᵀ (half_sweep.h).
 *
 * Items meet one another in z and in q = Σ_S α(ŷ − y)φ_c, the derivative by z. Half of the gradient and of the Hessian
 * in a block of items e with M_e = Σ_{c∈C_e} α φφᵀ and a_e = Σ α y φ are
 *
 *     g = Σ_e Jᵀ[N(M_e ψ_e − a_e) + u_e G^C ψ_e − M_e z − u_e q] + λθ
 *     H = Σ_e Jᵀ[N M_e + u_e G^C]J − QᵀZ − ZᵀQ + λI,   Q = Σ_e M_e J,  Z = Σ_e u_e J
 *
 * and a step θ − δ changes z by −Zδ and q by −Qδ. Blocks take their steps one after the other, each exact, so the loss
 * never rises; what does not depend on z and q is computed ahead by all threads.
 */
#ifndef TOPN_TRAIN_ALTERNATING_PAIRWISE_H
#define TOPN_TRAIN_ALTERNATING_PAIRWISE_H

#include "train/alternating/problem.h"

/* N. */
double pairwise_items(const alternating_problem *problem);
/* v [contexts] of eq. 45. */
topn_status pairwise_weights(topn_context *context, const alternating_problem *problem, float **out);
/* z [D] and, unless NULL, q [D]. */
topn_status pairwise_sums(topn_context *context, const alternating_problem *problem, double *z, double *q);
/* Σ_S α(ŷ − y)²·N − 2α(ŷ − y)⟨φ, z⟩; phi [contexts × D], psi [items × D]. */
topn_status pairwise_loss(topn_context *context, const alternating_problem *problem, const float *phi, const float *psi,
                          double *out);
/* All blocks of the items, as alternating_half_sweep. */
topn_status pairwise_item_sweep(topn_context *context, alternating_problem *problem, const alternating_params *params,
                                const char *stage);

#endif
