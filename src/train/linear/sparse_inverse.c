/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/sparse_inverse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/block.h"
#include "numeric/sparse.h"
#include "train/linear/gram_block.h"
#include "train/linear/pattern.h"

enum { ROW_BATCH = 2048 }; /* rows between two reports of progress */

/* Room to work for one thread. */
typedef struct worker {
    gram_worker gram;
    float *block;      /* [k × k] */
    uint32_t *members; /* [k] S_i */
} worker;

static void workers_clear(worker *workers, int threads)
{
    for (int thread = 0; workers && thread < threads; thread++) {
        gram_worker_clear(&workers[thread].gram);
        free(workers[thread].block);
        free(workers[thread].members);
    }
    free(workers);
}

static topn_status workers_create(topn_context *context, const gram_source *source, uint32_t k, worker **out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, out));
    for (int thread = 0; thread < context->threads; thread++) {
        TRY(gram_worker_create(context, source, k, &(*out)[thread].gram));
        TRY(ALLOCATE(context, (size_t)k * k, &(*out)[thread].block));
        TRY(ALLOCATE(context, k, &(*out)[thread].members));
    }
done:
    return status; /* the caller clears */
}

/* F's row i over the row i of the pattern and i itself. */
static bool solve_row(const gram_source *source, worker *work, const sparse_matrix *pattern, uint32_t i,
                      sparse_matrix *f)
{
    const uint64_t begin = f->indptr[i];
    const uint32_t size = (uint32_t)(f->indptr[i + 1] - begin);
    memcpy(work->members, pattern->indices + pattern->indptr[i], (size - 1) * sizeof *work->members);
    work->members[size - 1] = i;
    memcpy(f->indices + begin, work->members, size * sizeof *work->members);
    gram_block_fill(source, &work->gram, work->members, size, work->block);
    return block_inverse_factor_row(work->block, size, f->values + begin);
}

/* All rows; the first one that has no solution is the fault. */
static topn_status solve_rows(topn_context *context, const gram_source *source, worker *workers,
                              const sparse_matrix *pattern, sparse_matrix *f)
{
    topn_status status;
    const uint32_t n = f->rows;
    const int saved = threads_serial_blas_begin();
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "factor", "rows", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
        uint32_t bad = n;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 4) reduction(min : bad)
        for (uint32_t i = begin; i < end; i++)
            if (!solve_row(source, &workers[thread_index()], pattern, i, f) && i < bad)
                bad = i;
        if (bad < n)
            TRY(fail(context, TOPN_ERROR_NUMERIC,
                     "the Gram matrix of item %u and its neighbours is singular in single precision; raise --l2",
                     source->system->item_at[bad]));
    }
    status = progress_report(context, "factor", "rows", n, n, NAN);
done:
    threads_serial_blas_end(saved);
    return status;
}

uint32_t sparse_anchors(const sparse_params *params)
{
    const int64_t most = params->k > 1 ? params->k / 2 : 0;
    return (uint32_t)(params->anchors < most ? params->anchors : most);
}

static topn_status choose_pattern(topn_context *context, const linear_system *system, const sparse_params *params,
                                  sparse_matrix *pattern, sparse_matrix *f)
{
    topn_status status;
    const uint32_t n = system->x.columns;
    const pattern_settings settings = {.anchors = sparse_anchors(params),
                                       .keep = params->k > 1 ? (uint32_t)params->k - 1 : 1,
                                       .cap = (uint32_t)params->history_cap,
                                       .alpha = params->alpha,
                                       .threshold = params->k > 1 ? -INFINITY : INFINITY,
                                       .earlier_only = true};
    TRY(pattern_create(context, system, &settings, pattern));
    TRY(sparse_create(context, n, n, pattern->indptr[n] + n, f));
    for (uint32_t i = 0; i <= n; i++)
        f->indptr[i] = pattern->indptr[i] + i;
done:
    return status;
}

topn_status sparse_inverse_factor(topn_context *context, const linear_system *system, const sparse_params *params,
                                  record *metadata, sparse_matrix *f)
{
    topn_status status;
    sparse_matrix pattern = {0};
    gram_source source = {0};
    worker *workers = NULL; /* [threads] */
    const uint32_t n = system->x.columns, k = params->k < (int64_t)n ? (uint32_t)params->k : n;
    *f = (sparse_matrix){0};
    double start = clock_seconds();
    TRY(choose_pattern(context, system, params, &pattern, f));
    TRY(linear_phase(context, metadata, "pattern", start));
    start = clock_seconds();
    TRY(gram_source_create(context, system, gram_head_size(n), &source));
    TRY(linear_phase(context, metadata, "head", start));
    start = clock_seconds();
    TRY(workers_create(context, &source, k, &workers));
    TRY(solve_rows(context, &source, workers, &pattern, f));
    TRY(linear_phase(context, metadata, "factor", start));
done:
    workers_clear(workers, context->threads);
    gram_source_clear(&source);
    sparse_clear(&pattern);
    if (status != TOPN_OK)
        sparse_clear(f);
    return status;
}

topn_status sparse_inverse_diagonal(topn_context *context, const sparse_matrix *f, double **d)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, f->rows, d));
    for (uint64_t at = 0; at < f->indptr[f->rows]; at++)
        (*d)[f->indices[at]] += (double)f->values[at] * f->values[at];
done:
    return status;
}

uint64_t sparse_system_bytes(const topn_data *data)
{
    const uint64_t items = data->matrix.columns, users = data->matrix.rows, events = data->matrix.indptr[users];
    return 2 * events * (sizeof(uint32_t) + sizeof(float)) + users * 2 * sizeof(double) +
           items * (3 * sizeof(uint64_t) + sizeof(double));
}

training_cost sparse_inverse_cost(const topn_data *data, const sparse_params *params)
{
    const uint64_t items = data->matrix.columns;
    const uint64_t k = (uint64_t)params->k < items ? (uint64_t)params->k : items;
    const int threads = threads_available();
    const uint64_t pattern = pattern_bytes(items, k, threads);
    const uint64_t factor = items * (k * (sizeof(uint32_t) + sizeof(float)) + sizeof(uint64_t));
    const uint64_t working = gram_source_bytes(data) +
                             (uint64_t)threads * (gram_worker_bytes(data, (uint32_t)k) + k * (k + 1) * sizeof(float));
    return (training_cost){.bytes = sparse_system_bytes(data) + pattern + factor + working,
                           .flops = (double)items * (double)k * (double)k * (double)k / 3,
                           .remedy = "use a smaller --k"};
}
