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

/* The lowest format that tells all: programs before contexts and features read up to 2, those that forget what was
 * scaled up to 3. */
enum { PLAIN_FORMAT = 1, CONTEXT_FORMAT = 3, UNSCALED_FORMAT = 4 };
enum { DATA_TENSORS = 48 + 2 * MOST_FIELDS, ARRAY_NAME = 48 };

#define DROP_PREFIX "data.dropped."

static topn_status describe(topn_context *context, const topn_data *data, record *out)
{
    topn_status status;
    const data_provenance *from = &data->provenance;
    const bool plain =
        data->contexts.field_count == 0 && data->user_features.names.count == 0 && data->item_features.names.count == 0;
    TRY(record_set(context, out, "topn.format", "%d",
                   data->item_features.unscaled ? UNSCALED_FORMAT
                   : plain                      ? PLAIN_FORMAT
                                                : CONTEXT_FORMAT));
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

/* Names of the arrays of a field's values. */
typedef struct field_arrays {
    char text[2][ARRAY_NAME];
    const char *names[2];
} field_arrays;

static void name_arrays(size_t field, field_arrays *out)
{
    snprintf(out->text[0], ARRAY_NAME, "context_values.%zu.offsets", field);
    snprintf(out->text[1], ARRAY_NAME, "context_values.%zu.bytes", field);
    out->names[0] = out->text[0];
    out->names[1] = out->text[1];
}

/* names is made here and cleared by the caller; arrays [MOST_FIELDS] holds names until the file is written. */
static topn_status add_contexts(topn_context *context, const data_contexts *contexts, string_table *names,
                                field_arrays *arrays, tensor_list *list)
{
    topn_status status;
    const char *texts[MOST_FIELDS];
    if (contexts->field_count == 0)
        return TOPN_OK;
    const uint64_t count = contexts->events.rows, events = contexts->events.indptr[count];
    for (size_t field = 0; field < contexts->field_count; field++)
        texts[field] = contexts->fields[field].name;
    TRY(string_table_create(context, texts, (uint32_t)contexts->field_count, names));
    stored_add_strings(list, STORED_STRINGS("context_fields"), names);
    for (size_t field = 0; field < contexts->field_count; field++) {
        name_arrays(field, &arrays[field]);
        stored_add_strings(list, arrays[field].names, &contexts->fields[field].values);
    }
    stored_add(list, "contexts.users", TENSOR_U32, count, contexts->users);
    stored_add(list, "contexts.values", TENSOR_U32, count * contexts->field_count, contexts->values);
    stored_add_sparse(list, STORED_SPARSE("contexts.events"), &contexts->events);
    if (contexts->times)
        stored_add(list, "contexts.times", TENSOR_I64, events, contexts->times);
done:
    return status;
}

static void add_features(const char *const names[2], const char *const rows[3], const feature_table *features,
                         tensor_list *list)
{
    if (features->names.count == 0)
        return;
    stored_add_strings(list, names, &features->names);
    stored_add_sparse(list, rows, &features->rows);
}

topn_status topn_data_save(topn_context *context, const topn_data *data, const char *path)
{
    topn_status status;
    record metadata = {0};
    tensor tensors[DATA_TENSORS];
    tensor_list list = {.tensors = tensors};
    string_table fields = {0};
    field_arrays arrays[MOST_FIELDS];
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
    TRY(add_contexts(context, &data->contexts, &fields, arrays, &list));
    add_features(STORED_STRINGS("user_feature_names"), STORED_SPARSE("user_features"), &data->user_features, &list);
    add_features(STORED_STRINGS("item_feature_names"), STORED_SPARSE("item_features"), &data->item_features, &list);
    if (data->item_features.unscaled)
        stored_add(&list, "item_features.unscaled", TENSOR_F32,
                   data->item_features.rows.indptr[data->item_features.rows.rows], data->item_features.unscaled);
    TRY(safetensors_write(context, path, tensors, list.count, &metadata));
done:
    string_table_clear(&fields);
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

static topn_status load_contexts(topn_context *context, const safetensors_file *file, const topn_data *data,
                                 data_contexts *out)
{
    topn_status status = TOPN_OK;
    string_table names;
    field_arrays arrays;
    const tensor *users, *values, *times;
    char what[512];
    if (!safetensors_find(file, "context_fields.offsets"))
        return TOPN_OK;
    TRY(stored_strings(context, file, STORED_STRINGS("context_fields"), &names));
    if (names.count == 0 || names.count > MOST_FIELDS)
        return fail(context, TOPN_ERROR_FORMAT, "%s: %" PRIu32 " context_fields; 1 to %d are possible",
                    safetensors_path(file), names.count, MOST_FIELDS);
    TRY(ALLOCATE_ZEROED(context, names.count, &out->fields));
    out->field_count = names.count;
    for (size_t field = 0; field < names.count; field++) {
        name_arrays(field, &arrays);
        TRY(memory_copy_text(context, string_table_get(&names, (uint32_t)field), &out->fields[field].name));
        TRY(stored_strings(context, file, arrays.names, &out->fields[field].values));
    }
    TRY(stored_sparse(context, file, STORED_SPARSE("contexts.events"), data->matrix.columns, true, &out->events));
    const uint64_t count = out->events.rows;
    TRY(safetensors_require(context, file, "contexts.users", TENSOR_U32, count, &users));
    TRY(safetensors_require(context, file, "contexts.values", TENSOR_U32, count * names.count, &values));
    out->users = (uint32_t *)users->bytes;
    out->values = (uint32_t *)values->bytes;
    snprintf(what, sizeof what, "%s: array contexts.events", safetensors_path(file));
    TRY(data_contexts_check(context, out, &data->matrix, what));
    if (data->times) {
        TRY(safetensors_require(context, file, "contexts.times", TENSOR_I64, out->events.indptr[count], &times));
        out->times = (int64_t *)times->bytes;
    }
done:
    return status;
}

static topn_status load_features(topn_context *context, const safetensors_file *file, const char *const names[2],
                                 const char *const rows[3], uint32_t entities, feature_table *out)
{
    topn_status status;
    char what[512];
    if (!safetensors_find(file, names[0]))
        return TOPN_OK;
    TRY(stored_strings(context, file, names, &out->names));
    TRY(stored_sparse(context, file, rows, out->names.count, true, &out->rows));
    snprintf(what, sizeof what, "%s: array %s", safetensors_path(file), rows[0]);
    TRY(feature_table_check(context, out, entities, what));
done:
    return status;
}

/* The items' numbers before they were scaled. */
static topn_status load_unscaled(topn_context *context, const safetensors_file *file, feature_table *out)
{
    topn_status status;
    const tensor *unscaled;
    char what[512];
    if (!out->names.count || !safetensors_find(file, "item_features.unscaled"))
        return TOPN_OK;
    TRY(safetensors_require(context, file, "item_features.unscaled", TENSOR_F32, out->rows.indptr[out->rows.rows],
                            &unscaled));
    out->unscaled = (float *)unscaled->bytes;
    snprintf(what, sizeof what, "%s: array item_features", safetensors_path(file));
    TRY(feature_table_check(context, out, out->rows.rows, what));
done:
    return status;
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
    TRY(load_contexts(context, file, data, &data->contexts));
    TRY(load_features(context, file, STORED_STRINGS("user_feature_names"), STORED_SPARSE("user_features"),
                      data->matrix.rows, &data->user_features));
    TRY(load_features(context, file, STORED_STRINGS("item_feature_names"), STORED_SPARSE("item_features"),
                      data->matrix.columns, &data->item_features));
    TRY(load_unscaled(context, file, &data->item_features));
    TRY(data_index(context, data));
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
