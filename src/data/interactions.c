/* SPDX-License-Identifier: Apache-2.0 */
#include "data/interactions.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "numeric/sparse.h"

static void provenance_clear(data_provenance *provenance)
{
    free(provenance->source);
    free(provenance->format);
    free(provenance->columns);
    *provenance = (data_provenance){0};
}

void data_parts_clear(data_parts *parts)
{
    sparse_clear(&parts->matrix);
    free(parts->times);
    string_table_clear(&parts->user_ids);
    string_table_clear(&parts->item_ids);
    string_table_clear(&parts->titles);
    data_contexts_clear(&parts->contexts);
    feature_table_clear(&parts->user_features);
    feature_table_clear(&parts->item_features);
    provenance_clear(&parts->provenance);
    *parts = (data_parts){0};
}

void topn_data_free(topn_data *data)
{
    if (!data)
        return;
    id_index_clear(&data->users_by_id);
    id_index_clear(&data->items_by_id);
    string_table_clear(&data->user_ids);
    string_table_clear(&data->item_ids);
    string_table_clear(&data->titles);
    if (data->file) {
        data_contexts_return(&data->contexts);
        feature_table_return(&data->user_features);
        feature_table_return(&data->item_features);
    } else {
        sparse_clear(&data->matrix);
        free(data->times);
        data_contexts_clear(&data->contexts);
        feature_table_clear(&data->user_features);
        feature_table_clear(&data->item_features);
    }
    safetensors_close(data->file);
    provenance_clear(&data->provenance);
    free(data);
}

typedef struct event {
    uint32_t item;
    float weight;
    int64_t time;
} event;

static int by_item(const void *a, const void *b)
{
    const uint32_t left = ((const event *)a)->item, right = ((const event *)b)->item;
    return (left > right) - (left < right);
}

static bool row_ascends(const uint32_t *indices, uint64_t count)
{
    for (uint64_t at = 1; at < count; at++)
        if (indices[at] <= indices[at - 1])
            return false;
    return true;
}

/* Sorts every row by item; weights and times go along. */
static topn_status sort_rows(topn_context *context, sparse_matrix *matrix, int64_t *times)
{
    topn_status status = TOPN_OK;
    event *row = NULL;
    size_t capacity = 0;
    for (uint32_t user = 0; user < matrix->rows; user++) {
        const uint64_t begin = matrix->indptr[user], count = matrix->indptr[user + 1] - begin;
        if (row_ascends(matrix->indices + begin, count))
            continue;
        if (count > capacity) {
            capacity = 2 * count;
            TRY(RESIZE(context, capacity, &row));
        }
        for (uint64_t at = 0; at < count; at++)
            row[at] = (event){matrix->indices[begin + at], matrix->values[begin + at], times ? times[begin + at] : 0};
        qsort(row, count, sizeof *row, by_item);
        for (uint64_t at = 0; at < count; at++) {
            matrix->indices[begin + at] = row[at].item;
            matrix->values[begin + at] = row[at].weight;
            if (times)
                times[begin + at] = row[at].time;
        }
        if (!row_ascends(matrix->indices + begin, count)) {
            status = fail(context, TOPN_ERROR_INTERNAL, "row %" PRIu32 " holds an item twice", user);
            goto done;
        }
    }
done:
    free(row);
    return status;
}

void data_fingerprint(topn_data *data)
{
    const sparse_matrix *matrix = &data->matrix;
    const uint64_t events = matrix->indptr[matrix->rows];
    XXH64_hash_t parts[6] = {
        XXH3_64bits(matrix->indptr, ((size_t)matrix->rows + 1) * sizeof *matrix->indptr),
        XXH3_64bits(matrix->indices, events * sizeof *matrix->indices),
        XXH3_64bits(matrix->values, events * sizeof *matrix->values),
        data->times ? XXH3_64bits(data->times, events * sizeof *data->times) : 0,
        XXH3_64bits(data->user_ids.bytes, data->user_ids.offsets[data->user_ids.count]),
        XXH3_64bits(data->item_ids.bytes, data->item_ids.offsets[data->item_ids.count]),
    };
    uint64_t hash = XXH3_64bits(parts, sizeof parts);
    hash = data_contexts_hash(&data->contexts, hash);
    hash = feature_table_hash(&data->user_features, hash);
    if (data->item_features.names.count) /* the same features of users are others */
        hash = feature_table_hash(&data->item_features, ~hash);
    snprintf(data->fingerprint, sizeof data->fingerprint, "%016" PRIx64, hash);
}

topn_status data_index(topn_context *context, topn_data *data)
{
    topn_status status;
    TRY(id_index_create(context, &data->user_ids, &data->users_by_id));
    TRY(id_index_create(context, &data->item_ids, &data->items_by_id));
    TRY(data_contexts_index(context, &data->contexts));
    TRY(feature_table_index(context, &data->user_features));
    TRY(feature_table_index(context, &data->item_features));
done:
    return status;
}

