/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward: blocks of items, all users of the batch: S_block = b_block + H·D_blockᵀ and what they say about the
 * likelihood. Then users: the likelihood. Backward: blocks of items again: dS_block, its share dS_block·D_block of dH,
 * summed in order at the end, and its rows' gradient dS_blockᵀ·H, which is stepped along at once.
 *
 * Blocks are large, since each product has a copy of all of H made: of 640 items in place of 1264, MovieLens 20M took
 * 3 % longer, also where halves of a batch kept scores in the nearer cache.
 */
#include "train/autoencoder/item_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sums.h"
#include "numeric/tile.h"
#include "train/autoencoder/row_sum.h"
#include "train/autoencoder/sparse_input.h"

enum {
    LEAST_BLOCK = 256,
    MOST_BLOCKS = 16,
    MOST_GRADIENTS = 1 << 18, /* floats, which stay in the cache until they are stepped along */
    LEAST_STEP = 16,
    MOST_STEP = 640,
};

static size_t block_of(uint64_t items)
{
    const uint64_t share = (items + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return share < LEAST_BLOCK ? LEAST_BLOCK : (size_t)(share + 15) / 16 * 16;
}

/* Rows that are stepped at once, an even share of a block. */
static size_t step_of(size_t block, size_t width)
{
    const size_t fit = MOST_GRADIENTS / width,
                 most = fit < LEAST_STEP  ? LEAST_STEP
                        : fit > MOST_STEP ? MOST_STEP
                                          : fit,
                 pieces = (block + most - 1) / most;
    return (block + pieces - 1) / pieces;
}

uint64_t item_output_state_bytes(uint64_t items, size_t width)
{
    return (1 + OPTIMIZER_ARRAYS) * sizeof(float) * items * ((uint64_t)width + 1);
}

uint64_t item_output_bytes(uint64_t items, size_t width, size_t capacity, int threads)
{
    const uint64_t block = block_of(items), blocks = (items + block - 1) / block;
    return item_output_state_bytes(items, width) +
           (sizeof(double) + (sizeof(likelihood_piece) + sizeof(uint32_t)) * blocks) * capacity +
           sizeof(float) * (capacity * blocks * block + blocks * capacity * width +
                            (uint64_t)threads * step_of(block, width) * (width + 1));
}

topn_status item_output_create(topn_context *context, size_t items, size_t width, size_t capacity, unsigned number,
                               const optimizer *by, item_output *out)
{
    topn_status status;
    const size_t block = block_of(items), blocks = (items + block - 1) / block;
    *out = (item_output){.items = items,
                         .width = width,
                         .capacity = capacity,
                         .block = block,
                         .blocks = blocks,
                         .step = step_of(block, width)};
    TRY(ALLOCATE_TABLE(context, items * width, &out->rows));
    TRY(ALLOCATE_ZEROED(context, items, &out->biases));
    for (int array = 0; array < by->arrays; array++) {
        TRY(ALLOCATE_TABLE(context, items * width, &out->state[array]));
        memset(out->state[array], 0, items * width * sizeof(float));
        TRY(ALLOCATE_ZEROED(context, items, &out->bias_state[array]));
    }
    TRY(ALLOCATE_TABLE(context, capacity * blocks * block, &out->scores));
    TRY(ALLOCATE_TABLE(context, blocks * capacity * width, &out->parts));
    TRY(ALLOCATE(context, (size_t)context->threads * out->step * (width + 1), &out->gradients));
    TRY(ALLOCATE(context, capacity * blocks, &out->pieces));
    TRY(ALLOCATE(context, capacity * blocks, &out->ends));
    TRY(ALLOCATE(context, capacity, &out->losses));
    draw_weights(context, number, sqrt(6.0 / ((double)items + (double)width)), items * width, out->rows);
done:
    return status;
}

void item_output_clear(item_output *output)
{
    free(output->rows);
    free(output->biases);
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++) {
        free(output->state[array]);
        free(output->bias_state[array]);
    }
    free(output->scores);
    free(output->pieces);
    free(output->ends);
    free(output->parts);
    free(output->gradients);
    free(output->losses);
    *output = (item_output){0};
}

static size_t rows_of(const item_output *output, size_t block)
{
    const size_t left = output->items - block * output->block;
    return left < output->block ? left : output->block;
}

/* A user's scores of a block, behind which come the next user's. */
static float *scores_of(const item_output *output, size_t block, size_t n)
{
    return output->scores + (block * output->capacity + n) * output->block;
}

/* Where in the history of user n of the batch each block's events end. */
static void put_ends(item_output *output, const user_batch *batch, size_t n)
{
    size_t length, at = 0;
    const uint32_t *items = batch_history(batch, n, &length);
    for (size_t block = 0; block < output->blocks; block++) {
        while (at < length && items[at] < (block + 1) * output->block)
            at++;
        output->ends[n * output->blocks + block] = (uint32_t)at;
    }
}

