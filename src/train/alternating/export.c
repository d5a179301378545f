/* SPDX-License-Identifier: Apache-2.0
 *
 * A trained problem as a model. Tables of training hold no row for an unknown user and may hold one for missing values
 * that no event needed; rows that describe no entity were never trained. All of these become the mean of the trained
 * rows, each counted as often as it describes an entity.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/alternating/pair_statistics.h"
#include "train/alternating/sides.h"
#include "train/alternating/solver.h"

/* counts [table rows]: entities that a row describes. */
static topn_status count_entities(topn_context *context, const side_field *field, uint32_t entities, uint32_t **counts)
{
    topn_status status;
    TRY(ALLOCATE_ZEROED(context, field->table.rows, counts));
    for (uint32_t e = 0; !field->rows.indptr && e < entities; e++)
        (*counts)[e] = 1;
    for (uint64_t at = 0; field->rows.indptr && at < field->rows.indptr[entities]; at++)
        (*counts)[field->rows.indices[at]]++;
done:
    return status;
}

/* mean [width] of rows begin … end by counts; 0 when no row counts. */
static topn_status mean_row(topn_context *context, const dense_matrix *table, const uint32_t *counts, size_t begin,
                            size_t end, float *mean)
{
    topn_status status;
    double *sum = NULL, total = 0; /* [width] */
    TRY(ALLOCATE_ZEROED(context, table->columns, &sum));
    for (size_t row = begin; row < end; row++) {
        total += counts[row];
        for (size_t j = 0; counts[row] > 0 && j < table->columns; j++)
            sum[j] += counts[row] * (double)table->values[row * table->columns + j];
    }
    for (size_t j = 0; j < table->columns; j++)
        mean[j] = total > 0 ? (float)(sum[j] / total) : 0.0F;
done:
    free(sum);
    return status;
}

/* values, unknown, features of the trained table, of which `values` begin it and `kept` of these are wanted (all or
 * none); with_unknown: it has a row for missing values after them. */
static topn_status export_table(topn_context *context, const side_field *field, uint32_t entities, uint32_t values,
                                uint32_t kept, bool with_unknown, dense_matrix *out)
{
    topn_status status;
    const dense_matrix *table = &field->table;
    const size_t width = table->columns, others = table->rows - values - (with_unknown ? 1 : 0);
    uint32_t *counts = NULL; /* [table rows] */
    TRY(count_entities(context, field, entities, &counts));
    *out = (dense_matrix){.rows = kept + 1 + others, .columns = width};
    TRY(ALLOCATE(context, out->rows * width, &out->values));
    float *unknown = out->values + (size_t)kept * width;
    if (with_unknown && counts[values] > 0)
        memcpy(unknown, table->values + (size_t)values * width, width * sizeof *unknown);
    else
        TRY(mean_row(context, table, counts, 0, values, unknown));
    for (size_t row = 0; row < kept; row++)
        memcpy(out->values + row * width, counts[row] > 0 ? table->values + row * width : unknown,
               width * sizeof *unknown);
    for (size_t row = 0; row < others; row++) { /* a feature that nobody has says nothing */
        const size_t from = table->rows - others + row;
        float *target = unknown + (row + 1) * width;
        if (counts[from] > 0)
            memcpy(target, table->values + from * width, width * sizeof *target);
        else
            memset(target, 0, width * sizeof *target);
    }
done:
    free(counts);
    return status;
}

/* The users' trained rows move into the model, in place of being copied; draw_table left room for one more. */
static topn_status hand_over_users(topn_context *context, side_field *field, encoder_field *out)
{
    topn_status status;
    dense_matrix *table = &field->table;
    uint32_t *counts = NULL; /* [table rows] */
    TRY(count_entities(context, field, (uint32_t)table->rows, &counts));
    TRY(mean_row(context, table, counts, 0, table->rows, table->values + table->rows * table->columns));
    out->table = (dense_matrix){.rows = table->rows + 1, .columns = table->columns, .values = table->values};
    table->values = NULL;
done:
    free(counts);
    return status;
}

