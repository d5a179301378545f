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

static topn_status write_contexts(topn_context *context, file_writer *file, const topn_data *data)
{
    topn_status status;
    const data_contexts *contexts = &data->contexts;
    const uint64_t events = topn_data_context_events(data);
    context_place *order = NULL;
    TRY(data_context_order(context, data, &order));
    for (uint64_t index = 0; index < events; index++) {
        const uint64_t at = order[index].event;
        const uint32_t row = order[index].context;
        TRY(write_event(file, data, contexts->users[row], contexts->events.indices[at], contexts->events.values[at],
                        contexts->times ? contexts->times[at] : 0, contexts->values + row * contexts->field_count));
        if (index % 65536 == 0)
            TRY(progress_report(context, "write", "events", index, events, NAN));
    }
done:
    free(order);
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

static topn_status write_pairs(topn_context *context, file_writer *file, const topn_data *data)
{
    topn_status status = TOPN_OK;
    const uint32_t users = data->matrix.rows;
    for (uint32_t user = 0; user < users; user++) {
        TRY(write_user(file, data, user));
        if (user % 4096 == 0)
            TRY(progress_report(context, "write", "users", user, users, NAN));
    }
done:
    return status;
}

topn_status topn_data_write_text(topn_context *context, const topn_data *data, const char *path)
{
    if (!context || !data || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_write_text takes a context, data and a path");
    topn_status status;
    file_writer *file = NULL;
    TRY(file_create(context, path, &file));
    TRY(write_header(file, data));
    TRY((data->contexts.field_count > 0 ? write_contexts : write_pairs)(context, file, data));
    status = file_commit(file);
    file = NULL;
done:
    file_abandon(file);
    return status;
}