/* Events of user n in a block. */
static const uint32_t *taken_of(const item_output *output, const user_batch *batch, size_t block, size_t n,
                                size_t *length)
{
    const uint32_t *ends = output->ends + n * output->blocks, begin = block ? ends[block - 1] : 0;
    *length = ends[block] - begin;
    return batch->events->indices + batch->events->indptr[batch->rows[n]] + begin;
}

/* Scores of a block, and their pieces of the likelihood. */
static void put_block(item_output *output, const user_batch *batch, size_t block, const float *h, likelihood kind)
{
    const size_t width = output->width, stride = output->block, begin = block * stride, rows = rows_of(output, block);
    float *scores = scores_of(output, block, 0);
    tile_product(false, true, batch->count, rows, width, h, width, output->rows + begin * width, width, 0.0f, scores,
                 stride);
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *taken = taken_of(output, batch, block, n, &length);
        output->pieces[n * output->blocks + block] = likelihood_begin(kind, scores + n * stride, output->biases + begin,
                                                                      rows, begin, taken, length, output->scale);
    }
}

double item_output_forward(item_output *output, const user_batch *batch, const float *h, likelihood kind, double scale)
{
    const int saved = threads_serial_blas_begin();
    output->scale = scale;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++)
        put_ends(output, batch, n);
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 1) if (batch->threads > 1)
    for (size_t block = 0; block < output->blocks; block++)
        put_block(output, batch, block, h, kind);
    threads_serial_blas_end(saved);
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        batch_history(batch, n, &length);
        output->losses[n] = likelihood_join(kind, output->pieces + n * output->blocks, output->blocks, length, scale);
    }
    return sum_doubles(output->losses, batch->count);
}

/* Derivatives by a block's scores; whole: with their factors, which else are left for sums over items. */
static void pull_scores(item_output *output, const user_batch *batch, size_t block, bool whole)
{
    const size_t begin = block * output->block, rows = rows_of(output, block);
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *taken = taken_of(output, batch, block, n, &length);
        likelihood_piece *piece = &output->pieces[n * output->blocks + block];
        float *scores = scores_of(output, block, n), factor = 1.0f;
        if (whole)
            likelihood_end(piece, scores, rows, begin, taken, length, output->scale);
        else
            factor = likelihood_end_but_factor(piece, scores, rows, begin, taken, length, output->scale);
        piece->factor = factor;
    }
}

/* One step of `rows` rows and biases of a block from its row `first` on. */
static void step_rows(item_output *output, const user_batch *batch, size_t block, size_t first, size_t rows,
                      const float *h, const optimizer *by, const optimizer_setting *setting, double l2)
{
    const size_t width = output->width, stride = output->block, begin = block * stride + first;
    const float *scores = scores_of(output, block, 0) + first;
    float *gradient = output->gradients + (size_t)thread_index() * output->step * (width + 1),
          *of_biases = gradient + output->step * width;
    float *state[OPTIMIZER_ARRAYS] = {0}, *bias_state[OPTIMIZER_ARRAYS] = {0};
    for (int array = 0; array < by->arrays; array++) {
        state[array] = output->state[array] + begin * width;
        bias_state[array] = output->bias_state[array] + begin;
    }
    tile_product(true, false, rows, width, batch->count, scores, stride, h, width, 0.0f, gradient, width);
    row_sum sum = row_sum_begin_empty(of_biases, rows);
    for (size_t n = 0; n < batch->count; n++)
        row_sum_add(&sum, scores + n * stride, 1.0f);
    row_sum_end(&sum);
    const unsigned saved = threads_flush_begin();
    by->step_along(setting, output->rows + begin * width, 1.0f, gradient, (float)l2, state, rows * width);
    if (!output->unbiased)
        by->step(setting, output->biases + begin, of_biases, bias_state, rows);
    threads_flush_end(saved);
}

/* A block's share of dh, and its step. */
static void pull_block(item_output *output, const user_batch *batch, size_t block, const float *h, bool wanted,
                       const optimizer *by, const optimizer_setting *setting, double l2)
{
    const size_t width = output->width, rows = rows_of(output, block);
    pull_scores(output, batch, block, by != NULL);
    if (wanted)
        tile_product(false, false, batch->count, width, rows, scores_of(output, block, 0), output->block,
                     output->rows + block * output->block * width, width, 0.0f,
                     output->parts + block * output->capacity * width, width);
    for (size_t row = 0; by && row < rows; row += output->step)
        step_rows(output, batch, block, row, rows - row < output->step ? rows - row : output->step, h, by, setting, l2);
}

void item_output_backward(item_output *output, const user_batch *batch, const float *h, float *dh, const optimizer *by,
                          const optimizer_setting *setting, double l2)
{
    const size_t width = output->width;
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 1) if (batch->threads > 1)
    for (size_t block = 0; block < output->blocks; block++)
        pull_block(output, batch, block, h, dh != NULL, by, setting, l2);
    threads_serial_blas_end(saved);
    if (!dh)
        return;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        row_sum sum = row_sum_begin_empty(dh + n * width, width);
        for (size_t block = 0; block < output->blocks; block++)
            row_sum_add(&sum, output->parts + (block * output->capacity + n) * width,
                        output->pieces[n * output->blocks + block].factor);
        row_sum_end(&sum);
    }
}
