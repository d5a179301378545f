/* SPDX-License-Identifier: Apache-2.0
 *
 * The connection to a PostgreSQL store, which several servers may share. A server that restarts is found again by the
 * next call.
 */
#include "postgres_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SCHEMA_VERSION = 1, OLDEST_SERVER = 120000 };

/* Ids compare by bytes (COLLATE "C"), as in every store. */
static const char schema[] =
    "CREATE TABLE topn_event (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " user_id text COLLATE \"C\" NOT NULL, item_id text COLLATE \"C\" NOT NULL, weight double precision NOT NULL,"
    " time bigint NOT NULL, kind text NOT NULL, context text, deleted boolean NOT NULL);"
    "CREATE INDEX topn_event_user ON topn_event (user_id, number);"
    "CREATE INDEX topn_event_time ON topn_event USING brin (time);"
    "CREATE TABLE topn_batch (key text COLLATE \"C\" PRIMARY KEY, contents bigint NOT NULL,"
    " time timestamptz NOT NULL DEFAULT now());"
    "CREATE INDEX topn_batch_time ON topn_batch (time);"
    "CREATE TABLE topn_item (id text COLLATE \"C\" PRIMARY KEY, title text, attributes text NOT NULL,"
    " hidden boolean NOT NULL);"
    "CREATE TABLE topn_user (id text COLLATE \"C\" PRIMARY KEY, title text, attributes text NOT NULL,"
    " hidden boolean NOT NULL);"
    "CREATE TABLE topn_note (name text COLLATE \"C\" PRIMARY KEY, value text NOT NULL);"
    "CREATE TABLE topn_counter (name text PRIMARY KEY, value bigint NOT NULL);"
    "INSERT INTO topn_counter VALUES ('schema', 1), ('items', 0);";

/* One JSON text holds all entities of a call, so that they are put in one statement; of those with one id the last
 * counts. */
#define PUT_INTO(table, with)                                                                                          \
    with "INSERT INTO " table " SELECT DISTINCT ON (id) id, title, attributes, hidden FROM ROWS FROM ("                \
         "json_to_recordset($1::json) AS (id text, title text, attributes text, hidden boolean)) WITH ORDINALITY "     \
         "ORDER BY id, ordinality DESC ON CONFLICT (id) DO UPDATE "                                                    \
         "SET title = excluded.title, attributes = excluded.attributes, hidden = excluded.hidden"
#define RAISE_VERSION "UPDATE topn_counter SET value = value + 1 WHERE name = 'items'"
#define ENTITY_COLUMNS "SELECT id, title, attributes, hidden FROM "

