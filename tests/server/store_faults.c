/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes of a SQLite store when the process is killed, the power fails, the disk is full, the file is damaged,
 * moved or may not be written, and when two processes write to it.
 */
#include "store_fixture.h"

#include "server/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static char *folder, *where;
static char why[512];

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

/* A child that dies with the test; 0 in the child. */
static pid_t split(void)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

/* Ends a child, without what cmocka does at the end of a program. */
#define CHILD_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void wait_well(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- SIGKILL --------------------------------------------------------------------------------------------------- */

enum { SENDERS = 4, ROUNDS = 12, MOST = 1 << 16 };

typedef struct sender {
    writer *to;
    int pipe;
    uint32_t next; /* number of the event sent next */
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool answered;
} sender;

/* The acknowledgement leaves the process before anything else happens. */
static void acknowledge(store_status status, bool repeated, const char *message, void *user_data)
{
    sender *self = user_data;
    (void)repeated;
    (void)message;
    const uint32_t number = self->next;
    if (status == STORE_OK && write(self->pipe, &number, sizeof number) != sizeof number)
        _exit(1);
    pthread_mutex_lock(&self->lock);
    self->answered = true;
    pthread_cond_signal(&self->came);
    pthread_mutex_unlock(&self->lock);
}

/* Events user "u", item "<number>", one after the other, for ever. */
static void *send_for_ever(void *data)
{
    sender *self = data;
    for (;; self->next += SENDERS) {
        char item[16];
        snprintf(item, sizeof item, "%u", self->next);
        const stored_event event = {.user = "u", .item = item, .weight = 1, .time = 1, .kind = "click"};
        self->answered = false;
        if (!writer_submit(self->to, &event, 1, NULL, 0, acknowledge, self))
            continue;
        pthread_mutex_lock(&self->lock);
        while (!self->answered)
            pthread_cond_wait(&self->came, &self->lock);
        pthread_mutex_unlock(&self->lock);
    }
    return NULL;
}

static void write_for_ever(int pipe, uint32_t first)
{
    static sender senders[SENDERS];
    writer *to = NULL;
    if (writer_start(where, 1000, &to, why, sizeof why) != STORE_OK)
        _exit(1);
    for (uint32_t i = 0; i < SENDERS; i++) {
        pthread_t thread;
        senders[i] = (sender){.to = to, .pipe = pipe, .next = first + i};
        pthread_mutex_init(&senders[i].lock, NULL);
        pthread_cond_init(&senders[i].came, NULL);
        pthread_create(&thread, NULL, send_for_ever, &senders[i]);
    }
    for (;;)
        pause();
}

static void count_items(const stored_event *event, void *user_data)
{
    unsigned char *counts = user_data;
    const unsigned long number = strtoul(event->item, NULL, 10);
    assert_true(number < MOST);
    counts[number]++;
}

/* Kills it after that many acknowledgements, marks them all, and returns the highest number. */
static uint32_t kill_after(pid_t child, int pipe, int wanted, unsigned char *acknowledged)
{
    uint32_t number, highest = 0;
    for (int seen = 0; read(pipe, &number, sizeof number) == sizeof number; seen++) {
        assert_true(number < MOST);
        acknowledged[number] = 1;
        highest = number > highest ? number : highest;
        if (seen + 1 == wanted)
            kill(child, SIGKILL);
    }
    waitpid(child, NULL, 0);
    return highest;
}

static void killed_processes_lose_nothing_acknowledged(void **state)
{
    (void)state;
    static unsigned char acknowledged[MOST], found[MOST];
    uint32_t next = 0;
    size_t total = 0;
    memset(acknowledged, 0, sizeof acknowledged);
    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const pid_t child = split();
        if (child == 0) {
            close(ends[0]);
            write_for_ever(ends[1], next);
        }
        close(ends[1]);
        next = kill_after(child, ends[0], 1 + round * round, acknowledged) + 2 * SENDERS;
        close(ends[0]);
        memset(found, 0, sizeof found);
        store *reader = open_store(where);
        assert_int_equal(store_scan(reader, INT64_MIN, INT64_MAX, count_items, found), STORE_OK);
        store_close(reader);
        total = 0;
        for (uint32_t i = 0; i < MOST; i++) {
            assert_true(found[i] <= 1);
            assert_true(found[i] >= acknowledged[i]);
            total += acknowledged[i];
        }
    }
    assert_true(total > ROUNDS * 20);
}

/* ---- loss of power: what was not synced is gone --------------------------------------------------------------------
 */

/* A file system whose files are copied to `lasting` when they are synced: what stands there is what a failure of the
 * power at any moment leaves at the least. */
