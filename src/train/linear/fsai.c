/* SPDX-License-Identifier: Apache-2.0
 *
 * FSAI embeddings: the dense model in O(k·N) memory, for catalogues whose N² does not fit. With the sparse approximate
 * inverse factor F (sparse_inverse.h) in place of the inverse Cholesky factor,
 *
 *     P ≈ FᵀF,   d_j = Σ_r F_rj²,   y = −(x·Fᵀ)·F·diag(1/d),
 *
 * so the embedding of item j is column j of F. With full rows (k = N) it ranks unseen items as EASE does.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/linear/sparse_inverse.h"

typedef struct fsai_params {
    linear_params linear;
    sparse_params sparse;
} fsai_params;

static const option_row fsai_options[] = {
    LINEAR_OPTIONS(fsai_params),
    SPARSE_OPTIONS(fsai_params, 0),
};
static const option_table fsai_option_table = OPTION_TABLE(fsai_params, fsai_options);

static training_cost fsai_cost(const topn_data *data, const void *raw)
{
    const fsai_params *params = raw;
    training_cost cost = sparse_inverse_cost(data, &params->sparse);
    cost.bytes += linear_history_bytes(data, &params->linear);
    return cost;
}

/* Rows by item: the columns of F. Its column numbers become those of the items. */
static topn_status keep_embeddings(topn_context *context, const linear_system *system, sparse_matrix *f,
                                   embedding_table *rows)
{
    for (uint64_t at = 0; at < f->indptr[f->rows]; at++)
        f->indices[at] = system->item_at[f->indices[at]];
    rows->form = TABLE_SPARSE;
    return sparse_transpose(context, f, &rows->sparse);
}

static topn_status fsai_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const fsai_params *params = raw;
    const uint32_t items = data->matrix.columns;
    topn_status status;
    linear_system system = {0};
    sparse_matrix f = {0};
    double *d = NULL;   /* [items], model order */
    float *base = NULL; /* [items], item order */
    TRY(linear_system_create(context, data, &params->linear, (item_order)params->sparse.order, &system));
    TRY(sparse_inverse_factor(context, &system, &params->sparse, &model->metadata, &f));
    TRY(sparse_inverse_diagonal(context, &f, &d));
    TRY(ALLOCATE(context, items, &base));
    for (uint32_t item = 0; item < items; item++)
        base[item] = (float)(-1 / d[system.position[item]]);
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_SHARED;
    TRY(linear_priors(context, data, params->linear.score_exponent, base, &model->table.priors));
    TRY(keep_embeddings(context, &system, &f, &model->encoder.rows));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
done:
    free(d);
    free(base);
    sparse_clear(&f);
    linear_system_clear(&system);
    return status;
}

const method method_fsai = {
    .name = "fsai",
    .summary = "sparse approximate inverse factor of the Gram matrix, k non-zeros an item, O(kN) memory",
    .paper = "Kolotilina and Yeremin 1993; Van Balen and Goethals 2021, §3.3",
    .options = &fsai_option_table,
    .cost = fsai_cost,
    .train = fsai_train,
};
