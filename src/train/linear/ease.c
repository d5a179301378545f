/* SPDX-License-Identifier: Apache-2.0
 *
 * EASE (Steck, WWW 2019; P1 eq. 4–5): every item regressed on all others, y = x·B with
 *
 *     B = I − P·diag(1/d),   P = (XᵀWX + R)⁻¹,   d = diag(P),
 *
 * so B_jj = 0 and B_ij = −P_ij / d_j. Pruned to k·N weights: the largest |B_ij| of the whole matrix (Steck,
 * arXiv:1904.13033) or the k largest of each column, that is per recommended item.
 *
 * The model is a bag of rows of B with the identity as item table. Memory: B takes the place of P.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/prune.h"
#include "numeric/sparse.h"
#include "numeric/symmetric.h"
#include "train/linear/system.h"

enum { PRUNE_GLOBAL, PRUNE_ITEM };

typedef struct ease_params {
    linear_params linear;
    int64_t k;
    int prune;
} ease_params;

static const option_row ease_options[] = {
    LINEAR_OPTIONS(ease_params),
    OPTION_INTEGER(ease_params, k, "k", 0, 0, UINT32_MAX, "weights kept per item, k·N in all; 0 = all of them"),
    OPTION_CHOICE(ease_params, prune, "prune", "global", "global|item",
                  "keep the largest weights of the whole matrix, or of each recommended item"),
};
static const option_table ease_option_table = OPTION_TABLE(ease_params, ease_options);

static bool is_dense(const ease_params *params, uint32_t items)
{
    return params->k == 0 || params->k >= (int64_t)items;
}

static training_cost ease_cost(const topn_data *data, const void *raw)
{
    const ease_params *params = raw;
    const uint64_t items = data->matrix.columns,
                   kept = is_dense(params, data->matrix.columns) ? 0 : (uint64_t)params->k;
    training_cost cost = linear_cost(data, 0, (params->prune == PRUNE_ITEM ? 2 : 1) * kept * items, false);
    cost.remedy = "drop rare items with --min-item-events";
    return cost;
}

/* The symmetric matrix P (lower triangle) → B, all elements; or Bᵀ, whose rows are the recommended items. */
static topn_status weights_in_place(topn_context *context, float *p, size_t n, bool transposed)
{
    topn_status status;
    float *d = NULL; /* [n] */
    TRY(ALLOCATE(context, n, &d));
    for (size_t r = 0; r < n; r++)
        d[r] = p[r * n + r];
    symmetric_mirror(context, p, n);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t r = 0; r < n; r++) {
        float *row = p + r * n;
        for (size_t c = 0; c < n; c++)
            row[c] = -row[c] / (transposed ? d[r] : d[c]);
        row[r] = 0.0f;
    }
done:
    free(d);
    return status;
}

/* Turns B into a sparse table of k·N weights; B (or Bᵀ) is freed by the caller. */
static topn_status prune_weights(topn_context *context, const dense_matrix *weights, const ease_params *params,
                                 sparse_matrix *out)
{
    if (params->prune == PRUNE_GLOBAL)
        return prune_global(context, weights, (uint64_t)params->k * weights->rows, out);
    sparse_matrix columns = {0};
    topn_status status;
    TRY(prune_rows(context, weights, (uint32_t)params->k, false, NULL, &columns));
    TRY(sparse_transpose(context, &columns, out));
done:
    sparse_clear(&columns);
    return status;
}

static topn_status ease_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const ease_params *params = raw;
    const uint32_t items = data->matrix.columns;
    topn_status status;
    linear_system system = {0};
    linear_probe probe = {0};
    float *p = NULL;
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    TRY(linear_inverse(context, &system, false, &model->metadata, &p, &probe));
    const double start = clock_seconds();
    const bool dense = is_dense(params, items);
    TRY(weights_in_place(context, p, items, !dense && params->prune == PRUNE_ITEM));
    const dense_matrix weights = {.values = p, .rows = items, .columns = items};
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->linear.score_exponent, NULL, &model->table.priors));
    if (dense) {
        model->encoder.rows = (embedding_table){.form = TABLE_DENSE, .dense = weights};
        p = NULL;
    } else {
        TRY(prune_weights(context, &weights, params, &model->encoder.rows.sparse));
        model->encoder.rows.form = TABLE_SPARSE;
    }
    TRY(linear_phase(context, &model->metadata, "weights", start));
done:
    free(p);
    linear_probe_clear(&probe);
    linear_system_clear(&system);
    return status;
}

const method method_ease = {
    .name = "ease",
    .summary = "every item regressed on all others, dense or pruned to k·N weights",
    .paper = "Steck 2019; Van Balen and Goethals 2021, §2.3, eq. 4–5",
    .options = &ease_option_table,
    .cost = ease_cost,
    .train = ease_train,
    .prune_modes = 1u << TOPN_PRUNE_GLOBAL | 1u << TOPN_PRUNE_ITEM,
};