static char *lasting;
static int (*plain_open)(sqlite3_vfs *, sqlite3_filename, sqlite3_file *, int, int *);
static struct {
    sqlite3_file *file;
    char *name;
    int (*sync)(sqlite3_file *, int);
    sqlite3_io_methods methods; /* its own, but for the sync */
} opened[64];

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    const int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t size; (size = read(in, buffer, sizeof buffer)) > 0;)
        assert_int_equal(write(out, buffer, (size_t)size), size);
    close(in);
    close(out);
}

static size_t slot_of(const sqlite3_file *file)
{
    size_t slot = 64;
    for (size_t i = 64; i-- > 0;)
        if (!opened[i].file || opened[i].file == file)
            slot = i;
    assert_true(slot < 64);
    return slot;
}

static int sync_and_copy(sqlite3_file *file, int flags)
{
    const size_t slot = slot_of(file);
    const int result = opened[slot].sync(file, flags);
    char *to = join_path(lasting, strrchr(opened[slot].name, '/') + 1);
    copy_file(opened[slot].name, to);
    free(to);
    return result;
}

static int open_copying(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
    const int result = plain_open(vfs, name, file, flags, out_flags);
    if (result != SQLITE_OK || !name || !file->pMethods)
        return result;
    const size_t slot = slot_of(file);
    free(opened[slot].name);
    opened[slot].file = file;
    opened[slot].name = strdup(name);
    opened[slot].sync = file->pMethods->xSync;
    opened[slot].methods = *file->pMethods;
    opened[slot].methods.xSync = sync_and_copy;
    file->pMethods = &opened[slot].methods;
    return result;
}

static void power_failures_lose_nothing_acknowledged(void **state)
{
    (void)state;
    static sqlite3_vfs copying;
    sqlite3_initialize();
    sqlite3_vfs *plain = sqlite3_vfs_find(NULL);
    copying = *plain;
    copying.zName = "copying";
    plain_open = plain->xOpen;
    copying.xOpen = open_copying;
    sqlite3_vfs_register(&copying, 1);
    lasting = make_folder();
    store *to = open_store(where);
    for (uint64_t round = 1; round <= 40; round++) {
        const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = (int64_t)round, .kind = ""};
        uint64_t count = 0;
        assert_int_equal(append_one(to, &event), STORE_OK);
        char *after = make_folder(), *from, *copy;
        static const char *const names[] = {"events.sqlite", "events.sqlite-wal"};
        for (size_t i = 0; i < 2; i++) {
            from = join_path(lasting, names[i]);
            copy = join_path(after, names[i]);
            if (access(from, F_OK) == 0)
                copy_file(from, copy);
            free(from);
            free(copy);
        }
        sqlite3_vfs_register(plain, 1);
        store *recovered = open_store(after);
        assert_int_equal(store_count(recovered, &count), STORE_OK);
        assert_int_equal(count, round);
        store_close(recovered);
        sqlite3_vfs_register(&copying, 1);
        remove_folder(after);
    }
    store_close(to);
    sqlite3_vfs_register(plain, 1);
    sqlite3_vfs_unregister(&copying);
    remove_folder(lasting);
    lasting = NULL;
    for (size_t i = 0; i < 64; i++)
        free(opened[i].name);
}

/* ---- disk full -----------------------------------------------------------------------------------------------------
 */

enum { AT_ONCE = 20 };

static store_status append_some(store *to)
{
    stored_event events[AT_ONCE];
    char items[AT_ONCE][64];
    static unsigned number;
    for (size_t i = 0; i < AT_ONCE; i++) {
        snprintf(items[i], sizeof items[i], "item with a name that takes some space %u", number++);
        events[i] = (stored_event){.user = "u", .item = items[i], .weight = 1, .time = 1, .kind = "click"};
    }
    store_batch batch = {.events = events, .count = AT_ONCE};
    const store_status status = store_append(to, &batch, 1);
    return status == STORE_OK ? batch.status : status;
}

/* Appends until there is no space; all that was acknowledged is there, and nothing else. */
static void fill(store *to)
{
    uint64_t acknowledged = 0, count = 0;
    store_status status;
    while ((status = append_some(to)) == STORE_OK && acknowledged < 10000000)
        acknowledged += AT_ONCE;
    if (status != STORE_FULL)
        fprintf(stderr, "%s\n", store_message(to));
    CHILD_CHECK(status == STORE_FULL);
    CHILD_CHECK(strstr(store_message(to), "no space"));
    CHILD_CHECK(append_some(to) == STORE_FULL);
    CHILD_CHECK(store_count(to, &count) == STORE_OK);
    CHILD_CHECK(count == acknowledged && count > 0);
}

