/* SPDX-License-Identifier: Apache-2.0 */
#include "entity.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "running.h"
#include "worker.h"

/* Fields of requests that are kept as attributes of these names. */
static const char *const kept_fields[] = {"Labels", "Categories", "Timestamp", "Comment", "Subscribe"};
enum { KEPT_FIELDS = sizeof kept_fields / sizeof *kept_fields, MOST_LISTED = 1000 };
/* Attribute of an item that was deleted while the model knows it. */
static const char buried[] = "Deleted";

const char *entity_id_field(entity_kind kind)
{
    return kind == ENTITY_ITEM ? "ItemId" : "UserId";
}

static bool is_kept(const char *name)
{
    for (size_t at = 0; at < KEPT_FIELDS; at++)
        if (strcmp(kept_fields[at], name) == 0)
            return true;
    return strcmp(name, buried) == 0;
}

/* Attributes of the request into `attributes`; false with `why`. */
static bool merge_attributes(const json_t *given, json_t *attributes, char *why, size_t why_size)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value)
    {
        if (is_kept(name)) {
            snprintf(why, why_size, "Attributes.%s: this name is a field of its own, beside Attributes", name);
            return false;
        }
        json_object_set(attributes, name, value);
    }
    return true;
}

/* The fields of `body` into what is there: `attributes` and title and hidden of `out`, which lend from the body. */
static bool take_fields(const json_t *body, json_t *attributes, stored_entity *out, char *why, size_t why_size)
{
    const json_t *labels = json_object_get(body, "Labels"), *given = json_object_get(body, "Attributes");
    int64_t time;
    if (json_is_object(labels) && !merge_attributes(labels, attributes, why, why_size))
        return false;
    for (size_t at = 0; at < KEPT_FIELDS; at++) {
        json_t *value = json_object_get(body, kept_fields[at]);
        const bool empty = json_is_null(value) || (json_is_string(value) && !*json_string_value(value));
        if (!value || json_is_object(value))
            continue;
        if (empty || strcmp(kept_fields[at], "Timestamp") != 0) {
            if (empty)
                json_object_del(attributes, kept_fields[at]);
            else
                json_object_set(attributes, kept_fields[at], value);
            continue;
        }
        if (!time_read(value, &time, why, why_size))
            return false;
        json_object_set_new(attributes, kept_fields[at], json_integer(time));
    }
    if (!merge_attributes(given, attributes, why, why_size))
        return false;
    out->title = body_text(body, "Title", out->title);
    out->hidden = body_flag(body, "IsHidden", out->hidden);
    return true;
}

static void reply_written(call *request, entity_kind kind, store_status status, size_t count)
{
    if (status != STORE_OK) {
        reply_store(request, status, store_message(request->worker->store));
        return;
    }
    if (kind == ENTITY_ITEM)
        items_touch(request->server->items);
    reply_json(request, 200, json_pack("{s:I}", "RowAffected", (json_int_t)count));
}

/* `bodies`: [count]. */
static void put(call *request, entity_kind kind, const json_t *const *bodies, size_t count)
{
    stored_entity *entities = calloc(count + 1, sizeof *entities);
    char **texts = calloc(count + 1, sizeof *texts), why[320], place[32] = "";
    bool taken = entities && texts;
    if (!taken)
        reply_error(request, 503, "memory", "there is no memory for this request; nothing was written");
    for (size_t at = 0; taken && at < count; at++) {
        json_t *attributes = json_object();
        entities[at].id = body_text(bodies[at], entity_id_field(kind), "");
        taken = take_fields(bodies[at], attributes, &entities[at], why, sizeof why);
        if (!taken) {
            if (json_is_array(request->body))
                snprintf(place, sizeof place, "[%zu].", at);
            reply_error(request, 400, "body", "%s%s", place, why);
        }
        entities[at].attributes = texts[at] = json_dumps(attributes, JSON_COMPACT);
        json_decref(attributes);
    }
    if (taken)
        reply_written(request, kind, store_put(request->worker->store, kind, entities, count), count);
    for (size_t at = 0; texts && at < count; at++)
        free(texts[at]);
    free(texts);
    free(entities);
}

void entity_put(call *request, entity_kind kind)
{
    if (!body_is_valid(request) || !call_worker(request))
        return;
    const json_t *body = request->body;
    put(request, kind, &body, 1);
}

void entity_put_many(call *request, entity_kind kind)
{
    if (!body_is_valid(request) || !call_worker(request))
        return;
    const size_t count = json_array_size(request->body), most = request->server->options->max_batch;
    if (count > most) {
        reply_error(request, 413, "batch", "the body: %zu entries, at most %zu are taken (topn serve --max-batch)",
                    count, most);
        return;
    }
    const json_t **bodies = malloc((count + 1) * sizeof *bodies);
    if (!bodies) {
        reply_error(request, 503, "memory", "there is no memory for this request; nothing was written");
        return;
    }
    for (size_t at = 0; at < count; at++)
        bodies[at] = json_array_get(request->body, at);
    put(request, kind, bodies, count);
    free(bodies);
}

