/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/stored.h"

enum { FORMAT = 1, NAME_SIZE = sizeof((state_array *)0)->name + 8, OTHER_ARRAYS = 2 };

/* Array names are lent to tensors, so they live here. */
typedef struct array_names {
    char (*state)[NAME_SIZE], (*best)[NAME_SIZE]; /* [arrays] "state.users", "best.users" */
} array_names;

static void names_clear(array_names *names)
{
    free(names->state);
    free(names->best);
}

static topn_status names_create(topn_context *context, const iterated *trained, array_names *out)
{
    topn_status status;
    TRY(ALLOCATE(context, trained->array_count, &out->state));
    TRY(ALLOCATE(context, trained->array_count, &out->best));
    for (size_t index = 0; index < trained->array_count; index++) {
        snprintf(out->state[index], NAME_SIZE, "state.%s", trained->arrays[index].name);
        snprintf(out->best[index], NAME_SIZE, "best.%s", trained->arrays[index].name);
    }
done:
    return status;
}

topn_status history_room(topn_context *context, int64_t count, int64_t *room, double **values)
{
    if (count <= *room)
        return TOPN_OK;
    const int64_t wanted = count > 2 * *room ? count : 2 * *room;
    const topn_status status = RESIZE(context, (size_t)wanted, values);
    if (status == TOPN_OK)
        *room = wanted;
    return status;
}

/* ---- Which training it is ---------------------------------------------------------------------------------------- */

/* Metadata that two parts of one training share: not how far it goes nor where its checkpoints lie. */
static bool is_identity(const char *key)
{
    static const char *const keys[] = {"topn.version", "data.fingerprint",  "method",
                                       "seed",         "validation.metric", "validation.fingerprint"};
    static const char *const free_options[] = {"sweeps", "checkpoint", "checkpoint-every", "resume"};
    static const char prefix[] = "option.";
    const size_t length = sizeof prefix - 1;
    if (strncmp(key, prefix, length) != 0) {
        for (size_t index = 0; index < sizeof keys / sizeof *keys; index++)
            if (strcmp(key, keys[index]) == 0)
                return true;
        return false;
    }
    for (size_t index = 0; index < sizeof free_options / sizeof *free_options; index++)
        if (strcmp(key + length, free_options[index]) == 0)
            return false;
    return true;
}

topn_status training_identity(topn_context *context, const topn_data *data, const topn_model *model,
                              const training_run *run, record *out)
{
    topn_status status;
    TRY(record_set(context, out, "data.fingerprint", "%s", data->fingerprint));
    for (size_t index = 0; index < model->metadata.count; index++) {
        const record_entry *entry = &model->metadata.entries[index];
        if (is_identity(entry->key))
            TRY(record_set(context, out, entry->key, "%s", entry->value));
    }
    if (run && run->validator) {
        const char *fingerprint = run->validator->fingerprint;
        TRY(record_set(context, out, "validation.metric", "%s", run->validator->metric));
        TRY(record_set(context, out, "validation.fingerprint", "%s", fingerprint ? fingerprint : ""));
    }
done:
    return status;
}

/* The line for a value of the file (NULL: none) that is not this training's (NULL: none). */
static topn_status differs(topn_context *context, const char *path, const char *key, const char *old, const char *new)
{
    static const char tail[] = "go on as it began, or name another --checkpoint";
    const char *option = strncmp(key, "option.", 7) == 0 ? key + 7 : strcmp(key, "seed") == 0 ? "seed" : NULL;
    if (option)
        return fail(context, TOPN_ERROR_OPTION,
                    "%s: checkpoint of another training: --%s was \"%.200s\", not \"%.200s\"; %s", path, option,
                    old ? old : "", new ? new : "", tail);
    if (strcmp(key, "data.fingerprint") == 0)
        return fail(context, TOPN_ERROR_DATA, "%s: checkpoint of other data: fingerprint %s, not %s; %s", path,
                    old ? old : "unknown", new ? new : "unknown", tail);
    if (strncmp(key, "validation.", 11) == 0)
        return fail(context, TOPN_ERROR_DATA,
                    "%s: checkpoint of a training with other validation: its %s was %s, not %s; %s", path, key + 11,
                    old ? old : "none", new ? new : "none", tail);
    return fail(context, TOPN_ERROR_DATA, "%s: checkpoint of another training: %s was %s, not %s; %s", path, key,
                old ? old : "unknown", new ? new : "unknown", tail);
}

