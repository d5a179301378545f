/* SPDX-License-Identifier: Apache-2.0
 *
 * From runs of events to data: ids become indices, events are sorted into rows, duplicates merged, filters applied.
 *
 * Order of the rules: --since and --until look at every event; --half-life ages those that are left; then events of
 * the same user and item are merged;
 * --min-weight looks at the merged weight; then users and items with too few events leave (few_events.h). Users and
 * items that lose all their events leave too.
 */
#include "base/memory.h"
#include "base/timestamp.h"
#include "ingest/duplicates.h"
#include "ingest/event_contexts.h"
#include "ingest/event_weights.h"
#include "ingest/few_events.h"
#include "ingest/id_order.h"
#include "ingest/side_files.h"
#include "numeric/sparse.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything under way between events and data. */
typedef struct assembly {
    const reader_params *params;
    int64_t since, until; /* inclusive, exclusive */
    double half_life;     /* seconds; 0 = events do not age */
    int64_t newest;       /* with half_life: what the age is counted from */
    sparse_matrix matrix;
    int64_t *times;
    data_contexts contexts;            /* before the filters */
    few_events few;                    /* arrays NULL = all are kept */
    string_table all_users, all_items; /* ids before the filters, when there was something to leave out */
    uint64_t merged, light, early, late;
} assembly;

/* Codes to indices, in place; events outside the time span leave. */
static void convert_run(const assembly *work, const id_order *users, const id_order *items, const id_order *fields,
                        event_run *run, uint64_t *early, uint64_t *late)
{
    size_t to = 0;
    for (size_t at = 0; at < run->count; at++) {
        const uint32_t user = id_order_index(users, run->lane, run->users[at]);
        const uint32_t item = id_order_index(items, run->lane, run->items[at]);
        if (run->times) {
            const int64_t time = run->times[at];
            if (time < work->since || time >= work->until) {
                *(time < work->since ? early : late) += 1;
                continue;
            }
            run->times[to] = time;
        }
        run->users[to] = user;
        run->items[to] = item;
        if (run->weights)
            run->weights[to] = run->weights[at];
        for (size_t field = 0; field < run->field_count; field++) {
            const uint32_t code = run->fields[field][at];
            run->fields[field][to] =
                code == FIELD_MISSING ? FIELD_MISSING : id_order_index(&fields[field], run->lane, code);
        }
        to++;
    }
    run->count = to;
}

static void convert_runs(topn_context *context, assembly *work, const id_order *users, const id_order *items,
                         const id_order *fields, event_sink *sink)
{
    uint64_t early = 0, late = 0;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1) reduction(+ : early, late)
    for (size_t index = 0; index < sink->count; index++)
        convert_run(work, users, items, fields, sink->runs[index], &early, &late);
    work->early = early;
    work->late = late;
    work->newest = INT64_MIN;
    for (size_t index = 0; work->half_life > 0 && index < sink->count; index++)
        for (size_t at = 0; at < sink->runs[index]->count; at++)
            if (sink->runs[index]->times[at] > work->newest)
                work->newest = sink->runs[index]->times[at];
}

/* Puts the events of users in [from, to) into their rows, in file order. next [rows] is where each row goes on. */
static void scatter_users(const assembly *work, const event_sink *sink, uint32_t from, uint32_t to, uint64_t *next)
{
    const uint32_t width = to - from;
    for (size_t index = 0; index < sink->count; index++) {
        const event_run *run = sink->runs[index];
        for (size_t at = 0; at < run->count; at++) {
            const uint32_t user = run->users[at];
            if (user - from >= width)
                continue;
            const uint64_t place = next[user]++;
            work->matrix.indices[place] = run->items[at];
            work->matrix.values[place] = run->weights ? run->weights[at] : 1.0f;
            if (work->times)
                work->times[place] = run->times[at];
            if (work->half_life > 0)
                work->matrix.values[place] *= half_life_factor(work->newest - run->times[at], work->half_life);
        }
    }
}

/* First user of each of `parts` ranges with about equally many events; first [parts + 1]. */
static void cut_users(const sparse_matrix *matrix, int parts, uint32_t *first)
{
    const uint64_t events = matrix->indptr[matrix->rows];
    uint32_t user = 0;
    for (int part = 0; part < parts; part++) {
        first[part] = user;
        while (user < matrix->rows && matrix->indptr[user + 1] <= events / (unsigned)parts * (unsigned)(part + 1))
            user++;
    }
    first[parts] = matrix->rows;
}

