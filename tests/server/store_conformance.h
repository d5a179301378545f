/* SPDX-License-Identifier: Apache-2.0
 *
 * What every kind of store must do: the tests run on each of them.
 */
#ifndef TOPN_TESTS_SERVER_STORE_CONFORMANCE_H
#define TOPN_TESTS_SERVER_STORE_CONFORMANCE_H

#include "store_fixture.h"

#include <math.h>
#include <time.h>

/* A store of its own, empty, for each test. */
typedef struct place {
    char *folder; /* NULL where the store is not in one */
    char *where;
    store *store;
} place;

static seen_events seen;

static void events_come_back_as_written(void **state)
{
    place *at = *state;
    const stored_event events[] = {
        {.user = "u1", .item = "a", .weight = 1, .time = 100, .kind = "click"},
        {.user = "u2", .item = "a", .weight = -0.125, .time = -5, .kind = "", .context = "{\"hour\": \"9\"}"},
        {.user = "u1", .item = "b", .weight = 1e30, .time = INT64_C(1) << 40, .kind = "buy", .deleted = true},
        {.user = "u1", .item = "a", .weight = 0.1, .time = 100, .kind = "click"},
    };
    store_batch batches[] = {
        {.events = events, .count = 2}, {.events = events, .count = 0}, {.events = events + 2, .count = 2}};
    uint64_t count;
    assert_int_equal(store_append(at->store, batches, 3), STORE_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(batches[i].status, STORE_OK);
    assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 4);
    for (size_t i = 0; i < seen.count; i++) {
        const stored_event *got = &seen.events[i];
        assert_string_equal(got->user, events[i].user);
        assert_string_equal(got->item, events[i].item);
        assert_true(got->weight == events[i].weight);
        assert_int_equal(got->time, events[i].time);
        assert_string_equal(got->kind, events[i].kind);
        assert_int_equal(got->deleted, events[i].deleted);
        assert_true(i == 0 || got->number > seen.events[i - 1].number);
    }
    assert_null(seen.events[0].context);
    assert_string_equal(seen.events[1].context, "{\"hour\": \"9\"}");
    forget_events(&seen);
    assert_int_equal(store_scan(at->store, 100, INT64_C(1) << 40, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 2);
    forget_events(&seen);
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 4);
}

static void what_another_connection_wrote_is_seen(void **state)
{
    place *at = *state;
    store *other = open_store(at->where);
    const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};
    uint64_t count;
    assert_int_equal(append_one(other, &event), STORE_OK);
    assert_int_equal(append_one(at->store, &event), STORE_OK);
    assert_int_equal(append_one(other, &event), STORE_OK);
    store_close(other);
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 3);
}

/* ---- histories against a plain computation --------------------------------------------------------------- */

enum { USERS = 3, ITEMS = 5, RANDOM_EVENTS = 300 };

typedef struct plain_pair {
    double weight;
    int64_t time, number;
    bool any, deleted, replaced;
} plain_pair;

static unsigned draw(unsigned *random, unsigned below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % below;
}

/* What the events numbered above `after` come to, by item. */
static void plain_history(const seen_events *all, const char *user, int64_t after, plain_pair out[ITEMS])
{
    memset(out, 0, ITEMS * sizeof *out);
    for (size_t i = 0; i < all->count; i++) {
        const stored_event *event = &all->events[i];
        if (strcmp(event->user, user) != 0 || event->number <= after)
            continue;
        plain_pair *pair = &out[event->item[0] - 'a'];
        const bool anew = !pair->any || pair->deleted || event->deleted;
        pair->weight = event->deleted ? 0 : anew ? event->weight : pair->weight + event->weight;
        pair->time = anew || event->time > pair->time ? event->time : pair->time;
        pair->number = event->number;
        pair->replaced |= event->deleted;
        pair->deleted = event->deleted;
        pair->any = true;
    }
}

static int newest_first(const void *a, const void *b)
{
    const plain_pair *left = a, *right = b;
    if (left->any != right->any)
        return left->any ? -1 : 1;
    if (left->time != right->time)
        return left->time > right->time ? -1 : 1;
    return left->number > right->number ? -1 : left->number < right->number;
}

