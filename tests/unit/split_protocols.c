/* SPDX-License-Identifier: Apache-2.0
 *
 * What every protocol promises, checked event by event: parts hold events of the data and of no one else, hidden and
 * training events are disjoint, nothing is lost but what is counted, all parts number items like the training part,
 * and the same seed gives the same split at any thread count.
 */
#include "made_data.h"
#include "split/parts.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 80, ITEMS = 60 };

/* options: "name value name value …" */
static topn_status run(topn_context *context, const char *name, const char *options, const topn_data *data,
                       const topn_data *test, topn_split *out)
{
    const protocol *chosen = protocol_find(name);
    topn_options *parsed;
    char copy[256], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", options);
    assert_non_null(chosen);
    made(options_new(context, TOPN_KIND_SPLIT, chosen->name, chosen->options, &parsed));
    for (char *key = strtok_r(copy, " ", &rest); key; key = strtok_r(NULL, " ", &rest))
        made(topn_options_set(context, parsed, key, strtok_r(NULL, " ", &rest)));
    *out = (topn_split){0};
    const topn_status status = chosen->split(context, data, test, options_params(parsed, chosen->options), out);
    topn_options_free(parsed);
    return status;
}

static void clear(topn_split *split)
{
    for (int part = 0; part < TOPN_PART_COUNT; part++)
        topn_data_free(split->parts[part]);
    record_clear(&split->description);
}

static bool holds(const topn_data *data, const char *user, const char *item)
{
    uint32_t row, column;
    if (!data || !topn_data_find_user(data, user, &row) || !topn_data_find_item(data, item, &column))
        return false;
    for (uint64_t at = data->matrix.indptr[row]; at < data->matrix.indptr[row + 1]; at++)
        if (data->matrix.indices[at] == column)
            return true;
    return false;
}

static uint64_t events_of(const topn_data *data)
{
    return data ? topn_data_events(data) : 0;
}

static uint64_t count_of(const topn_split *split, const char *key)
{
    const char *value = record_get(&split->description, key);
    assert_non_null(value);
    return strtoull(value, NULL, 10);
}

/* Every event of a part is one of the data, with its time; items are numbered as in the training part. */
static void check_part(const topn_split *split, const topn_data *data, const topn_data *part)
{
    const topn_data *train = split->parts[TOPN_PART_TRAIN];
    if (!part)
        return;
    assert_int_equal(topn_data_items(part), topn_data_items(train));
    assert_string_equal(topn_data_item_id(part, 0), topn_data_item_id(train, 0));
    assert_memory_equal(part->item_ids.bytes, train->item_ids.bytes, train->item_ids.offsets[train->item_ids.count]);
    assert_int_equal(part->times != NULL, data->times != NULL);
    for (uint32_t user = 0; user < topn_data_users(part); user++) {
        assert_true(part->matrix.indptr[user + 1] > part->matrix.indptr[user]);
        for (uint64_t at = part->matrix.indptr[user]; at < part->matrix.indptr[user + 1]; at++)
            assert_true(holds(data, topn_data_user_id(part, user), topn_data_item_id(part, part->matrix.indices[at])));
    }
}

/* A pair of parts has the same users in the same order, and no event in both. */
static void check_pair(const topn_data *seen, const topn_data *hidden)
{
    assert_int_equal(seen != NULL, hidden != NULL);
    if (!seen)
        return;
    assert_int_equal(topn_data_users(seen), topn_data_users(hidden));
    for (uint32_t user = 0; user < topn_data_users(seen); user++) {
        assert_string_equal(topn_data_user_id(seen, user), topn_data_user_id(hidden, user));
        for (uint64_t at = hidden->matrix.indptr[user]; at < hidden->matrix.indptr[user + 1]; at++)
            assert_false(
                holds(seen, topn_data_user_id(hidden, user), topn_data_item_id(hidden, hidden->matrix.indices[at])));
    }
}

