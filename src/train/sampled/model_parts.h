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

/* Models whose sides are those of least squares (train/alternating/sides.h): the tables of the towers are the sides'
 * tables, and the exported model is one of theirs, so that new users, new items and contexts are dealt with as there.
 */
typedef struct sides_shape {
    composition kind;
    bool contexts; /* the context's fields, where the data have them */
} sides_shape;
training_cost sides_model_cost(const topn_data *data, const sampled_params *params, const sides_shape *shape);
topn_status sides_model_create(topn_context *context, const topn_data *data, const sampled_params *params,
                               const topn_model *start, const sides_shape *shape, sampled_towers *out);
void sides_model_clear(sampled_towers *towers);
topn_status sides_model_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model);
topn_status sides_model_finish(topn_context *context, sampled_towers *towers, const topn_data *data,
                               const sampled_params *params, topn_model *model);

#endif
