/* SPDX-License-Identifier: Apache-2.0
 *
 * The item of a rank among those that are not refused, of many examples at once and by the guide, against counting:
 * rows of I_c around all sizes at which the search goes another way.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/sampled/exclusion.h"

#include "made_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { ITEMS = 2500, TOGETHER = 100 };

static const uint32_t sizes[] = {0,  1,   2,   15,  16,  17,   31,   32,   33, 63,   64,        100,
                                 17, 255, 256, 257, 700, 1023, 1024, 1060, 1,  2400, ITEMS - 1, ITEMS};
enum { CONTEXTS = sizeof sizes / sizeof *sizes };

static topn_context *context;

/* Of context c `sizes[c]` items, spread at random; of weight 1 every fifth, of weight 2 the others. */
static topn_data *sized_data(void)
{
    data_parts parts = {.has_weights = true};
    topn_data *data;
    uint64_t total = 0, at = 0;
    for (uint32_t c = 0; c < CONTEXTS; c++)
        total += sizes[c];
    made(sparse_create(NULL, CONTEXTS, ITEMS, total, &parts.matrix));
    for (uint32_t c = 0; c < CONTEXTS; c++) {
        uint32_t left = sizes[c];
        for (uint32_t item = 0; item < ITEMS; item++) /* each with the probability that leaves `left` of the rest */
            if (random_below(c, RANDOM_ORDER, item, ITEMS - item) < left) {
                parts.matrix.indices[at] = item;
                parts.matrix.values[at++] = item % 5 ? 2 : 1;
                left--;
            }
        parts.matrix.indptr[c + 1] = at;
    }
    parts.user_ids = made_ids("u", NULL, CONTEXTS);
    parts.item_ids = made_ids("i", NULL, ITEMS);
    made(data_assemble(NULL, &parts, &data));
    return data;
}

/* All ranks of an example, TOGETHER at a time. */
static void expect_ranks(const positive_list *list, exclusion kind, const draw_request *request)
{
    static uint32_t allowed[ITEMS];
    uint32_t count = 0, items[TOGETHER];
    refused_items refused[TOGETHER];
    for (uint32_t j = 0; j < ITEMS; j++)
        if (!is_excluded(kind, list, request->context, request->item, j))
            allowed[count++] = j;
    for (size_t e = 0; e < TOGETHER; e++)
        refused[e] = refused_for_request(kind, list, request);
    assert_int_equal(refused_count(refused), ITEMS - count);
    for (uint32_t rank = 0; rank < count; rank += TOGETHER) {
        const uint32_t some = count - rank < TOGETHER ? count - rank : TOGETHER;
        for (uint32_t e = 0; e < some; e++)
            items[e] = rank + e;
        allowed_items(refused, some, items);
        assert_memory_equal(items, allowed + rank, some * sizeof *items);
        for (uint32_t e = 0; e < some; e++)
            assert_int_equal(allowed_item(refused, rank + e), allowed[rank + e]);
    }
}

static void expect_all_ranks(const topn_data *data, double dislike_below)
{
    static const exclusion kinds[] = {EXCLUDE_NOTHING, EXCLUDE_POSITIVE, EXCLUDE_HISTORY};
    const positive_setting setting = {
        .alpha = 1, .scale = 1, .dislike_below = dislike_below, .dislikes_are_examples = true};
    positive_list list;
    made(positives_create(context, data, &data->matrix, &setting, &list));
    assert_non_null(list.guide);
    assert_true((list.pairs.indices == list.taken.indices) == isnan(dislike_below));
    for (size_t kind = 0; kind < 3; kind++)
        for (uint32_t c = 0; c < CONTEXTS; c++) {
            const uint64_t begin = list.pairs.indptr[c], end = list.pairs.indptr[c + 1];
            for (uint64_t pair = begin; pair < end; pair += 1 + (end - begin) / 4) {
                const draw_request request = {.context = c, .item = list.pairs.indices[pair], .pair = pair};
                expect_ranks(&list, kinds[kind], &request);
            }
        }
    positives_clear(&list);
}

static void ranks_are_those_of_what_is_left(void **state)
{
    (void)state;
    topn_data *data = sized_data();
    expect_all_ranks(data, NAN);
    expect_all_ranks(data, 1.5); /* pairs that are dislikes are none of I_c */
    topn_data_free(data);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranks_are_those_of_what_is_left)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
