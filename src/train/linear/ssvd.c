/* SPDX-License-Identifier: Apache-2.0
 *
 * SSVD (Van Balen, Goethals 2021; P1 eq. 9–10): full-rank item embeddings from a symmetric eigendecomposition,
 *
 *     S = β·diag(d) − P = Q·Λ·Qᵀ,   H = Q·Λ^½,   y = x·H·Hᵀ·diag(π),   π = 1/d,
 *
 * row i of H is the embedding of an item. Whole, it scores as CHOL and EASE do; pruned to the k largest entries of each
 * row it loses what CHOL keeps, which is P1's point (Table 2). So this is a method to compare with.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/eigen.h"
#include "numeric/prune.h"
#include "train/linear/shifted.h"

enum { COLUMN_BLOCK = 256 }; /* of a sum over eigenvectors, one thread's */

typedef struct ssvd_params {
    linear_params linear;
    int64_t k;
    shifted_params shifted;
} ssvd_params;

static const option_row ssvd_options[] = {
    LINEAR_OPTIONS(ssvd_params),
    OPTION_INTEGER(ssvd_params, k, "k", 200, 0, UINT32_MAX, "non-zeros kept per item; 0 = all of them"),
    SHIFTED_OPTIONS(ssvd_params),
};
static const option_table ssvd_option_table = OPTION_TABLE(ssvd_params, ssvd_options);

static training_cost ssvd_cost(const topn_data *data, const void *raw)
{
    const ssvd_params *params = raw;
    const uint64_t n = data->matrix.columns;
    const uint64_t vectors = 8 * n * n;
    const uint64_t pruned =
        linear_keeps_all(params->k, STORAGE_FULL, data->matrix.columns) ? 0 : 8 * (uint64_t)params->k * n;
    training_cost cost = linear_cost(data, &params->linear, false, 13.0 / 3, 0);
    /* Beside S stand the vectors, in double; when S is freed they have half that size, and the pruned table comes. */
    cost.bytes +=
        (vectors > pruned ? vectors : pruned) + shift_bytes(n) + symmetric_eigen_scratch_bytes(n, threads_available());
    cost.remedy = "use chol, whose embeddings take half or less and keep more when pruned; or drop rare items with "
                  "--min-item-events";
    return cost;
}

/* product [n] = Q·Λ·Qᵀ·v in double. A block of the sum belongs to one thread, so its order is that of the vectors. */
static topn_status multiply_factor(topn_context *context, const float *values, const float *vectors, size_t n,
                                   const double *v, double *product)
{
    topn_status status;
    double *parts = NULL; /* [n] λ_j·⟨q_j, v⟩ */
    TRY(ALLOCATE(context, n, &parts));
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t j = 0; j < n; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)vectors[j * n + i] * v[i];
        parts[j] = sum * (double)values[j];
    }
    const size_t blocks = (n + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (size_t block = 0; block < blocks; block++) {
        const size_t begin = block * COLUMN_BLOCK, end = n - begin < COLUMN_BLOCK ? n : begin + COLUMN_BLOCK;
        for (size_t i = begin; i < end; i++)
            product[i] = 0;
        for (size_t j = 0; j < n; j++)
            for (size_t i = begin; i < end; i++)
                product[i] += parts[j] * (double)vectors[j * n + i];
    }
done:
    free(parts);
    return status;
}

/* Rows Q's columns → H, in place. An eigenvalue that rounding made negative counts as 0. */
static void embed(topn_context *context, const float *values, float *vectors, size_t n)
{
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t j = 0; j < n; j++) {
        const float scale = values[j] > 0 ? sqrtf(values[j]) : 0.0f;
        for (size_t i = 0; i < n; i++)
            vectors[j * n + i] *= scale;
    }
    square_transpose(context, vectors, n);
}

/* S → H [n × n], which the caller frees. S is freed on the way. */
static topn_status decompose(topn_context *context, symmetric *s, const linear_probe *probe, record *metadata,
                             float **out)
{
    topn_status status;
    const size_t n = s->n;
    float *values = NULL, *vectors = NULL; /* [n], [n × n] */
    double *product = NULL;                /* [n] */
    double start = clock_seconds();
    *out = NULL;
    TRY(ALLOCATE(context, n, &values));
    TRY(ALLOCATE(context, n, &product));
    TRY(symmetric_eigen(context, s->values, n, values, &vectors));
    symmetric_clear(s);
    TRY(linear_phase(context, metadata, "eigenvectors", start));
    start = clock_seconds();
    TRY(multiply_factor(context, values, vectors, n, probe->vector, product));
    TRY(shift_accept(context, probe, product, n, metadata));
    TRY(linear_phase(context, metadata, "check-factor", start));
    embed(context, values, vectors, n);
    *out = vectors;
    vectors = NULL;
done:
    free(values);
    free(vectors);
    free(product);
    return status;
}

/* H becomes the model's table, whole or pruned. Takes *h when it is whole. */
static topn_status keep_embeddings(topn_context *context, float **h, size_t n, int64_t k, embedding_table *out)
{
    const dense_matrix matrix = {.values = *h, .rows = n, .columns = n};
    if (linear_keeps_all(k, STORAGE_FULL, (uint32_t)n)) {
        *out = (embedding_table){.form = TABLE_DENSE, .dense = matrix};
        *h = NULL;
        return TOPN_OK;
    }
    const topn_status status = prune_rows(context, &matrix, (uint32_t)k, false, NULL, &out->sparse);
    if (status == TOPN_OK)
        out->form = TABLE_SPARSE;
    return status;
}

static topn_status ssvd_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const ssvd_params *params = raw;
    const uint32_t items = data->matrix.columns;
    topn_status status;
    linear_system system = {0};
    linear_probe probe = {0};
    symmetric a = {0};          /* G + R, its factor, P, S, one after the other */
    float *d = NULL, *h = NULL; /* [items], [items × items] */
    /* The decomposition knows no order of items, so that of the data stays. */
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    TRY(linear_inverse(context, &system, false, &model->metadata, &a, &probe));
    TRY(ALLOCATE(context, items, &d));
    TRY(shift_inverse(context, "ssvd", params->shifted.beta, &a, d, &probe, &model->metadata));
    TRY(decompose(context, &a, &probe, &model->metadata, &h));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_SHARED;
    const double start = clock_seconds();
    TRY(shift_priors(context, data, &system, d, params->shifted.priors, params->linear.score_exponent,
                     &model->table.priors));
    TRY(keep_embeddings(context, &h, items, params->k, &model->encoder.rows));
    TRY(linear_phase(context, &model->metadata, "prune", start));
done:
    symmetric_clear(&a);
    free(d);
    free(h);
    linear_probe_clear(&probe);
    linear_system_clear(&system);
    return status;
}

const method method_ssvd = {
    .name = "ssvd",
    .summary = "full-rank item embeddings by eigendecomposition, for comparison with chol",
    .paper = "Van Balen and Goethals 2021, §3.2, eq. 9–10",
    .options = &ssvd_option_table,
    .cost = ssvd_cost,
    .train = ssvd_train,
    .prune_modes = 1u << TOPN_PRUNE_ROW,
};
