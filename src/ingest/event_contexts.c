/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/event_contexts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "ingest/duplicates.h"
#include "ingest/name_list.h"
#include "numeric/sparse.h"

/* ---- Which fields ---- */

enum { HOUR, WEEKDAY, MONTH, TIME_KINDS };
static const char *const time_kinds[TIME_KINDS] = {"hour", "weekday", "month"};

/* Fields of the contexts: first the sink's, then those made of times, then previous items. */
typedef struct field_plan {
    size_t columns, times, previous;
    int kinds[TIME_KINDS]; /* [times] */
} field_plan;

static size_t plan_count(const field_plan *plan)
{
    return plan->columns + plan->times + plan->previous;
}

/* Name of a field; buffer holds it where it is made up. */
static const char *plan_name(const field_plan *plan, const event_sink *sink, size_t field, char buffer[32])
{
    if (field < plan->columns)
        return sink->field_names[field];
    field -= plan->columns;
    if (field < plan->times)
        return time_kinds[plan->kinds[field]];
    field -= plan->times;
    if (field == 0)
        return "previous_item";
    snprintf(buffer, 32, "previous_item_%zu", field + 1);
    return buffer;
}

static topn_status make_plan(topn_context *context, const event_sink *sink, const reader_params *params,
                             field_plan *plan)
{
    char name[LISTED_NAME];
    *plan = (field_plan){.columns = sink->field_count, .previous = (size_t)params->previous_items};
    for (const char *rest = params->time_fields; list_next(&rest, name, sizeof name);) {
        int kind = 0;
        while (kind < TIME_KINDS && strcmp(time_kinds[kind], name) != 0)
            kind++;
        if (kind == TIME_KINDS)
            return fail(context, TOPN_ERROR_OPTION, "--time-fields: \"%.60s\" is none of hour, weekday, month", name);
        for (size_t before = 0; before < plan->times; before++)
            if (plan->kinds[before] == kind)
                return fail(context, TOPN_ERROR_OPTION, "--time-fields: \"%s\" is named twice", name);
        plan->kinds[plan->times++] = kind;
    }
    return TOPN_OK;
}

topn_status event_contexts_check(topn_context *context, const event_sink *sink, const reader_params *params)
{
    topn_status status;
    field_plan plan;
    char buffers[2][32];
    TRY(make_plan(context, sink, params, &plan));
    const size_t count = plan_count(&plan);
    if (plan.times + plan.previous > 0 && !sink->has_times)
        return fail(context, TOPN_ERROR_OPTION,
                    "--%s needs a time column; the source has none (--time-column names it)",
                    plan.times ? "time-fields" : "previous-items");
    if (count > MOST_FIELDS)
        return fail(context, TOPN_ERROR_OPTION,
                    "%zu fields of the context are asked for (--context-columns, --time-fields, --previous-items); at "
                    "most %d are possible",
                    count, MOST_FIELDS);
    for (size_t field = plan.columns; field < count; field++)
        for (size_t before = 0; before < plan.columns; before++)
            if (strcmp(plan_name(&plan, sink, field, buffers[0]), plan_name(&plan, sink, before, buffers[1])) == 0)
                return fail(context, TOPN_ERROR_OPTION,
                            "the field \"%s\" of the context would be there twice: as a column of the source and made "
                            "of times",
                            plan_name(&plan, sink, before, buffers[1]));
done:
    return status;
}

bool event_contexts_wanted(const event_sink *sink, const reader_params *params)
{
    return sink->field_count > 0 || (params->time_fields && *params->time_fields) || params->previous_items > 0;
}

/* ---- The log: events by user, in file order ---- */

typedef struct event_log {
    field_plan plan;
    size_t fields;
    int rule; /* of --duplicates */
    uint32_t users;
    uint64_t *indptr;            /* [users + 1] */
    uint32_t *items;             /* [events] */
    float *weights;              /* [events] */
    int64_t *times;              /* [events] or NULL */
    uint32_t *values;            /* [events × fields] */
    uint64_t *order;             /* [events] places within the user's events: by context, then item, then place */
    uint32_t *contexts, *merged; /* [users] how many contexts, and events in them */
} event_log;

static void log_clear(event_log *log)
{
    free(log->indptr);
    free(log->items);
    free(log->weights);
    free(log->times);
    free(log->values);
    free(log->order);
    free(log->contexts);
    free(log->merged);
}

