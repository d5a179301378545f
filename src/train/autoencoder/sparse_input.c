/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/sparse_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "train/autoencoder/row_sum.h"

enum { CHUNK = 32, NUMBER_SHIFT = 51 /* as stacks of layers number their values: train/network/layers.c */ };

void draw_weights(const topn_context *context, unsigned number, double bound, size_t count, float *values)
{
    const uint64_t first = (uint64_t)number << NUMBER_SHIFT;
#pragma omp parallel for num_threads(context->threads) schedule(static) if (context->threads > 1)
    for (size_t at = 0; at < count; at++)
        values[at] = (float)(bound * (2.0 * random_uniform(context->seed, RANDOM_LAYERS, first + at) - 1.0));
}

/* Events of a batch at most: so many users with the longest history, or all events. */
static uint64_t most_events(const sparse_matrix *events, size_t users)
{
    uint64_t longest = 0;
    for (uint32_t row = 0; row < events->rows; row++) {
        const uint64_t length = events->indptr[row + 1] - events->indptr[row];
        longest = length > longest ? length : longest;
    }
    const uint64_t total = events->indptr[events->rows];
    return users * longest < total ? users * longest : total;
}

uint64_t sparse_input_state_bytes(uint64_t items, size_t width)
{
    return (1 + OPTIMIZER_ARRAYS) * sizeof(float) * items * width;
}

uint64_t sparse_input_bytes(uint64_t items, uint64_t events, size_t users, size_t width, int threads)
{
    return sparse_input_state_bytes(items, width) + 12 * events + 8 * (users + items + 2) +
           (sizeof(uint32_t) + sizeof(uint8_t)) * items + sizeof(float) * (uint64_t)threads * width;
}

topn_status sparse_input_create(topn_context *context, const sparse_matrix *events, size_t users, size_t width,
                                size_t outputs, unsigned number, const optimizer *by, sparse_input *out)
{
    topn_status status;
    const size_t count = events->columns * width;
    *out = (sparse_input){
        .items = events->columns, .width = width, .exponent = 0.5, .capacity = most_events(events, users)};
    TRY(ALLOCATE_TABLE(context, count, &out->rows));
    for (int array = 0; array < by->arrays; array++) {
        TRY(ALLOCATE_TABLE(context, count, &out->state[array]));
        memset(out->state[array], 0, count * sizeof(float));
    }
    TRY(ALLOCATE(context, users + 1, &out->begins));
    TRY(ALLOCATE(context, out->capacity, &out->factors));
    TRY(ALLOCATE(context, (size_t)out->items + 1, &out->item_begins));
    TRY(ALLOCATE(context, out->capacity, &out->item_users));
    TRY(ALLOCATE(context, out->capacity, &out->item_factors));
    TRY(ALLOCATE(context, out->items, &out->taken));
    TRY(ALLOCATE_ZEROED(context, out->items, &out->had));
    TRY(ALLOCATE(context, (size_t)context->threads * width, &out->gradients));
    draw_weights(context, number, sqrt(6.0 / ((double)out->items + (double)outputs)), count, out->rows);
done:
    return status;
}

void sparse_input_clear(sparse_input *input)
{
    free(input->rows);
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        free(input->state[array]);
    free(input->begins);
    free(input->factors);
    free(input->item_begins);
    free(input->item_users);
    free(input->item_factors);
    free(input->taken);
    free(input->had);
    free(input->gradients);
    *input = (sparse_input){0};
}

/* Random numbers go by event and pass. */
static void put_factors(const sparse_input *input, const user_batch *batch, size_t n, size_t length, float *factors)
{
    const double p = batch->drop ? input->dropout : 0.0;
    const float factor = (float)(pow((double)length, -input->exponent) / (1.0 - p));
    const uint64_t threshold = (uint64_t)(p * 4294967296.0);
    const uint64_t first =
        batch->pass * batch->events->indptr[batch->events->rows] + batch->events->indptr[batch->rows[n]];
    uint32_t words[4];
    uint64_t block = UINT64_MAX;
    for (size_t at = 0; at < length; at++) {
        const uint64_t index = first + at;
        if (threshold && index / 4 != block)
            random_block(batch->seed, RANDOM_INPUT_DROPOUT, block = index / 4, words);
        factors[at] = threshold && words[index % 4] < threshold ? 0.0f : factor;
    }
}

