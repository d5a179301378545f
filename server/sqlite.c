/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to a SQLite store: a file in WAL mode, so that readers never wait for the writer, and
 * synchronous=FULL, so that a commit is on disk before it returns.
 */
#include "sqlite_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x746f706e /* "topn" */, SCHEMA_VERSION = 1, BUSY_MILLISECONDS = 5000 };

/* Ids are stored once and numbered, which makes an event some 20 bytes and its index entry 10. Ids of items and users
 * of events are apart from the items and users that were put with attributes. */
static const char schema[] =
    "CREATE TABLE item_id (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE user_id (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE event (sequence INTEGER PRIMARY KEY AUTOINCREMENT, user INTEGER NOT NULL, item INTEGER NOT NULL,"
    " weight REAL NOT NULL, time INTEGER NOT NULL, kind TEXT, context TEXT, deleted INTEGER NOT NULL) STRICT;"
    "CREATE INDEX event_user ON event (user);" /* in it, a user's events are in the order of writing */
    "CREATE TABLE batch (key TEXT PRIMARY KEY, contents INTEGER NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX batch_time ON batch (time);"
    "CREATE TABLE item (id TEXT PRIMARY KEY, title TEXT, attributes TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE user (id TEXT PRIMARY KEY, title TEXT, attributes TEXT NOT NULL, hidden INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO counter VALUES ('items', 0);"
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;";

#define PUT_INTO(table)                                                                                                \
    "INSERT INTO " table                                                                                               \
    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET title = ?2, attributes = ?3, hidden = ?4"

static const char *const texts[STATEMENT_COUNT] = {
    [DO_BEGIN] = "BEGIN IMMEDIATE",
    [DO_COMMIT] = "COMMIT",
    [FIND_KEY] = "SELECT contents FROM batch WHERE key = ?1",
    [ADD_KEY] = "INSERT INTO batch VALUES (?1, ?2, ?3)",
    [DROP_KEYS] = "DELETE FROM batch WHERE time < ?1",
    [FIND_ITEM] = "SELECT number FROM item_id WHERE id = ?1",
    [FIND_USER] = "SELECT number FROM user_id WHERE id = ?1",
    [ADD_ITEM] = "INSERT INTO item_id (id) VALUES (?1)",
    [ADD_USER] = "INSERT INTO user_id (id) VALUES (?1)",
    [ADD_EVENT] = "INSERT INTO event (user, item, weight, time, kind, context, deleted)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [HISTORY] = "SELECT item, weight, time, deleted, sequence FROM event"
                " WHERE user = (SELECT number FROM user_id WHERE id = ?1) AND sequence > ?2 ORDER BY sequence",
    [NAME_ITEM] = "SELECT id FROM item_id WHERE number = ?1",
    [SCAN] = "SELECT user_id.id, item_id.id, weight, time, kind, context, deleted, sequence FROM event"
             " CROSS JOIN user_id ON user_id.number = user CROSS JOIN item_id ON item_id.number = item"
             " WHERE time >= ?1 AND time < ?2 ORDER BY sequence",
    [COUNT_EVENTS] = "SELECT count(*) FROM event",
    [OLD_EVENTS] = "SELECT sequence, user FROM event WHERE time < ?1 ORDER BY sequence LIMIT ?2",
    [DROP_EVENT] = "DELETE FROM event WHERE sequence = ?1",
    [DROP_IDLE_USER] = "DELETE FROM user_id WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM event WHERE user = ?1)",
    [DROP_USERS_EVENTS] = "DELETE FROM event WHERE user = (SELECT number FROM user_id WHERE id = ?1)",
    [DROP_USERS_ID] = "DELETE FROM user_id WHERE id = ?1",
    [PUT_ITEM] = PUT_INTO("item"),
    [PUT_USER] = PUT_INTO("user"),
    [REMOVE_ITEM] = "DELETE FROM item WHERE id = ?1",
    [REMOVE_USER] = "DELETE FROM user WHERE id = ?1",
    [GET_ITEM] = "SELECT id, title, attributes, hidden FROM item WHERE id = ?1",
    [GET_USER] = "SELECT id, title, attributes, hidden FROM user WHERE id = ?1",
    [LIST_ITEMS] = "SELECT id, title, attributes, hidden FROM item WHERE id > ?1 ORDER BY id LIMIT ?2",
    [LIST_USERS] = "SELECT id, title, attributes, hidden FROM user WHERE id > ?1 ORDER BY id LIMIT ?2",
    [RAISE_VERSION] = "UPDATE counter SET value = value + 1 WHERE name = 'items'",
    [READ_VERSION] = "SELECT value FROM counter WHERE name = 'items'",
    [PUT_NOTE] = "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
    [REMOVE_NOTE] = "DELETE FROM note WHERE name = ?1",
    [READ_NOTE] = "SELECT value FROM note WHERE name = ?1",
};

