/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps of the sparse input that wait for their rows, against a twin that steps all rows after every batch: the same
 * bits, at any number of threads.
 */
#include "train/autoencoder/sparse_input.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { USERS = 40, ITEMS = 57, WIDTH = 19, BATCH = 6, BATCHES = 2 * MOST_PENDING + 9, MOST_LENGTH = 7 };

static uint64_t indptr[USERS + 1];
static uint32_t indices[USERS * MOST_LENGTH];
static const sparse_matrix events = {.indptr = indptr, .indices = indices, .rows = USERS, .columns = ITEMS};

/* Histories of 1 to MOST_LENGTH items, low ones more often, the last three of nobody. */
static void make_events(void)
{
    for (uint64_t user = 0, end = 0; user < USERS; user++) {
        const uint32_t length = 1 + random_below(1, RANDOM_SAMPLES, user, MOST_LENGTH);
        for (uint32_t item = 0, left = length; item < ITEMS - 3 && left; item++)
            if (random_below(2, RANDOM_SAMPLES, user * ITEMS + item, 5 + item) < 2) {
                indices[end++] = item;
                left--;
            }
        if (end == indptr[user])
            indices[end++] = 0;
        indptr[user + 1] = end;
    }
}

static void check(topn_context *context, topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* All rows at once. */
typedef struct twin {
    float rows[ITEMS * WIDTH], state[OPTIMIZER_ARRAYS][ITEMS * WIDTH];
} twin;

/* After the forward, whose factors tell what was dropped. */
static void twin_step(twin *of, const sparse_input *input, const user_batch *batch, const float *dx,
                      const optimizer *by, const optimizer_setting *setting, float l2)
{
    static float gradient[ITEMS * WIDTH];
    for (size_t at = 0; at < ITEMS * WIDTH; at++)
        gradient[at] = 0.0f + l2 * of->rows[at];
    for (size_t n = 0; n < batch->count; n++) {
        size_t length;
        const uint32_t *items = batch_history(batch, n, &length);
        for (size_t at = 0; at < length; at++)
            for (size_t j = 0; j < WIDTH && input->factors[input->begins[n] + at] > 0; j++)
                gradient[items[at] * WIDTH + j] += input->factors[input->begins[n] + at] * dx[n * WIDTH + j];
    }
    float *state[OPTIMIZER_ARRAYS];
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        state[array] = array < by->arrays ? of->state[array] : NULL;
    const unsigned saved = threads_flush_begin();
    by->step(setting, of->rows, gradient, state, ITEMS * WIDTH);
    threads_flush_end(saved);
}

/* What x must be by the twin's rows. */
static void expect_x(const twin *of, const sparse_input *input, const user_batch *batch, const float *x)
{
    for (size_t n = 0; n < batch->count; n++) {
        float row[WIDTH] = {0};
        size_t length;
        const uint32_t *items = batch_history(batch, n, &length);
        for (size_t at = 0; at < length; at++)
            for (size_t j = 0; j < WIDTH && input->factors[input->begins[n] + at] > 0; j++)
                row[j] += input->factors[input->begins[n] + at] * of->rows[items[at] * WIDTH + j];
        assert_memory_equal(row, x + n * WIDTH, sizeof row);
    }
}

/* `idle`: every so many batches are forward alone, nothing dropped, as of a decoder that is trained in between. */
static void train(const char *name, double l2, double dropout, int threads, uint64_t idle)
{
    topn_context *context;
    sparse_input input;
    static twin of;
    const optimizer *by = optimizer_find(name);
    uint32_t rows[BATCH];
    float x[BATCH * WIDTH], dx[BATCH * WIDTH];
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    check(context, sparse_input_create(context, &events, BATCH, WIDTH, WIDTH, 8, by, &input));
    input.dropout = dropout;
    memset(&of, 0, sizeof of);
    memcpy(of.rows, input.rows, sizeof of.rows);
    for (uint64_t number = 0, steps = 0; number < BATCHES; number++) {
        const bool alone = idle && number % idle == 1;
        user_batch batch = {.events = &events,
                            .rows = rows,
                            .count = 1 + number % BATCH,
                            .seed = 3,
                            .pass = number,
                            .in_total = USERS,
                            .drop = !alone,
                            .threads = threads};
        for (size_t n = 0; n < batch.count; n++)
            rows[n] = random_below(4, RANDOM_SAMPLES, number * BATCH + n, USERS);
        for (size_t at = 0; at < BATCH * WIDTH; at++)
            dx[at] = (float)random_normal(5, RANDOM_SAMPLES, number * BATCH * WIDTH + at);
        sparse_input_forward(&input, &batch, x);
        expect_x(&of, &input, &batch, x);
        if (alone)
            continue;
        const optimizer_setting setting = {.rate = 0.01, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, ++steps};
        sparse_input_step(&input, &batch, dx, by, &setting, l2);
        twin_step(&of, &input, &batch, dx, by, &setting, (float)l2);
        if (number == BATCHES / 3) { /* a sweep ends */
            sparse_input_settle(&input, threads);
            assert_memory_equal(input.rows, of.rows, sizeof of.rows);
        }
    }
    if (strcmp(name, "adam") == 0 || l2 > 0) /* else nothing pulls at a row without events */
        assert_memory_not_equal(input.rows, of.rows, sizeof of.rows);
    sparse_input_settle(&input, threads);
    sparse_input_settle(&input, threads);
    assert_memory_equal(input.rows, of.rows, sizeof of.rows);
    for (int array = 0; array < by->arrays; array++)
        assert_memory_equal(input.state[array], of.state[array], sizeof of.state[array]);
    sparse_input_clear(&input);
    topn_context_free(context);
}

static void waiting_steps_are_steps(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++)
        for (int ridge = 0; ridge < 2; ridge++) {
            train("adam", ridge ? 0.03 : 0.0, 0.5, threads, 0);
            train("adam", ridge ? 0.03 : 0.0, 0.0, threads, 4);
            train("adagrad", ridge ? 0.03 : 0.0, 0.5, threads, 4);
        }
    train("sgd", 0.0, 0.5, 2, 3);
    train("sgd", 0.03, 0.5, 2, 0);
}

int main(void)
{
    make_events();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_steps_are_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
