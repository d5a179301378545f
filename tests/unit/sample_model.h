/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiny data and models of every form with fixed values, and files read and written whole. Include it before
 * <cmocka.h>.
 */
#ifndef TOPN_TESTS_SAMPLE_MODEL_H
#define TOPN_TESTS_SAMPLE_MODEL_H

#include "base/memory.h"
#include "data/interactions.h"
#include "model/model_file.h"
#include "numeric/sparse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLE_USERS = 3, SAMPLE_ITEMS = 4, SAMPLE_EVENTS = 6, SAMPLE_DIMENSIONS = 3 };

#define SAMPLE_TRY(expression)                                                                                         \
    do {                                                                                                               \
        status = (expression);                                                                                         \
        if (status != TOPN_OK)                                                                                         \
            goto done;                                                                                                 \
    } while (0)

/* Ids that every quoting must cope with; user 1 has no events; weights and times are optional. */
static inline topn_status sample_data(topn_context *context, bool weights, bool times, bool titles, topn_data **out)
{
    static const char *const users[SAMPLE_USERS] = {"anna", "bo\tb", "\xc3\xa7"};
    static const char *const items[SAMPLE_ITEMS] = {"1", "a,\"b\"", "tab\there\\", "caf\xe9"};
    static const char *const names[SAMPLE_ITEMS] = {"One", "", "Three \"3\"\n", "Caf\xc3\xa9"};
    static const uint64_t indptr[SAMPLE_USERS + 1] = {0, 3, 3, 6};
    static const uint32_t indices[SAMPLE_EVENTS] = {0, 1, 3, 1, 2, 3};
    topn_status status;
    data_parts parts = {.has_weights = weights};
    *out = NULL;
    SAMPLE_TRY(sparse_create(context, SAMPLE_USERS, SAMPLE_ITEMS, SAMPLE_EVENTS, &parts.matrix));
    memcpy(parts.matrix.indptr, indptr, sizeof indptr);
    memcpy(parts.matrix.indices, indices, sizeof indices);
    for (int at = 0; at < SAMPLE_EVENTS; at++)
        parts.matrix.values[at] = weights ? 0.5f * (float)(at + 1) : 1.0f;
    if (times) {
        SAMPLE_TRY(ALLOCATE(context, SAMPLE_EVENTS, &parts.times));
        for (int at = 0; at < SAMPLE_EVENTS; at++)
            parts.times[at] = -5 + 1000000000000 * at;
    }
    SAMPLE_TRY(string_table_create(context, users, SAMPLE_USERS, &parts.user_ids));
    SAMPLE_TRY(string_table_create(context, items, SAMPLE_ITEMS, &parts.item_ids));
    if (titles)
        SAMPLE_TRY(string_table_create(context, names, SAMPLE_ITEMS, &parts.titles));
    SAMPLE_TRY(memory_copy_text(context, "events.csv", &parts.provenance.source));
    SAMPLE_TRY(memory_copy_text(context, "delimited (comma)", &parts.provenance.format));
    SAMPLE_TRY(memory_copy_text(context, "user=1, item=2", &parts.provenance.columns));
    parts.provenance.rows_read = 9;
    parts.provenance.duplicates = 1;
    parts.provenance.dropped[0] = (topn_dropped){"below --min-weight", 2};
    parts.provenance.dropped_count = 1;
    return data_assemble(context, &parts, out);
done:
    data_parts_clear(&parts);
    return status;
}

typedef struct sample_form {
    const char *name;
    encoder_kind encoder;
    item_table_kind table;
    table_form encoder_rows, item_rows;
} sample_form;

static const sample_form sample_forms[] = {
    {"constant", ENCODER_CONSTANT, ITEMS_NONE, TABLE_NONE, TABLE_NONE},
    {"identity, dense", ENCODER_BAG, ITEMS_IDENTITY, TABLE_DENSE, TABLE_NONE},
    {"identity, sparse", ENCODER_BAG, ITEMS_IDENTITY, TABLE_SPARSE, TABLE_NONE},
    {"shared, dense", ENCODER_BAG, ITEMS_SHARED, TABLE_DENSE, TABLE_NONE},
    {"shared, sparse", ENCODER_BAG, ITEMS_SHARED, TABLE_SPARSE, TABLE_NONE},
    {"own, dense and sparse", ENCODER_BAG, ITEMS_OWN, TABLE_DENSE, TABLE_SPARSE},
    {"own, sparse and dense", ENCODER_BAG, ITEMS_OWN, TABLE_SPARSE, TABLE_DENSE},
    {"fields, product", ENCODER_FIELDS, ITEMS_OWN, TABLE_NONE, TABLE_DENSE},
    {"fields, tucker", ENCODER_FIELDS, ITEMS_OWN, TABLE_NONE, TABLE_DENSE},
    {"network", ENCODER_NETWORK, ITEMS_OWN, TABLE_NONE, TABLE_DENSE},
};
enum {
    SAMPLE_FORMS = sizeof sample_forms / sizeof *sample_forms,
    SAMPLE_SHARED_DENSE = 3,
    SAMPLE_SHARED_SPARSE = 4,
    SAMPLE_OWN = 6,
    SAMPLE_FIELDS = 7,
    SAMPLE_TUCKER = 8,
    SAMPLE_NETWORK = 9,
};

