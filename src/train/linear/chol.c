/* SPDX-License-Identifier: Apache-2.0
 *
 * CHOL (Van Balen, Goethals 2021; P1 eq. 6–8): sparse, full-rank item embeddings. With P and d as for EASE,
 *
 *     L·Lᵀ = β·diag(d) − P,   y = x·L·Lᵀ·diag(π),   π = 1/d,
 *
 * row i of L is the embedding of an item. Off its diagonal L·Lᵀ·diag(1/d) is EASE's B, on it β − 1, so unseen items
 * rank as EASE ranks them. A factor exists for β > λ_max(D^-½·P·D^-½), which is computed and reported
 * (linear/shifted.h). Pruning keeps
 * the k largest entries of each row (P1 §3.4).
 */
#include <stdlib.h>

#include "base/memory.h"
#include "train/linear/reused_pattern.h"
#include "train/linear/shifted.h"
#include "train/linear/triangle_table.h"

typedef struct chol_params {
    linear_params linear;
    int64_t k;
    shifted_params shifted;
    int order;
    int storage;
    char *pattern_from;
} chol_params;

static const option_row chol_options[] = {
    LINEAR_OPTIONS(chol_params),
    OPTION_INTEGER(chol_params, k, "k", 200, 0, UINT32_MAX, "non-zeros kept per item; 0 = all of them"),
    SHIFTED_OPTIONS(chol_params),
    OPTION_CHOICE(chol_params, order, "order", "popular-first", ITEM_ORDER_CHOICES,
                  "order of items in the factorisation: first items have the shortest embeddings"),
    LINEAR_STORAGE_OPTION(chol_params),
    PATTERN_OPTION(chol_params),
};
static const option_table chol_option_table = OPTION_TABLE(chol_params, chol_options);

static topn_status chol_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const chol_params *params = raw;
    if (params->pattern_from && params->k == 0)
        return reused_pattern_needs_k(context, "chol");
    return linear_check_storage(context, "chol", params->k, params->storage);
}

static training_cost chol_cost(const topn_data *data, const void *raw)
{
    const chol_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const uint64_t kept = linear_kept_entries(params->k, params->storage, items);
    training_cost cost =
        linear_cost(data, &params->linear, linear_uses_half(params->k, params->storage, items), 4.0 / 3, kept);
    cost.bytes += shift_bytes(items) + reused_pattern_bytes(params->pattern_from);
    cost.remedy = linear_remedy(params->k, params->storage, items);
    return cost;
}

/* L·Lᵀ·v against S·v. */
static topn_status accept_factor(topn_context *context, const symmetric *l, const linear_probe *probe, record *metadata)
{
    topn_status status;
    double *product = NULL; /* [n] */
    TRY(ALLOCATE(context, l->n, &product));
    TRY(triangle_multiply_both(context, l, false, probe->vector, product));
    TRY(shift_accept(context, probe, product, l->n, metadata));
done:
    free(product);
    return status;
}

/* S → L, checked. */
static topn_status factor(topn_context *context, symmetric *a, const linear_probe *probe, record *metadata)
{
    topn_status status;
    const double start = clock_seconds();
    status = symmetric_factor(context, a, "factor again");
    if (status == TOPN_ERROR_NUMERIC)
        status = fail(context, TOPN_ERROR_NUMERIC, "no factor with --beta %s in single precision; raise --beta or --l2",
                      record_get(metadata, "train.beta"));
    TRY(status);
    TRY(linear_phase(context, metadata, "factor-again", start));
    TRY(accept_factor(context, a, probe, metadata));
done:
    return status;
}

/* The system in the order of the options or of the pattern, which is read then. */
static topn_status create_system(topn_context *context, const topn_data *data, const chol_params *params,
                                 record *metadata, reused_pattern *pattern, linear_system *system)
{
    topn_status status;
    const item_order order = (item_order)params->order;
    if (!params->pattern_from)
        return linear_system_create(context, data, &params->linear, order, system);
    TRY(data_require_events(context, data, "to train on"));
    TRY(reused_pattern_read(context, "chol", params->pattern_from, data, order, true, metadata, pattern));
    TRY(linear_system_create_ordered(context, data, &params->linear, pattern->item_at, system));
done:
    return status;
}

static topn_status keep_rows(topn_context *context, symmetric *l, const chol_params *params,
                             const reused_pattern *pattern, const uint32_t *position, embedding_table *out)
{
    if (!params->pattern_from)
        return keep_triangle_rows(context, l, params->k, params->storage, position, out);
    out->form = TABLE_SPARSE;
    return reused_pattern_keep(context, pattern, l, true, (uint32_t)params->k, position, &out->sparse);
}

static topn_status chol_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const chol_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const bool half = linear_uses_half(params->k, params->storage, items);
    topn_status status;
    reused_pattern pattern = {0};
    linear_system system = {0};
    linear_probe probe = {0};
    symmetric a = {0}; /* G + R, its factor, P, S, L, one after the other */
    float *d = NULL;   /* [items], model order */
    TRY(create_system(context, data, params, &model->metadata, &pattern, &system));
    TRY(linear_inverse(context, &system, half, &model->metadata, &a, &probe));
    TRY(ALLOCATE(context, items, &d));
    TRY(shift_inverse(context, "chol", params->shifted.beta, &a, d, &probe, &model->metadata));
    TRY(factor(context, &a, &probe, &model->metadata));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_SHARED;
    const double start = clock_seconds();
    TRY(shift_priors(context, data, &system, d, params->shifted.priors, params->linear.score_exponent,
                     &model->table.priors));
    TRY(keep_rows(context, &a, params, &pattern, system.position, &model->encoder.rows));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
    TRY(linear_phase(context, &model->metadata, "prune", start));
done:
    reused_pattern_clear(&pattern);
    symmetric_clear(&a);
    free(d);
    linear_probe_clear(&probe);
    linear_system_clear(&system);
    return status;
}

const method method_chol = {
    .name = "chol",
    .summary = "sparse full-rank item embeddings by Cholesky factorisation, k non-zeros an item",
    .paper = "Van Balen and Goethals 2021, §3, eq. 6–8",
    .options = &chol_option_table,
    .check = chol_check,
    .cost = chol_cost,
    .train = chol_train,
    .prune_modes = 1u << TOPN_PRUNE_ROW,
};
