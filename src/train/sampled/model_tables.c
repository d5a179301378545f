/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of sampled models: their first values, from an earlier model and into a later one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "train/sampled/model_parts.h"

topn_status random_table(topn_context *context, size_t number, const char *name, uint32_t rows, size_t width,
                         const sampled_params *params, double l2, float **values, parameter_table *out)
{
    topn_status status;
    TRY(ALLOCATE_TABLE(context, rows * width, values));
    draw_parameters(context, number, *values, rows, width, (size_t)params->factors, params->init_scale);
    *out = (parameter_table){.values = *values, .rows = rows, .width = width, .l2 = l2};
    snprintf(out->name, sizeof out->name, "%s", name);
done:
    return status;
}

topn_status export_rows(topn_context *context, const parameter_table *table, size_t columns, dense_matrix *rows,
                        float **biases)
{
    topn_status status;
    *rows = (dense_matrix){.rows = table->rows, .columns = columns};
    TRY(ALLOCATE(context, table->rows * columns, &rows->values));
    for (size_t row = 0; row < table->rows; row++)
        memcpy(rows->values + row * columns, table->values + row * table->width, columns * sizeof *table->values);
    if (table->width == columns || !biases)
        return status;
    TRY(ALLOCATE(context, table->rows, biases));
    for (size_t row = 0; row < table->rows; row++)
        (*biases)[row] = table->values[row * table->width + columns];
done:
    return status;
}

void make_unit_rows(dense_matrix *rows)
{
    for (size_t row = 0; row < rows->rows; row++) {
        float *values = rows->values + row * rows->columns;
        double squares = 0;
        for (size_t column = 0; column < rows->columns; column++)
            squares += (double)values[column] * (double)values[column];
        const double length = sqrt(squares);
        for (size_t column = 0; length > 0 && column < rows->columns; column++)
            values[column] = (float)((double)values[column] / length);
    }
}

void forget_items(topn_model *model)
{
    embedding_clear(&model->table.rows);
    free(model->table.biases);
    model->table.biases = NULL;
}

topn_status bag_export(topn_context *context, const sampled_towers *towers, const sampled_params *params,
                       double exponent, topn_model *model)
{
    topn_status status;
    const size_t d = (size_t)params->factors;
    const bool one_table = towers->table_count == 1, shared = one_table && !params->normalize;
    embedding_clear(&model->encoder.rows); /* of an earlier sweep */
    forget_items(model);
    model->encoder.kind = ENCODER_BAG;
    model->encoder.normalizer = exponent;
    model->encoder.use_weights = false;
    model->encoder.rows.form = TABLE_DENSE;
    model->table.kind = shared ? ITEMS_SHARED : ITEMS_OWN;
    TRY(export_rows(context, &towers->tables[0], d, &model->encoder.rows.dense, shared ? &model->table.biases : NULL));
    if (shared)
        return status;
    model->table.rows.form = TABLE_DENSE;
    TRY(export_rows(context, &towers->tables[one_table ? 0 : 1], d, &model->table.rows.dense, &model->table.biases));
    if (towers->items.normalize)
        make_unit_rows(&model->table.rows.dense);
    if (towers->contexts.normalize &&
        towers->contexts.bag_count == 0) /* a history of rows, each trained as a context */
        make_unit_rows(&model->encoder.rows.dense);
done:
    return status;
}

void copy_known_rows(const topn_model *earlier, const topn_data *data, const dense_matrix *from, const float *biases,
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

topn_status bag_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                           const sampled_params *params, sampled_towers *towers)
{
    const dense_matrix *bag = &earlier->encoder.rows.dense;
    const bool shared = earlier->table.kind == ITEMS_SHARED, wanted = towers->table_count == 1 && !params->normalize;
    if (earlier->encoder.kind != ENCODER_BAG || earlier->encoder.rows.form != TABLE_DENSE || earlier->dimension_items ||
        shared != wanted || (!shared && (earlier->table.kind != ITEMS_OWN || earlier->table.rows.form != TABLE_DENSE)))
        return fail(context, TOPN_ERROR_OPTION,
                    "--start-from: not a model of summed histories with %s; start from a model of the same method",
                    wanted ? "one table" : "a table of its own for the items");
    if (bag->columns != (size_t)params->factors)
        return fail(context, TOPN_ERROR_OPTION, "--start-from: the model has %zu factors; use --factors %zu, not %zu",
                    bag->columns, bag->columns, (size_t)params->factors);
    copy_known_rows(earlier, data, bag, earlier->table.biases, &towers->tables[0]);
    if (towers->table_count > 1)
        copy_known_rows(earlier, data, &earlier->table.rows.dense, earlier->table.biases, &towers->tables[1]);
    return TOPN_OK;
}
