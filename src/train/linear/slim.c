/* SPDX-License-Identifier: Apache-2.0
 *
 * SLIM (Ning, Karypis, ICDM 2011): every item regressed on all others with an ℓ1 and an ℓ2 penalty. Column j of B is
 *
 *     argmin ½‖x_j − X·w‖² + ½ wᵀRw + l1·‖w‖₁,   w_j = 0, and w ≥ 0 unless told otherwise,
 *
 * with users weighted and R as in linear/system.h. Without l1 and the sign constraint this is EASE. Columns are
 * independent of one another: slim_solver.c solves one. The model is a bag of rows of B with the identity as item
 * table.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"
#include "numeric/symmetric.h"
#include "train/linear/gram_rows.h"
#include "train/linear/slim_pairs.h"
#include "train/linear/slim_solver.h"
#include "train/linear/system.h"

enum { BATCH = 64 }; /* columns between two reports of progress */

typedef struct slim_params {
    linear_params linear;
    double l1, tolerance;
    bool nonnegative;
    int64_t k, path, max_sweeps;
    char *start_from, *pattern_from;
} slim_params;

static const option_row slim_options[] = {
    LINEAR_OPTIONS_WITH(slim_params, 300),
    OPTION_REAL(slim_params, l1, "l1", 1, 0, 1e12, "ℓ1 penalty: the larger, the fewer weights", SEARCH_LOG(0.1, 50)),
    OPTION_BOOLEAN(slim_params, nonnegative, "nonnegative", true,
                   "weights are 0 or more; without it a small --l1 takes many more sweeps"),
    OPTION_INTEGER(slim_params, k, "k", 0, 0, UINT32_MAX, "largest weights kept per item after training; 0 = all"),
    OPTION_REAL(slim_params, tolerance, "tolerance", 1e-6, 1e-7, 0.1,
                "largest violation of the optimality conditions, in units of the largest gradient at zero weights"),
    OPTION_INTEGER(slim_params, max_sweeps, "max-sweeps", 10000, 1, 1e12,
                   "an item that takes more sweeps than this is left as it is, with a warning"),
    OPTION_INTEGER(slim_params, path, "path", 1, 1, 1000,
                   "values of l1, from the largest useful down to --l1, each started from the weights of the last"),
    OPTION_TEXT(slim_params, start_from, "start-from", NULL,
                "model file with item × item weights to start from, matched by item ids"),
    OPTION_TEXT(
        slim_params, pattern_from, "pattern-from", NULL,
        "model file with item × item weights or a factor: only pairs of items that are not 0 in it may have a weight"),
};
static const option_table slim_option_table = OPTION_TABLE(slim_params, slim_options);

/* The finished columns, one block a batch. */
typedef struct column_block {
    uint32_t *indices;
    float *values;
} column_block;

typedef struct solution {
    slim_column *columns; /* [items] */
    column_block *blocks; /* [blocks] */
    size_t block_count;
} solution;

/* Σ over users of |I_u|·(|I_u| − 1): no fewer than the pairs of items with a common user. */
static double pair_bound(const topn_data *data)
{
    double pairs = 0;
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const double length = (double)(data->matrix.indptr[user + 1] - data->matrix.indptr[user]);
        pairs += length * (length - 1);
    }
    return pairs;
}

/* No less than Σ G_ij, i ≠ j; infinite when G may have negative elements. */
static double gram_sum_bound(const topn_data *data, const linear_params *params)
{
    double sum = 0, events = 0, weighted = 0;
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t begin = data->matrix.indptr[user], end = data->matrix.indptr[user + 1];
        const double length = (double)(end - begin);
        double total = 0, squares = 0;
        for (uint64_t at = begin; at < end; at++) {
            const double value = params->values == 0 ? 1 : data->matrix.values[at];
            if (value < 0)
                return INFINITY;
            total += value;
            squares += value * value;
        }
        const double weight = length > 0 ? pow(length, -params->user_weight_exponent) : 0;
        sum += weight * (total * total - squares);
        events += length;
        weighted += weight * length;
    }
    return weighted > 0 ? sum * events / weighted : 0;
}

