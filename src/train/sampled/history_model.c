/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in which a user is what he took: φ = n^−exponent Σ_h θ_h over his history. They become a bag encoder with the
 * trained rows, so new users need no training. Biases are the items' alone: one of a context adds the same to the
 * scores of all items.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/sampled/model_parts.h"

typedef struct history_own {
    const history_shape *shape;
    float *tables[2]; /* what a history is summed of [items × width], and the items' own rows; [1] NULL: the same */
    double exponent;
} history_own;

enum { BAG_TABLE, ITEM_TABLE };

static size_t width_of(const sampled_params *params)
{
    return (size_t)params->factors + (params->biases ? 1 : 0);
}

/* Columns of the rows that a history is summed of. */
static size_t bag_width(const sampled_params *params, const history_shape *shape)
{
    return shape->shared ? width_of(params) : (size_t)params->factors;
}

training_cost history_model_cost(const topn_data *data, const sampled_params *params, const history_shape *shape)
{
    const positive_setting setting = positive_setting_of(params, ORDER_CONTEXTS);
    const uint64_t items = data->matrix.columns;
    const uint64_t tables = 4 * items * (bag_width(params, shape) + (shape->shared ? 0 : width_of(params)));
    return (training_cost){
        .bytes = 2 * tables + positives_bytes(data, &data->matrix, &setting), /* trained, and as the model has them */
        .state_bytes = tables,
    };
}

static void fill_table(const char *name, float *values, uint32_t rows, size_t width, double l2, parameter_table *out)
{
    *out = (parameter_table){.values = values, .rows = rows, .width = width, .l2 = l2};
    snprintf(out->name, sizeof out->name, "%s", name);
}

static topn_status create_tables(topn_context *context, const topn_data *data, const sampled_params *params,
                                 const history_shape *shape, history_own *own, sampled_towers *out)
{
    topn_status status;
    const uint32_t items = data->matrix.columns;
    const size_t d = (size_t)params->factors;
    out->table_count = shape->shared ? 1 : 2;
    TRY(ALLOCATE_ZEROED(context, out->table_count, &out->tables));
    for (size_t t = 0; t < out->table_count; t++) {
        const bool bag = t == BAG_TABLE;
        const size_t width = bag ? bag_width(params, shape) : width_of(params);
        TRY(ALLOCATE(context, items * width, &own->tables[t]));
        draw_parameters(context, t, own->tables[t], items, width, d, params->init_scale);
        fill_table(bag && !shape->shared ? "histories" : "items", own->tables[t], items, width,
                   bag && !shape->shared ? params->l2 : item_l2_of(params), &out->tables[t]);
    }
done:
    return status;
}

static void create_towers(const topn_data *data, const sampled_params *params, const history_own *own,
                          sampled_towers *out)
{
    const size_t d = (size_t)params->factors;
    out->contexts = (tower){
        .entities = data->matrix.rows,
        .factors = d,
        .dimensions = d,
        .stride = d,
        .bags = {{.history = &data->matrix,
                  .table = BAG_TABLE,
                  .exponent = own->exponent,
                  .exclude_own = own->shape->exclude_own}},
        .bag_count = 1,
        .tables = out->tables,
        .table_count = out->table_count,
    };
    out->items = (tower){
        .entities = data->matrix.columns,
        .factors = d,
        .dimensions = d,
        .stride = width_of(params),
        .biases = params->biases,
        .fields = {{.table = own->shape->shared ? BAG_TABLE : ITEM_TABLE}},
        .field_count = 1,
        .tables = out->tables,
        .table_count = out->table_count,
    };
}

/* Rows of the items that the earlier model has by the same id. */
static void copy_rows(const topn_model *earlier, const topn_data *data, const dense_matrix *from, const float *biases,
                      parameter_table *to)
{
    for (uint32_t item = 0; item < data->matrix.columns; item++) {
        uint32_t known;
        float *row = to->values + item * to->width;
        if (!id_index_find(&earlier->items_by_id, string_table_get(&data->item_ids, item), &known))
            continue;
        memcpy(row, from->values + known * from->columns, from->columns * sizeof *row);
        if (to->width > from->columns && biases)
            row[from->columns] = biases[known];
    }
}

