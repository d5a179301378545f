/* SPDX-License-Identifier: Apache-2.0
 *
 * The items of most events in the training data: what users get of whom nothing is known.
 */
#include "lists.h"

static const route_parameter parameters[] = {WISHES_OF_LISTS};

static void popular(call *request)
{
    question asked;
    if (!question_open(request, &asked))
        return;
    json_t *answer = list_of_popular(&asked);
    if (answer) {
        json_object_set_new(answer, "model", json_string(asked.generation->version));
        json_object_set_new(answer, "source", json_string("popularity"));
        json_object_set_new(answer, "counted", json_boolean(asked.generation->popular_known));
        json_object_set_new(answer, "filtered", filtered_value(&asked));
    }
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

const route route_popular = {
    .method = "GET",
    .path = "/api/popular",
    .summary = "The items of most events in the training data; score is their number",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .answer = "{\"type\":\"object\",\"properties\":{" SCHEMA_LIST
              ",\"model\":{\"type\":\"string\"},\"source\":{\"type\":\"string\"},\"counted\":{\"type\":\"boolean\"},"
              "\"filtered\":{\"type\":\"integer\"}}}",
    .handle = popular,
};
