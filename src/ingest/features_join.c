/* SPDX-License-Identifier: Apache-2.0
 *
 * Features meet events: rows by id, and users or items that only the features know.
 */
#include "ingest/features.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ingest/fields.h"
#include "numeric/sparse.h"

enum { ALL, KNOWN }; /* choices of --feature-ids */

/* An id on its way into order. */
typedef struct place {
    uint64_t value; /* where all ids are whole numbers */
    const char *text;
    uint32_t origin; /* < known: place among the known ones, else known + place in the source */
} place;

static int by_id(const void *a, const void *b)
{
    const place *left = a, *right = b;
    if (left->value != right->value)
        return left->value < right->value ? -1 : 1;
    return strcmp(left->text, right->text);
}

typedef struct joined_ids {
    string_table ids;
    uint32_t *of_known;  /* [known] new place */
    uint32_t *of_source; /* [ids.count] row of the source, UINT32_MAX = none */
    uint32_t added;
} joined_ids;

static void joined_clear(joined_ids *joined)
{
    string_table_clear(&joined->ids);
    free(joined->of_known);
    free(joined->of_source);
}

/* Orders places as ids are ordered everywhere: by value when all are whole numbers, else by bytes. */
static void sort_places(place *places, uint32_t count)
{
    bool numeric = true;
    for (uint32_t at = 0; at < count && numeric; at++)
        numeric = parse_whole((const unsigned char *)places[at].text, strlen(places[at].text), &places[at].value);
    for (uint32_t at = 0; at < count && !numeric; at++)
        places[at].value = 0;
    qsort(places, count, sizeof *places, by_id);
}

/* Fills places with the known ids and those that only the source has. */
static topn_status collect(topn_context *context, const reader_params *params, const feature_source *features,
                           const string_table *known, const string_table *before, place *places, uint32_t *count)
{
    topn_status status;
    id_index known_index = {0}, before_index = {0};
    TRY(id_index_create(context, known, &known_index));
    if (before)
        TRY(id_index_create(context, before, &before_index));
    for (*count = 0; *count < known->count; ++*count)
        places[*count] = (place){0, string_table_get(known, *count), *count};
    for (uint32_t row = 0; row < features->ids.count && params->feature_ids == ALL; row++) {
        const char *id = string_table_get(&features->ids, row);
        if (id_index_find(&known_index, id, NULL) || (before && id_index_find(&before_index, id, NULL)))
            continue;
        places[(*count)++] = (place){0, id, known->count + row};
    }
done:
    id_index_clear(&known_index);
    id_index_clear(&before_index);
    return status;
}

static topn_status join_ids(topn_context *context, const reader_params *params, const feature_source *features,
                            const string_table *known, const string_table *before, joined_ids *out)
{
    topn_status status;
    place *places = NULL;
    const char **texts = NULL;
    id_index index = {0};
    uint32_t count;
    const uint64_t most = (uint64_t)known->count + features->ids.count;
    if (most >= UINT32_MAX)
        return fail(context, TOPN_ERROR_DATA, "%" PRIu64 " ids of events and features; at most 4294967294 are possible",
                    most);
    TRY(ALLOCATE(context, most, &places));
    TRY(ALLOCATE(context, most, &texts));
    TRY(ALLOCATE(context, known->count, &out->of_known));
    TRY(collect(context, params, features, known, before, places, &count));
    out->added = count - known->count;
    if (out->added > 0)
        sort_places(places, count);
    TRY(ALLOCATE(context, count, &out->of_source));
    TRY(id_index_create(context, &features->ids, &index));
    for (uint32_t at = 0; at < count; at++) {
        texts[at] = places[at].text;
        if (places[at].origin < known->count)
            out->of_known[places[at].origin] = at;
        if (!id_index_find(&index, texts[at], &out->of_source[at]))
            out->of_source[at] = UINT32_MAX;
    }
    status = string_table_create(context, texts, count, &out->ids);
done:
    free(places);
    free(texts);
    id_index_clear(&index);
    return status;
}

/* Rows of users to their new places, empty ones between. */
static topn_status move_users(topn_context *context, const joined_ids *joined, data_parts *parts)
{
    topn_status status;
    const sparse_matrix *from = &parts->matrix;
    const uint64_t events = from->indptr[from->rows];
    sparse_matrix to = {0};
    int64_t *times = NULL;
    TRY(sparse_create(context, joined->ids.count, from->columns, events, &to));
    if (parts->times)
        TRY(ALLOCATE(context, events, &times));
    memset(to.indptr, 0, ((size_t)to.rows + 1) * sizeof *to.indptr);
    for (uint32_t user = 0; user < from->rows; user++)
        to.indptr[joined->of_known[user] + 1] = from->indptr[user + 1] - from->indptr[user];
    for (uint32_t user = 0; user < to.rows; user++)
        to.indptr[user + 1] += to.indptr[user];
    for (uint32_t user = 0; user < from->rows; user++) {
        const uint64_t begin = from->indptr[user], count = from->indptr[user + 1] - begin;
        const uint64_t start = to.indptr[joined->of_known[user]];
        memcpy(to.indices + start, from->indices + begin, count * sizeof *to.indices);
        memcpy(to.values + start, from->values + begin, count * sizeof *to.values);
        if (times)
            memcpy(times + start, parts->times + begin, count * sizeof *times);
    }
    for (uint32_t row = 0; row < parts->contexts.events.rows; row++)
        parts->contexts.users[row] = joined->of_known[parts->contexts.users[row]];
    sparse_clear(&parts->matrix);
    free(parts->times);
    parts->matrix = to;
    parts->times = times;
    to = (sparse_matrix){0};
    times = NULL;
done:
    sparse_clear(&to);
    free(times);
    return status;
}

static void number_items(const joined_ids *joined, sparse_matrix *matrix)
{
    for (uint64_t at = 0; at < matrix->indptr[matrix->rows]; at++)
        matrix->indices[at] = joined->of_known[matrix->indices[at]];
    matrix->columns = joined->ids.count;
}

topn_status features_join(topn_context *context, const reader_params *params, const feature_source *features,
                          bool items, const string_table *before, data_parts *parts)
{
    topn_status status;
    string_table *ids = items ? &parts->item_ids : &parts->user_ids;
    feature_table *table = items ? &parts->item_features : &parts->user_features;
    joined_ids joined = {0};
    uint32_t with = 0;
    TRY(join_ids(context, params, features, ids, before, &joined));
    TRY(feature_table_select(context, &features->table, joined.of_source, joined.ids.count, table));
    if (joined.added > 0 && !items)
        TRY(move_users(context, &joined, parts));
    if (joined.added > 0 && items) {
        number_items(&joined, &parts->matrix);
        if (parts->contexts.field_count > 0)
            number_items(&joined, &parts->contexts.events);
    }
    for (uint32_t at = 0; at < joined.ids.count; at++)
        with += joined.of_source[at] != UINT32_MAX;
    log_line(context,
             "%s features: %" PRIu32 " of %" PRIu32 " %ss have some of %" PRIu32 "%s; %" PRIu32 " %ss have no event",
             items ? "item" : "user", with, joined.ids.count, items ? "item" : "user", table->names.count,
             features->ids.count - with ? "; ids unknown to the data were ignored" : "", joined.added,
             items ? "item" : "user");
    string_table_clear(ids);
    *ids = joined.ids;
    joined.ids = (string_table){0};
done:
    joined_clear(&joined);
    return status;
}
