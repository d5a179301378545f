/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer of events: what is answered is in the store, groups share a commit, the queue is bounded, a locked store
 * is waited for, and stopping writes what waits.
 */
#include "store_fixture.h"

#include "server/writer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

enum { SENDERS = 8, EACH = 40 };

static char *folder, *where;
static char why[512];

/* One sender waits here for his answer. */
typedef struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t came;
    unsigned answers;
    store_status status;
    bool repeated;
    char message[256];
} mailbox;

#define EMPTY_MAILBOX                                                                                                  \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER                                            \
    }

static void deliver(store_status status, bool repeated, const char *message, void *user_data)
{
    mailbox *box = user_data;
    pthread_mutex_lock(&box->lock);
    box->answers++;
    box->status = status;
    box->repeated = repeated;
    snprintf(box->message, sizeof box->message, "%s", message);
    pthread_cond_signal(&box->came);
    pthread_mutex_unlock(&box->lock);
}

static void wait_for(mailbox *box, unsigned answers)
{
    pthread_mutex_lock(&box->lock);
    while (box->answers < answers)
        pthread_cond_wait(&box->came, &box->lock);
    pthread_mutex_unlock(&box->lock);
}

static int begin(void **state)
{
    (void)state;
    folder = make_folder();
    where = join_path(folder, "events.sqlite");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(where);
    remove_folder(folder);
    return 0;
}

static writer *start(size_t limit)
{
    writer *started = NULL;
    if (writer_start(where, limit, &started, why, sizeof why) != STORE_OK)
        fail_msg("%s", why);
    return started;
}

static uint64_t count_events(void)
{
    uint64_t count = 0;
    store *opened = open_store(where);
    assert_int_equal(store_count(opened, &count), STORE_OK);
    store_close(opened);
    return count;
}

/* A lock on the store that another program might hold. */
static sqlite3 *lock_store(void)
{
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(where, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return other;
}

static const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = "click"};

typedef struct sender {
    pthread_t thread;
    writer *to;
    unsigned number, lost;
} sender;

/* Sends one event at a time, and looks for it in the store when it is acknowledged. */
static void *send_events(void *data)
{
    sender *self = data;
    mailbox box = EMPTY_MAILBOX;
    store *reader = NULL;
    char user[32], reason[256];
    static _Thread_local seen_events seen;
    snprintf(user, sizeof user, "user %u", self->number);
    self->lost = store_open(where, &reader, reason, sizeof reason) == STORE_OK ? 0 : EACH;
    for (unsigned i = 0; reader && i < EACH; i++) {
        char item[32];
        snprintf(item, sizeof item, "item %u", i);
        const stored_event mine = {.user = user, .item = item, .weight = 1, .time = i, .kind = ""};
        if (writer_submit(self->to, &mine, 1, NULL, 0, deliver, &box))
            wait_for(&box, i + 1);
        store_history(reader, user, 0, 1, see_event, &seen);
        self->lost += box.status != STORE_OK || seen.count != 1 || strcmp(seen.events[0].item, item) != 0;
        forget_events(&seen);
    }
    store_close(reader);
    return NULL;
}

static void what_is_acknowledged_is_in_the_store(void **state)
{
    (void)state;
    sender senders[SENDERS];
    writer *to = start(1000);
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (sender){.to = to, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events, &senders[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].lost, 0);
    }
    const writer_figures figures = writer_read_figures(to);
    assert_int_equal(figures.written, SENDERS * EACH);
    assert_int_equal(figures.waiting, 0);
    assert_int_equal(figures.failures, 0);
    assert_true(figures.commits <= SENDERS * EACH);
    writer_stop(to);
    assert_int_equal(count_events(), SENDERS * EACH);
}

