/* SPDX-License-Identifier: Apache-2.0
 *
 * Users as they are now: random events, deletions and replacements in a store, against a plain account of what they
 * come to; and what the model was trained on already.
 */
#include "server/live.h"
#include "server/generation.h"
#include "store_fixture.h"

#include <math.h>

enum { USERS = 8, ITEMS = 20, ROUNDS = 60 };
/* Later than the model's file. */
#define AFTER INT64_C(32503680000)

static topn_context *context;
static char *folder, *place;
static generation *in_use;
static worker *mine;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Users 0 … 5 of the model have weighted items; 6 and 7 it does not know. Items 18 and 19 neither. */
static void write_model(const char *path)
{
    static uint64_t indptr[USERS];
    static uint32_t indices[USERS * ITEMS];
    static float values[USERS * ITEMS];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS - 2; user++) {
        for (uint32_t item = user % 3; item < ITEMS - 2; item += 1 + user) {
            values[count] = (float)(item % 4) + 0.5f;
            indices[count++] = item;
        }
        indptr[user + 1] = count;
    }
    topn_data *data;
    topn_options *options;
    topn_model *model;
    check(topn_data_copy_csr(context, USERS - 2, ITEMS - 2, indptr, indices, values, &data));
    check(topn_options_create(context, TOPN_KIND_METHOD, "ease", &options));
    check(topn_options_set(context, options, "values", "weight"));
    check(topn_train(context, data, options, NULL, &model));
    check(topn_model_save(context, model, path));
    topn_model_free(model);
    topn_options_free(options);
    topn_data_free(data);
}

static int set_up(void **state)
{
    char why[512];
    (void)state;
    check(topn_context_create(&context));
    folder = make_folder();
    char *model = join_path(folder, "model");
    write_model(model);
    in_use = generation_load(model, "exact", why, sizeof why);
    if (!in_use)
        fail_msg("%s", why);
    place = join_path(folder, "events");
    mine = worker_create(place, why, sizeof why);
    if (!mine)
        fail_msg("%s", why);
    free(model);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_free(mine);
    generation_release(in_use);
    topn_context_free(context);
    free(place);
    remove_folder(folder);
    return 0;
}

/* What a user has of each item: NAN = nothing. */
static double account[USERS][ITEMS];
static size_t changes[USERS]; /* items that the store says something of */

static void open_account(void)
{
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t *items;
        const float *weights;
        const size_t length = topn_model_history(in_use->model, user, &items, &weights);
        changes[user] = 0;
        for (uint32_t item = 0; item < ITEMS; item++)
            account[user][item] = NAN;
        for (size_t at = 0; at < length; at++)
            account[user][items[at]] = weights ? (double)weights[at] : 1.0;
    }
}

static void check_user(uint32_t user)
{
    char name[16];
    live_history found;
    size_t wanted = 0, at = 0;
    snprintf(name, sizeof name, "%u", user);
    assert_int_equal(live_read(mine, in_use, name, &found), STORE_OK);
    for (uint32_t item = 0; item < ITEMS - 2; item++) {
        if (isnan(account[user][item]))
            continue;
        wanted++;
        assert_true(at < found.length);
        assert_int_equal(found.items[at], item);
        const double weight = found.weights ? (double)found.weights[at] : 1.0;
        assert_true(fabs(weight - account[user][item]) < 1e-5 * fabs(weight));
        at++;
    }
    assert_int_equal(found.length, wanted);
    size_t unknown = 0;
    for (uint32_t item = ITEMS - 2; item < ITEMS; item++)
        unknown += !isnan(account[user][item]);
    assert_int_equal(found.unknown, unknown);
    assert_int_equal(found.known_to_model, user < USERS - 2);
    if (changes[user] == 0) { /* the model's own arrays, so that it answers with a trained row */
        const uint32_t *items;
        topn_model_history(in_use->model, user, &items, NULL);
        assert_true(found.lent);
        assert_true(found.items == items);
    }
    live_clear(&found);
}

static void append(uint32_t user, uint32_t item, double weight, bool deleted)
{
    char user_name[16], item_name[16];
    snprintf(user_name, sizeof user_name, "%u", user);
    snprintf(item_name, sizeof item_name, "%u", item);
    const stored_event event = {
        .user = user_name, .item = item_name, .weight = weight, .time = AFTER, .kind = "", .deleted = deleted};
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    double *entry = &account[user][item];
    if (deleted)
        *entry = NAN;
    else
        *entry = isnan(*entry) ? weight : *entry + weight;
    changes[user]++;
}

static void test_nothing_new(void **state)
{
    (void)state;
    open_account();
    for (uint32_t user = 0; user < USERS; user++)
        check_user(user);
}

static void test_events(void **state)
{
    (void)state;
    uint32_t bits = 4711;
    for (size_t round = 0; round < ROUNDS; round++) {
        bits = bits * 1664525u + 1013904223u;
        const uint32_t user = (bits >> 8) % USERS, item = (bits >> 12) % ITEMS;
        append(user, item, 0.37 + (double)((bits >> 20) % 8), (bits >> 28) % 3 == 0);
        check_user(user);
    }
    for (uint32_t user = 0; user < USERS; user++)
        check_user(user);
}

