/* SPDX-License-Identifier: Apache-2.0
 *
 * An autoencoder of items as a model of users and items. With r_i [users] 1 for the users of item i,
 *
 *   score(u, i) = ⟨W_u, ψ_i⟩,  ψ_i = σ(V r_i + μ) = σ(Σ_{u took i} V_u + μ)                  (Sedhain et al. 2015, eq.
 * 1)
 *
 * ψ is the item table and φ_u = W_u the user. W is not kept: with square loss its optimum, ψ held, is
 *
 *   W_u = Σ_{i in history} T_i,  T = Ψ (ΨᵀΨ + λ|I|·1)⁻¹,
 *
 * a sum over the history, which is as good for new users as for known ones. V is kept as what makes ψ of new items: the
 * features of an item are its users. Biases of users are left out: they change nothing in a ranking.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_BY_ITEM_H
#define TOPN_TRAIN_AUTOENCODER_BY_ITEM_H

#include "data/interactions.h"
#include "model/model.h"

typedef struct by_item {
    const topn_data *data;
    const sparse_matrix *events; /* items × users */
    float *v, *w;                /* [users × width] */
    float *mu;                   /* [width] */
    size_t width;
    double l2; /* λ */
    bool keep_users;
} by_item;

topn_status by_item_export(topn_context *context, const by_item *trained, topn_model *model);
/* Users that the earlier model knows have its V, and all W by the sums over their histories. */
topn_status by_item_start(topn_context *context, const topn_model *earlier, const by_item *out);

#endif
