/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/cases.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const uint32_t NONE = UINT32_MAX;

/* Model index of every item of `data`, NONE where the model does not know it. */
static topn_status match_items(topn_context *context, const topn_model *model, const topn_data *data, uint32_t **out)
{
    const topn_status status = ALLOCATE(context, data->item_ids.count, out);
    if (status != TOPN_OK)
        return status;
    for (uint32_t item = 0; item < data->item_ids.count; item++)
        if (!id_index_find(&model->items_by_id, string_table_get(&data->item_ids, item), &(*out)[item]))
            (*out)[item] = NONE;
    return TOPN_OK;
}

typedef struct entry {
    uint32_t item;
    float weight;
} entry;

static int by_item(const void *a, const void *b)
{
    const uint32_t left = ((const entry *)a)->item, right = ((const entry *)b)->item;
    return (left > right) - (left < right);
}

/* Rows `rows` [users] of a matrix (NONE = an empty row), whose columns are numbered anew by item_of (NONE = left out);
 * values: whether they say more than 1. */
static topn_status map_matrix(topn_context *context, const sparse_matrix *matrix, bool values, const uint32_t *item_of,
                              const uint32_t *rows, size_t users, item_rows *out)
{
    topn_status status;
    entry *row = NULL;
    *out = (item_rows){0};
    uint64_t events = 0, longest = 0;
    for (size_t user = 0; user < users; user++) {
        if (rows[user] == NONE)
            continue;
        const uint64_t length = matrix->indptr[rows[user] + 1] - matrix->indptr[rows[user]];
        events += length;
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, users + 1, &out->indptr));
    TRY(ALLOCATE(context, events, &out->items));
    if (values)
        TRY(ALLOCATE(context, events, &out->weights));
    TRY(ALLOCATE(context, longest, &row));
    uint64_t to = 0;
    out->indptr[0] = 0;
    for (size_t user = 0; user < users; user++) {
        size_t length = 0;
        const uint64_t begin = rows[user] == NONE ? 0 : matrix->indptr[rows[user]];
        const uint64_t end = rows[user] == NONE ? 0 : matrix->indptr[rows[user] + 1];
        for (uint64_t at = begin; at < end; at++) {
            const uint32_t item = item_of[matrix->indices[at]];
            if (item == NONE)
                out->unknown++;
            else
                row[length++] = (entry){item, matrix->values ? matrix->values[at] : 1.0f};
        }
        qsort(row, length, sizeof *row, by_item);
        for (size_t index = 0; index < length; index++, to++) {
            out->items[to] = row[index].item;
            if (out->weights)
                out->weights[to] = row[index].weight;
        }
        out->indptr[user + 1] = to;
    }
done:
    free(row);
    return status;
}

/* The same of the data's events (of users, or of contexts) in the model's items. */
static topn_status map_rows(topn_context *context, const topn_model *model, const topn_data *data, bool contexts,
                            const uint32_t *rows, size_t users, item_rows *out)
{
    topn_status status;
    uint32_t *item_of = NULL;
    TRY(match_items(context, model, data, &item_of));
    TRY(map_matrix(context, contexts ? &data->contexts.events : &data->matrix, data->has_weights, item_of, rows, users,
                   out));
done:
    free(item_of);
    return status;
}

static void rows_clear(item_rows *rows)
{
    free(rows->indptr);
    free(rows->items);
    free(rows->weights);
    *rows = (item_rows){0};
}

/* The users to evaluate, or their contexts: those with hidden events that count, and with candidates when such are
 * given. */
