/* SPDX-License-Identifier: Apache-2.0
 *
 * The positives of sampled training: each once a sweep, in an order that every place of which is known at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "made_data.h"
#include "train/sampled/permutation.h"
#include "train/sampled/positives.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { USERS = 57, ITEMS = 31 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static void a_permutation_has_every_number_once(void **state)
{
    (void)state;
    static const uint64_t counts[] = {1, 2, 3, 4, 5, 7, 63, 64, 65, 100, 1000, 4099, 70001};
    for (size_t at = 0; at < sizeof counts / sizeof *counts; at++)
        for (uint64_t number = 0; number < 3; number++) {
            const uint64_t count = counts[at];
            const permutation order = permutation_of(count, 5, number);
            uint64_t *out = malloc(count * sizeof *out);
            bool *seen = calloc(count, sizeof *seen);
            permutation_take(&order, 0, (uint32_t)count, out);
            for (uint64_t n = 0; n < count; n++) {
                assert_true(out[n] < count);
                assert_false(seen[out[n]]);
                seen[out[n]] = true;
            }
            for (uint64_t begin = 0; begin < count; begin += 1 + count / 7) { /* any place of it alone */
                uint64_t some[5];
                const uint32_t wanted = count - begin < 5 ? (uint32_t)(count - begin) : 5;
                permutation_take(&order, begin, wanted, some);
                assert_memory_equal(some, out + begin, wanted * sizeof *some);
            }
            free(out);
            free(seen);
        }
}

/* The place that a number gets is uniform, and so is the distance between the places of two that follow each other. */
static void a_permutation_is_random(void **state)
{
    (void)state;
    enum { COUNT = 1000, BINS = 20, ORDERS = 400 };
    double at_five[BINS] = {0}, distance[BINS] = {0};
    uint64_t out[COUNT];
    for (uint64_t number = 0; number < ORDERS; number++) {
        const permutation order = permutation_of(COUNT, 11, number);
        permutation_take(&order, 0, COUNT, out);
        at_five[out[5] * BINS / COUNT]++;
        for (int n = 0; n + 1 < COUNT; n++)
            distance[(out[n + 1] + COUNT - out[n]) % COUNT * BINS / COUNT]++;
    }
    double place = 0, step = 0;
    for (int bin = 0; bin < BINS; bin++) {
        place += pow(at_five[bin] - (double)ORDERS / BINS, 2) / ((double)ORDERS / BINS);
        const double expected = (double)ORDERS * (COUNT - 1) / BINS;
        step += pow(distance[bin] - expected, 2) / expected;
    }
    assert_true(place < 45); /* χ² of 19 degrees: 43.8 is its 99.9 % point */
    assert_true(step < 45);
}

static positive_setting plain_setting(positive_order order)
{
    return (positive_setting){.order = order, .alpha = 1, .scale = 1, .dislike_below = NAN};
}

/* All positives of a sweep, taken `step` at a time. */
static positive *sweep_of(const positive_list *list, int64_t sweep, uint32_t step)
{
    positive *out = malloc((list->count + 1) * sizeof *out);
    for (uint64_t begin = 0; begin < list->count; begin += step) {
        const uint64_t left = list->count - begin;
        positives_take(list, 3, sweep, begin, left < step ? (uint32_t)left : step, out + begin);
    }
    return out;
}

static void assert_visits_each_once(const positive_list *list, const positive *taken)
{
    bool *seen = calloc(list->count, sizeof *seen);
    for (uint64_t n = 0; n < list->count; n++) {
        const positive *one = &taken[n];
        assert_true(one->pair < list->count && !seen[one->pair]);
        seen[one->pair] = true;
        assert_true(list->pairs.indptr[one->context] <= one->pair && one->pair < list->pairs.indptr[one->context + 1]);
        assert_int_equal(one->item, list->pairs.indices[one->pair]);
    }
    free(seen);
}

static void every_pair_is_taken_once(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, false, 4);
    for (int order = 0; order < 2; order++) {
        positive_list list;
        const positive_setting setting = plain_setting((positive_order)order);
        check(positives_create(context, data, &data->matrix, &setting, &list));
        assert_int_equal(list.count, topn_data_events(data));
        positive *first = sweep_of(&list, 0, 64), *second = sweep_of(&list, 1, 64), *again = sweep_of(&list, 0, 7);
        assert_visits_each_once(&list, first);
        assert_visits_each_once(&list, second);
        size_t same = 0;
        for (uint64_t n = 0; n < list.count; n++) {
            assert_int_equal(first[n].pair, again[n].pair); /* whatever the batch */
            same += first[n].pair == second[n].pair;
        }
        assert_true(same < list.count / 4);
        bool *left = calloc(USERS, sizeof *left); /* contexts that ended */
        for (uint64_t n = 1; order == ORDER_CONTEXTS && n < list.count; n++) {
            left[first[n - 1].context] = first[n].context != first[n - 1].context;
            assert_false(left[first[n].context]);
        }
        free(left);
        free(first);
        free(second);
        free(again);
        positives_clear(&list);
    }
    topn_data_free(data);
}

