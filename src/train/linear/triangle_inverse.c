/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/triangle_inverse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/prune.h"
#include "numeric/sparse.h"

enum { COLUMN_BATCH = 4096 }; /* columns between two reports of progress */

/* A sparse column under construction: dense values and where they are. Between columns all 0. */
typedef struct open_column {
    double *values;    /* [n] */
    uint8_t *touched;  /* [n] */
    uint32_t *indices; /* [n] */
    uint32_t count;
} open_column;

/* What one thread works with. */
typedef struct workspace {
    open_column residual, product, sum; /* r; L times the direction; the new m */
    float *packed;                      /* [n] */
    uint32_t *scratch, *chosen;         /* [n] each */
    float *direction;                   /* [n] */
    uint32_t *places;                   /* [n] of the direction */
} workspace;

typedef struct inverter {
    const sparse_matrix *l;
    sparse_matrix *m; /* row j begins at column_begin */
    uint32_t *counts; /* [n] entries of the rows of m */
    double *squares;  /* [n] |r|² before the last step */
    uint8_t *skipped; /* [n] left out of this scan */
    workspace *workspaces;
} inverter;

/* The column of M gets as many entries as that of L has, with its diagonal. */
static uint64_t column_begin(const sparse_matrix *l, uint32_t j)
{
    return l->indptr[j] + j;
}

static uint32_t column_room(const sparse_matrix *l, uint32_t j)
{
    return (uint32_t)(l->indptr[j + 1] - l->indptr[j]) + 1;
}

static topn_status open_column_create(topn_context *context, uint32_t n, open_column *out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, n, &out->values));
    TRY(ALLOCATE_ZEROED(context, n, &out->touched));
    TRY(ALLOCATE(context, n, &out->indices));
done:
    return status; /* the caller clears */
}

static void open_column_clear(open_column *column)
{
    free(column->values);
    free(column->touched);
    free(column->indices);
}

static inline void add(open_column *column, uint32_t index, double value)
{
    if (!column->touched[index]) {
        column->touched[index] = 1;
        column->indices[column->count++] = index;
    }
    column->values[index] += value;
}

