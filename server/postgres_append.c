/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing events into a PostgreSQL store. A connection that breaks leaves no doubt: before the commit nothing is
 * written, and whether a commit under way took place is asked by the transaction's number on the next connection.
 */
#include "postgres_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Lines of COPY's text form, made in memory. */
typedef struct copy_text {
    char *bytes;
    size_t size, capacity;
    bool failed; /* no memory */
} copy_text;

static void put(copy_text *copy, const char *bytes, size_t size)
{
    if (copy->failed || size == 0)
        return;
    if (copy->capacity - copy->size < size) {
        const size_t capacity = (copy->capacity + size) * 2;
        char *more = realloc(copy->bytes, capacity);
        if (!more) {
            copy->failed = true;
            return;
        }
        copy->bytes = more;
        copy->capacity = capacity;
    }
    memcpy(copy->bytes + copy->size, bytes, size);
    copy->size += size;
}

/* A field and what ends it; NULL is null. */
static void put_field(copy_text *copy, const char *text, const char *end)
{
    if (!text)
        put(copy, "\\N", 2);
    while (text && *text) {
        const size_t plain = strcspn(text, "\\\t\n\r");
        put(copy, text, plain);
        text += plain;
        if (*text) {
            const char escaped[2] = {'\\', *text == '\t' ? 't' : *text == '\n' ? 'n' : *text == '\r' ? 'r' : '\\'};
            put(copy, escaped, 2);
            text++;
        }
    }
    put(copy, end, 1);
}

static void put_event(copy_text *copy, const stored_event *event)
{
    char numbers[96];
    put_field(copy, event->user, "\t");
    put_field(copy, event->item, "\t");
    snprintf(numbers, sizeof numbers, "%.17g\t%" PRId64 "\t", event->weight, event->time);
    put(copy, numbers, strlen(numbers));
    put_field(copy, event->kind ? event->kind : "", "\t");
    put_field(copy, event->context, "\t");
    put(copy, event->deleted ? "t\n" : "f\n", 2);
}

/* Whether the batch's key is new; then it is kept. batch->repeated and ->status say it. */
static store_status take_key(postgres_store *self, store_batch *batch)
{
    enum { BATCHES_BETWEEN = 256 };
    store_status status;
    char contents[24], seconds[24];
    const char *const values[] = {batch->idempotency_key, contents};
    snprintf(contents, sizeof contents, "%" PRId64, (int64_t)batch->contents);
    PGresult *result = postgres_ask_once(self, ASK_KEY, values, &status);
    if (!result)
        return status;
    if (!postgres_truth(result, 0, 0)) {
        batch->repeated = postgres_number(result, 0, 1) == (int64_t)batch->contents;
        batch->status = batch->repeated ? STORE_OK : STORE_CONFLICT;
    }
    PQclear(result);
    if (self->keyed++ % BATCHES_BETWEEN == 0) {
        snprintf(seconds, sizeof seconds, "%d", STORE_KEY_SECONDS);
        const char *const age[] = {seconds};
        result = postgres_ask_once(self, ASK_DROP_KEYS, age, &status);
        PQclear(result);
    }
    return status;
}

static store_status send_copy(postgres_store *self, const copy_text *copy)
{
    PGresult *result = PQexec(self->connection, "COPY topn_event (user_id, item_id, weight, time, kind, context, "
                                                "deleted) FROM STDIN");
    if (PQresultStatus(result) != PGRES_COPY_IN)
        return postgres_fault(self, result);
    PQclear(result);
    enum { PIECE = 1 << 20 };
    for (size_t at = 0; at < copy->size; at += PIECE) {
        const size_t size = copy->size - at < PIECE ? copy->size - at : PIECE;
        if (PQputCopyData(self->connection, copy->bytes + at, (int)size) != 1)
            return postgres_fault(self, NULL);
    }
    if (PQputCopyEnd(self->connection, NULL) != 1)
        return postgres_fault(self, NULL);
    store_status status = STORE_OK;
    while ((result = PQgetResult(self->connection))) {
        if (PQresultStatus(result) == PGRES_COMMAND_OK || status != STORE_OK)
            PQclear(result);
        else
            status = postgres_fault(self, result);
    }
    return status;
}

