/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverse-factor embeddings: the model of EASE and CHOL (P1 §3) at half the arithmetic of CHOL, and without its β. With
 *
 *     G + R = C·Cᵀ,   W = C⁻¹ (lower triangular),   P = (G + R)⁻¹ = Wᵀ·W,   d_j = P_jj = Σ_r W_rj²,
 *
 * EASE's weights −P_ij / d_j are products of columns of W, so
 *
 *     y = −(x·Wᵀ)·W·diag(1/d):
 *
 * column j of W is the embedding of item j, and its prior is −1/d_j. Dense, off the diagonal, it is EASE exactly; on
 * the diagonal it has −1, which touches only items that were seen.
 *
 * Column j begins at row j, and dimension r is what is left of item r when the items before it have explained what they
 * can. In the order rare first, popular items have the short columns (P1's adaptive sparsity), and the last dimensions
 * belong to popular items.
 *
 * Pruning. Every column of W·D^-½ has length 1, so entries of different items compare there. Two items get a score when
 * they share a dimension. So a part of an item's budget goes to its largest entries among a few last dimensions, so few
 * that any two items meet there, which lets short histories reach the whole catalogue; the rest to the largest entries
 * anywhere. 1/d stays that of the whole W.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "train/linear/reused_pattern.h"
#include "train/linear/triangle_table.h"

typedef struct inverse_factor_params {
    linear_params linear;
    int64_t k;
    int order;
    int prune;
    double popular_share, popular_dimensions;
    int storage;
    char *pattern_from;
} inverse_factor_params;

static const option_row inverse_factor_options[] = {
    LINEAR_OPTIONS(inverse_factor_params),
    OPTION_INTEGER(inverse_factor_params, k, "k", 200, 0, UINT32_MAX, "non-zeros kept per item, k·N in all; 0 = all"),
    OPTION_CHOICE(inverse_factor_params, order, "order", "popular-last", ITEM_ORDER_CHOICES,
                  "order of items in the factorisation: last items have the shortest embeddings"),
    OPTION_CHOICE(inverse_factor_params, prune, "prune", "global", "global|item|row",
                  "keep the largest numbers of all items together, of each item, or of each dimension"),
    OPTION_REAL(inverse_factor_params, popular_share, "popular-share", 0.125, 0, 1,
                "with --prune global or item: this share of k is kept for each item's largest numbers among the last "
                "dimensions, which many items share"),
    OPTION_REAL(inverse_factor_params, popular_dimensions, "popular-dimensions", 0.002, 0, 1,
                "the last dimensions: this share of all, and at least twice what is kept of them"),
    LINEAR_STORAGE_OPTION(inverse_factor_params),
    PATTERN_OPTION(inverse_factor_params),
};
static const option_table inverse_factor_option_table = OPTION_TABLE(inverse_factor_params, inverse_factor_options);

static topn_status inverse_factor_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const inverse_factor_params *params = raw;
    if (params->pattern_from && params->k == 0)
        return reused_pattern_needs_k(context, "inverse-factor");
    return linear_check_storage(context, "inverse-factor", params->k, params->storage);
}

static training_cost inverse_factor_cost(const topn_data *data, const void *raw)
{
    const inverse_factor_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const uint64_t kept = linear_kept_entries(params->k, params->storage, items);
    training_cost cost =
        linear_cost(data, &params->linear, linear_uses_half(params->k, params->storage, items), 2.0 / 3, 9 * kept / 4);
    cost.bytes += reused_pattern_bytes(params->pattern_from);
    cost.remedy = linear_remedy(params->k, params->storage, items);
    return cost;
}

/* u = P·v = Wᵀ·(W·v). */
static topn_status solve(topn_context *context, const symmetric *w, const double *vector, double *product)
{
    return triangle_multiply_both(context, w, true, vector, product);
}

