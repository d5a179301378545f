/* SPDX-License-Identifier: Apache-2.0
 *
 * Two towers (P2 §2.1.2): a user is the mean of rows of his other items, rows of his features and, where asked for, a
 * row of his own; an item is rows of its features and a row of its own. Each side may go through hidden layers, the
 * last of which gives as many numbers as rows have, and be divided by its length.
 *
 * Users and items without events are what their features are: their own rows are 0, since no event has said anything.
 */
#include "train/sampled/two_tower.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const activation_kind activations[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_SIGMOID, ACTIVATION_SWISH};

static const char *const part_names[TWO_TOWER_PARTS] = {"histories",     "users",       "user-features", "items",
                                                        "item-features", "user-layers", "item-layers"};

/* Layers of a side: the hidden ones, and a linear one to d; *count 0 without any. */
static topn_status layers_of(topn_context *context, const sampled_params *params, int side,
                             layer_form forms[MOST_LAYERS], size_t *count)
{
    *count = 0;
    const topn_status status = layer_forms_read(context, side ? "item-layers" : "user-layers",
                                                side ? params->item_layers : params->user_layers,
                                                activations[params->activation], params->dropout, forms, count);
    if (status == TOPN_OK && *count > 0)
        forms[(*count)++] = (layer_form){.outputs = (size_t)params->factors, .activation = ACTIVATION_IDENTITY};
    return status;
}

static topn_status two_tower_check(topn_context *context, const topn_data *data, const sampled_params *params)
{
    topn_status status;
    layer_form forms[MOST_LAYERS];
    size_t count;
    for (int side = 0; side < 2; side++)
        TRY(layers_of(context, params, side, forms, &count));
    if (!params->item_ids && !data->item_features.names.count)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --item-ids is false, and the data have no features of items: nothing tells items apart");
    if (params->biases && !params->item_ids)
        return fail(context, TOPN_ERROR_OPTION,
                    "option --biases of two-tower: biases stand with the items' own rows; they need --item-ids");
done:
    return status;
}

/* Rows and columns of a part's table; 0 rows: the model has none of it. */
static void shape_of(const topn_data *data, const sampled_params *params, two_tower_part part, uint32_t *rows,
                     size_t *columns)
{
    const uint32_t users = data->matrix.rows, items = data->matrix.columns;
    *columns = (size_t)params->factors;
    *rows = 0;
    switch (part) {
    case PART_HISTORY:
        *rows = items;
        break;
    case PART_USER_IDS:
        *rows = params->user_ids ? users : 0;
        break;
    case PART_USER_FEATURES:
        *rows = data->user_features.names.count;
        break;
    case PART_ITEM_IDS:
        *rows = params->item_ids ? items : 0;
        *columns += params->biases ? 1 : 0;
        break;
    case PART_ITEM_FEATURES:
        *rows = data->item_features.names.count;
        break;
    case PART_USER_LAYERS:
    case PART_ITEM_LAYERS:
    case TWO_TOWER_PARTS:
        break;
    }
}

/* Names of features as a model has them, with their index. */
static uint64_t names_bytes(const feature_table *features)
{
    const string_table *names = &features->names;
    return names->count ? names->offsets[names->count] + 24 * (uint64_t)names->count : 0;
}

/* What the model keeps of users and features, and what making the items' embeddings takes beside them. */
static uint64_t export_bytes(const topn_data *data, const sampled_params *params)
{
    const uint64_t items = data->matrix.columns, users = data->matrix.rows, stride = (uint64_t)params->factors + 1;
    const bool features = params->keep_users && data->user_features.names.count;
    const sparse_matrix *rows = &data->user_features.rows;
    return 4 * items * stride * (params->item_ids ? 2 : 1) + names_bytes(&data->user_features) +
           names_bytes(&data->item_features) + (features ? 8 * (users + rows->indptr[rows->rows]) : 0) +
           (params->keep_users ? model_base_bytes(data, true) - model_base_bytes(data, false) : 0);
}

