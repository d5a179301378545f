/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "running.h"

enum { FEATURE_NAME = 320 };

/* A field of the context by name; replies 400 where the model knows none of it. */
static bool find_field(const question *asked, const char *name, size_t *out)
{
    const topn_model *model = asked->generation->model;
    const size_t fields = topn_model_fields(model);
    char known[240] = "";
    for (*out = 0; *out < fields; ++*out)
        if (strcmp(topn_model_field_name(model, *out), name) == 0)
            return true;
    for (size_t field = 0; field < fields; field++) {
        const size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", field ? ", " : "", topn_model_field_name(model, field));
    }
    if (fields)
        reply_error(asked->call, 400, "parameter", "parameter context.%.60s: the model knows no such field, but %s",
                    name, known);
    else
        reply_error(asked->call, 400, "parameter",
                    "parameter context.%.60s: the model was trained without fields of the context", name);
    return false;
}

static bool read_context(question *asked)
{
    const topn_model *model = asked->generation->model;
    const size_t fields = topn_model_fields(model);
    const char *name, *value;
    asked->context = fields ? malloc(fields * sizeof *asked->context) : NULL;
    if (fields && !asked->context) {
        reply_error(asked->call, 503, "memory", "there is no memory for this request");
        return false;
    }
    for (size_t field = 0; field < fields; field++)
        asked->context[field] = UINT32_MAX;
    for (size_t at = 0; call_parameter_under(asked->call, "context.", at, &name, &value); at++) {
        size_t field;
        if (!find_field(asked, name, &field))
            return false;
        if (topn_model_find_value(model, field, value, &asked->context[field]))
            asked->known_context++;
        else
            asked->unknown_context++;
    }
    return true;
}

static bool read_filter(question *asked)
{
    char why[512];
    if (!asked->wishes.filter) {
        asked->filter = item_state_available(asked->items);
        return true;
    }
    asked->filter = item_state_filter(asked->items, asked->wishes.filter, why, sizeof why);
    asked->filter_lent = asked->filter != NULL;
    if (!asked->filter)
        reply_error(asked->call, 400, "parameter", "parameter %s", why);
    return asked->filter != NULL;
}

bool question_open(call *request, question *out)
{
    char why[512];
    *out = (struct question){.call = request};
    if (!wishes_read(request, &out->wishes))
        return false;
    out->worker = request->worker = worker_here(request->server, why, sizeof why);
    if (out->worker)
        out->generation = worker_acquire(out->worker, request->server->models, why, sizeof why);
    if (out->generation)
        out->items = items_acquire(request->server->items, out->worker->store, out->generation, why, sizeof why);
    if (!out->items) {
        reply_error(request, 503, "memory", "%s", why);
        question_close(out);
        return false;
    }
    out->query = out->wishes.exact ? out->worker->exact : out->worker->query;
    if (read_filter(out) && read_context(out))
        return true;
    question_close(out);
    return false;
}

static void forget_person(question *asked)
{
    live_clear(&asked->history);
    free(asked->features);
    free(asked->feature_values);
    asked->features = NULL;
    asked->feature_values = NULL;
    asked->feature_count = 0;
    asked->stale = false;
    asked->user = asked->reason = NULL;
}

void question_close(question *asked)
{
    forget_person(asked);
    if (asked->filter_lent)
        item_state_return(asked->items, asked->filter);
    item_state_release(asked->items);
    if (asked->generation)
        generation_release(asked->generation);
    free(asked->context);
    *asked = (question){.call = asked->call};
}

static bool add_feature(question *asked, uint32_t feature, float value)
{
    const size_t count = asked->feature_count;
    if ((count & (count - 1)) == 0) { /* full at powers of two */
        const size_t room = count ? 2 * count : 1;
        uint32_t *features = realloc(asked->features, room * sizeof *features);
        if (features)
            asked->features = features;
        float *values = realloc(asked->feature_values, room * sizeof *values);
        if (values)
            asked->feature_values = values;
        if (!features || !values)
            return false;
    }
    asked->features[count] = feature;
    asked->feature_values[count] = value;
    asked->feature_count++;
    return true;
}

