/* SPDX-License-Identifier: Apache-2.0
 *
 * Towers on the sides of a least-squares problem. Of the problem only what its export looks at is made: sides, weights
 * and the loss that rows of new users and items are solved for with.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/alternating/observations.h"
#include "train/alternating/sides.h"
#include "train/sampled/model_parts.h"

typedef struct sides_own {
    alternating_problem problem;
    alternating_params params;
} sides_own;

/* A new user's row is fitted to differences between what he took and everything else, as large as they are for the
 * users that were trained on, or, where everything else has a weight, to labels 1 and 0. */
static alternating_params least_squares(const sampled_params *params)
{
    return (alternating_params){
        .loss = params->fold_in_unobserved == 0, /* pairwise */
        .l2 = params->fold_in_l2,
        .l2_exponent = 1,
        .unobserved_weight = params->fold_in_unobserved,
        .alpha = params->alpha,
        .confidence = params->confidence,
        .confidence_scale = params->confidence_scale,
        .dislike_below = params->dislike_below,
        .user_weight_exponent = params->user_weight_exponent,
        .item_weight_exponent = params->item_weight_exponent,
        .factors = params->factors,
        .init_scale = params->init_scale,
        .biases = params->biases,
        .keep_histories = params->keep_histories,
        .keep_users = params->keep_users,
    };
}

static const sparse_matrix *events_of(const topn_data *data, const sides_shape *shape)
{
    return shape->contexts && data->contexts.field_count > 0 ? &data->contexts.events : &data->matrix;
}

training_cost sides_model_cost(const topn_data *data, const sampled_params *params, const sides_shape *shape)
{
    const alternating_params own = least_squares(params);
    const positive_setting setting = positive_setting_of(params, ORDER_EVENTS);
    const uint64_t tables = sides_bytes(data, &own, shape->kind, shape->contexts, NULL),
                   d = (uint64_t)params->factors + 2, items = data->matrix.columns;
    return (training_cost){
        /* Grams in double precision, ψ, and the users' rows where they are copied into a model. */
        .bytes = tables + positives_bytes(data, events_of(data, shape), &setting) + 24 * d * d + 4 * d * items +
                 8 * items + 44 * sides_context_count(data, shape->contexts),
        .state_bytes = tables,
    };
}

/* A table, and the rows of it that describe an entity. */
static void add_field(const sides_shape *shape, const sampled_params *params, uint32_t rows,
                      const feature_table *features, tower *side, sampled_form *out)
{
    const size_t bias = params->biases || shape->kind == COMPOSE_SUM, table = out->table_count++;
    out->tables[table] = (parameter_table){.rows = rows + (features ? features->names.count : 0),
                                           .width = (size_t)params->factors + bias};
    side->fields[side->field_count++] = (tower_field){.table = table};
    if (features && features->names.count)
        side->fields[side->field_count++] = (tower_field){.rows = &features->rows, .table = table};
}

void sides_model_form(const topn_data *data, const sampled_params *params, const sides_shape *shape, sampled_form *out)
{
    const size_t d = (size_t)params->factors, fields = shape->contexts ? data->contexts.field_count : 0;
    const bool biases = params->biases || shape->kind == COMPOSE_SUM;
    tower *contexts = &out->contexts.side, *items = &out->items.side;
    *contexts = *items = (tower){.factors = d,
                                 .dimensions = d,
                                 .stride = d + biases,
                                 .biases = biases,
                                 .normalize = params->normalize,
                                 .tables = out->tables};
    add_field(shape, params, data->matrix.rows, &data->user_features, contexts, out);
    for (size_t field = 0; field < fields; field++)
        add_field(shape, params, data->contexts.fields[field].values.count + 1, NULL, contexts, out);
    add_field(shape, params, data->matrix.columns, &data->item_features, items, out);
    contexts->pairs = shape->kind == COMPOSE_SUM && contexts->field_count > 1;
    items->pairs = shape->kind == COMPOSE_SUM && items->field_count > 1;
    contexts->entities = events_of(data, shape)->rows;
    items->entities = data->matrix.columns;
    out->contexts.repeated = true;
}

/* Weights as problem_create makes them. */
static topn_status create_weights(topn_context *context, const topn_data *data, const sparse_matrix *events,
                                  alternating_problem *problem)
{
    topn_status status;
    sparse_matrix turned = {0};
    const observations sides[2] = {{.pairs = *events}};
    TRY(pair_weights_create(context, events, &problem->loss, problem->weights, &problem->user_scale));
    if (data->user_features.names.count > 0)
        TRY(leave_out_new(context, &sides[SIDE_CONTEXTS], &problem->weights[SIDE_CONTEXTS]));
    if (data->item_features.names.count > 0) {
        TRY(sparse_transpose(context, events, &turned));
        const observations by_item = {.pairs = turned};
        TRY(leave_out_new(context, &by_item, &problem->weights[SIDE_ITEMS]));
    }
done:
    sparse_clear(&turned);
    return status;
}

