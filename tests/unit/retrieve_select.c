/* SPDX-License-Identifier: Apache-2.0
 *
 * select_top against a full sort: random scores with and without many ties, every n that matters.
 */
#include "base/random.h"
#include "retrieve/retriever.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST_ITEMS = 1500 };

static float scores[MOST_ITEMS], score_out[MOST_ITEMS + 8];
static uint32_t sorted[MOST_ITEMS], item_out[MOST_ITEMS + 8];

/* Higher first, then smaller index. */
static int compare_items(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (scores[a] != scores[b])
        return scores[a] > scores[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* Indices that may be selected, in order; returns their number. */
static size_t sort_all(uint32_t items)
{
    size_t count = 0;
    for (uint32_t item = 0; item < items; item++)
        if (scores[item] > -INFINITY)
            sorted[count++] = item;
    qsort(sorted, count, sizeof *sorted, compare_items);
    return count;
}

static void check_selection(uint32_t items, size_t n)
{
    const size_t candidates = sort_all(items);
    const size_t expected = candidates < n ? candidates : n;
    item_out[n] = 0xABCDEFu;
    score_out[n] = 12345.0f;
    assert_int_equal(select_top(scores, items, n, item_out, score_out), expected);
    for (size_t rank = 0; rank < expected; rank++) {
        assert_int_equal(item_out[rank], sorted[rank]);
        assert_true(score_out[rank] == scores[sorted[rank]]);
    }
    assert_int_equal(item_out[n], 0xABCDEFu);
    assert_true(score_out[n] == 12345.0f);
}

/* kind 0: distinct; 1: five values; 2: all equal; 3: ascending; 4: descending; 5: holes of −∞ and NaN */
static void fill_scores(uint32_t items, int kind, uint64_t seed)
{
    for (uint32_t item = 0; item < items; item++) {
        const double uniform = random_uniform(seed, RANDOM_DOCTOR, item);
        switch (kind) {
        case 0:
            scores[item] = (float)(uniform - 0.5);
            break;
        case 1:
            scores[item] = (float)floor(uniform * 5.0);
            break;
        case 2:
            scores[item] = 0.0f;
            break;
        case 3:
            scores[item] = (float)item;
            break;
        case 4:
            scores[item] = -(float)item;
            break;
        default:
            scores[item] = uniform < 0.4 ? -INFINITY : uniform < 0.5 ? NAN : (float)floor(uniform * 40.0);
        }
    }
}

static void equals_full_sort(void **state)
{
    (void)state;
    static const uint32_t item_counts[] = {1, 2, 7, 63, 64, 65, 128, 200, MOST_ITEMS};
    for (size_t shape = 0; shape < sizeof item_counts / sizeof *item_counts; shape++) {
        const uint32_t items = item_counts[shape];
        for (int kind = 0; kind <= 5; kind++) {
            fill_scores(items, kind, 17 + shape);
            const size_t cuts[] = {0, 1, 2, 10, items / 2, items - 1, items, items + 7};
            for (size_t cut = 0; cut < sizeof cuts / sizeof *cuts; cut++)
                check_selection(items, cuts[cut]);
        }
    }
}

static void every_n_of_a_small_array(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        fill_scores(90, 1, seed);
        for (size_t n = 0; n <= 90; n++)
            check_selection(90, n);
    }
}

static void infinities_and_zeros(void **state)
{
    (void)state;
    const float values[] = {-0.0f, INFINITY, 0.0f, -INFINITY, INFINITY, -1.0f};
    for (uint32_t item = 0; item < 6; item++)
        scores[item] = values[item];
    assert_int_equal(select_top(scores, 6, 6, item_out, score_out), 5);
    const uint32_t expected[] = {1, 4, 0, 2, 5};
    for (size_t rank = 0; rank < 5; rank++)
        assert_int_equal(item_out[rank], expected[rank]);
    assert_int_equal(select_top(scores, 0, 3, item_out, score_out), 0);
    assert_int_equal(select_top(scores, 6, 0, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_full_sort),
        cmocka_unit_test(every_n_of_a_small_array),
        cmocka_unit_test(infinities_and_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
