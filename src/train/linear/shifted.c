/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/shifted.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    PRIORS_EASE,
    PRIORS_UNIFORM,
    LANCZOS_STEPS = 80 /* products with P; 30 to 60 settle on real data */
};
static const double lanczos_tolerance = 1e-4; /* relative change between steps */
static const double beta_margin = 1.05;       /* auto: this much above λ_max … */
static const double beta_least = 2.0;         /* … and at least this, as in the paper */
static const double largest_factor_residual = 1e-3;

uint64_t shift_bytes(uint64_t items)
{
    return (LANCZOS_STEPS + 3) * items * sizeof(double);
}

/* λ_max to the metadata; β from it, or the fixed β checked against it. */
static topn_status choose_beta(topn_context *context, const char *method_name, const symmetric *p, double wanted,
                               record *metadata, double *beta)
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
                      "option --beta of %s: %g is too small, a factor exists only above %.4g with this data and "
                      "--l2; use --beta auto, or raise --l2",
                      method_name, *beta, lambda);
done:
    return status;
}

topn_status shift_inverse(topn_context *context, const char *method_name, double beta, symmetric *p, float *d,
                          linear_probe *probe, record *metadata)
{
    const size_t n = p->n;
    const topn_status status = choose_beta(context, method_name, p, beta, metadata, &beta);
    if (status != TOPN_OK)
        return status;
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
    return TOPN_OK;
}

topn_status shift_accept(topn_context *context, const linear_probe *probe, const double *product, size_t n,
                         record *metadata)
{
    topn_status status;
    double error = 0, length = 0;
    for (size_t r = 0; r < n; r++) {
        error += (product[r] - probe->product[r]) * (product[r] - probe->product[r]);
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
    return status;
}

topn_status shift_priors(topn_context *context, const topn_data *data, const linear_system *system, const float *d,
                         int priors, double score_exponent, float **out)
{
    float *base = NULL; /* [items] */
    topn_status status = TOPN_OK;
    if (priors == PRIORS_EASE) {
        TRY(ALLOCATE(context, data->matrix.columns, &base));
        for (uint32_t item = 0; item < data->matrix.columns; item++)
            base[item] = 1.0f / d[system->position[item]];
    }
    TRY(linear_priors(context, data, score_exponent, base, out));
done:
    free(base);
    return status;
}