/* Full rows where they take no more than sparse ones may. */
static bool gram_is_dense(double items, double pairs)
{
    return items * items <= 2 * (pairs + items);
}

/* An upper bound of the weights that are not zero. With w ≥ 0 and G ≥ 0 only pairs with G_ij > l1 can be. */
static double weight_bound(const topn_data *data, const slim_params *params, double pairs)
{
    const double items = data->matrix.columns;
    const double sum = gram_sum_bound(data, &params->linear); /* infinite: G may have negative elements */
    double bound = items * (items - 1);
    if (params->nonnegative && isfinite(sum) && pairs < bound)
        bound = pairs;
    if (params->nonnegative && params->l1 > 0)
        bound = fmin(bound, sum / params->l1);
    return params->k ? fmin(bound, (double)params->k * items) : bound;
}

/* Flops: a guess where l1 > 0, of which the Gram matrix is known, and eight rounds of at most 200 weights are not. */
static training_cost slim_cost(const topn_data *data, const void *raw)
{
    const slim_params *params = raw;
    const double items = data->matrix.columns, pairs = pair_bound(data);
    const bool dense = gram_is_dense(items, pairs), full = params->l1 == 0;
    const double gram =
        dense ? (double)symmetric_bytes(data->matrix.columns, false) : 8 * fmin(pairs + items, items * items);
    const double input = (double)(linear_system_bytes(data) + linear_history_bytes(data, &params->linear));
    const double workers = (double)slim_worker_bytes(data->matrix.columns) * threads_available();
    const double result = 16 * weight_bound(data, params, pairs) + BATCH * items * 8;
    const double rows = full ? items : fmin(items, 200), row = dense ? items : fmin(items, pairs / items);
    const double given = pairs_file_bytes(params->start_from) + pairs_file_bytes(params->pattern_from);
    return (training_cost){
        .bytes = (uint64_t)(gram + input + workers + result + given + 128 * items),
        .flops = 2 * pairs + items * 2 * (8 * rows * row + 100 * rows * rows),
        .remedy = full && !params->nonnegative ? "without --l1 and the sign constraint this is ease: train that"
                  : params->k                  ? "drop rare items with --min-item-events"
                                               : "bound the weights with --k 200, or raise --l1",
    };
}

/* diag(G + R) in double precision, whatever the rows of G are in. */
static topn_status make_diagonal(topn_context *context, const linear_system *system, double **out)
{
    const sparse_matrix *xt = &system->xt;
    const topn_status status = ALLOCATE(context, xt->rows, out);
    for (uint32_t item = 0; status == TOPN_OK && item < xt->rows; item++) {
        double sum = system->ridge[item];
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            sum += system->user_weights[xt->indices[at]] * xt->values[at] * xt->values[at];
        (*out)[item] = sum;
    }
    return status;
}

static bool is_nonnegative(const sparse_matrix *x)
{
    bool all = true;
    for (uint64_t at = 0; at < x->indptr[x->rows]; at++)
        all &= x->values[at] >= 0;
    return all;
}

/* G in full rows with a zero diagonal. */
static topn_status make_dense_gram(topn_context *context, const linear_system *system, symmetric *out)
{
    topn_status status;
    TRY(symmetric_create(context, system->x.columns, false, out));
    TRY(linear_gram(context, system, out));
    symmetric_mirror(context, out);
    for (size_t item = 0; item < out->n; item++)
        symmetric_row(out, item)[item] = 0;
done:
    return status;
}

/* Drops all but the k weights of largest magnitude. Returns how many are left. */
static uint32_t keep_k(uint32_t *indices, float *values, uint32_t count, uint32_t k)
{
    uint32_t kept = 0;
    keep_largest(values, count, k);
    for (uint32_t at = 0; at < count; at++)
        if (values[at] != 0) {
            indices[kept] = indices[at];
            values[kept++] = values[at];
        }
    return kept;
}

static void solution_clear(solution *solved)
{
    for (size_t block = 0; block < solved->block_count; block++) {
        free(solved->blocks[block].indices);
        free(solved->blocks[block].values);
    }
    free(solved->blocks);
    free(solved->columns);
    *solved = (solution){0};
}

