/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in which a user is what he took: φ = n^−exponent Σ_h θ_h over his history. They become a bag encoder with the
 * trained rows, so new users need no training. Biases are the items' alone: one of a context adds the same to the
 * scores of all items.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/sampled/model_parts.h"

enum { BAG_TABLE, ITEM_TABLE, STRENGTH_TABLE, TABLES };

typedef struct history_own {
    const history_shape *shape;
    float *values[TABLES];          /* [items × width]; NULL where the model has no such table */
    double exponent, offset, scale; /* of strengths: v_h = scale (w_h − offset) */
} history_own;

static size_t width_of(const sampled_params *params)
{
    return (size_t)params->factors + (params->biases ? 1 : 0);
}

/* Columns of the rows that a history is summed of. */
static size_t bag_width(const sampled_params *params, const history_shape *shape)
{
    return shape->shared ? width_of(params) : (size_t)params->factors;
}

static bool has_strengths(const topn_data *data, const history_shape *shape)
{
    return shape->strengths && data->has_weights;
}

static size_t count_tables(const topn_data *data, const history_shape *shape)
{
    return shape->shared ? 1 : has_strengths(data, shape) ? 3 : 2;
}

training_cost history_model_cost(const topn_data *data, const sampled_params *params, const history_shape *shape)
{
    const positive_setting setting = positive_setting_of(params, ORDER_CONTEXTS);
    const uint64_t items = data->matrix.columns;
    const uint64_t tables = 4 * items *
                            (bag_width(params, shape) + (shape->shared ? 0 : width_of(params)) +
                             (has_strengths(data, shape) ? (size_t)params->factors : 0));
    return (training_cost){
        .bytes = 2 * tables + positives_bytes(data, &data->matrix, &setting), /* trained, and as the model has them */
        .state_bytes = tables,
    };
}

static topn_status create_tables(topn_context *context, const topn_data *data, const sampled_params *params,
                                 history_own *own, sampled_towers *out)
{
    topn_status status;
    const history_shape *shape = own->shape;
    const uint32_t items = data->matrix.columns;
    const double l2 = shape->shared ? item_l2_of(params) : params->l2;
    out->table_count = count_tables(data, shape);
    TRY(ALLOCATE_ZEROED(context, out->table_count, &out->tables));
    TRY(random_table(context, BAG_TABLE, shape->shared ? "items" : "histories", items, bag_width(params, shape), params,
                     l2, &own->values[BAG_TABLE], &out->tables[BAG_TABLE]));
    if (!shape->shared)
        TRY(random_table(context, ITEM_TABLE, "items", items, width_of(params), params, item_l2_of(params),
                         &own->values[ITEM_TABLE], &out->tables[ITEM_TABLE]));
    if (has_strengths(data, shape))
        TRY(random_table(context, STRENGTH_TABLE, "strengths", items, (size_t)params->factors, params, params->l2,
                         &own->values[STRENGTH_TABLE], &out->tables[STRENGTH_TABLE]));
done:
    return status;
}

static void describe_towers(const topn_data *data, const sampled_params *params, const history_own *own,
                            parameter_table *tables, size_t table_count, tower *contexts, tower *items)
{
    const size_t d = (size_t)params->factors;
    const tower side = {
        .factors = d,
        .dimensions = d,
        .stride = width_of(params),
        .biases = params->biases, /* of a history of rows without biases 0; of shared ones their mean */
        .normalize = params->normalize,
        .tables = tables,
        .table_count = table_count,
    };
    const tower_bag bag = {.history = &data->matrix,
                           .table = BAG_TABLE,
                           .exponent = own->exponent,
                           .exclude_own = own->shape->exclude_own};
    *contexts = *items = side;
    contexts->entities = data->matrix.rows;
    contexts->bags[0] = contexts->bags[1] = bag;
    contexts->bags[1].table = STRENGTH_TABLE;
    contexts->bags[1].weighted = true;
    contexts->bags[1].offset = own->offset;
    contexts->bags[1].scale = own->scale;
    contexts->bag_count = has_strengths(data, own->shape) ? 2 : 1;
    items->entities = data->matrix.columns;
    items->fields[0].table = own->shape->shared ? BAG_TABLE : ITEM_TABLE;
    items->field_count = 1;
}

void history_model_form(const topn_data *data, const sampled_params *params, const history_shape *shape,
                        sampled_form *out)
{
    const history_own own = {.shape = shape};
    const size_t widths[TABLES] = {bag_width(params, shape), width_of(params), (size_t)params->factors};
    out->table_count = count_tables(data, shape);
    for (size_t t = 0; t < out->table_count; t++)
        out->tables[t] = (parameter_table){.rows = data->matrix.columns, .width = widths[t]};
    describe_towers(data, params, &own, out->tables, out->table_count, &out->contexts.side, &out->items.side);
    out->contexts.repeated = true;
    out->contexts.in_runs = runs_of(data, params, ORDER_CONTEXTS);
}

