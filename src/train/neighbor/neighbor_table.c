/* SPDX-License-Identifier: Apache-2.0 */
#include "train/neighbor/neighbor_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"
#include "train/linear/gram_rows.h"

enum { ROW_BATCH = 2048 }; /* rows between two reports of progress */

typedef struct entry {
    float weight;
    uint32_t item;
} entry;

/* One thread's memory: the weights of a list and their items, and what is kept of them. */
typedef struct worker {
    gram_row row;
    float *weights;  /* [items] */
    uint32_t *items; /* [items] */
    entry *kept;     /* [items] */
} worker;

static int by_item(const void *a, const void *b)
{
    const uint32_t left = ((const entry *)a)->item, right = ((const entry *)b)->item;
    return (left > right) - (left < right);
}

/* The k largest of `count` weights, sorted by item, to own->kept. Returns how many. */
static uint32_t keep_k(worker *own, uint32_t count, uint32_t k)
{
    const magnitude_limit limit = magnitude_limit_of(own->weights, count, k);
    entry *kept = own->kept;
    uint32_t above = 0, ties = 0; /* ties stand at the end of the array until it is known which of them stay */
    for (uint32_t at = 0; at < count; at++) {
        const uint32_t order = magnitude_order(own->weights[at]);
        const entry found = {own->weights[at], own->items[at]};
        if (order > limit.order)
            kept[above++] = found;
        else if (order == limit.order && limit.ties)
            kept[count - ++ties] = found;
    }
    if (ties > limit.ties)
        qsort(kept + count - ties, ties, sizeof *kept, by_item);
    const uint32_t staying = ties < limit.ties ? ties : (uint32_t)limit.ties;
    memmove(kept + above, kept + count - ties, staying * sizeof *kept);
    qsort(kept, above + staying, sizeof *kept, by_item);
    return above + staying;
}

static double divisor(const entry *kept, uint32_t count, neighbor_scaling scaling)
{
    double sum = 0;
    for (uint32_t at = 0; at < count && scaling != SCALE_NONE; at++)
        sum += scaling == SCALE_SUM ? (double)kept[at].weight : (double)kept[at].weight * (double)kept[at].weight;
    return !(sum > 0) ? 1.0 : scaling == SCALE_SUM ? sum : sqrt(sum);
}

/* The list of item `r` into indices and values; returns its length. */
static uint32_t fill_list(const linear_system *system, const neighbor_params *params, neighbor_weight *weight,
                          const void *state, uint32_t r, worker *own, uint32_t *indices, float *values)
{
    uint32_t count = 0;
    gram_row_fill(system, r, 0, &own->row);
    for (uint32_t at = 0; at < own->row.count; at++) {
        const uint32_t other = own->row.columns[at];
        const double common = own->row.values[other];
        if (other == r || !(common > 0))
            continue;
        const float value = (float)(params->side == NEIGHBORS_OF_HISTORY ? weight(state, r, other, common)
                                                                         : weight(state, other, r, common));
        if (!(value > 0.0f))
            continue;
        own->weights[count] = value;
        own->items[count++] = other;
    }
    gram_row_reset(&own->row);
    const uint32_t k = params->k < count ? (uint32_t)params->k : count, kept = keep_k(own, count, k);
    const double divided_by = divisor(own->kept, kept, (neighbor_scaling)params->scaling);
    for (uint32_t at = 0; at < kept; at++) {
        indices[at] = own->kept[at].item;
        values[at] = (float)((double)own->kept[at].weight / divided_by);
    }
    return kept;
}

static void free_workers(worker *workers, int count)
{
    for (int i = 0; workers && i < count; i++) {
        gram_row_clear(&workers[i].row);
        free(workers[i].weights);
        free(workers[i].items);
        free(workers[i].kept);
    }
    free(workers);
}

static topn_status make_workers(topn_context *context, uint32_t items, worker **out)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, out));
    for (int i = 0; i < context->threads; i++) {
        worker *own = &(*out)[i];
        TRY(gram_row_create(context, items, &own->row));
        TRY(ALLOCATE(context, items, &own->weights));
        TRY(ALLOCATE(context, items, &own->items));
        TRY(ALLOCATE(context, items, &own->kept));
    }
