/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/pattern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sparse.h"
#include "train/linear/gram_rows.h"

enum { ROW_BATCH = 4096 }; /* rows between two reports of progress */

typedef struct cell {
    float value, rank; /* rank: what the order goes by */
    uint32_t column;
} cell;

/* The statistics of each column of X, and room to work for each thread. */
typedef struct moments {
    double total;    /* M */
    double *mean;    /* [items] μ */
    double *scaling; /* [items] v^(−α/2); 0 for an item without variance */
    gram_row *rows;  /* [threads] */
    cell *heap;      /* [threads × keep] */
} moments;

static void moments_clear(moments *all, int threads)
{
    for (int thread = 0; all->rows && thread < threads; thread++)
        gram_row_clear(&all->rows[thread]);
    free(all->rows);
    free(all->heap);
    free(all->mean);
    free(all->scaling);
}

static topn_status moments_create(topn_context *context, const linear_system *system, double alpha, uint32_t keep,
                                  moments *out)
{
    topn_status status;
    const sparse_matrix *xt = &system->xt;
    *out = (moments){0};
    TRY(ALLOCATE(context, xt->rows, &out->mean));
    TRY(ALLOCATE(context, xt->rows, &out->scaling));
    TRY(ALLOCATE(context, (size_t)context->threads * keep, &out->heap));
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &out->rows));
    for (int thread = 0; thread < context->threads; thread++)
        TRY(gram_row_create(context, xt->rows, &out->rows[thread]));
    for (uint32_t user = 0; user < system->x.rows; user++)
        out->total += system->user_weights[user];
    for (uint32_t item = 0; item < xt->rows; item++) {
        double sum = 0, squares = 0;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++) {
            const double weighted = system->user_weights[xt->indices[at]] * xt->values[at];
            sum += weighted;
            squares += weighted * xt->values[at];
        }
        const double variance = squares - sum * sum / out->total;
        out->mean[item] = sum / out->total;
        out->scaling[item] = variance > 1e-9 * squares ? pow(variance, -alpha / 2) : 0.0;
    }
done:
    return status; /* the caller clears */
}

/* Is a weaker than b? A total order, so that the choice depends on nothing else. */
static inline bool weaker(const cell *a, const cell *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->column > b->column;
}

/* heap [count], its weakest at the root: restores the order from `at` downwards. */
static void sift_down(cell *heap, uint32_t count, uint32_t at)
{
    const cell moved = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && weaker(&heap[child + 1], &heap[child]))
            child++;
        if (!weaker(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static int by_column(const void *a, const void *b)
{
    const uint32_t left = ((const cell *)a)->column, right = ((const cell *)b)->column;
    return (left > right) - (left < right);
}

/* value(item, column) from a filled row of G. */
static inline double value_of(const moments *all, const gram_row *row, uint32_t item, uint32_t column)
{
    const double expected = all->total * all->mean[item] * all->mean[column];
    return ((double)row->values[column] - expected) * all->scaling[item] * all->scaling[column];
}

/* The anchors and the strongest others of a filled row of G, columns ascending, to chosen [keep]; gives their number.
 */
static uint32_t choose(const moments *all, const gram_row *row, uint32_t item, const pattern_settings *settings,
                       uint32_t keep, cell *chosen)
{
    const uint32_t anchors = settings->anchors < item ? settings->anchors : item;
    for (uint32_t column = 0; column < anchors; column++)
        chosen[column] = (cell){(float)value_of(all, row, item, column), 0, column};
    cell *heap = chosen + anchors;
    uint32_t count = 0;
    keep -= anchors;
    for (uint32_t at = 0; at < row->count && keep; at++) {
        const uint32_t column = row->columns[at];
        if (column == item || column < anchors || (settings->earlier_only && column > item))
            continue;
        const double value = value_of(all, row, item, column);
        const cell candidate = {(float)value, (float)(settings->by_magnitude ? fabs(value) : value), column};
        if (!((double)candidate.rank >= settings->threshold))
            continue;
        if (count < keep) {
            heap[count++] = candidate;
            if (count == keep)
                for (uint32_t root = count / 2; root-- > 0;)
                    sift_down(heap, count, root);
        } else if (weaker(&heap[0], &candidate)) {
            heap[0] = candidate;
            sift_down(heap, count, 0);
        }
    }
    qsort(heap, count, sizeof *heap, by_column);
    return anchors + count;
}

topn_status pattern_create(topn_context *context, const linear_system *system, const pattern_settings *settings,
                           sparse_matrix *out)
{
    topn_status status;
    const uint32_t n = system->x.columns, keep = settings->keep < n ? settings->keep : n;
    uint32_t *counts = NULL; /* [items] */
    moments all;
    *out = (sparse_matrix){0};
    TRY(moments_create(context, system, settings->alpha, keep, &all));
    TRY(ALLOCATE(context, n, &counts));
    TRY(sparse_create(context, n, n, (uint64_t)n * keep, out));
    for (uint32_t r = 0; r < n; r++)
        out->indptr[r] = (uint64_t)r * keep;
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "pattern", "rows", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++) {
            gram_row *row = &all.rows[thread_index()];
            cell *heap = all.heap + (size_t)thread_index() * keep;
            gram_row_fill(system, r, settings->cap, row);
            counts[r] = choose(&all, row, r, settings, keep, heap);
            for (uint32_t at = 0; at < counts[r]; at++) {
                out->indices[(uint64_t)r * keep + at] = heap[at].column;
                out->values[(uint64_t)r * keep + at] = heap[at].value;
            }
            gram_row_reset(row);
        }
    }
    TRY(sparse_close_gaps(context, counts, out));
    status = progress_report(context, "pattern", "rows", n, n, NAN);
done:
    moments_clear(&all, context->threads);
    free(counts);
    if (status != TOPN_OK)
        sparse_clear(out);
    return status;
}

