/* SPDX-License-Identifier: Apache-2.0
 *
 * EASE without a dense matrix: column j of P solves (G + R)·z = e_j, and column j of B is −z / z_j with a zero at j.
 * Conjugate gradients (Hestenes and Stiefel 1952) with the diagonal as preconditioner; the product with G is one with
 * X and one with Xᵀ, so G is never formed. A block of items is solved at once, each with its own step lengths: one pass
 * over the events serves all of them. All in double precision.
 *
 * This is EASE exactly, pruned per recommended item as soon as a column is known: O(k·N + events) memory. Its time
 * grows with N · events, so it is the oracle that approximations are measured against.
 *
 * Legend: X, W, G, R, P as in linear/system.h; B as in ease.c; z, r, p, q the solution, residual, direction and its
 * product with G + R.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/prune.h"
#include "numeric/sparse.h"
#include "train/linear/system.h"

enum {
    WIDTH = 8,               /* items of a block: a row of a block's vectors is one cache line */
    BLOCKS_A_THREAD = 4,     /* between two reports of progress */
    EXPECTED_ITERATIONS = 50 /* what the cost is stated for */
};

typedef struct ease_cg_params {
    linear_params linear;
    int64_t k, iterations;
    double tolerance;
} ease_cg_params;

static const option_row ease_cg_options[] = {
    LINEAR_OPTIONS(ease_cg_params),
    OPTION_INTEGER(ease_cg_params, k, "k", 200, 0, UINT32_MAX,
                   "weights kept per recommended item; 0 = all of them, which takes N² memory"),
    OPTION_REAL(ease_cg_params, tolerance, "tolerance", 1e-6, 1e-12, 0.1,
                "largest residual |(G+R)z - e| accepted for a column"),
    OPTION_INTEGER(ease_cg_params, iterations, "iterations", 2000, 1, 1000000,
                   "most conjugate gradient steps a column; time grows with steps · events · items"),
};
static const option_table ease_cg_option_table = OPTION_TABLE(ease_cg_params, ease_cg_options);

/* What one thread works with. */
typedef struct workspace {
    double *z, *r, *p, *q; /* [items × WIDTH] each */
    double *users;         /* [users × WIDTH] */
    float *column;         /* [items], one column of B */
    uint32_t *scratch;     /* [items] */
} workspace;

/* Everything the loop over blocks shares. */
typedef struct cg_run {
    const linear_system *system;
    const ease_cg_params *params;
    double *inverse_diagonal; /* [items], of G + R */
    double *residuals;        /* [items], ‖(G + R)·z − e‖ of every column */
    uint32_t *steps;          /* [items] */
    workspace *workspaces;    /* [threads] */
    float *dense;             /* B [items × items], or NULL */
    sparse_matrix columns;    /* Bᵀ with room for `room` entries a row; indptr[j + 1] holds the count of row j */
    uint64_t room;
} cg_run;

static bool is_dense(const ease_cg_params *params, uint32_t items)
{
    return params->k == 0 || params->k >= (int64_t)items;
}

static training_cost ease_cg_cost(const topn_data *data, const void *raw)
{
    const ease_cg_params *params = raw;
    const uint64_t n = data->matrix.columns, users = data->matrix.rows, events = data->matrix.indptr[users];
    const uint64_t vectors = (4 * n + users) * WIDTH * sizeof(double) + 8 * n;
    const uint64_t table = is_dense(params, data->matrix.columns) ? 4 * n * n : 16 * (uint64_t)params->k * n;
    const double steps = (double)(params->iterations < EXPECTED_ITERATIONS ? params->iterations : EXPECTED_ITERATIONS);
    return (training_cost){
        .bytes = linear_system_bytes(data) + (uint64_t)threads_available() * vectors + table + 64 * n +
                 linear_history_bytes(data, &params->linear),
        .flops = steps * (double)n * (4.0 * (double)events + 14.0 * (double)n),
        .remedy = is_dense(params, data->matrix.columns) ? "keep --k 200 weights an item" : "use a smaller --k",
    };
}

static void free_workspaces(workspace *all, int count)
{
    for (int i = 0; all && i < count; i++) {
        free(all[i].z);
        free(all[i].r);
        free(all[i].p);
        free(all[i].q);
        free(all[i].users);
        free(all[i].column);
        free(all[i].scratch);
    }
    free(all);
}