static topn_status fill_rows(topn_context *context, assembly *work, const event_sink *sink, uint32_t rows,
                             uint32_t columns)
{
    topn_status status;
    uint64_t events = 0, *next = NULL;
    uint32_t *first = NULL;
    for (size_t index = 0; index < sink->count; index++)
        events += sink->runs[index]->count;
    TRY(sparse_create(context, rows, columns, events, &work->matrix));
    if (sink->has_times)
        TRY(ALLOCATE(context, events, &work->times));
    TRY(ALLOCATE(context, rows, &next));
    TRY(ALLOCATE(context, (size_t)context->threads + 1, &first));
    uint64_t *indptr = work->matrix.indptr;
    memset(indptr, 0, ((size_t)rows + 1) * sizeof *indptr);
    for (size_t index = 0; index < sink->count; index++)
        for (size_t at = 0; at < sink->runs[index]->count; at++)
            indptr[sink->runs[index]->users[at] + 1]++;
    for (uint32_t row = 0; row < rows; row++) {
        next[row] = indptr[row];
        indptr[row + 1] += indptr[row];
    }
    cut_users(&work->matrix, context->threads, first);
#pragma omp parallel for num_threads(context->threads) schedule(static, 1)
    for (int part = 0; part < context->threads; part++)
        scatter_users(work, sink, first[part], first[part + 1], next);
done:
    free(next);
    free(first);
    return status;
}

/* Sorts keys[0 … count−1]; spare [count]. Runs of 16 by insertion, then merges. */
static void sort_keys(uint64_t *keys, uint64_t *spare, size_t count)
{
    enum { RUN = 16 };
    for (size_t begin = 0; begin < count; begin += RUN) {
        const size_t end = begin + RUN < count ? begin + RUN : count;
        for (size_t at = begin + 1; at < end; at++) {
            const uint64_t key = keys[at];
            size_t to = at;
            for (; to > begin && keys[to - 1] > key; to--)
                keys[to] = keys[to - 1];
            keys[to] = key;
        }
    }
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t begin = 0; begin + width < count; begin += 2 * width) {
            const size_t middle = begin + width, end = middle + width < count ? middle + width : count;
            if (keys[middle - 1] <= keys[middle])
                continue;
            memcpy(spare, keys + begin, width * sizeof *keys);
            size_t left = 0, right = middle, to = begin;
            while (left < width && right < end) {
                const bool lower = spare[left] <= keys[right];
                keys[to++] = lower ? spare[left] : keys[right];
                left += lower;
                right += !lower;
            }
            memcpy(keys + to, spare + left, (width - left) * sizeof *keys);
        }
    }
}

/* Room to sort one row. */
typedef struct row_scratch {
    uint64_t *keys, *spare;
    float *values;
    int64_t *times;
    size_t capacity;
    topn_status status;
} row_scratch;

static topn_status scratch_reserve(row_scratch *scratch, size_t count)
{
    topn_status status = TOPN_OK;
    if (count <= scratch->capacity)
        return TOPN_OK;
    TRY(RESIZE(NULL, 2 * count, &scratch->keys));
    TRY(RESIZE(NULL, 2 * count, &scratch->spare));
    TRY(RESIZE(NULL, 2 * count, &scratch->values));
    TRY(RESIZE(NULL, 2 * count, &scratch->times));
    scratch->capacity = 2 * count;
done:
    return status;
}

static bool ascends(const uint32_t *indices, size_t count)
{
    for (size_t at = 1; at < count; at++)
        if (indices[at] <= indices[at - 1])
            return false;
    return true;
}

/* Sorts a row by item and merges duplicates; returns its new length. */
static size_t merge_row(const assembly *work, row_scratch *scratch, uint64_t begin, size_t count)
{
    const int rule = work->params->duplicates;
    uint32_t *items = work->matrix.indices + begin;
    float *values = work->matrix.values + begin;
    int64_t *times = work->times ? work->times + begin : NULL;
    if (ascends(items, count)) {
        for (size_t at = 0; rule == COUNT && at < count; at++)
            values[at] = 1.0f;
        return count;
    }
    scratch->status = scratch_reserve(scratch, count);
    if (scratch->status != TOPN_OK)
        return count;
    for (size_t at = 0; at < count; at++) {
        scratch->keys[at] = (uint64_t)items[at] << 32 | at;
        scratch->values[at] = values[at];
        if (times)
            scratch->times[at] = times[at];
    }
    sort_keys(scratch->keys, scratch->spare, count);
    size_t to = 0;
    for (size_t at = 0; at < count;) {
        const uint32_t item = (uint32_t)(scratch->keys[at] >> 32);
        size_t end = at + 1;
        while (end < count && scratch->keys[end] >> 32 == item)
            end++;
        items[to] = item;
        duplicates_merge(rule, scratch->values, times ? scratch->times : NULL, scratch->keys + at, end - at,
                         &values[to], times ? &times[to] : NULL);
        to++;
        at = end;
    }
    return to;
}

