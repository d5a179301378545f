/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradients by row against a brute-force twin: every note looked at for every row.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "train/sampled/row_gradients.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { ROWS = 37, MOST_WIDTH = 150, NOTES = 400, VECTORS = 50, SPANS = 4 };

static topn_context *context;

/* Notes in SPANS calls: with and without coefficients, with and without an index, counting and not. */
typedef struct notes {
    size_t width, stride;
    uint32_t rows[NOTES], index[NOTES];
    float coefficients[NOTES];
    float vectors[NOTES * (MOST_WIDTH + 3)];
} notes;

static float normal(uint64_t seed, uint64_t at)
{
    return (float)random_normal(seed, RANDOM_SAMPLES, at);
}

static void fill(notes *of, uint64_t seed, size_t width)
{
    of->width = width;
    of->stride = width + seed % 3;
    for (uint32_t n = 0; n < NOTES; n++) {
        const uint32_t row = random_below(seed, RANDOM_ORDER, n, ROWS);
        of->rows[n] = row % 9 == 4 ? NO_ROW : row; /* rows 4, 13, … are never touched */
        of->index[n] = random_below(seed, RANDOM_RESIDUAL, n, VECTORS);
        of->coefficients[n] = normal(seed, n);
    }
    for (size_t at = 0; at < NOTES * of->stride; at++)
        of->vectors[at] = normal(seed + 1, at);
}

static bool weighted(uint32_t span)
{
    return span != 1;
}
static bool indexed(uint32_t span)
{
    return span != 2;
}
static bool counts(uint32_t span)
{
    return span != 3;
}

static void note(const notes *of, row_gradients *gradients)
{
    row_gradients_begin(gradients);
    for (uint32_t span = 0; span < SPANS; span++) {
        const size_t begin = (size_t)span * NOTES / SPANS;
        assert_int_equal(row_gradients_note(context, gradients, NOTES / SPANS, of->rows + begin,
                                            weighted(span) ? of->coefficients + begin : NULL, of->vectors, of->stride,
                                            indexed(span) ? of->index + begin : NULL, counts(span)),
                         TOPN_OK);
    }
}

/* Gradient of a row in single precision in the order of the notes; how many there are, and how many count. */
static uint32_t twin(const notes *of, uint32_t row, float *gradient, uint32_t *occurrences)
{
    uint32_t found = 0;
    *occurrences = 0;
    for (uint32_t n = 0; n < NOTES; n++) {
        const uint32_t span = n / (NOTES / SPANS), within = n % (NOTES / SPANS);
        if (of->rows[n] != row)
            continue;
        const float *vector = of->vectors + (indexed(span) ? of->index[n] : within) * of->stride;
        const float coefficient = weighted(span) ? of->coefficients[n] : 1;
        for (size_t k = 0; k < of->width; k++)
            gradient[k] = found ? gradient[k] + coefficient * vector[k] : coefficient * vector[k];
        found++;
        *occurrences += counts(span);
    }
    return found;
}

static void test_sums(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 5, 64, 65, 128, 150};
    static notes of;
    float expected[MOST_WIDTH];
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        const parameter_table table = {.rows = ROWS, .width = widths[w]};
        row_gradients *gradients;
        assert_int_equal(row_gradients_create(context, &table, 7, &gradients), TOPN_OK); /* more notes than expected */
        for (uint64_t batch = 0; batch < 3; batch++) {
            const uint32_t *rows;
            const float *values;
            bool met[ROWS] = {false};
            uint32_t occurrences, first = 0;
            fill(&of, 10 * w + batch, widths[w]);
            note(&of, gradients);
            const size_t distinct = row_gradients_sum(gradients, 2, &rows, &values);
            for (size_t slot = 0; slot < distinct; slot++) {
                assert_false(met[rows[slot]]);
                met[rows[slot]] = true;
                assert_true(twin(&of, rows[slot], expected, &occurrences) > 0);
                assert_memory_equal(values + slot * widths[w], expected, widths[w] * sizeof *expected);
                while (of.rows[first] == NO_ROW || (of.rows[first] != rows[slot] && met[of.rows[first]]))
                    first++;
                assert_int_equal(of.rows[first], rows[slot]); /* ascending by first note */
            }
            for (uint32_t row = 0; row < ROWS; row++)
                assert_true(met[row] || twin(&of, row, expected, &occurrences) == 0);
        }
        row_gradients_free(gradients);
    }
}

/* A table whose values and state are numbers of their own. */
static parameter_table made_table(const optimizer *by, size_t width, double l2)
{
    parameter_table table = {.name = "rows", .rows = ROWS, .width = width, .l2 = l2};
    table.values = malloc(ROWS * width * sizeof(float));
    assert_int_equal(parameter_table_create_state(context, by, &table), TOPN_OK);
    for (size_t at = 0; at < ROWS * width; at++) {
        table.values[at] = normal(99, at);
        for (int array = 0; array < by->arrays; array++)
            table.state[array][at] = normal(98, at) * normal(98, at);
    }
    return table;
}

static void free_table(parameter_table *table)
{
    parameter_table_clear(table);
    free(table->values);
}