/* How many times `event` is used; trained on and hidden exclude each other. */
static void check_split(const topn_split *split, const topn_data *data)
{
    topn_data *const *parts = split->parts;
    for (int part = 0; part < TOPN_PART_COUNT; part++)
        check_part(split, data, parts[part]);
    check_pair(parts[TOPN_PART_VALIDATION_SEEN], parts[TOPN_PART_VALIDATION_HIDDEN]);
    check_pair(parts[TOPN_PART_TEST_SEEN], parts[TOPN_PART_TEST_HIDDEN]);
    uint64_t unused = 0;
    for (uint32_t row = 0; row < topn_data_users(data); row++)
        for (uint64_t at = data->matrix.indptr[row]; at < data->matrix.indptr[row + 1]; at++) {
            const char *user = topn_data_user_id(data, row), *item = topn_data_item_id(data, data->matrix.indices[at]);
            const int trained = holds(parts[TOPN_PART_TRAIN], user, item);
            const int validated = holds(parts[TOPN_PART_VALIDATION_HIDDEN], user, item);
            const int tested = holds(parts[TOPN_PART_TEST_HIDDEN], user, item);
            const bool shown =
                holds(parts[TOPN_PART_VALIDATION_SEEN], user, item) || holds(parts[TOPN_PART_TEST_SEEN], user, item);
            assert_true(trained + validated + tested <= 1);
            unused += !trained && !validated && !tested && !shown;
        }
    const uint64_t dropped = count_of(split, "dropped.new-item-events") + count_of(split, "dropped.validation-events") +
                             count_of(split, "dropped.test-events");
    if (record_get(&split->description, "validation-since-seconds")) /* one left out of validation may be tested */
        assert_true(unused <= dropped);
    else
        assert_int_equal(unused, dropped);
    assert_int_equal(count_of(split, "input.events"), topn_data_events(data));
    assert_int_equal(count_of(split, "events-on-training-items"),
                     topn_data_events(data) - count_of(split, "dropped.new-item-events"));
    assert_int_equal(count_of(split, "train.events"), events_of(parts[TOPN_PART_TRAIN]));
}

static const struct {
    const char *name, *options;
} randomised[] = {
    {"strong", "test-users 20 validation-users 10"},
    {"strong", "test-users 0.25 validation-users 0 fold-in 0.5 min-events 2"},
    {"strong", "test-users 20 validation-users 10 draw numpy"},
    {"strong", "test-users 0 validation-users 15 fold-in 0.5 min-events 9 draw numpy"},
    {"weak", "test-share 0.3 validation-share 0.2 min-events 3"},
    {"weak", "test-share 0 validation-share 0.5"},
    {"leave-last-out", "min-events 2"},
    {"leave-last-out", "validation false"},
    {"cold-items", "test-share 0.3 validation-share 0.2"},
    {"cold-items", "test-share 0.1 min-events 9"},
};

static void random_protocols_keep_their_promises(void **state)
{
    (void)state;
    for (int times = 0; times < 2; times++) {
        topn_data *data = made_random_data(USERS, ITEMS, times, 3);
        for (size_t index = 0; index < sizeof randomised / sizeof *randomised; index++) {
            topn_split splits[3];
            for (int trial = 0; trial < 3; trial++) {
                topn_context context = {.threads = 1 + trial % 2, .seed = 1 + (uint64_t)trial / 2};
                if (run(&context, randomised[index].name, randomised[index].options, data, NULL, &splits[trial]))
                    fail_msg("%s: %s", randomised[index].name, context.message);
                check_split(&splits[trial], data);
            }
            bool differ = false;
            for (int part = 0; part < TOPN_PART_COUNT; part++) {
                const topn_data *one = splits[0].parts[part], *two = splits[1].parts[part],
                                *other = splits[2].parts[part];
                assert_int_equal(one != NULL, two != NULL);
                if (!one)
                    continue;
                assert_string_equal(one->fingerprint, two->fingerprint);
                differ = differ || !other || strcmp(one->fingerprint, other->fingerprint) != 0;
            }
            assert_true(differ);
            for (int trial = 0; trial < 3; trial++)
                clear(&splits[trial]);
        }
        topn_data_free(data);
    }
}

/* No event of a hidden item trains or is seen, every event of one is hidden or of a user who is left out, and the parts
 * hold all items. */