static void what_waits_is_committed_together_and_bounded(void **state)
{
    (void)state;
    writer *to = start(10);
    mailbox box = EMPTY_MAILBOX;
    unsigned taken = 0;
    sqlite3 *other = lock_store(); /* the writer is held at its first commit */
    const stored_event two[] = {event, event};
    while (taken < 100 && writer_submit(to, two, 2, NULL, 0, deliver, &box))
        taken++;
    assert_int_equal(taken, 5);
    assert_false(writer_submit(to, &event, 1, NULL, 0, deliver, &box));
    assert_int_equal(writer_read_figures(to).waiting, 10);
    sqlite3_close(other);
    wait_for(&box, taken);
    assert_int_equal(box.status, STORE_OK);
    const writer_figures figures = writer_read_figures(to);
    assert_int_equal(figures.written, 10);
    assert_true(figures.commits <= 2); /* the one under way, and one for all that came meanwhile */
    assert_true(writer_submit(to, &event, 1, NULL, 0, deliver, &box));
    writer_stop(to);
    assert_int_equal(box.answers, taken + 1);
    assert_int_equal(count_events(), 11);
}

static void batches_are_answered_each_for_itself(void **state)
{
    (void)state;
    writer *to = start(1000);
    mailbox boxes[5] = {EMPTY_MAILBOX, EMPTY_MAILBOX, EMPTY_MAILBOX, EMPTY_MAILBOX, EMPTY_MAILBOX};
    const stored_event wrong = {.user = "\xff", .item = "a", .weight = 1, .time = 1, .kind = ""};
    sqlite3 *other = lock_store();
    assert_true(writer_submit(to, &event, 1, "key", 1, deliver, &boxes[0]));
    assert_true(writer_submit(to, &event, 1, "key", 1, deliver, &boxes[1]));
    assert_true(writer_submit(to, &event, 1, "key", 2, deliver, &boxes[2]));
    assert_true(writer_submit(to, &wrong, 1, NULL, 0, deliver, &boxes[3]));
    assert_true(writer_submit(to, &event, 1, NULL, 0, deliver, &boxes[4]));
    sqlite3_close(other);
    writer_stop(to);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(boxes[i].answers, 1);
    assert_int_equal(boxes[0].status, STORE_OK);
    assert_false(boxes[0].repeated);
    assert_int_equal(boxes[1].status, STORE_OK);
    assert_true(boxes[1].repeated);
    assert_int_equal(boxes[2].status, STORE_CONFLICT);
    assert_non_null(strstr(boxes[2].message, "idempotency key"));
    assert_int_equal(boxes[3].status, STORE_INVALID);
    assert_int_equal(boxes[4].status, STORE_OK);
    assert_int_equal(count_events(), 2);
}

static void a_locked_store_is_given_up_in_the_end(void **state)
{
    (void)state;
    writer *to = start(1000);
    mailbox box = EMPTY_MAILBOX;
    sqlite3 *other = lock_store();
    assert_true(writer_submit(to, &event, 1, NULL, 0, deliver, &box));
    wait_for(&box, 1);
    assert_int_equal(box.status, STORE_UNAVAILABLE);
    assert_non_null(strstr(box.message, "locked"));
    assert_int_equal(writer_read_figures(to).failures, 1);
    sqlite3_close(other);
    assert_true(writer_submit(to, &event, 1, NULL, 0, deliver, &box));
    wait_for(&box, 2);
    assert_int_equal(box.status, STORE_OK);
    writer_stop(to);
    assert_int_equal(count_events(), 1);
}

static void a_store_that_is_none_is_refused(void **state)
{
    (void)state;
    writer *started = NULL;
    FILE *file = fopen(where, "w");
    for (int i = 0; i < 1000; i++)
        fputs("user,item\n", file);
    fclose(file);
    assert_int_equal(writer_start(where, 10, &started, why, sizeof why), STORE_BROKEN);
    assert_null(started);
    assert_non_null(strstr(why, where));
    writer_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_acknowledged_is_in_the_store, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_is_committed_together_and_bounded, begin, end),
        cmocka_unit_test_setup_teardown(batches_are_answered_each_for_itself, begin, end),
        cmocka_unit_test_setup_teardown(a_locked_store_is_given_up_in_the_end, begin, end),
        cmocka_unit_test_setup_teardown(a_store_that_is_none_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