static const struct {
    const char *text;
    int parameters;
} queries[POSTGRES_QUERIES] = {
    [ASK_COMMITTED] = {"SELECT txid_status($1::text::bigint)", 1},
    /* The row where the key is new, none where it is known. */
    [ASK_KEY] = {"WITH added AS (INSERT INTO topn_batch (key, contents) VALUES ($1, $2::text::bigint)"
                 " ON CONFLICT (key) DO NOTHING RETURNING contents)"
                 " SELECT true, contents FROM added UNION ALL SELECT false, contents FROM topn_batch WHERE key = $1",
                 2},
    [ASK_DROP_KEYS] = {"DELETE FROM topn_batch WHERE time < now() - $1::text::bigint * interval '1 second'", 1},
    /* cut: the item's last deletion. What was written before it is left out of the sum. */
    [ASK_HISTORY] = {"SELECT item_id, coalesce(sum(weight) FILTER (WHERE number > cut), 0),"
                     " coalesce(max(time) FILTER (WHERE number > cut), max(time) FILTER (WHERE number = cut)),"
                     " max(cut) = max(number), max(number), max(cut) > 0 FROM ("
                     "SELECT number, item_id, weight, time,"
                     " coalesce(max(number) FILTER (WHERE deleted) OVER (PARTITION BY item_id), 0) AS cut"
                     " FROM topn_event WHERE user_id = $1 AND number > $2::text::bigint) AS events"
                     " GROUP BY item_id ORDER BY 3 DESC, 5 DESC LIMIT $3::text::bigint",
                     3},
    [ASK_SCAN] = {"SELECT user_id, item_id, weight, time, kind, context, deleted, number FROM topn_event"
                  " WHERE time >= $1::text::bigint AND time < $2::text::bigint ORDER BY number",
                  2},
    [ASK_COUNT] = {"SELECT count(*) FROM topn_event", 0},
    [ASK_EXPIRE] = {"WITH gone AS (DELETE FROM topn_event WHERE number IN ("
                    "SELECT number FROM topn_event WHERE time < $1::text::bigint LIMIT $2::text::bigint"
                    " FOR UPDATE SKIP LOCKED) RETURNING 1) SELECT count(*) FROM gone",
                    2},
    [ASK_PUT_ITEMS] = {PUT_INTO("topn_item", "WITH raised AS (" RAISE_VERSION ") "), 1},
    [ASK_PUT_USERS] = {PUT_INTO("topn_user", ""), 1},
    [ASK_REMOVE_ITEM] = {"WITH gone AS (DELETE FROM topn_item WHERE id = $1 RETURNING 1), raised AS (" RAISE_VERSION
                         " AND EXISTS (SELECT 1 FROM gone)) SELECT count(*) FROM gone",
                         1},
    [ASK_REMOVE_USER] = {"WITH gone AS (DELETE FROM topn_user WHERE id = $1 RETURNING 1),"
                         " events AS (DELETE FROM topn_event WHERE user_id = $1 RETURNING 1)"
                         " SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM events)",
                         1},
    [ASK_GET_ITEM] = {ENTITY_COLUMNS "topn_item WHERE id = $1", 1},
    [ASK_GET_USER] = {ENTITY_COLUMNS "topn_user WHERE id = $1", 1},
    [ASK_LIST_ITEMS] = {ENTITY_COLUMNS "topn_item WHERE id > $1 ORDER BY id LIMIT $2::text::bigint", 2},
    [ASK_LIST_USERS] = {ENTITY_COLUMNS "topn_user WHERE id > $1 ORDER BY id LIMIT $2::text::bigint", 2},
    [ASK_VERSION] = {"SELECT value FROM topn_counter WHERE name = 'items'", 0},
    [ASK_PUT_NOTE] = {"INSERT INTO topn_note VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                      2},
    [ASK_REMOVE_NOTE] = {"DELETE FROM topn_note WHERE name = $1", 1},
    [ASK_READ_NOTE] = {"SELECT value FROM topn_note WHERE name = $1", 1},
};

static const double patience_seconds = 0.5; /* between attempts to connect, and twice the time that one took */

double postgres_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *postgres_text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : PQgetvalue(result, row, column);
}

int64_t postgres_number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool postgres_truth(const PGresult *result, int row, int column)
{
    return *PQgetvalue(result, row, column) == 't';
}

static void disconnect(postgres_store *self)
{
    PQfinish(self->connection);
    self->connection = NULL;
    memset(self->prepared, 0, sizeof self->prepared);
}

bool postgres_lost(const postgres_store *self)
{
    return !self->connection || PQstatus(self->connection) != CONNECTION_OK;
}

/* By class of SQLSTATE (PostgreSQL 15, appendix A). */
static store_status status_of(const char *state)
{
    static const char *const passing[] = {"08", "25", "40", "53", "55", "57", "58"};
    if (strcmp(state, "53100") == 0)
        return STORE_FULL;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (strncmp(state, passing[i], 2) == 0)
            return STORE_UNAVAILABLE;
    return STORE_BROKEN;
}

store_status postgres_fault(postgres_store *self, PGresult *result)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    /* Faults of the connection have no state of the server's, or are its last words before it closes; libpq may not
     * have noticed yet. */
    const bool lost = postgres_lost(self) || !state || strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0;
    const store_status status = lost ? STORE_UNAVAILABLE : status_of(state);
    if (lost)
        store_tell(&self->base, status, "postgresql: the connection was lost: %s",
                   message            ? message
                   : self->connection ? PQerrorMessage(self->connection)
                                      : "");
    else
        store_tell(&self->base, status, "postgresql: %s (%s)", message ? message : "it failed", state);
    PQclear(result);
    if (lost)
        disconnect(self);
    return status;
}

