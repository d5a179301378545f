/* SPDX-License-Identifier: Apache-2.0
 *
 * CHOL with P pruned before it is factored, by CHOLMOD, as P1 §3.3 has it for comparison:
 *
 *     R = D^-½·P·D^-½ without its diagonal, in each row the k entries of largest magnitude, made symmetric;
 *     L·Lᵀ = (β − 1)·I − R,   T = D^½·L,   y = x·T·Tᵀ·diag(1/d).
 *
 * L is sparse as far as CHOLMOD's order limits its fill, which is reported; nothing more is pruned. Only in builds with
 * TOPN_CHOLMOD.
 *
 * Legend: P and d as in linear/system.h, D = diag(d), β as in chol.c.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/cholmod_factor.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"
#include "train/linear/pattern.h"

enum { LANCZOS_STEPS = 80, MOST_FACTORISATIONS = 20 };
static const double lanczos_tolerance = 1e-4; /* relative change between steps */
static const double beta_margin = 1.05, beta_least = 2.0;
static const double beta_growth = 1.1; /* pruning moves the eigenvalues: auto goes up until there is a factor */

typedef struct cholmod_params {
    linear_params linear;
    int64_t k;
    double beta; /* NAN = auto */
} cholmod_params;

static const option_row cholmod_options[] = {
    LINEAR_OPTIONS(cholmod_params),
    OPTION_INTEGER(cholmod_params, k, "k", 20, 1, UINT32_MAX,
                   "entries kept in each row of P before the factorisation, which fills in"),
    OPTION_REAL_AUTO(cholmod_params, beta, "beta", "auto", 1e-6, 1e9,
                     "β; auto = as for chol, and larger where the pruned matrix needs it"),
};
static const option_table cholmod_option_table = OPTION_TABLE(cholmod_params, cholmod_options);

static training_cost cholmod_cost(const topn_data *data, const void *raw)
{
    const cholmod_params *params = raw;
    const uint64_t n = data->matrix.columns, k = (uint64_t)params->k < n ? (uint64_t)params->k : n;
    training_cost cost = linear_cost(data, &params->linear, true, 1, 4 * k * n); /* the fill is known later */
    cost.bytes += (LANCZOS_STEPS + 3) * n * sizeof(double);
    cost.remedy = "drop rare items with --min-item-events";
    return cost;
}

typedef struct scaled_inverse {
    symmetric p;
    float *d; /* [items] */
} scaled_inverse;

/* Rows of R. */
static void make_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width)
{
    const scaled_inverse *inverse = matrix;
    const size_t n = inverse->p.n;
    symmetric_gather(&inverse->p, first, count, scratch);
    for (size_t at = 0; at < count; at++) {
        float *values = scratch + at * n;
        /* The product of the two first, so that both triangles get the same bits. */
        for (size_t c = 0; c < n; c++)
            values[c] /= (float)sqrt((double)inverse->d[first + at] * inverse->d[c]);
        values[first + at] = 0;
        row[at] = values;
        width[at] = n;
    }
}

/* −R, pruned and symmetric. */
static topn_status prune_inverse(topn_context *context, const scaled_inverse *inverse, uint32_t k, sparse_matrix *out)
{
    topn_status status;
    sparse_matrix rows = {0};
    const size_t n = inverse->p.n;
    const row_stream stream = {.rows = n, .columns = n, .matrix = inverse, .make = make_rows, .needs_scratch = true};
    TRY(stream_prune_rows(context, &stream, k, &rows));
    TRY(pattern_symmetrize(context, &rows, out));
    for (uint64_t at = 0; at < out->indptr[n]; at++)
        out->values[at] = -out->values[at];
done:
    sparse_clear(&rows);
    return status;
}