/* taken: the side that may be left without its users' rows, or NULL. */
static topn_status export_user_field(topn_context *context, const multilinear_side *side, multilinear_side *taken,
                                     const topn_data *data, bool keep_users, encoder_field *out)
{
    topn_status status;
    const uint32_t users = data->matrix.rows;
    TRY(memory_copy_text(context, "user", &out->name));
    if (data->user_features.names.count > 0) {
        TRY(string_table_copy(context, &data->user_features.names, &out->features));
        TRY(id_index_create(context, &out->features, &out->by_feature));
    }
    if (taken && keep_users && !side->fields[0].rows.indptr && side->fields[0].table.rows == users)
        return hand_over_users(context, &taken->fields[0], out);
    TRY(export_table(context, &side->fields[0], side->entities, users, keep_users ? users : 0, false, &out->table));
done:
    return status;
}

static topn_status export_value_field(topn_context *context, const multilinear_side *side, const data_field *named,
                                      const side_field *field, encoder_field *out)
{
    topn_status status;
    TRY(memory_copy_text(context, named->name, &out->name));
    TRY(string_table_copy(context, &named->values, &out->values));
    TRY(id_index_create(context, &out->values, &out->by_value));
    TRY(export_table(context, field, side->entities, named->values.count, named->values.count, true, &out->table));
done:
    return status;
}

static topn_status copy_floats(topn_context *context, const float *from, size_t count, float **out)
{
    const topn_status status = ALLOCATE(context, count, out);
    if (status == TOPN_OK && count > 0)
        memcpy(*out, from, count * sizeof *from);
    return status;
}

static topn_status export_gram(topn_context *context, const multilinear_side *side, const float *weights, float **out)
{
    topn_status status;
    const size_t entries = side->dimensions * side->dimensions;
    double *gram = NULL;
    TRY(ALLOCATE(context, entries, &gram));
    TRY(side_gram(context, side, weights, gram));
    TRY(ALLOCATE(context, entries, out));
    for (size_t at = 0; at < entries; at++)
        (*out)[at] = (float)gram[at];
done:
    free(gram);
    return status;
}

/* Σ_i u_i ψ_i. */
static topn_status sum_items(topn_context *context, const dense_matrix *psi, const float *weights, float **out)
{
    topn_status status;
    double *sum = NULL; /* [D] */
    TRY(ALLOCATE_ZEROED(context, psi->columns, &sum));
    TRY(ALLOCATE(context, psi->columns, out));
    for (size_t item = 0; item < psi->rows; item++)
        for (size_t j = 0; j < psi->columns; j++)
            sum[j] += (weights ? (double)weights[item] : 1.0) * (double)psi->values[item * psi->columns + j];
    for (size_t j = 0; j < psi->columns; j++)
        (*out)[j] = (float)sum[j];
done:
    free(sum);
    return status;
}

/* Mean of ‖ψ − ψ̄‖² over the items, of the factors alone; 1 where they are all the same. */
static topn_status item_spread(topn_context *context, const dense_matrix *psi, size_t factors, double *out)
{
    topn_status status;
    double *sum = NULL, *squares = NULL; /* [factors] each */
    TRY(ALLOCATE_ZEROED(context, factors, &sum));
    TRY(ALLOCATE_ZEROED(context, factors, &squares));
    for (size_t item = 0; item < psi->rows; item++)
        for (size_t j = 0; j < factors; j++)
            sum[j] += (double)psi->values[item * psi->columns + j];
    for (size_t item = 0; item < psi->rows; item++)
        for (size_t j = 0; j < factors; j++) {
            const double away = (double)psi->values[item * psi->columns + j] - sum[j] / (double)psi->rows;
            squares[j] += away * away;
        }
    *out = 0;
    for (size_t j = 0; j < factors; j++)
        *out += squares[j] / (double)psi->rows;
    if (!(*out > 0))
        *out = 1;
done:
    free(sum);
    free(squares);
    return status;
}

