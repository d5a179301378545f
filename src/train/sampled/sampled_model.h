/* SPDX-License-Identifier: Apache-2.0
 *
 * Models that sampled training can train: one row of sampled_models.def each. A model says what its two towers are,
 * which positives a sweep goes through, and what the trained towers become in a model file. Everything else is the
 * loop's.
 *
 *   mf              φ = row of the user, ψ = row of the item
 *   fm              rows of user, context values and features summed; biases and pairs within a side
 *   nsvd            φ = |I_c|^−½ Σ_{h ∈ I_c} x_h, biases                                 (Paterek 2007)
 *   fism            φ = (|I_c|−1)^−α Σ_{h ∈ I_c, h ≠ i} x_h                              (Kabbur et al. 2013)
 *   asymmetric-svd  two histories: of what was taken (y), and of how strongly, by w − mean w (x)   (Koren 2008)
 *   item2vec        φ = row of an item, positives = items near it in a history           (Barkan, Koenigstein 2016)
 *   average         φ = mean of ψ_h over the history: items have one table               (P2 §6.3)
 *   two-tower       networks over features, history and ids                              (P2 §2.1.2)
 */
#ifndef TOPN_TRAIN_SAMPLED_SAMPLED_MODEL_H
#define TOPN_TRAIN_SAMPLED_SAMPLED_MODEL_H

#include "model/model.h"
#include "train/method.h"
#include "train/sampled/sampled.h"
#include "train/sampled/tower_form.h"

typedef struct sampled_towers {
    tower contexts, items;   /* of the same dimensions */
    parameter_table *tables; /* [table_count], those of both towers; values owned by `own` */
    size_t table_count;
    positive_list positives;
    void *own; /* of the model: what export and clear know about */
} sampled_towers;

/* The towers of a model before they are made. */
typedef struct sampled_form {
    tower_form contexts, items;
    parameter_table tables[2 * MOST_TOWER_FIELDS + MOST_TOWER_BAGS]; /* rows and width */
    size_t table_count;
} sampled_form;

typedef struct sampled_model {
    const char *name, *summary, *paper;
    topn_status (*check)(topn_context *, const topn_data *, const sampled_params *); /* NULL: nothing to check */
    /* Parameters (values of all tables) and everything else that create makes, optimiser apart. */
    training_cost (*cost)(const topn_data *, const sampled_params *);
    /* What batches will work in. */
    void (*form)(const topn_data *, const sampled_params *, sampled_form *out);
    /* First values are drawn by (seed, table, row), and taken from `start` (NULL = none) where it knows the id. */
    topn_status (*create)(topn_context *, const topn_data *, const sampled_params *, const topn_model *start,
                          sampled_towers *out);
    void (*clear)(sampled_towers *);
    /* Fills encoder and item table; may be called often. finish: the same at the end, arrays may move (NULL: export).
     */
    topn_status (*export)(topn_context *, const sampled_towers *, const topn_data *, const sampled_params *,
                          topn_model *);
    topn_status (*finish)(topn_context *, sampled_towers *, const topn_data *, const sampled_params *, topn_model *);
} sampled_model;

const sampled_model *sampled_model_at(size_t index);
const sampled_model *sampled_model_find(const char *name);

/* values [rows × width] drawn from N(0, (scale/√factors)²), by seed, `table` and place; the bias column stays 0. */
void draw_parameters(topn_context *context, size_t table, float *values, uint32_t rows, size_t width, size_t factors,
                     double scale);

#endif
