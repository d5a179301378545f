/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_encoder.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/finite.h"
#include "numeric/sparse.h"

size_t network_dimensions(const network_encoder *encoder)
{
    return encoder->width ? layers_outputs(&encoder->layers) : 0;
}

uint32_t network_users(const network_encoder *encoder)
{
    if (!encoder->width)
        return 0;
    return (uint32_t)(encoder->users.table.rows - 1 - encoder->users.features.count);
}

uint32_t network_known_users(const network_encoder *encoder)
{
    return encoder->user_features.indptr ? encoder->user_features.rows : network_users(encoder);
}

static void clear_field(encoder_field *field, bool mapped)
{
    free(field->name);
    id_index_clear(&field->by_feature);
    string_table_clear(&field->features);
    if (!mapped)
        free(field->table.values);
}

void network_encoder_clear(network_encoder *encoder)
{
    for (size_t bag = 0; bag < encoder->bag_count && !encoder->mapped; bag++)
        free(encoder->bags[bag].table.values);
    clear_field(&encoder->users, encoder->mapped);
    clear_field(&encoder->items, encoder->mapped);
    if (!encoder->mapped)
        sparse_clear(&encoder->user_features);
    layers_clear(&encoder->layers, encoder->mapped);
    layers_clear(&encoder->item_layers, encoder->mapped);
    *encoder = (network_encoder){0};
}

static topn_status copy_dense(topn_context *context, const dense_matrix *from, dense_matrix *out)
{
    const size_t count = from->rows * from->columns;
    *out = (dense_matrix){0};
    if (!from->values)
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, count, &out->values);
    if (status == TOPN_OK && count)
        memcpy(out->values, from->values, count * sizeof *from->values);
    out->rows = from->rows;
    out->columns = from->columns;
    return status;
}

static topn_status copy_field(topn_context *context, const encoder_field *from, encoder_field *out)
{
    topn_status status;
    TRY(memory_copy_text(context, from->name, &out->name));
    TRY(string_table_copy(context, &from->features, &out->features));
    TRY(id_index_create(context, &out->features, &out->by_feature));
    TRY(copy_dense(context, &from->table, &out->table));
done:
    return status;
}

topn_status network_encoder_copy(topn_context *context, const network_encoder *from, network_encoder *out)
{
    topn_status status = TOPN_OK;
    *out = (network_encoder){.width = from->width};
    if (!from->width)
        return TOPN_OK;
    for (size_t bag = 0; bag < from->bag_count; bag++) {
        out->bags[bag] = from->bags[bag];
        TRY(copy_dense(context, &from->bags[bag].table, &out->bags[bag].table));
        out->bag_count = bag + 1;
    }
    TRY(copy_field(context, &from->users, &out->users));
    if (from->user_features.indptr)
        TRY(sparse_copy(context, &from->user_features, &out->user_features));
    TRY(layers_copy(context, &from->layers, &out->layers));
    TRY(copy_field(context, &from->items, &out->items));
    TRY(layers_copy(context, &from->item_layers, &out->item_layers));
done:
    if (status != TOPN_OK)
        network_encoder_clear(out);
    return status;
}

static topn_status check_matrix(topn_context *context, const char *name, const dense_matrix *matrix)
{
    const size_t at = first_infinite(matrix->values, matrix->rows * matrix->columns, context ? context->threads : 1);
    if (at == SIZE_MAX)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_NUMERIC, "%s: value %zu is not finite (%g)", name, at, (double)matrix->values[at]);
}

