/* SPDX-License-Identifier: Apache-2.0
 *
 * The global threshold is found as in prune.c: a histogram of the upper halves of the magnitudes' bit patterns, then
 * one of the lower halves within the bin that holds the last entry kept.
 */
#include "numeric/prune_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sparse.h"

enum { HALF_BINS = 1 << 16 };

static inline uint32_t magnitude_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffffu;
}

/* What is asked of every row, and where the answers go. */
typedef struct row_task row_task;
struct row_task {
    /* `values` [width] is row r; index of the thread. */
    void (*visit)(const row_task *, size_t r, const float *values, size_t width, int thread);
    int64_t prefix;     /* count: −1, or the upper half that lower halves are counted of */
    uint64_t *counts;   /* count: [threads × HALF_BINS] */
    uint32_t threshold; /* tally, take: the magnitude from which entries are kept */
    uint64_t *above;    /* tally: [rows] entries above it; take: offsets of the rows in the result */
    uint64_t *equal;    /* [rows] entries equal to it (tally), and so many of them kept (take) */
    uint32_t k;         /* prune: entries kept of a row */
    uint32_t *bits;     /* prune: [threads × columns] scratch */
    sparse_matrix *out; /* take, prune */
};

static topn_status visit_rows(topn_context *context, const row_stream *stream, const row_task *task)
{
    topn_status status;
    float *scratch = NULL; /* [threads × STREAM_BLOCK × columns] */
    const size_t blocks = (stream->rows + STREAM_BLOCK - 1) / STREAM_BLOCK;
    const size_t share = stream->needs_scratch ? (size_t)STREAM_BLOCK * stream->columns : 0;
    TRY(ALLOCATE(context, (size_t)context->threads * share, &scratch));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (size_t block = 0; block < blocks; block++) {
        const float *row[STREAM_BLOCK];
        size_t width[STREAM_BLOCK];
        const int thread = thread_index();
        const size_t first = block * STREAM_BLOCK, left = stream->rows - first;
        const size_t count = left < STREAM_BLOCK ? left : STREAM_BLOCK;
        stream->make(stream->matrix, first, count, scratch + (size_t)thread * share, row, width);
        for (size_t i = 0; i < count; i++)
            task->visit(task, first + i, row[i], width[i], thread);
    }
done:
    free(scratch);
    return status;
}

static void count_row(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    (void)r;
    uint64_t *mine = task->counts + (size_t)thread * HALF_BINS;
    for (size_t c = 0; c < width; c++) {
        const uint32_t bits = magnitude_bits(values[c]);
        if (task->prefix < 0)
            mine[bits >> 16]++;
        else if (bits >> 16 == (uint32_t)task->prefix)
            mine[bits & 0xffff]++;
    }
}

static void tally_row(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    (void)thread;
    uint64_t more = 0, same = 0;
    for (size_t c = 0; c < width; c++) {
        const uint32_t bits = magnitude_bits(values[c]);
        more += bits > task->threshold;
        same += bits == task->threshold;
    }
    task->above[r] = more;
    task->equal[r] = task->threshold ? same : 0;
}

static void take_row(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    (void)thread;
    uint64_t to = task->above[r], ties = task->equal[r];
    for (size_t c = 0; c < width; c++) {
        const uint32_t bits = magnitude_bits(values[c]);
        if (bits < task->threshold || bits == 0 || (bits == task->threshold && ties == 0))
            continue;
        ties -= bits == task->threshold;
        task->out->indices[to] = (uint32_t)c;
        task->out->values[to++] = values[c];
    }
}

/* Walks down the bins of all threads' counts until *wanted entries are passed; *wanted becomes what is still to come
 * of the bin returned. The first thread's counts become the sums. */
static uint32_t bin_of_rank(uint64_t *counts, int threads, uint64_t *wanted)
{
    for (size_t at = HALF_BINS; at < (size_t)threads * HALF_BINS; at++)
        counts[at % HALF_BINS] += counts[at];
    uint32_t bin = HALF_BINS - 1;
    while (bin > 0 && counts[bin] < *wanted)
        *wanted -= counts[bin--];
    return bin;
}