/* Value (r, c) is r + c/8 with alternating signs; sparse tables keep c ≤ r, the lower triangle. */
static inline float sample_value(uint32_t row, uint32_t column)
{
    return ((row + column) % 2 ? -1.0f : 1.0f) * ((float)row + (float)column / 8 + 0.1f);
}

static inline topn_status sample_table(topn_context *context, table_form form, uint32_t columns, embedding_table *out)
{
    topn_status status = TOPN_OK;
    out->form = form;
    if (form == TABLE_DENSE) {
        out->dense = (dense_matrix){.rows = SAMPLE_ITEMS, .columns = columns};
        SAMPLE_TRY(ALLOCATE(context, (size_t)SAMPLE_ITEMS * columns, &out->dense.values));
        for (uint32_t at = 0; at < SAMPLE_ITEMS * columns; at++)
            out->dense.values[at] = sample_value(at / columns, at % columns);
    } else if (form == TABLE_SPARSE) {
        SAMPLE_TRY(sparse_create(context, SAMPLE_ITEMS, columns, SAMPLE_ITEMS * columns, &out->sparse));
        uint64_t filled = 0;
        for (uint32_t row = 0; row < SAMPLE_ITEMS; row++) {
            for (uint32_t column = 0; column < columns && column <= row; column++) {
                out->sparse.indices[filled] = column;
                out->sparse.values[filled++] = sample_value(row, column);
            }
            out->sparse.indptr[row + 1] = filled;
        }
    }
done:
    return status;
}

static inline topn_status sample_floats(topn_context *context, size_t rows, size_t columns, dense_matrix *out)
{
    const topn_status status = ALLOCATE(context, rows * columns, &out->values);
    out->rows = rows;
    out->columns = columns;
    for (size_t at = 0; status == TOPN_OK && at < rows * columns; at++)
        out->values[at] = sample_value((uint32_t)(at / columns), (uint32_t)(at % columns)) / 4;
    return status;
}

/* Context fields of a model whose items have SAMPLE_DIMENSIONS columns: users without rows of their own; when `full`
 * the users' rows, a field "hour", features of users, biases, and the pairwise loss. */
static inline topn_status sample_fields(topn_context *context, bool tucker, bool full, uint32_t users,
                                        fields_encoder *out)
{
    static const char *const hours[] = {"morning", "evening"}, *const features[] = {"gender=F", "age", "gender=M"};
    topn_status status;
    dense_matrix gram = {0}, sum = {0};
    const size_t factors = SAMPLE_DIMENSIONS - (full ? 2 : 0), bias = full ? 1 : 0, width = tucker ? 2 : factors;
    *out = (fields_encoder){
        .kind = tucker ? COMPOSE_TUCKER : COMPOSE_PRODUCT,
        .factors = factors,
        .biases = full,
        .field_count = full ? 2 : 1,
        .loss = {.pairwise = full,
                 .alpha = 1,
                 .dislike_below = NAN,
                 .unobserved = 0.25,
                 .l2 = 100,
                 .l2_exponent = 1,
                 .label = full ? 2.5 : 1},
        .user_scale = 1,
        .contexts = users,
    };
    SAMPLE_TRY(ALLOCATE_ZEROED(context, out->field_count, &out->fields));
    SAMPLE_TRY(memory_copy_text(context, "user", &out->fields[0].name));
    SAMPLE_TRY(sample_floats(context, full ? users + 4 : 1, width + bias, &out->fields[0].table));
    if (full) {
        SAMPLE_TRY(string_table_create(context, features, 3, &out->fields[0].features));
        SAMPLE_TRY(id_index_create(context, &out->fields[0].features, &out->fields[0].by_feature));
        SAMPLE_TRY(memory_copy_text(context, "hour", &out->fields[1].name));
        SAMPLE_TRY(string_table_create(context, hours, 2, &out->fields[1].values));
        SAMPLE_TRY(id_index_create(context, &out->fields[1].values, &out->fields[1].by_value));
        SAMPLE_TRY(sample_floats(context, 3, width + bias, &out->fields[1].table));
        SAMPLE_TRY(sparse_create(context, users, 3, 1, &out->user_features));
        out->user_features.indices[0] = 1;
        out->user_features.values[0] = 0.5f;
        for (uint32_t user = 1; user <= users; user++)
            out->user_features.indptr[user] = 1;
        SAMPLE_TRY(sample_floats(context, 1, SAMPLE_DIMENSIONS, &sum));
        out->item_sum = sum.values;
        SAMPLE_TRY(sample_floats(context, 1, SAMPLE_DIMENSIONS, &sum));
        out->context_pull = sum.values;
    }
    if (tucker)
        SAMPLE_TRY(sample_floats(context, factors, full ? 4 : 2, &out->core));
    SAMPLE_TRY(sample_floats(context, SAMPLE_DIMENSIONS, SAMPLE_DIMENSIONS, &gram));
    out->item_gram = gram.values;
    for (size_t at = 0; at < SAMPLE_DIMENSIONS; at++) /* large enough to make any Gramian of these positive definite */
        out->item_gram[at * (SAMPLE_DIMENSIONS + 1)] += 100;
    SAMPLE_TRY(sample_floats(context, SAMPLE_DIMENSIONS, SAMPLE_DIMENSIONS, &gram));
    out->context_gram = gram.values;
done:
    return status;
}