static topn_status choose_users(topn_context *context, const topn_model *model, const topn_data *hidden,
                                const topn_data *candidates, bool drop_unknown, evaluation_cases *cases)
{
    topn_status status;
    uint32_t *item_of = NULL;
    const sparse_matrix *matrix = cases->contexts ? &hidden->contexts.events : &hidden->matrix;
    const uint32_t users = hidden->matrix.rows;
    uint64_t known_events = 0;
    TRY(match_items(context, model, hidden, &item_of));
    TRY(ALLOCATE(context, matrix->rows, &cases->hidden_users));
    TRY(ALLOCATE(context, matrix->rows, &cases->hidden_rows));
    TRY(ALLOCATE(context, matrix->rows, &cases->relevant));
    for (uint32_t place = 0; place < matrix->rows; place++) {
        const uint32_t user = cases->contexts ? hidden->contexts.users[place] : place;
        const uint64_t begin = matrix->indptr[place], end = matrix->indptr[place + 1];
        uint64_t known = 0;
        for (uint64_t at = begin; at < end; at++)
            known += item_of[matrix->indices[at]] != NONE;
        known_events += known;
        const uint64_t relevant = drop_unknown ? known : end - begin;
        uint32_t row;
        if (relevant == 0) {
            cases->without_hidden++;
        } else if (candidates && (!topn_data_find_user(candidates, topn_data_user_id(hidden, user), &row) ||
                                  candidates->matrix.indptr[row + 1] == candidates->matrix.indptr[row])) {
            cases->without_candidates++;
        } else {
            cases->hidden_users[cases->users] = user;
            cases->hidden_rows[cases->users] = place;
            cases->relevant[cases->users++] = relevant;
        }
    }
    const uint64_t events = matrix->indptr[matrix->rows];
    if (events == 0)
        status = fail(context, TOPN_ERROR_DATA, "nothing to evaluate: no user has a hidden event");
    else if (known_events == 0)
        status =
            fail(context, TOPN_ERROR_DATA,
                 "none of the %" PRIu64 " hidden events is on an item known to the model (\"%s\" is not, say): are "
                 "these the same ids?",
                 events, topn_data_item_id(hidden, matrix->indices[0]));
    else if (cases->users == 0)
        status = fail(context, TOPN_ERROR_DATA,
                      "none of the %" PRIu32 " users with hidden events has candidates: are these the same user ids?",
                      users);
done:
    free(item_of);
    return status;
}

/* Row of every evaluated user in `data`, NONE for those it does not hold. */
static topn_status match_users(topn_context *context, const evaluation_cases *cases, const topn_data *hidden,
                               const topn_data *data, uint32_t **out)
{
    const topn_status status = ALLOCATE(context, cases->users, out);
    if (status != TOPN_OK)
        return status;
    for (size_t user = 0; user < cases->users; user++)
        if (!topn_data_find_user(data, topn_data_user_id(hidden, cases->hidden_users[user]), &(*out)[user]))
            (*out)[user] = NONE;
    return TOPN_OK;
}

static void count_overlap(evaluation_cases *cases)
{
    const item_rows *hidden = &cases->hidden, *seen = &cases->seen;
    for (size_t user = 0; user < cases->users; user++) {
        uint64_t a = hidden->indptr[user], b = seen->indptr[user];
        cases->without_seen += seen->indptr[user + 1] == b;
        while (a < hidden->indptr[user + 1] && b < seen->indptr[user + 1]) {
            cases->hidden_and_seen += hidden->items[a] == seen->items[b];
            if (hidden->items[a] <= seen->items[b])
                a++;
            else
                b++;
        }
    }
}

/* Users of the model by id. */
static topn_status match_model_users(topn_context *context, const topn_model *model, const topn_data *hidden,
                                     evaluation_cases *cases)
{
    const topn_status status = ALLOCATE(context, cases->users, &cases->model_users);
    if (status != TOPN_OK)
        return status;
    for (size_t place = 0; place < cases->users; place++) {
        uint32_t *found = &cases->model_users[place];
        if (!topn_model_find_user(model, topn_data_user_id(hidden, cases->hidden_users[place]), found))
            *found = NONE;
    }
    return TOPN_OK;
}

