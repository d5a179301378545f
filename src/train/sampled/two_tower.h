/* SPDX-License-Identifier: Apache-2.0
 *
 * The two-tower model, shared by what creates and what exports it.
 */
#ifndef TOPN_TRAIN_SAMPLED_TWO_TOWER_H
#define TOPN_TRAIN_SAMPLED_TWO_TOWER_H

#include "train/sampled/model_parts.h"

/* What parameters there can be, in the order of their tables; layers are tables of one row. */
typedef enum two_tower_part {
    PART_HISTORY,       /* [items × d] */
    PART_USER_IDS,      /* [users × d] */
    PART_USER_FEATURES, /* [names × d] */
    PART_ITEM_IDS,      /* [items × d, and a bias] */
    PART_ITEM_FEATURES, /* [names × d] */
    PART_USER_LAYERS,
    PART_ITEM_LAYERS,
    TWO_TOWER_PARTS
} two_tower_part;

typedef struct two_tower_own {
    float *values[TWO_TOWER_PARTS];   /* NULL: no such part; not of layers */
    layer_stack *layers[2];           /* of users and items, or NULL */
    size_t table_of[TWO_TOWER_PARTS]; /* in towers->tables; SIZE_MAX: none */
    bool *cold_users;                 /* [users] without an event */
    bool *cold_items;                 /* [items] */
} two_tower_own;

topn_status two_tower_start_from(topn_context *context, const topn_model *earlier, const topn_data *data,
                                 const sampled_params *params, sampled_towers *towers);
topn_status two_tower_export(topn_context *context, const sampled_towers *towers, const topn_data *data,
                             const sampled_params *params, topn_model *model);

#endif
