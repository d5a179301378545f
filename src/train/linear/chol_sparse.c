/* SPDX-License-Identifier: Apache-2.0
 *
 * CHOL in O(k·N) memory (the open end of P1 §3.3): the same embeddings as in chol.c, from sparse approximations all the
 * way. With the sparse approximate inverse factor F (sparse_inverse.h) and D = diag(FᵀF),
 *
 *     S = D^-½·FᵀF·D^-½ ≈ D^-½·P·D^-½   has a unit diagonal; minus its off-diagonals are partial correlations,
 *     A = β·I − S                       of which each row keeps its largest entries before the diagonal,
 *     A ≈ L·Lᵀ                          by incomplete Cholesky with k entries a row,
 *     y = x·(D^½·L)·(D^½·L)ᵀ·diag(π), π = 1/d:
 *
 * rows of D^½·L are the embeddings, as β·D − P = D^½·(β·I − S)·D^½. The first-order factor takes no factorisation: with
 * γ = √(β−1), L = γ·I − tril(S)/γ has the right off-diagonals up to products of two partial correlations.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/incomplete_cholesky.h"
#include "numeric/lanczos.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"
#include "train/linear/gram_rows.h"
#include "train/linear/sparse_inverse.h"

enum {
    FACTOR_INCOMPLETE,
    FACTOR_FIRST_ORDER,
    LANCZOS_STEPS = 40,
    ROW_BATCH = 4096 /* rows between two reports of progress */
};
static const double lanczos_tolerance = 1e-3;
static const double beta_margin = 1.05; /* auto: this much above λ_max … */
static const double beta_least = 2.0;   /* … and at least this, as in the paper */
static const double pivot_floor = 0.5;  /* of squared pivots, where exact ones are near β − 1 ≥ 1 */

typedef struct chol_sparse_params {
    linear_params linear;
    sparse_params sparse;
    int64_t inverse_k;
    double candidates, drop;
    double beta; /* NAN = auto */
    int factor;
} chol_sparse_params;

static const option_row chol_sparse_options[] = {
    LINEAR_OPTIONS(chol_sparse_params),
    SPARSE_OPTIONS(chol_sparse_params, 2),
    OPTION_INTEGER(chol_sparse_params, inverse_k, "inverse-k", 0, 0, SPARSE_MOST_K,
                   "non-zeros of a row of the approximate inverse factor; 0 = half of --k"),
    OPTION_REAL(chol_sparse_params, candidates, "candidates", 2, 1, 100,
                "the factorisation looks at this many times k partial correlations of each item"),
    OPTION_REAL(chol_sparse_params, drop, "drop", 0.0001, 0, 1,
                "entries of the factor of less magnitude are dropped on the way"),
    OPTION_REAL_AUTO(chol_sparse_params, beta, "beta", "auto", 1.000001, 1e9,
                     "β; auto = the larger of 2 and 1.05 times the least value that has a factor"),
    OPTION_CHOICE(chol_sparse_params, factor, "factor", "incomplete", "incomplete|first-order",
                  "incomplete Cholesky factorisation, or its first-order approximation"),
};
static const option_table chol_sparse_option_table = OPTION_TABLE(chol_sparse_params, chol_sparse_options);

/* The parameters of F. */
static sparse_params inverse_params(const chol_sparse_params *params)
{
    sparse_params out = params->sparse;
    out.k = params->inverse_k ? params->inverse_k : (params->sparse.k + 1) / 2;
    return out;
}

/* Anchors of F that are anchors of L, too. */
static uint32_t kept_anchors(const chol_sparse_params *params)
{
    const sparse_params inverse = inverse_params(params);
    const uint32_t of_f = sparse_anchors(&inverse), of_l = sparse_anchors(&params->sparse);
    return of_f < of_l ? of_f : of_l;
}

/* Entries before the diagonal that a row of A keeps. */
static uint32_t kept_correlations(const chol_sparse_params *params, uint32_t items)
{
    const double wanted = params->factor == FACTOR_INCOMPLETE ? ceil(params->candidates * (double)params->sparse.k)
                                                              : (double)params->sparse.k - 1;
    return wanted < items ? (uint32_t)wanted : items;
}