static training_cost two_tower_cost(const topn_data *data, const sampled_params *params)
{
    const positive_setting setting = positive_setting_of(params, ORDER_CONTEXTS);
    const uint64_t items = data->matrix.columns, users = data->matrix.rows, d = (uint64_t)params->factors;
    uint64_t tables = 0, layers = 0;
    for (int part = 0; part < PART_USER_LAYERS; part++) {
        uint32_t rows;
        size_t columns;
        shape_of(data, params, (two_tower_part)part, &rows, &columns);
        tables += 4 * (uint64_t)rows * columns;
    }
    for (int side = 0; side < 2; side++) {
        layer_form forms[MOST_LAYERS];
        size_t count = 0;
        if (layers_of(NULL, params, side, forms, &count) == TOPN_OK)
            layers += layer_stack_bytes(d, forms, count, 0);
    }
    return (training_cost){
        /* trained, and as the model has them beside the items' embeddings */
        .bytes = 2 * (tables + layers) + 4 * items * (d + 1) + users + items + export_bytes(data, params) +
                 positives_bytes(data, &data->matrix, &setting),
        .state_bytes = tables + layers,
        .remedy = "use fewer --factors",
    };
}

static void add_field(tower *side, const size_t *table_of, two_tower_part part, const sparse_matrix *rows)
{
    if (table_of[part] != SIZE_MAX)
        side->fields[side->field_count++] = (tower_field){.rows = rows, .table = table_of[part]};
}

/* Both towers but for their networks. */
static void describe_towers(const topn_data *data, const sampled_params *params, const size_t *table_of,
                            parameter_table *tables, size_t table_count, tower *contexts, tower *items)
{
    const size_t d = (size_t)params->factors;
    const tower side = {
        .factors = d,
        .dimensions = d,
        .stride = d,
        .normalize = params->normalize,
        .tables = tables,
        .table_count = table_count,
    };
    *contexts = *items = side;
    contexts->entities = data->matrix.rows;
    contexts->bags[0] = (tower_bag){
        .history = &data->matrix,
        .table = table_of[PART_HISTORY],
        .exponent = isnan(params->history_exponent) ? 1 : params->history_exponent,
        .exclude_own = true,
    };
    contexts->bag_count = 1;
    add_field(contexts, table_of, PART_USER_IDS, NULL);
    add_field(contexts, table_of, PART_USER_FEATURES, &data->user_features.rows);
    items->entities = data->matrix.columns;
    items->biases = params->biases;
    items->stride = d + (params->biases ? 1 : 0);
    add_field(items, table_of, PART_ITEM_IDS, NULL);
    add_field(items, table_of, PART_ITEM_FEATURES, &data->item_features.rows);
}

static void two_tower_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    size_t table_of[TWO_TOWER_PARTS];
    for (int part = 0; part < PART_USER_LAYERS; part++) {
        parameter_table *table = &out->tables[out->table_count];
        shape_of(data, params, (two_tower_part)part, &table->rows, &table->width);
        table_of[part] = table->rows ? out->table_count++ : SIZE_MAX;
    }
    describe_towers(data, params, table_of, out->tables, out->table_count, &out->contexts.side, &out->items.side);
    out->contexts.repeated = true;
    out->contexts.in_runs = runs_of(data, params, ORDER_CONTEXTS);
    for (int side = 0; side < 2; side++) {
        tower_form *form = side ? &out->items : &out->contexts;
        if (layers_of(NULL, params, side, form->layers, &form->layer_count) != TOPN_OK || form->layer_count == 0)
            continue;
        form->layer_table = out->table_count++;
        out->tables[form->layer_table] = (parameter_table){
            .rows = 1,
            .width = layer_stack_bytes((size_t)params->factors, form->layers, form->layer_count, 0) / sizeof(float)};
    }
}

static topn_status find_cold(topn_context *context, const topn_data *data, two_tower_own *own)
{
    topn_status status;
    const sparse_matrix *events = &data->matrix;
    TRY(ALLOCATE(context, events->rows, &own->cold_users));
    TRY(ALLOCATE(context, events->columns, &own->cold_items));
    memset(own->cold_items, true, events->columns * sizeof *own->cold_items);
    for (uint32_t user = 0; user < events->rows; user++) {
        own->cold_users[user] = events->indptr[user] == events->indptr[user + 1];
        for (uint64_t at = events->indptr[user]; at < events->indptr[user + 1]; at++)
            own->cold_items[events->indices[at]] = false;
    }
done:
    return status;
}

static void clear_rows(float *values, size_t columns, const bool *cold, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++)
        if (cold[row])
            memset(values + row * columns, 0, columns * sizeof *values);
}