static void reset(open_column *column)
{
    for (uint32_t at = 0; at < column->count; at++) {
        column->values[column->indices[at]] = 0;
        column->touched[column->indices[at]] = 0;
    }
    column->count = 0;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The `keep` largest of the column's values, in ascending order of index; returns their number. */
static uint32_t take_largest(workspace *work, open_column *column, uint32_t keep, uint32_t *indices, float *values)
{
    qsort(column->indices, column->count, sizeof *column->indices, ascending);
    for (uint32_t at = 0; at < column->count; at++)
        work->packed[at] = (float)column->values[column->indices[at]];
    const uint32_t count = prune_row(work->packed, column->count, keep, work->scratch, work->chosen, values);
    for (uint32_t at = 0; at < count; at++)
        indices[at] = column->indices[work->chosen[at]];
    return count;
}

/* column += scale · L · v. */
static void add_product(const sparse_matrix *l, const uint32_t *indices, const float *values, uint32_t count,
                        double scale, open_column *column)
{
    for (uint32_t at = 0; at < count; at++) {
        const double value = scale * values[at];
        add(column, indices[at], value);
        for (uint64_t below = l->indptr[indices[at]]; below < l->indptr[indices[at] + 1]; below++)
            add(column, l->indices[below], value * l->values[below]);
    }
}

/* r of column j, for the caller to reset; gives |r|². */
static double fill_residual(const inverter *all, workspace *work, uint32_t j)
{
    const uint64_t begin = column_begin(all->l, j);
    add(&work->residual, j, 1);
    add_product(all->l, all->m->indices + begin, all->m->values + begin, all->counts[j], -1, &work->residual);
    double square = 0;
    for (uint32_t at = 0; at < work->residual.count; at++)
        square += work->residual.values[work->residual.indices[at]] * work->residual.values[work->residual.indices[at]];
    return square;
}

/* m += α·s along the direction s, and its largest entries are kept; the diagonal is 1 and always stays. */
static void move_column(inverter *all, workspace *work, uint32_t j, double alpha, uint32_t count)
{
    const uint64_t begin = column_begin(all->l, j);
    uint32_t *indices = all->m->indices + begin;
    float *values = all->m->values + begin;
    for (uint32_t at = 1; at < all->counts[j]; at++)
        add(&work->sum, indices[at], values[at]);
    for (uint32_t at = 0; at < count; at++)
        if (work->places[at] != j)
            add(&work->sum, work->places[at], alpha * work->direction[at]);
    all->counts[j] = 1 + take_largest(work, &work->sum, column_room(all->l, j) - 1, indices + 1, values + 1);
    reset(&work->sum);
}

/* m by forward substitution, whole, then its largest entries. */
static void solve_column(inverter *all, uint32_t j)
{
    workspace *work = &all->workspaces[thread_index()];
    const sparse_matrix *l = all->l;
    const uint64_t begin = column_begin(l, j);
    add(&work->sum, j, 1);
    for (uint32_t i = j; i < l->rows; i++) {
        const double value = work->sum.values[i];
        for (uint64_t at = l->indptr[i]; value != 0 && at < l->indptr[i + 1]; at++)
            add(&work->sum, l->indices[at], -value * l->values[at]);
    }
    work->sum.values[j] = 0; /* never among the largest: it has its own place */
    all->m->indices[begin] = j;
    all->m->values[begin] = 1;
    all->counts[j] = 1 + take_largest(work, &work->sum, column_room(l, j) - 1, all->m->indices + begin + 1,
                                      all->m->values + begin + 1);
    reset(&work->sum);
}

/* One minimal residual step of column j. */
static void improve_column(inverter *all, uint32_t j)
{
    workspace *work = &all->workspaces[thread_index()];
    all->squares[j] = fill_residual(all, work, j);
    const uint32_t count = take_largest(work, &work->residual, column_room(all->l, j), work->places, work->direction);
    add_product(all->l, work->places, work->direction, count, 1, &work->product);
    double along = 0, square = 0;
    for (uint32_t at = 0; at < work->product.count; at++) {
        const uint32_t index = work->product.indices[at];
        along += work->product.values[index] * work->residual.values[index];
        square += work->product.values[index] * work->product.values[index];
    }
    if (square > 0 && along > 0)
        move_column(all, work, j, along / square, count);
    reset(&work->residual);
    reset(&work->product);
}

/* m = 2e − L·e, the first step of a series. */
static void start_column(inverter *all, uint32_t j)
{
    const sparse_matrix *l = all->l;
    const uint64_t begin = column_begin(all->l, j), from = l->indptr[j];
    workspace *work = &all->workspaces[thread_index()];
    all->m->indices[begin] = j;
    all->m->values[begin] = 1;
    for (uint64_t at = from; at < l->indptr[j + 1]; at++)
        add(&work->sum, l->indices[at], -l->values[at]);
    all->counts[j] = 1 + take_largest(work, &work->sum, column_room(all->l, j) - 1, all->m->indices + begin + 1,
                                      all->m->values + begin + 1);
    reset(&work->sum);
}

static void measure_column(inverter *all, uint32_t j)
{
    workspace *work = &all->workspaces[thread_index()];
    all->squares[j] = fill_residual(all, work, j);
    reset(&work->residual);
}

/* One pass over the columns that are not skipped. */
static topn_status scan(topn_context *context, inverter *all, const char *stage, void (*visit)(inverter *, uint32_t))
{
    topn_status status = TOPN_OK;
    const uint32_t n = all->l->rows;
    for (uint32_t begin = 0; begin < n; begin += COLUMN_BATCH) {
        TRY(progress_report(context, stage, "columns", begin, n, NAN));
        const uint32_t end = n - begin < COLUMN_BATCH ? n : begin + COLUMN_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 16)
        for (uint32_t j = begin; j < end; j++)
            if (!all->skipped[j])
                visit(all, j);
    }
    status = progress_report(context, stage, "columns", n, n, NAN);
done:
    return status;
}