static void taken_items_are_held(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, false, 4);
    positive_list list;
    const positive_setting setting = plain_setting(ORDER_EVENTS);
    check(positives_create(context, data, &data->matrix, &setting, &list));
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++) {
            bool there = false;
            for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
                there = there || data->matrix.indices[at] == item;
            assert_int_equal(positives_hold(&list, user, item), there);
        }
    positives_clear(&list);
    topn_data_free(data);
}

/* Every pair is in one of both, in the order of the data; item counts are of what is liked. */
static void pairs_are_liked_or_disliked(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, false, 4);
    const sparse_matrix *all = &data->matrix;
    data->has_weights = true;
    for (uint64_t at = 0; at < all->indptr[USERS]; at++)
        all->values[at] = (float)(1 + at % 5);
    for (int examples = 0; examples < 2; examples++) {
        positive_setting setting = plain_setting(ORDER_EVENTS);
        setting.dislike_below = 3;
        setting.dislikes_are_examples = examples;
        positive_list list;
        uint64_t likes = 0, dislikes = 0;
        uint32_t counts[ITEMS] = {0};
        check(positives_create(context, data, all, &setting, &list));
        for (uint32_t user = 0; user < USERS; user++) {
            for (uint64_t at = all->indptr[user]; at < all->indptr[user + 1]; at++) {
                const bool disliked = all->values[at] < 3;
                assert_int_equal(all->indices[at],
                                 disliked ? list.dislikes.indices[dislikes] : list.taken.indices[likes]);
                dislikes += disliked;
                likes += !disliked;
                counts[all->indices[at]] += !disliked;
                if (examples)
                    assert_int_equal(list.disliked[at], disliked);
            }
            assert_int_equal(list.taken.indptr[user + 1], likes);
            assert_int_equal(list.dislikes.indptr[user + 1], dislikes);
        }
        assert_true(likes > 0 && dislikes > 0);
        assert_int_equal(list.count, examples ? likes + dislikes : likes);
        assert_memory_equal(list.item_counts, counts, sizeof counts);
        positives_clear(&list);
    }
    topn_data_free(data);
}

/* Pairs (context, item) of windows over the histories, counted plainly; the histories are each a permutation of the
 * user's items. counts [ITEMS × ITEMS]. */
static void count_naively(const topn_data *data, uint32_t window, int *counts)
{
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t begin = data->matrix.indptr[user], length = data->matrix.indptr[user + 1] - begin;
        uint32_t history[ITEMS];
        for (uint64_t at = 0; at < length; at++) { /* rank by time, ties by item */
            uint64_t rank = 0;
            for (uint64_t other = 0; other < length; other++)
                rank += data->times[begin + other] < data->times[begin + at] ||
                        (data->times[begin + other] == data->times[begin + at] && other < at);
            history[rank] = data->matrix.indices[begin + at];
        }
        for (uint64_t p = 0; p < length; p++)
            for (uint64_t q = 0; q < length; q++)
                if (p != q && (p > q ? p - q : q - p) <= window)
                    counts[history[p] * ITEMS + history[q]]++;
    }
}

static void windows_have_the_pairs_near_each_other(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 2, 3, 5, 13, 1000};
    topn_data *data = made_random_data(USERS, ITEMS, true, 4);
    const positive_setting setting = plain_setting(ORDER_EVENTS);
    for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
        int expected[ITEMS * ITEMS] = {0}, got[ITEMS * ITEMS] = {0};
        uint32_t of_item[ITEMS] = {0};
        positive_list list;
        count_naively(data, windows[w], expected);
        check(positives_create_windows(context, data, windows[w], true, &setting, &list));
        positive *taken = sweep_of(&list, 2, 100), *again = sweep_of(&list, 2, 9);
        bool *seen = calloc(list.count, sizeof *seen);
        for (uint64_t n = 0; n < list.count; n++) {
            got[taken[n].context * ITEMS + taken[n].item]++;
            of_item[taken[n].item]++;
            assert_false(seen[taken[n].pair]);
            seen[taken[n].pair] = true;
            assert_int_equal(taken[n].pair, again[n].pair);
            assert_false(positives_hold(&list, taken[n].context, taken[n].item));
        }
        assert_memory_equal(got, expected, sizeof got);
        assert_memory_equal(of_item, list.item_counts, sizeof of_item);
        free(seen);
        free(taken);
        free(again);
        positives_clear(&list);
    }
    topn_data_free(data);
}

