/* SPDX-License-Identifier: Apache-2.0
 *
 * A SQLite store from inside: its connection and its statements, which are prepared once, when it is opened.
 */
#ifndef TOPN_SERVER_SQLITE_STORE_H
#define TOPN_SERVER_SQLITE_STORE_H

#include <sqlite3.h>

#include "store_kind.h"

/* Statements come in pairs, of items and of users, where both are kept alike: NAME + entity_kind. */
typedef enum prepared {
    DO_BEGIN,
    DO_COMMIT,
    FIND_KEY,
    ADD_KEY,
    DROP_KEYS,
    FIND_ITEM,
    FIND_USER,
    ADD_ITEM,
    ADD_USER,
    ADD_EVENT,
    HISTORY,
    NAME_ITEM,
    SCAN,
    COUNT_EVENTS,
    OLD_EVENTS,
    DROP_EVENT,
    DROP_IDLE_USER,
    DROP_USERS_EVENTS,
    DROP_USERS_ID,
    PUT_ITEM,
    PUT_USER,
    REMOVE_ITEM,
    REMOVE_USER,
    GET_ITEM,
    GET_USER,
    LIST_ITEMS,
    LIST_USERS,
    RAISE_VERSION,
    READ_VERSION,
    PUT_NOTE,
    REMOVE_NOTE,
    READ_NOTE,
    STATEMENT_COUNT
} prepared;

typedef struct sqlite_store {
    store base;
    char *path;
    sqlite3 *db; /* NULL: to be opened anew */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    unsigned keyed; /* batches with a key so far */
} sqlite_store;

extern const store_kind store_sqlite;

/* Opens it where it is not open, and anew where its file is no longer the one of that name. */
store_status sqlite_ready(sqlite_store *self);
/* What the last result code means; the message says it. */
store_status sqlite_fault(sqlite_store *self, int result);
/* Starts a transaction that writes. After OK it must be ended by sqlite_end. */
store_status sqlite_begin(sqlite_store *self);
/* Commits where status is OK, else takes back all that was written; returns what came of it. */
store_status sqlite_end(sqlite_store *self, store_status status);

/* One parameter each, from 1; a NULL text is null. Texts must live until the statement is run. */
sqlite3_stmt *sqlite_statement(sqlite_store *self, prepared which);
void sqlite_bind(sqlite3_stmt *statement, int at, const char *text);
/* Runs it to its end and makes it ready for the next time. */
store_status sqlite_run(sqlite_store *self, prepared which);
/* The same, for one that gives one number at most: NOT_FOUND without a row. */
store_status sqlite_number(sqlite_store *self, prepared which, int64_t *out);
/* A text of the present row; "" for null. Lent until the next step. */
const char *sqlite_column(sqlite3_stmt *statement, int at);

/* sqlite_events.c */
store_status sqlite_append(store *, store_batch *, size_t count);
store_status sqlite_scan(store *, int64_t from, int64_t to, store_visit *, void *user_data);
store_status sqlite_count(store *, uint64_t *events);
store_status sqlite_expire(store *, int64_t before, size_t limit, uint64_t *deleted);
/* sqlite_history.c */
store_status sqlite_history(store *, const char *user, int64_t after, size_t limit, store_visit *, void *user_data);
/* sqlite_entities.c */
store_status sqlite_put(store *, entity_kind, const stored_entity *, size_t count);
store_status sqlite_remove(store *, entity_kind, const char *id);
store_status sqlite_get(store *, entity_kind, const char *id, store_visit_entity *, void *user_data);
store_status sqlite_list(store *, entity_kind, const char *cursor, size_t limit, store_visit_entity *, void *user_data);
store_status sqlite_items_version(store *, int64_t *version);
store_status sqlite_note(store *, const char *name, const char *value);
store_status sqlite_read_note(store *, const char *name, char **out);

#endif
