/* SPDX-License-Identifier: Apache-2.0
 *
 * Global pruning in one pass and a bit. A sample of the blocks says from which magnitude on entries may be among those
 * kept; one pass over all blocks collects these candidates; the threshold is exact among them. Where the sample
 * promised too much, every block is asked first. Magnitudes are compared as bit patterns, as in prune.c.
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

enum {
    SAMPLE = 16,       /* every so many blocks are in the sample, … */
    SAMPLE_LEAST = 64, /* … where there are so many blocks at least */
    CHUNK = 32         /* values compared at once */
};
static const double sample_margin = 1.25; /* candidates looked for, per entry kept */

/* Candidates of one block of rows, row by row. */
typedef struct candidates {
    uint32_t count[STREAM_BLOCK];
    uint32_t *indices; /* [room], the first `used` are set */
    float *values;
    size_t used, room;
} candidates;

/* What is asked of every row, and where the answers go. */
typedef struct row_task row_task;
struct row_task {
    /* `values` [width] is row r. False when memory has run out. */
    bool (*visit)(const row_task *, size_t r, const float *values, size_t width, int thread);
    size_t stride;      /* every so many blocks are visited */
    uint64_t *counts;   /* count: [threads × HALF_BINS] */
    uint32_t threshold; /* collect: the magnitude from which entries are candidates */
    candidates *blocks; /* collect: [blocks] */
    uint32_t k;         /* prune: entries kept of a row */
    uint32_t *bits;     /* prune: [threads × columns] scratch */
    sparse_matrix *out; /* prune */
};

static size_t block_count(const row_stream *stream)
{
    return (stream->rows + STREAM_BLOCK - 1) / STREAM_BLOCK;
}

static topn_status visit_rows(topn_context *context, const row_stream *stream, const row_task *task)
{
    topn_status status;
    float *scratch = NULL; /* [threads × STREAM_BLOCK × columns] */
    bool failed = false;
    const size_t blocks = block_count(stream);
    const size_t share = stream->needs_scratch ? (size_t)STREAM_BLOCK * stream->columns : 0;
    TRY(ALLOCATE(context, (size_t)context->threads * share, &scratch));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic) reduction(|| : failed)
    for (size_t block = 0; block < blocks; block += task->stride) {
        const float *row[STREAM_BLOCK];
        size_t width[STREAM_BLOCK];
        const int thread = thread_index();
        const size_t first = block * STREAM_BLOCK, left = stream->rows - first;
        const size_t count = left < STREAM_BLOCK ? left : STREAM_BLOCK;
        stream->make(stream->matrix, first, count, scratch + (size_t)thread * share, row, width);
        for (size_t i = 0; i < count; i++)
            failed = !task->visit(task, first + i, row[i], width[i], thread) || failed;
    }
    if (failed)
        status = fail_memory(context, stream->columns * sizeof(float));
done:
    free(scratch);
    return status;
}

static bool count_row(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    (void)r;
    uint64_t *mine = task->counts + (size_t)thread * HALF_BINS;
    for (size_t c = 0; c < width; c++)
        mine[magnitude_bits(values[c]) >> 16]++;
    return true;
}

/* Room for all of a row of `width`. */
static bool make_room(candidates *block, size_t width)
{
    if (block->room - block->used >= width)
        return true;
    const size_t room = block->used + block->used / 2 + width;
    if (RESIZE(NULL, room, &block->indices) != TOPN_OK || RESIZE(NULL, room, &block->values) != TOPN_OK)
        return false;
    block->room = room;
    return true;
}

static bool any_from(const float *values, size_t count, uint32_t threshold)
{
    uint32_t above = 0;
    for (size_t c = 0; c < count; c++)
        above |= magnitude_bits(values[c]) >= threshold;
    return above != 0;
}

static bool collect_row(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    (void)thread;
    candidates *block = &task->blocks[r / STREAM_BLOCK];
    if (!make_room(block, width))
        return false;
    size_t to = block->used;
    for (size_t begin = 0; begin < width; begin += CHUNK) {
        const size_t end = width - begin < CHUNK ? width : begin + CHUNK;
        if (end - begin == CHUNK && !any_from(values + begin, CHUNK, task->threshold))
            continue;
        for (size_t c = begin; c < end; c++) {
            if (magnitude_bits(values[c]) < task->threshold)
                continue;
            block->indices[to] = (uint32_t)c;
            block->values[to++] = values[c];
        }
    }
    block->count[r % STREAM_BLOCK] = (uint32_t)(to - block->used);
    block->used = to;
    return true;
}

/* Walks down the bins until *wanted entries are passed; *wanted becomes what is still to come of the bin returned. */
static uint32_t bin_of_rank(const uint64_t *counts, uint64_t *wanted)
{
    uint32_t bin = HALF_BINS - 1;
    while (bin > 0 && counts[bin] < *wanted)
        *wanted -= counts[bin--];
    return bin;
}

/* A magnitude above 0 from which on about `wanted` entries are found in every stride-th block; exactly that many or
 * more with stride 1, if there are so many. */
static topn_status choose_candidates(topn_context *context, const row_stream *stream, size_t stride, uint64_t wanted,
                                     uint32_t *threshold)
{
    topn_status status;
    const size_t threads = (size_t)context->threads;
    row_task task = {.visit = count_row, .stride = stride};
    TRY(ALLOCATE_ZEROED(context, threads * HALF_BINS, &task.counts));
    TRY(visit_rows(context, stream, &task));
    for (size_t at = HALF_BINS; at < threads * HALF_BINS; at++)
        task.counts[at % HALF_BINS] += task.counts[at];
    *threshold = bin_of_rank(task.counts, &wanted) << 16;
    *threshold += *threshold == 0;
done:
    free(task.counts);
    return status;
}