/* The factor for the β wanted, or for the least of a growing series that has one. */
static topn_status factor(topn_context *context, const sparse_matrix *negative, double wanted, double lambda,
                          record *metadata, sparse_matrix *l, uint32_t *order)
{
    topn_status status;
    bool definite = false;
    double beta = isnan(wanted) ? fmax(beta_least, beta_margin * lambda) : wanted;
    for (int tries = 0; tries < MOST_FACTORISATIONS; tries++) {
        TRY(sparse_cholesky(context, negative, beta - 1, l, order, &definite));
        if (definite || !isnan(wanted))
            break;
        beta *= beta_growth;
    }
    if (!definite) {
        status =
            fail(context, TOPN_ERROR_OPTION,
                 "option --beta of chol-cholmod: no factor of the pruned matrix with %g; use --beta auto, or raise "
                 "--l2",
                 beta);
        goto done;
    }
    const uint64_t entries = l->indptr[l->rows];
    const double triangle = 0.5 * (double)l->rows * ((double)l->rows + 1);
    TRY(record_set_real(context, metadata, "train.beta", beta));
    TRY(record_set(context, metadata, "train.factor-entries", "%" PRIu64, entries));
    TRY(record_set(context, metadata, "train.fill", "%.4g", (double)entries / triangle));
    log_line(context, "beta %.6g; the factor has %" PRIu64 " entries, %.1f %% of the triangle", beta, entries,
             100 * (double)entries / triangle);
done:
    return status;
}

/* T: rows of L by item, each times √d. */
static topn_status keep_embeddings(topn_context *context, const sparse_matrix *l, const uint32_t *order, const float *d,
                                   sparse_matrix *out)
{
    topn_status status;
    const uint32_t n = l->rows;
    uint32_t *position = NULL; /* [items] item → row of L */
    TRY(ALLOCATE(context, n, &position));
    TRY(sparse_create(context, n, n, l->indptr[n], out));
    for (uint32_t row = 0; row < n; row++)
        position[order[row]] = row;
    for (uint32_t item = 0; item < n; item++) {
        const float scale = sqrtf(d[item]);
        uint64_t to = out->indptr[item];
        for (uint64_t at = l->indptr[position[item]]; at < l->indptr[position[item] + 1]; at++, to++) {
            out->indices[to] = l->indices[at];
            out->values[to] = scale * l->values[at];
        }
        out->indptr[item + 1] = to;
    }
done:
    free(position);
    return status;
}

/* P and its diagonal, its scaled eigenvalue, then −R alone. */
static topn_status make_matrix(topn_context *context, linear_system *system, uint32_t k, record *metadata,
                               scaled_inverse *inverse, double *lambda, sparse_matrix *negative)
{
    topn_status status;
    linear_probe probe = {0};
    int products;
    TRY(linear_inverse(context, system, true, metadata, &inverse->p, &probe));
    double start = clock_seconds();
    TRY(ALLOCATE(context, inverse->p.n, &inverse->d));
    symmetric_diagonal(&inverse->p, inverse->d);
    TRY(symmetric_scaled_eigenvalue(context, &inverse->p, LANCZOS_STEPS, lanczos_tolerance, lambda, &products));
    TRY(linear_phase(context, metadata, "eigenvalue", start));
    start = clock_seconds();
    TRY(prune_inverse(context, inverse, k, negative));
    TRY(linear_phase(context, metadata, "prune", start));
done:
    symmetric_clear(&inverse->p);
    linear_probe_clear(&probe);
    return status;
}

static topn_status cholmod_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const cholmod_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const uint32_t k = params->k < (int64_t)items ? (uint32_t)params->k : items;
    topn_status status;
    linear_system system = {0};
    scaled_inverse inverse = {0};
    sparse_matrix negative = {0}, l = {0};
    double lambda = NAN;
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    TRY(make_matrix(context, &system, k, &model->metadata, &inverse, &lambda, &negative));
    TRY(ALLOCATE(context, items, &model->dimension_items));
    const double start = clock_seconds();
    TRY(factor(context, &negative, params->beta, lambda, &model->metadata, &l, model->dimension_items));
    TRY(linear_phase(context, &model->metadata, "factor-sparse", start));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->encoder.rows.form = TABLE_SPARSE;
    model->table.kind = ITEMS_SHARED;
    TRY(keep_embeddings(context, &l, model->dimension_items, inverse.d, &model->encoder.rows.sparse));
    for (uint32_t item = 0; item < items; item++)
        inverse.d[item] = 1 / inverse.d[item];
    TRY(linear_priors(context, data, params->linear.score_exponent, inverse.d, &model->table.priors));
done:
    free(inverse.d);
    sparse_clear(&negative);
    sparse_clear(&l);
    linear_system_clear(&system);
    return status;
}

const method method_chol_cholmod = {
    .name = "chol-cholmod",
    .summary = "CHOL with P pruned before a sparse factorisation by CHOLMOD, for comparison",
    .paper = "Van Balen and Goethals 2021, §3.3",
    .options = &cholmod_option_table,
    .cost = cholmod_cost,
    .train = cholmod_train,
};
