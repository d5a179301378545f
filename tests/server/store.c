/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite as a store: what every store must do, and what is its own.
 */
#include "store_conformance.h"

#include <pthread.h>
#include <sqlite3.h>

static int begin_sqlite(void **state)
{
    place *at = calloc(1, sizeof *at);
    at->folder = make_folder();
    at->where = join_path(at->folder, "events.sqlite");
    at->store = open_store(at->where);
    *state = at;
    return 0;
}

static int end_sqlite(void **state)
{
    place *at = *state;
    store_close(at->store);
    remove_folder(at->folder);
    free(at->where);
    free(at);
    return 0;
}

/* ---- what is SQLite's own ----------------------------------------------------------------------------------- */

static const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};

static void readers_do_not_wait_for_a_writer(void **state)
{
    place *at = *state;
    sqlite3 *other = NULL;
    seen_entities none = {.count = 0};
    int64_t version;
    uint64_t count;
    assert_int_equal(append_one(at->store, &event), STORE_OK);
    assert_int_equal(sqlite3_open(at->where, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE; DELETE FROM event", NULL, NULL, NULL), SQLITE_OK);
    store *reader = open_store(at->where); /* also one that is opened now */
    assert_int_equal(store_history(reader, "u", 0, 10, see_event, &seen), STORE_OK);
    assert_int_equal(seen.count, 1);
    forget_events(&seen);
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 1);
    assert_int_equal(store_list(reader, ENTITY_ITEM, "", 10, see_entity, &none), STORE_OK);
    assert_int_equal(store_items_version(reader, &version), STORE_OK);
    store_close(reader);
    sqlite3_close(other);
}

/* Makes a database by these commands, which then must be refused, and left as it is unless it is marked as ours. */
static void expect_refusal(const place *at, const char *name, const char *commands, const char *reason)
{
    char why[512] = "", *path = join_path(at->folder, name), before[8192], after[8192];
    sqlite3 *other = NULL;
    store *opened;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, commands, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(path, "rb");
        memset(i ? after : before, 0, sizeof before);
        assert_true(fread(i ? after : before, 1, sizeof before, file) > 0);
        fclose(file);
        if (i == 0) {
            assert_int_equal(store_open(path, &opened, why, sizeof why), STORE_BROKEN);
            assert_null(opened);
            assert_non_null(strstr(why, path));
            assert_non_null(strstr(why, reason));
        }
    }
    if (!strstr(commands, "user_version = 1;"))
        assert_memory_equal(before, after, sizeof before);
    free(path);
}

static void databases_of_others_are_refused_unchanged(void **state)
{
    place *at = *state;
    expect_refusal(at, "other.db", "CREATE TABLE event (a)", "another program");
    expect_refusal(at, "named.db", "PRAGMA application_id = 42; CREATE TABLE t (a)", "another program");
    expect_refusal(at, "newer.db",
                   "PRAGMA application_id = 1953460334; PRAGMA user_version = 99; CREATE TABLE event (a)", "newer");
    expect_refusal(at, "parts.db",
                   "PRAGMA application_id = 1953460334; PRAGMA user_version = 1; CREATE TABLE event (a)", "no such");
}

static void folders_and_empty_files_are_places(void **state)
{
    place *at = *state;
    char *path = join_path(at->folder, "empty");
    fclose(fopen(path, "w"));
    store *opened = open_store(path);
    assert_int_equal(append_one(opened, &event), STORE_OK);
    store_close(opened);
    free(path);
    opened = open_store(at->folder); /* in which the test's own store is events.sqlite */
    assert_int_equal(append_one(opened, &event), STORE_OK);
    store_close(opened);
    uint64_t count;
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    assert_int_equal(count, 1);
    assert_string_equal(store_kind_name(at->store), "sqlite");
    char why[256];
    assert_int_equal(store_open("mysql://host/base", &opened, why, sizeof why), STORE_BROKEN);
    assert_null(opened);
}

static void *open_and_append(void *data)
{
    const char *where = data;
    char why[256];
    store *opened = NULL;
    bool good = store_open(where, &opened, why, sizeof why) == STORE_OK;
    for (int i = 0; good && i < 5; i++)
        good = append_one(opened, &event) == STORE_OK;
    if (!good)
        print_error("%s\n", opened ? store_message(opened) : why);
    store_close(opened);
    return good ? NULL : data;
}

static void a_new_store_is_made_by_one_of_many(void **state)
{
    place *at = *state;
    enum { OPENERS = 6, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[OPENERS];
        char name[16];
        uint64_t count;
        snprintf(name, sizeof name, "new%d", round);
        char *path = join_path(at->folder, name);
        for (int i = 0; i < OPENERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, open_and_append, path), 0);
        for (int i = 0; i < OPENERS; i++) {
            void *failed;
            pthread_join(threads[i], &failed);
            assert_null(failed);
        }
        store *opened = open_store(path);
        assert_int_equal(store_count(opened, &count), STORE_OK);
        assert_int_equal(count, OPENERS * 5);
        store_close(opened);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest sqlite[] = {
        ON_EACH(begin_sqlite, end_sqlite),
        cmocka_unit_test_setup_teardown(readers_do_not_wait_for_a_writer, begin_sqlite, end_sqlite),
        cmocka_unit_test_setup_teardown(databases_of_others_are_refused_unchanged, begin_sqlite, end_sqlite),
        cmocka_unit_test_setup_teardown(folders_and_empty_files_are_places, begin_sqlite, end_sqlite),
        cmocka_unit_test_setup_teardown(a_new_store_is_made_by_one_of_many, begin_sqlite, end_sqlite),
    };
    return cmocka_run_group_tests_name("sqlite", sqlite, NULL, NULL);
}
