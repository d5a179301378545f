/* SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL as a store: what every store must do, two servers on one store, and what comes of a server that stops,
 * restarts or crashes.
 */
#include "postgres_fixture.h"
#include "store_conformance.h"

#include <pthread.h>

static postgres_server server;

static int begin(void **state)
{
    place *at = calloc(1, sizeof *at);
    postgres_do(&server, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    at->where = postgres_address(&server);
    at->store = open_store(at->where);
    *state = at;
    return 0;
}

static int end(void **state)
{
    place *at = *state;
    store_close(at->store);
    free(at->where);
    free(at);
    return 0;
}

static const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};

/* Appends, and says why where it fails. */
static void append_to(place *at)
{
    if (append_one(at->store, &event) != STORE_OK)
        fail_msg("%s", store_message(at->store));
}

static uint64_t count_events(place *at)
{
    uint64_t count = 0;
    assert_int_equal(store_count(at->store, &count), STORE_OK);
    return count;
}

static void *open_and_append(void *data)
{
    const char *where = data;
    char why[256];
    store *opened = NULL;
    bool good = store_open(where, &opened, why, sizeof why) == STORE_OK;
    for (int i = 0; good && i < 20; i++)
        good = append_one(opened, &event) == STORE_OK;
    if (!good)
        print_error("%s\n", opened ? store_message(opened) : why);
    store_close(opened);
    return good ? NULL : data;
}

static void servers_that_start_at_once_share_one_store(void **state)
{
    place *at = *state;
    enum { SERVERS = 6 };
    pthread_t threads[SERVERS];
    postgres_do(&server, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_append, at->where), 0);
    for (int i = 0; i < SERVERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(count_events(at), SERVERS * 20);
}

/* A reader who has seen number n sees no lower one later, whoever writes. */
static void numbers_rise_in_the_order_of_commits(void **state)
{
    place *at = *state;
    pthread_t threads[3];
    int64_t last = 0;
    uint64_t known = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_append, at->where), 0);
    while (known < 60) {
        static seen_events got;
        assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &got), STORE_OK);
        uint64_t up_to = 0;
        for (size_t i = 0; i < got.count; i++)
            up_to += got.events[i].number <= last;
        assert_int_equal(up_to, known);
        known = got.count;
        last = known ? got.events[known - 1].number : 0;
        forget_events(&got);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void a_stopped_server_is_unavailable_until_it_is_back(void **state)
{
    place *at = *state;
    append_to(at);
    postgres_end(&server, SIGINT);
    assert_int_equal(append_one(at->store, &event), STORE_UNAVAILABLE);
    assert_non_null(strstr(store_message(at->store), "postgresql: "));
    uint64_t count;
    assert_int_equal(store_count(at->store, &count), STORE_UNAVAILABLE);
    char why[512] = "";
    store *other;
    assert_int_equal(store_open(at->where, &other, why, sizeof why), STORE_UNAVAILABLE);
    assert_null(other);
    assert_null(strchr(why, '\n'));
    postgres_start(&server);
    nanosleep(&(struct timespec){.tv_nsec = 600000000L}, NULL);
    append_to(at);
    assert_int_equal(count_events(at), 2);
}

