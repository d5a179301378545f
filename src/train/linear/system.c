/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/system.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "numeric/sparse.h"
#include "numeric/symmetric.h"

/* Single precision keeps residuals near 1e-6 on sane data and near 1e-3 on very small ridges; a broken BLAS kernel or
 * an overflow gives 1 or more. */
static const double largest_inverse_residual = 0.05;

void linear_system_clear(linear_system *system)
{
    sparse_clear(&system->x);
    sparse_clear(&system->xt);
    free(system->user_weights);
    free(system->ridge);
    free(system->item_at);
    free(system->position);
    *system = (linear_system){0};
}

/* |I_u|^−a, scaled so that the weighted number of events stays what it was. */
static topn_status weigh_users(topn_context *context, linear_system *system, double exponent)
{
    const sparse_matrix *x = &system->x;
    const topn_status status = ALLOCATE(context, x->rows, &system->user_weights);
    if (status != TOPN_OK)
        return status;
    double events = 0, weighted = 0;
    for (uint32_t user = 0; user < x->rows; user++) {
        const double count = (double)(x->indptr[user + 1] - x->indptr[user]);
        system->user_weights[user] = exponent == 0 || count == 0 ? 1.0 : pow(count, -exponent);
        events += count;
        weighted += count * system->user_weights[user];
    }
    for (uint32_t user = 0; user < x->rows && exponent != 0; user++)
        system->user_weights[user] *= events / weighted;
    return TOPN_OK;
}

/* λ·(G_jj / mean)^b + p/(1−p)·G_jj; an item without events counts as the rarest one that has some. */
static topn_status set_ridge(topn_context *context, linear_system *system, const linear_params *params)
{
    const sparse_matrix *xt = &system->xt;
    const topn_status status = ALLOCATE(context, xt->rows, &system->ridge);
    if (status != TOPN_OK)
        return status;
    double sum = 0, least = INFINITY;
    for (uint32_t item = 0; item < xt->rows; item++) {
        double diagonal = 0;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            diagonal += system->user_weights[xt->indices[at]] * xt->values[at] * xt->values[at];
        system->ridge[item] = diagonal;
        sum += diagonal;
        if (diagonal > 0 && diagonal < least)
            least = diagonal;
    }
    if (!(sum > 0) || !isfinite(sum))
        return fail(context, TOPN_ERROR_DATA, "the weights of the events add up to %g; there is nothing to learn", sum);
    const double mean = sum / xt->rows, growth = params->dropout / (1 - params->dropout);
    for (uint32_t item = 0; item < xt->rows; item++) {
        const double diagonal = system->ridge[item];
        const double relative = (diagonal > 0 ? diagonal : least) / mean;
        system->ridge[item] = params->l2 * pow(relative, params->ridge_exponent) + growth * diagonal;
    }
    return TOPN_OK;
}

typedef struct cell {
    uint32_t column;
    float value;
} cell;

static int by_column(const void *a, const void *b)
{
    const uint32_t left = ((const cell *)a)->column, right = ((const cell *)b)->column;
    return (left > right) - (left < right);
}

/* X with columns renumbered to model positions, rows ascending. */
static topn_status reorder(topn_context *context, const sparse_matrix *from, const uint32_t *position, bool binary,
                           sparse_matrix *out)
{
    topn_status status;
    cell *row = NULL; /* [columns] */
    TRY(sparse_create(context, from->rows, from->columns, from->indptr[from->rows], out));
    TRY(ALLOCATE(context, from->columns, &row));
    memcpy(out->indptr, from->indptr, ((size_t)from->rows + 1) * sizeof *out->indptr);
    for (uint32_t user = 0; user < from->rows; user++) {
        const uint64_t begin = from->indptr[user], count = from->indptr[user + 1] - begin;
        for (uint64_t at = 0; at < count; at++)
            row[at] = (cell){position[from->indices[begin + at]], binary ? 1.0f : from->values[begin + at]};
        qsort(row, count, sizeof *row, by_column);
        for (uint64_t at = 0; at < count; at++) {
            out->indices[begin + at] = row[at].column;
            out->values[begin + at] = row[at].value;
        }
    }
done:
    free(row);
    return status;
}