static void cold_items_are_hidden_whole(void **state)
{
    (void)state;
    topn_context context = {.threads = 1, .seed = 4};
    topn_data *data = made_random_data(USERS, ITEMS, false, 3);
    topn_split split;
    uint32_t hidden_items = 0;
    assert_int_equal(run(&context, "cold-items", "test-share 0.25", data, NULL, &split), TOPN_OK);
    const topn_data *train = split.parts[TOPN_PART_TRAIN], *hidden = split.parts[TOPN_PART_TEST_HIDDEN];
    assert_int_equal(topn_data_items(train), ITEMS);
    uint64_t counts[4][ITEMS] = {{0}};
    const topn_data *const parts[4] = {train, split.parts[TOPN_PART_TEST_SEEN], hidden, data};
    for (int part = 0; part < 4; part++)
        for (uint64_t at = 0; at < topn_data_events(parts[part]); at++)
            counts[part][parts[part]->matrix.indices[at]]++;
    for (uint32_t item = 0; item < ITEMS; item++) {
        assert_string_equal(topn_data_item_id(hidden, item), topn_data_item_id(data, item));
        const bool is_hidden = counts[0][item] == 0;
        hidden_items += is_hidden;
        if (is_hidden)
            assert_true(counts[1][item] == 0 && counts[2][item] > 0);
        else
            assert_true(counts[0][item] == counts[3][item] && counts[2][item] == 0);
    }
    assert_int_equal(hidden_items, ITEMS / 4);
    assert_int_equal(count_of(&split, "test.hidden-items"), ITEMS / 4);
    assert_int_equal(topn_data_events(train) + topn_data_events(hidden) + count_of(&split, "dropped.test-events"),
                     topn_data_events(data));
    clear(&split);
    topn_data_free(data);
}

static uint64_t length_of(const topn_data *data, const char *user)
{
    uint32_t row;
    return data && topn_data_find_user(data, user, &row) ? data->matrix.indptr[row + 1] - data->matrix.indptr[row] : 0;
}

static void strong_holds_out_as_many_as_asked(void **state)
{
    (void)state;
    topn_context context = {.threads = 1, .seed = 4};
    topn_data *data = made_random_data(USERS, ITEMS, false, 3);
    topn_split split;
    assert_int_equal(run(&context, "strong", "test-users 15 validation-users 0.1 min-events 8", data, NULL, &split),
                     TOPN_OK);
    const topn_data *train = split.parts[TOPN_PART_TRAIN];
    assert_int_equal(topn_data_users(train), USERS - 15 - 8);
    assert_int_equal(topn_data_users(split.parts[TOPN_PART_TEST_SEEN]) +
                         topn_data_users(split.parts[TOPN_PART_VALIDATION_SEEN]),
                     15 + 8 - count_of(&split, "dropped.validation-users") - count_of(&split, "dropped.test-users"));
    for (int pair = TOPN_PART_VALIDATION_SEEN; pair < TOPN_PART_COUNT; pair += 2)
        for (uint32_t user = 0; user < topn_data_users(split.parts[pair]); user++) {
            const char *id = topn_data_user_id(split.parts[pair], user);
            const uint64_t seen = length_of(split.parts[pair], id), hidden = length_of(split.parts[pair + 1], id);
            assert_int_equal(hidden, (seen + hidden) / 5); /* ⌊0.2 n⌋ of Liang et al. */
            assert_true(length_of(data, id) >= 8);
            assert_int_equal(length_of(train, id), 0);
        }
    clear(&split);
    topn_data_free(data);
}

static void weak_hides_shares_rounded_down(void **state)
{
    (void)state;
    topn_context context = {.threads = 1, .seed = 4};
    topn_data *data = made_random_data(USERS, ITEMS, false, 3);
    topn_split split;
    assert_int_equal(run(&context, "weak", "test-share 0.2 validation-share 0.1 min-events 6", data, NULL, &split),
                     TOPN_OK);
    assert_int_equal(count_of(&split, "dropped.new-item-events"), 0); /* 60 well-filled items */
    for (uint32_t user = 0; user < USERS; user++) {
        const char *id = topn_data_user_id(data, user);
        const uint64_t all = length_of(data, id), test = all < 6 ? 0 : all / 5, validation = all < 6 ? 0 : all / 10;
        assert_int_equal(length_of(split.parts[TOPN_PART_TEST_HIDDEN], id), test);
        assert_int_equal(length_of(split.parts[TOPN_PART_VALIDATION_HIDDEN], id), validation);
        assert_int_equal(length_of(split.parts[TOPN_PART_TRAIN], id), all - test - validation);
        assert_int_equal(length_of(split.parts[TOPN_PART_TEST_SEEN], id), test ? all - test : 0);
        assert_int_equal(length_of(split.parts[TOPN_PART_VALIDATION_SEEN], id),
                         validation ? all - test - validation : 0);
    }
    clear(&split);
    topn_data_free(data);
}

