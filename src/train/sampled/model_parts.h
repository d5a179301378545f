/* SPDX-License-Identifier: Apache-2.0
 *
 * What the models of sampled training have in common.
 */
#ifndef TOPN_TRAIN_SAMPLED_MODEL_PARTS_H
#define TOPN_TRAIN_SAMPLED_MODEL_PARTS_H

#include "model/multilinear.h"
#include "train/sampled/sampled_model.h"

/* The positives' options; `natural`: the order where none is asked for. */
positive_setting positive_setting_of(const sampled_params *params, positive_order natural);
double item_l2_of(const sampled_params *params);
/* Whether a context's positives follow each other, one for each item of its history. */
bool runs_of(const topn_data *data, const sampled_params *params, positive_order natural);

/* Models whose sides are those of least squares (train/alternating/sides.h): the tables of the towers are the sides'
 * tables, and the exported model is one of theirs, so that new users, new items and contexts are dealt with as there.
 */
typedef struct sides_shape {
    composition kind;
    bool contexts; /* the context's fields, where the data have them */
} sides_shape;
void sides_model_form(const topn_data *data, const sampled_params *params, const sides_shape *shape, sampled_form *out);
training_cost sides_model_cost(const topn_data *data, const sampled_params *params, const sides_shape *shape);
topn_status sides_model_create(topn_context *context, const topn_data *data, const sampled_params *params,
                               const topn_model *start, const sides_shape *shape, sampled_towers *out);
void sides_model_clear(sampled_towers *towers);
topn_status sides_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model);
topn_status sides_model_finish(topn_context *context, sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model);

/* Models whose contexts are sums over histories. */
typedef struct history_shape {
    double exponent;  /* of the number of items in a history, where --history-exponent is not given */
    bool exclude_own; /* an example's own item is no part of its history */
    bool shared;      /* histories are summed of the items' own rows */
    bool strengths;   /* a second sum over the history, weighted by w − mean w, where events have weights */
} history_shape;
void history_model_form(const topn_data *data, const sampled_params *params, const history_shape *shape,
                        sampled_form *out);
training_cost history_model_cost(const topn_data *data, const sampled_params *params, const history_shape *shape);
topn_status history_model_create(topn_context *context, const topn_data *data, const sampled_params *params,
                                 const topn_model *start, const history_shape *shape, sampled_towers *out);
void history_model_clear(sampled_towers *towers);
topn_status history_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                                 const sampled_params *params, topn_model *model);

/* Table 0 as the rows that a bag sums, table 1 (or, without one, the same) as the items', its last column beyond the
 * factors as their biases. Of cosines the items have length 1, and a history's φ any: scores of a user are then cosines
 * times the same number, in the same order. And back, of an earlier model. */
topn_status bag_export(topn_context *context, const sampled_towers *towers, const sampled_params *params,
                       double exponent, topn_model *model);
topn_status bag_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                           const sampled_params *params, sampled_towers *towers);
/* The first `columns` of a table as rows of a model, and (biases NULL: not) the column behind them. */
topn_status export_rows(topn_context *context, const parameter_table *table, size_t columns, dense_matrix *rows,
                        float **biases);
/* Every row that is not 0 gets length 1. */
void make_unit_rows(dense_matrix *rows);
/* Rows, and biases where there are any, of the items that the earlier model has by the same id. */
void copy_known_rows(const topn_model *earlier, const topn_data *data, const dense_matrix *from, const float *biases,
                     parameter_table *to);
/* Clears the item table that an earlier sweep left. */
void forget_items(topn_model *model);
/* A table of random rows [rows × width], width − factors of these columns 0; *values is the caller's. */
topn_status random_table(topn_context *context, size_t number, const char *name, uint32_t rows, size_t width,
                         const sampled_params *params, double l2, float **values, parameter_table *out);

#endif