static topn_status create_layers(topn_context *context, const sampled_params *params, int side, sampled_towers *out)
{
    topn_status status;
    two_tower_own *own = out->own;
    layer_form forms[MOST_LAYERS];
    size_t count;
    TRY(layers_of(context, params, side, forms, &count));
    if (count == 0)
        return status;
    TRY(layer_stack_create(context, (size_t)params->factors, forms, count, (unsigned)side, &own->layers[side]));
    const int part = side ? PART_ITEM_LAYERS : PART_USER_LAYERS;
    own->table_of[part] = out->table_count;
    out->tables[out->table_count++] = (parameter_table){
        .values = own->layers[side]->values,
        .rows = 1,
        .width = own->layers[side]->parameters,
        .l2 = (side ? item_l2_of(params) : params->l2) * (double)params->batch, /* every example meets them */
    };
    snprintf(out->tables[out->table_count - 1].name, sizeof out->tables->name, "%s", part_names[part]);
done:
    return status;
}

static topn_status create_tables(topn_context *context, const topn_data *data, const sampled_params *params,
                                 sampled_towers *out)
{
    topn_status status;
    two_tower_own *own = out->own;
    TRY(ALLOCATE_ZEROED(context, TWO_TOWER_PARTS, &out->tables));
    for (int part = 0; part < TWO_TOWER_PARTS; part++)
        own->table_of[part] = SIZE_MAX;
    for (int part = 0; part < PART_USER_LAYERS; part++) {
        uint32_t rows;
        size_t columns;
        shape_of(data, params, (two_tower_part)part, &rows, &columns);
        if (rows == 0)
            continue;
        const double l2 = part >= PART_ITEM_IDS ? item_l2_of(params) : params->l2;
        TRY(random_table(context, (size_t)part, part_names[part], rows, columns, params, l2, &own->values[part],
                         &out->tables[out->table_count]));
        own->table_of[part] = out->table_count++;
        if (part == PART_HISTORY || part == PART_ITEM_IDS)
            clear_rows(own->values[part], columns, own->cold_items, rows);
        else if (part == PART_USER_IDS)
            clear_rows(own->values[part], columns, own->cold_users, rows);
    }
    for (int side = 0; side < 2; side++)
        TRY(create_layers(context, params, side, out));
done:
    return status;
}

static void create_towers(const topn_data *data, const sampled_params *params, sampled_towers *out)
{
    const two_tower_own *own = out->own;
    describe_towers(data, params, own->table_of, out->tables, out->table_count, &out->contexts, &out->items);
    out->contexts.network = own->layers[0];
    out->contexts.network_table = own->table_of[PART_USER_LAYERS];
    out->items.network = own->layers[1];
    out->items.network_table = own->table_of[PART_ITEM_LAYERS];
}

static void two_tower_clear(sampled_towers *towers)
{
    two_tower_own *own = towers->own;
    if (own) {
        for (int part = 0; part < TWO_TOWER_PARTS; part++)
            free(own->values[part]);
        layer_stack_free(own->layers[0]);
        layer_stack_free(own->layers[1]);
        free(own->cold_users);
        free(own->cold_items);
    }
    free(own);
    free(towers->tables);
    positives_clear(&towers->positives);
    *towers = (sampled_towers){0};
}

static topn_status two_tower_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                    const topn_model *start, sampled_towers *out)
{
    topn_status status;
    two_tower_own *own = NULL;
    const positive_setting setting = positive_setting_of(params, ORDER_CONTEXTS);
    *out = (sampled_towers){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE_ZEROED(context, 1, &own));
    out->own = own;
    TRY(find_cold(context, data, own));
    TRY(create_tables(context, data, params, out));
    if (start)
        TRY(two_tower_start_from(context, start, data, params, out));
    create_towers(data, params, out);
    TRY(positives_create(context, data, &data->matrix, &setting, &out->positives));
done:
    if (status != TOPN_OK)
        two_tower_clear(out);
    return status;
}

const sampled_model sampled_model_two_tower = {
    .name = "two-tower",
    .summary = "networks over a user's history and features and over an item's features; new items and users by theirs",
    .paper = "Rendle 2021, §2.1.2; Covington, Adams and Sargin 2016; Yi et al. 2019",
    .check = two_tower_check,
    .cost = two_tower_cost,
    .form = two_tower_form,
    .create = two_tower_create,
    .clear = two_tower_clear,
    .export = two_tower_export,
};