topn_status data_assemble(topn_context *context, data_parts *parts, topn_data **out)
{
    topn_status status;
    *out = NULL;
    topn_data *data = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &data));
    TRY(sort_rows(context, &parts->matrix, parts->times));
    TRY(data_contexts_sort(context, &parts->contexts));
    data->matrix = parts->matrix;
    data->times = parts->times;
    data->has_weights = parts->has_weights;
    data->user_ids = parts->user_ids;
    data->item_ids = parts->item_ids;
    data->titles = parts->titles;
    data->contexts = parts->contexts;
    data->user_features = parts->user_features;
    data->item_features = parts->item_features;
    data->provenance = parts->provenance;
    *parts = (data_parts){0};
    TRY(data_index(context, data));
    TRY(data_contexts_check(context, &data->contexts, &data->matrix, "contexts"));
    TRY(feature_table_check(context, &data->user_features, data->matrix.rows, "user features"));
    TRY(feature_table_check(context, &data->item_features, data->matrix.columns, "item features"));
    data_fingerprint(data);
    *out = data;
    return TOPN_OK;
done:
    data_parts_clear(parts);
    topn_data_free(data);
    return status;
}

topn_status data_require_events(topn_context *context, const topn_data *data, const char *purpose)
{
    const data_provenance *story = &data->provenance;
    if (topn_data_events(data) > 0)
        return TOPN_OK;
    char rules[600] = "";
    size_t used = 0;
    for (size_t index = 0; index < story->dropped_count && used < sizeof rules; index++)
        used += (size_t)snprintf(rules + used, sizeof rules - used, ", %" PRIu64 " dropped (%s)",
                                 story->dropped[index].events, story->dropped[index].reason);
    if (story->rows_read == 0)
        return fail(context, TOPN_ERROR_DATA, "there are no events %s", purpose);
    return fail(context, TOPN_ERROR_DATA, "%s%sno events are left %s: %" PRIu64 " read, %" PRIu64 " merged%s",
                story->source ? story->source : "", story->source ? ": " : "", purpose, story->rows_read,
                story->duplicates, rules);
}

/* New index of every kept item, UINT32_MAX for the others; with their number and list. */
static topn_status number_items(topn_context *context, const topn_data *data, const data_selection *selection,
                                uint32_t **number, uint32_t **list, uint32_t *count)
{
    topn_status status;
    const uint32_t items = data->matrix.columns;
    *number = *list = NULL;
    *count = 0;
    TRY(ALLOCATE(context, items, number));
    TRY(ALLOCATE(context, items, list));
    for (uint32_t item = 0; item < items; item++) {
        const bool kept = !selection->keep_item || selection->keep_item[item];
        (*number)[item] = UINT32_MAX;
        if (!kept && selection->compact_items)
            continue;
        if (kept)
            (*number)[item] = *count;
        (*list)[(*count)++] = item;
    }
    return TOPN_OK;
done:
    free(*number);
    free(*list);
    *number = *list = NULL;
    return status;
}

topn_status data_select(topn_context *context, const topn_data *data, const data_selection *selection, topn_data **out)
{
    topn_status status;
    const sparse_matrix *from = &data->matrix;
    const uint32_t candidates = selection->users ? selection->user_count : from->rows;
    data_parts parts = {.has_weights = data->has_weights};
    uint32_t *number = NULL, *list = NULL, *users = NULL;
    uint32_t items = 0, kept_users = 0;
    *out = NULL;
    TRY(number_items(context, data, selection, &number, &list, &items));
    TRY(ALLOCATE(context, candidates, &users));
    uint64_t events = 0;
    for (uint32_t row = 0; row < candidates; row++) {
        const uint32_t user = selection->users ? selection->users[row] : row;
        events += from->indptr[user + 1] - from->indptr[user];
    }
    TRY(sparse_create(context, candidates, items, events, &parts.matrix));
    TRY(memory_copy_text(context, data->provenance.source, &parts.provenance.source));
    if (data->times)
        TRY(ALLOCATE(context, events, &parts.times));
    uint64_t to = 0;
    for (uint32_t row = 0; row < candidates; row++) {
        const uint32_t user = selection->users ? selection->users[row] : row;
        const uint64_t begin = to;
        for (uint64_t at = from->indptr[user]; at < from->indptr[user + 1]; at++) {
            if (number[from->indices[at]] == UINT32_MAX || (selection->keep_event && !selection->keep_event[at]))
                continue;
            parts.matrix.indices[to] = number[from->indices[at]];
            parts.matrix.values[to] = from->values[at];
            if (data->times)
                parts.times[to] = data->times[at];
            to++;
        }
        if (to == begin && selection->drop_empty_users)
            continue;
        users[kept_users++] = user;
        parts.matrix.indptr[kept_users] = to;
    }
    parts.matrix.rows = kept_users;
    TRY(RESIZE(context, (size_t)kept_users + 1, &parts.matrix.indptr));
    TRY(RESIZE(context, to, &parts.matrix.indices));
    TRY(RESIZE(context, to, &parts.matrix.values));
    if (parts.times)
        TRY(RESIZE(context, to, &parts.times));
    TRY(string_table_pick(context, &data->user_ids, users, kept_users, &parts.user_ids));
    TRY(string_table_pick(context, &data->item_ids, list, items, &parts.item_ids));
    if (data->titles.count)
        TRY(string_table_pick(context, &data->titles, list, items, &parts.titles));
    TRY(data_contexts_select(context, &data->contexts, users, number, &parts.matrix, &parts.contexts));
    TRY(feature_table_select(context, &data->user_features, users, kept_users, &parts.user_features));
    TRY(feature_table_select(context, &data->item_features, list, items, &parts.item_features));
    status = data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    free(number);
    free(list);
    free(users);
    return status;
}