/* A deletion of what is not there, and an item that the model does not know, leave the trained row. */
static void test_idle_events(void **state)
{
    (void)state;
    char user[] = "1";
    live_history found;
    store *fresh = mine->store;
    char *elsewhere = join_path(folder, "idle");
    mine->store = open_store(elsewhere);
    const uint32_t *items;
    topn_model_history(in_use->model, 1, &items, NULL);
    const stored_event events[] = {
        {.user = user, .item = "0", .weight = 1, .time = 5, .kind = "", .deleted = true}, /* item 0 is not his */
        {.user = user, .item = "elsewhere", .weight = 1, .time = 5, .kind = ""},
    };
    for (size_t at = 0; at < 2; at++)
        assert_int_equal(append_one(mine->store, &events[at]), STORE_OK);
    assert_int_equal(live_read(mine, in_use, user, &found), STORE_OK);
    assert_true(found.lent);
    assert_true(found.items == items);
    assert_int_equal(found.unknown, 1);
    live_clear(&found);
    store_close(mine->store);
    mine->store = fresh;
    free(elsewhere);
}

/* Events up to the number in the note are in the model already; a deletion among the later ones takes back both. */
static void test_trained_through(void **state)
{
    (void)state;
    char note[MODEL_VERSION + 16];
    live_history found;
    store *fresh = mine->store;
    char *elsewhere = join_path(folder, "trained");
    mine->store = open_store(elsewhere);
    stored_event event = {.user = "0", .item = "1", .weight = 8, .time = 5, .kind = ""};
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    seen_events seen = {0};
    assert_int_equal(store_history(mine->store, "0", 0, 10, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 1);
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)seen.events[0].number);
    forget_events(&seen);
    snprintf(note, sizeof note, "trained.%s", in_use->version);
    assert_int_equal(store_note(mine->store, note, number), STORE_OK);
    mine->trained_known = false;

    assert_int_equal(live_read(mine, in_use, "0", &found), STORE_OK);
    assert_true(found.lent);
    live_clear(&found);
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    assert_int_equal(live_read(mine, in_use, "0", &found), STORE_OK);
    assert_false(found.lent);
    assert_int_equal(found.items[1], 1);
    assert_true(fabsf(found.weights[1] - 9.5f) < 1e-6f); /* 1.5 of the model, 8 of the one event after it */
    live_clear(&found);
    event.deleted = true;
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    event.deleted = false;
    event.weight = 3;
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    assert_int_equal(live_read(mine, in_use, "0", &found), STORE_OK);
    assert_int_equal(found.items[1], 1);
    assert_true(fabsf(found.weights[1] - 3.0f) < 1e-6f);
    live_clear(&found);
    mine->trained_known = false;
    store_close(mine->store);
    mine->store = fresh;
    free(elsewhere);
}

/* Of a model that was trained elsewhere: its log, imported, is nothing new; what came after the file is. */
static void test_imported(void **state)
{
    (void)state;
    const uint32_t *items;
    const float *weights;
    live_history found;
    store *fresh = mine->store;
    char *elsewhere = join_path(folder, "imported");
    mine->store = open_store(elsewhere);
    mine->trained_known = false;
    const size_t length = topn_model_history(in_use->model, 2, &items, &weights);
    for (size_t at = 0; at < length; at++) {
        const stored_event event = {.user = "2",
                                    .item = topn_model_item_id(in_use->model, items[at]),
                                    .weight = (double)weights[at],
                                    .time = 1000,
                                    .kind = ""};
        assert_int_equal(append_one(mine->store, &event), STORE_OK);
    }
    assert_int_equal(live_read(mine, in_use, "2", &found), STORE_OK);
    assert_true(found.lent);
    live_clear(&found);
    stored_event event = {.user = "2", .item = "17", .weight = 1, .time = 1000, .kind = ""};
    assert_int_equal(append_one(mine->store, &event), STORE_OK);
    assert_int_equal(live_read(mine, in_use, "2", &found), STORE_OK);
    assert_int_equal(found.length, length + (items[length - 1] != 17));
    live_clear(&found);
    mine->trained_known = false;
    store_close(mine->store);
    mine->store = fresh;
    free(elsewhere);
}

/* Histories that a request brings: duplicates are summed, order is no matter, nothing or less is no event. */
static void test_given(void **state)
{
    (void)state;
    live_history found;
    live_event events[] = {{.item = 7, .weight = 1, .order = 0},   {.item = 2, .weight = 2, .order = 1},
                           {.item = 7, .weight = 0.5, .order = 2}, {.item = 3, .weight = 1, .order = 3},
                           {.item = 3, .weight = -1, .order = 4},  {.item = 9, .weight = 1e300, .order = 5}};
    assert_true(live_merge(in_use, NULL, events, sizeof events / sizeof *events, &found));
    assert_int_equal(found.length, 3);
    assert_int_equal(found.items[0], 2);
    assert_int_equal(found.items[1], 7);
    assert_int_equal(found.items[2], 9);
    assert_true(fabsf(found.weights[1] - 1.5f) < 1e-6f);
    assert_true(isfinite(found.weights[2]));
    live_clear(&found);
    assert_true(live_merge(in_use, NULL, NULL, 0, &found));
    assert_int_equal(found.length, 0);
    live_clear(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_new),     cmocka_unit_test(test_events),   cmocka_unit_test(test_idle_events),
        cmocka_unit_test(test_trained_through), cmocka_unit_test(test_imported), cmocka_unit_test(test_given),
    };
    return cmocka_run_group_tests_name("server/live", tests, set_up, tear_down);
}