/* Drops events below --min-weight, and those that --event-weights gives 0; returns the new length. */
static size_t drop_light(const assembly *work, uint64_t begin, size_t count)
{
    const bool by_kind = work->params->event_weights && isnan(work->params->min_weight);
    const double least = by_kind ? (double)FLT_TRUE_MIN : work->params->min_weight;
    if (isnan(least))
        return count;
    size_t to = 0;
    for (size_t at = 0; at < count; at++) {
        if ((double)work->matrix.values[begin + at] < least)
            continue;
        work->matrix.indices[begin + to] = work->matrix.indices[begin + at];
        work->matrix.values[begin + to] = work->matrix.values[begin + at];
        if (work->times)
            work->times[begin + to] = work->times[begin + at];
        to++;
    }
    return to;
}

/* Moves rows together: row u holds lengths[u] events from its old start on. */
static void close_gaps(assembly *work, const size_t *lengths)
{
    sparse_matrix *matrix = &work->matrix;
    uint64_t to = 0;
    for (uint32_t row = 0; row < matrix->rows; row++) {
        const uint64_t from = matrix->indptr[row];
        if (to != from) {
            memmove(matrix->indices + to, matrix->indices + from, lengths[row] * sizeof *matrix->indices);
            memmove(matrix->values + to, matrix->values + from, lengths[row] * sizeof *matrix->values);
            if (work->times)
                memmove(work->times + to, work->times + from, lengths[row] * sizeof *work->times);
        }
        matrix->indptr[row] = to;
        to += lengths[row];
    }
    matrix->indptr[matrix->rows] = to;
}

static topn_status merge_rows(topn_context *context, assembly *work)
{
    topn_status status;
    sparse_matrix *matrix = &work->matrix;
    size_t *lengths = NULL;
    uint64_t merged = 0, light = 0;
    int failed = 0;
    TRY(ALLOCATE(context, matrix->rows, &lengths));
#pragma omp parallel num_threads(context->threads) reduction(+ : merged, light, failed)
    {
        row_scratch scratch = {0};
#pragma omp for schedule(dynamic, 256)
        for (uint32_t row = 0; row < matrix->rows; row++) {
            const uint64_t begin = matrix->indptr[row];
            const size_t count = matrix->indptr[row + 1] - begin;
            const size_t distinct = scratch.status == TOPN_OK ? merge_row(work, &scratch, begin, count) : count;
            lengths[row] = drop_light(work, begin, distinct);
            merged += count - distinct;
            light += distinct - lengths[row];
        }
        failed += scratch.status != TOPN_OK;
        free(scratch.keys);
        free(scratch.spare);
        free(scratch.values);
        free(scratch.times);
    }
    if (failed) {
        status = fail_memory(context, 0);
        goto done;
    }
    work->merged = merged;
    work->light = light;
    close_gaps(work, lengths);
done:
    free(lengths);
    return status;
}

/* Whether a user or item may have too few events, or none. */
static bool needs_filter(const assembly *work)
{
    return work->light > 0 || work->early > 0 || work->late > 0 || work->params->min_user_events > 0 ||
           work->params->min_item_events > 0;
}

/* Numbers of the kept ones, and their list. keep NULL = all. */
static topn_status number_kept(topn_context *context, const bool *keep, uint32_t count, uint32_t *number,
                               uint32_t **list, uint32_t *kept)
{
    const topn_status status = ALLOCATE(context, count, list);
    if (status != TOPN_OK)
        return status;
    *kept = 0;
    for (uint32_t at = 0; at < count; at++) {
        number[at] = UINT32_MAX;
        if (keep && !keep[at])
            continue;
        number[at] = *kept;
        (*list)[(*kept)++] = at;
    }
    return TOPN_OK;
}