static inline topn_status sample_layer(topn_context *context, size_t inputs, size_t columns, bool gated, bool normal,
                                       dense_layer *out)
{
    topn_status status;
    dense_matrix row = {0};
    *out = (dense_layer){.activation = gated ? ACTIVATION_TANH : ACTIVATION_SWISH, .gated = gated};
    if (inputs)
        SAMPLE_TRY(sample_floats(context, inputs, columns, &out->weights));
    SAMPLE_TRY(sample_floats(context, 1, columns, &row));
    out->biases = row.values;
    if (normal) {
        SAMPLE_TRY(sample_floats(context, 1, gated ? columns / 2 : columns, &row));
        out->gain = row.values;
        SAMPLE_TRY(sample_floats(context, 1, gated ? columns / 2 : columns, &row));
        out->shift = row.values;
    }
done:
    return status;
}

/* A network over one sum of the history; when `full` over two, with rows of users and features, three layers (one
 * without weights, a gated one, one that earlier ones are added to) and features of items with layers of their own. */
static inline topn_status sample_network(topn_context *context, bool full, uint32_t users, network_encoder *out)
{
    static const char *const features[] = {"gender=F", "age", "gender=M"}, *const genres[] = {"genre=Drama", "year"};
    topn_status status;
    const size_t width = full ? 2 * SAMPLE_DIMENSIONS : SAMPLE_DIMENSIONS;
    *out = (network_encoder){.width = width, .layers = {.inputs = width, .scale = full ? 2 : 1, .normalize = full}};
    for (size_t bag = 0; bag < (full ? 2 : 1); bag++) {
        out->bags[bag] = (network_bag){.exponent = 0.5, .offset = 0.25, .weighted = bag == 1, .squares = bag == 1};
        SAMPLE_TRY(sample_floats(context, SAMPLE_ITEMS, width, &out->bags[bag].table));
        out->bag_count = bag + 1;
    }
    SAMPLE_TRY(memory_copy_text(context, "user", &out->users.name));
    SAMPLE_TRY(sample_floats(context, full ? users + 4 : 1, width, &out->users.table));
    if (!full)
        goto done;
    SAMPLE_TRY(string_table_create(context, features, 3, &out->users.features));
    SAMPLE_TRY(id_index_create(context, &out->users.features, &out->users.by_feature));
    SAMPLE_TRY(sparse_create(context, users, 3, 1, &out->user_features));
    out->user_features.indices[0] = 1;
    out->user_features.values[0] = 0.5f;
    for (uint32_t user = 1; user <= users; user++)
        out->user_features.indptr[user] = 1;
    out->layers.layer_count = 3;
    SAMPLE_TRY(sample_layer(context, 0, width, true, true, &out->layers.layers[0]));
    SAMPLE_TRY(sample_layer(context, SAMPLE_DIMENSIONS, 2 * SAMPLE_DIMENSIONS, true, false, &out->layers.layers[1]));
    SAMPLE_TRY(sample_layer(context, SAMPLE_DIMENSIONS, SAMPLE_DIMENSIONS, false, false, &out->layers.layers[2]));
    out->layers.layers[2].connected = true;
    SAMPLE_TRY(memory_copy_text(context, "item", &out->items.name));
    SAMPLE_TRY(string_table_create(context, genres, 2, &out->items.features));
    SAMPLE_TRY(id_index_create(context, &out->items.features, &out->items.by_feature));
    SAMPLE_TRY(sample_floats(context, 3, 2, &out->items.table));
    out->item_layers = (network_layers){.inputs = 2, .layer_count = 1, .scale = 1, .normalize = true};
    SAMPLE_TRY(sample_layer(context, 2, SAMPLE_DIMENSIONS, false, true, &out->item_layers.layers[0]));
done:
    return status;
}

