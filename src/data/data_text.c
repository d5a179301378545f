/* SPDX-License-Identifier: Apache-2.0
 *
 * Data as text: a line per event, and per event of a context where events have one.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/interactions.h"

/* An id as a field: quoted where it holds a tab, a quote at its start or a line end. */
static topn_status write_field(file_writer *file, const char *text)
{
    topn_status status;
    if (!strpbrk(text, "\t\r\n") && text[0] != '"' && text[0] != ' ' && text[0] && text[strlen(text) - 1] != ' ')
        return file_write(file, text, strlen(text));
    TRY(file_write(file, "\"", 1));
    for (; *text; text++) {
        if (*text == '"')
            TRY(file_write(file, "\"", 1));
        TRY(file_write(file, text, 1));
    }
    TRY(file_write(file, "\"", 1));
done:
    return status;
}

/* The shortest decimal that reads back as the same float. */
static topn_status write_weight(file_writer *file, float value)
{
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return file_write(file, text, strlen(text));
}

/* values [fields] or NULL */
static topn_status write_event(file_writer *file, const topn_data *data, uint32_t user, uint32_t item, float weight,
                               int64_t time, const uint32_t *values)
{
    topn_status status;
    TRY(write_field(file, topn_data_user_id(data, user)));
    TRY(file_write(file, "\t", 1));
    TRY(write_field(file, topn_data_item_id(data, item)));
    if (data->has_weights) {
        TRY(file_write(file, "\t", 1));
        TRY(write_weight(file, weight));
    }
    if (data->times)
        TRY(file_print(file, "\t%" PRId64, time));
    for (size_t field = 0; values && field < data->contexts.field_count; field++) {
        TRY(file_write(file, "\t", 1));
        if (values[field] != FIELD_MISSING)
            TRY(write_field(file, string_table_get(&data->contexts.fields[field].values, values[field])));
    }
    status = file_write(file, "\n", 1);
done:
    return status;
}

/* Place of the item in the user's row. */
static uint64_t find_pair(const topn_data *data, uint32_t user, uint32_t item)
{
    uint64_t low = data->matrix.indptr[user], high = data->matrix.indptr[user + 1];
    while (low + 1 < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (data->matrix.indices[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Whether the event of a context is what its pair was merged to. */
static bool is_pair(const topn_data *data, uint64_t pair, uint64_t at)
{
    const data_contexts *contexts = &data->contexts;
    return contexts->events.values[at] == data->matrix.values[pair] &&
           (!data->times || contexts->times[at] == data->times[pair]);
}

/* The user's events by context. Of each pair, the one that the pair was merged to comes last, so that reading with the
 * rule "last" gives the pair again. last [longest history] is scratch. Moves *row to the next user's first context. */
static topn_status write_contexts(file_writer *file, const topn_data *data, uint32_t user, uint64_t *last,
                                  uint32_t *row)
{
    topn_status status = TOPN_OK;
    const data_contexts *contexts = &data->contexts;
    const uint64_t begin = data->matrix.indptr[user];
    const uint32_t first = *row;
    for (uint64_t pair = begin; pair < data->matrix.indptr[user + 1]; pair++)
        last[pair - begin] = UINT64_MAX;
    for (; *row < contexts->events.rows && contexts->users[*row] == user; ++*row) {
        for (uint64_t at = contexts->events.indptr[*row]; at < contexts->events.indptr[*row + 1]; at++) {
            const uint64_t pair = find_pair(data, user, contexts->events.indices[at]);
            if (is_pair(data, pair, at))
                last[pair - begin] = at;
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t context = first; context < *row; context++) {
            for (uint64_t at = contexts->events.indptr[context]; at < contexts->events.indptr[context + 1]; at++) {
                const uint32_t item = contexts->events.indices[at];
                if ((last[find_pair(data, user, item) - begin] == at) == (pass == 0))
                    continue;
                TRY(write_event(file, data, user, item, contexts->events.values[at],
                                contexts->times ? contexts->times[at] : 0,
                                contexts->values + context * contexts->field_count));
            }
        }
    }
done:
    return status;
}

static topn_status write_header(file_writer *file, const topn_data *data)
{
    topn_status status;
    TRY(file_print(file, "user\titem%s%s", data->has_weights ? "\tweight" : "", data->times ? "\ttimestamp" : ""));
    for (size_t field = 0; field < data->contexts.field_count; field++) {
        TRY(file_write(file, "\t", 1));
        TRY(write_field(file, data->contexts.fields[field].name));
    }
    status = file_write(file, "\n", 1);
done:
    return status;
}

static topn_status write_user(file_writer *file, const topn_data *data, uint32_t user)
{
    topn_status status = TOPN_OK;
    for (uint64_t at = data->matrix.indptr[user]; at < data->matrix.indptr[user + 1]; at++)
        TRY(write_event(file, data, user, data->matrix.indices[at], data->matrix.values[at],
                        data->times ? data->times[at] : 0, NULL));
done:
    return status;
}

topn_status topn_data_write_text(topn_context *context, const topn_data *data, const char *path)
{
    if (!context || !data || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_write_text takes a context, data and a path");
    topn_status status;
    file_writer *file = NULL;
    uint64_t *last = NULL, longest = 0;
    uint32_t row = 0;
    const uint32_t users = data->matrix.rows;
    for (uint32_t user = 0; user < users; user++) {
        const uint64_t length = data->matrix.indptr[user + 1] - data->matrix.indptr[user];
        longest = length > longest ? length : longest;
    }
    TRY(ALLOCATE(context, longest, &last));
    TRY(file_create(context, path, &file));
    TRY(write_header(file, data));
    for (uint32_t user = 0; user < users; user++) {
        if (data->contexts.field_count > 0)
            TRY(write_contexts(file, data, user, last, &row));
        else
            TRY(write_user(file, data, user));
        if (user % 4096 == 0)
            TRY(progress_report(context, "write", "users", user, users, NAN));
    }
    status = file_commit(file);
    file = NULL;
done:
    file_abandon(file);
    free(last);
    return status;
}