static double mean_square(const inverter *all)
{
    double sum = 0;
    for (uint32_t j = 0; j < all->l->rows; j++)
        sum += all->squares[j];
    return sum / all->l->rows;
}

static topn_status run_scans(topn_context *context, inverter *all, const inverse_settings *settings)
{
    topn_status status;
    const uint32_t n = all->l->rows;
    if (settings->solve) {
        TRY(scan(context, all, "invert", solve_column));
    } else {
        TRY(scan(context, all, "start", start_column));
        for (int step = 0; step < settings->scans; step++)
            TRY(scan(context, all, "scan", improve_column));
    }
    for (int step = 0; step < settings->finetune_steps && !settings->solve; step++) {
        TRY(scan(context, all, "measure", measure_column));
        const double mean = mean_square(all);
        for (uint32_t j = 0; j < n; j++)
            all->skipped[j] = all->squares[j] <= mean;
        TRY(scan(context, all, "finetune", improve_column));
        memset(all->skipped, 0, n);
    }
    TRY(scan(context, all, "measure", measure_column));
done:
    return status;
}

static void free_workspaces(workspace *all, int count)
{
    for (int i = 0; all && i < count; i++) {
        open_column_clear(&all[i].residual);
        open_column_clear(&all[i].product);
        open_column_clear(&all[i].sum);
        free(all[i].packed);
        free(all[i].scratch);
        free(all[i].chosen);
        free(all[i].direction);
        free(all[i].places);
    }
    free(all);
}

static topn_status make_workspaces(topn_context *context, uint32_t n, workspace **out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, out));
    for (int i = 0; i < context->threads; i++) {
        workspace *work = &(*out)[i];
        TRY(open_column_create(context, n, &work->residual));
        TRY(open_column_create(context, n, &work->product));
        TRY(open_column_create(context, n, &work->sum));
        TRY(ALLOCATE(context, n, &work->packed));
        TRY(ALLOCATE(context, n, &work->scratch));
        TRY(ALLOCATE(context, n, &work->chosen));
        TRY(ALLOCATE(context, n, &work->direction));
        TRY(ALLOCATE(context, n, &work->places));
    }
done:
    return status; /* the caller frees */
}

topn_status triangle_approximate_inverse(topn_context *context, const sparse_matrix *columns,
                                         const inverse_settings *settings, sparse_matrix *out, double *residual)
{
    topn_status status;
    const uint32_t n = columns->rows;
    inverter all = {.l = columns, .m = out};
    *out = (sparse_matrix){0};
    TRY(sparse_create(context, n, n, columns->indptr[n] + n, out));
    TRY(ALLOCATE(context, n, &all.counts));
    TRY(ALLOCATE_ZEROED(context, n, &all.squares));
    TRY(ALLOCATE_ZEROED(context, n, &all.skipped));
    TRY(make_workspaces(context, n, &all.workspaces));
    TRY(run_scans(context, &all, settings));
    *residual = sqrt(mean_square(&all));
    for (uint32_t j = 0; j < n; j++) {
        const uint64_t from = column_begin(columns, j), to = out->indptr[j];
        memmove(out->indices + to, out->indices + from, all.counts[j] * sizeof *out->indices);
        memmove(out->values + to, out->values + from, all.counts[j] * sizeof *out->values);
        out->indptr[j + 1] = to + all.counts[j];
    }
done:
    free_workspaces(all.workspaces, context->threads);
    free(all.counts);
    free(all.squares);
    free(all.skipped);
    if (status != TOPN_OK)
        sparse_clear(out);
    return status;
}

uint64_t triangle_inverse_bytes(uint64_t items, uint64_t entries, int threads)
{
    return 8 * (entries + items) + 24 * items + (uint64_t)threads * 60 * items;
}
