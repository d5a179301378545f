/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/system.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "numeric/prune_stream.h"
#include "numeric/sparse.h"

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

/* X with columns renumbered to model positions, rows ascending, and its transpose. Two transpositions sort the rows. */
static topn_status reorder(topn_context *context, const sparse_matrix *from, const uint32_t *position, bool binary,
                           sparse_matrix *x, sparse_matrix *xt)
{
    topn_status status;
    const uint64_t events = from->indptr[from->rows];
    sparse_matrix renumbered = {0}; /* rows in no order */
    TRY(sparse_create(context, from->rows, from->columns, events, &renumbered));
    memcpy(renumbered.indptr, from->indptr, ((size_t)from->rows + 1) * sizeof *from->indptr);
    for (uint64_t at = 0; at < events; at++) {
        renumbered.indices[at] = position[from->indices[at]];
        renumbered.values[at] = binary ? 1.0f : from->values[at];
    }
    TRY(sparse_transpose(context, &renumbered, xt));
    sparse_clear(&renumbered);
    TRY(sparse_transpose(context, xt, x));
done:
    sparse_clear(&renumbered);
    return status;
}

/* What decides the bits of G and of P. The order of the items is told by a hash (FNV-1a). */
static void name_work(linear_system *system, const topn_data *data, const linear_params *params)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t at = 0; at < system->x.columns; at++)
        hash = (hash ^ system->item_at[at]) * 0x100000001b3u;
    snprintf(system->gram_key, sizeof system->gram_key,
             "gram of %s, values %d, user-weight-exponent %.17g, order %016" PRIx64, data->fingerprint, params->values,
             params->user_weight_exponent, hash);
    snprintf(system->inverse_key, sizeof system->inverse_key,
             "inverse, l2 %.17g, dropout %.17g, exponent %.17g, %.170s", params->l2, params->dropout,
             params->ridge_exponent, system->gram_key);
}

topn_status linear_system_create_ordered(topn_context *context, const topn_data *data, const linear_params *params,
                                         const uint32_t *item_at, linear_system *out)
{
    topn_status status;
    const sparse_matrix *from = &data->matrix;
    *out = (linear_system){0};
    out->binary = params->values == 0;
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE(context, from->columns, &out->item_at));
    TRY(ALLOCATE(context, from->columns, &out->position));
    for (uint32_t position = 0; position < from->columns; position++) {
        out->item_at[position] = item_at[position];
        out->position[item_at[position]] = position;
    }
    TRY(reorder(context, from, out->position, params->values == 0, &out->x, &out->xt));
    TRY(weigh_users(context, out, params->user_weight_exponent));
    TRY(set_ridge(context, out, params));
    name_work(out, data, params);
    return TOPN_OK;
done:
    linear_system_clear(out);
    return status;
}

topn_status linear_system_create(topn_context *context, const topn_data *data, const linear_params *params,
                                 item_order order, linear_system *out)
{
    topn_status status;
    uint32_t *item_at = NULL; /* [items] */
    *out = (linear_system){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE(context, data->matrix.columns, &item_at));
    TRY(item_order_compute(context, &data->matrix, order, item_at));
    TRY(linear_system_create_ordered(context, data, params, item_at, out));
done:
    free(item_at);
    return status;
}

