/* SPDX-License-Identifier: Apache-2.0
 *
 * Item × item weights of another model, as start or as pattern of a new one.
 */
#ifndef TOPN_TRAIN_LINEAR_SLIM_PAIRS_H
#define TOPN_TRAIN_LINEAR_SLIM_PAIRS_H

#include "data/interactions.h"

/* The weights of the model file `path` that are not zero, between items of `data`: row j holds the weights that lead to
 * item j, columns are the items of a history, both numbered as in `data`, ascending. OPTION naming --<option> when the
 * model holds no item × item weights or shares no item with the data. */
topn_status pairs_load_weights(topn_context *context, const topn_data *data, const char *option, const char *path,
                               sparse_matrix *out);
/* Only which pairs they are; rows may be unsorted and name a pair twice. A triangular factor will do, too: each of its
 * entries stands for the pair in both directions. */
topn_status pairs_load_pattern(topn_context *context, const topn_data *data, const char *option, const char *path,
                               sparse_matrix *out);
/* Bytes that one of them takes at most; 0 for NULL or when there is no such file. */
double pairs_file_bytes(const char *path);

#endif