/* Kept events of the batch by item; of an item in the order of the batch. */
static void gather_by_item(sparse_input *input, const user_batch *batch)
{
    uint64_t *begins = input->item_begins;
    memset(begins, 0, ((size_t)input->items + 1) * sizeof *begins);
    for (int fill = 0; fill < 2; fill++) {
        for (size_t n = 0; n < batch->count; n++) {
            size_t length;
            const uint32_t *items = batch_history(batch, n, &length);
            const float *factors = input->factors + input->begins[n];
            for (size_t at = 0; at < length; at++) {
                if (!(factors[at] > 0.0f))
                    continue;
                const uint64_t place = begins[items[at]]++;
                if (!fill)
                    continue;
                input->item_users[place] = (uint32_t)n;
                input->item_factors[place] = factors[at];
            }
        }
        /* After counting: where each item begins. After filling: begins[i] is where item i ends. */
        for (uint64_t item = 0, sum = 0; !fill && item <= input->items; item++) {
            const uint64_t count = begins[item];
            begins[item] = sum;
            sum += count;
        }
    }
    input->taken_count = 0;
    for (uint32_t item = 0; item < input->items; item++)
        if (begins[item] > (item ? begins[item - 1] : 0))
            input->taken[input->taken_count++] = item;
}

static void state_of(const sparse_input *input, uint32_t item, float *state[OPTIMIZER_ARRAYS])
{
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        state[array] = input->state[array] ? input->state[array] + item * input->width : NULL;
}

/* The steps that a row is behind. */
static void catch_up(sparse_input *input, uint32_t item)
{
    const size_t had = input->had[item];
    float *state[OPTIMIZER_ARRAYS];
    if (had == input->pending_count)
        return;
    state_of(input, item, state);
    const unsigned saved = threads_flush_begin(); /* averages of rows long untouched */
    input->by->step_idle(input->pending + had, input->pending_count - had, input->ridge,
                         input->rows + item * input->width, state, input->width);
    threads_flush_end(saved);
    input->had[item] = (uint8_t)input->pending_count;
}

void sparse_input_settle(sparse_input *input, int threads)
{
    (void)threads; /* without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(dynamic, CHUNK) if (threads > 1)
    for (uint32_t item = 0; item < input->items; item++)
        catch_up(input, item);
    memset(input->had, 0, input->items * sizeof *input->had);
    input->pending_count = 0;
}

void sparse_input_forward(sparse_input *input, const user_batch *batch, float *x)
{
    const size_t width = input->width;
    input->begins[0] = 0;
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        batch_history(batch, n, &length);
        input->begins[n + 1] = input->begins[n] + length;
    }
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 8) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++)
        put_factors(input, batch, n, input->begins[n + 1] - input->begins[n], input->factors + input->begins[n]);
    gather_by_item(input, batch);
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 8) if (batch->threads > 1)
    for (size_t at = 0; at < input->taken_count; at++)
        catch_up(input, input->taken[at]);
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 8) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *items = batch_history(batch, n, &length);
        const float *factors = input->factors + input->begins[n];
        row_sum sum = row_sum_begin_empty(x + n * width, width);
        for (size_t at = 0; at < length; at++)
            if (factors[at] > 0.0f)
                row_sum_add(&sum, input->rows + items[at] * width, factors[at]);
        row_sum_end(&sum);
    }
}

void sparse_input_gather(const sparse_input *input, const user_batch *batch, float *x)
{
    const size_t width = input->width;
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 8) if (batch->threads > 1)
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *items = batch_history(batch, n, &length);
        const float factor = (float)pow((double)length, -input->exponent);
        row_sum sum = row_sum_begin_empty(x + n * width, width);
        for (size_t at = 0; at < length; at++)
            row_sum_add(&sum, input->rows + items[at] * width, factor);
        row_sum_end(&sum);
    }
}

/* The last pending step of a row that the batch has taken. */
static void step_row(sparse_input *input, uint32_t item, const float *dx)
{
    const size_t width = input->width;
    float *row = input->rows + item * width, *gradient = input->gradients + (size_t)thread_index() * width,
          *state[OPTIMIZER_ARRAYS];
    state_of(input, item, state);
    row_sum sum = row_sum_begin_empty(gradient, width);
    if (input->ridge > 0.0f)
        row_sum_add(&sum, row, input->ridge);
    for (uint64_t at = item ? input->item_begins[item - 1] : 0; at < input->item_begins[item]; at++)
        row_sum_add(&sum, dx + input->item_users[at] * width, input->item_factors[at]);
    row_sum_end(&sum);
    input->by->step_by(&input->pending[input->pending_count - 1], row, gradient, state, width);
    input->had[item] = (uint8_t)input->pending_count;
}

void sparse_input_step(sparse_input *input, const user_batch *batch, const float *dx, const optimizer *by,
                       const optimizer_setting *setting, double l2)
{
    if (input->pending_count == MOST_PENDING || by != input->by || (float)l2 != input->ridge)
        sparse_input_settle(input, batch->threads);
    input->by = by;
    input->ridge = (float)l2;
    input->pending[input->pending_count++] = by->factors(setting);
#pragma omp parallel for num_threads(batch->threads) schedule(dynamic, 8) if (batch->threads > 1)
    for (size_t at = 0; at < input->taken_count; at++) {
        const unsigned saved = threads_flush_begin();
        step_row(input, input->taken[at], dx);
        threads_flush_end(saved);
    }
}