/* The magnitude of the entry of rank *wanted; *wanted becomes how many entries equal to it are kept. */
static topn_status find_threshold(topn_context *context, const row_stream *stream, uint64_t *wanted,
                                  uint32_t *threshold)
{
    topn_status status;
    const size_t bins = (size_t)context->threads * HALF_BINS;
    row_task task = {.visit = count_row, .prefix = -1};
    TRY(ALLOCATE_ZEROED(context, bins, &task.counts));
    TRY(progress_report(context, "prune", "passes", 0, 4, NAN));
    TRY(visit_rows(context, stream, &task));
    const uint32_t upper = bin_of_rank(task.counts, context->threads, wanted);
    memset(task.counts, 0, bins * sizeof *task.counts);
    task.prefix = upper;
    TRY(progress_report(context, "prune", "passes", 1, 4, NAN));
    TRY(visit_rows(context, stream, &task));
    *threshold = upper << 16 | bin_of_rank(task.counts, context->threads, wanted);
done:
    free(task.counts);
    return status;
}

topn_status stream_prune_global(topn_context *context, const row_stream *stream, uint64_t keep, sparse_matrix *out)
{
    topn_status status;
    row_task task = {.visit = tally_row, .out = out};
    const uint64_t cells = (uint64_t)stream->rows * stream->columns;
    uint64_t wanted = keep < cells ? keep : cells, nonzeros = 0;
    *out = (sparse_matrix){0};
    TRY(ALLOCATE(context, stream->rows, &task.above));
    TRY(ALLOCATE(context, stream->rows, &task.equal));
    TRY(find_threshold(context, stream, &wanted, &task.threshold));
    TRY(progress_report(context, "prune", "passes", 2, 4, NAN));
    TRY(visit_rows(context, stream, &task));
    for (size_t r = 0; r < stream->rows; r++) {
        task.equal[r] = task.equal[r] < wanted ? task.equal[r] : wanted;
        wanted -= task.equal[r];
        nonzeros += task.above[r] + task.equal[r];
    }
    TRY(sparse_create(context, (uint32_t)stream->rows, (uint32_t)stream->columns, nonzeros, out));
    for (size_t r = 0; r < stream->rows; r++) {
        out->indptr[r + 1] = out->indptr[r] + task.above[r] + task.equal[r];
        task.above[r] = out->indptr[r];
    }
    task.visit = take_row;
    TRY(progress_report(context, "prune", "passes", 3, 4, NAN));
    TRY(visit_rows(context, stream, &task));
    status = progress_report(context, "prune", "passes", 4, 4, NAN);
done:
    if (status != TOPN_OK)
        sparse_clear(out);
    free(task.above);
    free(task.equal);
    return status;
}

static void prune_one(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    sparse_matrix *out = task->out;
    const uint64_t room = task->k;
    out->indptr[r + 1] = prune_row(values, width, task->k, task->bits + (size_t)thread * out->columns,
                                   out->indices + r * room, out->values + r * room);
}

topn_status stream_prune_rows(topn_context *context, const row_stream *stream, uint32_t k, sparse_matrix *out)
{
    topn_status status;
    sparse_matrix wide = {0}; /* room for k entries a row, then closed up */
    row_task task = {.visit = prune_one, .k = k < stream->columns ? k : (uint32_t)stream->columns, .out = &wide};
    *out = (sparse_matrix){0};
    TRY(progress_report(context, "prune", "rows", 0, stream->rows, NAN));
    TRY(ALLOCATE(context, (size_t)context->threads * stream->columns, &task.bits));
    TRY(sparse_create(context, (uint32_t)stream->rows, (uint32_t)stream->columns, (uint64_t)task.k * stream->rows,
                      &wide));
    TRY(visit_rows(context, stream, &task));
    TRY(sparse_close_up(context, &wide, task.k));
    TRY(progress_report(context, "prune", "rows", stream->rows, stream->rows, NAN));
    *out = wide;
    wide = (sparse_matrix){0};
done:
    sparse_clear(&wide);
    free(task.bits);
    return status;
}

uint64_t stream_scratch_bytes(int threads, size_t columns)
{
    return (uint64_t)threads *
           (STREAM_BLOCK * columns * sizeof(float) + columns * sizeof(uint32_t) + HALF_BINS * sizeof(uint64_t));
}