/* u of events to come: new items, which training left out, weigh what an item with one event weighs, the most. */
static topn_status export_item_weights(topn_context *context, const alternating_problem *problem, float **out)
{
    topn_status status = TOPN_OK;
    const float *weights = problem->weights[SIDE_ITEMS];
    const uint32_t items = problem->sides[SIDE_ITEMS].entities;
    float most = 0;
    if (!weights || problem->loss.item_exponent == 0)
        return status;
    TRY(copy_floats(context, weights, items, out));
    for (uint32_t item = 0; item < items; item++)
        most = weights[item] > most ? weights[item] : most;
    for (uint32_t item = 0; item < items; item++)
        if (weights[item] == 0)
            (*out)[item] = most;
done:
    return status;
}

static topn_status export_encoder(topn_context *context, const alternating_problem *problem, multilinear_side *taken,
                                  const topn_data *data, bool keep_users, const dense_matrix *psi, fields_encoder *out)
{
    topn_status status;
    const multilinear_side *side = &problem->sides[SIDE_CONTEXTS];
    out->kind = side->kind;
    out->factors = side->factors;
    out->biases = side->biases;
    out->loss = problem->loss;
    if (problem->other_loss) {
        double spread;
        TRY(item_spread(context, psi, side->factors, &spread));
        out->loss.l2 *= spread;
    }
    out->user_scale = problem->user_scale;
    out->contexts = side->entities;
    TRY(ALLOCATE_ZEROED(context, side->field_count, &out->fields));
    out->field_count = side->field_count;
    for (size_t field = 1; field < side->field_count; field++)
        TRY(export_value_field(context, side, &data->contexts.fields[field - 1], &side->fields[field],
                               &out->fields[field]));
    if (side->core.values) {
        out->core = (dense_matrix){.rows = side->core.rows, .columns = side->core.columns};
        TRY(copy_floats(context, side->core.values, side->core.rows * side->core.columns, &out->core.values));
    }
    if (keep_users && data->user_features.names.count > 0)
        TRY(sparse_copy(context, &data->user_features.rows, &out->user_features));
    TRY(export_item_weights(context, problem, &out->item_weights));
    /* An event stands against all items that there are, those without events included. */
    const float *item_weights = problem->loss.pairwise ? out->item_weights : problem->weights[SIDE_ITEMS];
    TRY(export_gram(context, &problem->sides[SIDE_ITEMS], item_weights, &out->item_gram));
    if (problem->loss.pairwise) {
        TRY(sum_items(context, psi, item_weights, &out->item_sum));
        TRY(pair_statistics_export(context, problem, data, psi, out));
    } else {
        TRY(export_gram(context, side, problem->weights[SIDE_CONTEXTS], &out->context_gram));
    }
    TRY(export_user_field(context, side, taken, data, keep_users, &out->fields[0]));
done:
    return status;
}

static topn_status export_model(topn_context *context, const alternating_problem *problem, multilinear_side *taken,
                                const topn_data *data, const alternating_params *params, topn_model *model)
{
    topn_status status;
    const multilinear_side *items = &problem->sides[SIDE_ITEMS];
    fields_encoder_clear(&model->encoder.fields); /* of an earlier sweep */
    embedding_clear(&model->table.rows);
    dense_matrix *psi = &model->table.rows.dense;
    model->encoder.kind = ENCODER_FIELDS;
    model->encoder.use_weights = true;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    *psi = (dense_matrix){.rows = items->entities, .columns = items->dimensions};
    TRY(ALLOCATE(context, psi->rows * psi->columns, &psi->values));
    TRY(side_embed_all(context, items, psi->values));
    TRY(export_encoder(context, problem, taken, data, params->keep_users, psi, &model->encoder.fields));
    if (params->keep_users)
        TRY(model_name_users(context, data, model));
done:
    return status;
}

topn_status problem_export(topn_context *context, const alternating_problem *problem, const topn_data *data,
                           const alternating_params *params, topn_model *model)
{
    return export_model(context, problem, NULL, data, params, model);
}

topn_status problem_finish(topn_context *context, alternating_problem *problem, const topn_data *data,
                           const alternating_params *params, topn_model *model)
{
    return export_model(context, problem, &problem->sides[SIDE_CONTEXTS], data, params, model);
}