size_t topn_data_fields(const topn_data *data)
{
    return data ? data->contexts.field_count : 0;
}

const char *topn_data_field_name(const topn_data *data, size_t field)
{
    return field < topn_data_fields(data) ? data->contexts.fields[field].name : NULL;
}

uint32_t topn_data_field_values(const topn_data *data, size_t field)
{
    return field < topn_data_fields(data) ? data->contexts.fields[field].values.count : 0;
}

uint32_t topn_data_contexts(const topn_data *data)
{
    return data ? data->contexts.events.rows : 0;
}

uint64_t topn_data_context_events(const topn_data *data)
{
    return topn_data_fields(data) ? data->contexts.events.indptr[data->contexts.events.rows] : 0;
}

double topn_data_field_missing(const topn_data *data, size_t field)
{
    if (field >= topn_data_fields(data))
        return NAN;
    const data_contexts *contexts = &data->contexts;
    const uint64_t events = topn_data_context_events(data);
    uint64_t missing = 0;
    for (uint32_t row = 0; row < contexts->events.rows; row++)
        if (contexts->values[row * contexts->field_count + field] == FIELD_MISSING)
            missing += contexts->events.indptr[row + 1] - contexts->events.indptr[row];
    return events ? (double)missing / (double)events : 0.0;
}

uint32_t topn_data_user_features(const topn_data *data)
{
    return data ? data->user_features.names.count : 0;
}

uint32_t topn_data_item_features(const topn_data *data)
{
    return data ? data->item_features.names.count : 0;
}

uint32_t topn_data_users(const topn_data *data)
{
    if (!data)
        return 0;
    return data->matrix.rows;
}

uint32_t topn_data_items(const topn_data *data)
{
    if (!data)
        return 0;
    return data->matrix.columns;
}

uint64_t topn_data_events(const topn_data *data)
{
    if (!data)
        return 0;
    return data->matrix.indptr[data->matrix.rows];
}

const char *topn_data_fingerprint(const topn_data *data)
{
    if (!data)
        return NULL;
    return data->fingerprint;
}

const char *topn_data_user_id(const topn_data *data, uint32_t user)
{
    if (!data)
        return NULL;
    return user < data->user_ids.count ? string_table_get(&data->user_ids, user) : NULL;
}

const char *topn_data_item_id(const topn_data *data, uint32_t item)
{
    if (!data)
        return NULL;
    return item < data->item_ids.count ? string_table_get(&data->item_ids, item) : NULL;
}

const char *topn_data_item_title(const topn_data *data, uint32_t item)
{
    if (!data)
        return NULL;
    if (item >= data->titles.count)
        return NULL;
    const char *title = string_table_get(&data->titles, item);
    return *title ? title : NULL;
}

bool topn_data_find_user(const topn_data *data, const char *id, uint32_t *out)
{
    if (!data)
        return false;
    return id_index_find(&data->users_by_id, id, out);
}

bool topn_data_find_item(const topn_data *data, const char *id, uint32_t *out)
{
    if (!data)
        return false;
    return id_index_find(&data->items_by_id, id, out);
}

size_t topn_data_history(const topn_data *data, uint32_t user, const uint32_t **items, const float **weights)
{
    const bool known = data && user < data->matrix.rows;
    const uint64_t begin = known ? data->matrix.indptr[user] : 0;
    if (items)
        *items = known ? data->matrix.indices + begin : NULL;
    if (weights)
        *weights = known ? data->matrix.values + begin : NULL;
    return known ? data->matrix.indptr[user + 1] - begin : 0;
}
