/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/stored.h"
#include "model/item_facts.h"

/* Spelling of encoder_kind and item_table_kind, in their order. */
static const char *const encoder_kinds[] = {"constant", "bag", "fields", "network"};
static const char *const item_kinds[] = {"none", "identity", "shared", "own"};
static const char *const booleans[] = {"false", "true"};

/* Metadata that say how the arrays make a model; all others are the model's record. */
static const char *const structural_keys[] = {"topn.format",     "topn.kind",        "topn.encoder",    "topn.items",
                                              "topn.normalizer", "topn.use_weights", "topn.dimensions", "topn.cut"};

/* Formats of models: 2 is 1 with topn.cut, 3 is 2 with the encoder "fields", 4 is 3 with what retrieval keeps in it
 * (popularity and attributes of the items, indexes), 5 is 4 with the encoder "network", 6 is 5 with what an encoder
 * "fields" of the pairwise loss solves new items with, and its label; a file says the lowest that tells all, so that
 * older programs read the rest. */
enum {
    FORMAT_PLAIN = 1,
    FORMAT_CUT = 2,
    FORMAT_FIELDS = 3,
    FORMAT_RETRIEVAL = 4,
    FORMAT_NETWORK = 5,
    FORMAT_PAIRS = 6
};

enum { STRUCTURAL_KEYS = sizeof structural_keys / sizeof *structural_keys };

static bool is_structural(const char *key)
{
    for (size_t index = 0; index < STRUCTURAL_KEYS; index++)
        if (strcmp(key, structural_keys[index]) == 0)
            return true;
    return fields_is_key(key) || network_is_key(key);
}

static int format_of(const topn_model *model)
{
    if (model->encoder.kind == ENCODER_NETWORK)
        return FORMAT_NETWORK;
    if (model->encoder.kind == ENCODER_FIELDS && model->encoder.fields.context_pull)
        return FORMAT_PAIRS;
    if (model->index_count || item_facts_any(model))
        return FORMAT_RETRIEVAL;
    if (model->encoder.kind == ENCODER_FIELDS)
        return FORMAT_FIELDS;
    return model->encoder.cut ? FORMAT_CUT : FORMAT_PLAIN;
}

static void add_table(tensor_list *list, const char *name, const char *const sparse_names[3],
                      const embedding_table *table)
{
    if (table->form == TABLE_DENSE)
        stored_add_matrix(list, name, table->dense.rows, table->dense.columns, table->dense.values);
    else if (table->form == TABLE_SPARSE)
        stored_add_sparse(list, sparse_names, &table->sparse);
}

static void add_indexes(tensor_list *list, const topn_model *model)
{
    for (size_t place = 0; place < model->index_count; place++) {
        const model_index *index = &model->indexes[place];
        for (size_t at = 0; at < index->count; at++) {
            const index_array *array = &index->arrays[at];
            list->tensors[list->count++] = (tensor){.name = array->stored,
                                                    .type = array->type,
                                                    .shape = {array->rows, array->columns},
                                                    .dimensions = array->columns ? 2 : 1,
                                                    .bytes = array->bytes};
        }
    }
}

size_t model_tensors(const topn_model *model, tensor out[MODEL_TENSORS])
{
    tensor_list list = {.tensors = out};
    add_table(&list, "encoder", STORED_SPARSE("encoder"), &model->encoder.rows);
    add_table(&list, "items", STORED_SPARSE("items"), &model->table.rows);
    if (model->table.priors)
        stored_add(&list, "items.priors", TENSOR_F32, model->items, model->table.priors);
    if (model->table.biases)
        stored_add(&list, "items.biases", TENSOR_F32, model->items, model->table.biases);
    if (model->dimension_items)
        stored_add(&list, "dimension_items", TENSOR_U32, embedding_dimensions(&model->encoder.rows),
                   model->dimension_items);
    stored_add_strings(&list, STORED_STRINGS("item_ids"), &model->item_ids);
    if (model->titles.count)
        stored_add_strings(&list, STORED_STRINGS("titles"), &model->titles);
    if (model->histories.indptr || model->user_ids.count)
        stored_add_strings(&list, STORED_STRINGS("user_ids"), &model->user_ids);
    if (model->histories.indptr)
        stored_add_sparse(&list, STORED_SPARSE("histories"), &model->histories);
    item_facts_tensors(&list, model);
    if (model->encoder.kind == ENCODER_FIELDS)
        fields_tensors(&list, &model->encoder.fields, model->items);
    if (model->encoder.kind == ENCODER_NETWORK)
        network_tensors(&list, &model->encoder.network);
    add_indexes(&list, model);
    safetensors_order(out, list.count);
    return list.count;
}