/* Space is back: it goes on, and what was written is whole. */
static void go_on(store *to)
{
    uint64_t before = 0, count = 0;
    CHILD_CHECK(store_count(to, &before) == STORE_OK);
    CHILD_CHECK(append_some(to) == STORE_OK);
    store_close(to);
    CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
    CHILD_CHECK(store_count(to, &count) == STORE_OK);
    CHILD_CHECK(count == before + AT_ONCE);
    store_close(to);
    sqlite3 *checked = NULL;
    sqlite3_stmt *check = NULL;
    CHILD_CHECK(sqlite3_open(where, &checked) == SQLITE_OK);
    CHILD_CHECK(sqlite3_prepare_v2(checked, "PRAGMA integrity_check", -1, &check, NULL) == SQLITE_OK);
    CHILD_CHECK(sqlite3_step(check) == SQLITE_ROW);
    CHILD_CHECK(strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0);
    sqlite3_finalize(check);
    sqlite3_close(checked);
}

static void a_file_that_may_not_grow_is_full(void **state)
{
    (void)state;
    const pid_t child = split();
    if (child == 0) {
        struct rlimit limit;
        store *to = NULL;
        signal(SIGXFSZ, SIG_IGN);
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
        getrlimit(RLIMIT_FSIZE, &limit);
        const rlim_t before = limit.rlim_cur;
        limit.rlim_cur = 400000;
        CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        fill(to);
        limit.rlim_cur = before;
        CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        go_on(to);
        _exit(0);
    }
    wait_well(child);
}

