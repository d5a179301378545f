/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/cases.h"

#include <inttypes.h>
#include <stdlib.h>

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

/* Rows `rows` [users] of data (NONE = an empty row) in the model's items. */
static topn_status map_rows(topn_context *context, const topn_model *model, const topn_data *data, const uint32_t *rows,
                            size_t users, item_rows *out)
{
    topn_status status;
    uint32_t *item_of = NULL;
    entry *row = NULL;
    *out = (item_rows){0};
    TRY(match_items(context, model, data, &item_of));
    uint64_t events = 0, longest = 0;
    for (size_t user = 0; user < users; user++) {
        if (rows[user] == NONE)
            continue;
        const uint64_t length = data->matrix.indptr[rows[user] + 1] - data->matrix.indptr[rows[user]];
        events += length;
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, users + 1, &out->indptr));
    TRY(ALLOCATE(context, events, &out->items));
    if (data->has_weights)
        TRY(ALLOCATE(context, events, &out->weights));
    TRY(ALLOCATE(context, longest, &row));
    uint64_t to = 0;
    out->indptr[0] = 0;
    for (size_t user = 0; user < users; user++) {
        size_t length = 0;
        const uint64_t begin = rows[user] == NONE ? 0 : data->matrix.indptr[rows[user]];
        const uint64_t end = rows[user] == NONE ? 0 : data->matrix.indptr[rows[user] + 1];
        for (uint64_t at = begin; at < end; at++) {
            const uint32_t item = item_of[data->matrix.indices[at]];
            if (item == NONE)
                out->unknown++;
            else
                row[length++] = (entry){item, data->matrix.values[at]};
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
    free(item_of);
    free(row);
    return status;
}

static void rows_clear(item_rows *rows)
{
    free(rows->indptr);
    free(rows->items);
    free(rows->weights);
    *rows = (item_rows){0};
}

/* The users to evaluate: those with hidden events that count, and with candidates when such are given. */
static topn_status choose_users(topn_context *context, const topn_model *model, const topn_data *hidden,
                                const topn_data *candidates, bool drop_unknown, evaluation_cases *cases)
{
    topn_status status;
    uint32_t *item_of = NULL;
    const uint32_t users = hidden->matrix.rows;
    uint64_t known_events = 0;
    TRY(match_items(context, model, hidden, &item_of));
    TRY(ALLOCATE(context, users, &cases->hidden_users));
    TRY(ALLOCATE(context, users, &cases->relevant));
    for (uint32_t user = 0; user < users; user++) {
        const uint64_t begin = hidden->matrix.indptr[user], end = hidden->matrix.indptr[user + 1];
        uint64_t known = 0;
        for (uint64_t at = begin; at < end; at++)
            known += item_of[hidden->matrix.indices[at]] != NONE;
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
            cases->relevant[cases->users++] = relevant;
        }
    }
    const uint64_t events = hidden->matrix.indptr[users];
    if (events == 0)
        status = fail(context, TOPN_ERROR_DATA, "nothing to evaluate: no user has a hidden event");
    else if (known_events == 0)
        status =
            fail(context, TOPN_ERROR_DATA,
                 "none of the %" PRIu64 " hidden events is on an item known to the model (\"%s\" is not, say): are "
                 "these the same ids?",
                 events, topn_data_item_id(hidden, hidden->matrix.indices[0]));
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

topn_status cases_create(topn_context *context, const topn_model *model, const topn_data *seen, const topn_data *hidden,
                         const topn_data *candidates, bool drop_unknown, evaluation_cases *out)
{
    topn_status status;
    uint32_t *rows = NULL;
    *out = (evaluation_cases){0};
    TRY(choose_users(context, model, hidden, candidates, drop_unknown, out));
    TRY(map_rows(context, model, hidden, out->hidden_users, out->users, &out->hidden));
    TRY(match_users(context, out, hidden, seen, &rows));
    TRY(map_rows(context, model, seen, rows, out->users, &out->seen));
    if (candidates) {
        free(rows);
        rows = NULL;
        TRY(match_users(context, out, hidden, candidates, &rows));
        TRY(map_rows(context, model, candidates, rows, out->users, &out->candidates));
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
    free(cases->hidden_users);
    free(cases->relevant);
    *cases = (evaluation_cases){0};
}
