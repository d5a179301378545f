/* SPDX-License-Identifier: Apache-2.0
 *
 * The best items for a user, and for many users in one request.
 */
#include "answer.h"
#include "lists.h"
#include "running.h"
#include "schema.h"

static const route_parameter parameters[] = {WISHES_OF_USERS};

static void recommend(call *request)
{
    question asked;
    if (!question_open(request, &asked))
        return;
    json_t *answer = question_user(&asked, request->path[0]) ? list_answer(&asked) : NULL;
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

/* All or nothing: a user whose list fails fails the request. */
static void recommend_batch(call *request)
{
    question asked;
    if (!body_is_valid(request))
        return;
    const json_t *users = json_object_get(request->body, "Users");
    const size_t count = json_array_size(users), most = request->server->options->max_batch;
    if (count > most) {
        reply_error(request, 413, "batch", "Users: %zu entries, at most %zu are taken (topn serve --max-batch)", count,
                    most);
        return;
    }
    if (!question_open(request, &asked))
        return;
    json_t *lists = json_array();
    bool answered = true;
    for (size_t at = 0; at < count && answered; at++) {
        json_t *list = question_user(&asked, json_string_value(json_array_get(users, at))) ? list_answer(&asked) : NULL;
        answered = list != NULL;
        if (answered)
            json_array_append_new(lists, list);
    }
    question_close(&asked);
    if (answered)
        reply_json(request, 200, json_pack("{s:o}", "lists", lists));
    else
        json_decref(lists);
}

#define SCHEMA_ANSWER                                                                                                  \
    "{\"type\":\"object\",\"properties\":{\"user\":{\"type\":\"string\"}," SCHEMA_LIST "," SCHEMA_ORIGIN "}}"

const route route_recommend = {
    .method = "GET",
    .path = "/api/recommend/{user}",
    .summary = "The best items for a user, best first",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .answer = SCHEMA_ANSWER,
    .handle = recommend,
};

const route route_recommend_batch = {
    .method = "POST",
    .path = "/api/recommend",
    .summary = "The best items for each of many users",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .body = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"Users\"],\"properties\":{"
            "\"Users\":{\"type\":\"array\",\"minItems\":1,\"items\":" SCHEMA_ID "}}}",
    .answer = "{\"type\":\"object\",\"properties\":{\"lists\":{\"type\":\"array\",\"items\":" SCHEMA_ANSWER "}}}",
    .handle = recommend_batch,
};