static topn_status make_workspaces(topn_context *context, const linear_system *system, workspace **out)
{
    topn_status status;
    const size_t n = system->x.columns, users = system->x.rows;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, out));
    for (int i = 0; i < context->threads; i++) {
        workspace *work = &(*out)[i];
        TRY(ALLOCATE(context, n * WIDTH, &work->z));
        TRY(ALLOCATE(context, n * WIDTH, &work->r));
        TRY(ALLOCATE(context, n * WIDTH, &work->p));
        TRY(ALLOCATE(context, n * WIDTH, &work->q));
        TRY(ALLOCATE(context, users * WIDTH, &work->users));
        TRY(ALLOCATE(context, n, &work->column));
        TRY(ALLOCATE(context, n, &work->scratch));
    }
done:
    return status;
}

/* out = (G + R)·in, and dots[c] = ⟨in, out⟩ of each column. in, out [items × WIDTH]; users [users × WIDTH]. */
VECTOR_CLONES
static void multiply(const linear_system *system, const double *in, double *users, double *out, double *dots)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    for (uint32_t user = 0; user < x->rows; user++) {
        double sum[WIDTH] = {0};
        for (uint64_t at = x->indptr[user]; at < x->indptr[user + 1]; at++) {
            const double value = x->values[at], *row = in + (size_t)x->indices[at] * WIDTH;
            for (int c = 0; c < WIDTH; c++)
                sum[c] += value * row[c];
        }
        for (int c = 0; c < WIDTH; c++)
            users[(size_t)user * WIDTH + c] = system->user_weights[user] * sum[c];
    }
    double total[WIDTH] = {0};
    for (uint32_t item = 0; item < xt->rows; item++) {
        const double *own = in + (size_t)item * WIDTH;
        double sum[WIDTH];
        for (int c = 0; c < WIDTH; c++)
            sum[c] = system->ridge[item] * own[c];
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++) {
            const double value = xt->values[at], *row = users + (size_t)xt->indices[at] * WIDTH;
            for (int c = 0; c < WIDTH; c++)
                sum[c] += value * row[c];
        }
        for (int c = 0; c < WIDTH; c++) {
            out[(size_t)item * WIDTH + c] = sum[c];
            total[c] += own[c] * sum[c];
        }
    }
    memcpy(dots, total, sizeof total);
}

/* z += α·p, r −= α·q; squares[c] = ‖r‖² and energies[c] = rᵀ·D⁻¹·r of each column, D the preconditioner. */
VECTOR_CLONES
static void advance(const cg_run *run, workspace *work, const double *alpha, double *squares, double *energies)
{
    double square[WIDTH] = {0}, energy[WIDTH] = {0};
    for (size_t item = 0; item < run->system->x.columns; item++) {
        const double scale = run->inverse_diagonal[item];
        for (int c = 0; c < WIDTH; c++) {
            const size_t at = item * WIDTH + (size_t)c;
            work->z[at] += alpha[c] * work->p[at];
            work->r[at] -= alpha[c] * work->q[at];
            const double own = work->r[at] * work->r[at];
            square[c] += own;
            energy[c] += scale * own;
        }
    }
    memcpy(squares, square, sizeof square);
    memcpy(energies, energy, sizeof energy);
}

/* p = D⁻¹·r + β·p for columns under way, 0 for the others. */
VECTOR_CLONES
static void turn(const cg_run *run, workspace *work, const double *beta, const double *active)
{
    for (size_t item = 0; item < run->system->x.columns; item++)
        for (int c = 0; c < WIDTH; c++) {
            const size_t at = item * WIDTH + (size_t)c;
            work->p[at] = active[c] * (run->inverse_diagonal[item] * work->r[at] + beta[c] * work->p[at]);
        }
}

/* z = 0, r = e_first … e_(first+count−1), p = D⁻¹·r. */
static void start_block(const cg_run *run, workspace *work, uint32_t first, int count)
{
    const size_t bytes = (size_t)run->system->x.columns * WIDTH * sizeof(double);
    memset(work->z, 0, bytes);
    memset(work->r, 0, bytes);
    memset(work->p, 0, bytes);
    for (int c = 0; c < count; c++) {
        const size_t at = ((size_t)first + (size_t)c) * WIDTH + (size_t)c;
        work->r[at] = 1;
        work->p[at] = run->inverse_diagonal[first + (uint32_t)c];
    }
}

