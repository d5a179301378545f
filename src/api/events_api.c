/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <stdio.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "ingest/events.h"
#include "ingest/reader.h"

/* The text of an id's code; numbers are written into `number` [16]. */
static const char *text_of(const id_pool *pool, uint32_t code, char *number)
{
    if (code >= ID_TEXT)
        return pool->bytes + pool->offsets[code - ID_TEXT];
    snprintf(number, 16, "%u", (unsigned)code);
    return number;
}

static topn_status time_limit(topn_context *context, const event_sink *sink, const char *name, const char *text,
                              int64_t *out)
{
    if (!text)
        return TOPN_OK;
    if (!sink->has_times)
        return fail(context, TOPN_ERROR_OPTION,
                    "--%s needs a time column; the source has none (--time-column names it)", name);
    if (timestamp_parse(text, out))
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "--%s: \"%s\" is not a time; write seconds since 1970 or YYYY-MM-DD[THH:MM:SS]", name, text);
}

/* false when the visitor wants no more. */
static bool visit_run(const topn_event_columns *columns, const event_run *run, int64_t since, int64_t until,
                      topn_event_visitor *visit, void *user_data)
{
    char user[16], item[16], numbers[MOST_FIELDS][16];
    const char *values[MOST_FIELDS];
    for (size_t at = 0; at < run->count; at++) {
        const int64_t time = run->times ? run->times[at] : 0;
        if (time < since || time >= until)
            continue;
        for (size_t field = 0; field < run->field_count; field++) {
            const uint32_t code = run->fields[field][at];
            values[field] = code == FIELD_MISSING ? NULL : text_of(&run->pools->fields[field], code, numbers[field]);
        }
        const topn_event event = {.user = text_of(&run->pools->users, run->users[at], user),
                                  .item = text_of(&run->pools->items, run->items[at], item),
                                  .weight = run->weights ? run->weights[at] : 1,
                                  .time = time,
                                  .context = values};
        if (!visit(columns, &event, user_data))
            return false;
    }
    return true;
}

topn_status topn_events_read(topn_context *context, const char *path, const topn_options *reader,
                             topn_event_visitor *visit, void *user_data)
{
    if (!context || !path || !visit)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_events_read takes a context, a path and a visitor");
    topn_status status;
    topn_options *standby = NULL;
    event_sink *sink = NULL;
    const void *chosen;
    int64_t since = INT64_MIN, until = INT64_MAX;
    bool wanted = true;
    TRY(options_or_default(context, reader, TOPN_KIND_READER, "reader", &reader_option_table, &standby, &chosen));
    const reader_params *params = chosen;
    TRY(reader_collect(context, path, params, &sink));
    TRY(time_limit(context, sink, "since", params->since, &since));
    TRY(time_limit(context, sink, "until", params->until, &until));
    const topn_event_columns columns = {.has_weights = sink->has_weights,
                                        .has_times = sink->has_times,
                                        .fields = (const char *const *)sink->field_names,
                                        .field_count = sink->field_count};
    for (size_t run = 0; wanted && run < sink->count; run++)
        wanted = visit_run(&columns, sink->runs[run], since, until, visit, user_data);
    if (!wanted)
        status = fail(context, TOPN_ERROR_CANCELLED, "the visitor of events asked to stop");
done:
    event_sink_free(sink);
    topn_options_free(standby);
    return status;
}