static void compare_history(place *at, const seen_events *all, const char *user, int64_t after, size_t limit)
{
    static seen_events got;
    plain_pair pairs[ITEMS];
    size_t expected = 0;
    plain_history(all, user, after, pairs);
    qsort(pairs, ITEMS, sizeof *pairs, newest_first);
    while (expected < ITEMS && expected < limit && pairs[expected].any)
        expected++;
    assert_int_equal(store_history(at->store, user, after, limit, see_event, &got), STORE_OK);
    assert_int_equal(got.count, expected);
    for (size_t i = 0; i < expected; i++) {
        assert_int_equal(got.events[i].number, pairs[i].number);
        assert_string_equal(got.events[i].user, user);
        assert_true(fabs(got.events[i].weight - pairs[i].weight) < 1e-9);
        assert_int_equal(got.events[i].time, pairs[i].time);
        assert_int_equal(got.events[i].deleted, pairs[i].deleted);
        assert_int_equal(got.events[i].replaced, pairs[i].replaced);
    }
    forget_events(&got);
}

static void histories_equal_a_plain_computation(void **state)
{
    place *at = *state;
    static const char *const users[USERS] = {"x", "y", "z"};
    static const char *const items[ITEMS] = {"a", "b", "c", "d", "e"};
    unsigned random = 7;
    for (size_t i = 0; i < RANDOM_EVENTS; i++) {
        const stored_event event = {.user = users[draw(&random, USERS)],
                                    .item = items[draw(&random, ITEMS)],
                                    .weight = draw(&random, 9) - 2.0,
                                    .time = draw(&random, 50),
                                    .kind = "",
                                    .deleted = draw(&random, 6) == 0};
        assert_int_equal(append_one(at->store, &event), STORE_OK);
    }
    assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, RANDOM_EVENTS);
    for (size_t i = 0; i < 60; i++) {
        const int64_t after = i < 6 ? 0 : seen.events[draw(&random, RANDOM_EVENTS)].number;
        compare_history(at, &seen, users[i % USERS], after, i % 2 ? ITEMS : draw(&random, ITEMS + 1));
    }
    forget_events(&seen);
    assert_int_equal(store_history(at->store, "nobody", 0, 10, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 0);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

static void a_repeated_key_writes_once(void **state)
{
    place *at = *state;
    const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};
    store_batch batches[] = {
        {.events = &event, .count = 1, .idempotency_key = "k1", .contents = UINT64_MAX},
        {.events = &event, .count = 1, .idempotency_key = "k1", .contents = UINT64_MAX},
        {.events = &event, .count = 1, .idempotency_key = "k1", .contents = 2},
        {.events = &event, .count = 1, .idempotency_key = "k2", .contents = 2},
        {.events = &event, .count = 1},
    };
    uint64_t count;
    assert_int_equal(store_append(at->store, batches, 5), STORE_OK);
    assert_int_equal(batches[0].status, STORE_OK);
    assert_false(batches[0].repeated);
    assert_int_equal(batches[1].status, STORE_OK);
    assert_true(batches[1].repeated);
    assert_int_equal(batches[2].status, STORE_CONFLICT);
    assert_int_equal(batches[3].status, STORE_OK);
    assert_int_equal(batches[4].status, STORE_OK);
    store_close(at->store);
    at->store = open_store(at->where);
    assert_int_equal(store_append(at->store, batches, 1), STORE_OK);
    assert_true(batches[0].repeated);
    assert_int_equal(store_append(at->store, batches + 2, 1), STORE_OK);
    assert_int_equal(batches[2].status, STORE_CONFLICT);
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 3);
}

static void an_invalid_batch_leaves_the_others(void **state)
{
    place *at = *state;
    char long_id[STORE_ID_BYTES + 2];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    const stored_event good = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};
    stored_event bad[10][2];
    for (size_t i = 0; i < 10; i++)
        bad[i][0] = bad[i][1] = good;
    bad[0][1].user = "";
    bad[1][1].item = "caf\xe9";
    bad[2][1].user = long_id;
    bad[3][1].weight = NAN;
    bad[4][1].weight = -INFINITY;
    bad[5][1].kind = "\xed\xa0\x80";             /* a surrogate */
    bad[6][1].context = "{\"a\": \"\xc0\xaf\"}"; /* overlong */
    bad[7][1].user = "\xf4\x90\x80\x80";         /* beyond U+10FFFF */
    bad[8][1].item = "cut \xe2\x82";
    bad[9][1].user = NULL;
    for (size_t i = 0; i < 10; i++) {
        store_batch batches[] = {{.events = bad[i], .count = 2}, {.events = &good, .count = 1}};
        assert_int_equal(store_append(at->store, batches, 2), STORE_OK);
        assert_int_equal(batches[0].status, STORE_INVALID);
        assert_int_equal(batches[1].status, STORE_OK);
        assert_non_null(strstr(store_message(at->store), "event 1: the "));
    }
    uint64_t count;
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 10);
}