static topn_status log_create(topn_context *context, const event_sink *sink, uint32_t users, event_log *log)
{
    topn_status status;
    uint64_t events = 0;
    for (size_t run = 0; run < sink->count; run++)
        events += sink->runs[run]->count;
    TRY(memory_check(context, "contexts of the events", events * (24 + 8 * (uint64_t)log->fields),
                     "ask for fewer fields of the context"));
    log->users = users;
    TRY(ALLOCATE_ZEROED(context, (size_t)users + 1, &log->indptr));
    TRY(ALLOCATE(context, events, &log->items));
    TRY(ALLOCATE(context, events, &log->weights));
    if (sink->has_times)
        TRY(ALLOCATE(context, events, &log->times));
    TRY(ALLOCATE(context, events * log->fields, &log->values));
    TRY(ALLOCATE(context, events, &log->order));
    TRY(ALLOCATE_ZEROED(context, users, &log->contexts));
    TRY(ALLOCATE_ZEROED(context, users, &log->merged));
done:
    return status;
}

/* Events of all runs into the rows of their users. */
static topn_status log_fill(topn_context *context, const event_sink *sink, event_log *log)
{
    uint64_t *next; /* [users] */
    const topn_status status = ALLOCATE(context, log->users, &next);
    if (status != TOPN_OK)
        return status;
    for (size_t index = 0; index < sink->count; index++)
        for (size_t at = 0; at < sink->runs[index]->count; at++)
            log->indptr[sink->runs[index]->users[at] + 1]++;
    for (uint32_t user = 0; user < log->users; user++) {
        next[user] = log->indptr[user];
        log->indptr[user + 1] += log->indptr[user];
    }
    for (size_t index = 0; index < sink->count; index++) {
        const event_run *run = sink->runs[index];
        for (size_t at = 0; at < run->count; at++) {
            const uint64_t place = next[run->users[at]]++;
            log->items[place] = run->items[at];
            log->weights[place] = run->weights ? run->weights[at] : 1.0f;
            if (log->times)
                log->times[place] = run->times[at];
            for (size_t field = 0; field < log->plan.columns; field++)
                log->values[place * log->fields + field] = run->fields[field][at];
        }
    }
    free(next);
    return TOPN_OK;
}

/* Value of a field made of a time: its place in time_values. */
static uint32_t time_value(int kind, int64_t seconds)
{
    const time_t time = (time_t)seconds;
    struct tm calendar;
    if (!gmtime_r(&time, &calendar))
        return FIELD_MISSING;
    return kind == HOUR      ? (uint32_t)calendar.tm_hour
           : kind == WEEKDAY ? (uint32_t)((calendar.tm_wday + 6) % 7)
                             : (uint32_t)calendar.tm_mon;
}

/* Texts of 0-based values: hours count from 0, days and months from 1. */
static topn_status time_values(topn_context *context, int kind, string_table *out)
{
    static const char *const numbers[] = {"0",  "1",  "2",  "3",  "4",  "5",  "6",  "7",  "8",  "9",  "10", "11",
                                          "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23"};
    static const uint32_t counts[TIME_KINDS] = {24, 7, 12};
    return string_table_create(context, kind == HOUR ? numbers : numbers + 1, counts[kind], out);
}

/* Events of one user. */
typedef struct user_events {
    const uint32_t *items, *values;
    const int64_t *times;
    size_t fields;
} user_events;

static int by_time(const void *a, const void *b, void *of)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    const int64_t *times = ((const user_events *)of)->times;
    if (times[left] != times[right])
        return times[left] < times[right] ? -1 : 1;
    return (left > right) - (left < right);
}

static int compare_values(const user_events *of, uint64_t left, uint64_t right)
{
    const uint32_t *a = of->values + left * of->fields, *b = of->values + right * of->fields;
    for (size_t field = 0; field < of->fields; field++)
        if (a[field] != b[field])
            return a[field] < b[field] ? -1 : 1;
    return 0;
}

static int by_context(const void *a, const void *b, void *of)
{
    const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    const user_events *events = of;
    const int values = compare_values(events, left, right);
    if (values)
        return values;
    if (events->items[left] != events->items[right])
        return events->items[left] < events->items[right] ? -1 : 1;
    return (left > right) - (left < right);
}

/* Fills the values that are made, sorts the user's events and counts contexts and events. */
static void prepare_user(event_log *log, uint32_t user)
{
    const uint64_t begin = log->indptr[user], count = log->indptr[user + 1] - begin;
    const field_plan *plan = &log->plan;
    uint64_t *order = log->order + begin;
    uint32_t *values = log->values + begin * log->fields;
    user_events of = {log->items + begin, values, log->times ? log->times + begin : NULL, log->fields};
    for (uint64_t at = 0; at < count; at++) {
        order[at] = at;
        for (size_t field = 0; field < plan->times; field++)
            values[at * log->fields + plan->columns + field] = time_value(plan->kinds[field], of.times[at]);
    }
    if (plan->previous > 0)
        qsort_r(order, count, sizeof *order, by_time, &of);
    for (uint64_t at = 0; at < count; at++)
        for (size_t back = 0; back < plan->previous; back++)
            values[order[at] * log->fields + plan->columns + plan->times + back] =
                at > back ? of.items[order[at - 1 - back]] : FIELD_MISSING;
    qsort_r(order, count, sizeof *order, by_context, &of);
    for (uint64_t at = 0; at < count; at++) {
        const bool same = at > 0 && compare_values(&of, order[at - 1], order[at]) == 0;
        log->contexts[user] += !same;
        log->merged[user] += !same || of.items[order[at - 1]] != of.items[order[at]];
    }
}

