/* SPDX-License-Identifier: Apache-2.0
 *
 * item2vec (Barkan, Koenigstein 2016): the row of an item in one table meets those of the items near it in another,
 * ŷ = ⟨u_h, v_i⟩. A user then is the mean of his items' rows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/sampled/model_parts.h"

enum { INPUT_TABLE, OUTPUT_TABLE, TABLES };

typedef struct item2vec_own {
    float *values[TABLES]; /* [items × width] */
} item2vec_own;

static topn_status item2vec_check(topn_context *context, const topn_data *data, const sampled_params *params)
{
    if (params->order == ORDER_CHOICE_CONTEXTS)
        return fail(context, TOPN_ERROR_OPTION,
                    "item2vec: its contexts are items, of which pairs have no order; leave --order contexts out");
    if (params->confidence != CONFIDENCE_NONE)
        return fail(context, TOPN_ERROR_OPTION,
                    "item2vec: a pair of items is of two events, so it has no weight; leave --event-weight out");
    if (params->by_time == BY_TIME_YES && !data->times)
        return fail(
            context, TOPN_ERROR_DATA,
            "item2vec: the events have no times to order histories by; use --by-time false for histories without "
            "an order");
    return TOPN_OK;
}

static training_cost item2vec_cost(const topn_data *data, const sampled_params *params)
{
    const uint64_t tables = 8 * (uint64_t)data->matrix.columns * ((uint64_t)params->factors + (params->biases ? 1 : 0));
    return (training_cost){.bytes = 2 * tables + windows_bytes(data), .state_bytes = tables};
}

static void item2vec_clear(sampled_towers *towers)
{
    item2vec_own *own = towers->own;
    for (int t = 0; own && t < TABLES; t++)
        free(own->values[t]);
    free(own);
    free(towers->tables);
    positives_clear(&towers->positives);
    *towers = (sampled_towers){0};
}

static tower side_of(parameter_table *tables, size_t table, uint32_t items, const sampled_params *params)
{
    const size_t d = (size_t)params->factors;
    return (tower){
        .entities = items,
        .factors = d,
        .dimensions = d,
        .stride = tables[table].width,
        .biases = params->biases,
        .normalize = params->normalize,
        .fields = {{.table = table}},
        .field_count = 1,
        .tables = tables,
        .table_count = TABLES,
    };
}

static void item2vec_form(const topn_data *data, const sampled_params *params, sampled_form *out)
{
    const uint32_t items = data->matrix.columns;
    for (out->table_count = 0; out->table_count < TABLES; out->table_count++)
        out->tables[out->table_count] =
            (parameter_table){.rows = items, .width = (size_t)params->factors + (params->biases ? 1 : 0)};
    out->contexts.side = side_of(out->tables, INPUT_TABLE, items, params);
    out->contexts.repeated = true;
    out->items.side = side_of(out->tables, OUTPUT_TABLE, items, params);
}

static topn_status item2vec_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                   const topn_model *start, sampled_towers *out)
{
    topn_status status;
    item2vec_own *own = NULL;
    const uint32_t items = data->matrix.columns;
    const size_t width = (size_t)params->factors + (params->biases ? 1 : 0);
    const positive_setting setting = positive_setting_of(params, ORDER_EVENTS);
    const bool by_time = params->by_time == BY_TIME_YES || (params->by_time == BY_TIME_AUTO && data->times);
    *out = (sampled_towers){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE_ZEROED(context, 1, &own));
    out->own = own;
    TRY(ALLOCATE_ZEROED(context, TABLES, &out->tables));
    out->table_count = TABLES;
    TRY(random_table(context, INPUT_TABLE, "inputs", items, width, params, params->l2, &own->values[INPUT_TABLE],
                     &out->tables[INPUT_TABLE]));
    TRY(random_table(context, OUTPUT_TABLE, "outputs", items, width, params, item_l2_of(params),
                     &own->values[OUTPUT_TABLE], &out->tables[OUTPUT_TABLE]));
    if (start)
        TRY(bag_start_from(context, start, data, params, out));
    out->contexts = side_of(out->tables, INPUT_TABLE, items, params);
    out->items = side_of(out->tables, OUTPUT_TABLE, items, params);
    TRY(positives_create_windows(context, data, (uint32_t)params->window, by_time, &setting, &out->positives));
done:
    if (status != TOPN_OK)
        item2vec_clear(out);
    return status;
}

static topn_status item2vec_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                   const sampled_params *params, topn_model *model)
{
    (void)data;
    return bag_export(context, towers, params, 1, model);
}

const sampled_model sampled_model_item2vec = {
    .name = "item2vec",
    .summary = "a row for an item among others and one for it near others, by windows over histories",
    .paper = "Barkan and Koenigstein 2016",
    .check = item2vec_check,
    .cost = item2vec_cost,
    .form = item2vec_form,
    .create = item2vec_create,
    .clear = item2vec_clear,
    .export = item2vec_export,
};
