/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ingest/events.h"
#include "ingest/reader.h"

struct topn_data_builder {
    topn_context *context;
    event_sink *sink; /* with one run, filled by one thread at a time; NULL once it is spent */
    event_run *run;
    uint64_t events;
    bool weighted; /* an event had another weight than 1 */
};

topn_status topn_data_builder_create(topn_context *context, const char *const *fields, size_t field_count,
                                     topn_data_builder **out)
{
    if (out)
        *out = NULL;
    if (!context || !out || (field_count && !fields))
        return fail(context, TOPN_ERROR_ARGUMENT,
                    "topn_data_builder_create takes a context, names of fields if there are any, and an output");
    topn_status status;
    topn_data_builder *made = NULL;
    size_t first;
    TRY(ALLOCATE_ZEROED(context, 1, &made));
    made->context = context;
    TRY(event_sink_create(context, &made->sink));
    made->sink->has_weights = made->sink->has_times = true;
    for (size_t field = 0; field < field_count; field++)
        TRY(event_sink_field(context, made->sink, fields[field]));
    TRY(event_sink_runs(context, made->sink, 1, &first));
    event_run_begin(made->sink, first, 0);
    made->run = made->sink->runs[first];
    *out = made;
    return TOPN_OK;
done:
    topn_data_builder_free(made);
    return status;
}

void topn_data_builder_free(topn_data_builder *builder)
{
    if (!builder)
        return;
    event_sink_free(builder->sink);
    free(builder);
}

static bool text_code(event_run *run, id_pool *pool, const char *text, const char *what, uint32_t *out)
{
    return event_run_id(run, pool, (const unsigned char *)text, strlen(text), false, what, out);
}

static bool add(const event_sink *sink, event_run *run, const topn_event *event)
{
    uint32_t user, item, values[MOST_FIELDS];
    if (!text_code(run, &run->pools->users, event->user, "user", &user) ||
        !text_code(run, &run->pools->items, event->item, "item", &item))
        return false;
    if (!isfinite(event->weight) || event->weight < 0)
        return event_run_fail(run, TOPN_ERROR_DATA, "weight %g is not finite and at least 0", (double)event->weight);
    for (size_t field = 0; field < sink->field_count; field++) {
        const char *value = event->context ? event->context[field] : NULL;
        values[field] = FIELD_MISSING;
        if (value && *value &&
            !text_code(run, &run->pools->fields[field], value, sink->field_names[field], &values[field]))
            return false;
    }
    if (!event_run_append(run, user, item, event->weight, event->time))
        return false;
    event_run_context(run, values);
    return true;
}

topn_status topn_data_builder_add(topn_data_builder *builder, const topn_event *event)
{
    if (!builder || !builder->sink || !event || !event->user || !event->item)
        return fail(builder ? builder->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_data_builder_add takes a builder that is not spent and an event with user and item");
    event_run *run = builder->run;
    if (run->status == TOPN_OK && add(builder->sink, run, event)) {
        builder->events++;
        builder->weighted = builder->weighted || event->weight != 1.0f;
        return TOPN_OK;
    }
    return fail(builder->context, run->status, "event %" PRIu64 ": %s", builder->events + 1, run->message);
}

topn_status topn_data_builder_finish(topn_data_builder *builder, const topn_options *reader, const char *origin,
                                     topn_data **out)
{
    if (out)
        *out = NULL;
    if (!builder || !builder->sink || !out)
        return fail(builder ? builder->context : NULL, TOPN_ERROR_ARGUMENT,
                    "topn_data_builder_finish takes a builder that is not spent and an output");
    topn_status status;
    topn_options *standby = NULL;
    const void *params;
    data_provenance provenance = {0};
    TRY(options_or_default(builder->context, reader, TOPN_KIND_READER, "reader", &reader_option_table, &standby,
                           &params));
    TRY(memory_copy_text(builder->context, origin ? origin : "", &provenance.source));
    TRY(memory_copy_text(builder->context, "events", &provenance.format));
    TRY(memory_copy_text(builder->context, "", &provenance.columns));
    builder->sink->has_weights = builder->weighted;
    status = events_assemble(builder->context, builder->sink, params, &provenance, out);
    event_sink_free(builder->sink);
    builder->sink = NULL;
done:
    free(provenance.source);
    free(provenance.format);
    free(provenance.columns);
    topn_options_free(standby);
    return status;
}