/* y = (G + R)·x from Xᵀ, without the dense matrix. x, y [items]. */
static topn_status multiply_system(topn_context *context, const linear_system *system, const double *x, double *y)
{
    const sparse_matrix *xt = &system->xt;
    double *users = NULL; /* [users], W·X·x */
    const topn_status status = ALLOCATE_ZEROED(context, xt->columns, &users);
    if (status != TOPN_OK)
        return status;
    for (uint32_t item = 0; item < xt->rows; item++)
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            users[xt->indices[at]] += (xt->values ? xt->values[at] : 1.0f) * x[item];
    for (uint32_t user = 0; user < xt->columns; user++)
        users[user] *= system->user_weights[user];
    for (uint32_t item = 0; item < xt->rows; item++) {
        double sum = system->ridge[item] * x[item];
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            sum += (xt->values ? xt->values[at] : 1.0f) * users[xt->indices[at]];
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

/* ‖(G + R)·u − v‖ / ‖v‖ on the probe's vector v and product u. */
static topn_status measure_residual(topn_context *context, const linear_system *system, const linear_probe *probe,
                                    double *residual)
{
    const uint32_t n = system->xt.rows;
    double *back = NULL; /* [items] */
    topn_status status;
    TRY(ALLOCATE(context, n, &back));
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

topn_status linear_accept(topn_context *context, const linear_system *system, const symmetric *a, linear_solver *solve,
                          record *metadata, linear_probe *probe)
{
    topn_status status;
    double residual = NAN;
    const double start = clock_seconds();
    *probe = (linear_probe){0};
    TRY(ALLOCATE(context, a->n, &probe->vector));
    TRY(ALLOCATE(context, a->n, &probe->product));
    for (size_t item = 0; item < a->n; item++)
        probe->vector[item] = random_normal(context->seed, RANDOM_RESIDUAL, item);
    TRY(solve(context, a, probe->vector, probe->product));
    TRY(measure_residual(context, system, probe, &residual));
    TRY(linear_phase(context, metadata, "check", start));
    TRY(record_set(context, metadata, "train.inverse-residual", "%.3g", residual));
    log_line(context, "inverse: residual %.3g", residual);
    if (!(residual <= largest_inverse_residual))
        status = fail(context, TOPN_ERROR_NUMERIC,
                      "the inverse is wrong: residual %.3g where at most %.3g is accepted; raise --l2, and see "
                      "`topn doctor`",
                      residual, largest_inverse_residual);
done:
    if (status != TOPN_OK)
        linear_probe_clear(probe);
    return status;
}

/* Frees the arrays that nothing reads any more; rows and columns stay. */
static void drop_values(sparse_matrix *matrix)
{
    free(matrix->values);
    matrix->values = NULL;
}

static void drop_entries(sparse_matrix *matrix)
{
    const sparse_matrix shape = {.rows = matrix->rows, .columns = matrix->columns};
    sparse_clear(matrix);
    *matrix = shape;
}

topn_status linear_factor(topn_context *context, linear_system *system, bool half, record *metadata, symmetric *l)
{
    topn_status status;
    *l = (symmetric){0};
    if (system->binary) {
        drop_values(&system->x);
        drop_values(&system->xt);
    }
    TRY(symmetric_create(context, system->x.columns, half, l));
    double start = clock_seconds();
    TRY(linear_gram(context, system, l));
    TRY(linear_phase(context, metadata, "gram", start));
    drop_entries(&system->x);
    start = clock_seconds();
    status = symmetric_factor(context, l, "factor");
    if (status == TOPN_ERROR_NUMERIC)
        status = fail(context, TOPN_ERROR_NUMERIC,
                      "the Gram matrix plus ridge is not positive definite in single precision; raise --l2");
    TRY(status);
    TRY(linear_phase(context, metadata, "factor", start));
    return TOPN_OK;
done:
    symmetric_clear(l);
    return status;
}

/* P where the context's cache has it. */
static topn_status inverse_shared(topn_context *context, linear_system *system, bool half, symmetric *p, bool *found)
{
    topn_status status = TOPN_OK;
    *found = false;
    *p = (symmetric){0};
    if (!shared_work_bytes(context))
        return TOPN_OK;
    TRY(symmetric_create(context, system->x.columns, half, p));
    *found = shared_work_find(context, system->inverse_key, p->values, symmetric_bytes(p->n, half));
    if (*found) {
        if (system->binary)
            drop_values(&system->xt);
        drop_entries(&system->x);
    }
done:
    if (!*found)
        symmetric_clear(p);
    return status;
}

topn_status linear_inverse(topn_context *context, linear_system *system, bool half, record *metadata, symmetric *p,
                           linear_probe *probe)
{
    topn_status status;
    bool shared;
    *probe = (linear_probe){0};
    TRY(inverse_shared(context, system, half, p, &shared));
    if (!shared) {
        TRY(linear_factor(context, system, half, metadata, p));
        const double start = clock_seconds();
        TRY(triangle_invert(context, p, "invert"));
        TRY(triangle_gram(context, p, "multiply"));
        TRY(linear_phase(context, metadata, "invert", start));
        shared_work_keep(context, system->inverse_key, p->values, symmetric_bytes(p->n, half));
    }
    TRY(linear_accept(context, system, p, symmetric_multiply, metadata, probe));
    return TOPN_OK;
done:
    symmetric_clear(p);
    return status;
}

bool linear_keeps_all(int64_t k, int storage, uint32_t items)
{
    return k == 0 || (k >= (int64_t)items && storage != STORAGE_HALF);
}

uint64_t linear_kept_entries(int64_t k, int storage, uint32_t items)
{
    const uint64_t each = k < (int64_t)items ? (uint64_t)k : items;
    return linear_keeps_all(k, storage, items) ? 0 : each * items;
}

bool linear_uses_half(int64_t k, int storage, uint32_t items)
{
    return storage != STORAGE_FULL && !linear_keeps_all(k, storage, items);
}

topn_status linear_check_storage(topn_context *context, const char *method_name, int64_t k, int storage)
{
    if (k || storage != STORAGE_HALF)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "option --storage of %s: half needs --k, such as --k 200; with --k 0 the model itself is the full "
                "matrix",
                method_name);
}

const char *linear_remedy(int64_t k, int storage, uint32_t items)
{
    if (linear_keeps_all(k, storage, items))
        return "keep --k 200 numbers an item, which takes half, or drop rare items with --min-item-events";
    if (storage == STORAGE_FULL)
        return "use --storage half, or drop rare items with --min-item-events";
    return "drop rare items with --min-item-events";
}

uint64_t linear_system_bytes(const topn_data *data)
{
    const uint64_t users = data->matrix.rows, items = data->matrix.columns, events = data->matrix.indptr[users];
    return 16 * events + 24 * (users + items); /* X and Xᵀ in model order, weights, ridge, order */
}

static uint64_t largest_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The largest of the phases: X and Xᵀ made; Gram matrix (both of them, without values where these are 1); inverse and
 * pruning (Xᵀ alone). The model's histories stand beside all of them. */
uint64_t linear_history_bytes(const topn_data *data, const linear_params *params)
{
    return params->keep_histories ? 8 * data->matrix.indptr[data->matrix.rows] : 0;
}

training_cost linear_cost(const topn_data *data, const linear_params *params, bool half, double cubes,
                          uint64_t table_entries)
{
    const uint64_t n = data->matrix.columns, events = data->matrix.indptr[data->matrix.rows];
    const uint64_t made = linear_system_bytes(data), entry = params->values == 0 ? 4 : 8,
                   matrix = symmetric_bytes(n, half);
    const uint64_t narrow = params->values == 0 && n <= UINT16_MAX + 1 ? 2 * events : 0;
    const uint64_t gram = matrix + made + narrow - (16 - 2 * entry) * events,
                   later = matrix + made - (16 - entry) * events;
    /* While blocks of kept entries grow they take half as much again. The scratch of the inverse is given back before
     * pruning begins, but the allocator may hold on to it. */
    const uint64_t pruning = table_entries ? 12 * table_entries + stream_scratch_bytes(threads_available(), n) : 0;
    const uint64_t peak = largest_of(largest_of(made, gram), later + symmetric_scratch_bytes(n) + pruning);
    return (training_cost){
        .bytes = peak + linear_history_bytes(data, params) + 64 * n * sizeof(double),
        .flops = cubes * (double)n * (double)n * (double)n,
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