/* W, checked. */
static topn_status inverse_factor(topn_context *context, linear_system *system, const inverse_factor_params *params,
                                  record *metadata, symmetric *w)
{
    topn_status status;
    linear_probe probe = {0};
    const bool half = linear_uses_half(params->k, params->storage, system->x.columns);
    TRY(linear_factor(context, system, half, metadata, w));
    const double start = clock_seconds();
    TRY(triangle_invert(context, w, "invert"));
    TRY(linear_phase(context, metadata, "invert", start));
    TRY(linear_accept(context, system, w, solve, metadata, &probe));
done:
    linear_probe_clear(&probe);
    return status;
}

/* π in item order: −1/d, with the score exponent. d [items] is in model order. */
static topn_status set_priors(topn_context *context, const topn_data *data, const uint32_t *position, const double *d,
                              double score_exponent, float **out)
{
    topn_status status;
    float *base = NULL; /* [items] */
    const uint32_t items = data->matrix.columns;
    TRY(ALLOCATE(context, items, &base));
    for (uint32_t item = 0; item < items; item++)
        base[item] = (float)(-1.0 / d[position[item]]);
    TRY(linear_priors(context, data, score_exponent, base, out));
done:
    free(base);
    return status;
}

/* The system in the order of the options or of the pattern, which is read then. */
static topn_status create_system(topn_context *context, const topn_data *data, const inverse_factor_params *params,
                                 record *metadata, reused_pattern *pattern, linear_system *system)
{
    topn_status status;
    const item_order order = (item_order)params->order;
    if (!params->pattern_from)
        return linear_system_create(context, data, &params->linear, order, system);
    TRY(data_require_events(context, data, "to train on"));
    TRY(reused_pattern_read(context, "inverse-factor", params->pattern_from, data, order, false, metadata, pattern));
    TRY(linear_system_create_ordered(context, data, &params->linear, pattern->item_at, system));
done:
    return status;
}

/* Columns of W become the table's rows: those of the pattern, or by the rule of the options. d [items]. */
static topn_status keep_columns(topn_context *context, symmetric *w, const inverse_factor_params *params,
                                const reused_pattern *pattern, const double *d, const linear_system *system,
                                embedding_table *out)
{
    const column_rule rule = {.k = params->k,
                              .prune = (column_pruning)params->prune,
                              .last_share = params->popular_share,
                              .last_dimensions = params->popular_dimensions};
    if (!params->pattern_from)
        return keep_triangle_columns(context, w, &rule, params->storage, d, system, out);
    out->form = TABLE_SPARSE;
    return reused_pattern_keep(context, pattern, w, false, (uint32_t)params->k, system->position, &out->sparse);
}

static topn_status inverse_factor_train(topn_context *context, const topn_data *data, const void *raw,
                                        topn_model *model)
{
    const inverse_factor_params *params = raw;
    const uint32_t items = data->matrix.columns;
    topn_status status;
    reused_pattern pattern = {0};
    linear_system system = {0};
    symmetric w = {0};
    double *d = NULL; /* [items], model order */
    TRY(create_system(context, data, params, &model->metadata, &pattern, &system));
    TRY(inverse_factor(context, &system, params, &model->metadata, &w));
    const double start = clock_seconds();
    TRY(ALLOCATE(context, items, &d));
    TRY(triangle_column_squares(context, &w, d));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_SHARED;
    TRY(set_priors(context, data, system.position, d, params->linear.score_exponent, &model->table.priors));
    TRY(keep_columns(context, &w, params, &pattern, d, &system, &model->encoder.rows));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
    TRY(linear_phase(context, &model->metadata, "prune", start));
done:
    reused_pattern_clear(&pattern);
    symmetric_clear(&w);
    free(d);
    linear_system_clear(&system);
    return status;
}

const method method_inverse_factor = {
    .name = "inverse-factor",
    .summary =
        "embeddings from the inverse Cholesky factor of the Gram matrix: EASE's model at half of CHOL's arithmetic",
    .paper = "topn; after Van Balen and Goethals 2021, §3",
    .options = &inverse_factor_option_table,
    .check = inverse_factor_check,
    .cost = inverse_factor_cost,
    .train = inverse_factor_train,
};
