/* SPDX-License-Identifier: Apache-2.0
 *
 * EASE through a sparse factor and its sparse approximate inverse (Spišák et al., Scalable Approximate NonSymmetric
 * Autoencoder, RecSys 2023), with the same number of entries a column for both:
 *
 *     S·(G + R)·S ≈ L·D·Lᵀ,   K ≈ L⁻¹,   T = S·Kᵀ·D^-½,   P ≈ T·Tᵀ,   y = x·T·Tᵀ·diag(π),   π = −1/d,   d = diag(T·Tᵀ).
 *
 * Row i of T is the embedding of an item; items already seen are left out of lists, which is why the diagonal of T·Tᵀ
 * does no harm. L comes from an incomplete factorisation of the exact Gram matrix, K from minimal residual steps. The
 * authors' own factor is either CHOLMOD's, exact and then pruned, or incomplete as here; their fill-reducing order takes
 * the items of lowest degree first, which rare-first and co-count-last are close to.
 *
 * Legend: G, R, P, d as in linear/system.h; S scales the diagonal of G + R to 1, or is I.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sparse.h"
#include "train/linear/incomplete_ldl.h"
#include "train/linear/triangle_inverse.h"

typedef struct sansa_params {
    linear_params linear;
    int64_t k, scans, finetune_steps;
    bool scale_items;
    int order;
} sansa_params;

static const option_row sansa_options[] = {
    LINEAR_OPTIONS(sansa_params),
    OPTION_INTEGER(sansa_params, k, "k", 200, 1, UINT32_MAX, "non-zeros kept per item, in the factor and in its inverse"),
    OPTION_INTEGER(sansa_params, scans, "scans", 1, 0, 1000, "minimal residual steps of every column of the inverse"),
    OPTION_INTEGER(sansa_params, finetune_steps, "finetune-steps", 5, 0, 1000,
                   "further steps, each of the columns whose squared residual is above the mean"),
    OPTION_BOOLEAN(sansa_params, scale_items, "scale-items", true,
                   "scale the diagonal of the Gram matrix to 1 before entries are compared"),
    OPTION_CHOICE(sansa_params, order, "order", "popular-last", ITEM_ORDER_CHOICES,
                  "order of items in the factorisation"),
};
static const option_table sansa_option_table = OPTION_TABLE(sansa_params, sansa_options);

/* Entries of a column: no more than there are items. */
static uint64_t entries(const sansa_params *params, uint64_t items)
{
    return (uint64_t)params->k < items ? (uint64_t)params->k : items;
}

static training_cost sansa_cost(const topn_data *data, const void *raw)
{
    const sansa_params *params = raw;
    const uint64_t n = data->matrix.columns, k = entries(params, n);
    const uint64_t factor = incomplete_ldl_bytes(n, k), inverse = triangle_inverse_bytes(n, k, threads_available());
    const double passes = 0.5 + 2.0 * (double)params->scans + (double)params->finetune_steps;
    return (training_cost){
        .bytes = linear_system_bytes(data) + factor + inverse + 64 * n, /* T takes the place of the factor */
        .flops = (double)n * (double)k * (double)k * (1.0 + 2.0 * passes),
        .remedy = "use a smaller --k",
    };
}

/* S [items], model order. */
static topn_status make_scaling(topn_context *context, const topn_data *data, const linear_system *system, bool scale,
                                double **out)
{
    topn_status status;
    const sparse_matrix *xt = &system->xt;
    TRY(ALLOCATE(context, xt->rows, out));
    for (uint32_t item = 0; item < xt->rows; item++) {
        double diagonal = system->ridge[item];
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            diagonal += system->user_weights[xt->indices[at]] * (double)xt->values[at] * xt->values[at];
        if (!(diagonal > 0)) {
            status = fail(context, TOPN_ERROR_NUMERIC,
                          "item %s has neither events nor a ridge, so the system is singular; raise --l2",
                          string_table_get(&data->item_ids, system->item_at[item]));
            goto done;
        }
        (*out)[item] = scale ? 1 / sqrt(diagonal) : 1;
    }
done:
    return status;
}

/* T from K, rows from model order to that of the items; and d [items]. */
static topn_status make_embeddings(topn_context *context, const linear_system *system, const double *scaling,
                                   const double *pivots, const sparse_matrix *inverse, sparse_matrix *out, float **d)
{
    topn_status status;
    const uint32_t n = inverse->rows;
    TRY(ALLOCATE(context, n, d));
    TRY(sparse_create(context, n, n, inverse->indptr[n], out));
    for (uint32_t item = 0; item < n; item++) {
        const uint32_t from = system->position[item];
        uint64_t to = out->indptr[item];
        double square = 0;
        for (uint64_t at = inverse->indptr[from]; at < inverse->indptr[from + 1]; at++, to++) {
            const uint32_t column = inverse->indices[at];
            out->indices[to] = column;
            out->values[to] = (float)(scaling[from] * inverse->values[at] / sqrt(pivots[column]));
            square += (double)out->values[to] * out->values[to];
        }
        out->indptr[item + 1] = to;
        (*d)[item] = (float)square;
    }
done:
    return status;
}

/* π = −1/d, with the score exponent. d is overwritten. */
static topn_status set_priors(topn_context *context, const topn_data *data, const sansa_params *params, float *d,
                              topn_model *model)
{
    for (uint32_t item = 0; item < data->matrix.columns; item++)
        d[item] = -1.0f / d[item];
    return linear_priors(context, data, params->linear.score_exponent, d, &model->table.priors);
}

static topn_status sansa_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const sansa_params *params = raw;
    const uint32_t items = data->matrix.columns, keep = (uint32_t)entries(params, items);
    topn_status status;
    linear_system system = {0};
    incomplete_ldl factor = {0};
    sparse_matrix inverse = {0};
    double *scaling = NULL; /* [items] */
    float *d = NULL;        /* [items] */
    double residual = NAN;
    TRY(linear_system_create(context, data, &params->linear, (item_order)params->order, &system));
    TRY(make_scaling(context, data, &system, params->scale_items, &scaling));
    double start = clock_seconds();
    TRY(incomplete_ldl_create(context, &system, scaling, keep, &factor));
    TRY(linear_phase(context, &model->metadata, "factor", start));
    TRY(record_set(context, &model->metadata, "train.raised-pivots", "%" PRIu64, factor.raised));
    start = clock_seconds();
    TRY(triangle_approximate_inverse(context, &factor.columns, keep, (int)params->scans, (int)params->finetune_steps,
                                     &inverse, &residual));
    TRY(linear_phase(context, &model->metadata, "invert", start));
    TRY(record_set(context, &model->metadata, "train.inverse-residual", "%.4g", residual));
    log_line(context, "%" PRIu64 " pivots raised; inverse: residual %.3g a column", factor.raised, residual);
    sparse_clear(&factor.columns);
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->encoder.rows.form = TABLE_SPARSE;
    model->table.kind = ITEMS_SHARED;
    TRY(make_embeddings(context, &system, scaling, factor.pivots, &inverse, &model->encoder.rows.sparse, &d));
    TRY(set_priors(context, data, params, d, model));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
done:
    free(scaling);
    free(d);
    sparse_clear(&inverse);
    incomplete_ldl_clear(&factor);
    linear_system_clear(&system);
    return status;
}

const method method_sansa = {
    .name = "sansa",
    .summary = "EASE through an incomplete factor and its sparse approximate inverse, k non-zeros an item",
    .paper = "Spišák et al. 2023, SANSA",
    .options = &sansa_option_table,
    .cost = sansa_cost,
    .train = sansa_train,
};