/* Nobody who asks notices a restart between two of his calls. */
static void a_restart_between_calls_is_not_noticed(void **state)
{
    place *at = *state;
    append_to(at);
    for (int round = 0; round < 3; round++) {
        postgres_end(&server, round == 1 ? SIGQUIT : SIGINT);
        postgres_start(&server);
        if (round == 2)
            assert_int_equal(count_events(at), 3);
        else
            append_to(at);
    }
    postgres_do(&server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'topn'");
    static seen_events got;
    assert_int_equal(store_scan(at->store, INT64_MIN, INT64_MAX, see_event, &got), STORE_OK);
    assert_int_equal(got.count, 3);
    forget_events(&got);
}

/* Writes until told to stop, each event once unless the store says that it is not there. */
typedef struct counting_writer {
    const char *where;
    int stop;
    uint64_t acknowledged, uncertain;
} counting_writer;

static void *write_on(void *data)
{
    counting_writer *self = data;
    char why[256];
    store *opened = NULL;
    store_open(self->where, &opened, why, sizeof why);
    while (opened && !__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
        const store_status status = append_one(opened, &event);
        self->acknowledged += status == STORE_OK;
        self->uncertain += status == STORE_UNCERTAIN;
    }
    store_close(opened);
    return NULL;
}

static void crashes_lose_nothing_and_double_nothing(void **state)
{
    place *at = *state;
    counting_writer writer = {.where = at->where};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
    for (int round = 0; round < 4; round++) {
        nanosleep(&(struct timespec){.tv_nsec = 300000000L}, NULL);
        postgres_do(&server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'topn'");
        nanosleep(&(struct timespec){.tv_nsec = 100000000L}, NULL);
        postgres_end(&server, SIGQUIT);
        postgres_start(&server);
    }
    nanosleep(&(struct timespec){.tv_nsec = 800000000L}, NULL);
    __atomic_store_n(&writer.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 600000000L}, NULL);
    const uint64_t count = count_events(at);
    assert_true(writer.acknowledged > 4);
    assert_in_range(count, writer.acknowledged, writer.acknowledged + writer.uncertain);
}

static void others_tables_and_newer_ones_are_refused(void **state)
{
    place *at = *state;
    char why[512];
    store *other;
    postgres_do(&server, "UPDATE topn_counter SET value = 99 WHERE name = 'schema'");
    assert_int_equal(store_open(at->where, &other, why, sizeof why), STORE_BROKEN);
    assert_non_null(strstr(why, "newer"));
    postgres_do(&server, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE topn_event (a int)");
    assert_int_equal(store_open(at->where, &other, why, sizeof why), STORE_BROKEN);
    assert_non_null(strstr(why, "not ours"));
    postgres_do(&server, "DROP DATABASE IF EXISTS latin");
    postgres_do(&server, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
    char *where = NULL;
    assert_true(asprintf(&where, "postgresql:///latin?host=%s&user=topn", server.folder) > 0);
    assert_int_equal(store_open(where, &other, why, sizeof why), STORE_BROKEN);
    assert_non_null(strstr(why, "UTF8"));
    free(where);
    postgres_do(&server, "DROP DATABASE latin");
}

/* No space is left: for a table that may not grow that is what the server says, here in its stead a trigger. */
static void a_full_disk_is_said_and_nothing_is_written(void **state)
{
    place *at = *state;
    const stored_event events[] = {event, event};
    store_batch batch = {.events = events, .count = 2, .idempotency_key = "k"};
    postgres_do(&server, "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                         "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$");
    postgres_do(&server, "CREATE TRIGGER full_disk BEFORE INSERT ON topn_event EXECUTE FUNCTION full_disk()");
    assert_int_equal(store_append(at->store, &batch, 1), STORE_FULL);
    assert_int_equal(batch.status, STORE_FULL);
    assert_int_equal(count_events(at), 0);
    postgres_do(&server, "DROP TRIGGER full_disk ON topn_event");
    assert_int_equal(store_append(at->store, &batch, 1), STORE_OK);
    assert_false(batch.repeated);
    assert_int_equal(count_events(at), 2);
}

static int create_server(void **state)
{
    (void)state;
    return postgres_create(&server) ? 0 : -1;
}

static int destroy_server(void **state)
{
    (void)state;
    postgres_destroy(&server);
    return 0;
}

int main(void)
{
    char *programs = postgres_programs();
    const bool installed = programs != NULL;
    free(programs);
    if (!installed) {
        puts("skipped: PostgreSQL is not installed (script/setup test)");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        ON_EACH(begin, end),
        cmocka_unit_test_setup_teardown(servers_that_start_at_once_share_one_store, begin, end),
        cmocka_unit_test_setup_teardown(numbers_rise_in_the_order_of_commits, begin, end),
        cmocka_unit_test_setup_teardown(a_stopped_server_is_unavailable_until_it_is_back, begin, end),
        cmocka_unit_test_setup_teardown(a_restart_between_calls_is_not_noticed, begin, end),
        cmocka_unit_test_setup_teardown(crashes_lose_nothing_and_double_nothing, begin, end),
        cmocka_unit_test_setup_teardown(others_tables_and_newer_ones_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_nothing_is_written, begin, end),
    };
    return cmocka_run_group_tests_name("postgresql", tests, create_server, destroy_server);
}
