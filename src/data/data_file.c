/* SPDX-License-Identifier: Apache-2.0 */
#include "data/interactions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/stored.h"
#include "numeric/sparse.h"

static const char *const booleans[] = {"false", "true"};

enum { DATA_TENSORS = 16 };

#define DROP_PREFIX "data.dropped."

static topn_status describe(topn_context *context, const topn_data *data, record *out)
{
    topn_status status;
    const data_provenance *from = &data->provenance;
    TRY(record_set(context, out, "topn.format", "1"));
    TRY(record_set(context, out, "topn.kind", "data"));
    TRY(record_set(context, out, "topn.version", "%s", topn_version()));
    TRY(record_set(context, out, "topn.has_weights", "%s", booleans[data->has_weights]));
    if (from->source)
        TRY(record_set(context, out, "data.source", "%s", from->source));
    if (from->format)
        TRY(record_set(context, out, "data.format", "%s", from->format));
    if (from->columns)
        TRY(record_set(context, out, "data.columns", "%s", from->columns));
    TRY(record_set(context, out, "data.fingerprint", "%s", data->fingerprint));
    TRY(record_set(context, out, "data.users", "%" PRIu32, data->matrix.rows));
    TRY(record_set(context, out, "data.items", "%" PRIu32, data->matrix.columns));
    TRY(record_set(context, out, "data.events", "%" PRIu64, topn_data_events(data)));
    TRY(record_set(context, out, "data.rows_read", "%" PRIu64, from->rows_read));
    TRY(record_set(context, out, "data.duplicates", "%" PRIu64, from->duplicates));
    for (size_t index = 0; index < from->dropped_count; index++) {
        char key[256];
        snprintf(key, sizeof key, DROP_PREFIX "%s", from->dropped[index].reason);
        TRY(record_set(context, out, key, "%" PRIu64, from->dropped[index].events));
    }
done:
    return status;
}

topn_status topn_data_save(topn_context *context, const topn_data *data, const char *path)
{
    topn_status status;
    record metadata = {0};
    tensor tensors[DATA_TENSORS];
    tensor_list list = {.tensors = tensors};
    if (!data || !path)
        return fail(context, TOPN_ERROR_ARGUMENT, "topn_data_save takes data and a path");
    TRY(describe(context, data, &metadata));
    stored_add_sparse(&list, STORED_SPARSE("events"), &data->matrix);
    if (data->times)
        stored_add(&list, "events.times", TENSOR_I64, topn_data_events(data), data->times);
    stored_add_strings(&list, STORED_STRINGS("user_ids"), &data->user_ids);
    stored_add_strings(&list, STORED_STRINGS("item_ids"), &data->item_ids);
    if (data->titles.count)
        stored_add_strings(&list, STORED_STRINGS("titles"), &data->titles);
    TRY(safetensors_write(context, path, tensors, list.count, &metadata));
done:
    record_clear(&metadata);
    return status;
}

static topn_status load_provenance(topn_context *context, const safetensors_file *file, data_provenance *out)
{
    topn_status status;
    const record *metadata = safetensors_metadata(file);
    TRY(memory_copy_text(context, record_get(metadata, "data.source"), &out->source));
    TRY(memory_copy_text(context, record_get(metadata, "data.format"), &out->format));
    TRY(memory_copy_text(context, record_get(metadata, "data.columns"), &out->columns));
    TRY(stored_count(context, file, "data.rows_read", &out->rows_read));
    TRY(stored_count(context, file, "data.duplicates", &out->duplicates));
    for (size_t index = 0; index < metadata->count && out->dropped_count < DROP_REASONS; index++) {
        const char *key = metadata->entries[index].key;
        if (strncmp(key, DROP_PREFIX, strlen(DROP_PREFIX)) != 0)
            continue;
        topn_dropped *dropped = &out->dropped[out->dropped_count++];
        dropped->reason = key + strlen(DROP_PREFIX); /* lives as long as the file, thus as the data */
        TRY(stored_count(context, file, key, &dropped->events));
    }
done:
    return status;
}

/* What safetensors_open cannot know: how the arrays belong together. */
static topn_status check(topn_context *context, const topn_data *data, const char *path)
{
    const sparse_matrix *matrix = &data->matrix;
    if (matrix->rows != data->user_ids.count || (data->titles.count && data->titles.count != matrix->columns))
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: %" PRIu32 " user ids and %" PRIu32 " titles for %" PRIu32 " × %" PRIu32 " events", path,
                    data->user_ids.count, data->titles.count, matrix->rows, matrix->columns);
    char what[512];
    snprintf(what, sizeof what, "%s: array events", path);
    const topn_status status = sparse_check(context, matrix, what);
    if (status != TOPN_OK)
        return status;
    for (uint64_t at = 0; at < matrix->indptr[matrix->rows]; at++)
        if (matrix->values[at] < 0)
            return fail(context, TOPN_ERROR_FORMAT, "%s: array events.values: weight %" PRIu64 " is negative (%g)",
                        path, at, (double)matrix->values[at]);
    return TOPN_OK;
}

static topn_status load(topn_context *context, const char *path, topn_data *data)
{
    topn_status status;
    const safetensors_file *file = data->file;
    const tensor *times;
    int has_weights;
    TRY(stored_kind(context, file, "data"));
    TRY(stored_choice(context, file, "topn.has_weights", booleans, 2, &has_weights));
    data->has_weights = has_weights;
    TRY(stored_strings(context, file, STORED_STRINGS("user_ids"), &data->user_ids));
    TRY(stored_strings(context, file, STORED_STRINGS("item_ids"), &data->item_ids));
    if (safetensors_find(file, "titles.offsets"))
        TRY(stored_strings(context, file, STORED_STRINGS("titles"), &data->titles));
    TRY(stored_sparse(context, file, STORED_SPARSE("events"), data->item_ids.count, true, &data->matrix));
    TRY(check(context, data, path));
    if (safetensors_find(file, "events.times")) {
        TRY(safetensors_require(context, file, "events.times", TENSOR_I64, topn_data_events(data), &times));
        data->times = (int64_t *)times->bytes;
    }
    TRY(load_provenance(context, file, &data->provenance));
    TRY(id_index_create(context, &data->user_ids, &data->users_by_id));
    TRY(id_index_create(context, &data->item_ids, &data->items_by_id));
    data_fingerprint(data);
    const char *stated;
    TRY(stored_text(context, file, "data.fingerprint", &stated));
    if (strcmp(stated, data->fingerprint) != 0)
        status = fail(context, TOPN_ERROR_FORMAT, "%s: the fingerprint of the data is %s, not %.40s", path,
                      data->fingerprint, stated);
done:
    return status;
}

topn_status data_open(topn_context *context, const char *path, topn_data **out)
{
    topn_status status;
    topn_data *data = NULL;
    safetensors_file *file = NULL;
    *out = NULL;
    TRY(safetensors_open(context, path, true, &file));
    TRY(ALLOCATE_ZEROED(context, 1, &data));
    data->file = file;
    file = NULL;
    TRY(load(context, path, data));
    *out = data;
    return TOPN_OK;
done:
    safetensors_close(file);
    topn_data_free(data);
    return status;
}
