/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of notes by row against a brute-force twin, and their steps against those of row_step.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "train/sampled/row_groups.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { NOTES = 300, ROWS = 400, WIDTH = 5 };

static topn_context *context;

/* Rows of `count` notes, of which some are none; `kinds` of them are met. */
static void fill(uint32_t *rows, uint32_t count, uint32_t kinds, uint64_t seed)
{
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t row = random_below(seed, RANDOM_ORDER, n, kinds);
        rows[n] = random_below(seed, RANDOM_SAMPLES, n, 10) == 0 ? NO_ROW : row * (ROWS / kinds);
    }
}

/* How many notes are about row[n], and how many of these come before n. */
static uint32_t others(const uint32_t *rows, uint32_t count, uint32_t n, uint32_t *before)
{
    uint32_t sum = 0;
    *before = 0;
    for (uint32_t other = 0; other < count; other++) {
        sum += rows[other] == rows[n];
        *before += other < n && rows[other] == rows[n];
    }
    return sum;
}

static void expect_groups(const row_groups *groups, const uint32_t *rows, uint32_t count)
{
    uint32_t grouped = 0, total = groups->count ? groups->ends[groups->count - 1] : 0;
    for (uint32_t n = 0; n < count; n++) {
        uint32_t before;
        if (rows[n] == NO_ROW || others(rows, count, n, &before) == 1) {
            assert_true(groups->places[n] == ALONE);
            continue;
        }
        grouped++;
        uint32_t group = 0;
        while (groups->ends[group] <= groups->places[n])
            group++;
        assert_in_range(group, 0, groups->count - 1);
        assert_int_equal(groups->rows[group], rows[n]);
        assert_int_equal(groups->places[n], (group ? groups->ends[group - 1] : 0) + before); /* in their order */
    }
    assert_int_equal(total, grouped);
}

static void notes_are_grouped(void **state)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 17, 64, 255, NOTES}, kinds[] = {1, 2, 20, 100, ROWS};
    (void)state;
    uint32_t rows[NOTES];
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        row_groups groups;
        assert_int_equal(row_groups_create(context, counts[c], &groups), TOPN_OK);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) /* again in the same memory */
            for (uint64_t seed = 0; seed < 4; seed++) {
                const uint32_t count = seed == 3 ? counts[c] / 2 : counts[c];
                fill(rows, count, kinds[k], seed);
                row_groups_form(&groups, count, rows);
                expect_groups(&groups, rows, count);
            }
        row_groups_clear(&groups);
    }
}

/* Every third note comes to nothing: row 0, of which all do, is not stepped. */
static void steps_leave_out_what_came_to_nothing(void **state)
{
    (void)state;
    enum { COUNT = 7 };
    static const uint32_t rows[COUNT] = {0, 2, 2, 0, 1, 2, 0};
    float values[3 * WIDTH], expected[3 * WIDTH], gradient[WIDTH], vectors[COUNT * WIDTH];
    const optimizer *by = optimizer_find("sgd");
    const parameter_table table = {.values = values, .rows = 3, .width = WIDTH, .l2 = 0.5},
                          twin = {.values = expected, .rows = 3, .width = WIDTH, .l2 = 0.5};
    const step_setting setting = {.optimizer = by, .setting = {.rate = 0.1}};
    row_groups groups;
    for (size_t at = 0; at < 3 * WIDTH; at++)
        values[at] = expected[at] = (float)at + 1;
    for (size_t at = 0; at < COUNT * WIDTH; at++)
        vectors[at] = (float)random_normal(1, RANDOM_SAMPLES, at);
    assert_int_equal(row_groups_create(context, COUNT, &groups), TOPN_OK);
    row_groups_form(&groups, COUNT, rows);
    assert_int_equal(groups.count, 2);
    assert_true(groups.places[4] == ALONE);
    for (uint32_t n = 0; n < COUNT; n++)
        if (groups.places[n] != ALONE)
            groups.notes[groups.places[n]] = (row_note){n % 3 == 0 ? NULL : vectors + n * WIDTH, (float)n};
    for (uint32_t group = 0; group < groups.count; group++)
        row_groups_step(&groups, group, &table, &setting, gradient);
    const row_note notes[] = {{vectors + WIDTH, 1}, {vectors + 2 * WIDTH, 2}, {vectors + 5 * WIDTH, 5}};
    row_step(&twin, &setting, 2, notes, 3, 3, gradient);
    assert_memory_equal(values, expected, sizeof values);
    row_groups_clear(&groups);
}

static void memory_runs_out_in_order(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        row_groups groups;
        memory_fail_after(nth);
        const topn_status status = row_groups_create(context, NOTES, &groups);
        memory_fail_after(0);
        row_groups_clear(&groups);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
    }
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
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
        cmocka_unit_test(notes_are_grouped),
        cmocka_unit_test(steps_leave_out_what_came_to_nothing),
        cmocka_unit_test(memory_runs_out_in_order),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