done:
    return status;
}

/* Most entries that a list can have. */
static uint64_t list_room(const neighbor_params *params, uint32_t items)
{
    const uint64_t others = items - 1;
    return (uint64_t)params->k < others ? (uint64_t)params->k : others;
}

/* Lists that stand `room` apart, their lengths in indptr[r + 1], moved together. */
static topn_status close_up(topn_context *context, sparse_matrix *lists, uint64_t room)
{
    topn_status status;
    for (uint32_t r = 0; r < lists->rows; r++) {
        const uint64_t count = lists->indptr[r + 1], to = lists->indptr[r];
        memmove(lists->indices + to, lists->indices + r * room, count * sizeof *lists->indices);
        memmove(lists->values + to, lists->values + r * room, count * sizeof *lists->values);
        lists->indptr[r + 1] = to + count;
    }
    TRY(RESIZE(context, lists->indptr[lists->rows], &lists->indices));
    TRY(RESIZE(context, lists->indptr[lists->rows], &lists->values));
done:
    return status;
}

topn_status neighbor_table(topn_context *context, const linear_system *system, const neighbor_params *params,
                           neighbor_weight *weight, const void *state, sparse_matrix *out)
{
    topn_status status;
    worker *workers = NULL; /* [threads] */
    sparse_matrix lists = {0};
    const uint32_t n = system->x.columns;
    const uint64_t room = list_room(params, n);
    *out = (sparse_matrix){0};
    TRY(make_workers(context, n, &workers));
    TRY(sparse_create(context, n, n, room * n, &lists));
    for (uint32_t begin = 0; begin < n; begin += ROW_BATCH) {
        TRY(progress_report(context, "neighbors", "items", begin, n, NAN));
        const uint32_t end = n - begin < ROW_BATCH ? n : begin + ROW_BATCH;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
        for (uint32_t r = begin; r < end; r++)
            lists.indptr[r + 1] = fill_list(system, params, weight, state, r, &workers[thread_index()],
                                            lists.indices + r * room, lists.values + r * room);
    }
    TRY(close_up(context, &lists, room));
    if (params->side == NEIGHBORS_OF_RECOMMENDED) {
        TRY(sparse_transpose(context, &lists, out));
    } else {
        *out = lists;
        lists = (sparse_matrix){0};
    }
    status = progress_report(context, "neighbors", "items", n, n, NAN);
done:
    free_workers(workers, context->threads);
    sparse_clear(&lists);
    if (status != TOPN_OK)
        sparse_clear(out);
    return status;
}

void neighbor_diagonal(const linear_system *system, double *out)
{
    const sparse_matrix *xt = &system->xt;
    for (uint32_t item = 0; item < xt->rows; item++) {
        out[item] = 0;
        for (uint64_t at = xt->indptr[item]; at < xt->indptr[item + 1]; at++)
            out[item] += system->user_weights[xt->indices[at]] * (double)xt->values[at] * (double)xt->values[at];
    }
}

training_cost neighbor_cost(const topn_data *data, const neighbor_params *params)
{
    const sparse_matrix *x = &data->matrix;
    const uint64_t n = x->columns, events = x->indptr[x->rows];
    const uint64_t system = 16 * events + 24 * ((uint64_t)x->rows + n); /* X and Xᵀ, weights and offsets */
    const uint64_t histories = 8 * (events + x->rows);                  /* kept in the model */
    const uint64_t lists = 8 * n * list_room(params, x->columns) + 8 * n;
    const uint64_t worker_bytes = gram_row_bytes(n) + n * (sizeof(float) + sizeof(uint32_t) + sizeof(entry));
    double pairs = 0; /* additions to the rows of the Gram matrix */
    for (uint32_t user = 0; user < x->rows; user++)
        pairs += pow((double)(x->indptr[user + 1] - x->indptr[user]), 2);
    return (training_cost){
        .bytes = system + histories + (params->side == NEIGHBORS_OF_RECOMMENDED ? 2 : 1) * lists +
                 (uint64_t)threads_available() * worker_bytes + 64 * n,
        .flops = 2 * pairs,
        .remedy = "keep fewer neighbours with --k, or drop rare items with --min-item-events",
    };
}
