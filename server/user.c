/* SPDX-License-Identifier: Apache-2.0
 *
 * Users: attributes, which are features to models that know such.
 */
#include <stdlib.h>
#include <time.h>

#include "answer.h"
#include "entity.h"
#include "feedback.h"
#include "running.h"
#include "worker.h"

static void put_user(call *request)
{
    entity_put(request, ENTITY_USER);
}

static void put_users(call *request)
{
    entity_put_many(request, ENTITY_USER);
}

static void patch_user(call *request)
{
    entity_patch(request, ENTITY_USER);
}

static void get_user(call *request)
{
    entity_get(request, ENTITY_USER);
}

static void list_users(call *request)
{
    entity_list(request, ENTITY_USER, "Users");
}

/* The model's history of the user stays in its file until the next training: a deletion of each of its items keeps it
 * out of answers and out of that training. *out is the caller's; false when memory refuses. */
static bool forget_events(const generation *in_use, const char *id, stored_event **out, size_t *count)
{
    const uint32_t *items;
    uint32_t user;
    *count = topn_model_find_user(in_use->model, id, &user) ? topn_model_history(in_use->model, user, &items, NULL) : 0;
    *out = malloc((*count + 1) * sizeof **out);
    for (size_t at = 0; *out && at < *count; at++)
        (*out)[at] = (stored_event){.user = id,
                                    .item = topn_model_item_id(in_use->model, items[at]),
                                    .time = (int64_t)time(NULL),
                                    .kind = "",
                                    .deleted = true};
    return *out != NULL;
}

static void delete_user(call *request)
{
    stored_event *events;
    size_t count;
    if (!call_worker(request))
        return;
    const store_status status = store_remove(request->worker->store, ENTITY_USER, request->path[0]);
    if (status != STORE_OK && status != STORE_NOT_FOUND) {
        reply_store(request, status, store_message(request->worker->store));
        return;
    }
    generation *in_use = models_acquire(request->server->models);
    if (!forget_events(in_use, request->path[0], &events, &count))
        reply_error(request, 503, "memory", "there is no memory for this request; send it again");
    else if (count)
        submit_events(request, events, count, 1, 0); /* which copies */
    else
        reply_json(request, 200, json_pack("{s:i}", "RowAffected", status == STORE_OK));
    free(events);
    generation_release(in_use);
}

#define SCHEMA_USER_OTHERS "\"Subscribe\":" SCHEMA_TEXTS "," SCHEMA_COMMON
#define SCHEMA_USER                                                                                                    \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"UserId\"],\"properties\":{"                   \
    "\"UserId\":" SCHEMA_ID "," SCHEMA_USER_OTHERS "}}"

static const route_parameter list_parameters[] = {
    {.name = "cursor", .type = "string", .help = "the Cursor of the page before"},
    {.name = "n", .type = "integer", .standard = "100", .help = "users of a page, 1 to 1000"}};

const route route_user_put = {
    .method = "POST",
    .path = "/api/user",
    .summary = "A user with attributes, in place of what was there",
    .permission = PERMIT_WRITE,
    .body = SCHEMA_USER,
    .answer = SCHEMA_WRITTEN,
    .handle = put_user,
};

const route route_users_put = {
    .method = "POST",
    .path = "/api/users",
    .summary = "Many users, all of them or none",
    .permission = PERMIT_WRITE,
    .body = "{\"type\":\"array\",\"minItems\":1,\"items\":" SCHEMA_USER "}",
    .answer = SCHEMA_WRITTEN,
    .handle = put_users,
};

const route route_users_list = {
    .method = "GET",
    .path = "/api/users",
    .summary = "The users that were put, in byte order of ids, page by page",
    .permission = PERMIT_READ,
    .parameters = list_parameters,
    .parameter_count = sizeof list_parameters / sizeof *list_parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"Cursor\":{\"type\":\"string\"},\"Users\":{\"type\":\"array\","
              "\"items\":" SCHEMA_USER "}}}",
    .handle = list_users,
};

const route route_user_get = {
    .method = "GET",
    .path = "/api/user/{user}",
    .summary = "A user as he was put",
    .permission = PERMIT_READ,
    .answer = SCHEMA_USER,
    .handle = get_user,
};

const route route_user_patch = {
    .method = "PATCH",
    .path = "/api/user/{user}",
    .summary = "Changes the fields that are given",
    .permission = PERMIT_WRITE,
    .body = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" SCHEMA_USER_OTHERS "}}",
    .answer = SCHEMA_WRITTEN,
    .handle = patch_user,
};

const route route_user_delete = {
    .method = "DELETE",
    .path = "/api/user/{user}",
    .summary = "Removes what was put of a user, his events, and his history in the model in use",
    .permission = PERMIT_WRITE,
    .answer = SCHEMA_WRITTEN,
    .handle = delete_user,
};