/* All but the commit. transaction: its number as text. */
static store_status write_batches(postgres_store *self, store_batch *batches, size_t count, char transaction[32])
{
    copy_text copy = {0};
    store_status status = postgres_command(self, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    if (status != STORE_OK)
        return status;
    /* One writer at a time, so that numbers rise in the order of commits. */
    PGresult *result = PQexec(self->connection, "SELECT txid_current(), pg_advisory_xact_lock(" POSTGRES_LOCKS ", 1)");
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return postgres_fault(self, result);
    snprintf(transaction, 32, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        store_batch *batch = &batches[i];
        if (batch->status == STORE_OK && batch->idempotency_key)
            status = take_key(self, batch);
        if (batch->status != STORE_OK || batch->repeated)
            continue;
        for (size_t j = 0; j < batch->count; j++)
            put_event(&copy, &batch->events[j]);
    }
    if (status == STORE_OK && copy.failed)
        status = store_tell(&self->base, STORE_UNAVAILABLE, "postgresql: there is no memory for the events");
    if (status == STORE_OK && copy.size > 0)
        status = send_copy(self, &copy);
    free(copy.bytes);
    return status;
}

/* What became of a commit whose answer was lost. */
static store_status find_out(postgres_store *self, const char *transaction)
{
    const double until = postgres_now() + 5; /* a server that restarts */
    const char *const values[] = {transaction};
    while (postgres_now() < until) {
        store_status status = postgres_ready(self);
        PGresult *result = status == STORE_OK ? postgres_ask_once(self, ASK_COMMITTED, values, &status) : NULL;
        const char *text = result && PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "";
        const bool committed = strcmp(text, "committed") == 0, aborted = strcmp(text, "aborted") == 0;
        PQclear(result);
        if (committed)
            return STORE_OK;
        if (aborted)
            return store_tell(&self->base, STORE_UNAVAILABLE, "postgresql: the connection was lost");
        nanosleep(&(struct timespec){.tv_nsec = 50000000L}, NULL);
    }
    return store_tell(
        &self->base, STORE_UNCERTAIN,
        "postgresql: the connection was lost while committing; whether the events are there is not known");
}

static store_status commit(postgres_store *self, const char *transaction)
{
    PGresult *result = PQexec(self->connection, "COMMIT");
    const bool committed = PQresultStatus(result) == PGRES_COMMAND_OK && strcmp(PQcmdStatus(result), "COMMIT") == 0;
    if (committed) {
        PQclear(result);
        return STORE_OK;
    }
    const store_status status = postgres_fault(self, result);
    return postgres_lost(self) ? find_out(self, transaction) : status;
}

/* Takes back what was begun; the message stays. */
static void take_back(postgres_store *self)
{
    if (!postgres_lost(self) && PQtransactionStatus(self->connection) != PQTRANS_IDLE)
        PQclear(PQexec(self->connection, "ROLLBACK"));
}

store_status postgres_append(store *base, store_batch *batches, size_t count)
{
    postgres_store *self = (postgres_store *)base;
    store_status status = STORE_OK;
    char transaction[32] = "";
    for (int attempt = 0; attempt < 2; attempt++) { /* the second after a restart of the server */
        for (size_t i = 0; i < count; i++) {
            batches[i].repeated = false;
            batches[i].status = batches[i].status == STORE_INVALID ? STORE_INVALID : STORE_OK;
        }
        status = postgres_ready(self);
        if (status != STORE_OK)
            return status;
        status = write_batches(self, batches, count, transaction);
        if (status == STORE_OK)
            return commit(self, transaction);
        take_back(self);
        if (!postgres_lost(self))
            return status;
    }
    return status;
}