/* Without times every pair of a history meets in one sweep or another, as often as any other. */
static void histories_without_order_are_sets(void **state)
{
    (void)state;
    enum { SWEEPS = 400, LENGTH = 9, WINDOW = 2 };
    uint32_t pairs[LENGTH][2];
    int counts[LENGTH][LENGTH] = {{0}};
    const positive_setting setting = plain_setting(ORDER_EVENTS);
    positive_list list;
    for (uint32_t item = 0; item < LENGTH; item++) {
        pairs[item][0] = 0;
        pairs[item][1] = item;
    }
    topn_data *data = made_data(1, LENGTH, (const uint32_t(*)[2])pairs, NULL, LENGTH);
    assert_int_equal(positives_create_windows(context, data, WINDOW, true, &setting, &list), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "--by-time false"));
    check(positives_create_windows(context, data, WINDOW, false, &setting, &list));
    for (int64_t sweep = 0; sweep < SWEEPS; sweep++) {
        positive *taken = sweep_of(&list, sweep, 7);
        for (uint64_t n = 0; n < list.count; n++)
            counts[taken[n].context][taken[n].item]++;
        free(taken);
    }
    const double expected = (double)list.count * SWEEPS / (LENGTH * (LENGTH - 1));
    for (int a = 0; a < LENGTH; a++)
        for (int b = 0; b < LENGTH; b++)
            assert_true(a == b ? counts[a][b] == 0 : fabs(counts[a][b] - expected) < 5 * sqrt(expected));
    positives_clear(&list);
    topn_data_free(data);
}

/* Data with weights 1 … 5 by place. */
static topn_data *weighted_data(void)
{
    topn_data *data = made_random_data(USERS, ITEMS, false, 4);
    data->has_weights = true;
    for (uint64_t at = 0; at < data->matrix.indptr[USERS]; at++)
        data->matrix.values[at] = (float)(1 + at * 7 % 5);
    return data;
}

static void weights_follow_strength_and_counts(void **state)
{
    (void)state;
    topn_data *data = weighted_data();
    for (int confidence = CONFIDENCE_NONE; confidence <= CONFIDENCE_LOG; confidence++) {
        positive_list list;
        positive_setting setting = plain_setting(ORDER_EVENTS);
        setting.confidence = confidence;
        setting.alpha = 0.5;
        setting.scale = 2;
        setting.user_exponent = 0.5;
        setting.item_exponent = 0.25;
        check(positives_create(context, data, &data->matrix, &setting, &list));
        double sum = 0, ratio = 0;
        for (uint32_t user = 0; user < USERS; user++)
            for (uint64_t at = list.pairs.indptr[user]; at < list.pairs.indptr[user + 1]; at++) {
                const double w = (double)data->matrix.values[at], alpha = confidence == CONFIDENCE_NONE ? 1
                                                                          : confidence == CONFIDENCE_LINEAR
                                                                              ? 0.5 + 2 * w
                                                                              : 0.5 + 2 * log(1 + w);
                const double expected = alpha *
                                        pow((double)(list.pairs.indptr[user + 1] - list.pairs.indptr[user]), -0.5) *
                                        pow(list.item_counts[list.pairs.indices[at]], -0.25);
                ratio = ratio == 0 ? (double)list.weights[at] / expected : ratio;
                assert_true(fabs((double)list.weights[at] / expected / ratio - 1) < 1e-5);
                sum += (double)list.weights[at];
            }
        assert_true(fabs(sum / (double)list.count - 1) < 1e-5);
        positives_clear(&list);
    }
    topn_data_free(data);
}

static void bad_settings_have_a_line(void **state)
{
    (void)state;
    topn_data *data = weighted_data();
    positive_list list;
    positive_setting setting = plain_setting(ORDER_EVENTS);
    setting.dislike_below = 6;
    assert_int_equal(positives_create(context, data, &data->matrix, &setting, &list), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "--dislike-below 6"));
    setting = plain_setting(ORDER_EVENTS);
    setting.confidence = CONFIDENCE_LINEAR;
    data->matrix.values[3] = -2;
    assert_int_equal(positives_create(context, data, &data->matrix, &setting, &list), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "weight -2"));
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
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
        cmocka_unit_test(a_permutation_has_every_number_once),
        cmocka_unit_test(a_permutation_is_random),
        cmocka_unit_test(every_pair_is_taken_once),
        cmocka_unit_test(taken_items_are_held),
        cmocka_unit_test(pairs_are_liked_or_disliked),
        cmocka_unit_test(windows_have_the_pairs_near_each_other),
        cmocka_unit_test(histories_without_order_are_sets),
        cmocka_unit_test(weights_follow_strength_and_counts),
        cmocka_unit_test(bad_settings_have_a_line),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
