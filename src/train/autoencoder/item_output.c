/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward: blocks of items, all users of the batch: S_block = b_block + H·D_blockᵀ and, while they are in the cache,
 * what they say about the likelihood. Then users: the likelihood. Backward: blocks of items again, dS_block, its share
 * dS_block·D_block of dH, and its rows' gradient dS_blockᵀ·H, which is stepped along at once. Shares of blocks in a row
 * are summed as they come, these parts in order at the end.
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
    MOST_BLOCKS = 32,
    PART_BLOCKS = 4,
    MOST_GRADIENTS = 1 << 17, /* floats, which stay in the cache until they are stepped along */
    LEAST_STEP = 16,
};

static size_t block_of(uint64_t items)
{
    const uint64_t share = (items + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return share < LEAST_BLOCK ? LEAST_BLOCK : (size_t)(share + 15) / 16 * 16;
}

/* Rows that are stepped at once, an even share of a block. */
static size_t step_of(size_t block, size_t width)
{
    const size_t fit = MOST_GRADIENTS / width, most = fit < LEAST_STEP ? LEAST_STEP : fit,
                 pieces = (block + most - 1) / most;
    return (block + pieces - 1) / pieces;
}

static size_t parts_of(size_t blocks)
{
    return (blocks + PART_BLOCKS - 1) / PART_BLOCKS;
}

uint64_t item_output_state_bytes(uint64_t items, size_t width)
{
    return (1 + OPTIMIZER_ARRAYS) * sizeof(float) * items * ((uint64_t)width + 1);
}

uint64_t item_output_bytes(uint64_t items, size_t width, size_t capacity, int threads)
{
    const uint64_t block = block_of(items), blocks = (items + block - 1) / block;
    return item_output_state_bytes(items, width) + (sizeof(double) + sizeof(likelihood_piece) * blocks) * capacity +
           sizeof(float) * (capacity * items + parts_of(blocks) * capacity * width +
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
                         .step = step_of(block, width),
                         .parts_count = parts_of(blocks)};
    TRY(ALLOCATE_TABLE(context, items * width, &out->rows));
    TRY(ALLOCATE_ZEROED(context, items, &out->biases));
    for (int array = 0; array < by->arrays; array++) {
        TRY(ALLOCATE_TABLE(context, items * width, &out->state[array]));
        memset(out->state[array], 0, items * width * sizeof(float));
        TRY(ALLOCATE_ZEROED(context, items, &out->bias_state[array]));
    }
    TRY(ALLOCATE_TABLE(context, capacity * items, &out->scores));
    TRY(ALLOCATE_TABLE(context, out->parts_count * capacity * width, &out->parts));
    TRY(ALLOCATE(context, (size_t)context->threads * out->step * (width + 1), &out->gradients));
    TRY(ALLOCATE(context, capacity * blocks, &out->pieces));
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

/* Scores of a block, and its pieces of the likelihood. */
static void put_block(item_output *output, const user_batch *batch, size_t block, const float *h, likelihood kind)
{
    const size_t items = output->items, width = output->width, begin = block * output->block,
                 rows = rows_of(output, block);
    float *scores = output->scores + begin;
    for (size_t n = 0; n < batch->count; n++)
        memcpy(scores + n * items, output->biases + begin, rows * sizeof *scores);
    tile_product(false, true, batch->count, rows, width, h, width, output->rows + begin * width, width, 1.0f, scores,
                 items);
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *taken = batch_history_between(batch, n, begin, begin + rows, &length);
        output->pieces[n * output->blocks + block] =
            likelihood_begin(kind, scores + n * items, rows, begin, taken, length, output->scale);
    }
}

double item_output_forward(item_output *output, const user_batch *batch, const float *h, likelihood kind, double scale)
{
    const int saved = threads_serial_blas_begin();
    output->scale = scale;
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

/* Derivatives by a block's scores. */
static void pull_scores(item_output *output, const user_batch *batch, size_t block)
{
    const size_t begin = block * output->block, rows = rows_of(output, block);
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *taken = batch_history_between(batch, n, begin, begin + rows, &length);
        likelihood_end(&output->pieces[n * output->blocks + block], output->scores + n * output->items + begin, rows,
                       begin, taken, length, output->scale);
    }
}

/* One step of `rows` rows and biases from `begin` on. */
static void step_rows(item_output *output, const user_batch *batch, size_t begin, size_t rows, const float *h,
                      const optimizer *by, const optimizer_setting *setting, double l2)
{
    const size_t items = output->items, width = output->width;
    float *gradient = output->gradients + (size_t)thread_index() * output->step * (width + 1),
          *of_biases = gradient + output->step * width;
    float *state[OPTIMIZER_ARRAYS] = {0}, *bias_state[OPTIMIZER_ARRAYS] = {0};
    for (int array = 0; array < by->arrays; array++) {
        state[array] = output->state[array] + begin * width;
        bias_state[array] = output->bias_state[array] + begin;
    }
    tile_product(true, false, rows, width, batch->count, output->scores + begin, items, h, width, 0.0f, gradient,
                 width);
    row_sum sum = row_sum_begin(gradient, rows * width);
    if (l2 > 0.0)
        row_sum_add(&sum, output->rows + begin * width, (float)l2);
    row_sum_end(&sum);
    sum = row_sum_begin_empty(of_biases, rows);
    for (size_t n = 0; n < batch->count; n++)
        row_sum_add(&sum, output->scores + n * items + begin, 1.0f);
    row_sum_end(&sum);
    const unsigned saved = threads_flush_begin();
    by->step(setting, output->rows + begin * width, gradient, state, rows * width);
    if (!output->unbiased)
        by->step(setting, output->biases + begin, of_biases, bias_state, rows);
    threads_flush_end(saved);
}

/* Blocks in a row: their share of dh, and their steps. */
static void pull_part(item_output *output, const user_batch *batch, size_t part, const float *h, bool wanted,
                      const optimizer *by, const optimizer_setting *setting, double l2)
{
    const size_t items = output->items, width = output->width, first = part * PART_BLOCKS;
    float *share = output->parts + part * output->capacity * width;
    for (size_t block = first; block < output->blocks && block < first + PART_BLOCKS; block++) {
        const size_t begin = block * output->block, rows = rows_of(output, block);
        pull_scores(output, batch, block);
        if (wanted)
            tile_product(false, false, batch->count, width, rows, output->scores + begin, items,
                         output->rows + begin * width, width, block > first ? 1.0f : 0.0f, share, width);
        for (size_t row = 0; by && row < rows; row += output->step)
            step_rows(output, batch, begin + row, rows - row < output->step ? rows - row : output->step, h, by, setting,
                      l2);
    }
}

void item_output_backward(item_output *output, const user_batch *batch, const float *h, float *dh, const optimizer *by,
                          const optimizer_setting *setting, double l2)
{
    const size_t width = output->width;
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 1) if (batch->threads > 1)
    for (size_t part = 0; part < output->parts_count; part++)
        pull_part(output, batch, part, h, dh != NULL, by, setting, l2);
    threads_serial_blas_end(saved);
    if (!dh)
        return;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        row_sum sum = row_sum_begin_empty(dh + n * width, width);
        for (size_t part = 0; part < output->parts_count; part++)
            row_sum_add(&sum, output->parts + (part * output->capacity + n) * width, 1.0f);
        row_sum_end(&sum);
    }
}