/* A value of an attribute is the feature "name=value"; a number else the feature "name" with this number. */
static bool take_value(question *asked, const char *name, const json_t *value)
{
    const topn_model *model = asked->generation->model;
    char text[FEATURE_NAME];
    uint32_t feature;
    if (json_is_string(value))
        snprintf(text, sizeof text, "%s=%s", name, json_string_value(value));
    else if (json_is_boolean(value))
        snprintf(text, sizeof text, "%s=%s", name, json_is_true(value) ? "true" : "false");
    else if (json_is_number(value))
        snprintf(text, sizeof text, "%s=%.15g", name, json_number_value(value));
    else
        return true;
    if (topn_model_find_feature(model, text, &feature))
        return add_feature(asked, feature, 1.0f);
    const float number = (float)json_number_value(value);
    if (json_is_number(value) && isfinite(number) && topn_model_find_feature(model, name, &feature))
        return add_feature(asked, feature, number);
    return true;
}

static bool take_attributes(question *asked, const json_t *attributes)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)attributes, name, value)
    {
        const size_t count = json_is_array(value) ? json_array_size(value) : 1;
        for (size_t at = 0; at < count; at++)
            if (!take_value(asked, name, json_is_array(value) ? json_array_get(value, at) : value))
                return false;
    }
    return true;
}

/* What the store says of the user. */
typedef struct stored_person {
    question *question;
    bool there, failed;
} stored_person;

static void visit_person(const stored_entity *entity, void *user_data)
{
    stored_person *person = user_data;
    json_t *attributes = entity->attributes ? json_loads(entity->attributes, 0, NULL) : NULL;
    person->there = true;
    person->failed = !take_attributes(person->question, attributes);
    json_decref(attributes);
}

/* Features: the store's, else those that the model keeps. They matter to models with users' features; whether he is
 * known at all, to answers that say why they are not his. */
static bool read_person(question *asked, bool *known)
{
    const topn_model *model = asked->generation->model;
    stored_person person = {.question = asked};
    const char *encoder = generation_metadata(asked->generation, "topn.encoder");
    const bool featured = encoder && strcmp(encoder, "fields") == 0;
    uint32_t user;
    const bool trained = topn_model_find_user(model, asked->user, &user);
    *known = trained;
    if ((featured || (!trained && asked->history.length == 0)) && !asked->stale) {
        const store_status status = store_get(asked->worker->store, ENTITY_USER, asked->user, visit_person, &person);
        asked->stale = status != STORE_OK && status != STORE_NOT_FOUND;
        *known = *known || person.there;
    }
    if (featured && trained && !asked->history.lent && asked->feature_count == 0) {
        const uint32_t *kept;
        const float *values;
        const size_t count = topn_model_user_features(model, user, &kept, &values);
        for (size_t at = 0; at < count && !person.failed; at++)
            person.failed = !add_feature(asked, kept[at], values ? values[at] : 1.0f);
    }
    if (person.failed)
        reply_error(asked->call, 503, "memory", "there is no memory for this request");
    return !person.failed;
}

/* Where the answer comes from. */
static void settle(question *asked, bool known)
{
    const live_history *history = &asked->history;
    asked->source = history->length        ? SOURCE_MODEL
                    : asked->feature_count ? SOURCE_FEATURES
                    : asked->known_context ? SOURCE_CONTEXT
                                           : SOURCE_POPULARITY;
    asked->reason = NULL;
    if (asked->source == SOURCE_POPULARITY)
        asked->reason = history->unknown ? "unknown items" : known ? "empty history" : "unknown user";
    asked->request = (topn_request){.history = history->items,
                                    .weights = history->weights,
                                    .history_length = history->length,
                                    .include_seen = asked->wishes.include_seen,
                                    .filters = &asked->filter,
                                    .filter_count = asked->filter != NULL,
                                    .context = asked->context,
                                    .features = asked->features,
                                    .feature_values = asked->feature_values,
                                    .feature_count = asked->feature_count};
}

bool question_user(question *asked, const char *user)
{
    bool known = false;
    forget_person(asked);
    asked->user = user;
    const store_status status = live_read(asked->worker, asked->generation, user, &asked->history);
    if (status != STORE_OK) {
        asked->stale = true;
        if (!live_merge(asked->generation, user, NULL, 0, &asked->history)) {
            reply_error(asked->call, 503, "memory", "there is no memory for this request");
            return false;
        }
    }
    if (!read_person(asked, &known))
        return false;
    settle(asked, known);
    return true;
}