/* What the model's field `field` is told of each case: values of the data's field of that name, matched by text. */
static topn_status match_field(topn_context *context, const topn_model *model, const data_contexts *contexts,
                               size_t field, evaluation_cases *cases)
{
    uint32_t *value_of = NULL;
    size_t column = 0;
    const size_t fields = topn_model_fields(model);
    const char *name = topn_model_field_name(model, field);
    while (column < contexts->field_count && strcmp(contexts->fields[column].name, name) != 0)
        column++;
    if (column == contexts->field_count)
        return TOPN_OK;
    const string_table *values = &contexts->fields[column].values;
    const topn_status status = ALLOCATE(context, values->count, &value_of);
    if (status != TOPN_OK)
        return status;
    for (uint32_t value = 0; value < values->count; value++)
        if (!topn_model_find_value(model, field, string_table_get(values, value), &value_of[value]))
            value_of[value] = FIELD_MISSING;
    for (size_t place = 0; place < cases->users; place++) {
        const uint32_t value = contexts->values[cases->hidden_rows[place] * contexts->field_count + column];
        cases->values[place * fields + field] = value == FIELD_MISSING ? FIELD_MISSING : value_of[value];
    }
    free(value_of);
    return TOPN_OK;
}

static topn_status match_contexts(topn_context *context, const topn_model *model, const topn_data *hidden,
                                  evaluation_cases *cases)
{
    topn_status status = TOPN_OK;
    const size_t fields = topn_model_fields(model);
    if (!cases->contexts || fields == 0)
        return TOPN_OK;
    TRY(ALLOCATE(context, cases->users * fields, &cases->values));
    for (size_t at = 0; at < cases->users * fields; at++)
        cases->values[at] = FIELD_MISSING;
    for (size_t field = 0; field < fields; field++)
        TRY(match_field(context, model, &hidden->contexts, field, cases));
done:
    return status;
}

/* Features of the users, by name, from the seen data; rows [users] of these. */
static topn_status match_features(topn_context *context, const topn_model *model, const topn_data *seen,
                                  const uint32_t *rows, evaluation_cases *cases)
{
    topn_status status = TOPN_OK;
    uint32_t *feature_of = NULL;
    const feature_table *table = &seen->user_features;
    if (!table->names.count || !model_user_field(model))
        return TOPN_OK;
    TRY(ALLOCATE(context, table->names.count, &feature_of));
    for (uint32_t feature = 0; feature < table->names.count; feature++)
        if (!topn_model_find_feature(model, string_table_get(&table->names, feature), &feature_of[feature]))
            feature_of[feature] = NONE;
    TRY(map_matrix(context, &table->rows, true, feature_of, rows, cases->users, &cases->features));
done:
    free(feature_of);
    return status;
}

topn_status cases_create(topn_context *context, const topn_model *model, const topn_data *seen, const topn_data *hidden,
                         const topn_data *candidates, bool drop_unknown, bool contexts, evaluation_cases *out)
{
    topn_status status;
    uint32_t *rows = NULL;
    *out = (evaluation_cases){.contexts = contexts};
    TRY(choose_users(context, model, hidden, candidates, drop_unknown, out));
    TRY(map_rows(context, model, hidden, contexts, out->hidden_rows, out->users, &out->hidden));
    TRY(match_model_users(context, model, hidden, out));
    TRY(match_contexts(context, model, hidden, out));
    TRY(match_users(context, out, hidden, seen, &rows));
    TRY(map_rows(context, model, seen, false, rows, out->users, &out->seen));
    TRY(match_features(context, model, seen, rows, out));
    if (candidates) {
        free(rows);
        rows = NULL;
        TRY(match_users(context, out, hidden, candidates, &rows));
        TRY(map_rows(context, model, candidates, false, rows, out->users, &out->candidates));
    }
    count_overlap(out);
done:
    free(rows);
    if (status != TOPN_OK)
        cases_clear(out);
    return status;
}

void cases_clear(evaluation_cases *cases)
{
    rows_clear(&cases->hidden);
    rows_clear(&cases->seen);
    rows_clear(&cases->candidates);
    rows_clear(&cases->features);
    free(cases->hidden_users);
    free(cases->hidden_rows);
    free(cases->model_users);
    free(cases->values);
    free(cases->relevant);
    *cases = (evaluation_cases){0};
}