bool model_structure(const topn_model *model, size_t index, const char **key, const char **value)
{
    static const char *const keys[] = {"topn.encoder", "topn.items", "topn.use_weights", "topn.fields.composition",
                                       "topn.fields.loss"};
    const bool fields = model->encoder.kind == ENCODER_FIELDS;
    const char *const values[] = {encoder_kinds[model->encoder.kind], item_kinds[model->table.kind],
                                  booleans[model->encoder.use_weights],
                                  fields ? fields_composition_name(&model->encoder.fields) : NULL,
                                  fields ? fields_loss_name(&model->encoder.fields) : NULL};
    if (index >= sizeof keys / sizeof *keys || !values[index])
        return false;
    *key = keys[index];
    *value = values[index];
    return true;
}

static topn_status describe(topn_context *context, const topn_model *model, record *out)
{
    topn_status status;
    TRY(record_set(context, out, "topn.format", "%d", format_of(model)));
    TRY(record_set(context, out, "topn.kind", "model"));
    TRY(record_set(context, out, "topn.encoder", "%s", encoder_kinds[model->encoder.kind]));
    TRY(record_set(context, out, "topn.items", "%s", item_kinds[model->table.kind]));
    TRY(record_set(context, out, "topn.dimensions", "%zu", model_dimensions(model)));
    TRY(record_set_real(context, out, "topn.normalizer", model->encoder.normalizer));
    TRY(record_set(context, out, "topn.use_weights", "%s", booleans[model->encoder.use_weights]));
    if (model->encoder.cut)
        TRY(record_set(context, out, "topn.cut", "%" PRIu32, model->encoder.cut));
    if (model->encoder.kind == ENCODER_FIELDS)
        TRY(fields_describe(context, &model->encoder.fields, out));
    if (model->encoder.kind == ENCODER_NETWORK)
        TRY(network_describe(context, &model->encoder.network, out));
    for (size_t index = 0; index < model->metadata.count; index++) {
        const record_entry *entry = &model->metadata.entries[index];
        if (!is_structural(entry->key) && strncmp(entry->key, "run.", 4) != 0)
            TRY(record_set(context, out, entry->key, "%s", entry->value));
    }
done:
    return status;
}

topn_status model_save(topn_context *context, const topn_model *model, const char *path)
{
    topn_status status;
    record metadata = {0};
    tensor tensors[MODEL_TENSORS];
    const size_t count = model_tensors(model, tensors);
    TRY(describe(context, model, &metadata));
    TRY(safetensors_write(context, path, tensors, count, &metadata));
done:
    record_clear(&metadata);
    return status;
}

static topn_status load_table(topn_context *context, const safetensors_file *file, const char *name,
                              const char *const sparse_names[3], uint64_t dimensions, embedding_table *out)
{
    if (safetensors_find(file, sparse_names[0])) {
        if (dimensions > UINT32_MAX)
            return fail(context, TOPN_ERROR_FORMAT, "%s: %" PRIu64 " dimensions are too many", safetensors_path(file),
                        dimensions);
        out->form = TABLE_SPARSE;
        return stored_sparse(context, file, sparse_names, (uint32_t)dimensions, true, &out->sparse);
    }
    const tensor *found;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, UINT64_MAX, &found);
    if (status != TOPN_OK)
        return status;
    if (found->dimensions != 2 || found->shape[1] != dimensions)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s does not have %" PRIu64 " columns",
                    safetensors_path(file), name, dimensions);
    out->form = TABLE_DENSE;
    out->dense = (dense_matrix){(float *)found->bytes, found->shape[0], found->shape[1]};
    return TOPN_OK;
}

static topn_status load_vector(topn_context *context, const safetensors_file *file, const char *name, uint32_t items,
                               float **out)
{
    const tensor *found;
    if (!safetensors_find(file, name))
        return TOPN_OK;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, items, &found);
    if (status == TOPN_OK)
        *out = (float *)found->bytes;
    return status;
}