/* Events of the body. Of their times only the order counts, and no encoder asks for it: they are checked, no more. */
static bool take_events(question *asked, const json_t *events, live_event *out, size_t *count, size_t *unknown)
{
    char why[160];
    int64_t time;
    for (size_t at = 0; at < json_array_size(events); at++) {
        const json_t *event = json_array_get(events, at), *moment = json_object_get(event, "Timestamp");
        const json_t *weight = json_object_get(event, "Weight");
        live_event *next = &out[*count];
        if (moment && !json_is_null(moment) && !time_read(moment, &time, why, sizeof why)) {
            reply_error(asked->call, 400, "body", "[%zu].%s", at, why);
            return false;
        }
        *next = (live_event){.weight = json_is_number(weight) ? json_number_value(weight) : 1.0, .order = at};
        if (topn_model_find_item(asked->generation->model, json_string_value(json_object_get(event, "ItemId")),
                                 &next->item))
            ++*count;
        else
            ++*unknown;
    }
    return true;
}

/* The user's events of the store before those of the body. */
static bool join_user(question *asked, const char *user, live_event *events, size_t count, size_t unknown)
{
    live_history before = {0};
    if (user && live_read(asked->worker, asked->generation, user, &before) != STORE_OK) {
        asked->stale = true;
        if (!live_merge(asked->generation, user, NULL, 0, &before))
            return false;
    }
    live_event *all = malloc((before.length + count + 1) * sizeof *all);
    for (size_t at = 0; all && at < before.length; at++)
        all[at] = (live_event){.item = before.items[at], .weight = before.weights ? (double)before.weights[at] : 1.0};
    for (size_t at = 0; all && at < count; at++) {
        all[before.length + at] = events[at];
        all[before.length + at].order++;
    }
    const bool merged = all && live_merge(asked->generation, NULL, all, before.length + count, &asked->history);
    asked->history.unknown = unknown + before.unknown;
    free(all);
    live_clear(&before);
    return merged;
}

bool question_session(question *asked, const char *user, const json_t *events, const json_t *attributes)
{
    forget_person(asked);
    asked->user = user;
    live_event *own = malloc((json_array_size(events) + 1) * sizeof *own);
    size_t count = 0, unknown = 0;
    bool known = user == NULL, joined = own != NULL;
    if (own && !take_events(asked, events, own, &count, &unknown)) {
        free(own);
        return false;
    }
    joined = joined && join_user(asked, user, own, count, unknown) && take_attributes(asked, attributes);
    free(own);
    if (!joined) {
        reply_error(asked->call, 503, "memory", "there is no memory for this request");
        return false;
    }
    if (user && !attributes && !read_person(asked, &known))
        return false;
    settle(asked, known);
    return true;
}

json_t *filtered_value(const question *asked)
{
    const uint32_t known_items = topn_model_items(asked->generation->model);
    return json_integer(asked->filter ? (json_int_t)(known_items - topn_filter_count(asked->filter)) : 0);
}

void question_describe(const question *asked, json_t *answer)
{
    static const char *const names[] = {"model", "features", "context", "popularity"};
    const live_history *history = &asked->history;
    json_object_set_new(answer, "model", json_string(asked->generation->version));
    json_object_set_new(answer, "source", json_string(names[asked->source]));
    if (asked->reason)
        json_object_set_new(answer, "reason", json_string(asked->reason));
    json_object_set_new(answer, "history", json_integer((json_int_t)history->length));
    json_object_set_new(answer, "live", json_boolean(!history->lent));
    json_object_set_new(answer, "unknown_items", json_integer((json_int_t)history->unknown));
    if (asked->unknown_context)
        json_object_set_new(answer, "unknown_context", json_integer((json_int_t)asked->unknown_context));
    if (asked->stale)
        json_object_set_new(answer, "stale", json_true());
    json_object_set_new(answer, "filtered", filtered_value(asked));
}

void question_failed(question *asked, topn_status status)
{
    const char *message = topn_context_message(asked->worker->context);
    if (status == TOPN_ERROR_UNSUPPORTED)
        reply_error(asked->call, 400, "unsupported", "%s", message);
    else
        reply_error(asked->call, status == TOPN_ERROR_MEMORY ? 503 : 500, topn_status_name(status), "%s", message);
}
