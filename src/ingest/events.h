/* SPDX-License-Identifier: Apache-2.0
 *
 * Where formats put what they read: events in runs (one per chunk of the file, in file order), whose ids are codes of
 * the pools of the thread that read the run. events_assemble makes data of them.
 */
#ifndef TOPN_INGEST_EVENTS_H
#define TOPN_INGEST_EVENTS_H

#include "data/interactions.h"
#include "ingest/format.h"
#include "ingest/id_pool.h"

typedef struct id_lane {
    id_pool users, items;
    id_pool fields[MOST_FIELDS];
} id_lane;

typedef struct event_run {
    uint32_t *users, *items;       /* [count] codes */
    float *weights;                /* [count] or NULL */
    int64_t *times;                /* [count] seconds since 1970, or NULL */
    uint32_t *fields[MOST_FIELDS]; /* [field_count][count] codes of the context's values, or FIELD_MISSING */
    size_t field_count;
    size_t count, capacity;
    bool has_weights, has_times;
    uint32_t *lone_users; /* [lone_count] codes of users that a line names without items */
    size_t lone_count, lone_capacity;
    uint32_t lane;
    id_lane *pools;     /* = sink->lanes + lane */
    uint64_t lines;     /* lines read so far */
    uint32_t last_item; /* formats whose lines share an item: the last one named, and the events before the first */
    size_t orphans;
    uint64_t zeros; /* explicit zeros of a matrix, left out */
    bool scaled_times;
    topn_status status; /* first failure, at line `lines` + 1 of the run, and what it was */
    char message[320];
} event_run;

struct event_sink {
    event_run **runs; /* [count] in file order */
    size_t count, capacity;
    id_lane *lanes; /* [lane_count] */
    uint32_t lane_count;
    bool has_weights, has_times;
    bool kinds;                     /* weights are of --event-weights */
    char *field_names[MOST_FIELDS]; /* [field_count] owned; of --context-columns, or of stored data */
    size_t field_count;
    uint64_t all_users_from, all_users; /* ids from … from + count − 1 exist even without events (matrix shapes) */
    uint64_t all_items_from, all_items;
    topn_data *stored;      /* whose titles go on, or NULL; owned */
    char *format, *columns; /* what the format found, for the provenance */
};

topn_status event_sink_create(topn_context *context, event_sink **out);
void event_sink_free(event_sink *sink);
/* A field of the context by this name: set before runs are made. OPTION when it is one too many, or there already. */
topn_status event_sink_field(topn_context *context, event_sink *sink, const char *name);
/* Sets what was found, once. printf-style. */
topn_status event_sink_describe(topn_context *context, event_sink *sink, const char *name, const char *columns);
/* Appends `count` empty runs; *first is the index of the first. */
topn_status event_sink_runs(topn_context *context, event_sink *sink, size_t count, size_t *first);
/* MEMORY when ids for a matrix of that shape would not fit. */
topn_status event_sink_check_shape(topn_context *context, uint64_t users, uint64_t items);
/* The run starts to be filled by the thread `lane` (< lane_count) of the library's own: 0 outside of its parallel
 * loops, whatever thread of the program that is. */
void event_run_begin(event_sink *sink, size_t index, uint32_t lane);

topn_status event_run_grow(event_run *run, size_t capacity);
/* Records the failure of the line under way; returns false so that parsers can return it. No context: threads. */
bool event_run_fail(event_run *run, topn_status status, const char *message, ...) __attribute__((format(printf, 3, 4)));
bool event_run_lone_user(event_run *run, uint32_t user);

static inline bool event_run_append(event_run *run, uint32_t user, uint32_t item, float weight, int64_t time)
{
    if (__builtin_expect(run->count == run->capacity, 0)) {
        const topn_status status = event_run_grow(run, run->capacity ? run->capacity + run->capacity / 2 : 1024);
        if (status != TOPN_OK)
            return event_run_fail(run, status, "no memory for more events");
    }
    const size_t at = run->count++;
    run->users[at] = user;
    run->items[at] = item;
    if (run->has_weights)
        run->weights[at] = weight;
    if (run->has_times)
        run->times[at] = time;
    return true;
}

/* Context of the event appended last: values [field_count]. */
static inline void event_run_context(event_run *run, const uint32_t *values)
{
    for (size_t field = 0; field < run->field_count; field++)
        run->fields[field][run->count - 1] = values[field];
}

/* Id codes of text in the given encoding; a text that is empty, holds NUL or is not UTF-8 fails the run. `what` is
 * "user", "item" or the name of a field. */
bool event_run_id(event_run *run, id_pool *pool, const unsigned char *text, size_t length, bool latin1,
                  const char *what, uint32_t *out);

/* Sorts ids, applies the filters, merges duplicates, reads titles. Frees the runs as it goes. provenance is moved in.
 */
topn_status events_assemble(topn_context *context, event_sink *sink, const reader_params *params,
                            data_provenance *provenance, topn_data **out);

#endif
