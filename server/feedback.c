/* SPDX-License-Identifier: Apache-2.0
 *
 * Events: written to the store's disk before they are acknowledged, read, taken back. A request is written whole or not
 * at all; with the header Idempotency-Key it may be sent again.
 */
#include "feedback.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include "answer.h"
#include "live.h"
#include "running.h"
#include "schema.h"

enum { LONGEST_KEY = 255 };

/* A request whose events wait for the disk. */
typedef struct pending {
    call *request;
    size_t events, unknown;
} pending;

static void written(store_status status, bool repeated, const char *message, void *user_data)
{
    pending *waiting = user_data;
    call *request = waiting->request;
    json_t *answer = json_pack("{s:I,s:b,s:I}", "RowAffected", (json_int_t)(repeated ? 0 : waiting->events), "repeated",
                               repeated, "unknown_items", (json_int_t)waiting->unknown);
    free(waiting);
    if (status == STORE_OK) {
        reply_json(request, 200, answer);
        return;
    }
    json_decref(answer);
    reply_store(request, status, message);
}

/* Of what makes two requests the same. */
static uint64_t contents_of(const call *request)
{
    uint64_t hash = XXH3_64bits(request->raw, request->raw ? request->raw_size : 0);
    const char *texts[CALL_PATH_PARTS + 2] = {request->route->method, request->route->path};
    for (size_t part = 0; part < CALL_PATH_PARTS; part++)
        texts[part + 2] = request->path[part];
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        if (texts[at])
            hash = XXH3_64bits_withSeed(texts[at], strlen(texts[at]) + 1, hash);
    return hash;
}

void submit_events(call *request, const stored_event *events, size_t count, size_t reported, size_t unknown)
{
    const char *key = call_header(request, "Idempotency-Key");
    if (key && (!*key || strlen(key) > LONGEST_KEY)) {
        reply_error(request, 400, "header", "header Idempotency-Key: 1 to %d characters are taken", (int)LONGEST_KEY);
        return;
    }
    pending *waiting = malloc(sizeof *waiting);
    if (!waiting) {
        reply_error(request, 503, "memory", "there is no memory for these events; nothing was written");
        return;
    }
    *waiting = (pending){.request = request, .events = reported, .unknown = unknown};
    call_defer(request);
    if (writer_submit(request->server->writer, events, count, key, contents_of(request), written, waiting))
        return; /* the call may be gone */
    free(waiting);
    reply_header(request, "Retry-After", "1");
    reply_error(request, 503, "busy", "too many events wait to be written; nothing of this request was");
}

