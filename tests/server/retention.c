/* SPDX-License-Identifier: Apache-2.0
 *
 * Retention: old events go while others are written, young ones stay.
 */
#include "store_fixture.h"

#include "server/retention.h"

#include <time.h>

static void old_events_go_and_young_ones_stay(void **state)
{
    (void)state;
    enum { OLD = 2500, YOUNG = 10, DAY = 86400 };
    char *folder = make_folder(), *where = join_path(folder, "events.sqlite"), why[512];
    store *to = open_store(where);
    const int64_t now = time(NULL);
    static stored_event events[OLD + YOUNG];
    for (size_t i = 0; i < OLD + YOUNG; i++)
        events[i] = (stored_event){.user = i % 2 ? "u" : "v",
                                   .item = "a",
                                   .weight = 1,
                                   .time = i < OLD ? now - 3 * DAY : now - DAY,
                                   .kind = ""};
    store_batch batch = {.events = events, .count = OLD + YOUNG};
    assert_int_equal(store_append(to, &batch, 1), STORE_OK);
    retention *started = NULL;
    assert_true(retention_start(where, 2 * DAY, &started, why, sizeof why));
    while (retention_deleted(started) < OLD) {
        assert_int_equal(append_one(to, &events[OLD]), STORE_OK);
        nanosleep(&(struct timespec){.tv_nsec = 5000000L}, NULL);
    }
    retention_stop(started);
    uint64_t deleted, count;
    assert_int_equal(store_expire(to, now - 2 * DAY, 10, &deleted), STORE_OK);
    assert_int_equal(deleted, 0);
    assert_int_equal(store_count(to, &count), STORE_OK);
    assert_true(count >= YOUNG);
    store_close(to);
    free(where);
    remove_folder(folder);
}

static void without_a_limit_there_is_nothing_to_do(void **state)
{
    (void)state;
    retention *none = NULL;
    char why[64] = "";
    assert_true(retention_start("/nowhere/at/all", 0, &none, why, sizeof why));
    assert_null(none);
    assert_int_equal(retention_deleted(none), 0);
    retention_stop(none);
    assert_false(retention_start("/nowhere/at/all", 5, &none, why, sizeof why));
    assert_null(none);
    assert_non_null(strstr(why, "/nowhere/at/all"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_events_go_and_young_ones_stay),
        cmocka_unit_test(without_a_limit_there_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
