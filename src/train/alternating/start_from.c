/* SPDX-License-Identifier: Apache-2.0
 *
 * First values from an earlier model. A model keeps rows of users, context values and users' features by name, but of
 * items only ψ: an item's own row becomes what its ψ is beyond its features' rows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/alternating/sides.h"

static const char *composition_name(composition kind)
{
    static const char *const names[] = {"products", "sums", "a Tucker core"};
    return names[kind];
}

static topn_status check_shape(topn_context *context, const fields_encoder *earlier, const multilinear_side *side)
{
    if (earlier->kind != side->kind)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: the model composes its fields by %s, this method by %s; start from a model of the "
                    "same method",
                    composition_name(earlier->kind), composition_name(side->kind));
    if (earlier->factors != side->factors)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: the model has %zu factors; use --factors %zu, not %zu",
                    earlier->factors, earlier->factors, side->factors);
    if (earlier->biases != side->biases)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: the model has %s biases; use --%sbiases",
                    earlier->biases ? "its" : "no", earlier->biases ? "" : "no-");
    if (earlier->field_count != side->field_count)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: the model has %zu context columns, the data %zu; they must be the same",
                    earlier->field_count - 1, side->field_count - 1);
    return TOPN_OK;
}

static topn_status check_field(topn_context *context, const encoder_field *earlier, const char *name,
                               const side_field *field)
{
    if (strcmp(earlier->name, name) != 0)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: the model's context column '%s' is '%s' in the data; they must be the same, in the "
                    "same order",
                    earlier->name, name);
    if (earlier->table.columns != field->table.columns)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: rows of '%s' have %zu numbers in the model, %zu here; use the same --field-factors",
                    name, earlier->table.columns, field->table.columns);
    return TOPN_OK;
}

/* Rows `to_first` … of the table take the rows of the same names from `from_first` … of the earlier one. */
static void copy_named(const dense_matrix *from, const id_index *known, size_t from_first, const string_table *names,
                       size_t to_first, dense_matrix *to)
{
    const size_t width = to->columns;
    for (uint32_t name = 0; name < names->count; name++) {
        uint32_t row;
        if (id_index_find(known, string_table_get(names, name), &row))
            memcpy(to->values + (to_first + name) * width, from->values + (from_first + row) * width,
                   width * sizeof *to->values);
    }
}

static topn_status start_users(topn_context *context, const topn_model *model, const topn_data *data, side_field *field)
{
    topn_status status;
    const encoder_field *earlier = &model->encoder.fields.fields[0];
    const size_t users = earlier->table.rows - 1 - earlier->features.count;
    TRY(check_field(context, earlier, earlier->name, field));
    if (users > 0 && users == model->user_ids.count)
        copy_named(&earlier->table, &model->users_by_id, 0, &data->user_ids, 0, &field->table);
    if (earlier->features.count > 0)
        copy_named(&earlier->table, &earlier->by_feature, users + 1, &data->user_features.names, data->matrix.rows,
                   &field->table);
done:
    return status;
}

static topn_status start_values(topn_context *context, const encoder_field *earlier, const data_field *named,
                                side_field *field)
{
    topn_status status;
    const size_t width = field->table.columns;
    TRY(check_field(context, earlier, named->name, field));
    copy_named(&earlier->table, &earlier->by_value, 0, &named->values, 0, &field->table);
    memcpy(field->table.values + (size_t)named->values.count * width,
           earlier->table.values + (size_t)earlier->values.count * width, width * sizeof *field->table.values);
done:
    return status;
}

/* The item's own row such that side_embed gives psi. phi [D] is scratch. */
static void solve_own_row(multilinear_side *side, uint32_t item, const float *psi, float *scratch, float *phi)
{
    const size_t d = side->factors, own = d + 1;
    float *row = side_block_values(side, (side_block){.field = 0, .row = item});
    memset(row, 0, side_block_width(side, 0) * sizeof *row);
    side_embed(side, item, scratch, phi);
    for (size_t j = 0; j < d; j++)
        row[j] = psi[j] - phi[j];
    if (!side->biases)
        return;
    side_embed(side, item, scratch, phi);
    row[d] = psi[own] - phi[own];
}

static topn_status start_items(topn_context *context, const topn_model *model, const topn_data *data,
                               multilinear_side *side)
{
    topn_status status;
    const dense_matrix *psi = &model->table.rows.dense;
    float *scratch = NULL, *phi = NULL;
    TRY(ALLOCATE(context, side_scratch(side), &scratch));
    TRY(ALLOCATE(context, side->dimensions, &phi));
    for (uint32_t item = 0; item < data->matrix.columns; item++) {
        uint32_t known;
        if (id_index_find(&model->items_by_id, string_table_get(&data->item_ids, item), &known))
            solve_own_row(side, item, psi->values + (size_t)known * psi->columns, scratch, phi);
    }
done:
    free(scratch);
    free(phi);
    return status;
}

topn_status problem_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                               alternating_problem *problem)
{
    topn_status status;
    multilinear_side *side = &problem->sides[SIDE_CONTEXTS];
    const fields_encoder *encoder = &earlier->encoder.fields;
    if (earlier->encoder.kind != ENCODER_FIELDS)
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: not a model of least squares; start from a model of the same method");
    TRY(check_shape(context, encoder, side));
    TRY(start_users(context, earlier, data, &side->fields[0]));
    for (size_t field = 1; field < side->field_count; field++)
        TRY(start_values(context, &encoder->fields[field], &data->contexts.fields[field - 1], &side->fields[field]));
    if (side->core.values)
        memcpy(side->core.values, encoder->core.values,
               side->core.rows * side->core.columns * sizeof *side->core.values);
    TRY(start_items(context, earlier, data, &problem->sides[SIDE_ITEMS]));
done:
    return status;
}