/* Leaves kept users and items only, in the matrix, the contexts and both id tables. */
static topn_status select_kept(topn_context *context, assembly *work, string_table *user_ids, string_table *item_ids)
{
    topn_status status;
    sparse_matrix *matrix = &work->matrix;
    uint32_t *number = NULL, *users = NULL, *items = NULL, user_count, item_count;
    string_table picked_users = {0}, picked_items = {0};
    data_contexts picked_contexts = {0};
    const uint32_t widest = matrix->rows > matrix->columns ? matrix->rows : matrix->columns;
    TRY(ALLOCATE(context, widest, &number));
    TRY(number_kept(context, work->few.keep_user, matrix->rows, number, &users, &user_count));
    TRY(number_kept(context, work->few.keep_item, matrix->columns, number, &items, &item_count));
    uint64_t to = 0;
    for (uint32_t row = 0; row < user_count; row++) {
        const uint64_t begin = matrix->indptr[users[row]], end = matrix->indptr[users[row] + 1];
        matrix->indptr[row] = to;
        for (uint64_t at = begin; at < end; at++) {
            if (!work->few.keep_item[matrix->indices[at]])
                continue;
            matrix->indices[to] = number[matrix->indices[at]];
            matrix->values[to] = matrix->values[at];
            if (work->times)
                work->times[to] = work->times[at];
            to++;
        }
    }
    matrix->indptr[user_count] = to;
    matrix->rows = user_count;
    matrix->columns = item_count;
    TRY(string_table_pick(context, user_ids, users, user_count, &picked_users));
    TRY(string_table_pick(context, item_ids, items, item_count, &picked_items));
    TRY(data_contexts_select(context, &work->contexts, users, number, matrix, &picked_contexts));
    data_contexts_clear(&work->contexts);
    work->contexts = picked_contexts;
    work->all_users = *user_ids;
    work->all_items = *item_ids;
    *user_ids = picked_users;
    *item_ids = picked_items;
    picked_users = picked_items = (string_table){0};
done:
    string_table_clear(&picked_users);
    string_table_clear(&picked_items);
    free(number);
    free(users);
    free(items);
    return status;
}

static void note_dropped(data_provenance *provenance, const char *reason, uint64_t events)
{
    if (events > 0 && provenance->dropped_count < DROP_REASONS)
        provenance->dropped[provenance->dropped_count++] = (topn_dropped){reason, events};
}

/* Gives back what merging and filters left over. */
static topn_status shrink(topn_context *context, assembly *work)
{
    topn_status status;
    sparse_matrix *matrix = &work->matrix;
    const uint64_t events = matrix->indptr[matrix->rows];
    TRY(RESIZE(context, (size_t)matrix->rows + 1, &matrix->indptr));
    TRY(RESIZE(context, events, &matrix->indices));
    TRY(RESIZE(context, events, &matrix->values));
    if (work->times)
        TRY(RESIZE(context, events, &work->times));
done:
    return status;
}

/* Value of the option --name. */
static topn_status time_option(topn_context *context, const char *name, const char *text, int64_t *out)
{
    if (timestamp_parse(text, out))
        return TOPN_OK;
    return fail(context, TOPN_ERROR_OPTION,
                "--%s: \"%s\" is not a time; write seconds since 1970 or YYYY-MM-DD[THH:MM:SS]", name, text);
}

static topn_status time_span(topn_context *context, const event_sink *sink, const reader_params *params, assembly *work)
{
    topn_status status;
    work->since = INT64_MIN;
    work->until = INT64_MAX;
    if ((params->since || params->until) && !sink->has_times)
        return fail(context, TOPN_ERROR_OPTION,
                    "--%s needs a time column; the source has none (--time-column names it)",
                    params->since ? "since" : "until");
    if (params->since)
        TRY(time_option(context, "since", params->since, &work->since));
    if (params->until)
        TRY(time_option(context, "until", params->until, &work->until));
    if (params->half_life && !sink->has_times)
        return fail(context, TOPN_ERROR_OPTION,
                    "--half-life needs a time column; the source has none (--time-column names it)");
    if (params->half_life && params->duplicates == COUNT)
        return fail(context, TOPN_ERROR_OPTION,
                    "--half-life and --duplicates count exclude each other: counts do not age");
    if (params->half_life)
        TRY(half_life_parse(context, params->half_life, &work->half_life));
    return TOPN_OK;
done:
    return status;
}

static void free_runs(event_sink *sink)
{
    for (size_t index = 0; index < sink->count; index++) {
        event_run *run = sink->runs[index];
        free(run->users);
        free(run->items);
        free(run->weights);
        free(run->times);
        run->users = run->items = NULL;
        run->weights = NULL;
        run->times = NULL;
        for (size_t field = 0; field < run->field_count; field++) {
            free(run->fields[field]);
            run->fields[field] = NULL;
        }
        run->count = 0;
    }
}

