/* SPDX-License-Identifier: Apache-2.0
 *
 * Items like an item: those that a history of it alone scores highest.
 */
#include <string.h>

#include "lists.h"

static const route_parameter parameters[] = {WISHES_OF_LISTS_OF_ITEMS};

static json_t *find_neighbors(question *asked, const char *id)
{
    const generation *in_use = asked->generation;
    const char *encoder = generation_metadata(in_use, "topn.encoder");
    uint32_t item;
    if (!topn_model_find_item(in_use->model, id, &item)) {
        reply_error(asked->call, 404, "not-found", "the model knows no item \"%.100s\"", id);
        return NULL;
    }
    if (encoder && strcmp(encoder, "constant") == 0) {
        reply_error(asked->call, 400, "unsupported",
                    "this model scores every history alike (popularity): it knows no relations between items");
        return NULL;
    }
    const topn_request request = {
        .history = &item, .history_length = 1, .filters = &asked->filter, .filter_count = asked->filter != NULL};
    json_t *answer = list_of_request(asked, &request);
    if (!answer)
        return NULL;
    json_object_set_new(answer, "item", json_string(id));
    json_object_set_new(answer, "model", json_string(in_use->version));
    json_object_set_new(answer, "filtered", filtered_value(asked));
    return answer;
}

static void neighbors(call *request)
{
    question asked;
    if (!question_open(request, &asked))
        return;
    json_t *answer = find_neighbors(&asked, request->path[0]);
    question_close(&asked);
    if (answer)
        reply_json(request, 200, answer);
}

const route route_neighbors = {
    .method = "GET",
    .path = "/api/item/{item}/neighbors",
    .summary = "Items like an item, most alike first",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"item\":{\"type\":\"string\"}," SCHEMA_LIST
              ",\"model\":{\"type\":\"string\"},\"filtered\":{\"type\":\"integer\"}}}",
    .handle = neighbors,
};