static topn_status load_dimension_items(topn_context *context, const safetensors_file *file, topn_model *model)
{
    const tensor *found;
    if (model->encoder.kind != ENCODER_BAG || !safetensors_find(file, "dimension_items"))
        return TOPN_OK;
    const topn_status status = safetensors_require(context, file, "dimension_items", TENSOR_U32,
                                                   embedding_dimensions(&model->encoder.rows), &found);
    if (status == TOPN_OK)
        model->dimension_items = (uint32_t *)found->bytes;
    return status;
}

/* topn.cut, which format 1 has not. */
static topn_status load_cut(topn_context *context, const safetensors_file *file, uint32_t *out)
{
    uint64_t cut, format;
    topn_status status;
    if (!record_get(safetensors_metadata(file), "topn.cut"))
        return TOPN_OK;
    TRY(stored_count(context, file, "topn.format", &format));
    TRY(stored_count(context, file, "topn.cut", &cut));
    if (format < FORMAT_CUT || cut == 0 || cut > UINT32_MAX)
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: metadata \"topn.cut\" is %" PRIu64 " in format %" PRIu64 ", not 1 … %" PRIu32 " in format %d",
                    safetensors_path(file), cut, format, UINT32_MAX, FORMAT_CUT);
    *out = (uint32_t)cut;
done:
    return status;
}

/* The encoder "fields", which formats 1 and 2 have not. */
static topn_status load_fields(topn_context *context, const safetensors_file *file, topn_model *model)
{
    uint64_t format;
    topn_status status;
    TRY(stored_count(context, file, "topn.format", &format));
    if (format < FORMAT_FIELDS)
        return fail(context, TOPN_ERROR_FORMAT, "%s: an encoder \"fields\" in format %" PRIu64 ", not %d",
                    safetensors_path(file), format, FORMAT_FIELDS);
    TRY(fields_load(context, file, model->items, &model->encoder.fields));
    if (model->encoder.fields.context_pull && format < FORMAT_PAIRS)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array fields.context_pull in format %" PRIu64 ", not %d",
                    safetensors_path(file), format, FORMAT_PAIRS);
done:
    return status;
}

/* The encoder "network", which formats 1 to 4 have not. */
static topn_status load_network(topn_context *context, const safetensors_file *file, topn_model *model)
{
    uint64_t format;
    topn_status status;
    TRY(stored_count(context, file, "topn.format", &format));
    if (format < FORMAT_NETWORK)
        return fail(context, TOPN_ERROR_FORMAT, "%s: an encoder \"network\" in format %" PRIu64 ", not %d",
                    safetensors_path(file), format, FORMAT_NETWORK);
    TRY(network_load(context, file, &model->encoder.network));
done:
    return status;
}

/* Indexes, which formats 1 to 3 have not. */
static topn_status load_indexes(topn_context *context, const safetensors_file *file, topn_model *model)
{
    uint64_t format;
    topn_status status;
    TRY(model_load_indexes(context, model));
    TRY(stored_count(context, file, "topn.format", &format));
    if (model->index_count && format < FORMAT_RETRIEVAL)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s in format %" PRIu64 ", not %d", safetensors_path(file),
                    model->indexes[0].arrays[0].stored, format, FORMAT_RETRIEVAL);
done:
    return status;
}

static topn_status load_structure(topn_context *context, const safetensors_file *file, topn_model *model)
{
    topn_status status;
    int encoder, items, use_weights;
    const char *normalizer;
    uint64_t dimensions;
    TRY(stored_choice(context, file, "topn.encoder", encoder_kinds, 4, &encoder));
    TRY(stored_choice(context, file, "topn.items", item_kinds, 4, &items));
    TRY(stored_choice(context, file, "topn.use_weights", booleans, 2, &use_weights));
    TRY(stored_count(context, file, "topn.dimensions", &dimensions));
    TRY(stored_text(context, file, "topn.normalizer", &normalizer));
    char *end;
    model->encoder.normalizer = strtod(normalizer, &end);
    if (!*normalizer || *end || !isfinite(model->encoder.normalizer)) {
        status = fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"topn.normalizer\" is \"%.100s\", not a number",
                      safetensors_path(file), normalizer);
        goto done;
    }
    TRY(load_cut(context, file, &model->encoder.cut));
    model->encoder.kind = (encoder_kind)encoder;
    model->encoder.use_weights = use_weights;
    model->table.kind = (item_table_kind)items;
    if (encoder == ENCODER_BAG)
        TRY(load_table(context, file, "encoder", STORED_SPARSE("encoder"), dimensions, &model->encoder.rows));
    if (encoder == ENCODER_FIELDS)
        TRY(load_fields(context, file, model));
    if (encoder == ENCODER_NETWORK)
        TRY(load_network(context, file, model));
    if (items == ITEMS_OWN)
        TRY(load_table(context, file, "items", STORED_SPARSE("items"), dimensions, &model->table.rows));
