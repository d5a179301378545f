/* SPDX-License-Identifier: Apache-2.0
 *
 * The best items for a history that comes with the request.
 */
#include "lists.h"
#include "schema.h"

static const route_parameter parameters[] = {WISHES_OF_USERS};

static void recommend_session(call *request)
{
    question asked;
    if (!body_is_valid(request) || !question_open(request, &asked))
        return;
    const bool list = json_is_array(request->body);
    const json_t *history = list ? request->body : json_object_get(request->body, "History");
    const json_t *attributes = list ? NULL : json_object_get(request->body, "Attributes");
    const char *user = list ? NULL : body_text(request->body, "UserId", NULL);
    json_t *answer = question_session(&asked, user, history, attributes) ? list_answer(&asked) : NULL;
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

const route route_session = {
    .method = "POST",
    .path = "/api/session/recommend",
    .summary = "The best items for a history given in the request; nothing of it is kept",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .body = "{\"type\":[\"array\",\"object\"],\"maxItems\":" SCHEMA_MOST_EVENTS ",\"items\":" SCHEMA_HISTORY_EVENT
            ",\"additionalProperties\":false,\"properties\":{\"UserId\":" SCHEMA_ID ",\"History\":" SCHEMA_HISTORY
            ",\"Attributes\":" SCHEMA_ATTRIBUTES "}}",
    .answer = "{\"type\":\"object\",\"properties\":{\"user\":{\"type\":\"string\"}," SCHEMA_LIST "," SCHEMA_ORIGIN "}}",
    .handle = recommend_session,
};
