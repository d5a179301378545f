/* SPDX-License-Identifier: Apache-2.0
 *
 * Events in a SQLite store.
 */
#include "sqlite_store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The number of an id, made when it is new. */
static store_status number_of(sqlite_store *self, entity_kind kind, const char *id, int64_t *out)
{
    sqlite_bind(sqlite_statement(self, FIND_ITEM + kind), 1, id);
    store_status status = sqlite_number(self, FIND_ITEM + kind, out);
    if (status != STORE_NOT_FOUND)
        return status;
    sqlite_bind(sqlite_statement(self, ADD_ITEM + kind), 1, id);
    status = sqlite_run(self, ADD_ITEM + kind);
    *out = sqlite3_last_insert_rowid(self->db);
    return status;
}

static store_status append_event(sqlite_store *self, const stored_event *event)
{
    int64_t user, item;
    store_status status = number_of(self, ENTITY_USER, event->user, &user);
    if (status == STORE_OK)
        status = number_of(self, ENTITY_ITEM, event->item, &item);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *add = sqlite_statement(self, ADD_EVENT);
    sqlite3_bind_int64(add, 1, user);
    sqlite3_bind_int64(add, 2, item);
    sqlite3_bind_double(add, 3, event->weight);
    sqlite3_bind_int64(add, 4, event->time);
    sqlite_bind(add, 5, event->kind && *event->kind ? event->kind : NULL);
    sqlite_bind(add, 6, event->context);
    sqlite3_bind_int(add, 7, event->deleted);
    return sqlite_run(self, ADD_EVENT);
}

/* Whether the batch's key is new; then it is kept. batch->repeated and ->status say it. */
static store_status take_key(sqlite_store *self, store_batch *batch)
{
    enum { BATCHES_BETWEEN = 256 };
    int64_t contents;
    sqlite_bind(sqlite_statement(self, FIND_KEY), 1, batch->idempotency_key);
    store_status status = sqlite_number(self, FIND_KEY, &contents);
    if (status == STORE_OK) {
        batch->repeated = contents == (int64_t)batch->contents;
        batch->status = batch->repeated ? STORE_OK : STORE_CONFLICT;
    }
    if (status != STORE_NOT_FOUND)
        return status;
    const int64_t now = time(NULL);
    sqlite3_stmt *add = sqlite_statement(self, ADD_KEY);
    sqlite_bind(add, 1, batch->idempotency_key);
    sqlite3_bind_int64(add, 2, (int64_t)batch->contents);
    sqlite3_bind_int64(add, 3, now);
    status = sqlite_run(self, ADD_KEY);
    if (status != STORE_OK || self->keyed++ % BATCHES_BETWEEN != 0)
        return status;
    sqlite3_bind_int64(sqlite_statement(self, DROP_KEYS), 1, now - STORE_KEY_SECONDS);
    return sqlite_run(self, DROP_KEYS);
}

static store_status append_batch(sqlite_store *self, store_batch *batch)
{
    store_status status = STORE_OK;
    if (batch->idempotency_key)
        status = take_key(self, batch);
    if (status != STORE_OK || batch->status != STORE_OK || batch->repeated)
        return status;
    for (size_t i = 0; status == STORE_OK && i < batch->count; i++)
        status = append_event(self, &batch->events[i]);
    return status;
}

store_status sqlite_append(store *base, store_batch *batches, size_t count)
{
    sqlite_store *self = (sqlite_store *)base;
    store_status status = sqlite_begin(self);
    if (status != STORE_OK)
        return status;
    for (size_t i = 0; status == STORE_OK && i < count; i++)
        if (batches[i].status == STORE_OK)
            status = append_batch(self, &batches[i]);
    return sqlite_end(self, status);
}

store_status sqlite_scan(store *base, int64_t from, int64_t to, store_visit *visit, void *user_data)
{
    sqlite_store *self = (sqlite_store *)base;
    store_status status = sqlite_ready(self);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *rows = sqlite_statement(self, SCAN);
    int result;
    sqlite3_bind_int64(rows, 1, from);
    sqlite3_bind_int64(rows, 2, to);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        const bool has_context = sqlite3_column_type(rows, 5) != SQLITE_NULL;
        const stored_event event = {.user = sqlite_column(rows, 0),
                                    .item = sqlite_column(rows, 1),
                                    .weight = sqlite3_column_double(rows, 2),
                                    .time = sqlite3_column_int64(rows, 3),
                                    .kind = sqlite_column(rows, 4),
                                    .context = has_context ? sqlite_column(rows, 5) : NULL,
                                    .deleted = sqlite3_column_int(rows, 6),
                                    .number = sqlite3_column_int64(rows, 7)};
        visit(&event, user_data);
    }
    status = result == SQLITE_DONE ? STORE_OK : sqlite_fault(self, result);
    sqlite3_reset(rows);
    return status;
}

store_status sqlite_count(store *base, uint64_t *events)
{
    sqlite_store *self = (sqlite_store *)base;
    int64_t count = 0;
    store_status status = sqlite_ready(self);
    if (status == STORE_OK)
        status = sqlite_number(self, COUNT_EVENTS, &count);
    *events = (uint64_t)count;
    return status;
}

typedef struct old_event {
    int64_t sequence, user;
} old_event;

/* Looks for them outside of any transaction that writes: where none is old, that is a pass over all. */
static store_status find_old(sqlite_store *self, int64_t before, size_t limit, old_event *out, size_t *count)
{
    sqlite3_stmt *rows = sqlite_statement(self, OLD_EVENTS);
    int result;
    *count = 0;
    sqlite3_bind_int64(rows, 1, before);
    sqlite3_bind_int64(rows, 2, (int64_t)limit);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW && *count < limit)
        out[(*count)++] = (old_event){sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1)};
    const store_status status = result == SQLITE_DONE ? STORE_OK : sqlite_fault(self, result);
    sqlite3_reset(rows);
    return status;
}

/* The event, and the user's id when it was his last. AUTOINCREMENT: no other event ever gets its number. */
static store_status drop_old(sqlite_store *self, const old_event *old, uint64_t *deleted)
{
    sqlite3_bind_int64(sqlite_statement(self, DROP_EVENT), 1, old->sequence);
    store_status status = sqlite_run(self, DROP_EVENT);
    if (status != STORE_OK)
        return status;
    *deleted += (uint64_t)sqlite3_changes(self->db);
    sqlite3_bind_int64(sqlite_statement(self, DROP_IDLE_USER), 1, old->user);
    return sqlite_run(self, DROP_IDLE_USER);
}

store_status sqlite_expire(store *base, int64_t before, size_t limit, uint64_t *deleted)
{
    sqlite_store *self = (sqlite_store *)base;
    size_t count = 0;
    uint64_t dropped = 0;
    store_status status = sqlite_ready(self);
    if (status != STORE_OK || limit == 0)
        return status;
    limit = limit < 65536 ? limit : 65536;
    old_event *old = calloc(limit, sizeof *old);
    if (!old)
        return sqlite_fault(self, SQLITE_NOMEM);
    status = find_old(self, before, limit, old, &count);
    if (status == STORE_OK && count > 0)
        status = sqlite_begin(self);
    if (status == STORE_OK && count > 0) {
        for (size_t i = 0; status == STORE_OK && i < count; i++)
            status = drop_old(self, &old[i], &dropped);
        status = sqlite_end(self, status);
    }
    *deleted = status == STORE_OK ? dropped : 0;
    free(old);
    return status;
}