static training_cost chol_sparse_cost(const topn_data *data, const void *raw)
{
    const chol_sparse_params *params = raw;
    const sparse_params inverse = inverse_params(params);
    const uint64_t items = data->matrix.columns, threads = (uint64_t)threads_available();
    const uint64_t k_inverse = (uint64_t)inverse.k < items ? (uint64_t)inverse.k : items;
    const uint64_t k = (uint64_t)params->sparse.k < items ? (uint64_t)params->sparse.k : items;
    const uint64_t correlations = kept_correlations(params, data->matrix.columns);
    const uint64_t entry = sizeof(uint32_t) + sizeof(float), offset = sizeof(uint64_t);
    training_cost cost = sparse_inverse_cost(data, &inverse);
    const uint64_t f = items * (k_inverse * entry + offset), a = items * (correlations * entry + offset + 4);
    const uint64_t l = items * (k * entry + offset + 8), d = items * sizeof(double);
    const uint64_t rows = threads * (gram_row_bytes(items) + items * sizeof(float));
    const uint64_t basis = (LANCZOS_STEPS + 2) * items * sizeof(double);
    const uint64_t products = sparse_system_bytes(data) + d + 2 * f + (basis > a + rows ? basis : a + rows);
    const uint64_t factoring = sparse_system_bytes(data) + d + a + 2 * l + threads * items * sizeof(float);
    cost.bytes = cost.bytes > products ? cost.bytes : products;
    cost.bytes = cost.bytes > factoring ? cost.bytes : factoring;
    cost.bytes += linear_history_bytes(data, &params->linear);
    cost.flops += 2.0 * (double)items * (double)k_inverse * (double)k_inverse;
    if (params->factor == FACTOR_INCOMPLETE)
        cost.flops += 2.0 * (double)items * (double)correlations * (double)k;
    return cost;
}

/* F and its transpose as an operator. */
typedef struct product {
    const sparse_matrix *f, *ft; /* F·D^-½ */
    double *between;             /* [rows] */
} product;

/* out = matrix·in. */
static void multiply(const topn_context *context, const sparse_matrix *matrix, const double *in, double *out)
{
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (uint32_t r = 0; r < matrix->rows; r++) {
        double sum = 0;
        for (uint64_t at = matrix->indptr[r]; at < matrix->indptr[r + 1]; at++)
            sum += matrix->values[at] * in[matrix->indices[at]];
        out[r] = sum;
    }
}

static topn_status multiply_both(topn_context *context, void *data, const double *in, double *out)
{
    const product *p = data;
    multiply(context, p->f, in, p->between);
    multiply(context, p->ft, p->between, out);
    return TOPN_OK;
}

/* λ_max(S) to the metadata; β from it, or the fixed β checked against it. */
static topn_status choose_beta(topn_context *context, const sparse_matrix *f, const sparse_matrix *ft, double wanted,
                               record *metadata, double *beta)
{
    topn_status status;
    double lambda = NAN;
    int products = 0;
    product p = {.f = f, .ft = ft};
    const double start = clock_seconds();
    TRY(ALLOCATE(context, f->rows, &p.between));
    TRY(lanczos_eigenvalue(context, f->rows, multiply_both, &p, LANCZOS_STEPS, lanczos_tolerance, &lambda, &products));
    TRY(linear_phase(context, metadata, "eigenvalue", start));
    *beta = isnan(wanted) ? fmax(beta_least, beta_margin * lambda) : wanted;
    TRY(record_set(context, metadata, "train.lambda-max", "%.6g", lambda));
    TRY(record_set_real(context, metadata, "train.beta", *beta));
    log_line(context, "beta %.6g; a factor exists above %.6g (%d products)", *beta, lambda, products);
    if (!(*beta > lambda))
        status = fail(context, TOPN_ERROR_OPTION,
                      "option --beta of chol-sparse: %g is too small, a factor exists only above %.4g with this data "
                      "and --l2; use --beta auto, or raise --l2",
                      *beta, lambda);
done:
    free(p.between);
    return status;
}

/* What one thread needs for a row of S. */
typedef struct row_worker {
    gram_row row;
    float *values; /* [items] */
} row_worker;

/* Row i of S before its diagonal; its anchors and its largest other entries, `keep` in all, go to indices and values,
 * negated, columns ascending. Gives their number. */