static topn_status list_tables(topn_context *context, const sampled_params *params, alternating_problem *problem,
                               sampled_towers *towers)
{
    static const char *const names[2] = {"contexts", "items"};
    topn_status status;
    size_t count = 0;
    TRY(ALLOCATE_ZEROED(context, problem->sides[0].field_count + problem->sides[1].field_count, &towers->tables));
    for (int which = 0; which < 2; which++)
        for (size_t field = 0; field < problem->sides[which].field_count; field++) {
            const dense_matrix *values = &problem->sides[which].fields[field].table;
            parameter_table *table = &towers->tables[count++];
            snprintf(table->name, sizeof table->name, "%s.%zu", names[which], field);
            table->values = values->values;
            table->rows = (uint32_t)values->rows;
            table->width = values->columns;
            table->l2 = which == SIDE_ITEMS ? item_l2_of(params) : params->l2;
        }
    towers->table_count = count;
done:
    return status;
}

static tower tower_of(const multilinear_side *side, size_t first_table, sampled_towers *towers)
{
    tower out = {
        .entities = side->entities,
        .factors = side->factors,
        .dimensions = side->factors,
        .stride = side->factors + (side->biases ? 1 : 0),
        .biases = side->biases,
        .pairs = side->kind == COMPOSE_SUM && (side->field_count > 1 || side->fields[0].rows.indptr),
        .field_count = side->field_count,
        .tables = towers->tables,
        .table_count = towers->table_count,
    };
    for (size_t field = 0; field < side->field_count; field++) {
        const sparse_matrix *rows = &side->fields[field].rows;
        out.fields[field] = (tower_field){.rows = rows->indptr ? rows : NULL, .table = first_table + field};
    }
    return out;
}

topn_status sides_model_create(topn_context *context, const topn_data *data, const sampled_params *params,
                               const topn_model *start, const sides_shape *shape, sampled_towers *out)
{
    topn_status status;
    sides_own *own = NULL;
    const positive_setting setting = positive_setting_of(params, ORDER_EVENTS);
    const sparse_matrix *events = events_of(data, shape);
    *out = (sampled_towers){0};
    TRY(data_require_events(context, data, "to train on"));
    TRY(ALLOCATE_ZEROED(context, 1, &own));
    out->own = own;
    own->params = least_squares(params);
    own->problem.other_loss = true;
    own->problem.loss = alternating_square_loss(&own->params);
    if (own->problem.loss.pairwise)
        own->problem.loss.l2 *= data->item_ids.count; /* as problem_create has it */
    TRY(sides_create(context, data, &own->params, shape->kind, shape->contexts, NULL, own->problem.sides));
    TRY(create_weights(context, data, events, &own->problem));
    if (start)
        TRY(problem_start_from(context, start, data, &own->problem));
    TRY(list_tables(context, params, &own->problem, out));
    out->contexts = tower_of(&own->problem.sides[SIDE_CONTEXTS], 0, out);
    out->items = tower_of(&own->problem.sides[SIDE_ITEMS], out->contexts.field_count, out);
    out->contexts.normalize = out->items.normalize = params->normalize;
    TRY(positives_create(context, data, events, &setting, &out->positives));
done:
    if (status != TOPN_OK)
        sides_model_clear(out);
    return status;
}

void sides_model_clear(sampled_towers *towers)
{
    sides_own *own = towers->own;
    if (own)
        problem_clear(&own->problem);
    free(own);
    free(towers->tables);
    positives_clear(&towers->positives);
    *towers = (sampled_towers){0};
}

/* Items as they are scored, ψ/‖ψ‖, a row for each: what a model of cosines has as its items. */
static topn_status unit_items(topn_context *context, const sampled_towers *towers, const multilinear_side *from,
                              multilinear_side *out)
{
    topn_status status;
    *out = *from;
    out->field_count = 1;
    TRY(ALLOCATE_ZEROED(context, 1, &out->fields));
    dense_matrix *table = &out->fields->table;
    *table = (dense_matrix){.rows = from->entities, .columns = towers->items.stride};
    TRY(ALLOCATE(context, table->rows * table->columns, &table->values));
    TRY(tower_embed_all(context, &towers->items, table->values));
done:
    return status;
}

static topn_status export_cosines(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                  topn_model *model)
{
    topn_status status;
    const sides_own *own = towers->own;
    alternating_problem problem = own->problem;
    multilinear_side *items = &problem.sides[SIDE_ITEMS];
    TRY(unit_items(context, towers, &own->problem.sides[SIDE_ITEMS], items));
    TRY(problem_export(context, &problem, data, &own->params, model));
done:
    if (items->fields)
        free(items->fields->table.values);
    free(items->fields);
    return status;
}

topn_status sides_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model)
{
    const sides_own *own = towers->own;
    if (params->normalize)
        return export_cosines(context, towers, data, model);
    return problem_export(context, &own->problem, data, &own->params, model);
}

topn_status sides_model_finish(topn_context *context, sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model)
{
    sides_own *own = towers->own;
    if (params->normalize)
        return export_cosines(context, towers, data, model);
    return problem_finish(context, &own->problem, data, &own->params, model);
}