static void stepped(const notes *of, const optimizer *by, const step_setting *setting, parameter_table *table)
{
    row_gradients *gradients;
    assert_int_equal(row_gradients_create(context, table, NOTES, &gradients), TOPN_OK);
    note(of, gradients);
    row_gradients_apply(gradients, table, setting);
    row_gradients_free(gradients);
    (void)by;
}

/* Plain steps with a ridge for each occurrence and short gradients, against the definition. */
static void test_ridge_and_clip(void **state)
{
    (void)state;
    static notes of;
    enum { WIDTH = 70 };
    const optimizer *sgd = optimizer_find("sgd");
    fill(&of, 5, WIDTH);
    for (int clipped = 0; clipped < 2; clipped++) {
        parameter_table table = made_table(sgd, WIDTH, 0.3), before = made_table(sgd, WIDTH, 0.3);
        const step_setting setting = {
            .optimizer = sgd, .setting = {.rate = 0.1, .step = 1}, .clip = clipped ? 2.5 : 0, .threads = 2};
        stepped(&of, sgd, &setting, &table);
        uint32_t shortened = 0;
        for (uint32_t row = 0; row < ROWS; row++) {
            float gradient[WIDTH];
            uint32_t occurrences;
            const float *old = before.values + row * WIDTH, *new = table.values + row *WIDTH;
            if (twin(&of, row, gradient, &occurrences) == 0) {
                assert_memory_equal(old, new, WIDTH * sizeof *old);
                continue;
            }
            double squares = 0;
            for (size_t k = 0; k < WIDTH; k++) {
                gradient[k] += (float)(0.3 * occurrences) * old[k];
                squares += (double)gradient[k] * gradient[k];
            }
            const double scale = clipped && squares > 2.5 * 2.5 ? 2.5 / sqrt(squares) : 1;
            shortened += scale < 1;
            for (size_t k = 0; k < WIDTH; k++)
                assert_true(fabs(new[k] - (old[k] - 0.1 * scale * gradient[k])) < 1e-5);
        }
        assert_int_equal(shortened > 0, clipped);
        free_table(&table);
        free_table(&before);
    }
}

/* Rows that nothing touches keep their bits, and so does their state; the others have the same at any thread count. */
static void test_bits(void **state)
{
    (void)state;
    static notes of;
    enum { WIDTH = 33 };
    fill(&of, 6, WIDTH);
    const optimizer *by;
    for (size_t index = 0; (by = optimizer_at(index)); index++) {
        const parameter_table before = made_table(by, WIDTH, 0.01);
        parameter_table first = {0};
        for (int threads = 1; threads <= 3; threads++) {
            parameter_table table = made_table(by, WIDTH, 0.01);
            const step_setting setting = {
                .optimizer = by,
                .setting = {.rate = 0.1, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-6, .step = 3},
                .threads = threads};
            stepped(&of, by, &setting, &table);
            for (int array = -1; array < by->arrays; array++) {
                const float *now = array < 0 ? table.values : table.state[array],
                            *old = array < 0 ? before.values : before.state[array];
                for (uint32_t row = 4; row < ROWS; row += 9)
                    assert_memory_equal(now + row * WIDTH, old + row * WIDTH, WIDTH * sizeof *now);
                assert_memory_not_equal(now, old, ROWS * WIDTH * sizeof *now);
                if (threads > 1)
                    assert_memory_equal(now, array < 0 ? first.values : first.state[array], ROWS * WIDTH * sizeof *now);
            }
            if (threads == 1)
                first = table;
            else
                free_table(&table);
        }
        free_table(&first);
        free_table((parameter_table *)&before);
    }
}

/* Several tables in one go are what they are one by one. */
static void test_tables_at_once(void **state)
{
    (void)state;
    enum { WIDTH = 12, TABLES = 70 };
    static notes of[TABLES];
    const optimizer *by = optimizer_find("adagrad");
    parameter_table together[TABLES], alone[TABLES];
    row_gradients *gradients[TABLES] = {NULL};
    const step_setting setting = {.optimizer = by, .setting = {.rate = 0.1, .epsilon = 1e-6, .step = 1}, .threads = 2};
    for (size_t t = 0; t < TABLES; t++) {
        together[t] = made_table(by, WIDTH, 0.1);
        alone[t] = made_table(by, WIDTH, 0.1);
        if (t % 5 == 3)
            continue;
        fill(&of[t], 20 + t, WIDTH);
        stepped(&of[t], by, &setting, &alone[t]);
        assert_int_equal(row_gradients_create(context, &together[t], NOTES, &gradients[t]), TOPN_OK);
        note(&of[t], gradients[t]);
    }
    row_gradients_apply_all(TABLES, gradients, together, &setting);
    for (size_t t = 0; t < TABLES; t++) {
        assert_memory_equal(together[t].values, alone[t].values, ROWS * WIDTH * sizeof(float));
        row_gradients_free(gradients[t]);
        free_table(&together[t]);
        free_table(&alone[t]);
    }
}

static int setup(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK)
        return -1;
    context->threads = 3;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_ridge_and_clip),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_tables_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
