/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary form (`topn import`). Without filters it is opened as it is (reader.c); with filters its events pass
 * through the sink like those of text.
 */
#include "base/memory.h"
#include "ingest/events.h"
#include "ingest/source.h"
#include "store/safetensors.h"

#include <stdlib.h>
#include <string.h>

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    return safetensors_looks_like(head, size) ? 100 : 0;
}

/* Codes of the ids of a table, but of those that `left_out` names (NULL = none). */
static topn_status code_table(topn_context *context, event_run *run, id_pool *pool, const string_table *table,
                              const char *what, const bool *left_out, uint32_t **out)
{
    topn_status status;
    TRY(ALLOCATE(context, table->count, out));
    for (uint32_t index = 0; index < table->count; index++) {
        if (left_out && left_out[index])
            continue;
        const char *id = string_table_get(table, index);
        if (!event_run_id(run, pool, (const unsigned char *)id, strlen(id), false, what, &(*out)[index]))
            return fail(context, run->status, "%s \"%s\": %s", what, id, run->message);
    }
done:
    return status;
}

/* Who has no event. Where there are features, these bring them back after the filters (features_join). */
static topn_status without_events(topn_context *context, const topn_data *data, bool **users, bool **items)
{
    topn_status status;
    TRY(ALLOCATE(context, data->matrix.rows, users));
    TRY(ALLOCATE(context, data->matrix.columns, items));
    memset(*items, true, data->matrix.columns);
    for (uint32_t user = 0; user < data->matrix.rows; user++)
        (*users)[user] = data->matrix.indptr[user] == data->matrix.indptr[user + 1];
    for (uint64_t at = 0; at < data->matrix.indptr[data->matrix.rows]; at++)
        (*items)[data->matrix.indices[at]] = false;
done:
    return status;
}

/* Events with their contexts. */
static topn_status pour_contexts(topn_context *context, const topn_data *data, const uint32_t *users,
                                 const uint32_t *items, event_run *run)
{
    topn_status status = TOPN_OK;
    const data_contexts *contexts = &data->contexts;
    uint32_t *codes[MOST_FIELDS] = {NULL}, values[MOST_FIELDS];
    context_place *order = NULL;
    for (size_t field = 0; field < contexts->field_count; field++)
        TRY(code_table(context, run, &run->pools->fields[field], &contexts->fields[field].values,
                       contexts->fields[field].name, NULL, &codes[field]));
    TRY(event_run_grow(run, contexts->events.indptr[contexts->events.rows] + 1));
    TRY(data_context_order(context, data, &order));
    for (uint64_t index = 0; index < topn_data_context_events(data); index++) {
        const uint32_t row = order[index].context;
        const uint64_t at = order[index].event;
        for (size_t field = 0; field < contexts->field_count; field++) {
            const uint32_t value = contexts->values[row * contexts->field_count + field];
            values[field] = value == FIELD_MISSING ? FIELD_MISSING : codes[field][value];
        }
        event_run_append(run, users[contexts->users[row]], items[contexts->events.indices[at]],
                         contexts->events.values[at], contexts->times ? contexts->times[at] : 0);
        event_run_context(run, values);
    }
done:
    free(order);
    for (size_t field = 0; field < MOST_FIELDS; field++)
        free(codes[field]);
    return status;
}

static topn_status pour(topn_context *context, const topn_data *data, event_sink *sink)
{
    topn_status status;
    uint32_t *users = NULL, *items = NULL;
    bool *lone_users = NULL, *lone_items = NULL;
    size_t first;
    sink->has_weights = data->has_weights;
    sink->has_times = data->times != NULL;
    for (size_t field = 0; field < data->contexts.field_count; field++)
        TRY(event_sink_field(context, sink, data->contexts.fields[field].name));
    TRY(event_sink_runs(context, sink, 1, &first));
    event_run_begin(sink, first, 0);
    event_run *run = sink->runs[first];
    TRY(without_events(context, data, &lone_users, &lone_items));
    TRY(code_table(context, run, &run->pools->users, &data->user_ids, "user",
                   data->user_features.names.count ? lone_users : NULL, &users));
    TRY(code_table(context, run, &run->pools->items, &data->item_ids, "item",
                   data->item_features.names.count ? lone_items : NULL, &items));
    if (data->contexts.field_count > 0) {
        TRY(pour_contexts(context, data, users, items, run));
        goto done;
    }
    TRY(event_run_grow(run, data->matrix.indptr[data->matrix.rows] + 1));
    for (uint32_t user = 0; user < data->matrix.rows; user++) {
        const uint64_t begin = data->matrix.indptr[user], end = data->matrix.indptr[user + 1];
        if (begin == end && data->user_features.names.count == 0 && !event_run_lone_user(run, users[user]))
            return fail_memory(context, 16);
        for (uint64_t at = begin; at < end; at++)
            event_run_append(run, users[user], items[data->matrix.indices[at]], data->matrix.values[at],
                             data->times ? data->times[at] : 0);
    }
done:
    free(users);
    free(items);
    free(lone_users);
    free(lone_items);
    return status;
}

static topn_status read_stored(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    (void)params;
    topn_status status;
    if (!source_is_file(from))
        return fail(context, TOPN_ERROR_UNSUPPORTED, "%s: the binary form is read from plain files only",
                    source_path(from));
    TRY(data_open(context, source_path(from), &sink->stored));
    TRY(event_sink_describe(context, sink, "binary", sink->stored->provenance.columns));
    status = pour(context, sink->stored, sink);
done:
    return status;
}

const format format_stored = {
    .name = "binary",
    .summary = "the binary form that `topn import` writes",
    .probe = probe,
    .read = read_stored,
};
