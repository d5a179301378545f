/* SPDX-License-Identifier: Apache-2.0
 *
 * CHOL (Van Balen, Goethals 2021; P1 eq. 6–8): sparse, full-rank item embeddings. With P and d as for EASE,
 *
 *     L·Lᵀ = β·diag(d) − P,   y = x·L·Lᵀ·diag(π),   π = 1/d,
 *
 * row i of L is the embedding of an item. Off its diagonal L·Lᵀ·diag(1/d) is EASE's B, on it β − 1, so unseen items
 * rank as EASE ranks them. A factor exists for β > λ_max(D^-½·P·D^-½), which is computed and reported. Pruning keeps
 * the k largest entries of each row (P1 §3.4).
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/linear/system.h"
#include "train/linear/triangle_table.h"

enum {
    PRIORS_EASE,
    PRIORS_UNIFORM,
    LANCZOS_STEPS = 80 /* products with P; 30 to 60 settle on real data */
};
static const double lanczos_tolerance = 1e-4; /* relative change between steps */
static const double beta_margin = 1.05;       /* auto: this much above λ_max … */
static const double beta_least = 2.0;         /* … and at least this, as in the paper */
static const double largest_factor_residual = 1e-3;

typedef struct chol_params {
    linear_params linear;
    int64_t k;
    double beta; /* NAN = auto */
    int order;
    int priors;
    int storage;
} chol_params;

static const option_row chol_options[] = {
    LINEAR_OPTIONS(chol_params),
    OPTION_INTEGER(chol_params, k, "k", 200, 0, UINT32_MAX, "non-zeros kept per item; 0 = all of them"),
    OPTION_REAL_AUTO(chol_params, beta, "beta", "auto", 1e-6, 1e9,
                     "β; auto = the larger of 2 and 1.05 times the least value that has a factor"),
    OPTION_CHOICE(chol_params, order, "order", "popular-first", ITEM_ORDER_CHOICES,
                  "order of items in the factorisation: first items have the shortest embeddings"),
    OPTION_CHOICE(chol_params, priors, "priors", "ease", "ease|uniform",
                  "item priors π: 1/d, which ranks as EASE does, or all 1"),
    LINEAR_STORAGE_OPTION(chol_params),
};
static const option_table chol_option_table = OPTION_TABLE(chol_params, chol_options);

static topn_status chol_check(topn_context *context, const topn_data *data, const void *raw)
{
    (void)data;
    const chol_params *params = raw;
    return linear_check_storage(context, "chol", params->k, params->storage);
}

static training_cost chol_cost(const topn_data *data, const void *raw)
{
    const chol_params *params = raw;
    const uint32_t items = data->matrix.columns;
    const uint64_t kept = linear_keeps_all(params->k, params->storage, items) ? 0 : (uint64_t)params->k * items;
    training_cost cost =
        linear_cost(data, &params->linear, linear_uses_half(params->k, params->storage, items), 4.0 / 3, kept);
    cost.bytes += (LANCZOS_STEPS + 3) * (uint64_t)items * sizeof(double);
    cost.remedy = linear_remedy(params->k, params->storage, items);
    return cost;
}

/* λ_max to the metadata; β from it, or the fixed β checked against it. */
static topn_status choose_beta(topn_context *context, const symmetric *p, double wanted, record *metadata, double *beta)
{
    topn_status status;
    double lambda = NAN;
    int products = 0;
    const double start = clock_seconds();
    TRY(symmetric_scaled_eigenvalue(context, p, LANCZOS_STEPS, lanczos_tolerance, &lambda, &products));
    TRY(linear_phase(context, metadata, "eigenvalue", start));
    *beta = isnan(wanted) ? fmax(beta_least, beta_margin * lambda) : wanted;
    TRY(record_set(context, metadata, "train.lambda-max", "%.6g", lambda));
    TRY(record_set_real(context, metadata, "train.beta", *beta));
    log_line(context, "beta %.6g; a factor exists above %.6g (%d products)", *beta, lambda, products);
    if (!(*beta > lambda))
        status = fail(context, TOPN_ERROR_OPTION,
                      "option --beta of chol: %g is too small, a factor exists only above %.4g with this data and "
                      "--l2; use --beta auto, or raise --l2",
                      *beta, lambda);
done:
    return status;
}

