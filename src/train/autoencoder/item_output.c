/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward: blocks of items, all users of the batch: S_block = H·D_blockᵀ. Then users: the likelihood. Backward: blocks
 * of items again, each the share dS_block·D_block of dH, summed in order at the end, and its rows' gradient
 * dS_blockᵀ·H, which is stepped along at once.
 */
#include "train/autoencoder/item_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/sums.h"
#include "numeric/tile.h"
#include "train/autoencoder/sparse_input.h"

enum { LEAST_BLOCK = 256, MOST_BLOCKS = 32 };

static size_t block_of(uint64_t items)
{
    const uint64_t share = (items + MOST_BLOCKS - 1) / MOST_BLOCKS;
    return share < LEAST_BLOCK ? LEAST_BLOCK : (size_t)(share + 15) / 16 * 16;
}

uint64_t item_output_state_bytes(uint64_t items, size_t width)
{
    return (1 + OPTIMIZER_ARRAYS) * sizeof(float) * items * ((uint64_t)width + 1);
}

uint64_t item_output_bytes(uint64_t items, size_t width, size_t capacity, int threads)
{
    const uint64_t block = block_of(items), blocks = (items + block - 1) / block;
    return item_output_state_bytes(items, width) + sizeof(double) * capacity +
           sizeof(float) * (capacity * items + blocks * capacity * width + (uint64_t)threads * block * (width + 1));
}

topn_status item_output_create(topn_context *context, size_t items, size_t width, size_t capacity, unsigned number,
                               const optimizer *by, item_output *out)
{
    topn_status status;
    const size_t block = block_of(items), blocks = (items + block - 1) / block;
    *out = (item_output){.items = items, .width = width, .capacity = capacity, .block = block, .blocks = blocks};
    TRY(ALLOCATE(context, items * width, &out->rows));
    TRY(ALLOCATE_ZEROED(context, items, &out->biases));
    for (int array = 0; array < by->arrays; array++) {
        TRY(ALLOCATE_ZEROED(context, items * width, &out->state[array]));
        TRY(ALLOCATE_ZEROED(context, items, &out->bias_state[array]));
    }
    TRY(ALLOCATE(context, capacity * items, &out->scores));
    TRY(ALLOCATE(context, blocks * capacity * width, &out->parts));
    TRY(ALLOCATE(context, (size_t)context->threads * block * (width + 1), &out->gradients));
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

VECTOR_CLONES
static void add_row(float *restrict target, const float *restrict row, float factor, size_t count)
{
    for (size_t at = 0; at < count; at++)
        target[at] += factor * row[at];
}

double item_output_forward(item_output *output, const user_batch *batch, const float *h, likelihood kind, double scale)
{
    const size_t items = output->items, width = output->width;
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 1) if (batch->threads > 1)
    for (size_t block = 0; block < output->blocks; block++) {
        const size_t begin = block * output->block, rows = rows_of(output, block);
        tile_product(false, true, batch->count, rows, width, h, width, output->rows + begin * width, width, 0.0f,
                     output->scores + begin, items);
    }
    threads_serial_blas_end(saved);
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 4) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *taken = batch_history(batch, n, &length);
        if (!output->unbiased) /* here, where a row stays in the cache for what follows */
            add_row(output->scores + n * items, output->biases, 1.0f, items);
        output->losses[n] = likelihood_row(kind, output->scores + n * items, items, taken, length, scale);
    }
    return sum_doubles(output->losses, batch->count);
}

/* One step of a block's rows and biases. */
static void step_block(item_output *output, const user_batch *batch, size_t block, const float *h, const optimizer *by,
                       const optimizer_setting *setting, double l2)
{
    const size_t items = output->items, width = output->width, begin = block * output->block,
                 rows = rows_of(output, block);
    float *gradient = output->gradients + (size_t)thread_index() * output->block * (width + 1),
          *of_biases = gradient + output->block * width;
    float *state[OPTIMIZER_ARRAYS] = {0}, *bias_state[OPTIMIZER_ARRAYS] = {0};
    for (int array = 0; array < by->arrays; array++) {
        state[array] = output->state[array] + begin * width;
        bias_state[array] = output->bias_state[array] + begin;
    }
    tile_product(true, false, rows, width, batch->count, output->scores + begin, items, h, width, 0.0f, gradient,
                 width);
    if (l2 > 0.0)
        add_row(gradient, output->rows + begin * width, (float)l2, rows * width);
    memset(of_biases, 0, rows * sizeof *of_biases);
    for (size_t n = 0; n < batch->count; n++)
        add_row(of_biases, output->scores + n * items + begin, 1.0f, rows);
    const unsigned saved = threads_flush_begin();
    by->step(setting, output->rows + begin * width, gradient, state, rows * width);
    if (!output->unbiased)
        by->step(setting, output->biases + begin, of_biases, bias_state, rows);
    threads_flush_end(saved);
}

void item_output_backward(item_output *output, const user_batch *batch, const float *h, float *dh, const optimizer *by,
                          const optimizer_setting *setting, double l2)
{
    const size_t items = output->items, width = output->width, count = batch->count;
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 1) if (batch->threads > 1)
    for (size_t block = 0; block < output->blocks; block++) {
        const size_t begin = block * output->block, rows = rows_of(output, block);
        if (dh)
            tile_product(false, false, count, width, rows, output->scores + begin, items, output->rows + begin * width,
                         width, 0.0f, output->parts + block * output->capacity * width, width);
        if (by)
            step_block(output, batch, block, h, by, setting, l2);
    }
    threads_serial_blas_end(saved);
    if (!dh)
        return;
#pragma omp parallel for num_threads(batch->threads) schedule(static) if (batch->threads > 1)
    for (size_t n = 0; n < count; n++) {
        memset(dh + n * width, 0, width * sizeof *dh);
        for (size_t block = 0; block < output->blocks; block++)
            add_row(dh + n * width, output->parts + (block * output->capacity + n) * width, 1.0f, width);
    }
}