static void last_events_are_last(void **state)
{
    (void)state;
    topn_context context = {.threads = 1, .seed = 4};
    const uint32_t pairs[][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1},
                                 {1, 2}, {2, 0}, {2, 3}, {3, 2}, {3, 1}, {3, 3}};
    const int64_t times[] = {40, 10, 30, 20, 3, 2, 1, 1, 2, 5, 5, 1};
    topn_data *data = made_data(4, 4, pairs, times, 12);
    topn_split split;
    assert_int_equal(run(&context, "leave-last-out", "", data, NULL, &split), TOPN_OK);
    assert_true(holds(split.parts[TOPN_PART_TEST_HIDDEN], "u0", "i0"));
    assert_true(holds(split.parts[TOPN_PART_VALIDATION_HIDDEN], "u0", "i2"));
    assert_true(holds(split.parts[TOPN_PART_TEST_SEEN], "u0", "i2")); /* validation events are seen by the test */
    assert_true(holds(split.parts[TOPN_PART_TEST_HIDDEN], "u1", "i0"));
    assert_true(holds(split.parts[TOPN_PART_TRAIN], "u1", "i2"));
    assert_int_equal(length_of(split.parts[TOPN_PART_TRAIN], "u2"), 2); /* too few to hide one */
    assert_true(holds(split.parts[TOPN_PART_TRAIN], "u3", "i3"));       /* the two at 5 are hidden, in some order */
    check_split(&split, data);
    clear(&split);
    topn_data_free(data);
}

static void time_cuts(void **state)
{
    (void)state;
    topn_data *data = made_random_data(USERS, ITEMS, true, 3);
    const char *const options[] = {"test-since 1400 validation-since 1300", "test-share 0.1 validation-share 0.2",
                                   "test-since 1970-01-01T00:20:00 validation-share 0"};
    for (int index = 0; index < 3; index++) {
        topn_context context = {.threads = 1, .seed = 4};
        topn_split split;
        if (run(&context, "temporal", options[index], data, NULL, &split))
            fail_msg("%s", context.message);
        check_split(&split, data);
        const int64_t test = (int64_t)count_of(&split, "test-since-seconds");
        const int64_t validation = index < 2 ? (int64_t)count_of(&split, "validation-since-seconds") : test;
        uint64_t from_test = 0, from_validation = 0;
        for (uint64_t at = 0; at < topn_data_events(data); at++) {
            from_test += data->times[at] >= test;
            from_validation += data->times[at] >= validation && data->times[at] < test;
        }
        const topn_data *train = split.parts[TOPN_PART_TRAIN], *hidden = split.parts[TOPN_PART_TEST_HIDDEN];
        for (uint64_t at = 0; at < topn_data_events(train); at++)
            assert_true(train->times[at] < validation);
        for (uint64_t at = 0; at < topn_data_events(hidden); at++)
            assert_true(hidden->times[at] >= test);
        if (index == 0)
            assert_true(test == 1400 && validation == 1300);
        if (index == 1) { /* about a tenth; equal times go together */
            assert_true(from_test * 10 >= topn_data_events(data) - 9 && from_test * 8 < topn_data_events(data));
            assert_true(from_validation * 5 >= topn_data_events(data) - 4);
        }
        if (index == 2)
            assert_true(test == 1200 && !split.parts[TOPN_PART_VALIDATION_HIDDEN]);
        clear(&split);
    }
    topn_data_free(data);
}

/* E9: held-out events on items that nobody trains on are dropped, and both counts are told. Users u0 … u3 have items
 * i0 … i5; the held-out ones also have an item of their own each. */