static inline topn_status sample_vector(topn_context *context, float first, float **out)
{
    const topn_status status = ALLOCATE(context, SAMPLE_ITEMS, out);
    for (uint32_t item = 0; status == TOPN_OK && item < SAMPLE_ITEMS; item++)
        (*out)[item] = first + (float)item / 4;
    return status;
}

/* Item 0 is a comedy and a drama of 1990, item 2 a drama, item 3 of 2001. */
static inline topn_status sample_attributes(topn_context *context, feature_table *out)
{
    static const char *const names[] = {"genre=Comedy", "genre=Drama", "year"};
    static const uint64_t indptr[SAMPLE_ITEMS + 1] = {0, 3, 3, 4, 5};
    static const uint32_t indices[] = {0, 1, 2, 1, 2};
    static const float values[] = {1, 1, 1990, 1, 2001};
    topn_status status;
    SAMPLE_TRY(string_table_create(context, names, 3, &out->names));
    SAMPLE_TRY(sparse_create(context, SAMPLE_ITEMS, 3, 5, &out->rows));
    memcpy(out->rows.indptr, indptr, sizeof indptr);
    memcpy(out->rows.indices, indices, sizeof indices);
    memcpy(out->rows.values, values, sizeof values);
done:
    return status;
}

/* A model of the given form; with histories, priors, biases and attributes or without any of them. */
static inline topn_status sample_model(topn_context *context, const sample_form *form, bool full, topn_model **out)
{
    topn_status status;
    topn_data *data = NULL;
    topn_model *model = NULL;
    *out = NULL;
    SAMPLE_TRY(sample_data(context, full, full, full, &data));
    SAMPLE_TRY(model_create(context, data, true, &model));
    const uint32_t columns = form->table == ITEMS_IDENTITY ? SAMPLE_ITEMS : SAMPLE_DIMENSIONS;
    model->encoder.kind = form->encoder;
    model->encoder.normalizer = full ? 0.5 : 0;
    model->encoder.use_weights = !full;
    model->table.kind = form->table;
    SAMPLE_TRY(sample_table(context, form->encoder_rows, columns, &model->encoder.rows));
    SAMPLE_TRY(sample_table(context, form->item_rows, columns, &model->table.rows));
    if (form->encoder == ENCODER_FIELDS)
        SAMPLE_TRY(sample_fields(context, form == &sample_forms[SAMPLE_TUCKER], full, model->user_ids.count,
                                 &model->encoder.fields));
    if (form->encoder == ENCODER_NETWORK)
        SAMPLE_TRY(sample_network(context, full, model->user_ids.count, &model->encoder.network));
    if (full) {
        SAMPLE_TRY(sample_vector(context, 0.5f, &model->table.priors));
        SAMPLE_TRY(sample_vector(context, -1.0f, &model->table.biases));
        if (form->encoder == ENCODER_BAG)
            SAMPLE_TRY(ALLOCATE(context, columns, &model->dimension_items));
        for (uint32_t dimension = 0; form->encoder == ENCODER_BAG && dimension < columns; dimension++)
            model->dimension_items[dimension] = SAMPLE_ITEMS - 1 - dimension;
    }
    if (full)
        SAMPLE_TRY(sample_attributes(context, &model->attributes));
    SAMPLE_TRY(record_set(context, &model->metadata, "method", "%s", form->name));
    SAMPLE_TRY(record_set(context, &model->metadata, "run.seconds", "1.5"));
    *out = model;
    model = NULL;
done:
    topn_model_free(model);
    topn_data_free(data);
    return status;
}

/* A file's bytes, with room for one more; the caller frees them. */
static inline unsigned char *file_bytes(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = calloc(1, 1 << 16);
    if (!file || !bytes)
        abort();
    *size = fread(bytes, 1, (1 << 16) - 1, file);
    fclose(file);
    return bytes;
}

static inline void file_put(const char *path, const void *bytes, size_t size)
{
    unlink(path); /* a new file: some file systems flush one that is cut and written again */
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size)
        abort();
    fclose(file);
}

/* Bytes of a safetensors file before its header's padding, and where its arrays begin. */
static inline size_t header_text(const unsigned char *bytes, size_t *arrays)
{
    *arrays = 8 + (bytes[0] | (size_t)bytes[1] << 8);
    size_t text = *arrays;
    while (bytes[text - 1] == ' ')
        text--;
    return text;
}

#endif