topn_status linear_system_create(topn_context *context, const topn_data *data, const linear_params *params,
                                 item_order order, linear_system *out)
{
    topn_status status;
    const sparse_matrix *from = &data->matrix;
    *out = (linear_system){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE(context, from->columns, &out->item_at));
    TRY(ALLOCATE(context, from->columns, &out->position));
    TRY(item_order_compute(context, from, order, out->item_at));
    for (uint32_t position = 0; position < from->columns; position++)
        out->position[out->item_at[position]] = position;
    TRY(reorder(context, from, out->position, params->values == 0, &out->x));
    TRY(sparse_transpose(context, &out->x, &out->xt));
    TRY(weigh_users(context, out, params->user_weight_exponent));
    TRY(set_ridge(context, out, params));
    return TOPN_OK;
done:
    linear_system_clear(out);
    return status;
}

/* Row r of G + R: adds the part up to column r of every history that holds r. One thread owns the row, so the order
 * of additions is that of the users. */
static void gram_row(const linear_system *system, uint32_t r, float *row)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    for (uint64_t at = xt->indptr[r]; at < xt->indptr[r + 1]; at++) {
        const uint32_t user = xt->indices[at];
        const float scale = (float)(system->user_weights[user] * xt->values[at]);
        const uint32_t *columns = x->indices + x->indptr[user];
        const float *values = x->values + x->indptr[user];
        const uint64_t length = x->indptr[user + 1] - x->indptr[user];
        for (uint64_t other = 0; other < length && columns[other] <= r; other++)
            row[columns[other]] += scale * values[other];
    }
    row[r] += (float)system->ridge[r];
}

enum { GRAM_BATCH = 2048 }; /* rows between two reports of progress */

topn_status linear_gram(topn_context *context, const linear_system *system, float *a)
{
    topn_status status = TOPN_OK;
    const uint32_t n = system->x.columns;
    for (uint32_t begin = 0; begin < n; begin += GRAM_BATCH) {
        TRY(progress_report(context, "gram", "rows", begin, n, NAN));
        const uint32_t end = n - begin < GRAM_BATCH ? n : begin + GRAM_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++)
            gram_row(system, r, a + (size_t)r * n);
    }
    status = progress_report(context, "gram", "rows", n, n, NAN);
done:
    return status;
}

/* y = (G + R)·x from the interactions, without the dense matrix. x, y [items]. */
static topn_status multiply_system(topn_context *context, const linear_system *system, const double *x, double *y)
{
    double *users = NULL; /* [users], W·X·x */
    const topn_status status = ALLOCATE(context, system->x.rows, &users);
    if (status != TOPN_OK)
        return status;
    for (uint32_t user = 0; user < system->x.rows; user++) {
        double sum = 0;
        for (uint64_t at = system->x.indptr[user]; at < system->x.indptr[user + 1]; at++)
            sum += system->x.values[at] * x[system->x.indices[at]];
        users[user] = sum * system->user_weights[user];
    }
    for (uint32_t item = 0; item < system->xt.rows; item++) {
        double sum = system->ridge[item] * x[item];
        for (uint64_t at = system->xt.indptr[item]; at < system->xt.indptr[item + 1]; at++)
            sum += system->xt.values[at] * users[system->xt.indices[at]];
        y[item] = sum;
    }
    free(users);
    return TOPN_OK;
}

void linear_probe_clear(linear_probe *probe)
{
    free(probe->vector);
    free(probe->product);
    *probe = (linear_probe){0};
}

/* Draws v, sets P·v, and gives ‖(G + R)·P·v − v‖ / ‖v‖. */
static topn_status measure_inverse(topn_context *context, const linear_system *system, const float *p,
                                   linear_probe *probe, double *residual)
{
    topn_status status;
    const uint32_t n = system->x.columns;
    double *back = NULL; /* [items] */
    TRY(ALLOCATE(context, n, &probe->vector));
    TRY(ALLOCATE(context, n, &probe->product));
    TRY(ALLOCATE(context, n, &back));
    for (uint32_t item = 0; item < n; item++)
        probe->vector[item] = random_normal(context->seed, RANDOM_RESIDUAL, item);
    TRY(symmetric_multiply(context, p, n, probe->vector, probe->product));
    TRY(multiply_system(context, system, probe->product, back));
    double error = 0, length = 0;
    for (uint32_t item = 0; item < n; item++) {
        error += (back[item] - probe->vector[item]) * (back[item] - probe->vector[item]);
        length += probe->vector[item] * probe->vector[item];
    }
    *residual = sqrt(error / length);
done:
    free(back);
    return status;
}

