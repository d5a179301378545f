/* SPDX-License-Identifier: Apache-2.0 */
#include "store_events.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "events.h"
#include "server/generation.h"
#include "text.h"

enum { FIELDS = 16 };

static int by_pair(const void *a, const void *b)
{
    const deletion *left = a, *right = b;
    const int users = strcmp(left->user, right->user), items = users ? users : strcmp(left->item, right->item);
    return items ? items : (left->number > right->number) - (left->number < right->number);
}

static int by_time(const void *a, const void *b)
{
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Whether a later event takes this one back. */
static bool is_deleted(const store_events *events, const stored_event *event)
{
    size_t low = 0, high = events->deletion_count; /* the first deletion of the pair that is later */
    const deletion wanted = {(char *)event->user, (char *)event->item, event->number};
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (by_pair(&events->deletions[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < events->deletion_count && strcmp(events->deletions[low].user, event->user) == 0 &&
           strcmp(events->deletions[low].item, event->item) == 0;
}

static bool counts(const store_events *events, const stored_event *event)
{
    return !event->deleted && event->number <= events->through && event->weight >= 0 && !is_deleted(events, event);
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static bool in_model_history(const topn_model *model, const stored_event *event)
{
    uint32_t user, item;
    const uint32_t *items;
    if (!topn_model_find_user(model, event->user, &user) || !topn_model_find_item(model, event->item, &item))
        return false;
    const size_t length = topn_model_history(model, user, &items, NULL);
    return length > 0 && bsearch(&item, items, length, sizeof *items, ascending);
}

/* Whether the model in use has not learned from the event, as well as can be known: by the number up to which it was
 * trained on this store and by the histories that it keeps, without either by the time of its file. */
static bool is_fresh(const store_events *events, const stored_event *event)
{
    const bool keeps = topn_model_users(events->model) > 0;
    if (!events->trained_through && !keeps)
        return event->time > events->model_written;
    return event->number > events->trained_through && !(keeps && in_model_history(events->model, event));
}

static bool is_held(const store_events *events, const stored_event *event)
{
    return event->time >= events->cut && is_fresh(events, event);
}

static void look_for_deletions(const stored_event *event, void *user_data)
{
    store_events *events = user_data;
    events->through = event->number > events->through ? event->number : events->through;
    if (!event->deleted)
        return;
    if (events->deletion_count == events->deletion_room) {
        events->deletion_room = 2 * events->deletion_room + 64;
        events->deletions = need_more(events->deletions, events->deletion_room, sizeof *events->deletions);
    }
    events->deletions[events->deletion_count++] =
        (deletion){need_text(event->user), need_text(event->item), event->number};
}

/* Times of fresh events. */
struct fresh_times {
    store_events *events;
    int64_t *times; /* [count] */
    size_t count, room;
};

static void look_for_fresh(const stored_event *event, void *user_data)
{
    struct fresh_times *found = user_data;
    if (event->weight < 0 && event->number <= found->events->through && !event->deleted)
        found->events->negative++;
    if (!counts(found->events, event))
        return;
    found->events->events++;
    if (!is_fresh(found->events, event))
        return;
    if (found->count == found->room) {
        found->room = 2 * found->room + 1024;
        found->times = need_more(found->times, found->room, sizeof *found->times);
    }
    found->times[found->count++] = event->time;
}

static int scan(store_events *events, store_visit *visit, void *user_data)
{
    if (store_scan(events->from, INT64_MIN, INT64_MAX, visit, user_data) == STORE_OK)
        return CODE_DONE;
    return complain(CODE_FAILED, "store %s: %s", events->plain_name, store_message(events->from));
}

static int choose_cut(store_events *events, double share)
{
    struct fresh_times found = {.events = events};
    int code;
    STEP(scan(events, look_for_fresh, &found));
    events->fresh = found.count;
    events->cut = INT64_MAX;
    uint64_t wanted = (uint64_t)(share * (double)events->events);
    wanted = wanted > events->fresh / 2 ? events->fresh / 2 : wanted;
    if (wanted > 0) {
        qsort(found.times, found.count, sizeof *found.times, by_time);
        events->cut = found.times[found.count - wanted];
        for (size_t at = found.count; at > 0 && found.times[at - 1] >= events->cut; at--)
            events->held++;
    }
done:
    free(found.times);
    return code;
}

/* What the store says of the model of this file. */
static int read_note(store_events *events, const char *model_path)
{
    char version[MODEL_VERSION], *note = NULL;
    struct stat facts;
    if (!generation_version(model_path, events->model, version) || stat(model_path, &facts) != 0)
        return complain(CODE_FAILED, "cannot read %s again", model_path);
    events->model_written = facts.st_mtime;
    char *name = need_format("trained.%s", version);
    const store_status status = store_read_note(events->from, name, &note);
    free(name);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return complain(CODE_FAILED, "store %s: %s", events->plain_name, store_message(events->from));
    events->trained_through = note ? strtoll(note, NULL, 10) : 0;
    free(note);
    return CODE_DONE;
}

/* postgresql://name:secret@host/base → postgresql://host/base */
static char *name_plainly(const char *where)
{
    const char *scheme = strstr(where, "://"), *at = scheme ? strchr(scheme, '@') : NULL;
    const char *end = at ? at + 1 : where + (scheme ? scheme - where + 3 : 0);
    const char *question = scheme ? strchr(end, '?') : NULL;
    return need_format("%.*s%.*s", scheme ? (int)(scheme - where + 3) : 0, where,
                       question ? (int)(question - end) : (int)strlen(end), end);
}

int store_events_open(const char *where, const topn_model *model, const char *model_path, double share,
                      store_events *out)
{
    int code;
    *out = (store_events){.model = model, .plain_name = name_plainly(where)};
    STEP(events_open(where, false, &out->from));
    STEP(read_note(out, model_path));
    STEP(scan(out, look_for_deletions, out));
    if (out->deletion_count)
        qsort(out->deletions, out->deletion_count, sizeof *out->deletions, by_pair);
    code = choose_cut(out, share);
done:
    return code;
}

void store_events_close(store_events *events)
{
    for (size_t at = 0; at < events->deletion_count; at++) {
        free(events->deletions[at].user);
        free(events->deletions[at].item);
    }
    free(events->deletions);
    free(events->plain_name);
    store_close(events->from);
    *events = (store_events){0};
}

/* Events on their way from the store into a builder. */
struct transfer {
    const store_events *events;
    topn_data_builder *builder;
    const char *fields[FIELDS]; /* [field_count] names */
    size_t field_count;
    bool held, all;        /* only those held back; all; neither: all but those held back */
    const topn_data *seen; /* of those held back: whose pairs are left out, or NULL */
    topn_status status;
};

static bool is_seen(const topn_data *seen, const stored_event *event)
{
    uint32_t user, item;
    const uint32_t *items;
    if (!topn_data_find_user(seen, event->user, &user) || !topn_data_find_item(seen, event->item, &item))
        return false;
    const size_t length = topn_data_history(seen, user, &items, NULL);
    return length > 0 && bsearch(&item, items, length, sizeof *items, ascending);
}

static bool is_wanted(const struct transfer *transfer, const stored_event *event)
{
    if (!counts(transfer->events, event))
        return false;
    if (transfer->all)
        return true;
    if (is_held(transfer->events, event) != transfer->held)
        return false;
    return !(transfer->held && transfer->seen && is_seen(transfer->seen, event));
}

/* Values of the fields from {"hour": "evening", "place": 3}; numbers as they are written. texts [field_count] owned. */
static void read_context(const struct transfer *transfer, const char *text, char **texts)
{
    json_t *object = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    for (size_t field = 0; field < transfer->field_count; field++) {
        const json_t *value = json_object_get(object, transfer->fields[field]);
        texts[field] = json_is_string(value)           ? need_text(json_string_value(value))
                       : value && !json_is_null(value) ? json_dumps(value, JSON_ENCODE_ANY)
                                                       : NULL;
    }
    json_decref(object);
}

static void transfer_event(const stored_event *event, void *user_data)
{
    struct transfer *transfer = user_data;
    char *texts[FIELDS] = {0};
    if (transfer->status != TOPN_OK || !is_wanted(transfer, event))
        return;
    if (transfer->field_count)
        read_context(transfer, event->context, texts);
    transfer->status = topn_data_builder_add(transfer->builder, &(topn_event){.user = event->user,
                                                                              .item = event->item,
                                                                              .weight = (float)event->weight,
                                                                              .time = event->time,
                                                                              .context = (const char *const *)texts});
    for (size_t field = 0; field < transfer->field_count; field++)
        free(texts[field]);
}

/* Fields of the model's contexts that events bring, not those that the reader makes of times and earlier items. */
static void choose_fields(struct transfer *transfer, const topn_options *reader)
{
    const topn_model *model = transfer->events->model;
    const char *times = topn_options_get(reader, "time-fields"), *previous = topn_options_get(reader, "previous-items");
    for (size_t field = 0; field < topn_model_fields(model) && transfer->field_count < FIELDS; field++) {
        const char *name = topn_model_field_name(model, field);
        const bool of_time = times && strstr(times, name);
        const bool of_items = previous && strcmp(previous, "0") != 0 && strncmp(name, "previous_item", 13) == 0;
        if (!of_time && !of_items)
            transfer->fields[transfer->field_count++] = name;
    }
}

static int run(struct session *session, store_events *events, const topn_options *reader, struct transfer *transfer,
               topn_data **out)
{
    int code;
    choose_fields(transfer, reader);
    STEP(session_check(session, topn_data_builder_create(session->context, transfer->fields, transfer->field_count,
                                                         &transfer->builder)));
    STEP(scan(events, transfer_event, transfer));
    STEP(session_check(session, transfer->status));
    code = session_check(session, topn_data_builder_finish(transfer->builder, reader, events->plain_name, out));
done:
    topn_data_builder_free(transfer->builder);
    return code;
}

int store_events_data(struct session *session, store_events *events, const topn_options *reader, bool all,
                      topn_data **out)
{
    struct transfer transfer = {.events = events, .all = all};
    return run(session, events, reader, &transfer, out);
}

int store_events_held(struct session *session, store_events *events, const topn_options *reader, const topn_data *seen,
                      topn_data **out)
{
    struct transfer transfer = {.events = events, .held = true, .seen = seen};
    return run(session, events, reader, &transfer, out);
}