/* Strengths with mean 0 and deviation 1, so that one rate and one ridge suit ratings and counts of plays alike. */
static void standardize(const sparse_matrix *events, history_own *own)
{
    double sum = 0, squares = 0;
    const uint64_t count = events->indptr[events->rows];
    for (uint64_t at = 0; at < count; at++)
        sum += (double)events->values[at];
    own->offset = sum / (double)count;
    for (uint64_t at = 0; at < count; at++)
        squares += ((double)events->values[at] - own->offset) * ((double)events->values[at] - own->offset);
    own->scale = squares > 0 ? sqrt((double)count / squares) : 1;
}

/* A model's strengths are w_h − offset: its rows have the scale. */
static void scale_rows(size_t count, double factor, float *rows)
{
    for (size_t at = 0; at < count; at++)
        rows[at] = (float)((double)rows[at] * factor);
}

static topn_status start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                              const sampled_params *params, sampled_towers *out)
{
    topn_status status = TOPN_OK;
    const network_encoder *sums = &earlier->encoder.network;
    if (out->table_count < 3)
        return bag_start_from(context, earlier, data, params, out);
    if (earlier->encoder.kind != ENCODER_NETWORK || sums->bag_count != 2 || sums->layers.layer_count > 0 ||
        sums->width != (size_t)params->factors || earlier->table.kind != ITEMS_OWN)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: not a model of two sums over histories of %zu factors; start from a model of the "
                    "same method and --factors",
                    (size_t)params->factors);
    copy_known_rows(earlier, data, &sums->bags[0].table, NULL, &out->tables[BAG_TABLE]);
    parameter_table *strengths = &out->tables[STRENGTH_TABLE];
    const double scale = ((const history_own *)out->own)->scale;
    scale_rows(strengths->rows * strengths->width, scale, strengths->values);
    copy_known_rows(earlier, data, &sums->bags[1].table, NULL, strengths);
    scale_rows(strengths->rows * strengths->width, 1 / scale, strengths->values);
    copy_known_rows(earlier, data, &earlier->table.rows.dense, earlier->table.biases, &out->tables[ITEM_TABLE]);
    return status;
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
    if (has_strengths(data, shape))
        standardize(&data->matrix, own);
    TRY(create_tables(context, data, params, own, out));
    if (start)
        TRY(start_from(context, start, data, params, out));
    describe_towers(data, params, own, out->tables, out->table_count, &out->contexts, &out->items);
    TRY(positives_create(context, data, &data->matrix, &setting, &out->positives));
done:
    if (status != TOPN_OK)
        history_model_clear(out);
    return status;
}

void history_model_clear(sampled_towers *towers)
{
    history_own *own = towers->own;
    for (int t = 0; own && t < TABLES; t++)
        free(own->values[t]);
    free(own);
    free(towers->tables);
    positives_clear(&towers->positives);
    *towers = (sampled_towers){0};
}

/* Two sums, which a bag encoder has not. */
static topn_status export_sums(topn_context *context, const sampled_towers *towers, const history_own *own,
                               const sampled_params *params, topn_model *model)
{
    topn_status status;
    const size_t d = (size_t)params->factors;
    const size_t tables[2] = {BAG_TABLE, STRENGTH_TABLE};
    network_encoder *out = &model->encoder.network;
    network_encoder_clear(out); /* of an earlier sweep */
    forget_items(model);
    model->encoder.kind = ENCODER_NETWORK;
    model->encoder.use_weights = true;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    out->width = d;
    out->layers = (network_layers){.inputs = d, .scale = 1};
    out->bag_count = 2;
    for (size_t b = 0; b < 2; b++) {
        const tower_bag *bag = &towers->contexts.bags[b];
        out->bags[b] = (network_bag){.exponent = own->exponent, .offset = bag->offset, .weighted = bag->weighted};
        TRY(export_rows(context, &towers->tables[tables[b]], d, &out->bags[b].table, NULL));
    }
    scale_rows(out->bags[1].table.rows * d, own->scale, out->bags[1].table.values);
    TRY(memory_copy_text(context, "user", &out->users.name));
    out->users.table = (dense_matrix){.rows = 1, .columns = d}; /* nobody has a row of his own */
    TRY(ALLOCATE_ZEROED(context, d, &out->users.table.values));
    TRY(export_rows(context, &towers->tables[ITEM_TABLE], d, &model->table.rows.dense, &model->table.biases));
    if (params->normalize)
        make_unit_rows(&model->table.rows.dense);
done:
    return status;
}

topn_status history_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                 const sampled_params *params, topn_model *model)
{
    const history_own *own = towers->own;
    (void)data;
    return towers->contexts.bag_count > 1 ? export_sums(context, towers, own, params, model)
                                          : bag_export(context, towers, params, own->exponent, model);
}