static topn_status start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                              const sampled_params *params, sampled_towers *out)
{
    const dense_matrix *bag = &earlier->encoder.rows.dense;
    const bool shared = earlier->table.kind == ITEMS_SHARED, wanted = out->table_count == 1;
    if (earlier->encoder.kind != ENCODER_BAG || earlier->encoder.rows.form != TABLE_DENSE || earlier->dimension_items ||
        shared != wanted || (!shared && earlier->table.kind != ITEMS_OWN))
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: not a model of summed histories with %s; start from a model of the same method",
                    wanted ? "one table" : "a table of its own for the items");
    if (bag->columns != (size_t)params->factors)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: the model has %zu factors; use --factors %zu, not %zu",
                    bag->columns, bag->columns, (size_t)params->factors);
    copy_rows(earlier, data, bag, earlier->table.biases, &out->tables[BAG_TABLE]);
    if (!shared)
        copy_rows(earlier, data, &earlier->table.rows.dense, earlier->table.biases, &out->tables[ITEM_TABLE]);
    return TOPN_OK;
}

topn_status history_model_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                 const topn_model *start, const history_shape *shape, sampled_towers *out)
{
    topn_status status;
    history_own *own = NULL;
    const positive_setting setting = positive_setting_of(params, ORDER_CONTEXTS);
    *out = (sampled_towers){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE_ZEROED(context, 1, &own));
    out->own = own;
    own->shape = shape;
    own->exponent = isnan(params->history_exponent) ? shape->exponent : params->history_exponent;
    TRY(create_tables(context, data, params, shape, own, out));
    if (start)
        TRY(start_from(context, start, data, params, out));
    create_towers(data, params, own, out);
    TRY(positives_create(context, data, &data->matrix, &setting, &out->positives));
done:
    if (status != TOPN_OK)
        history_model_clear(out);
    return status;
}

void history_model_clear(sampled_towers *towers)
{
    history_own *own = towers->own;
    for (int t = 0; own && t < 2; t++)
        free(own->tables[t]);
    free(own);
    free(towers->tables);
    positives_clear(&towers->positives);
    *towers = (sampled_towers){0};
}

/* The first columns of a table as rows of a model, and its last as the items' biases. */
static topn_status export_rows(topn_context *context, const parameter_table *table, size_t columns,
                               embedding_table *rows, float **biases)
{
    topn_status status;
    *rows = (embedding_table){.form = TABLE_DENSE, .dense = {.rows = table->rows, .columns = columns}};
    TRY(ALLOCATE(context, table->rows * columns, &rows->dense.values));
    for (uint32_t row = 0; row < table->rows; row++)
        memcpy(rows->dense.values + row * columns, table->values + row * table->width, columns * sizeof *table->values);
    if (table->width == columns || !biases)
        return status;
    TRY(ALLOCATE(context, table->rows, biases));
    for (uint32_t row = 0; row < table->rows; row++)
        (*biases)[row] = table->values[row * table->width + columns];
done:
    return status;
}

topn_status bag_export(topn_context *context, const sampled_towers *towers, const sampled_params *params,
                       double exponent, topn_model *model)
{
    topn_status status;
    const size_t d = (size_t)params->factors;
    const bool shared = towers->table_count == 1;
    embedding_clear(&model->encoder.rows); /* of an earlier sweep */
    embedding_clear(&model->table.rows);
    free(model->table.biases);
    model->table.biases = NULL;
    model->encoder.kind = ENCODER_BAG;
    model->encoder.normalizer = exponent;
    model->encoder.use_weights = false;
    model->table.kind = shared ? ITEMS_SHARED : ITEMS_OWN;
    TRY(export_rows(context, &towers->tables[BAG_TABLE], d, &model->encoder.rows,
                    shared ? &model->table.biases : NULL));
    if (!shared)
        TRY(export_rows(context, &towers->tables[ITEM_TABLE], d, &model->table.rows, &model->table.biases));
done:
    return status;
}

topn_status history_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                 const sampled_params *params, topn_model *model)
{
    const history_own *own = towers->own;
    (void)data;
    return bag_export(context, towers, params, own->exponent, model);
}