uint64_t pattern_bytes(uint64_t items, uint64_t keep, int threads)
{
    keep = keep < items ? keep : items;
    const uint64_t entry = sizeof(uint32_t) + sizeof(float),
                   item = sizeof(uint64_t) + sizeof(uint32_t) + 2 * sizeof(double);
    return items * (keep * entry + item) + (uint64_t)threads * (gram_row_bytes(items) + keep * sizeof(cell));
}

/* Merges row r of a and of b into indices and values (NULL: only counts); gives the number of entries. */
static uint64_t merge_rows(const sparse_matrix *a, const sparse_matrix *b, uint32_t r, uint32_t *indices, float *values)
{
    uint64_t left = a->indptr[r], right = b->indptr[r], to = 0;
    while (left < a->indptr[r + 1] || right < b->indptr[r + 1]) {
        const bool has_left = left < a->indptr[r + 1], has_right = right < b->indptr[r + 1];
        const bool take_left = has_left && (!has_right || a->indices[left] <= b->indices[right]);
        const bool take_right = has_right && (!has_left || b->indices[right] <= a->indices[left]);
        const uint32_t column = take_left ? a->indices[left] : b->indices[right];
        const float first = take_left ? a->values[left++] : 0.0f, second = take_right ? b->values[right++] : 0.0f;
        if (indices) {
            indices[to] = column;
            values[to] = fabsf(first) >= fabsf(second) ? first : second;
        }
        to++;
    }
    return to;
}

topn_status pattern_symmetrize(topn_context *context, const sparse_matrix *pattern, sparse_matrix *out)
{
    topn_status status;
    const uint32_t n = pattern->rows;
    sparse_matrix other = {0};
    uint64_t total = 0;
    *out = (sparse_matrix){0};
    TRY(sparse_transpose(context, pattern, &other));
    for (uint32_t r = 0; r < n; r++)
        total += merge_rows(pattern, &other, r, NULL, NULL);
    TRY(sparse_create(context, n, n, total, out));
    for (uint32_t r = 0; r < n; r++) {
        const uint64_t begin = out->indptr[r];
        out->indptr[r + 1] = begin + merge_rows(pattern, &other, r, out->indices + begin, out->values + begin);
    }
done:
    sparse_clear(&other);
    return status;
}
