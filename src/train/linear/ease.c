/* SPDX-License-Identifier: Apache-2.0
 *
 * EASE (Steck, WWW 2019; P1 eq. 4–5): every item regressed on all others, y = x·B with
 *
 *     B = I − P·diag(1/d),   P = (XᵀWX + R)⁻¹,   d = diag(P),
 *
 * so B_jj = 0 and B_ij = −P_ij / d_j. Pruned to k·N weights: the largest |B_ij| of the whole matrix (Steck,
 * arXiv:1904.13033) or the k largest of each column, that is per recommended item.
 *
 * The model is a bag of rows of B with the identity as item table. Memory: a dense B takes the place of P; a pruned one
 * is taken from the lower triangle of P, block by block of B's rows or columns.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"
#include "train/linear/system.h"

enum { PRUNE_GLOBAL, PRUNE_ITEM };

typedef struct ease_params {
    linear_params linear;
    int64_t k;
    int prune;
    int storage;
} ease_params;

static const option_row ease_options[] = {
    LINEAR_OPTIONS(ease_params),
    OPTION_INTEGER(ease_params, k, "k", 0, 0, UINT32_MAX, "weights kept per item, k·N in all; 0 = all of them"),
    OPTION_CHOICE(ease_params, prune, "prune", "global", "global|item",
                  "keep the largest weights of the whole matrix, or of each recommended item"),
    LINEAR_STORAGE_OPTION(ease_params),
};
static const option_table ease_option_table = OPTION_TABLE(ease_params, ease_options);

static topn_status ease_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const ease_params *params = raw;
    return linear_check_storage(context, "ease", params->k, params->storage);
}

static training_cost ease_cost(const topn_data *data, const void *raw)
{
    const ease_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const uint64_t kept = linear_kept_entries(params->k, params->storage, items);
    training_cost cost = linear_cost(data, &params->linear, linear_uses_half(params->k, params->storage, items), 1.0,
                                     (params->prune == PRUNE_ITEM ? 8 : 9) * kept / 4);
    cost.remedy = linear_remedy(params->k, params->storage, items);
    return cost;
}

/* P and d, of which rows of B or of Bᵀ are made. */
typedef struct weight_rows {
    const symmetric *p;
    const float *d; /* [n] */
    bool transposed;
} weight_rows;

static void make_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width)
{
    const weight_rows *from = matrix;
    const size_t n = from->p->n;
    symmetric_gather(from->p, first, count, scratch);
    for (size_t i = 0; i < count; i++) {
        float *values = scratch + i * n;
        for (size_t c = 0; c < n; c++)
            values[c] = -values[c] / (from->transposed ? from->d[first + i] : from->d[c]);
        values[first + i] = 0.0f;
        row[i] = values;
        width[i] = n;
    }
}

/* The symmetric matrix P → B, all elements, in place. */
static void weights_in_place(topn_context *context, symmetric *p, const float *d)
{
    const size_t n = p->n;
    symmetric_mirror(context, p);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t r = 0; r < n; r++) {
        float *row = p->values + r * n;
        for (size_t c = 0; c < n; c++)
            row[c] = -row[c] / d[c];
        row[r] = 0.0f;
    }
}

/* The k·N weights that are kept of B. */
static topn_status prune_weights(topn_context *context, const symmetric *p, const float *d, const ease_params *params,
                                 sparse_matrix *out)
{
    const bool by_item = params->prune == PRUNE_ITEM;
    const weight_rows rows = {.p = p, .d = d, .transposed = by_item};
    const row_stream stream = {
        .rows = p->n, .columns = p->n, .matrix = &rows, .make = make_rows, .needs_scratch = true};
    if (!by_item)
        return stream_prune_global(context, &stream, (uint64_t)params->k * p->n, out);
    sparse_matrix columns = {0};
    topn_status status;
    TRY(stream_prune_rows(context, &stream, params->k < UINT32_MAX ? (uint32_t)params->k : UINT32_MAX, &columns));
    TRY(sparse_transpose(context, &columns, out));
done:
    sparse_clear(&columns);
    return status;
}

/* B becomes the model's table. Takes the array of p when the table is dense. */
static topn_status keep_weights(topn_context *context, symmetric *p, const ease_params *params, topn_model *model)
{
    topn_status status;
    embedding_table *rows = &model->encoder.rows;
    float *d = NULL; /* [n] */
    TRY(ALLOCATE(context, p->n, &d));
    symmetric_diagonal(p, d);
    if (linear_keeps_all(params->k, params->storage, (uint32_t)p->n)) {
        weights_in_place(context, p, d);
        *rows = (embedding_table){.form = TABLE_DENSE, .dense = {.values = p->values, .rows = p->n, .columns = p->n}};
        p->values = NULL;
    } else {
        TRY(prune_weights(context, p, d, params, &rows->sparse));
        rows->form = TABLE_SPARSE;
    }
done:
    free(d);
    return status;
}

static topn_status ease_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const ease_params *params = raw;
    topn_status status;
    linear_system system = {0};
    linear_probe probe = {0};
    symmetric p = {0};
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    TRY(linear_inverse(context, &system, linear_uses_half(params->k, params->storage, data->matrix.columns),
                       &model->metadata, &p, &probe));
    const double start = clock_seconds();
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->linear.score_exponent, NULL, &model->table.priors));
    TRY(keep_weights(context, &p, params, model));
    TRY(linear_phase(context, &model->metadata, "weights", start));
done:
    symmetric_clear(&p);
    linear_probe_clear(&probe);
    linear_system_clear(&system);
    return status;
}

const method method_ease = {
    .name = "ease",
    .summary = "every item regressed on all others, dense or pruned to k·N weights",
    .paper = "Steck 2019; Van Balen and Goethals 2021, §2.3, eq. 4–5",
    .options = &ease_option_table,
    .check = ease_check,
    .cost = ease_cost,
    .train = ease_train,
    .prune_modes = 1u << TOPN_PRUNE_GLOBAL | 1u << TOPN_PRUNE_ITEM,
};