static void note_story(const assembly *work, uint64_t zeros, data_provenance *provenance)
{
    provenance->duplicates = work->merged;
    note_dropped(provenance, "explicit zeros", zeros);
    note_dropped(provenance, "before --since", work->early);
    note_dropped(provenance, "not before --until", work->late);
    note_dropped(provenance, isnan(work->params->min_weight) ? "weight 0 by --event-weights" : "below --min-weight",
                 work->light);
    note_dropped(provenance, "below --min-user-events", work->few.of_users);
    note_dropped(provenance, "below --min-item-events", work->few.of_items);
}

/* Values of the sink's fields in order; *fields [field_count]. */
static topn_status order_fields(topn_context *context, event_sink *sink, id_order *fields)
{
    topn_status status = TOPN_OK;
    for (size_t field = 0; field < sink->field_count; field++)
        TRY(id_order_create(context, sink, (id_side)(SIDE_FIELDS + field), &fields[field]));
done:
    return status;
}

static topn_status create_contexts(topn_context *context, const event_sink *sink, const reader_params *params,
                                   const id_order *users, const id_order *items, id_order *fields, data_contexts *out)
{
    string_table values[MOST_FIELDS];
    memset(values, 0, sizeof values);
    if (!event_contexts_wanted(sink, params))
        return TOPN_OK;
    for (size_t field = 0; field < sink->field_count; field++) {
        values[field] = fields[field].table;
        fields[field].table = (string_table){0};
    }
    const topn_status status =
        event_contexts_create(context, sink, params, users->table.count, &items->table, values, out);
    for (size_t field = 0; field < sink->field_count; field++)
        string_table_clear(&values[field]);
    return status;
}

/* Moves what is assembled into the parts, and adds what side files say of users and items. */
static topn_status finish_parts(topn_context *context, assembly *work, event_sink *sink, id_order *users,
                                id_order *items, data_parts *parts)
{
    parts->matrix = work->matrix;
    parts->times = work->times;
    parts->contexts = work->contexts;
    parts->user_ids = users->table;
    parts->item_ids = items->table;
    work->matrix = (sparse_matrix){0};
    work->times = NULL;
    work->contexts = (data_contexts){0};
    users->table = items->table = (string_table){0};
    return side_files_add(context, work->params, sink->stored, &work->all_users, &work->all_items, parts);
}

topn_status events_assemble(topn_context *context, event_sink *sink, const reader_params *params,
                            data_provenance *provenance, topn_data **out)
{
    topn_status status;
    assembly work = {.params = params};
    id_order users = {0}, items = {0}, fields[MOST_FIELDS];
    data_parts parts = {.provenance = *provenance};
    uint64_t zeros = 0;
    memset(fields, 0, sizeof fields);
    *provenance = (data_provenance){0};
    TRY(time_span(context, sink, params, &work));
    TRY(event_contexts_check(context, sink, params));
    for (size_t index = 0; index < sink->count; index++) {
        parts.provenance.rows_read += sink->runs[index]->count + sink->runs[index]->zeros;
        zeros += sink->runs[index]->zeros;
    }
    TRY(progress_report(context, "sort", "events", 0, parts.provenance.rows_read, NAN));
    TRY(id_order_create(context, sink, false, &users));
    TRY(id_order_create(context, sink, true, &items));
    TRY(order_fields(context, sink, fields));
    convert_runs(context, &work, &users, &items, fields, sink);
    TRY(create_contexts(context, sink, params, &users, &items, fields, &work.contexts));
    TRY(fill_rows(context, &work, sink, users.table.count, items.table.count));
    free_runs(sink);
    TRY(progress_report(context, "sort", "events", parts.provenance.rows_read / 2, parts.provenance.rows_read, NAN));
    TRY(merge_rows(context, &work));
    if (needs_filter(&work))
        TRY(few_events_drop(context, &work.matrix, params, &work.few));
    if (work.few.keep_user)
        TRY(select_kept(context, &work, &users.table, &items.table));
    TRY(shrink(context, &work));
    note_story(&work, zeros, &parts.provenance);
    parts.has_weights = sink->has_weights || params->half_life || params->duplicates == COUNT ||
                        (params->duplicates == SUM && work.merged);
    TRY(finish_parts(context, &work, sink, &users, &items, &parts));
    status = data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    sparse_clear(&work.matrix);
    free(work.times);
    data_contexts_clear(&work.contexts);
    few_events_clear(&work.few);
    string_table_clear(&work.all_users);
    string_table_clear(&work.all_items);
    for (size_t field = 0; field < MOST_FIELDS; field++)
        id_order_clear(&fields[field]);
    id_order_clear(&users);
    id_order_clear(&items);
    return status;
}
