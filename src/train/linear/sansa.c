/* SPDX-License-Identifier: Apache-2.0
 *
 * EASE through a sparse factor and its sparse approximate inverse (Spišák et al., Scalable Approximate NonSymmetric
 * Autoencoder, RecSys 2023), with the same number of entries a column for both:
 *
 *     S·(G + R)·S = L·D·Lᵀ,   K ≈ L⁻¹,   T = S·Kᵀ·D^-½,   P ≈ T·Tᵀ,   y = x·T·Tᵀ·diag(π),   π = −1/d,   d = diag(T·Tᵀ).
 *
 * Row i of T is the embedding of an item; items already seen are left out of lists, which is why the diagonal of T·Tᵀ
 * does no harm. L is exact and then pruned to k·N entries, those of the whole matrix or of each column that are
 * largest; the authors have it from CHOLMOD, but on such data a sparse factor fills the triangle all the same, so here
 * it is the dense one. Their fill-reducing order takes items of low degree first, as popular-last and co-count-last do.
 * K comes from minimal residual steps, as theirs does, or from forward substitution with the pruned L.
 *
 * Legend: G, R, P, d as in linear/system.h; S scales the diagonal of G + R to 1, or is I.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"
#include "train/linear/system.h"
#include "train/linear/triangle_inverse.h"

enum { PRUNE_GLOBAL, PRUNE_ITEM };
enum { INVERSE_RESIDUAL, INVERSE_SOLVE };

typedef struct sansa_params {
    linear_params linear;
    int64_t k, scans, finetune_steps;
    bool scale_items;
    int inverse, prune, order;
} sansa_params;

static const option_row sansa_options[] = {
    LINEAR_OPTIONS(sansa_params),
    OPTION_INTEGER(sansa_params, k, "k", 200, 1, UINT32_MAX,
                   "non-zeros kept per item, in the factor and in its inverse"),
    OPTION_CHOICE(sansa_params, prune, "prune", "global", "global|item",
                  "the largest entries of the whole factor are kept, or of each item's column"),
    OPTION_CHOICE(sansa_params, inverse, "inverse", "residual", "residual|solve",
                  "inverse of the pruned factor by minimal residual steps, or solved and then pruned, which is better "
                  "on dense data and takes k·items² operations"),
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
    const double passes = 0.5 + 2.0 * (double)params->scans + (double)params->finetune_steps;
    training_cost cost = linear_cost(data, &params->linear, true, 1.0 / 3, k * n);
    cost.bytes += triangle_inverse_bytes(n, k * n, threads_available()) + 64 * n;
    cost.flops += 2.0 * (double)n * (double)k * (params->inverse == INVERSE_SOLVE ? (double)n / 2 : passes * (double)k);
    cost.remedy = "use method fsai, which never holds items² numbers, or drop rare items with --min-item-events";
    return cost;
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

typedef struct pruned_factor {
    sparse_matrix columns; /* row j: column j of L below its diagonal */
    double *pivots;        /* [items] D */
} pruned_factor;

/* The exact factor C of G + R, from which columns of L are made: L_ij = S_i·C_ij / (S_j·C_jj). */
typedef struct exact_factor {
    symmetric c;
    const double *scaling;
} exact_factor;

static void make_columns(const void *matrix, size_t first, size_t count, float *scratch, const float **row,
                         size_t *width)
{
    const exact_factor *factor = matrix;
    const size_t n = factor->c.n;
    triangle_gather_columns(&factor->c, first, count, scratch);
    for (size_t at = 0; at < count; at++) {
        const size_t j = first + at;
        float *column = scratch + at * n;
        const double scale = 1 / (factor->scaling[j] * column[j]);
        for (size_t i = j + 1; i < n; i++)
            column[i] = (float)(scale * factor->scaling[i] * column[i]);
        column[j] = 0;
        row[at] = column;
        width[at] = n;
    }
}

/* The exact factor, its columns pruned. */
static topn_status factor_and_prune(topn_context *context, linear_system *system, const double *scaling,
                                    const sansa_params *params, record *metadata, pruned_factor *out)
{
    topn_status status;
    const uint32_t n = system->x.columns;
    exact_factor factor = {.scaling = scaling};
    TRY(linear_factor(context, system, true, metadata, &factor.c));
    TRY(ALLOCATE(context, n, &out->pivots));
    for (uint32_t j = 0; j < n; j++) {
        const double scaled = scaling[j] * symmetric_row(&factor.c, j)[j];
        out->pivots[j] = scaled * scaled;
    }
    const row_stream columns = {
        .rows = n, .columns = n, .matrix = &factor, .make = make_columns, .needs_scratch = true};
    const double start = clock_seconds();
    if (params->prune == PRUNE_GLOBAL)
        TRY(stream_prune_global(context, &columns, entries(params, n) * n, &out->columns));
    else
        TRY(stream_prune_rows(context, &columns, (uint32_t)entries(params, n), &out->columns));
    TRY(linear_phase(context, metadata, "prune", start));
done:
    symmetric_clear(&factor.c);
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
    const inverse_settings settings = {.scans = (int)params->scans,
                                       .finetune_steps = (int)params->finetune_steps,
                                       .solve = params->inverse == INVERSE_SOLVE};
    topn_status status;
    linear_system system = {0};
    pruned_factor factor = {0};
    sparse_matrix inverse = {0};
    double *scaling = NULL; /* [items] */
    float *d = NULL;        /* [items] */
    double residual = NAN;
    TRY(linear_system_create(context, data, &params->linear, (item_order)params->order, &system));
    TRY(make_scaling(context, data, &system, params->scale_items, &scaling));
    TRY(factor_and_prune(context, &system, scaling, params, &model->metadata, &factor));
    const double start = clock_seconds();
    TRY(triangle_approximate_inverse(context, &factor.columns, &settings, &inverse, &residual));
    TRY(linear_phase(context, &model->metadata, "invert", start));
    TRY(record_set(context, &model->metadata, "train.inverse-residual", "%.4g", residual));
    log_line(context, "inverse of the pruned factor: residual %.3g a column", residual);
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
    sparse_clear(&factor.columns);
    free(factor.pivots);
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
