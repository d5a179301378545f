/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws from fixed weights in constant time (Walker 1977, built in linear time as by Vose 1991): n cells of equal
 * chance, each shared by its own entry and one other, its alias.
 */
#ifndef TOPN_TRAIN_SAMPLED_ALIAS_TABLE_H
#define TOPN_TRAIN_SAMPLED_ALIAS_TABLE_H

#include "train/sampled/sampler.h"

typedef struct alias_cell {
    double own; /* share of the cell that is its own entry's, in [0, 1] */
    uint32_t alias;
} alias_cell;

typedef struct alias_table {
    alias_cell *cells; /* [count] */
    uint32_t count;
} alias_table;

/* weights [count] ≥ 0, finite, their sum > 0; entries of weight 0 are never drawn. */
topn_status alias_table_create(topn_context *context, const double *weights, uint32_t count, alias_table *out);
void alias_table_clear(alias_table *table);
/* Takes two words. */
uint32_t alias_table_draw(const alias_table *table, draw_source *source);

#endif
