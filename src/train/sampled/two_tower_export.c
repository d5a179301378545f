/* SPDX-License-Identifier: Apache-2.0
 *
 * Two trained towers as a model: the user's tower is its encoder `network`, the items' embeddings are its item table,
 * and the items' tower is kept beside, for new items and for training that goes on. And back.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/sampled/two_tower.h"

static const parameter_table *part_of(const sampled_towers *towers, two_tower_part part)
{
    const two_tower_own *own = towers->own;
    return own->table_of[part] == SIZE_MAX ? NULL : &towers->tables[own->table_of[part]];
}

/* The first d columns of a table, rows of cold entities as zeros. */
static void put_rows(const parameter_table *table, const bool *cold, size_t d, float *out)
{
    for (uint32_t row = 0; row < table->rows; row++) {
        const bool is_cold = cold && cold[row];
        for (size_t at = 0; at < d; at++)
            out[row * d + at] = is_cold ? 0.0f : table->values[row * table->width + at];
    }
}

/* The mean of the rows that events have moved. */
static void put_mean(const parameter_table *table, const bool *cold, size_t d, float *out)
{
    uint32_t known = 0;
    for (uint32_t row = 0; row < table->rows; row++)
        known += !cold[row];
    for (size_t at = 0; at < d; at++) {
        double sum = 0.0;
        for (uint32_t row = 0; row < table->rows; row++)
            sum += cold[row] ? 0.0 : (double)table->values[row * table->width + at];
        out[at] = known ? (float)(sum / known) : 0.0f;
    }
}

/* Names and rows of features, behind `first` other rows. */
static topn_status export_field(topn_context *context, const parameter_table *features, const feature_table *named,
                                const char *name, uint32_t first, size_t d, encoder_field *out)
{
    topn_status status;
    const uint32_t count = features ? features->rows : 0;
    TRY(memory_copy_text(context, name, &out->name));
    out->table = (dense_matrix){.rows = (size_t)first + count, .columns = d};
    TRY(ALLOCATE_ZEROED(context, out->table.rows * d, &out->table.values));
    if (count == 0)
        return status;
    put_rows(features, NULL, d, out->table.values + first * d);
    TRY(string_table_copy(context, &named->names, &out->features));
    TRY(id_index_create(context, &out->features, &out->by_feature));
done:
    return status;
}

static topn_status export_users(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                const sampled_params *params, network_encoder *out)
{
    topn_status status;
    const two_tower_own *own = towers->own;
    const size_t d = (size_t)params->factors;
    const parameter_table *ids = part_of(towers, PART_USER_IDS);
    const uint32_t kept = ids && params->keep_users ? ids->rows : 0;
    TRY(export_field(context, part_of(towers, PART_USER_FEATURES), &data->user_features, "user", kept + 1, d,
                     &out->users));
    float *unknown = out->users.table.values + kept * d;
    if (ids)
        put_mean(ids, own->cold_users, d, unknown);
    if (kept)
        put_rows(ids, NULL, d, out->users.table.values);
    for (uint32_t user = 0; user < kept; user++)
        if (own->cold_users[user])
            memcpy(out->users.table.values + user * d, unknown, d * sizeof *unknown);
    if (params->keep_users && data->user_features.names.count)
        TRY(sparse_copy(context, &data->user_features.rows, &out->user_features));
done:
    return status;
}

static topn_status export_layers(topn_context *context, const layer_stack *layers, const sampled_params *params,
                                 double scale, network_layers *out)
{
    topn_status status = TOPN_OK;
    if (layers)
        TRY(layers_copy(context, &layers->layers, out));
    out->inputs = (size_t)params->factors;
    out->normalize = params->normalize;
    out->scale = scale;
done:
    return status;
}

/* The items' tower with rows of zeros for items without events, whose own rows negatives alone have moved. */
static topn_status embed_items(topn_context *context, const sampled_towers *towers, topn_model *model)
{
    topn_status status;
    const two_tower_own *own = towers->own;
    const parameter_table *ids = part_of(towers, PART_ITEM_IDS);
    const size_t d = towers->items.dimensions, stride = towers->items.stride, items = towers->items.entities;
    parameter_table tables[TWO_TOWER_PARTS];
    float *values = NULL, *rows = NULL; /* [items × width]; [items × stride] */
    tower side = towers->items;
    memcpy(tables, towers->tables, towers->table_count * sizeof *tables);
    side.tables = tables;
    if (ids) {
        TRY(ALLOCATE(context, items * ids->width, &values));
        put_rows(ids, own->cold_items, ids->width, values);
        tables[own->table_of[PART_ITEM_IDS]].values = values;
    }
    TRY(ALLOCATE(context, items * stride, &rows));
    TRY(tower_embed_all(context, &side, rows));
    const parameter_table embedded = {.values = rows, .rows = (uint32_t)items, .width = stride};
    TRY(export_rows(context, &embedded, d, &model->table.rows.dense, &model->table.biases));
done:
    free(values);
    free(rows);
    return status;
}

