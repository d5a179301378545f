/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of a file into a store, by batches. A batch's idempotency key is made of what is in it and before it, so the
 * same file is written once however often it is imported.
 */
#include "events.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"
#include "server/generation.h"
#include "text.h"

/* Many to a batch: one touches most pages of the store's index, however few events there are in it. */
enum { BATCH = 65536 };

struct import {
    store *to;
    const char *where;
    const char *kind;     /* where the file says none; "" */
    int64_t time;         /* the same */
    bool again;           /* without keys */
    stored_event *events; /* [count] of BATCH, texts owned */
    size_t count;
    uint64_t hash[2]; /* of all events so far */
    uint64_t written, repeated;
    int code;
};

/* FNV-1a (Fowler, Noll, Vo), twice with different starts: 128 bits. */
static void mix(struct import *work, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) {
        work->hash[0] = (work->hash[0] ^ at[i]) * UINT64_C(1099511628211);
        work->hash[1] = (work->hash[1] ^ at[i]) * UINT64_C(1099511628211) + 1;
    }
}

static void mix_text(struct import *work, const char *text)
{
    mix(work, text ? text : "\1", strlen(text ? text : "\1") + 1);
}

static void empty_batch(struct import *work)
{
    for (size_t i = 0; i < work->count; i++) {
        free((char *)work->events[i].user);
        free((char *)work->events[i].item);
        free((char *)work->events[i].kind);
        free((char *)work->events[i].context);
    }
    work->count = 0;
}

static int write_batch(struct import *work)
{
    char key[64];
    snprintf(key, sizeof key, "import-%016" PRIx64 "%016" PRIx64, work->hash[0], work->hash[1]);
    store_batch batch = {.events = work->events,
                         .count = work->count,
                         .idempotency_key = work->again ? NULL : key,
                         .contents = work->hash[0]};
    if (work->count == 0)
        return CODE_DONE;
    store_status status = store_append(work->to, &batch, 1);
    status = status == STORE_OK ? batch.status : status;
    if (status != STORE_OK && work->written)
        inform("%s: %" PRIu64 " events were written; the same command goes on after them", events_name(work->where),
               work->written);
    if (status != STORE_OK)
        return events_fault(work->where, work->to);
    *(batch.repeated ? &work->repeated : &work->written) += work->count;
    empty_batch(work);
    return CODE_DONE;
}