/* Copies what a batch left in the stage [BATCH × items] into a block of its own. */
static topn_status keep_batch(topn_context *context, const slim_column *columns, size_t count, size_t items,
                              const uint32_t *indices, const float *values, column_block *out)
{
    topn_status status;
    size_t total = 0, to = 0;
    for (size_t column = 0; column < count; column++)
        total += columns[column].count;
    TRY(ALLOCATE(context, total, &out->indices));
    TRY(ALLOCATE(context, total, &out->values));
    for (size_t column = 0; column < count; column++) {
        memcpy(out->indices + to, indices + column * items, columns[column].count * sizeof *indices);
        memcpy(out->values + to, values + column * items, columns[column].count * sizeof *values);
        to += columns[column].count;
    }
done:
    return status;
}

/* All columns, k weights of each when k > 0. */
static topn_status solve_columns(topn_context *context, const slim_problem *problem, uint32_t k, solution *out)
{
    topn_status status;
    const size_t n = problem->items;
    slim_worker **workers = NULL; /* [threads] */
    uint32_t *indices = NULL;     /* [BATCH × items] */
    float *values = NULL;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &workers));
    for (int thread = 0; thread < context->threads; thread++)
        TRY(slim_worker_create(context, problem, &workers[thread]));
    TRY(ALLOCATE(context, BATCH * n, &indices));
    TRY(ALLOCATE(context, BATCH * n, &values));
    TRY(ALLOCATE(context, n, &out->columns));
    TRY(ALLOCATE_ZEROED(context, (n + BATCH - 1) / BATCH, &out->blocks));
    for (size_t begin = 0; begin < n; begin += BATCH) {
        TRY(progress_report(context, "columns", "items", begin, n, NAN));
        const size_t end = n - begin < BATCH ? n : begin + BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
        for (size_t j = begin; j < end; j++) {
            slim_worker *worker = workers[thread_index()];
            uint32_t *to = indices + (j - begin) * n;
            float *weights = values + (j - begin) * n;
            slim_column *column = &out->columns[j];
            slim_solve(problem, worker, (uint32_t)j, to, weights, column);
            if (k && k < column->count)
                column->count = keep_k(to, weights, column->count, k);
        }
        column_block *block = &out->blocks[out->block_count++];
        TRY(keep_batch(context, out->columns + begin, end - begin, n, indices, values, block));
    }
    status = progress_report(context, "columns", "items", n, n, NAN);
done:
    for (int thread = 0; workers && thread < context->threads; thread++)
        slim_worker_free(workers[thread]);
    free(workers);
    free(indices);
    free(values);
    return status;
}

/* B by rows, from its columns. */
static topn_status assemble(topn_context *context, const solution *solved, uint32_t n, sparse_matrix *out)
{
    topn_status status;
    uint64_t *next = NULL; /* [items + 1] */
    uint64_t total = 0;
    size_t at = 0; /* in the column's block */
    for (uint32_t j = 0; j < n; j++)
        total += solved->columns[j].count;
    TRY(sparse_create(context, n, n, total, out));
    TRY(ALLOCATE_ZEROED(context, (size_t)n + 1, &next));
    for (uint32_t j = 0; j < n; at += solved->columns[j++].count) {
        at = j % BATCH == 0 ? 0 : at;
        for (uint32_t entry = 0; entry < solved->columns[j].count; entry++)
            next[solved->blocks[j / BATCH].indices[at + entry] + 1]++;
    }
    for (uint32_t i = 0; i < n; i++)
        next[i + 1] += next[i];
    memcpy(out->indptr, next, ((size_t)n + 1) * sizeof *next);
    for (uint32_t j = 0; j < n; at += solved->columns[j++].count) {
        const column_block *block = &solved->blocks[j / BATCH];
        at = j % BATCH == 0 ? 0 : at;
        for (uint32_t entry = 0; entry < solved->columns[j].count; entry++) {
            const uint64_t to = next[block->indices[at + entry]]++;
            out->indices[to] = j;
            out->values[to] = block->values[at + entry];
        }
    }
done:
    free(next);
    return status;
}