store_status postgres_command(postgres_store *self, const char *command)
{
    PGresult *result = PQexec(self->connection, command);
    const ExecStatusType kind = PQresultStatus(result);
    if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK)
        return postgres_fault(self, result);
    PQclear(result);
    return STORE_OK;
}

/* Whether our tables are there, and are ours. */
static store_status examine(postgres_store *self, bool *made)
{
    PGresult *result = PQexec(self->connection,
                              "SELECT to_regclass('topn_counter') IS NOT NULL, to_regclass('topn_event') IS NOT NULL,"
                              " current_setting('server_encoding')");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return postgres_fault(self, result);
    *made = postgres_truth(result, 0, 0);
    const bool foreign = !*made && postgres_truth(result, 0, 1);
    char encoding[32];
    snprintf(encoding, sizeof encoding, "%s", PQgetvalue(result, 0, 2));
    PQclear(result);
    if (PQserverVersion(self->connection) < OLDEST_SERVER)
        return store_tell(&self->base, STORE_BROKEN, "postgresql: the server is older than version 12");
    if (foreign)
        return store_tell(&self->base, STORE_BROKEN,
                          "postgresql: its table topn_event is not ours; use a database, or "
                          "a schema, of its own");
    if (strcmp(encoding, "UTF8") != 0)
        return store_tell(&self->base, STORE_BROKEN,
                          "postgresql: the database is in %s; make one by CREATE DATABASE … ENCODING 'UTF8'", encoding);
    if (!*made)
        return STORE_OK;
    result = PQexec(self->connection, "SELECT value FROM topn_counter WHERE name = 'schema'");
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
        return postgres_fault(self, result);
    const int64_t version = postgres_number(result, 0, 0);
    PQclear(result);
    if (version > SCHEMA_VERSION)
        return store_tell(&self->base, STORE_BROKEN,
                          "postgresql: made by a newer topn (version %lld of its tables, not %d)", (long long)version,
                          SCHEMA_VERSION);
    return STORE_OK;
}

/* The tables, by whichever server is first. The lock comes before the transaction: only a transaction that starts later
 * is sure to see the tables that another has made. Disconnecting gives it back, too. */
static store_status make_tables(postgres_store *self)
{
    bool made = false;
    store_status status = postgres_command(self, "SELECT pg_advisory_lock(" POSTGRES_LOCKS ", 0)");
    if (status == STORE_OK)
        status = postgres_command(self, "BEGIN");
    if (status == STORE_OK)
        status = examine(self, &made);
    if (status == STORE_OK && !made)
        status = postgres_command(self, schema);
    if (status == STORE_OK)
        status = postgres_command(self, "COMMIT");
    if (status == STORE_OK)
        status = postgres_command(self, "SELECT pg_advisory_unlock(" POSTGRES_LOCKS ", 0)");
    return status;
}

static void ignore_notice(void *data, const PGresult *result)
{
    (void)data;
    (void)result;
}

static store_status connect_to(postgres_store *self)
{
    /* What stands before dbname, the address given, gives way to what that says; what stands after it does not. */
    static const char *const names[] = {"connect_timeout",
                                        "tcp_user_timeout",
                                        "keepalives_idle",
                                        "fallback_application_name",
                                        "dbname",
                                        "client_encoding",
                                        NULL};
    const char *const values[] = {"3", "10000", "10", "topn", self->where, "UTF8", NULL};
    bool made = false;
    self->connection = PQconnectdbParams(names, values, 1);
    if (!self->connection || PQstatus(self->connection) != CONNECTION_OK)
        return store_tell(&self->base, STORE_UNAVAILABLE, "postgresql: %s",
                          self->connection ? PQerrorMessage(self->connection) : "there is no memory for it");
    PQsetNoticeReceiver(self->connection, ignore_notice, NULL);
    /* A commit that is answered is on disk, also where the server's own setting says otherwise. */
    store_status status = postgres_command(
        self, "SET lock_timeout = 5000; SET extra_float_digits = 1; SELECT set_config('synchronous_commit', 'on', "
              "false) WHERE current_setting('synchronous_commit') = 'off'");
    if (status == STORE_OK)
        status = examine(self, &made);
    if (status == STORE_OK && !made)
        status = make_tables(self);
    return status;
}