static void disconnect(sqlite_store *self)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(self->statements[i]);
    memset(self->statements, 0, sizeof self->statements);
    sqlite3_close(self->db);
    self->db = NULL;
}

static bool is_full(int system_error)
{
    return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

store_status sqlite_fault(sqlite_store *self, int result)
{
    const int last_error = errno, kept_error = self->db ? sqlite3_system_errno(self->db) : 0;
    const int system_error = kept_error ? kept_error : last_error; /* SQLite keeps none of a commit's */
    const char *text = self->db ? sqlite3_errmsg(self->db) : sqlite3_errstr(result);
    switch (result & 0xff) {
    case SQLITE_FULL:
        return store_tell(&self->base, STORE_FULL, "%s: there is no space left for it", self->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return store_tell(&self->base, STORE_BROKEN, "%s: %s; put a backup in its place", self->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return store_tell(&self->base, STORE_UNAVAILABLE, "%s: another program keeps it locked", self->path);
    case SQLITE_NOMEM:
        return store_tell(&self->base, STORE_UNAVAILABLE, "%s: there is no memory for it", self->path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return store_tell(&self->base, STORE_UNAVAILABLE, "%s: it or its folder may not be written", self->path);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (is_full(system_error))
            return store_tell(&self->base, STORE_FULL, "%s: there is no space left for it", self->path);
        return store_tell(&self->base, STORE_UNAVAILABLE, "%s: %s%s%s", self->path, text, system_error ? ": " : "",
                          system_error ? strerror(system_error) : "");
    default:
        return store_tell(&self->base, STORE_BROKEN, "%s: %s", self->path, text);
    }
}

/* The first number of a query outside of the prepared ones. */
static int ask(sqlite3 *db, const char *query, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, query, -1, &statement, NULL);
    *out = 0;
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
            *out = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
    }
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Whose database it is, before anything in it is changed. *empty: it is new. */
static store_status examine(sqlite_store *self, bool *empty)
{
    int64_t application = 0, version = 0, tables = 0;
    const bool alone = sqlite3_get_autocommit(self->db); /* else in a transaction of the caller's */
    /* All three of one moment: another process may be making the tables. */
    int result = alone ? sqlite3_exec(self->db, "BEGIN", NULL, NULL, NULL) : SQLITE_OK;
    if (result == SQLITE_OK)
        result = ask(self->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (result == SQLITE_OK)
        result = ask(self->db, "PRAGMA application_id", &application);
    if (result == SQLITE_OK)
        result = ask(self->db, "PRAGMA user_version", &version);
    if (alone && !sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return sqlite_fault(self, result);
    *empty = application == 0 && version == 0 && tables == 0;
    if (*empty)
        return STORE_OK;
    if (application != APPLICATION_ID)
        return store_tell(&self->base, STORE_BROKEN, "%s: this is another program's database; name a file of its own",
                          self->path);
    if (version > SCHEMA_VERSION)
        return store_tell(&self->base, STORE_BROKEN, "%s: made by a newer topn (version %lld of its tables, not %d)",
                          self->path, (long long)version, SCHEMA_VERSION);
    return STORE_OK;
}

/* WAL mode needs the file for itself for a moment, and SQLite's own waiting does not cover that. */
static store_status use_wal(sqlite_store *self)
{
    int result = SQLITE_BUSY;
    for (int waited = 0; waited < BUSY_MILLISECONDS; waited += 10) {
        result = sqlite3_exec(self->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if ((result & 0xff) != SQLITE_BUSY)
            break;
        sqlite3_sleep(10);
    }
    return result == SQLITE_OK ? STORE_OK : sqlite_fault(self, result);
}

/* The tables, by whichever process is first. */
static store_status make_tables(sqlite_store *self)
{
    bool empty;
    char stamp[96];
    int result = sqlite3_exec(self->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return sqlite_fault(self, result);
    store_status status = examine(self, &empty);
    if (status == STORE_OK && empty) {
        snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
                 SCHEMA_VERSION);
        result = sqlite3_exec(self->db, schema, NULL, NULL, NULL);
        if (result == SQLITE_OK)
            result = sqlite3_exec(self->db, stamp, NULL, NULL, NULL);
    }
    if (status == STORE_OK && result == SQLITE_OK)
        result = sqlite3_exec(self->db, "COMMIT", NULL, NULL, NULL);
    if (status == STORE_OK && result != SQLITE_OK)
        status = sqlite_fault(self, result);
    if (status != STORE_OK && !sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

/* Makes the name of a new file last: SQLite itself syncs what is in it. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    const int file = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (file >= 0) {
        fsync(file);
        close(file);
    }
    free(folder);
}

static store_status connect_to(sqlite_store *self)
{
    bool empty;
    /* Events are personal data: the file is the owner's alone, and those that SQLite makes beside it follow. */
    const int file = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    if (file < 0)
        return store_tell(&self->base, is_full(errno) ? STORE_FULL : STORE_UNAVAILABLE, "%s: %s", self->path,
                          strerror(errno));
    close(file);
    int result = sqlite3_open_v2(
        self->path, &self->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (result != SQLITE_OK)
        return sqlite_fault(self, result);
    sqlite3_busy_timeout(self->db, BUSY_MILLISECONDS);
    /* A file from elsewhere cannot make this program run what it defines. */
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    store_status status = examine(self, &empty);
    if (status == STORE_OK)
        status = use_wal(self);
    if (status != STORE_OK)
        return status;
    result = sqlite3_exec(self->db,
                          "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384",
                          NULL, NULL, NULL);
    if (result != SQLITE_OK)
        return sqlite_fault(self, result);
    if (empty) {
        status = make_tables(self);
        sync_folder(self->path);
    }
    for (size_t i = 0; status == STORE_OK && i < STATEMENT_COUNT; i++) {
        result = sqlite3_prepare_v3(self->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &self->statements[i], NULL);
        if (result != SQLITE_OK)
            status = sqlite_fault(self, result);
    }
    return status;
}

/* Whether the file is still the one under its name: what is written to a deleted one is lost. */
static bool has_moved(sqlite_store *self)
{
    int moved = 0;
    return sqlite3_file_control(self->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

store_status sqlite_ready(sqlite_store *self)
{
    if (self->db && has_moved(self))
        disconnect(self);
    if (self->db)
        return STORE_OK;
    const store_status status = connect_to(self);
    if (status != STORE_OK)
        disconnect(self);
    return status;
}

sqlite3_stmt *sqlite_statement(sqlite_store *self, prepared which)
{
    return self->statements[which];
}

void sqlite_bind(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

const char *sqlite_column(sqlite3_stmt *statement, int at)
{
    const unsigned char *text = sqlite3_column_text(statement, at);
    return text ? (const char *)text : "";
}

store_status sqlite_number(sqlite_store *self, prepared which, int64_t *out)
{
    sqlite3_stmt *statement = self->statements[which];
    errno = 0;
    const int result = sqlite3_step(statement);
    *out = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    const store_status status = result == SQLITE_ROW    ? STORE_OK
                                : result == SQLITE_DONE ? STORE_NOT_FOUND
                                                        : sqlite_fault(self, result);
    sqlite3_reset(statement);
    return status;
}

store_status sqlite_run(sqlite_store *self, prepared which)
{
    int64_t ignored;
    const store_status status = sqlite_number(self, which, &ignored);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

store_status sqlite_begin(sqlite_store *self)
{
    const store_status status = sqlite_ready(self);
    return status == STORE_OK ? sqlite_run(self, DO_BEGIN) : status;
}

store_status sqlite_end(sqlite_store *self, store_status status)
{
    if (status == STORE_OK)
        status = sqlite_run(self, DO_COMMIT);
    if (!sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    if (status == STORE_OK && has_moved(self)) {
        disconnect(self);
        return store_tell(&self->base, STORE_UNAVAILABLE, "%s: it was moved or deleted while it was written",
                          self->path);
    }
    return status;
}

static bool serves(const char *where)
{
    return *where && !strstr(where, "://");
}

static void close_store(store *base)
{
    sqlite_store *self = (sqlite_store *)base;
    disconnect(self);
    free(self->path);
    free(self);
}

static store_status open_store(const char *where, store **out, char *why, size_t why_size)
{
    struct stat about;
    sqlite_store *self = calloc(1, sizeof *self);
    const bool folder = stat(where, &about) == 0 && S_ISDIR(about.st_mode);
    if (self && asprintf(&self->path, "%s%s", where, folder ? "/events.sqlite" : "") < 0)
        self->path = NULL;
    if (!self || !self->path) {
        free(self);
        snprintf(why, why_size, "%s: there is no memory for it", where);
        return STORE_UNAVAILABLE;
    }
    self->base.kind = &store_sqlite;
    const store_status status = sqlite_ready(self);
    if (status != STORE_OK) {
        snprintf(why, why_size, "%s", self->base.message);
        close_store(&self->base);
        return status;
    }
    *out = &self->base;
    return STORE_OK;
}

const store_kind store_sqlite = {
    .name = "sqlite",
    .serves = serves,
    .open = open_store,
    .close = close_store,
    .append = sqlite_append,
    .history = sqlite_history,
    .scan = sqlite_scan,
    .count = sqlite_count,
    .expire = sqlite_expire,
    .put = sqlite_put,
    .remove = sqlite_remove,
    .get = sqlite_get,
    .list = sqlite_list,
    .items_version = sqlite_items_version,
    .note = sqlite_note,
    .read_note = sqlite_read_note,
};
