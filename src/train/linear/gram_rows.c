/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/gram_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sparse.h"

enum { ROW_BATCH = 4096 }; /* rows between two reports of progress */

topn_status gram_row_create(topn_context *context, uint32_t items, gram_row *out)
{
    topn_status status;
    *out = (gram_row){0};
    TRY(ALLOCATE_ZEROED(context, items, &out->values));
    TRY(ALLOCATE(context, items, &out->columns));
    TRY(ALLOCATE_ZEROED(context, items, &out->touched));
    return TOPN_OK;
done:
    gram_row_clear(out);
    return status;
}

void gram_row_clear(gram_row *row)
{
    free(row->values);
    free(row->columns);
    free(row->touched);
    *row = (gram_row){0};
}

uint64_t gram_row_bytes(uint64_t items)
{
    return items * (sizeof(float) + sizeof(uint32_t) + 1);
}

void gram_row_fill(const linear_system *system, uint32_t item, uint32_t cap, gram_row *row)
{
    const sparse_matrix *x = &system->x, *xt = &system->xt;
    for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++) {
        const uint32_t user = xt->indices[at];
        const float scale = (float)(system->user_weights[user] * xt->values[at]);
        const uint32_t *columns = x->indices + x->indptr[user];
        const float *values = x->values + x->indptr[user];
        const uint64_t length = x->indptr[user + 1] - x->indptr[user];
        if (!cap || length <= cap) {
            for (uint64_t other = 0; other < length; other++)
                gram_row_add(row, columns[other], scale * values[other]);
            continue;
        }
        gram_row_add(row, item, scale * xt->values[at]);
        for (uint64_t step = 0; step < cap; step++) {
            const uint64_t other = step * length / cap;
            if (columns[other] != item)
                gram_row_add(row, columns[other], scale * values[other]);
        }
    }
}

void gram_row_reset(gram_row *row)
{
    for (uint32_t at = 0; at < row->count; at++) {
        row->values[row->columns[at]] = 0.0f;
        row->touched[row->columns[at]] = 0;
    }
    row->count = 0;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

void indices_sort(uint32_t *indices, size_t count)
{
    qsort(indices, count, sizeof *indices, ascending);
}

void gram_row_sort(gram_row *row)
{
    indices_sort(row->columns, row->count);
}

static void free_rows(gram_row *rows, int count)
{
    for (int i = 0; rows && i < count; i++)
        gram_row_clear(&rows[i]);
    free(rows);
}

/* One accumulator a thread. */
static topn_status make_rows(topn_context *context, uint32_t items, gram_row **out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, out));
    for (int thread = 0; thread < context->threads; thread++)
        TRY(gram_row_create(context, items, &(*out)[thread]));
    return TOPN_OK;
done:
    free_rows(*out, context->threads);
    *out = NULL;
    return status;
}

/* counts [rows] of G's non-zeros. */
static topn_status count_rows(topn_context *context, const linear_system *system, uint64_t *counts)
{
    topn_status status;
    gram_row *rows = NULL; /* [threads] */
    const uint32_t n = system->x.columns;
    TRY(make_rows(context, n, &rows));
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "count", "rows", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++) {
            gram_row *row = &rows[thread_index()];
            gram_row_fill(system, r, 0, row);
            counts[r] = row->count;
            gram_row_reset(row);
        }
    }
    status = progress_report(context, "count", "rows", n, n, NAN);
done:
    free_rows(rows, context->threads);
    return status;
}

topn_status gram_count_nonzeros(topn_context *context, const linear_system *system, uint64_t *out)
{
    topn_status status;
    uint64_t *counts = NULL; /* [rows] */
    *out = 0;
    TRY(ALLOCATE(context, system->x.columns, &counts));
    TRY(count_rows(context, system, counts));
    for (uint32_t r = 0; r < system->x.columns; r++)
        *out += counts[r];
done:
    free(counts);
    return status;
}

topn_status gram_sparse(topn_context *context, const linear_system *system, sparse_matrix *out)
{
    topn_status status;
    uint64_t *counts = NULL; /* [rows] */
    gram_row *rows = NULL;   /* [threads] */
    const uint32_t n = system->x.columns;
    uint64_t nonzeros = 0;
    *out = (sparse_matrix){0};
    TRY(ALLOCATE(context, n, &counts));
    TRY(count_rows(context, system, counts));
    for (uint32_t r = 0; r < n; r++)
        nonzeros += counts[r];
    TRY(sparse_create(context, n, n, nonzeros, out));
    for (uint32_t r = 0; r < n; r++)
        out->indptr[r + 1] = out->indptr[r] + counts[r];
    TRY(make_rows(context, n, &rows));
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "gram", "rows", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++) {
            gram_row *row = &rows[thread_index()];
            gram_row_fill(system, r, 0, row);
            gram_row_sort(row);
            for (uint32_t at = 0; at < row->count; at++) {
                out->indices[out->indptr[r] + at] = row->columns[at];
                out->values[out->indptr[r] + at] = row->values[row->columns[at]];
            }
            gram_row_reset(row);
        }
    }
    status = progress_report(context, "gram", "rows", n, n, NAN);
done:
    free_rows(rows, context->threads);
    free(counts);
    if (status != TOPN_OK)
        sparse_clear(out);
    return status;
}