/* A disk of 3 MB, where the system lets us make one; else the test is skipped. */
static void a_full_disk_is_said_and_survived(void **state)
{
    (void)state;
    int status;
    const pid_t child = split();
    if (child == 0) {
        static char filler[1 << 20];
        store *to = NULL;
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", folder, "tmpfs", 0, "size=3m") != 0)
            _exit(77);
        char *path = join_path(folder, "filler");
        FILE *file = fopen(path, "w");
        CHILD_CHECK(file && fwrite(filler, 1, sizeof filler, file) == sizeof filler && fclose(file) == 0);
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
        fill(to);
        CHILD_CHECK(unlink(path) == 0);
        free(path);
        go_on(to);
        CHILD_CHECK(umount2(folder, MNT_DETACH) == 0);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: a file system of its own needs root\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- damaged, moved and forbidden files
 * ------------------------------------------------------------------------------- */

static const stored_event event = {.user = "u", .item = "a", .weight = 1, .time = 1, .kind = ""};

static void ignore_event(const stored_event *given, void *user_data)
{
    (void)given;
    (void)user_data;
}

static void ignore_entity(const stored_entity *given, void *user_data)
{
    (void)given;
    (void)user_data;
}

/* Every call on a store that may be damaged: any status, but no crash and no endless loop. */
static void use(store *damaged)
{
    uint64_t number;
    int64_t version;
    char *text;
    const stored_entity entity = {.id = "a", .attributes = "{}"};
    append_one(damaged, &event);
    store_history(damaged, "user 7", 0, 100, ignore_event, NULL);
    store_scan(damaged, INT64_MIN, INT64_MAX, ignore_event, NULL);
    store_count(damaged, &number);
    store_put(damaged, ENTITY_ITEM, &entity, 1);
    store_list(damaged, ENTITY_ITEM, "", 100, ignore_entity, NULL);
    store_items_version(damaged, &version);
    if (store_read_note(damaged, "n", &text) == STORE_OK)
        free(text);
    store_expire(damaged, 5, 100, &number);
    store_remove(damaged, ENTITY_USER, "user 3");
}

static void damaged_files_are_refused_or_survived(void **state)
{
    (void)state;
    char *copy = join_path(folder, "copy.sqlite"), *wal = join_path(folder, "copy.sqlite-wal"),
         *shm = join_path(folder, "copy.sqlite-shm");
    store *to = open_store(where);
    for (int i = 0; i < 60; i++) {
        char user[16];
        snprintf(user, sizeof user, "user %d", i % 10);
        const stored_event mine = {.user = user, .item = "a", .weight = 1, .time = i, .kind = "click"};
        assert_int_equal(append_one(to, &mine), STORE_OK);
    }
    store_close(to);
    struct stat about;
    assert_int_equal(stat(where, &about), 0);
    unsigned random = 1;
    size_t refused = 0, noticed = 0;
    for (int round = 0; round < 150; round++) {
        copy_file(where, copy);
        unlink(wal);
        unlink(shm);
        const int file = open(copy, O_RDWR | O_CLOEXEC);
        random = random * 1664525u + 1013904223u;
        if (round % 10 == 0) {
            assert_int_equal(ftruncate(file, (random >> 8) % about.st_size), 0);
        } else {
            unsigned char bytes[32];
            random = random * 1664525u + 1013904223u;
            const off_t at = round % 10 == 1 ? (random >> 8) % 100 : (random >> 8) % about.st_size;
            memset(bytes, (int)(random >> 3), sizeof bytes);
            assert_true(pwrite(file, bytes, round % 3 ? sizeof bytes : 1, at) > 0);
        }
        close(file);
        store *damaged = NULL;
        const store_status status = store_open(copy, &damaged, why, sizeof why);
        if (status != STORE_OK) {
            assert_null(damaged);
            assert_non_null(strstr(why, copy));
            assert_null(strchr(why, '\n'));
            refused++;
            continue;
        }
        use(damaged);
        noticed += *store_message(damaged) != '\0';
        store_close(damaged);
    }
    assert_true(refused > 10);
    assert_true(noticed > 10);
    free(copy);
    free(wal);
    free(shm);
}

static void a_backup_put_in_the_place_of_the_file_is_used(void **state)
{
    (void)state;
    char *backup = join_path(folder, "backup.sqlite");
    store *to = open_store(where), *other = open_store(backup);
    uint64_t count;
    assert_int_equal(append_one(to, &event), STORE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(append_one(other, &event), STORE_OK);
    store_close(other);
    char *wal = join_path(folder, "events.sqlite-wal");
    assert_int_equal(unlink(where), 0); /* and what was acknowledged after that is in the new file */
    unlink(wal);
    assert_int_equal(rename(backup, where), 0);
    assert_int_equal(append_one(to, &event), STORE_OK);
    assert_int_equal(store_count(to, &count), STORE_OK);
    assert_int_equal(count, 4);
    store_close(to);
    to = open_store(where);
    assert_int_equal(store_count(to, &count), STORE_OK);
    assert_int_equal(count, 4);
    store_close(to);
    free(wal);
    free(backup);
}

static void places_that_may_not_be_written_are_unavailable(void **state)
{
    (void)state;
    const struct passwd *nobody = getpwnam("nobody");
    const pid_t child = split();
    if (child == 0) {
        store *to = NULL;
        CHILD_CHECK(chmod(folder, 0777) == 0);
        CHILD_CHECK(geteuid() != 0 || setuid(nobody ? nobody->pw_uid : 65534) == 0);
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
        CHILD_CHECK(append_one(to, &event) == STORE_OK);
        store_close(to);
        CHILD_CHECK(chmod(where, 0400) == 0);
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_UNAVAILABLE);
        CHILD_CHECK(strstr(why, where) && strstr(why, "Permission denied"));
        CHILD_CHECK(chmod(where, 0600) == 0);
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
        CHILD_CHECK(append_one(to, &event) == STORE_OK);
        store_close(to);
        _exit(0);
    }
    wait_well(child);
    chmod(folder, 0555);
    const pid_t second = split();
    if (second == 0) {
        store *to = NULL;
        CHILD_CHECK(geteuid() != 0 || setuid(nobody ? nobody->pw_uid : 65534) == 0);
        char *fresh = join_path(folder, "new.sqlite");
        CHILD_CHECK(store_open(fresh, &to, why, sizeof why) == STORE_UNAVAILABLE);
        CHILD_CHECK(strstr(why, fresh));
        CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_UNAVAILABLE); /* no place for the WAL */
        _exit(0);
    }
    wait_well(second);
    chmod(folder, 0755);
    store *to = NULL;
    assert_int_equal(store_open("/nowhere/at/all", &to, why, sizeof why), STORE_UNAVAILABLE);
    assert_non_null(strstr(why, "/nowhere/at/all"));
}

/* ---- two processes
 * ------------------------------------------------------------------------------------------------------ */

static void processes_share_a_store(void **state)
{
    (void)state;
    enum { PROCESSES = 3, EACH = 60 };
    pid_t children[PROCESSES];
    uint64_t count;
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = split();
        if (children[i] == 0) {
            store *to = NULL;
            CHILD_CHECK(store_open(where, &to, why, sizeof why) == STORE_OK);
            for (int j = 0; j < EACH; j++)
                CHILD_CHECK(append_one(to, &event) == STORE_OK);
            store_close(to);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        wait_well(children[i]);
    store *to = open_store(where);
    assert_int_equal(store_count(to, &count), STORE_OK);
    assert_int_equal(count, PROCESSES * EACH);
    store_close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_processes_lose_nothing_acknowledged, begin, end),
        cmocka_unit_test_setup_teardown(power_failures_lose_nothing_acknowledged, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_is_full, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_survived, begin, end),
        cmocka_unit_test_setup_teardown(damaged_files_are_refused_or_survived, begin, end),
        cmocka_unit_test_setup_teardown(a_backup_put_in_the_place_of_the_file_is_used, begin, end),
        cmocka_unit_test_setup_teardown(places_that_may_not_be_written_are_unavailable, begin, end),
        cmocka_unit_test_setup_teardown(processes_share_a_store, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