static topn_status check_bags(topn_context *context, const network_encoder *encoder, uint32_t items)
{
    static const char *const names[MOST_NETWORK_BAGS] = {"network.bag.0", "network.bag.1"};
    topn_status status = TOPN_OK;
    if (encoder->bag_count > MOST_NETWORK_BAGS)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: %zu sums over the history; at most %d can be",
                    encoder->bag_count, MOST_NETWORK_BAGS);
    for (size_t bag = 0; bag < encoder->bag_count; bag++) {
        const network_bag *at = &encoder->bags[bag];
        if (!at->table.values || at->table.rows != items || at->table.columns != encoder->width)
            return fail(context, TOPN_ERROR_FORMAT, "%s: %zu × %zu for %" PRIu32 " items and an input of %zu",
                        names[bag], at->table.rows, at->table.columns, items, encoder->width);
        if (!isfinite(at->exponent) || !isfinite(at->offset))
            return fail(context, TOPN_ERROR_NUMERIC, "%s: exponent %g and offset %g must be finite", names[bag],
                        at->exponent, at->offset);
        TRY(check_matrix(context, names[bag], &at->table));
    }
done:
    return status;
}

static topn_status check_users(topn_context *context, const network_encoder *encoder, uint32_t user_ids)
{
    topn_status status;
    const dense_matrix *table = &encoder->users.table;
    const sparse_matrix *rows = &encoder->user_features;
    const size_t features = encoder->users.features.count, known = features + 1;
    if (!table->values || table->columns != encoder->width || (table->rows != known && table->rows != known + user_ids))
        return fail(context, TOPN_ERROR_FORMAT,
                    "network.users: %zu × %zu for %" PRIu32 " users, one that stands for unknown ones, and %zu "
                    "features of an input of %zu",
                    table->rows, table->columns, user_ids, features, encoder->width);
    TRY(check_matrix(context, "network.users", table));
    if (!rows->indptr)
        return TOPN_OK;
    if (rows->rows != user_ids || rows->columns != features)
        return fail(context, TOPN_ERROR_FORMAT,
                    "network.user_features: %" PRIu32 " × %" PRIu32 " for %" PRIu32 " users and %zu features",
                    rows->rows, rows->columns, user_ids, features);
    TRY(sparse_check_offsets(context, rows, "network.user_features"));
    TRY(sparse_check(context, rows, "network.user_features"));
done:
    return status;
}

static topn_status check_items(topn_context *context, const network_encoder *encoder, uint32_t items)
{
    topn_status status;
    const dense_matrix *table = &encoder->items.table;
    const size_t known = (size_t)encoder->items.features.count + 1;
    if (!table->values)
        return encoder->items.features.count
                   ? fail(context, TOPN_ERROR_FORMAT, "network.items: features of items without their rows")
                   : TOPN_OK;
    if (table->columns != encoder->item_layers.inputs || (table->rows != known && table->rows != known + items))
        return fail(context, TOPN_ERROR_FORMAT,
                    "network.items: %zu × %zu for %" PRIu32 " items, one that stands for new ones, and %zu features of "
                    "an input of %zu",
                    table->rows, table->columns, items, known - 1, encoder->item_layers.inputs);
    TRY(check_matrix(context, "network.items", table));
    TRY(layers_check(context, "network.item_layer", &encoder->item_layers));
    if (layers_outputs(&encoder->item_layers) != network_dimensions(encoder))
        return fail(context, TOPN_ERROR_FORMAT, "network.item_layer: %zu outputs, and the context's layers have %zu",
                    layers_outputs(&encoder->item_layers), network_dimensions(encoder));
done:
    return status;
}

topn_status network_encoder_check(topn_context *context, const network_encoder *encoder, uint32_t items,
                                  uint32_t user_ids)
{
    topn_status status;
    if (encoder->width == 0 || encoder->width > MOST_FACTORS || encoder->layers.inputs != encoder->width)
        return fail(context, TOPN_ERROR_FORMAT, "encoder: layers of %zu inputs over one of %zu; 1 … %d can be",
                    encoder->layers.inputs, encoder->width, MOST_FACTORS);
    TRY(check_bags(context, encoder, items));
    TRY(check_users(context, encoder, user_ids));
    TRY(layers_check(context, "network.layer", &encoder->layers));
    TRY(check_items(context, encoder, items));
done:
    return status;
}