/* A copy of what the store keeps. */
typedef struct found {
    bool there;
    char *title;
    json_t *attributes;
    bool hidden;
} found;

static void keep(const stored_entity *entity, void *user_data)
{
    found *out = user_data;
    json_t *attributes = entity->attributes ? json_loads(entity->attributes, 0, NULL) : NULL;
    const bool gone = json_object_get(attributes, buried) != NULL;
    if (gone || out->there) {
        json_decref(attributes);
        return;
    }
    *out = (found){.there = true,
                   .title = entity->title ? strdup(entity->title) : NULL,
                   .attributes = attributes ? attributes : json_object(),
                   .hidden = entity->hidden};
}

void entity_patch(call *request, entity_kind kind)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* between reading and writing */
    char why[320], *text = NULL;
    found old = {0};
    if (!body_is_valid(request) || !call_worker(request))
        return;
    pthread_mutex_lock(&lock);
    store_status status = store_get(request->worker->store, kind, request->path[0], keep, &old);
    if (status != STORE_OK && status != STORE_NOT_FOUND) {
        reply_store(request, status, store_message(request->worker->store));
        goto done;
    }
    stored_entity entity = {.id = request->path[0], .title = old.title, .hidden = old.hidden};
    if (!old.there)
        old.attributes = json_object();
    if (!take_fields(request->body, old.attributes, &entity, why, sizeof why)) {
        reply_error(request, 400, "body", "%s", why);
        goto done;
    }
    entity.attributes = text = json_dumps(old.attributes, JSON_COMPACT);
    reply_written(request, kind, store_put(request->worker->store, kind, &entity, 1), 1);
done:
    pthread_mutex_unlock(&lock);
    free(text);
    free(old.title);
    json_decref(old.attributes);
}

/* As requests write it. Takes the reference to attributes. */
static json_t *entity_value(entity_kind kind, const char *id, const char *title, bool hidden, json_t *attributes)
{
    json_t *value = json_object();
    json_object_set_new(value, entity_id_field(kind), text_value(id));
    if (kind == ENTITY_ITEM) {
        json_object_set_new(value, "IsHidden", json_boolean(hidden));
        json_object_set_new(value, "Title", text_value(title));
    }
    for (size_t at = 0; at < KEPT_FIELDS; at++) {
        json_t *kept = json_object_get(attributes, kept_fields[at]);
        if (kept && strcmp(kept_fields[at], "Timestamp") == 0)
            json_object_set_new(value, kept_fields[at], time_value(json_integer_value(kept)));
        else if (kept)
            json_object_set(value, kept_fields[at], kept);
        json_object_del(attributes, kept_fields[at]);
    }
    json_object_set_new(value, "Attributes", attributes ? attributes : json_object());
    return value;
}

void entity_get(call *request, entity_kind kind)
{
    found entity = {0};
    if (!call_worker(request))
        return;
    const store_status status = store_get(request->worker->store, kind, request->path[0], keep, &entity);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        reply_store(request, status, store_message(request->worker->store));
    else if (!entity.there)
        reply_error(request, 404, "not-found", "the store has no %s \"%.100s\"", kind == ENTITY_ITEM ? "item" : "user",
                    request->path[0]);
    else
        reply_json(request, 200,
                   entity_value(kind, request->path[0], entity.title, entity.hidden, json_incref(entity.attributes)));
    free(entity.title);
    json_decref(entity.attributes);
}

typedef struct listing {
    json_t *list;
    entity_kind kind;
    json_t *last; /* id */
    size_t count;
} listing;

static void visit(const stored_entity *entity, void *user_data)
{
    listing *out = user_data;
    found kept = {0};
    keep(entity, &kept);
    out->count++;
    json_decref(out->last);
    out->last = text_value(entity->id);
    if (kept.there)
        json_array_append_new(out->list, entity_value(out->kind, entity->id, kept.title, kept.hidden, kept.attributes));
    free(kept.title);
}

void entity_list(call *request, entity_kind kind, const char *field)
{
    uint64_t n;
    if (!call_number(request, "n", 1, MOST_LISTED, &n) || !call_worker(request))
        return;
    const char *cursor = call_parameter(request, "cursor");
    listing out = {.list = json_array(), .kind = kind};
    const store_status status = store_list(request->worker->store, kind, cursor ? cursor : "", n, visit, &out);
    if (status == STORE_OK || status == STORE_NOT_FOUND) {
        json_t *next = out.count == n ? json_incref(out.last) : json_string("");
        reply_json(request, 200, json_pack("{s:o,s:o}", "Cursor", next, field, out.list));
    } else {
        json_decref(out.list);
        reply_store(request, status, store_message(request->worker->store));
    }
    json_decref(out.last);
}

bool entity_bury(call *request, const char *id, store_status *status)
{
    generation *in_use = models_acquire(request->server->models);
    uint32_t item;
    const bool known = topn_model_find_item(in_use->model, id, &item);
    const stored_entity entity = {.id = id, .attributes = "{\"Deleted\":true}", .hidden = true};
    generation_release(in_use);
    if (known)
        *status = store_put(request->worker->store, ENTITY_ITEM, &entity, 1);
    return known;
}