static uint32_t correlation_row(const sparse_matrix *f, const sparse_matrix *ft, uint32_t i, uint32_t anchors,
                                uint32_t keep, row_worker *worker, uint32_t *indices, float *values)
{
    gram_row *row = &worker->row;
    for (uint64_t above = ft->indptr[i]; above < ft->indptr[i + 1]; above++) {
        const uint32_t r = ft->indices[above];
        const float scale = ft->values[above];
        for (uint64_t at = f->indptr[r]; f->indices[at] < i; at++) /* the row holds i */
            gram_row_add(row, f->indices[at], scale * f->values[at]);
    }
    uint32_t count = 0;
    for (uint32_t column = 0; column < anchors && column < i; column++)
        if (row->values[column] != 0.0f)
            indices[count++] = column;
    for (uint32_t at = 0; at < row->count; at++)
        worker->values[at] = row->columns[at] < anchors ? 0.0f : row->values[row->columns[at]];
    magnitude_limit limit = magnitude_limit_of(worker->values, row->count, keep - count);
    for (uint32_t at = 0; at < row->count; at++)
        if (magnitude_kept(worker->values[at], &limit))
            indices[count++] = row->columns[at];
    indices_sort(indices, count);
    for (uint32_t at = 0; at < count; at++)
        values[at] = -row->values[indices[at]];
    gram_row_reset(row);
    return count;
}

/* A below its diagonal. f, ft: F·D^-½ and its transpose. */
static topn_status correlations(topn_context *context, const sparse_matrix *f, const sparse_matrix *ft,
                                uint32_t anchors, uint32_t keep, sparse_matrix *a)
{
    topn_status status;
    const uint32_t n = f->rows;
    row_worker *workers = NULL; /* [threads] */
    uint32_t *counts = NULL;    /* [items] */
    TRY(ALLOCATE(context, n, &counts));
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &workers));
    for (int thread = 0; thread < context->threads; thread++) {
        TRY(gram_row_create(context, n, &workers[thread].row));
        TRY(ALLOCATE(context, n, &workers[thread].values));
    }
    TRY(sparse_create(context, n, n, (uint64_t)n * keep, a));
    for (uint32_t r = 0; r < n; r++)
        a->indptr[r] = (uint64_t)r * keep;
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "correlations", "rows", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t i = begin; i < end; i++)
            counts[i] = correlation_row(f, ft, i, anchors, keep, &workers[thread_index()], a->indices + a->indptr[i],
                                        a->values + a->indptr[i]);
    }
    TRY(sparse_close_gaps(context, counts, a));
    status = progress_report(context, "correlations", "rows", n, n, NAN);
done:
    for (int thread = 0; workers && thread < context->threads; thread++) {
        gram_row_clear(&workers[thread].row);
        free(workers[thread].values);
    }
    free(workers);
    free(counts);
    return status;
}

/* L = γ·I + A/γ below the diagonal, γ² = β − 1. */
static topn_status first_order(topn_context *context, const sparse_matrix *a, double beta, sparse_matrix *l)
{
    topn_status status;
    const float gamma = (float)sqrt(beta - 1);
    TRY(sparse_create(context, a->rows, a->columns, a->indptr[a->rows] + a->rows, l));
    uint64_t to = 0;
    for (uint32_t r = 0; r < a->rows; r++) {
        for (uint64_t at = a->indptr[r]; at < a->indptr[r + 1]; at++) {
            l->indices[to] = a->indices[at];
            l->values[to++] = a->values[at] / gamma;
        }
        l->indices[to] = r;
        l->values[to++] = gamma;
        l->indptr[r + 1] = to;
    }
done:
    return status;
}

static topn_status factor(topn_context *context, sparse_matrix *a, const chol_sparse_params *params, double beta,
                          record *metadata, sparse_matrix *l)
{
    topn_status status;
    if (params->factor == FACTOR_FIRST_ORDER)
        return first_order(context, a, beta, l);
    const incomplete_settings settings = {.diagonal = beta - 1,
                                          .keep = (uint32_t)params->sparse.k,
                                          .anchors = kept_anchors(params),
                                          .drop = params->drop,
                                          .floor = pivot_floor * (beta - 1)};
    uint64_t raised = 0;
    TRY(incomplete_cholesky(context, a, &settings, l, &raised));
    TRY(record_set(context, metadata, "train.raised-pivots", "%" PRIu64, raised));
done:
    return status;
}

