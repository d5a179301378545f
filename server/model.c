/* SPDX-License-Identifier: Apache-2.0
 *
 * The model in use: version, size, how it was trained, what was measured.
 */
#include <string.h>
#include <time.h>

#include "call.h"
#include "running.h"

/* Metadata under a prefix as an object, or with NULL all that is under none of `apart`. */
static json_t *metadata_under(const generation *now, const char *prefix)
{
    static const char *const apart[] = {"option.", "reader.", "metric.", "run.", "index."};
    json_t *object = json_object();
    const char *key, *value;
    for (size_t i = 0; topn_model_metadata(now->model, i, &key, &value); i++) {
        if (prefix) {
            if (strncmp(key, prefix, strlen(prefix)) == 0)
                json_object_set_new(object, key + strlen(prefix), json_string(value));
            continue;
        }
        bool elsewhere = false;
        for (size_t p = 0; p < sizeof apart / sizeof *apart; p++)
            elsewhere = elsewhere || strncmp(key, apart[p], strlen(apart[p])) == 0;
        if (!elsewhere)
            json_object_set_new(object, key, json_string(value));
    }
    return object;
}

static json_t *fields_of(const generation *now)
{
    json_t *names = json_array();
    for (size_t field = 0; field < topn_model_fields(now->model); field++)
        json_array_append_new(names, json_string(topn_model_field_name(now->model, field)));
    return names;
}

static json_t *indexes_of(const generation *now)
{
    json_t *kinds = json_array();
    const char *kind;
    for (size_t i = 0; (kind = topn_model_index(now->model, i)); i++)
        json_array_append_new(kinds, json_string(kind));
    return kinds;
}

static json_t *time_of(int64_t when)
{
    const time_t seconds = (time_t)when;
    struct tm parts;
    char text[32];
    if (!gmtime_r(&seconds, &parts) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts))
        return json_null();
    return json_string(text);
}

static void answer(call *request)
{
    const struct server *running = request->server;
    generation *now = models_acquire(running->models);
    const models_counts counts = models_read_counts(running->models);
    const bool exact = now->retriever == now->exact;
    json_t *object =
        json_pack("{s:s, s:I, s:o, s:I, s:I, s:b, s:s}", "model", now->version, "generation", (json_int_t)now->number,
                  "written", time_of(now->written), "items", (json_int_t)topn_model_items(now->model), "users",
                  (json_int_t)topn_model_users(now->model), "popularity", now->popular_known, "retriever",
                  exact ? "exact" : running->options->retriever);
    if (*now->note)
        json_object_set_new(object, "note", json_string(now->note));
    json_object_set_new(object, "fields", fields_of(now));
    json_object_set_new(object, "indexes", indexes_of(now));
    json_object_set_new(object, "metadata", metadata_under(now, NULL));
    json_object_set_new(object, "options", metadata_under(now, "option."));
    json_object_set_new(object, "metrics", metadata_under(now, "metric."));
    json_object_set_new(object, "swaps",
                        json_pack("{s:I, s:I, s:I}", "done", (json_int_t)counts.swaps, "refused",
                                  (json_int_t)counts.refused, "rolled_back", (json_int_t)counts.rollbacks));
    generation_release(now);
    reply_json(request, 200, object);
}

const route route_model = {
    .method = "GET",
    .path = "/api/model",
    .summary = "The model in use: version, size, how it was trained, what was measured",
    .permission = PERMIT_READ,
    .answer =
        "{\"type\":\"object\",\"properties\":{\"model\":{\"type\":\"string\"},\"generation\":{\"type\":\"integer\"},"
        "\"written\":{\"type\":[\"string\",\"null\"]},\"items\":{\"type\":\"integer\"},\"users\":{\"type\":"
        "\"integer\"},\"popularity\":{\"type\":\"boolean\"},\"retriever\":{\"type\":\"string\"},\"note\":{\"type\":"
        "\"string\"},\"fields\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"indexes\":{\"type\":\"array\","
        "\"items\":{\"type\":\"string\"}},\"metadata\":{\"type\":\"object\"},\"options\":{\"type\":\"object\"},"
        "\"metrics\":{\"type\":\"object\"},\"swaps\":{\"type\":\"object\"}}}",
    .handle = answer,
};
