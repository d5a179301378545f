/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/events.h"

#include "base/memory.h"
#include "ingest/encoding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_free(event_run *run)
{
    if (!run)
        return;
    free(run->users);
    free(run->items);
    free(run->weights);
    free(run->times);
    for (size_t field = 0; field < run->field_count; field++)
        free(run->fields[field]);
    free(run->lone_users);
    free(run);
}

topn_status event_sink_create(topn_context *context, event_sink **out)
{
    topn_status status;
    event_sink *sink = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &sink));
    sink->lane_count = (uint32_t)context->threads;
    TRY(ALLOCATE_ZEROED(context, sink->lane_count, &sink->lanes));
    *out = sink;
    return TOPN_OK;
done:
    event_sink_free(sink);
    return status;
}

void event_sink_free(event_sink *sink)
{
    if (!sink)
        return;
    for (size_t index = 0; index < sink->count; index++)
        run_free(sink->runs[index]);
    free(sink->runs);
    for (uint32_t lane = 0; sink->lanes && lane < sink->lane_count; lane++) {
        id_pool_clear(&sink->lanes[lane].users);
        id_pool_clear(&sink->lanes[lane].items);
        for (size_t field = 0; field < MOST_FIELDS; field++)
            id_pool_clear(&sink->lanes[lane].fields[field]);
    }
    for (size_t field = 0; field < sink->field_count; field++)
        free(sink->field_names[field]);
    free(sink->lanes);
    topn_data_free(sink->stored);
    free(sink->format);
    free(sink->columns);
    free(sink);
}

topn_status event_sink_field(topn_context *context, event_sink *sink, const char *name)
{
    if (!*name)
        return fail(context, TOPN_ERROR_OPTION, "--context-columns: a column has no name");
    for (size_t field = 0; field < sink->field_count; field++)
        if (strcmp(sink->field_names[field], name) == 0)
            return fail(context, TOPN_ERROR_OPTION, "the field \"%s\" of the context is named twice", name);
    if (sink->field_count == MOST_FIELDS)
        return fail(context, TOPN_ERROR_OPTION, "\"%s\" is one field too many: a context has at most %d", name,
                    MOST_FIELDS);
    return memory_copy_text(context, name, &sink->field_names[sink->field_count++]);
}

topn_status event_sink_describe(topn_context *context, event_sink *sink, const char *name, const char *columns)
{
    free(sink->format);
    free(sink->columns);
    sink->format = sink->columns = NULL;
    topn_status status;
    TRY(memory_copy_text(context, name, &sink->format));
    TRY(memory_copy_text(context, columns, &sink->columns));
done:
    return status;
}

topn_status event_sink_runs(topn_context *context, event_sink *sink, size_t count, size_t *first)
{
    topn_status status = TOPN_OK;
    if (sink->count + count > sink->capacity) {
        const size_t capacity = 2 * (sink->count + count);
        TRY(RESIZE(context, capacity, &sink->runs));
        sink->capacity = capacity;
    }
    *first = sink->count;
    for (size_t index = 0; index < count; index++) {
        TRY(ALLOCATE_ZEROED(context, 1, &sink->runs[sink->count]));
        event_run *run = sink->runs[sink->count++];
        run->has_weights = sink->has_weights;
        run->has_times = sink->has_times;
        run->field_count = sink->field_count;
    }
done:
    return status;
}

topn_status event_sink_check_shape(topn_context *context, uint64_t users, uint64_t items)
{
    /* Per id: its text and offset, their copy in the index, a count and a row. */
    return memory_check(context, "a matrix of this shape", (users + items) * 64,
                        "leave out its empty rows and columns");
}

void event_run_begin(event_sink *sink, size_t index, uint32_t lane)
{
    event_run *run = sink->runs[index];
    run->lane = lane;
    run->pools = &sink->lanes[run->lane];
}

topn_status event_run_grow(event_run *run, size_t capacity)
{
    topn_status status;
    TRY(RESIZE(NULL, capacity, &run->users));
    TRY(RESIZE(NULL, capacity, &run->items));
    if (run->has_weights)
        TRY(RESIZE(NULL, capacity, &run->weights));
    if (run->has_times)
        TRY(RESIZE(NULL, capacity, &run->times));
    for (size_t field = 0; field < run->field_count; field++)
        TRY(RESIZE(NULL, capacity, &run->fields[field]));
    run->capacity = capacity;
done:
    return status;
}

bool event_run_fail(event_run *run, topn_status status, const char *message, ...)
{
    if (run->status == TOPN_OK) {
        va_list arguments;
        va_start(arguments, message);
        vsnprintf(run->message, sizeof run->message, message, arguments);
        va_end(arguments);
        run->status = status;
    }
    return false;
}

bool event_run_lone_user(event_run *run, uint32_t user)
{
    if (run->lone_count == run->lone_capacity) {
        const size_t capacity = 2 * run->lone_capacity + 16;
        const topn_status status = RESIZE(NULL, capacity, &run->lone_users);
        if (status != TOPN_OK)
            return event_run_fail(run, status, "no memory for more users");
        run->lone_capacity = capacity;
    }
    run->lone_users[run->lone_count++] = user;
    return true;
}

bool event_run_id(event_run *run, id_pool *pool, const unsigned char *text, size_t length, bool latin1,
                  const char *what, uint32_t *out)
{
    if (id_is_number(text, length, out))
        return true;
    if (length == 0)
        return event_run_fail(run, TOPN_ERROR_DATA, "the %s is empty", what);
    if (length > ID_LONGEST)
        return event_run_fail(run, TOPN_ERROR_DATA, "the %s id has %zu bytes; at most %d are allowed", what, length,
                              ID_LONGEST);
    unsigned char converted[2 * ID_LONGEST];
    if (!text_is_ascii(text, length)) {
        if (latin1) {
            length = text_from_latin1(text, length, converted);
            text = converted;
        } else if (!text_is_utf8(text, length)) {
            return event_run_fail(run, TOPN_ERROR_DATA,
                                  "the %s id is not UTF-8; for files in ISO 8859-1 use --encoding latin-1", what);
        }
    }
    if (memchr(text, 0, length))
        return event_run_fail(run, TOPN_ERROR_DATA, "the %s id holds a NUL byte", what);
    const topn_status status = id_code(pool, text, length, out);
    if (status == TOPN_ERROR_DATA)
        return event_run_fail(run, status, "more than 2147483647 distinct %s ids", what);
    return status == TOPN_OK || event_run_fail(run, status, "no memory for more ids");
}