done:
    return status;
}

static topn_status load_arrays(topn_context *context, const safetensors_file *file, topn_model *model)
{
    topn_status status;
    TRY(stored_strings(context, file, STORED_STRINGS("item_ids"), &model->item_ids));
    model->items = model->item_ids.count;
    TRY(load_structure(context, file, model));
    TRY(load_dimension_items(context, file, model));
    TRY(load_vector(context, file, "items.priors", model->items, &model->table.priors));
    TRY(load_vector(context, file, "items.biases", model->items, &model->table.biases));
    if (safetensors_find(file, "titles.offsets"))
        TRY(stored_strings(context, file, STORED_STRINGS("titles"), &model->titles));
    const bool histories = safetensors_find(file, "histories.indptr") != NULL;
    const bool embedded = model->encoder.kind == ENCODER_FIELDS || model->encoder.kind == ENCODER_NETWORK;
    if (histories || (embedded && safetensors_find(file, "user_ids.offsets")))
        TRY(stored_strings(context, file, STORED_STRINGS("user_ids"), &model->user_ids));
    if (histories)
        TRY(stored_sparse(context, file, STORED_SPARSE("histories"), model->items, false, &model->histories));
    TRY(item_facts_load(context, file, model));
    TRY(load_indexes(context, file, model));
    tensor used[MODEL_TENSORS];
    const size_t count = model_tensors(model, used);
    for (size_t index = 0; index < safetensors_count(file); index++) {
        const tensor *stored = safetensors_at(file, index);
        bool known = false;
        for (size_t at = 0; at < count && !known; at++)
            known = strcmp(used[at].name, stored->name) == 0;
        if (!known) {
            status = fail(context, TOPN_ERROR_FORMAT, "%s: array %.200s has no place in this model",
                          safetensors_path(file), stored->name);
            goto done;
        }
    }
done:
    return status;
}

/* Puts the path before a message of a function that knows none. */
static topn_status with_path(topn_context *context, topn_status status, const char *path)
{
    if (status == TOPN_OK || !context || status == TOPN_ERROR_MEMORY)
        return status;
    char message[sizeof context->message];
    memcpy(message, context->message, sizeof message);
    return fail(context, status, "%s: %s", path, message);
}

topn_status model_load(topn_context *context, const char *path, topn_model **out)
{
    topn_status status;
    topn_model *model = NULL;
    safetensors_file *file = NULL;
    *out = NULL;
    TRY(safetensors_open(context, path, true, &file));
    TRY(stored_kind(context, file, "model"));
    status = ALLOCATE_ZEROED(context, 1, &model);
    if (status != TOPN_OK) {
        safetensors_close(file);
        return status;
    }
    model->file = file;
    file = NULL;
    TRY(load_arrays(context, model->file, model));
    TRY(with_path(context, model_check(context, model), path));
    TRY(with_path(context, id_index_create(context, &model->item_ids, &model->items_by_id), path));
    if (model->user_ids.count)
        TRY(with_path(context, id_index_create(context, &model->user_ids, &model->users_by_id), path));
    const record *metadata = safetensors_metadata(model->file);
    for (size_t index = 0; index < metadata->count; index++)
        if (!is_structural(metadata->entries[index].key))
            TRY(record_set(context, &model->metadata, metadata->entries[index].key, "%s",
                           metadata->entries[index].value));
    *out = model;
    return TOPN_OK;
done:
    safetensors_close(file);
    topn_model_free(model);
    return status;
}