static void items_absent_from_training_are_counted(void **state)
{
    (void)state;
    uint32_t pairs[4 * 6 + 4][2];
    uint64_t count = 0;
    for (uint32_t user = 0; user < 4; user++) {
        for (uint32_t item = 0; item < 6; item++, count++) {
            pairs[count][0] = user;
            pairs[count][1] = item;
        }
        pairs[count][0] = user;
        pairs[count++][1] = 6 + user;
    }
    topn_data *data = made_data(4, 10, (const uint32_t(*)[2])pairs, NULL, count);
    topn_context context = {.threads = 1, .seed = 2};
    topn_split split;
    assert_int_equal(run(&context, "strong", "test-users 1 validation-users 1", data, NULL, &split), TOPN_OK);
    assert_int_equal(count_of(&split, "input.items"), 10);
    assert_int_equal(count_of(&split, "input.events"), 28);
    assert_int_equal(count_of(&split, "train.items"), 8); /* 6 shared, 2 of the users who train */
    assert_int_equal(count_of(&split, "dropped.new-item-events"), 2);
    assert_int_equal(count_of(&split, "events-on-training-items"), 26);
    assert_int_equal(count_of(&split, "dropped.test-users"), 0);
    assert_int_equal(count_of(&split, "test-hidden.events"), 1); /* ⌊0.2 · 6⌋ */
    assert_int_equal(count_of(&split, "test-seen.events"), 5);
    check_split(&split, data);
    clear(&split);
    topn_data_free(data);
}

static void fixed_keeps_the_given_test(void **state)
{
    (void)state;
    const uint32_t train_pairs[][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {1, 0}, {1, 1}, {2, 2}, {2, 5}};
    const uint32_t test_pairs[][2] = {{0, 5}, {0, 7}, {2, 2}, {2, 3}, {3, 1}};
    topn_data *data = made_data(3, 6, train_pairs, NULL, 9), *test = made_data(4, 8, test_pairs, NULL, 5);
    topn_context context = {.threads = 1, .seed = 2};
    topn_split split;
    assert_int_equal(run(&context, "fixed", "", data, test, &split), TOPN_OK);
    const topn_data *train = split.parts[TOPN_PART_TRAIN], *hidden = split.parts[TOPN_PART_TEST_HIDDEN];
    assert_string_equal(train->fingerprint, data->fingerprint);
    assert_int_equal(topn_data_events(hidden), 5);
    assert_int_equal(topn_data_users(hidden), 3);
    assert_int_equal(topn_data_items(hidden), 7); /* the six of training, then i7 */
    assert_string_equal(topn_data_item_id(hidden, 6), "i7");
    assert_string_equal(topn_data_item_id(hidden, 5), topn_data_item_id(train, 5));
    for (uint64_t at = 0; at < 5; at++) {
        char user[8], item[8];
        snprintf(user, sizeof user, "u%u", test_pairs[at][0]);
        snprintf(item, sizeof item, "i%u", test_pairs[at][1]);
        assert_true(holds(hidden, user, item));
    }
    assert_int_equal(topn_data_users(split.parts[TOPN_PART_TEST_SEEN]), 2);
    assert_int_equal(length_of(split.parts[TOPN_PART_TEST_SEEN], "u0"), 5);
    assert_int_equal(count_of(&split, "test.new-items"), 1);
    assert_int_equal(count_of(&split, "test.users-without-seen"), 1);
    assert_int_equal(count_of(&split, "test.events-also-in-training"), 1);
    clear(&split);
    assert_int_equal(run(&context, "fixed", "validation-share 0.2", data, test, &split), TOPN_OK);
    assert_int_equal(topn_data_events(split.parts[TOPN_PART_TRAIN]) + count_of(&split, "dropped.new-item-events"), 8);
    assert_int_equal(count_of(&split, "dropped.new-item-events") + events_of(split.parts[TOPN_PART_VALIDATION_HIDDEN]),
                     1);
    clear(&split);
    topn_data_free(data);
    topn_data_free(test);
}

