/* SPDX-License-Identifier: Apache-2.0
 *
 * Items and users by a part of their id or title: for people who look for one, not for machines. A scan of the model's
 * ids and titles.
 */
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "running.h"

enum { MOST_FOUND = 100, LONGEST_TEXT = 200 };

static const route_parameter parameters[] = {
    {.name = "text", .type = "string", .help = "part of an id or title, 1 to 200 bytes; letters A to Z match a to z"},
    {.name = "n", .type = "integer", .standard = "10", .help = "items and users wanted, 1 to 100 each"},
};

/* How well the text fits: 3 the id itself, 2 its beginning, 1 a part of the title or id, 0 not at all. */
static int fit(const char *text, const char *id, const char *title)
{
    if (strcasecmp(id, text) == 0)
        return 3;
    if (strncasecmp(id, text, strlen(text)) == 0)
        return 2;
    return strcasestr(id, text) || (title && strcasestr(title, text)) ? 1 : 0;
}

static json_t *found_entry(const char *id, const char *title)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "id", text_value(id));
    if (title && *title)
        json_object_set_new(entry, "title", text_value(title));
    return entry;
}

typedef const char *name_at(const topn_model *model, uint32_t index);

static const char *no_title(const topn_model *model, uint32_t index)
{
    (void)model;
    (void)index;
    return NULL;
}

/* The best fits first, those of one kind in the order of the model. */
static json_t *find(const topn_model *model, const char *text, uint32_t count, name_at *id_at, name_at *title_at,
                    size_t wanted)
{
    json_t *found = json_array();
    uint32_t kept[3][MOST_FOUND];
    size_t counts[3] = {0};
    for (uint32_t index = 0; index < count && counts[2] < wanted; index++) {
        const int how = fit(text, id_at(model, index), title_at(model, index));
        if (how > 0 && counts[how - 1] < wanted)
            kept[how - 1][counts[how - 1]++] = index;
    }
    for (int how = 2; how >= 0; how--)
        for (size_t at = 0; at < counts[how] && json_array_size(found) < wanted; at++)
            json_array_append_new(found, found_entry(id_at(model, kept[how][at]), title_at(model, kept[how][at])));
    return found;
}

static void search(call *request)
{
    uint64_t wanted;
    const char *text = call_parameter(request, "text");
    if (!call_number(request, "n", 1, MOST_FOUND, &wanted))
        return;
    if (!text || !*text || strlen(text) > LONGEST_TEXT) {
        reply_error(request, 400, "text", "parameter text: give 1 to %d bytes of an id or title", LONGEST_TEXT);
        return;
    }
    generation *in_use = models_acquire(request->server->models);
    json_t *answer = json_object();
    const topn_model *model = in_use->model;
    json_object_set_new(
        answer, "items",
        find(model, text, topn_model_items(model), topn_model_item_id, topn_model_item_title, (size_t)wanted));
    json_object_set_new(answer, "users",
                        find(model, text, topn_model_users(model), topn_model_user_id, no_title, (size_t)wanted));
    json_object_set_new(answer, "model", json_string(in_use->version));
    generation_release(in_use);
    reply_json(request, 200, answer);
}

const route route_search = {
    .method = "GET",
    .path = "/api/search",
    .summary = "Items and users of the model by a part of their id or title",
    .permission = PERMIT_READ,
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .answer = "{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
              "\"users\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"model\":{\"type\":\"string\"}}}",
    .handle = search,
};