static void ids_of_any_characters_are_kept(void **state)
{
    place *at = *state;
    char longest[STORE_ID_BYTES + 1];
    memset(longest, 'y', STORE_ID_BYTES);
    longest[STORE_ID_BYTES] = '\0';
    const char *const ids[] = {"'; DROP TABLE event; --",
                               "\"",
                               "\\",
                               "%s%n",
                               "a\nb\tc",
                               "\x01\x7f",
                               "é€😀",
                               " ",
                               "NULL",
                               longest,
                               "$1",
                               "?1",
                               "{}",
                               "ABC",
                               "abc",
                               "ａ"};
    const size_t count = sizeof ids / sizeof *ids;
    for (size_t i = 0; i < count; i++) {
        const stored_event event = {.user = ids[i], .item = ids[count - 1 - i], .weight = 1, .time = 1, .kind = "'"};
        const stored_entity entity = {.id = ids[i], .title = ids[i], .attributes = "{\"a\": \"'\"}"};
        assert_int_equal(append_one(at->store, &event), STORE_OK);
        assert_int_equal(store_put(at->store, ENTITY_USER, &entity, 1), STORE_OK);
    }
    for (size_t i = 0; i < count; i++) {
        seen_entities entities = {.count = 0};
        assert_int_equal(store_history(at->store, ids[i], 0, 10, see_event, &seen), STORE_OK);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.events[0].item, ids[count - 1 - i]);
        forget_events(&seen);
        assert_int_equal(store_get(at->store, ENTITY_USER, ids[i], see_entity, &entities), STORE_OK);
        assert_string_equal(entities.entities[0].id, ids[i]);
        forget_entities(&entities);
    }
    seen_entities all = {.count = 0};
    assert_int_equal(store_list(at->store, ENTITY_USER, "", 64, see_entity, &all), STORE_OK);
    assert_int_equal(all.count, count);
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(all.entities[i - 1].id, all.entities[i].id) < 0);
    forget_entities(&all);
}

/* ---- items, users, notes ----------------------------------------------------------------------------------- */

static void entities_are_put_listed_and_removed(void **state)
{
    place *at = *state;
    const stored_entity items[] = {{.id = "b", .title = "B", .attributes = "{\"year\": 1990}"},
                                   {.id = "a", .attributes = NULL, .hidden = true},
                                   {.id = "c", .title = "", .attributes = "{}"}};
    const stored_entity again = {.id = "b", .title = "B2", .attributes = "{}", .hidden = true};
    seen_entities got = {.count = 0};
    int64_t version[4];
    assert_int_equal(store_items_version(at->store, &version[0]), STORE_OK);
    assert_int_equal(store_put(at->store, ENTITY_ITEM, items, 3), STORE_OK);
    assert_int_equal(store_items_version(at->store, &version[1]), STORE_OK);
    assert_int_equal(store_list(at->store, ENTITY_ITEM, "", 2, see_entity, &got), STORE_OK);
    assert_int_equal(got.count, 2);
    assert_string_equal(got.entities[0].id, "a");
    assert_null(got.entities[0].title);
    assert_string_equal(got.entities[0].attributes, "{}");
    assert_true(got.entities[0].hidden);
    assert_string_equal(got.entities[1].attributes, "{\"year\": 1990}");
    assert_int_equal(store_list(at->store, ENTITY_ITEM, "b", 2, see_entity, &got), STORE_OK);
    assert_int_equal(got.count, 3);
    assert_string_equal(got.entities[2].id, "c");
    assert_string_equal(got.entities[2].title, "");
    forget_entities(&got);
    assert_int_equal(store_put(at->store, ENTITY_ITEM, &again, 1), STORE_OK);
    assert_int_equal(store_items_version(at->store, &version[2]), STORE_OK);
    assert_int_equal(store_get(at->store, ENTITY_ITEM, "b", see_entity, &got), STORE_OK);
    assert_string_equal(got.entities[0].title, "B2");
    assert_true(got.entities[0].hidden);
    forget_entities(&got);
    assert_int_equal(store_get(at->store, ENTITY_USER, "b", see_entity, &got), STORE_NOT_FOUND);
    assert_int_equal(store_remove(at->store, ENTITY_ITEM, "b"), STORE_OK);
    assert_int_equal(store_remove(at->store, ENTITY_ITEM, "b"), STORE_NOT_FOUND);
    assert_int_equal(store_items_version(at->store, &version[3]), STORE_OK);
    for (size_t i = 1; i < 4; i++)
        assert_true(version[i] > version[i - 1]);
}