/* F → A below its diagonal; takes F's values over. d [items] = diag(FᵀF). */
static topn_status from_factor_to_correlations(topn_context *context, sparse_matrix *f, const double *d,
                                               const chol_sparse_params *params, record *metadata, double *beta,
                                               sparse_matrix *a)
{
    topn_status status;
    sparse_matrix ft = {0};
    for (uint64_t at = 0; at < f->indptr[f->rows]; at++)
        f->values[at] = (float)(f->values[at] / sqrt(d[f->indices[at]]));
    TRY(sparse_transpose(context, f, &ft));
    TRY(choose_beta(context, f, &ft, params->beta, metadata, beta));
    const double start = clock_seconds();
    TRY(correlations(context, f, &ft, kept_anchors(params), kept_correlations(params, f->rows), a));
    TRY(linear_phase(context, metadata, "correlations", start));
done:
    sparse_clear(&ft);
    return status;
}

/* Rows of D^½·L by item. */
static topn_status keep_embeddings(topn_context *context, const linear_system *system, const sparse_matrix *l,
                                   const double *d, sparse_matrix *out)
{
    topn_status status;
    TRY(sparse_create(context, l->rows, l->columns, l->indptr[l->rows], out));
    uint64_t to = 0;
    for (uint32_t item = 0; item < l->rows; item++) {
        const uint32_t r = system->position[item];
        const float scale = (float)sqrt(d[r]);
        for (uint64_t at = l->indptr[r]; at < l->indptr[r + 1]; at++) {
            out->indices[to] = l->indices[at];
            out->values[to++] = l->values[at] * scale;
        }
        out->indptr[item + 1] = to;
    }
done:
    return status;
}

/* π = 1/d in item order, with the score exponent. */
static topn_status set_priors(topn_context *context, const topn_data *data, const linear_system *system,
                              const double *d, double score_exponent, float **priors)
{
    topn_status status;
    float *base = NULL; /* [items] */
    TRY(ALLOCATE(context, system->x.columns, &base));
    for (uint32_t item = 0; item < system->x.columns; item++)
        base[item] = (float)(1 / d[system->position[item]]);
    TRY(linear_priors(context, data, score_exponent, base, priors));
done:
    free(base);
    return status;
}

static topn_status chol_sparse_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const chol_sparse_params *params = raw;
    const sparse_params inverse = inverse_params(params);
    record *metadata = &model->metadata;
    topn_status status;
    linear_system system = {0};
    sparse_matrix f = {0}, a = {0}, l = {0};
    double *d = NULL; /* [items], model order */
    double beta = NAN;
    TRY(linear_system_create(context, data, &params->linear, (item_order)params->sparse.order, &system));
    TRY(sparse_inverse_factor(context, &system, &inverse, metadata, &f));
    TRY(sparse_inverse_diagonal(context, &f, &d));
    TRY(from_factor_to_correlations(context, &f, d, params, metadata, &beta, &a));
    sparse_clear(&f);
    const double start = clock_seconds();
    TRY(factor(context, &a, params, beta, metadata, &l));
    sparse_clear(&a);
    TRY(linear_phase(context, metadata, "factor-again", start));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->encoder.rows.form = TABLE_SPARSE;
    model->table.kind = ITEMS_SHARED;
    TRY(set_priors(context, data, &system, d, params->linear.score_exponent, &model->table.priors));
    TRY(keep_embeddings(context, &system, &l, d, &model->encoder.rows.sparse));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
done:
    free(d);
    sparse_clear(&f);
    sparse_clear(&a);
    sparse_clear(&l);
    linear_system_clear(&system);
    return status;
}

const method method_chol_sparse = {
    .name = "chol-sparse",
    .summary = "CHOL in O(kN) memory: approximate inverse, then incomplete Cholesky, k non-zeros an item",
    .paper = "Van Balen and Goethals 2021, §3.1 and §3.3",
    .options = &chol_sparse_option_table,
    .cost = chol_sparse_cost,
    .train = chol_sparse_train,
};
