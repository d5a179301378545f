/* SPDX-License-Identifier: Apache-2.0
 *
 * Items, users and notes in a SQLite store.
 */
#include "sqlite_store.h"

#include <stdlib.h>
#include <string.h>

store_status sqlite_put(store *base, entity_kind kind, const stored_entity *entities, size_t count)
{
    sqlite_store *self = (sqlite_store *)base;
    store_status status = sqlite_begin(self);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *put = sqlite_statement(self, PUT_ITEM + kind);
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        sqlite_bind(put, 1, entities[i].id);
        sqlite_bind(put, 2, entities[i].title);
        sqlite_bind(put, 3, entities[i].attributes ? entities[i].attributes : "{}");
        sqlite3_bind_int(put, 4, entities[i].hidden);
        status = sqlite_run(self, PUT_ITEM + kind);
    }
    if (status == STORE_OK && kind == ENTITY_ITEM)
        status = sqlite_run(self, RAISE_VERSION);
    return sqlite_end(self, status);
}

/* Runs a statement that deletes by id and adds up how many rows went. */
static store_status delete_by_id(sqlite_store *self, prepared which, const char *id, int64_t *gone)
{
    sqlite_bind(sqlite_statement(self, which), 1, id);
    const store_status status = sqlite_run(self, which);
    *gone += sqlite3_changes64(self->db);
    return status;
}

store_status sqlite_remove(store *base, entity_kind kind, const char *id)
{
    sqlite_store *self = (sqlite_store *)base;
    int64_t gone = 0;
    store_status status = sqlite_begin(self);
    if (status != STORE_OK)
        return status;
    status = delete_by_id(self, REMOVE_ITEM + kind, id, &gone);
    if (status == STORE_OK && kind == ENTITY_USER)
        status = delete_by_id(self, DROP_USERS_EVENTS, id, &gone);
    if (status == STORE_OK && kind == ENTITY_USER)
        status = delete_by_id(self, DROP_USERS_ID, id, &gone);
    if (status == STORE_OK && kind == ENTITY_ITEM && gone > 0)
        status = sqlite_run(self, RAISE_VERSION);
    status = sqlite_end(self, status);
    if (status == STORE_OK && gone == 0)
        return store_tell(base, STORE_NOT_FOUND, "there is no %s \"%s\"", kind == ENTITY_ITEM ? "item" : "user", id);
    return status;
}

/* Visits the rows of a statement that is bound; *visited counts them. */
static store_status visit_rows(sqlite_store *self, prepared which, store_visit_entity *visit, void *user_data,
                               size_t *visited)
{
    sqlite3_stmt *rows = sqlite_statement(self, which);
    int result;
    for (*visited = 0; (result = sqlite3_step(rows)) == SQLITE_ROW; ++*visited) {
        const bool titled = sqlite3_column_type(rows, 1) != SQLITE_NULL;
        const stored_entity entity = {.id = sqlite_column(rows, 0),
                                      .title = titled ? sqlite_column(rows, 1) : NULL,
                                      .attributes = sqlite_column(rows, 2),
                                      .hidden = sqlite3_column_int(rows, 3)};
        visit(&entity, user_data);
    }
    const store_status status = result == SQLITE_DONE ? STORE_OK : sqlite_fault(self, result);
    sqlite3_reset(rows);
    return status;
}

store_status sqlite_get(store *base, entity_kind kind, const char *id, store_visit_entity *visit, void *user_data)
{
    sqlite_store *self = (sqlite_store *)base;
    size_t visited = 0;
    store_status status = sqlite_ready(self);
    if (status != STORE_OK)
        return status;
    sqlite_bind(sqlite_statement(self, GET_ITEM + kind), 1, id);
    status = visit_rows(self, GET_ITEM + kind, visit, user_data, &visited);
    if (status == STORE_OK && visited == 0)
        return store_tell(base, STORE_NOT_FOUND, "there is no %s \"%s\"", kind == ENTITY_ITEM ? "item" : "user", id);
    return status;
}

store_status sqlite_list(store *base, entity_kind kind, const char *cursor, size_t limit, store_visit_entity *visit,
                         void *user_data)
{
    sqlite_store *self = (sqlite_store *)base;
    size_t visited = 0;
    const store_status status = sqlite_ready(self);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *list = sqlite_statement(self, LIST_ITEMS + kind);
    sqlite_bind(list, 1, cursor);
    sqlite3_bind_int64(list, 2, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    return visit_rows(self, LIST_ITEMS + kind, visit, user_data, &visited);
}

store_status sqlite_items_version(store *base, int64_t *version)
{
    sqlite_store *self = (sqlite_store *)base;
    const store_status status = sqlite_ready(self);
    return status == STORE_OK ? sqlite_number(self, READ_VERSION, version) : status;
}

store_status sqlite_note(store *base, const char *name, const char *value)
{
    sqlite_store *self = (sqlite_store *)base;
    const prepared which = value ? PUT_NOTE : REMOVE_NOTE;
    store_status status = sqlite_begin(self);
    if (status != STORE_OK)
        return status;
    sqlite_bind(sqlite_statement(self, which), 1, name);
    if (value)
        sqlite_bind(sqlite_statement(self, which), 2, value);
    return sqlite_end(self, sqlite_run(self, which));
}

store_status sqlite_read_note(store *base, const char *name, char **out)
{
    sqlite_store *self = (sqlite_store *)base;
    store_status status = sqlite_ready(self);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *read = sqlite_statement(self, READ_NOTE);
    sqlite_bind(read, 1, name);
    const int result = sqlite3_step(read);
    if (result == SQLITE_ROW) {
        *out = strdup(sqlite_column(read, 0));
        status = *out ? STORE_OK : sqlite_fault(self, SQLITE_NOMEM);
    } else {
        status = result == SQLITE_DONE ? store_tell(base, STORE_NOT_FOUND, "there is no note \"%s\"", name)
                                       : sqlite_fault(self, result);
    }
    sqlite3_reset(read);
    return status;
}