store_status postgres_ready(postgres_store *self)
{
    if (self->connection && PQstatus(self->connection) == CONNECTION_OK &&
        PQtransactionStatus(self->connection) == PQTRANS_IDLE)
        return STORE_OK;
    disconnect(self);
    if (postgres_now() < self->refused_until)
        return STORE_UNAVAILABLE; /* the message stays */
    const double start = postgres_now();
    const store_status status = connect_to(self);
    if (status != STORE_OK) {
        disconnect(self);
        self->refused_until = postgres_now() + patience_seconds + 2 * (postgres_now() - start);
    }
    return status;
}

const char *postgres_name(postgres_query which, char name[16])
{
    snprintf(name, 16, "topn%d", (int)which);
    return name;
}

store_status postgres_prepare(postgres_store *self, postgres_query which)
{
    char name[16];
    if (self->prepared[which])
        return STORE_OK;
    PGresult *result = PQprepare(self->connection, postgres_name(which, name), queries[which].text, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return postgres_fault(self, result);
    PQclear(result);
    self->prepared[which] = true;
    return STORE_OK;
}

PGresult *postgres_ask_once(postgres_store *self, postgres_query which, const char *const *values, store_status *status)
{
    char name[16];
    *status = postgres_prepare(self, which);
    if (*status != STORE_OK)
        return NULL;
    PGresult *result =
        PQexecPrepared(self->connection, postgres_name(which, name), queries[which].parameters, values, NULL, NULL, 0);
    const ExecStatusType kind = PQresultStatus(result);
    if (kind == PGRES_TUPLES_OK || kind == PGRES_COMMAND_OK)
        return result;
    *status = postgres_fault(self, result);
    return NULL;
}

PGresult *postgres_ask(postgres_store *self, postgres_query which, const char *const *values, store_status *status)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        *status = postgres_ready(self);
        if (*status != STORE_OK)
            return NULL;
        PGresult *result = postgres_ask_once(self, which, values, status);
        if (result || !postgres_lost(self))
            return result;
    }
    return NULL;
}

static bool serves(const char *where)
{
    return strncmp(where, "postgresql://", 13) == 0 || strncmp(where, "postgres://", 11) == 0;
}

static void close_store(store *base)
{
    postgres_store *self = (postgres_store *)base;
    disconnect(self);
    free(self->where);
    free(self);
}

static store_status open_store(const char *where, store **out, char *why, size_t why_size)
{
    postgres_store *self = calloc(1, sizeof *self);
    if (self)
        self->where = strdup(where);
    if (!self || !self->where) {
        free(self);
        snprintf(why, why_size, "postgresql: there is no memory for it");
        return STORE_UNAVAILABLE;
    }
    self->base.kind = &store_postgres;
    const store_status status = postgres_ready(self);
    if (status != STORE_OK) {
        snprintf(why, why_size, "%s", self->base.message);
        close_store(&self->base);
        return status;
    }
    *out = &self->base;
    return STORE_OK;
}

const store_kind store_postgres = {
    .name = "postgresql",
    .serves = serves,
    .open = open_store,
    .close = close_store,
    .append = postgres_append,
    .history = postgres_history,
    .scan = postgres_scan,
    .count = postgres_count,
    .expire = postgres_expire,
    .put = postgres_put,
    .remove = postgres_remove,
    .get = postgres_get,
    .list = postgres_list,
    .items_version = postgres_items_version,
    .note = postgres_note,
    .read_note = postgres_read_note,
};