static void free_candidates(candidates *blocks, size_t count)
{
    for (size_t block = 0; blocks && block < count; block++) {
        free(blocks[block].indices);
        free(blocks[block].values);
    }
    free(blocks);
}

/* At least `keep` candidates, or all entries but zeros where there are fewer. */
static topn_status collect(topn_context *context, const row_stream *stream, uint64_t keep, candidates **out)
{
    topn_status status;
    const size_t blocks = block_count(stream);
    row_task task = {.visit = collect_row, .stride = 1};
    for (size_t stride = blocks >= SAMPLE_LEAST ? SAMPLE : 1;; stride = 1) {
        const double share = stride == 1 ? 1.0 : sample_margin / (double)stride;
        TRY(progress_report(context, "prune", "passes", 0, 3, NAN));
        TRY(choose_candidates(context, stream, stride, (uint64_t)((double)keep * share), &task.threshold));
        TRY(progress_report(context, "prune", "passes", 1, 3, NAN));
        TRY(ALLOCATE_ZEROED(context, blocks, &task.blocks));
        TRY(visit_rows(context, stream, &task));
        uint64_t found = 0;
        for (size_t block = 0; block < blocks; block++)
            found += task.blocks[block].used;
        if (found >= keep || stride == 1)
            break;
        free_candidates(task.blocks, blocks);
        task.blocks = NULL;
    }
    *out = task.blocks;
    return TOPN_OK;
done:
    free_candidates(task.blocks, blocks);
    return status;
}

/* The magnitude of the entry of rank *wanted; *wanted becomes how many equal to it are kept. 1 when there are fewer. */
static topn_status exact_threshold(topn_context *context, const candidates *blocks, size_t count, uint64_t *wanted,
                                   uint32_t *threshold)
{
    topn_status status;
    uint64_t *counts = NULL; /* [HALF_BINS] */
    uint32_t prefix = 0;
    TRY(ALLOCATE(context, HALF_BINS, &counts));
    for (int lower = 0; lower < 2; lower++) {
        memset(counts, 0, HALF_BINS * sizeof *counts);
        for (size_t block = 0; block < count; block++)
            for (size_t at = 0; at < blocks[block].used; at++) {
                const uint32_t bits = magnitude_bits(blocks[block].values[at]);
                if (!lower)
                    counts[bits >> 16]++;
                else if (bits >> 16 == prefix)
                    counts[bits & 0xffff]++;
            }
        if (!lower)
            prefix = bin_of_rank(counts, wanted);
    }
    *threshold = prefix << 16 | bin_of_rank(counts, wanted);
    *threshold += *threshold == 0;
done:
    free(counts);
    return status;
}

/* The candidates above the threshold and the first `ties` equal to it, in row-major order. */
static topn_status take(topn_context *context, const row_stream *stream, const candidates *blocks, uint32_t threshold,
                        uint64_t ties, uint64_t keep, sparse_matrix *out)
{
    uint64_t to = 0;
    topn_status status;
    TRY(sparse_create(context, (uint32_t)stream->rows, (uint32_t)stream->columns, keep, out));
    for (size_t r = 0, at = 0; r < stream->rows; r++) {
        const candidates *block = &blocks[r / STREAM_BLOCK];
        at = r % STREAM_BLOCK ? at : 0;
        for (const size_t end = at + block->count[r % STREAM_BLOCK]; at < end; at++) {
            const uint32_t bits = magnitude_bits(block->values[at]);
            if (bits < threshold || (bits == threshold && ties == 0))
                continue;
            ties -= bits == threshold;
            out->indices[to] = block->indices[at];
            out->values[to++] = block->values[at];
        }
        out->indptr[r + 1] = to;
    }
    if (to < keep) {
        TRY(RESIZE(context, to, &out->indices));
        TRY(RESIZE(context, to, &out->values));
    }
done:
    return status;
}

topn_status stream_prune_global(topn_context *context, const row_stream *stream, uint64_t keep, sparse_matrix *out)
{
    topn_status status;
    candidates *blocks = NULL; /* [block_count] */
    uint32_t threshold = 0;
    const uint64_t cells = (uint64_t)stream->rows * stream->columns;
    *out = (sparse_matrix){0};
    keep = keep < cells ? keep : cells;
    TRY(collect(context, stream, keep, &blocks));
    TRY(progress_report(context, "prune", "passes", 2, 3, NAN));
    uint64_t ties = keep;
    TRY(exact_threshold(context, blocks, block_count(stream), &ties, &threshold));
    TRY(take(context, stream, blocks, threshold, ties, keep, out));
    status = progress_report(context, "prune", "passes", 3, 3, NAN);
done:
    if (status != TOPN_OK)
        sparse_clear(out);
    free_candidates(blocks, block_count(stream));
    return status;
}

static bool prune_one(const row_task *task, size_t r, const float *values, size_t width, int thread)
{
    sparse_matrix *out = task->out;
    const uint64_t room = task->k;
    out->indptr[r + 1] = prune_row(values, width, task->k, task->bits + (size_t)thread * out->columns,
                                   out->indices + r * room, out->values + r * room);
    return true;
}

topn_status stream_prune_rows(topn_context *context, const row_stream *stream, uint32_t k, sparse_matrix *out)
{
    topn_status status;
    sparse_matrix wide = {0}; /* room for k entries a row, then closed up */
    row_task task = {
        .visit = prune_one, .stride = 1, .k = k < stream->columns ? k : (uint32_t)stream->columns, .out = &wide};
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