topn_status linear_phase(topn_context *context, record *metadata, const char *phase, double start)
{
    char key[64];
    snprintf(key, sizeof key, "run.seconds.%s", phase);
    return record_set(context, metadata, key, "%.3f", clock_seconds() - start);
}

/* Checks P and records its residual. */
static topn_status accept_inverse(topn_context *context, const linear_system *system, record *metadata, const float *p,
                                  linear_probe *probe)
{
    topn_status status;
    double residual = NAN;
    const double start = clock_seconds();
    TRY(measure_inverse(context, system, p, probe, &residual));
    TRY(linear_phase(context, metadata, "check", start));
    TRY(record_set(context, metadata, "train.inverse-residual", "%.3g", residual));
    log_line(context, "inverse: residual %.3g", residual);
    if (!(residual <= largest_inverse_residual))
        status = fail(context, TOPN_ERROR_NUMERIC,
                      "the inverse is wrong: residual %.3g where at most %.3g is accepted; raise --l2, and see "
                      "`topn doctor`",
                      residual, largest_inverse_residual);
done:
    return status;
}

topn_status linear_inverse(topn_context *context, const linear_system *system, bool lower_only, record *metadata,
                           float **p, linear_probe *probe)
{
    topn_status status;
    const size_t n = system->x.columns;
    float *a = NULL;
    *p = NULL;
    *probe = (linear_probe){0};
    TRY(symmetric_create(context, n, lower_only, &a));
    double start = clock_seconds();
    TRY(linear_gram(context, system, a));
    TRY(linear_phase(context, metadata, "gram", start));
    start = clock_seconds();
    status = symmetric_factor(context, a, n, "factor");
    if (status == TOPN_ERROR_NUMERIC)
        status = fail(context, TOPN_ERROR_NUMERIC,
                      "the Gram matrix plus ridge is not positive definite in single precision; raise --l2");
    TRY(status);
    TRY(linear_phase(context, metadata, "factor", start));
    start = clock_seconds();
    TRY(triangle_invert(context, a, n, "invert"));
    TRY(triangle_gram(context, a, n, "multiply"));
    TRY(linear_phase(context, metadata, "invert", start));
    TRY(accept_inverse(context, system, metadata, a, probe));
    *p = a;
    return TOPN_OK;
done:
    free(a);
    linear_probe_clear(probe);
    return status;
}

uint64_t linear_system_bytes(const topn_data *data)
{
    const uint64_t users = data->matrix.rows, items = data->matrix.columns, events = data->matrix.indptr[users];
    return 16 * events + 24 * (users + items); /* X and Xᵀ in model order, weights, ridge, order */
}

training_cost linear_cost(const topn_data *data, int factorisations, uint64_t table_entries, bool lower_only)
{
    const uint64_t n = data->matrix.columns;
    const uint64_t matrix = lower_only ? symmetric_lower_bytes(n) : 4 * n * n;
    return (training_cost){
        .bytes = matrix + symmetric_scratch_bytes(n) + linear_system_bytes(data) + 8 * table_entries +
                 64 * n * sizeof(double),
        .flops = (1.0 + factorisations / 3.0) * (double)n * (double)n * (double)n,
    };
}

topn_status linear_priors(topn_context *context, const topn_data *data, double score_exponent, const float *base,
                          float **out)
{
    *out = NULL;
    if (score_exponent == 0 && !base)
        return TOPN_OK;
    topn_status status;
    uint64_t *events = NULL;
    const uint32_t items = data->matrix.columns;
    TRY(ALLOCATE(context, items, out));
    TRY(ALLOCATE_ZEROED(context, items, &events));
    for (uint64_t at = 0; at < data->matrix.indptr[data->matrix.rows]; at++)
        events[data->matrix.indices[at]]++;
    for (uint32_t item = 0; item < items; item++) {
        const double count = events[item] ? (double)events[item] : 1.0;
        (*out)[item] = (float)((base ? base[item] : 1.0) * pow(count, -score_exponent));
    }
done:
    free(events);
    return status;
}