/* How good the columns are, to the metadata; a warning where some are not good enough. */
static topn_status report(topn_context *context, const solution *solved, uint32_t n, const slim_params *params,
                          record *metadata)
{
    topn_status status;
    double residual = 0;
    uint64_t sweeps = 0, unconverged = 0, weights = 0;
    for (uint32_t j = 0; j < n; j++) {
        residual = fmax(residual, solved->columns[j].residual);
        sweeps += solved->columns[j].sweeps;
        weights += solved->columns[j].count;
        unconverged += !solved->columns[j].converged;
    }
    TRY(record_set(context, metadata, "train.kkt-residual", "%.3g", residual));
    TRY(record_set(context, metadata, "train.sweeps", "%" PRIu64, sweeps));
    TRY(record_set(context, metadata, "train.weights", "%" PRIu64, weights));
    TRY(record_set(context, metadata, "train.unconverged-items", "%" PRIu64, unconverged));
    log_line(context, "%" PRIu64 " weights, %.1f an item; optimality residual %.3g after %.1f sweeps an item", weights,
             (double)weights / n, residual, (double)sweeps / n);
    if (unconverged)
        log_line(context,
                 "warning: %" PRIu64 " of %" PRIu32 " items did not reach --tolerance %g within --max-sweeps %" PRId64
                 " (worst residual %.3g); raise --max-sweeps, --tolerance or --l2",
                 unconverged, n, params->tolerance, params->max_sweeps, residual);
done:
    return status;
}

static topn_status slim_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const slim_params *params = raw;
    topn_status status;
    linear_system system = {0};
    solution solved = {0};
    symmetric dense = {0};
    double *diagonal = NULL;
    sparse_matrix sparse = {0}, start = {0}, allowed = {0};
    const uint32_t n = data->matrix.columns;
    const bool is_dense = gram_is_dense(n, pair_bound(data));
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    if (params->start_from)
        TRY(pairs_load_weights(context, data, "start-from", params->start_from, &start));
    if (params->pattern_from)
        TRY(pairs_load_pattern(context, data, "pattern-from", params->pattern_from, &allowed));
    double begin = clock_seconds();
    TRY(make_diagonal(context, &system, &diagonal));
    TRY(is_dense ? make_dense_gram(context, &system, &dense) : gram_sparse(context, &system, &sparse));
    TRY(linear_phase(context, &model->metadata, "gram", begin));
    const bool gram_nonnegative = is_nonnegative(&system.x);
    linear_system_clear(&system);
    begin = clock_seconds();
    const slim_problem problem = {
        .items = n,
        .dense = dense.values,
        .sparse = &sparse,
        .diagonal = diagonal,
        .start = params->start_from ? &start : NULL,
        .allowed = params->pattern_from ? &allowed : NULL,
        .l1 = params->l1,
        .tolerance = params->tolerance,
        .nonnegative = params->nonnegative,
        .gram_nonnegative = gram_nonnegative,
        .path = (uint32_t)params->path,
        .max_sweeps = (uint64_t)params->max_sweeps,
    };
    TRY(solve_columns(context, &problem, (uint32_t)params->k, &solved));
    TRY(linear_phase(context, &model->metadata, "columns", begin));
    TRY(report(context, &solved, n, params, &model->metadata));
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->linear.score_exponent, NULL, &model->table.priors));
    TRY(assemble(context, &solved, n, &model->encoder.rows.sparse));
    model->encoder.rows.form = TABLE_SPARSE;
done:
    solution_clear(&solved);
    symmetric_clear(&dense);
    free(diagonal);
    sparse_clear(&sparse);
    sparse_clear(&start);
    sparse_clear(&allowed);
    linear_system_clear(&system);
    return status;
}

const method method_slim = {
    .name = "slim",
    .summary = "every item regressed on all others with an l1 penalty: sparse weights, 0 or more",
    .paper = "Ning and Karypis 2011; Van Balen and Goethals 2021, §2.3",
    .options = &slim_option_table,
    .cost = slim_cost,
    .train = slim_train,
    .prune_modes = 1u << TOPN_PRUNE_ITEM,
};