static void bad_requests(void **state)
{
    (void)state;
    const struct {
        const char *name, *options;
        topn_status status;
        const char *message;
    } cases[] = {
        {"strong", "test-users 2.5", TOPN_ERROR_OPTION,
         "option --test-users: 2.5 is neither a share below 1 nor a whole number"},
        {"strong", "test-users 79 validation-users 1", TOPN_ERROR_OPTION,
         "cannot hold out 79 users for the test and 1 for validation: "},
        {"strong", "test-users 0 validation-users 0", TOPN_ERROR_OPTION, "cannot hold out 0 users"},
        {"strong", "test-users 0.001", TOPN_ERROR_DATA,
         "option --test-users: a share of 0.001 of 80 users is not even one"},
        {"weak", "test-share 0.7 validation-share 0.3", TOPN_ERROR_OPTION, "option --test-share: 0.7 and "},
        {"weak", "min-events 100", TOPN_ERROR_DATA,
         "the split has no test-hidden events: no user has enough events; lower --min-events or raise --test-share"},
        {"leave-last-out", "min-events 100", TOPN_ERROR_DATA, "the split has no test-hidden events: "},
        {"temporal", "", TOPN_ERROR_DATA, "protocol temporal needs the time of each event, and the data have none"},
    };
    topn_data *data = made_random_data(USERS, ITEMS, false, 3);
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        topn_context context = {.threads = 1, .seed = 1};
        topn_split split;
        assert_int_equal(run(&context, cases[index].name, cases[index].options, data, NULL, &split),
                         cases[index].status);
        if (strncmp(context.message, cases[index].message, strlen(cases[index].message)) != 0)
            fail_msg("\"%s\"", context.message);
        clear(&split);
    }
    topn_data_free(data);
    data = made_random_data(USERS, ITEMS, true, 3);
    const char *const late[][2] = {
        {"test-since yesterday", "option --test-since: \"yesterday\" is neither seconds since 1970 nor "},
        {"test-since 1000", "no event is before 1000, where the held-out events begin; the data span 1000 to 1499"},
        {"test-since 2000 validation-share 0", "the split has no test-hidden events: "},
        {"test-share 1", "option --test-share: 1 leaves no event to train on"},
        {"test-share 0.5 validation-share 0.6", "option --validation-share: 0.6 leaves no event to train on"},
    };
    for (size_t index = 0; index < sizeof late / sizeof *late; index++) {
        topn_context context = {.threads = 1, .seed = 1};
        topn_split split;
        assert_int_not_equal(run(&context, "temporal", late[index][0], data, NULL, &split), TOPN_OK);
        if (strncmp(context.message, late[index][1], strlen(late[index][1])) != 0)
            fail_msg("\"%s\"", context.message);
        clear(&split);
    }
    topn_data_free(data);
}

/* Whichever allocation fails, the split fails cleanly. */
static void failing_allocations(void **state)
{
    (void)state;
    topn_data *data = made_random_data(20, 12, true, 3), *test = made_random_data(15, 14, true, 9);
    const char *const names[][2] = {{"strong", "test-users 4 validation-users 4 min-events 1 fold-in 0.5"},
                                    {"weak", "min-events 2 test-share 0.5"},
                                    {"leave-last-out", "min-events 2"},
                                    {"temporal", ""},
                                    {"cold-items", "test-share 0.4 validation-share 0.2"},
                                    {"fixed", "validation-share 0.4 min-events 2"}};
    for (int index = 0; index < 6; index++) {
        const protocol *chosen = protocol_find(names[index][0]);
        topn_status status = TOPN_ERROR_MEMORY;
        for (uint64_t at = 1; status == TOPN_ERROR_MEMORY; at++) {
            topn_context context = {.threads = 1, .seed = 1};
            topn_split split = {0};
            topn_options *options;
            char copy[128], *rest = NULL;
            made(options_new(&context, TOPN_KIND_SPLIT, chosen->name, chosen->options, &options));
            snprintf(copy, sizeof copy, "%s", names[index][1]);
            for (char *key = strtok_r(copy, " ", &rest); key; key = strtok_r(NULL, " ", &rest))
                made(topn_options_set(&context, options, key, strtok_r(NULL, " ", &rest)));
            memory_fail_after(at);
            status = chosen->split(&context, data, chosen->needs_test ? test : NULL,
                                   options_params(options, chosen->options), &split);
            memory_fail_after(0);
            if (status != TOPN_OK && status != TOPN_ERROR_MEMORY)
                fail_msg("%s", context.message);
            clear(&split);
            topn_options_free(options);
        }
        assert_int_equal(status, TOPN_OK);
    }
    topn_data_free(data);
    topn_data_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_protocols_keep_their_promises),
        cmocka_unit_test(cold_items_are_hidden_whole),
        cmocka_unit_test(strong_holds_out_as_many_as_asked),
        cmocka_unit_test(weak_hides_shares_rounded_down),
        cmocka_unit_test(last_events_are_last),
        cmocka_unit_test(time_cuts),
        cmocka_unit_test(items_absent_from_training_are_counted),
        cmocka_unit_test(fixed_keeps_the_given_test),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
