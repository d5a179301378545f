/* SPDX-License-Identifier: Apache-2.0
 *
 * A PostgreSQL store from inside: its connection and its statements, prepared when each is first used.
 */
#ifndef TOPN_SERVER_POSTGRES_STORE_H
#define TOPN_SERVER_POSTGRES_STORE_H

#include <libpq-fe.h>

#include "store_kind.h"

/* Statements come in pairs, of items and of users, where both are kept alike: NAME + entity_kind. */
typedef enum postgres_query {
    ASK_COMMITTED,
    ASK_KEY,
    ASK_DROP_KEYS,
    ASK_HISTORY,
    ASK_SCAN,
    ASK_COUNT,
    ASK_EXPIRE,
    ASK_PUT_ITEMS,
    ASK_PUT_USERS,
    ASK_REMOVE_ITEM,
    ASK_REMOVE_USER,
    ASK_GET_ITEM,
    ASK_GET_USER,
    ASK_LIST_ITEMS,
    ASK_LIST_USERS,
    ASK_VERSION,
    ASK_PUT_NOTE,
    ASK_REMOVE_NOTE,
    ASK_READ_NOTE,
    POSTGRES_QUERIES
} postgres_query;

/* First key of our advisory locks: "topn". 0 makes tables, 1 writes events. */
#define POSTGRES_LOCKS "1953460334"

typedef struct postgres_store {
    store base;
    char *where;
    PGconn *connection; /* NULL: to be made anew */
    bool prepared[POSTGRES_QUERIES];
    double refused_until; /* seconds: a server that did not answer is left alone until then */
    unsigned keyed;       /* batches with a key so far */
} postgres_store;

extern const store_kind store_postgres;

/* Connects where it is not connected, outside of any transaction. */
store_status postgres_ready(postgres_store *self);
/* Whether the connection has been lost. */
bool postgres_lost(const postgres_store *self);
/* What a failed result means, whatever it is NULL for; the message says it. Clears the result. */
store_status postgres_fault(postgres_store *self, PGresult *result);
/* Makes a statement known to the server, once a connection. */
store_status postgres_prepare(postgres_store *self, postgres_query which);
const char *postgres_name(postgres_query which, char name[16]);
/* Within a transaction, or where nothing may be asked twice: the rows, else NULL and what went wrong. */
PGresult *postgres_ask_once(postgres_store *self, postgres_query which, const char *const *values,
                            store_status *status);
/* Connects first, and a second time when the connection turns out to be lost: a server that was restarted. */
PGresult *postgres_ask(postgres_store *self, postgres_query which, const char *const *values, store_status *status);
/* A command outside of the prepared ones. */
store_status postgres_command(postgres_store *self, const char *command);
double postgres_now(void);

/* NULL for null. */
const char *postgres_text(const PGresult *result, int row, int column);
int64_t postgres_number(const PGresult *result, int row, int column);
bool postgres_truth(const PGresult *result, int row, int column);

/* postgres_append.c */
store_status postgres_append(store *, store_batch *, size_t count);
/* postgres_events.c */
store_status postgres_history(store *, const char *user, int64_t after, size_t limit, store_visit *, void *user_data);
store_status postgres_scan(store *, int64_t from, int64_t to, store_visit *, void *user_data);
store_status postgres_count(store *, uint64_t *events);
store_status postgres_expire(store *, int64_t before, size_t limit, uint64_t *deleted);
/* postgres_entities.c */
store_status postgres_put(store *, entity_kind, const stored_entity *, size_t count);
store_status postgres_remove(store *, entity_kind, const char *id);
store_status postgres_get(store *, entity_kind, const char *id, store_visit_entity *, void *user_data);
store_status postgres_list(store *, entity_kind, const char *cursor, size_t limit, store_visit_entity *,
                           void *user_data);
store_status postgres_items_version(store *, int64_t *version);
store_status postgres_note(store *, const char *name, const char *value);
store_status postgres_read_note(store *, const char *name, char **out);

#endif
