/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of given items for a user or a history: the second stage of a recommender whose candidates come from
 * elsewhere.
 */
#include <math.h>
#include <stdlib.h>

#include "answer.h"
#include "lists.h"
#include "running.h"
#include "schema.h"

static const route_parameter parameters[] = {WISHES_OF_CONTEXTS};

/* known [count] of the places in the request; returns how many the model knows. */
static size_t find_items(const question *asked, const json_t *ids, uint32_t *items, size_t *places)
{
    size_t found = 0;
    for (size_t at = 0; at < json_array_size(ids); at++)
        if (topn_model_find_item(asked->generation->model, json_string_value(json_array_get(ids, at)), &items[found]))
            places[found++] = at;
    return found;
}

static topn_status compute(question *asked, const uint32_t *items, size_t count, float *scores)
{
    if (asked->source != SOURCE_POPULARITY)
        return topn_score(asked->query, &asked->request, items, count, scores);
    for (size_t at = 0; at < count; at++)
        scores[at] = topn_model_popularity(asked->generation->model, items[at]);
    return TOPN_OK;
}

/* In the order of the request; null for items that the model does not know. */
static json_t *scores_answer(question *asked, const json_t *ids)
{
    const size_t count = json_array_size(ids);
    size_t *places = malloc((count + 1) * sizeof *places);
    json_t *answer = NULL;
    topn_status status = TOPN_ERROR_MEMORY;
    if (places && worker_reserve(asked->worker, count)) {
        const size_t found = find_items(asked, ids, asked->worker->items, places);
        status = compute(asked, asked->worker->items, found, asked->worker->scores);
        json_t *list = json_array();
        for (size_t at = 0, next = 0; status == TOPN_OK && at < count; at++) {
            const bool known = next < found && places[next] == at;
            json_t *entry = json_object();
            json_object_set(entry, "id", json_array_get(ids, at));
            json_object_set_new(entry, "score",
                                known ? number_value((double)asked->worker->scores[next]) : json_null());
            json_array_append_new(list, entry);
            next += known;
        }
        answer = json_pack("{s:o,s:I}", "items", list, "unknown_candidates", (json_int_t)(count - found));
    }
    free(places);
    if (status == TOPN_OK) {
        question_describe(asked, answer);
        return answer;
    }
    json_decref(answer);
    question_failed(asked, status);
    return NULL;
}

static void score(call *request)
{
    question asked;
    if (!body_is_valid(request))
        return;
    const char *user = body_text(request->body, "UserId", NULL);
    const json_t *history = json_object_get(request->body, "History"), *ids = json_object_get(request->body, "Items");
    const json_t *attributes = json_object_get(request->body, "Attributes");
    if (json_array_size(ids) > request->server->options->max_n) {
        reply_error(request, 413, "batch", "Items: %zu entries, at most %zu are taken (topn serve --max-number)",
                    json_array_size(ids), request->server->options->max_n);
        return;
    }
    if (!question_open(request, &asked))
        return;
    const bool given = user && !history && !attributes ? question_user(&asked, user)
                                                       : question_session(&asked, user, history, attributes);
    json_t *answer = given ? scores_answer(&asked, ids) : NULL;
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

const route route_score = {
    .method = "POST",
    .path = "/api/score",
    .summary = "Scores of given items for a user or a history, in the order given",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .body = "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"Items\"],\"properties\":{"
            "\"UserId\":" SCHEMA_ID ",\"History\":" SCHEMA_HISTORY ",\"Attributes\":" SCHEMA_ATTRIBUTES
            ",\"Items\":{\"type\":\"array\",\"minItems\":1,\"items\":" SCHEMA_ID "}}}",
    .answer = "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\","
              "\"properties\":{\"id\":{\"type\":\"string\"},\"score\":{\"type\":[\"number\",\"null\"]}}}},"
              "\"unknown_candidates\":{\"type\":\"integer\"}," SCHEMA_ORIGIN "}}",
    .handle = score,
};