static void a_removed_user_takes_his_events(void **state)
{
    place *at = *state;
    const stored_entity user = {.id = "u", .attributes = "{}"};
    const stored_event events[] = {{.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""},
                                   {.user = "v", .item = "a", .weight = 1, .time = 1, .kind = ""},
                                   {.user = "w", .item = "a", .weight = 1, .time = 1, .kind = ""}};
    store_batch batch = {.events = events, .count = 3};
    int64_t last = 0;
    assert_int_equal(store_append(at->store, &batch, 1), STORE_OK);
    assert_int_equal(store_put(at->store, ENTITY_USER, &user, 1), STORE_OK);
    assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &seen), STORE_OK);
    last = seen.events[2].number;
    forget_events(&seen);
    assert_int_equal(store_remove(at->store, ENTITY_USER, "u"), STORE_OK);
    assert_int_equal(store_remove(at->store, ENTITY_USER, "w"), STORE_OK); /* never put, but has events */
    assert_int_equal(store_remove(at->store, ENTITY_USER, "w"), STORE_NOT_FOUND);
    assert_int_equal(append_one(at->store, &events[2]), STORE_OK);
    assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.events[0].user, "v");
    assert_true(seen.events[1].number > last); /* numbers are never given again */
    forget_events(&seen);
}

static void old_events_expire_by_steps(void **state)
{
    place *at = *state;
    uint64_t deleted, count;
    for (int64_t time = 10; time > 0; time--) {
        const stored_event event = {.user = time < 4 ? "old" : "u", .item = "a", .weight = 1, .time = time, .kind = ""};
        assert_int_equal(append_one(at->store, &event), STORE_OK);
    }
    assert_int_equal(store_expire(at->store, 6, 3, &deleted), STORE_OK);
    assert_int_equal(deleted, 3);
    assert_int_equal(store_expire(at->store, 6, 3, &deleted), STORE_OK);
    assert_int_equal(deleted, 2);
    assert_int_equal(store_expire(at->store, 6, 3, &deleted), STORE_OK);
    assert_int_equal(deleted, 0);
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 5);
    assert_int_equal(store_history(at->store, "old", 0, 9, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(store_history(at->store, "u", 0, 9, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 1);
    assert_true(seen.events[0].weight == 5);
    assert_int_equal(seen.events[0].time, 10);
    forget_events(&seen);
}

static void notes_are_kept(void **state)
{
    place *at = *state;
    char *text = NULL;
    assert_int_equal(store_read_note(at->store, "sent", &text), STORE_NOT_FOUND);
    assert_null(text);
    assert_int_equal(store_note(at->store, "sent", "1"), STORE_OK);
    assert_int_equal(store_note(at->store, "sent", "zwölf"), STORE_OK);
    assert_int_equal(store_read_note(at->store, "sent", &text), STORE_OK);
    assert_string_equal(text, "zwölf");
    free(text);
    assert_int_equal(store_note(at->store, "sent", NULL), STORE_OK);
    assert_int_equal(store_read_note(at->store, "sent", &text), STORE_NOT_FOUND);
}

#define ON_EACH(begin, end)                                                                                            \
    cmocka_unit_test_setup_teardown(events_come_back_as_written, begin, end),                                          \
        cmocka_unit_test_setup_teardown(what_another_connection_wrote_is_seen, begin, end),                            \
        cmocka_unit_test_setup_teardown(histories_equal_a_plain_computation, begin, end),                              \
        cmocka_unit_test_setup_teardown(a_repeated_key_writes_once, begin, end),                                       \
        cmocka_unit_test_setup_teardown(an_invalid_batch_leaves_the_others, begin, end),                               \
        cmocka_unit_test_setup_teardown(ids_of_any_characters_are_kept, begin, end),                                   \
        cmocka_unit_test_setup_teardown(entities_are_put_listed_and_removed, begin, end),                              \
        cmocka_unit_test_setup_teardown(a_removed_user_takes_his_events, begin, end),                                  \
        cmocka_unit_test_setup_teardown(old_events_expire_by_steps, begin, end),                                       \
        cmocka_unit_test_setup_teardown(notes_are_kept, begin, end)

#endif