/* Solves the columns first … first + count − 1 into work->z; their steps and true residuals go to their slots. */
static void solve_block(const cg_run *run, workspace *work, uint32_t first, int count)
{
    const double goal = 0.5 * run->params->tolerance; /* of the updated residual, which drifts from the true one */
    double alpha[WIDTH], beta[WIDTH] = {0}, active[WIDTH] = {0}, curvature[WIDTH], square[WIDTH], energy[WIDTH] = {0};
    int left = count;
    start_block(run, work, first, count);
    for (int c = 0; c < count; c++) {
        energy[c] = run->inverse_diagonal[first + (uint32_t)c];
        active[c] = 1;
    }
    for (int64_t step = 0; left && step < run->params->iterations; step++) {
        double next[WIDTH];
        multiply(run->system, work->p, work->users, work->q, curvature);
        for (int c = 0; c < WIDTH; c++)
            alpha[c] = active[c] != 0 && curvature[c] > 0 ? energy[c] / curvature[c] : 0;
        advance(run, work, alpha, square, next);
        for (int c = 0; c < WIDTH; c++) {
            if (active[c] == 0)
                continue;
            run->steps[first + (uint32_t)c]++;
            beta[c] = next[c] / energy[c];
            energy[c] = next[c];
            /* No curvature: the matrix is singular as far as this column can tell. */
            if (sqrt(square[c]) <= goal || !(alpha[c] > 0) || !isfinite(square[c])) {
                active[c] = beta[c] = 0;
                left--;
            }
        }
        turn(run, work, beta, active);
    }
    multiply(run->system, work->z, work->users, work->q, curvature);
    double error[WIDTH] = {0};
    for (uint32_t item = 0; item < run->system->x.columns; item++)
        for (int c = 0; c < WIDTH; c++) {
            const double off = work->q[(size_t)item * WIDTH + (size_t)c] - (item == first + (uint32_t)c);
            error[c] += off * off;
        }
    for (int c = 0; c < count; c++)
        run->residuals[first + (uint32_t)c] = sqrt(error[c]);
}

/* Column `item` of B from column c of z: to the dense matrix, or its k largest weights to a row of Bᵀ. */
static void keep_column(const cg_run *run, workspace *work, uint32_t item, int c)
{
    const size_t n = run->system->x.columns;
    const double own = work->z[(size_t)item * WIDTH + (size_t)c];
    for (size_t i = 0; i < n; i++)
        work->column[i] = (float)(-work->z[i * WIDTH + (size_t)c] / own);
    work->column[item] = 0;
    if (run->dense) {
        for (size_t i = 0; i < n; i++)
            run->dense[i * n + item] = work->column[i];
        return;
    }
    const uint64_t at = item * run->room;
    run->columns.indptr[item + 1] = prune_row(work->column, n, (uint32_t)run->room, work->scratch,
                                              run->columns.indices + at, run->columns.values + at);
}

/* NUMERIC naming the first column whose residual is too large; the worst to the metadata. */
static topn_status accept_columns(topn_context *context, const topn_data *data, const cg_run *run, uint32_t begin,
                                  uint32_t end)
{
    for (uint32_t item = begin; item < end; item++)
        if (!(run->residuals[item] <= run->params->tolerance))
            return fail(context, TOPN_ERROR_NUMERIC,
                        "item %s: residual %.3g after %" PRIu32 " steps where --tolerance %g is wanted; raise --l2, "
                        "--iterations (%" PRId64 ") or --tolerance",
                        string_table_get(&data->item_ids, item), run->residuals[item], run->steps[item],
                        run->params->tolerance, run->params->iterations);
    return TOPN_OK;
}

static topn_status record_run(topn_context *context, const cg_run *run, record *metadata)
{
    topn_status status;
    const uint32_t n = run->system->x.columns;
    double worst = 0, sum = 0;
    for (uint32_t item = 0; item < n; item++) {
        worst = fmax(worst, run->residuals[item]);
        sum += run->steps[item];
    }
    TRY(record_set(context, metadata, "train.worst-residual", "%.3g", worst));
    TRY(record_set(context, metadata, "train.mean-steps", "%.2f", sum / n));
    log_line(context, "%.1f steps a column, worst residual %.3g", sum / n, worst);
done:
    return status;
}

static topn_status solve_all(topn_context *context, const topn_data *data, cg_run *run)
{
    topn_status status = TOPN_OK;
    const uint32_t n = run->system->x.columns, round = (uint32_t)context->threads * BLOCKS_A_THREAD * WIDTH;
    for (uint32_t begin = 0; begin < n; begin += round) {
        TRY(progress_report(context, "solve", "items", begin, n, NAN));
        const uint32_t end = n - begin < round ? n : begin + round;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
        for (uint32_t first = begin; first < end; first += WIDTH) {
            workspace *work = &run->workspaces[thread_index()];
            const int count = end - first < WIDTH ? (int)(end - first) : WIDTH;
            solve_block(run, work, first, count);
            for (int c = 0; c < count; c++)
                keep_column(run, work, first + (uint32_t)c, c);
        }
        TRY(accept_columns(context, data, run, begin, end));
    }
    status = progress_report(context, "solve", "items", n, n, NAN);
done:
    return status;
}