/* P → β·diag(d) − P in the lower triangle; d [n] is set. The probe's product follows. */
static void shift(topn_context *context, symmetric *p, double beta, float *d, linear_probe *probe)
{
    const size_t n = p->n;
    symmetric_diagonal(p, d);
    for (size_t r = 0; r < n; r++)
        probe->product[r] = beta * (double)d[r] * probe->vector[r] - probe->product[r];
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (size_t r = 0; r < n; r++) {
        float *row = symmetric_row(p, r);
        for (size_t c = 0; c < r; c++)
            row[c] = -row[c];
        row[r] = (float)((beta - 1) * (double)d[r]);
    }
}

/* ‖L·Lᵀ·v − (β·D − P)·v‖ / ‖(β·D − P)·v‖ on the probe. */
static topn_status accept_factor(topn_context *context, const symmetric *l, const linear_probe *probe, record *metadata)
{
    topn_status status;
    const size_t n = l->n;
    double *back = NULL; /* [n] */
    TRY(ALLOCATE(context, n, &back));
    TRY(triangle_multiply_both(context, l, false, probe->vector, back));
    double error = 0, length = 0;
    for (size_t r = 0; r < n; r++) {
        error += (back[r] - probe->product[r]) * (back[r] - probe->product[r]);
        length += probe->product[r] * probe->product[r];
    }
    const double residual = sqrt(error / length);
    TRY(record_set(context, metadata, "train.factor-residual", "%.3g", residual));
    log_line(context, "factor: residual %.3g", residual);
    if (!(residual <= largest_factor_residual))
        status = fail(context, TOPN_ERROR_NUMERIC,
                      "the factor is wrong: residual %.3g where at most %.3g is accepted; see `topn doctor`", residual,
                      largest_factor_residual);
done:
    free(back);
    return status;
}

/* π in item order: 1/d or 1, with the score exponent. */
static topn_status set_priors(topn_context *context, const topn_data *data, const linear_system *system, const float *d,
                              const chol_params *params, topn_model *model)
{
    float *base = NULL; /* [items] */
    topn_status status = TOPN_OK;
    if (params->priors == PRIORS_EASE) {
        TRY(ALLOCATE(context, system->x.columns, &base));
        for (uint32_t item = 0; item < system->x.columns; item++)
            base[item] = 1.0f / d[system->position[item]];
    }
    TRY(linear_priors(context, data, params->linear.score_exponent, base, &model->table.priors));
done:
    free(base);
    return status;
}

static topn_status chol_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const chol_params *params = raw;
    const uint32_t items = data->matrix.columns;
    topn_status status;
    linear_system system = {0};
    linear_probe probe = {0};
    symmetric a = {0}; /* G + R, its factor, P, β·D − P, L, one after the other */
    float *d = NULL;   /* [items], model order */
    double beta = NAN;
    TRY(linear_system_create(context, data, &params->linear, (item_order)params->order, &system));
    TRY(linear_inverse(context, &system, linear_uses_half(params->k, params->storage, items), &model->metadata, &a,
                       &probe));
    TRY(choose_beta(context, &a, params->beta, &model->metadata, &beta));
    TRY(ALLOCATE(context, items, &d));
    shift(context, &a, beta, d, &probe);
    double start = clock_seconds();
    status = symmetric_factor(context, &a, "factor again");
    if (status == TOPN_ERROR_NUMERIC)
        status = fail(context, TOPN_ERROR_NUMERIC, "no factor with --beta %g in single precision; raise --beta or --l2",
                      beta);
    TRY(status);
    TRY(linear_phase(context, &model->metadata, "factor-again", start));
    TRY(accept_factor(context, &a, &probe, &model->metadata));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_SHARED;
    start = clock_seconds();
    TRY(set_priors(context, data, &system, d, params, model));
    TRY(keep_triangle_rows(context, &a, params->k, params->storage, system.position, &model->encoder.rows));
    model->dimension_items = system.item_at;
    system.item_at = NULL;
    TRY(linear_phase(context, &model->metadata, "prune", start));
done:
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