/* The context of an event as the store keeps it: its Context, and the Comment beside it. NULL: there is none. */
static char *context_text(const json_t *event)
{
    const json_t *fields = json_object_get(event, "Context");
    json_t *comment = json_object_get(event, "Comment");
    json_t *all = json_is_object(fields) ? json_copy((json_t *)fields) : json_object();
    char *text = NULL;
    if (json_is_string(comment) && *json_string_value(comment))
        json_object_set(all, "Comment", comment);
    if (json_object_size(all))
        text = json_dumps(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

/* Events of the body as the store takes them; each pair replaced has a deletion before its first. */
typedef struct intake {
    json_t *seen;
    stored_event *events; /* [2 × of the body] */
    char **contexts;      /* [of the body] */
    size_t count, unknown;
} intake;

/* Whether the pair is new to `seen`, {user: {item: true}}, into which it goes. */
static bool is_first(json_t *seen, const char *user, const char *item)
{
    json_t *taken = json_object_get(seen, user);
    if (!taken) {
        taken = json_object();
        json_object_set_new(seen, user, taken);
    }
    if (json_object_get(taken, item))
        return false;
    json_object_set_new(taken, item, json_true());
    return true;
}

static bool take_events(call *request, bool replace, const generation *in_use, intake *out)
{
    const json_t *events = request->body;
    const int64_t now = (int64_t)time(NULL);
    for (size_t at = 0; at < json_array_size(events); at++) {
        const json_t *event = json_array_get(events, at), *moment = json_object_get(event, "Timestamp");
        char why[160];
        uint32_t item;
        stored_event next = {.user = body_text(event, "UserId", ""),
                             .item = body_text(event, "ItemId", ""),
                             .weight = body_number(event, "Weight", 1.0),
                             .time = now,
                             .kind = body_text(event, "FeedbackType", ""),
                             .context = out->contexts[at] = context_text(event)};
        if (moment && !json_is_null(moment) && !(json_is_string(moment) && !*json_string_value(moment)) &&
            !time_read(moment, &next.time, why, sizeof why)) {
            reply_error(request, 400, "body", "[%zu].%s", at, why);
            return false;
        }
        out->unknown += !topn_model_find_item(in_use->model, next.item, &item);
        if (replace && is_first(out->seen, next.user, next.item))
            out->events[out->count++] =
                (stored_event){.user = next.user, .item = next.item, .time = next.time, .kind = "", .deleted = true};
        out->events[out->count++] = next;
    }
    return true;
}

static void take_body(call *request, bool replace)
{
    if (!body_is_valid(request))
        return;
    const size_t count = json_array_size(request->body), most = request->server->options->max_batch;
    if (count > most) {
        reply_error(request, 413, "batch", "the body: %zu events, at most %zu are taken (topn serve --max-batch)",
                    count, most);
        return;
    }
    intake all = {.seen = json_object(),
                  .events = malloc((2 * count + 1) * sizeof *all.events),
                  .contexts = calloc(count + 1, sizeof(char *))};
    generation *in_use = models_acquire(request->server->models);
    if (!all.events || !all.contexts)
        reply_error(request, 503, "memory", "there is no memory for these events; nothing was written");
    else if (take_events(request, replace, in_use, &all))
        submit_events(request, all.events, all.count, count, all.unknown); /* which copies */
    generation_release(in_use);
    for (size_t at = 0; all.contexts && at < count; at++)
        free(all.contexts[at]);
    free(all.contexts);
    free(all.events);
    json_decref(all.seen);
}

static void insert(call *request)
{
    take_body(request, false);
}

static void replace(call *request)
{
    take_body(request, true);
}

static void delete (call *request)
{
    const stored_event event = {
        .user = request->path[0], .item = request->path[1], .time = (int64_t)time(NULL), .kind = "", .deleted = true};
    submit_events(request, &event, 1, 1, 0);
}

/* Of a user's events in the store. */
typedef struct listing {
    json_t *list;
    const char *item; /* only this one; NULL = all */
    const char *user;
} listing;

static void visit(const stored_event *event, void *user_data)
{
    listing *out = user_data;
    if (event->deleted || (out->item && strcmp(out->item, event->item) != 0))
        return;
    json_array_append_new(out->list, json_pack("{s:o,s:o,s:o,s:o}", "UserId", text_value(out->user), "ItemId",
                                               text_value(event->item), "Weight", number_value(event->weight),
                                               "Timestamp", time_value(event->time)));
}

static void read_events(call *request)
{
    uint64_t n;
    if (!call_number(request, "n", 1, LIVE_PAIRS, &n) || !call_worker(request))
        return;
    listing out = {.list = json_array(), .user = request->path[0]};
    const store_status status = store_history(request->worker->store, request->path[0], 0, n, visit, &out);
    if (status == STORE_OK || status == STORE_NOT_FOUND) {
        reply_json(request, 200, json_pack("{s:o}", "Feedback", out.list));
        return;
    }
    json_decref(out.list);
    reply_store(request, status, store_message(request->worker->store));
}

static void read_event(call *request)
{
    if (!call_worker(request))
        return;
    listing out = {.list = json_array(), .user = request->path[0], .item = request->path[1]};
    const store_status status = store_history(request->worker->store, request->path[0], 0, SIZE_MAX, visit, &out);
    json_t *event = json_incref(json_array_get(out.list, 0));
    json_decref(out.list);
    if (event)
        reply_json(request, 200, event);
    else if (status == STORE_OK || status == STORE_NOT_FOUND)
        reply_error(request, 404, "not-found", "the store has no event of user \"%.100s\" and item \"%.100s\"",
                    request->path[0], request->path[1]);
    else
        reply_store(request, status, store_message(request->worker->store));
}

#define SCHEMA_EVENTS                                                                                                  \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":["  \
    "\"UserId\",\"ItemId\"],\"properties\":{\"FeedbackType\":" SCHEMA_KIND ",\"UserId\":" SCHEMA_ID                    \
    ",\"ItemId\":" SCHEMA_ID ",\"Weight\":" SCHEMA_WEIGHT ",\"Timestamp\":" SCHEMA_TIME ",\"Comment\":" SCHEMA_COMMENT \
    ",\"Context\":{\"type\":[\"object\",\"null\"],\"maxProperties\":32,\"propertyNames\":{\"minLength\":1,"            \
    "\"maxLength\":255},"                                                                                              \
    "\"additionalProperties\":{\"type\":[" SCHEMA_VALUE_TYPES "],\"maxLength\":255}}}}}"
#define SCHEMA_WRITTEN                                                                                                 \
    "{\"type\":\"object\",\"properties\":{\"RowAffected\":{\"type\":\"integer\"},\"repeated\":{\"type\":\"boolean\"}," \
    "\"unknown_items\":{\"type\":\"integer\"}}}"
#define SCHEMA_EVENT                                                                                                   \
    "{\"type\":\"object\",\"properties\":{\"UserId\":{\"type\":\"string\"},\"ItemId\":{\"type\":\"string\"},"          \
    "\"Weight\":{\"type\":\"number\"},\"Timestamp\":{\"type\":\"string\"}}}"

static const route_parameter list_parameters[] = {
    {.name = "n", .type = "integer", .standard = "100", .help = "items of the user's events, 1 to 5000, newest first"}};

const route route_feedback_insert = {
    .method = "POST",
    .path = "/api/feedback",
    .summary = "Events of users: each adds its weight to its user and item. Answered when they are on disk",
    .permission = PERMIT_WRITE,
    .body = SCHEMA_EVENTS,
    .answer = SCHEMA_WRITTEN,
    .quick = true,
    .handle = insert,
};

const route route_feedback_replace = {
    .method = "PUT",
    .path = "/api/feedback",
    .summary = "The same, in place of all that was known of each user and item",
    .permission = PERMIT_WRITE,
    .body = SCHEMA_EVENTS,
    .answer = SCHEMA_WRITTEN,
    .quick = true,
    .handle = replace,
};

const route route_feedback_user = {
    .method = "GET",
    .path = "/api/feedback/{user}",
    .summary = "The items of a user's events in the store, newest first, weights summed",
    .permission = PERMIT_READ,
    .parameters = list_parameters,
    .parameter_count = sizeof list_parameters / sizeof *list_parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"Feedback\":{\"type\":\"array\",\"items\":" SCHEMA_EVENT "}}}",
    .handle = read_events,
};

const route route_user_feedback = {
    .method = "GET",
    .path = "/api/user/{user}/feedback",
    .summary = "The same, at the path that it has in gorse",
    .permission = PERMIT_READ,
    .parameters = list_parameters,
    .parameter_count = sizeof list_parameters / sizeof *list_parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"Feedback\":{\"type\":\"array\",\"items\":" SCHEMA_EVENT "}}}",
    .handle = read_events,
};

const route route_feedback_pair = {
    .method = "GET",
    .path = "/api/feedback/{user}/{item}",
    .summary = "What the store's events of a user and an item come to",
    .permission = PERMIT_READ,
    .answer = SCHEMA_EVENT,
    .handle = read_event,
};

const route route_feedback_delete = {
    .method = "DELETE",
    .path = "/api/feedback/{user}/{item}",
    .summary = "Takes back all events of a user and an item, those that the model was trained on too",
    .permission = PERMIT_WRITE,
    .answer = SCHEMA_WRITTEN,
    .handle = delete,
};
