/* SPDX-License-Identifier: Apache-2.0
 *
 * Items, users and notes in a PostgreSQL store.
 */
#include "postgres_store.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static store_status no_memory(postgres_store *self)
{
    return store_tell(&self->base, STORE_UNAVAILABLE, "postgresql: there is no memory for it");
}

static char *entities_json(const stored_entity *entities, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entity = json_object();
        json_object_set_new(entity, "id", json_string(entities[i].id));
        json_object_set_new(entity, "title", entities[i].title ? json_string(entities[i].title) : json_null());
        json_object_set_new(entity, "attributes", json_string(entities[i].attributes ? entities[i].attributes : "{}"));
        json_object_set_new(entity, "hidden", json_boolean(entities[i].hidden));
        json_array_append_new(list, entity);
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

store_status postgres_put(store *base, entity_kind kind, const stored_entity *entities, size_t count)
{
    postgres_store *self = (postgres_store *)base;
    store_status status;
    char *text = entities_json(entities, count);
    if (!text)
        return no_memory(self);
    const char *const values[] = {text};
    PQclear(postgres_ask(self, ASK_PUT_ITEMS + kind, values, &status));
    free(text);
    return status;
}

static store_status not_there(store *base, entity_kind kind, const char *id)
{
    return store_tell(base, STORE_NOT_FOUND, "there is no %s \"%s\"", kind == ENTITY_ITEM ? "item" : "user", id);
}

store_status postgres_remove(store *base, entity_kind kind, const char *id)
{
    store_status status;
    const char *const values[] = {id};
    PGresult *result = postgres_ask((postgres_store *)base, ASK_REMOVE_ITEM + kind, values, &status);
    const bool none = result && postgres_number(result, 0, 0) == 0;
    PQclear(result);
    return none ? not_there(base, kind, id) : status;
}

static int visit_rows(const PGresult *result, store_visit_entity *visit, void *user_data)
{
    const int rows = result ? PQntuples(result) : 0;
    for (int row = 0; row < rows; row++) {
        const stored_entity entity = {.id = PQgetvalue(result, row, 0),
                                      .title = postgres_text(result, row, 1),
                                      .attributes = PQgetvalue(result, row, 2),
                                      .hidden = postgres_truth(result, row, 3)};
        visit(&entity, user_data);
    }
    return rows;
}

store_status postgres_get(store *base, entity_kind kind, const char *id, store_visit_entity *visit, void *user_data)
{
    store_status status;
    const char *const values[] = {id};
    PGresult *result = postgres_ask((postgres_store *)base, ASK_GET_ITEM + kind, values, &status);
    const int rows = visit_rows(result, visit, user_data);
    PQclear(result);
    return status == STORE_OK && rows == 0 ? not_there(base, kind, id) : status;
}

store_status postgres_list(store *base, entity_kind kind, const char *cursor, size_t limit, store_visit_entity *visit,
                           void *user_data)
{
    store_status status;
    char most[24];
    const char *const values[] = {cursor, most};
    snprintf(most, sizeof most, "%" PRId64, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
    PGresult *result = postgres_ask((postgres_store *)base, ASK_LIST_ITEMS + kind, values, &status);
    visit_rows(result, visit, user_data);
    PQclear(result);
    return status;
}

store_status postgres_items_version(store *base, int64_t *version)
{
    store_status status;
    PGresult *result = postgres_ask((postgres_store *)base, ASK_VERSION, NULL, &status);
    if (result && PQntuples(result) == 1)
        *version = postgres_number(result, 0, 0);
    PQclear(result);
    return status;
}

store_status postgres_note(store *base, const char *name, const char *value)
{
    store_status status;
    const char *const values[] = {name, value};
    PQclear(postgres_ask((postgres_store *)base, value ? ASK_PUT_NOTE : ASK_REMOVE_NOTE, values, &status));
    return status;
}

store_status postgres_read_note(store *base, const char *name, char **out)
{
    postgres_store *self = (postgres_store *)base;
    store_status status;
    const char *const values[] = {name};
    PGresult *result = postgres_ask(self, ASK_READ_NOTE, values, &status);
    if (result && PQntuples(result) == 0)
        status = store_tell(base, STORE_NOT_FOUND, "there is no note \"%s\"", name);
    else if (result && !(*out = strdup(PQgetvalue(result, 0, 0))))
        status = no_memory(self);
    PQclear(result);
    return status;
}