static bool is(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

/* Columns of the file into what an event has. An export's own are called kind, context and deleted; others together
 * are the context. */
static void take_fields(const topn_event_columns *columns, const topn_event *event, stored_event *to)
{
    json_t *object = NULL;
    char *context = NULL;
    for (size_t field = 0; field < columns->field_count; field++) {
        const char *name = columns->fields[field], *value = event->context[field];
        if (!value)
            continue;
        if (is(name, "kind")) {
            free((char *)to->kind);
            to->kind = need_text(value);
        } else if (is(name, "deleted")) {
            to->deleted = !is(value, "0");
        } else if (is(name, "context")) {
            free(context);
            context = need_text(value);
        } else {
            object = object ? object : json_object();
            json_object_set_new(object, name, text_json(value));
        }
    }
    char *made = object ? json_dumps(object, JSON_COMPACT) : NULL;
    to->context = made ? made : context;
    if (made)
        free(context);
    json_decref(object);
}

static bool take_event(const topn_event_columns *columns, const topn_event *event, void *user_data)
{
    struct import *work = user_data;
    stored_event *to = &work->events[work->count++];
    *to = (stored_event){.user = need_text(event->user),
                         .item = need_text(event->item),
                         .weight = (double)event->weight,
                         .time = columns->has_times ? event->time : work->time,
                         .kind = need_text(work->kind)};
    take_fields(columns, event, to);
    mix_text(work, to->user);
    mix_text(work, to->item);
    mix_text(work, to->kind);
    mix_text(work, to->context);
    mix(work, &to->weight, sizeof to->weight);
    mix(work, &event->time, sizeof event->time);
    mix(work, &to->deleted, sizeof to->deleted);
    if (work->count == BATCH)
        work->code = write_batch(work);
    if (work->code == CODE_DONE && interrupted())
        work->code = complain(CODE_CANCELLED, "cancelled; %" PRIu64 " events were written", work->written);
    return work->code == CODE_DONE;
}

/* Whether a file begins with the header of an export, whose columns then are known. */
static const char *export_columns(const char *path)
{
    char line[sizeof EXPORT_HEADER_DELETED + 2] = "";
    FILE *file = strcmp(path, "-") ? fopen(path, "re") : NULL;
    if (!file)
        return NULL;
    const bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    return !read                             ? NULL
           : is(line, EXPORT_HEADER)         ? "kind,context"
           : is(line, EXPORT_HEADER_DELETED) ? "kind,context,deleted"
                                             : NULL;
}

/* Options of the reader that are about data made of events, which this is not. */
static int check_options(const struct session *session)
{
    static const char *const others[] = {"min-weight",  "min-user-events", "min-item-events", "duplicates",   "titles",
                                         "time-fields", "previous-items",  "user-features",   "item-features"};
    const topn_options *reader = session->options[TOPN_KIND_READER];
    topn_option_info info;
    for (size_t index = 0; topn_options_info(reader, index, &info); index++)
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (info.is_set && is(info.name, others[i]))
                return complain(CODE_USAGE, "option --%s: events are stored as they are; give it when training",
                                info.name);
    return CODE_DONE;
}

static void last_number(const stored_event *event, void *user_data)
{
    int64_t *last = user_data;
    *last = event->number > *last ? event->number : *last;
}

/* Notes that the model has learned from all events that there are now. */
static int note_trained(struct session *session, const struct import *work, const char *model_path)
{
    topn_model *model = NULL;
    char version[MODEL_VERSION], number[24], *name = NULL;
    int64_t last = 0;
    int code;
    STEP(session_load(session, model_path, &model));
    if (!generation_version(model_path, model, version))
        STEP(complain(CODE_FAILED, "cannot read %s again", model_path));
    if (store_scan(work->to, INT64_MIN, INT64_MAX, last_number, &last) != STORE_OK)
        STEP(events_fault(work->where, work->to));
    name = need_format("trained.%s", version);
    snprintf(number, sizeof number, "%" PRId64, last);
    if (store_note(work->to, name, number) != STORE_OK)
        STEP(events_fault(work->where, work->to));
done:
    free(name);
    topn_model_free(model);
    return code;
}

static int read_options(struct session *session, struct import *work, const char *path)
{
    const char *time_text = session_value(session, "time"), *kind = session_value(session, "kind");
    topn_options *reader = session->options[TOPN_KIND_READER];
    const char *columns = export_columns(path);
    int code;
    STEP(check_options(session));
    work->time = (int64_t)time(NULL);
    if (time_text && *time_text && !events_time(time_text, &work->time))
        STEP(complain(CODE_USAGE,
                      "option --time: \"%s\" is not a time; write seconds since 1970 or YYYY-MM-DD[THH:MM:SS]",
                      time_text));
    work->kind = kind ? kind : "";
    if (strlen(work->kind) > STORE_KIND_BYTES)
        STEP(complain(CODE_USAGE, "option --kind: it is longer than %d bytes", STORE_KIND_BYTES));
    work->again = session_flag(session, "again");
    if (columns && !topn_options_has(reader, "context-columns"))
        columns = NULL;
    const char *given = topn_options_get(reader, "context-columns");
    if (columns && (!given || !*given))
        code = session_check(session, topn_options_set(session->context, reader, "context-columns", columns));
done:
    return code;
}

int events_import(struct session *session, const char *where, const char *path)
{
    struct import work = {.where = where, .hash = {UINT64_C(14695981039346656037), UINT64_C(88172645463325252)}};
    const char *trained = session_value(session, "trained");
    topn_model *checked = NULL;
    int code;
    work.events = need_memory(BATCH, sizeof *work.events);
    STEP(read_options(session, &work, path));
    if (trained && *trained)
        STEP(session_load(session, trained, &checked));
    STEP(events_open(where, true, &work.to));
    const topn_status status =
        topn_events_read(session->context, path, session->options[TOPN_KIND_READER], take_event, &work);
    STEP(work.code);
    STEP(session_check(session, status));
    STEP(write_batch(&work));
    if (trained && *trained)
        STEP(note_trained(session, &work, trained));
    inform("%s: %" PRIu64 " events of %s", events_name(where), work.written, path);
    if (work.repeated)
        inform("%" PRIu64 " events were left out, which an import of the last seven days has written; --again writes "
               "them once more",
               work.repeated);
done:
    empty_batch(&work);
    topn_model_free(checked);
    store_close(work.to);
    free(work.events);
    return code;
}