/* ---- Contexts of the log ---- */

/* Writes the user's contexts from context `row` on, whose events begin at `to`. */
static void write_user(const event_log *log, uint32_t user, uint32_t row, uint64_t to, data_contexts *out)
{
    const uint64_t begin = log->indptr[user], count = log->indptr[user + 1] - begin;
    const uint64_t *order = log->order + begin;
    const uint32_t *values = log->values + begin * log->fields;
    const int64_t *times = log->times ? log->times + begin : NULL;
    const user_events of = {log->items + begin, values, times, log->fields};
    for (uint64_t at = 0; at < count; row++) {
        const uint64_t first = order[at];
        out->users[row] = user;
        memcpy(out->values + row * log->fields, values + first * log->fields, log->fields * sizeof *values);
        while (at < count && compare_values(&of, first, order[at]) == 0) {
            uint64_t end = at + 1;
            while (end < count && of.items[order[end]] == of.items[order[at]] &&
                   compare_values(&of, first, order[end]) == 0)
                end++;
            out->events.indices[to] = of.items[order[at]];
            duplicates_merge(log->rule, log->weights + begin, times, order + at, end - at, &out->events.values[to],
                             times ? &out->times[to] : NULL);
            to++;
            at = end;
        }
        out->events.indptr[row + 1] = to;
    }
}

static topn_status name_fields(topn_context *context, const event_log *log, const event_sink *sink,
                               const string_table *item_ids, string_table *values, data_contexts *out)
{
    topn_status status;
    char buffer[32];
    const field_plan *plan = &log->plan;
    TRY(ALLOCATE_ZEROED(context, log->fields, &out->fields));
    out->field_count = log->fields;
    for (size_t field = 0; field < log->fields; field++) {
        data_field *to = &out->fields[field];
        TRY(memory_copy_text(context, plan_name(plan, sink, field, buffer), &to->name));
        if (field < plan->columns) {
            to->values = values[field];
            values[field] = (string_table){0};
        } else if (field < plan->columns + plan->times) {
            TRY(time_values(context, plan->kinds[field - plan->columns], &to->values));
        } else {
            TRY(string_table_copy(context, item_ids, &to->values));
        }
    }
done:
    return status;
}

static topn_status write_contexts(topn_context *context, const event_log *log, uint32_t items, data_contexts *out)
{
    topn_status status;
    uint32_t *rows = NULL; /* [users + 1] */
    uint64_t *starts = NULL, contexts = 0, events = 0;
    TRY(ALLOCATE(context, log->users, &rows));
    TRY(ALLOCATE(context, log->users, &starts));
    for (uint32_t user = 0; user < log->users; user++) {
        rows[user] = (uint32_t)contexts;
        starts[user] = events;
        contexts += log->contexts[user];
        events += log->merged[user];
    }
    if (contexts >= UINT32_MAX) {
        status =
            fail(context, TOPN_ERROR_DATA, "%" PRIu64 " distinct contexts; at most 4294967294 are possible", contexts);
        goto done;
    }
    TRY(sparse_create(context, (uint32_t)contexts, items, events, &out->events));
    TRY(ALLOCATE(context, contexts, &out->users));
    TRY(ALLOCATE(context, contexts * log->fields, &out->values));
    if (log->times)
        TRY(ALLOCATE(context, events, &out->times));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t user = 0; user < log->users; user++)
        write_user(log, user, rows[user], starts[user], out);
done:
    free(rows);
    free(starts);
    return status;
}

topn_status event_contexts_create(topn_context *context, const event_sink *sink, const reader_params *params,
                                  uint32_t users, const string_table *item_ids, string_table *values,
                                  data_contexts *out)
{
    topn_status status;
    event_log log = {.rule = params->duplicates};
    data_contexts made = {0};
    *out = (data_contexts){0};
    TRY(make_plan(context, sink, params, &log.plan));
    log.fields = plan_count(&log.plan);
    TRY(log_create(context, sink, users, &log));
    TRY(log_fill(context, sink, &log));
    TRY(progress_report(context, "contexts", "events", 0, log.indptr[users], NAN));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 64)
    for (uint32_t user = 0; user < users; user++)
        prepare_user(&log, user);
    TRY(name_fields(context, &log, sink, item_ids, values, &made));
    TRY(write_contexts(context, &log, item_ids->count, &made));
    TRY(data_contexts_compact(context, &made));
    *out = made;
    made = (data_contexts){0};
done:
    log_clear(&log);
    data_contexts_clear(&made);
    return status;
}
