/* SPDX-License-Identifier: Apache-2.0
 *
 * The lower triangle is cut into tiles, and the rows into parts where that alone gives too few tasks. Parts are summed
 * in their order; their number depends on the columns alone.
 */
#include "numeric/weighted_gram.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

enum { TILE = 128, CHUNK = 256, MOST_PARTS = 16 };

static size_t tile_count(size_t columns)
{
    return (columns + TILE - 1) / TILE;
}

static size_t part_count(size_t columns)
{
    const size_t tiles = tile_count(columns), parts = MOST_PARTS / (tiles * tiles);
    return parts ? parts : 1;
}

static size_t tile_width(size_t columns, size_t tile)
{
    return columns - tile * TILE < TILE ? columns - tile * TILE : TILE;
}

typedef struct gram_task {
    const float *rows, *weights;
    size_t columns, first, last; /* rows first … last − 1 */
    size_t i, j;                 /* tile */
} gram_task;

/* Columns of a tile of rows begin … end − 1 as doubles, [rows × TILE]. */
static void widen(const gram_task *task, size_t tile, size_t begin, size_t end, const float *weights, double *out)
{
    const size_t width = tile_width(task->columns, tile);
    for (size_t row = begin; row < end; row++) {
        const float *from = task->rows + row * task->columns + tile * TILE;
        const double weight = weights ? (double)weights[row] : 1.0;
        for (size_t c = 0; c < width; c++)
            out[(row - begin) * TILE + c] = weight * (double)from[c];
    }
}

/* buffers [2 · CHUNK · TILE]; sum [columns × columns], of which the tile is added to. */
static void run_task(const gram_task *task, double *buffers, double *sum)
{
    double *left = buffers, *right = buffers + (size_t)CHUNK * TILE;
    for (size_t begin = task->first; begin < task->last; begin += CHUNK) {
        const size_t end = task->last - begin < CHUNK ? task->last : begin + CHUNK;
        widen(task, task->i, begin, end, task->weights, left);
        widen(task, task->j, begin, end, NULL, right);
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)tile_width(task->columns, task->i),
                    (int)tile_width(task->columns, task->j), (int)(end - begin), 1.0, left, TILE, right, TILE, 1.0,
                    sum + task->i * TILE * task->columns + task->j * TILE, (int)task->columns);
    }
}

/* The tile of the lower triangle with number `at`: row by row. */
static void locate(size_t at, size_t *i, size_t *j)
{
    *i = 0;
    while (at > *i)
        at -= ++*i;
    *j = at;
}

static void gather_parts(double *sums, size_t parts, size_t columns, double *gram)
{
    for (size_t r = 0; r < columns; r++)
        for (size_t c = 0; c <= r; c++) {
            double sum = 0;
            for (size_t part = 0; part < parts; part++)
                sum += sums[(part * columns + r) * columns + c];
            gram[r * columns + c] = gram[c * columns + r] = sum;
        }
}

topn_status weighted_gram(topn_context *context, const float *rows, size_t count, size_t columns, const float *weights,
                          double *gram)
{
    topn_status status;
    const size_t tiles = tile_count(columns), parts = part_count(columns), pairs = tiles * (tiles + 1) / 2;
    const int threads = context->threads;
    double *buffers = NULL, *sums = NULL;
    TRY(ALLOCATE(context, (size_t)threads * 2 * CHUNK * TILE, &buffers));
    TRY(ALLOCATE_ZEROED(context, parts * columns * columns, &sums));
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t at = 0; at < pairs * parts; at++) {
        const size_t part = at % parts;
        gram_task task = {.rows = rows,
                          .weights = weights,
                          .columns = columns,
                          .first = count * part / parts,
                          .last = count * (part + 1) / parts};
        locate(at / parts, &task.i, &task.j);
        run_task(&task, buffers + (size_t)thread_index() * 2 * CHUNK * TILE, sums + part * columns * columns);
    }
    threads_serial_blas_end(saved);
    gather_parts(sums, parts, columns, gram);
done:
    free(buffers);
    free(sums);
    return status;
}

uint64_t weighted_gram_bytes(size_t columns, int threads)
{
    return 8 * ((uint64_t)threads * 2 * CHUNK * TILE + (uint64_t)part_count(columns) * columns * columns);
}
