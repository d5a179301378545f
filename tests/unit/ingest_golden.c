/* SPDX-License-Identifier: Apache-2.0
 *
 * Merging, filters and descriptions against tests/golden/ingest.py, at one and at several threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "ingest_read.h"

#include <cmocka.h>

typedef struct golden_case {
    const char *name;
    const char *options[9];
    uint32_t users, items;
    uint64_t events;
    double gini, checksum;
    int64_t first_time, last_time;
    topn_distribution per_user, per_item, weight;
} golden_case;

#include "../golden/ingest.h"

/* Σ weight · (3 user + 7 item + 1) over ids. */
static double checksum(const topn_data *data)
{
    double sum = 0;
    for (uint32_t user = 0; user < topn_data_users(data); user++) {
        const uint32_t *items;
        const float *weights;
        const size_t length = topn_data_history(data, user, &items, &weights);
        for (size_t at = 0; at < length; at++)
            sum += (double)weights[at] *
                   (3 * atof(topn_data_user_id(data, user)) + 7 * atof(topn_data_item_id(data, items[at])) + 1);
    }
    return sum;
}

static void assert_near(double found, double wanted)
{
    assert_true(fabs(found - wanted) <= 1e-9 * (1 + fabs(wanted)));
}

static void assert_distribution(const topn_distribution *found, const topn_distribution *wanted)
{
    const double *left = (const double *)found, *right = (const double *)wanted;
    for (size_t at = 0; at < sizeof *found / sizeof *left; at++)
        assert_near(left[at], right[at]);
}

static void check_case(const golden_case *golden, int threads)
{
    topn_context *context;
    topn_data *data;
    topn_description found;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    const topn_status status = read_bytes(context, golden_text, sizeof golden_text - 1, golden->options, &data);
    if (status != TOPN_OK)
        print_error("%s: %s\n", golden->name, topn_context_message(context));
    assert_int_equal(status, TOPN_OK);
    assert_int_equal(topn_data_describe(context, data, &found), TOPN_OK);
    assert_int_equal(found.users, golden->users);
    assert_int_equal(found.items, golden->items);
    assert_int_equal(found.events, golden->events);
    assert_near(found.density, (double)golden->events / ((double)golden->users * golden->items));
    assert_near(found.gini_items, golden->gini);
    assert_near(checksum(data), golden->checksum);
    assert_int_equal(found.first_time, golden->first_time);
    assert_int_equal(found.last_time, golden->last_time);
    assert_distribution(&found.per_user, &golden->per_user);
    assert_distribution(&found.per_item, &golden->per_item);
    assert_distribution(&found.weight, &golden->weight);
    uint64_t dropped = 0;
    for (size_t at = 0; at < found.dropped_count; at++)
        dropped += found.dropped[at].events;
    assert_int_equal(found.rows_read, found.events + found.duplicates + dropped);
    topn_data_free(data);
    topn_context_free(context);
}

static void every_case(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof golden_cases / sizeof *golden_cases; at++)
        for (int threads = 1; threads <= 3; threads++)
            check_case(&golden_cases[at], threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