static topn_status check_identity(topn_context *context, const safetensors_file *file, const record *ours)
{
    topn_status status = TOPN_OK;
    const record *theirs = safetensors_metadata(file);
    const char *path = safetensors_path(file);
    const char *trained = record_get(theirs, "method"), *wanted = record_get(ours, "method");
    if (!trained || !wanted || strcmp(trained, wanted) != 0)
        return differs(context, path, "method", trained, wanted);
    for (size_t index = 0; index < ours->count; index++) {
        const record_entry *entry = &ours->entries[index];
        const char *old = record_get(theirs, entry->key);
        if (!old || strcmp(old, entry->value) != 0)
            TRY(differs(context, path, entry->key, old, entry->value));
    }
    for (size_t index = 0; index < theirs->count; index++)
        if (is_identity(theirs->entries[index].key) && !record_get(ours, theirs->entries[index].key))
            TRY(differs(context, path, theirs->entries[index].key, theirs->entries[index].value, NULL));
done:
    return status;
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static void add_numbers(tensor_list *list, const char *name, int64_t count, const double *values)
{
    stored_add(list, name, TENSOR_F64, (uint64_t)count, values);
}

topn_status checkpoint_write(topn_context *context, const char *path, const record *identity, const iterated *trained,
                             const iteration_history *history, bool best_is_last)
{
    topn_status status;
    record metadata = {0};
    array_names names = {0};
    tensor_list list = {0};
    TRY(names_create(context, trained, &names));
    TRY(ALLOCATE(context, 2 * trained->array_count + OTHER_ARRAYS, &list.tensors));
    add_numbers(&list, "losses", history->sweeps, history->losses);
    if (history->judged)
        add_numbers(&list, "metrics", history->judged, history->metrics);
    for (size_t index = 0; index < trained->array_count; index++) {
        const state_array *array = &trained->arrays[index];
        stored_add_matrix(&list, names.state[index], array->rows, array->columns, array->values);
        if (history->judged && !best_is_last)
            stored_add_matrix(&list, names.best[index], array->rows, array->columns, history->best_values[index]);
    }
    TRY(record_set(context, &metadata, "topn.format", "%d", FORMAT));
    TRY(record_set(context, &metadata, "topn.kind", "checkpoint"));
    for (size_t index = 0; index < identity->count; index++)
        TRY(record_set(context, &metadata, identity->entries[index].key, "%s", identity->entries[index].value));
    TRY(safetensors_write(context, path, list.tensors, list.count, &metadata));
done:
    free(list.tensors);
    names_clear(&names);
    record_clear(&metadata);
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static topn_status read_numbers(topn_context *context, const safetensors_file *file, const char *name, int64_t *count,
                                int64_t *room, double **out)
{
    topn_status status;
    const tensor *found;
    TRY(safetensors_require(context, file, name, TENSOR_F64, UINT64_MAX, &found));
    const uint64_t length = tensor_bytes(found) / sizeof **out;
    const double *values = found->bytes;
    for (uint64_t index = 0; index < length; index++)
        if (!isfinite(values[index])) {
            status = fail(context, TOPN_ERROR_FORMAT, "%s: array %s: value %" PRIu64 " is not finite",
                          safetensors_path(file), name, index);
            goto done;
        }
    TRY(history_room(context, (int64_t)length, room, out));
    if (length)
        memcpy(*out, values, length * sizeof *values);
    *count = (int64_t)length;
done:
    return status;
}

static topn_status read_state(topn_context *context, const safetensors_file *file, const char *name,
                              const state_array *array, float *out)
{
    const tensor *found;
    const uint64_t count = array->rows * array->columns;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, count, &found);
    if (status != TOPN_OK)
        return status;
    const float *values = found->bytes;
    for (uint64_t index = 0; index < count; index++)
        if (!isfinite(values[index]))
            return fail(context, TOPN_ERROR_FORMAT, "%s: array %s: value %" PRIu64 " is not finite",
                        safetensors_path(file), name, index);
    if (count)
        memcpy(out, values, count * sizeof *out);
    return TOPN_OK;
}

static topn_status read_history(topn_context *context, const safetensors_file *file, bool validated,
                                const iteration_params *params, iteration_history *history)
{
    topn_status status;
    const char *path = safetensors_path(file);
    TRY(read_numbers(context, file, "losses", &history->sweeps, &history->loss_room, &history->losses));
    if (history->sweeps > params->sweeps) {
        status = fail(context, TOPN_ERROR_OPTION,
                      "%s: this checkpoint is %" PRId64 " sweeps on, more than --sweeps %" PRId64
                      "; ask for as many or more",
                      path, history->sweeps, params->sweeps);
        goto done;
    }
    const int64_t expected = validated ? history->sweeps / params->validate_every : 0;
    if (expected)
        TRY(read_numbers(context, file, "metrics", &history->judged, &history->metric_room, &history->metrics));
    if (history->judged != expected)
        status = fail(context, TOPN_ERROR_FORMAT, "%s: %" PRId64 " judgements, not %" PRId64, path, history->judged,
                      expected);
done:
    return status;
}

topn_status checkpoint_read(topn_context *context, const char *path, const record *identity, const iterated *trained,
                            const iteration_params *params, iteration_history *history)
{
    topn_status status;
    safetensors_file *file = NULL;
    array_names names = {0};
    TRY(safetensors_open(context, path, true, &file));
    TRY(stored_kind(context, file, "checkpoint"));
    TRY(check_identity(context, file, identity));
    TRY(read_history(context, file, record_get(identity, "validation.metric") != NULL, params, history));
    TRY(names_create(context, trained, &names));
    size_t expected = trained->array_count + 1 + (history->judged > 0);
    const bool best_apart = history->judged && trained->array_count && safetensors_find(file, names.best[0]);
    expected += best_apart ? trained->array_count : 0;
    if (safetensors_count(file) != expected) {
        status = fail(context, TOPN_ERROR_FORMAT, "%s: %zu arrays, not %zu", path, safetensors_count(file), expected);
        goto done;
    }
    for (size_t index = 0; index < trained->array_count; index++) {
        const state_array *array = &trained->arrays[index];
        TRY(read_state(context, file, names.state[index], array, array->values));
        if (history->judged)
            TRY(read_state(context, file, best_apart ? names.best[index] : names.state[index], array,
                           history->best_values[index]));
    }
done:
    names_clear(&names);
    safetensors_close(file);
    return status;
}