/* The diagonal of G + R; an item that has neither events nor ridge has no column. */
static topn_status set_diagonal(topn_context *context, const topn_data *data, cg_run *run)
{
    topn_status status;
    const sparse_matrix *xt = &run->system->xt;
    TRY(ALLOCATE(context, xt->rows, &run->inverse_diagonal));
    for (uint32_t item = 0; item < xt->rows; item++) {
        double sum = run->system->ridge[item];
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            sum += run->system->user_weights[xt->indices[at]] * (double)xt->values[at] * xt->values[at];
        if (!(sum > 0)) {
            status = fail(context, TOPN_ERROR_NUMERIC,
                          "item %s has neither events nor a ridge, so the system is singular; raise --l2",
                          string_table_get(&data->item_ids, item));
            goto done;
        }
        run->inverse_diagonal[item] = 1 / sum;
    }
done:
    return status;
}

/* Memory for the result; Bᵀ gets the same room in every row. */
static topn_status make_result(topn_context *context, cg_run *run)
{
    topn_status status;
    const uint32_t n = run->system->x.columns;
    if (is_dense(run->params, n))
        return ALLOCATE(context, (size_t)n * n, &run->dense);
    run->room = (uint64_t)run->params->k;
    TRY(sparse_create(context, n, n, run->room * n, &run->columns));
done:
    return status;
}

/* B from the dense matrix or from the rows of Bᵀ, which are closed up. */
static topn_status keep_table(topn_context *context, cg_run *run, topn_model *model)
{
    const size_t n = run->system->x.columns;
    embedding_table *rows = &model->encoder.rows;
    if (run->dense) {
        *rows = (embedding_table){.form = TABLE_DENSE, .dense = {.values = run->dense, .rows = n, .columns = n}};
        run->dense = NULL;
        return TOPN_OK;
    }
    topn_status status;
    TRY(sparse_close_up(context, &run->columns, run->room));
    TRY(sparse_transpose(context, &run->columns, &rows->sparse));
    rows->form = TABLE_SPARSE;
done:
    return status;
}

static topn_status ease_cg_train(topn_context *context, const topn_data *data, const void *raw, topn_model *model)
{
    const ease_cg_params *params = raw;
    topn_status status;
    linear_system system = {0};
    cg_run run = {.system = &system, .params = params};
    TRY(linear_system_create(context, data, &params->linear, ORDER_GIVEN, &system));
    TRY(set_diagonal(context, data, &run));
    TRY(ALLOCATE_ZEROED(context, system.x.columns, &run.residuals));
    TRY(ALLOCATE_ZEROED(context, system.x.columns, &run.steps));
    TRY(make_workspaces(context, &system, &run.workspaces));
    TRY(make_result(context, &run));
    double start = clock_seconds();
    TRY(solve_all(context, data, &run));
    TRY(linear_phase(context, &model->metadata, "solve", start));
    TRY(record_run(context, &run, &model->metadata));
    start = clock_seconds();
    model->encoder.kind = ENCODER_BAG;
    model->encoder.use_weights = params->linear.values == 1;
    model->table.kind = ITEMS_IDENTITY;
    TRY(linear_priors(context, data, params->linear.score_exponent, NULL, &model->table.priors));
    TRY(keep_table(context, &run, model));
    TRY(linear_phase(context, &model->metadata, "weights", start));
done:
    free_workspaces(run.workspaces, context->threads);
    free(run.inverse_diagonal);
    free(run.residuals);
    free(run.steps);
    free(run.dense);
    sparse_clear(&run.columns);
    linear_system_clear(&system);
    return status;
}

const method method_ease_cg = {
    .name = "ease-cg",
    .summary = "EASE pruned per item, exactly, in O(k·N) memory; time grows with events · N",
    .paper = "Steck 2019; conjugate gradients: Hestenes and Stiefel 1952",
    .options = &ease_cg_option_table,
    .cost = ease_cg_cost,
    .train = ease_cg_train,
    .prune_modes = 1u << TOPN_PRUNE_ITEM,
};