static topn_status export_items(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                const sampled_params *params, network_encoder *out)
{
    topn_status status;
    const two_tower_own *own = towers->own;
    const parameter_table *ids = part_of(towers, PART_ITEM_IDS);
    TRY(export_layers(context, own->layers[1], params, 1, &out->item_layers));
    TRY(export_field(context, part_of(towers, PART_ITEM_FEATURES), &data->item_features, "item",
                     (ids ? ids->rows : 0) + 1, (size_t)params->factors, &out->items));
    if (ids)
        put_rows(ids, own->cold_items, (size_t)params->factors, out->items.table.values);
done:
    return status;
}

topn_status two_tower_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                             const sampled_params *params, topn_model *model)
{
    topn_status status;
    const two_tower_own *own = towers->own;
    const tower_bag *bag = &towers->contexts.bags[0];
    network_encoder *out = &model->encoder.network;
    network_encoder_clear(out); /* of an earlier sweep */
    forget_items(model);
    model->encoder.kind = ENCODER_NETWORK;
    model->encoder.use_weights = true;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    out->width = (size_t)params->factors;
    out->bags[0].exponent = bag->exponent;
    out->bag_count = 1;
    TRY(export_rows(context, part_of(towers, PART_HISTORY), out->width, &out->bags[0].table, NULL));
    TRY(export_layers(context, own->layers[0], params, 1 / params->temperature, &out->layers));
    TRY(export_users(context, towers, data, params, out));
    TRY(export_items(context, towers, data, params, out));
    TRY(embed_items(context, towers, model));
    if (params->keep_users && network_known_users(out))
        TRY(model_name_users(context, data, model));
done:
    return status;
}

/* Rows of what both know by name; `first`: where these begin in the earlier table. */
static void copy_named(const string_table *names, const id_index *known, const dense_matrix *from, size_t first,
                       const parameter_table *to)
{
    for (uint32_t row = 0; to && row < to->rows; row++) {
        uint32_t place;
        if (id_index_find(known, string_table_get(names, row), &place) && first + place < from->rows)
            memcpy(to->values + row * to->width, from->values + (first + place) * from->columns,
                   from->columns * sizeof *to->values);
    }
}

topn_status two_tower_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                                 const sampled_params *params, sampled_towers *towers)
{
    const two_tower_own *own = towers->own;
    const network_encoder *from = &earlier->encoder.network;
    const parameter_table *users = part_of(towers, PART_USER_IDS), *items = part_of(towers, PART_ITEM_IDS);
    const size_t d = (size_t)params->factors;
    if (earlier->encoder.kind != ENCODER_NETWORK || from->bag_count != 1 || !from->items.table.values)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: not a two-tower model; start from one of that method");
    if (from->width != d || from->items.table.columns != d)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: the model has %zu factors; use --factors %zu, not %zu",
                    from->width, from->width, d);
    for (int side = 0; side < 2; side++) {
        const network_layers *layers = side ? &from->item_layers : &from->layers;
        if (own->layers[side] ? !layer_stack_take(own->layers[side], layers) : layers->layer_count > 0)
            return fail(context, TOPN_ERROR_OPTION,
                        "--start-from: the model's layers are others; start with its --%s-layers and --activation",
                        side ? "item" : "user");
    }
    copy_named(&data->item_ids, &earlier->items_by_id, &from->bags[0].table, 0, part_of(towers, PART_HISTORY));
    if (network_users(from))
        copy_named(&data->user_ids, &earlier->users_by_id, &from->users.table, 0, users);
    if (from->items.table.rows > (size_t)from->items.features.count + 1)
        copy_named(&data->item_ids, &earlier->items_by_id, &from->items.table, 0, items);
    copy_named(&data->user_features.names, &from->users.by_feature, &from->users.table,
               from->users.table.rows - from->users.features.count, part_of(towers, PART_USER_FEATURES));
    copy_named(&data->item_features.names, &from->items.by_feature, &from->items.table,
               from->items.table.rows - from->items.features.count, part_of(towers, PART_ITEM_FEATURES));
    for (uint32_t item = 0; items && items->width > d && earlier->table.biases && item < items->rows; item++) {
        uint32_t known;
        if (id_index_find(&earlier->items_by_id, string_table_get(&data->item_ids, item), &known))
            items->values[item * items->width + d] = earlier->table.biases[known];
    }
    return TOPN_OK;
}
