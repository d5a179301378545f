/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the generator: weighted draws against the weights, history lengths, and every allocation failing in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "generate/catalogue.h"
#include "generate/generator.h"
#include "generate/lengths.h"
#include "generate/shape.h"

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

static topn_context *context;

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

/* The slot whose share of the weights holds the drawn place, found one after the other. */
static uint32_t plain_draw(const catalogue *from, slot_range range, uint64_t bits)
{
    const double share = (double)(bits >> 11) * 0x1p-53;
    const double weight = from->below[range.begin] + share * (from->below[range.end] - from->below[range.begin]);
    uint32_t slot = range.begin;
    while (slot + 1 < range.end && from->below[slot + 1] <= weight)
        slot++;
    return slot;
}

static void draws_follow_the_weights(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 24, 25, 26, 333, 5000};
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++)
        for (size_t like = 0; shape_at(like); like++) {
            catalogue from;
            assert_int_equal(catalogue_create(context, shape_at(like), sizes[at], &from), TOPN_OK);
            const uint32_t topics = catalogue_topic(&from, sizes[at] - 1) + 1;
            for (uint32_t draw = 0; draw < 3000; draw++) {
                const uint32_t topic = random_below(at, RANDOM_RESIDUAL, draw, topics);
                const slot_range all = {0, sizes[at]}, part = catalogue_topics(&from, topic, 1 + draw % 3);
                const uint64_t bits = draw == 0 ? 0 : draw == 1 ? UINT64_MAX : random_bits(like, RANDOM_RESIDUAL, draw);
                assert_int_equal(catalogue_draw(&from, all, bits), plain_draw(&from, all, bits));
                assert_int_equal(catalogue_draw(&from, part, bits), plain_draw(&from, part, bits));
            }
            catalogue_clear(&from);
        }
}

/* Every rank and every number is given once. */
static void items_are_permuted(void **state)
{
    (void)state;
    enum { ITEMS = 1000 };
    catalogue from;
    bool numbered[ITEMS] = {0};
    const shape *like = shape_at(0);
    double sum = 0;
    assert_int_equal(catalogue_create(context, like, ITEMS, &from), TOPN_OK);
    for (uint32_t slot = 0; slot < ITEMS; slot++) {
        assert_false(numbered[from.number[slot]]);
        numbered[from.number[slot]] = true;
        sum += exp(-like->cutoff * (slot + 1) / ITEMS) / (slot + 1 + like->offset);
    }
    assert_true(fabs(from.below[ITEMS] - sum) < 1e-12 * sum);
    catalogue_clear(&from);
}

static void lengths_sum_up(void **state)
{
    (void)state;
    for (uint32_t run = 0; run < 400; run++) {
        const uint32_t users = 1 + random_below(1, RANDOM_RESIDUAL, 3 * run, 300);
        const uint32_t items = 1 + random_below(1, RANDOM_RESIDUAL, 3 * run + 1, 2000);
        const uint64_t pairs = (uint64_t)users * items;
        const uint64_t events =
            run % 7 == 0 ? pairs : users + random_bits(1, RANDOM_RESIDUAL, 3 * run + 2) % (pairs - users + 1);
        const shape *like = shape_at(run % 3);
        uint64_t *indptr = calloc(users + 1, sizeof *indptr);
        assert_non_null(indptr);
        assert_int_equal(lengths_draw(context, like, users, items, events, indptr), TOPN_OK);
        assert_int_equal(indptr[0], 0);
        assert_int_equal(indptr[users], events);
        for (uint32_t user = 0; user < users; user++) {
            const uint64_t length = indptr[user + 1] - indptr[user];
            assert_true(length >= 1 && length <= items);
            if (events / users >= 2 * like->shortest)
                assert_true(length + 1 >= like->shortest); /* one less where rounding had to be made good */
        }
        free(indptr);
    }
}

static void failed_allocations_are_clean(void **state)
{
    (void)state;
    const generator_params params = {.like = 2, .scale = 1, .users = 60, .items = 90, .events = 900};
    topn_data *data = NULL;
    topn_status status = TOPN_ERROR_MEMORY;
    uint64_t tried = 0;
    for (; status == TOPN_ERROR_MEMORY; tried++) {
        memory_fail_after(tried + 1);
        status = generator_make(context, &params, &data);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || !data);
    }
    assert_int_equal(status, TOPN_OK);
    assert_true(tried > 12);
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_weights),
        cmocka_unit_test(items_are_permuted),
        cmocka_unit_test(lengths_sum_up),
        cmocka_unit_test(failed_allocations_are_clean),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
