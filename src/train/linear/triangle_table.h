/* SPDX-License-Identifier: Apache-2.0
 *
 * A triangular factor as a table of embeddings, whole or pruned. Tables stand in item order, triangles in model order.
 */
#ifndef TOPN_TRAIN_LINEAR_TRIANGLE_TABLE_H
#define TOPN_TRAIN_LINEAR_TRIANGLE_TABLE_H

#include "train/linear/system.h"

/* Row i of the table is row position[i] of the triangle: its k largest entries, or all (linear_keeps_all). Takes the
 * array of *l when the table is dense. */
topn_status keep_triangle_rows(topn_context *context, symmetric *l, int64_t k, int storage, const uint32_t *position,
                               embedding_table *out);

typedef enum column_pruning { COLUMNS_GLOBAL, COLUMNS_EACH, COLUMNS_BY_ROW } column_pruning;

/* What is kept of the columns of W, with n rows and columns. */
typedef struct column_rule {
    int64_t k;            /* entries a column, k·n in all; 0 = all */
    column_pruning prune; /* the k·n largest of W·D^-½, the k largest of each column, or k of each row of W·D^-½ */
    double last_share; /* not by row: so much of k goes to the largest entries of each column in the last rows: … */
    double last_dimensions; /* … this share of all rows, at least twice as many as are kept of them */
} column_rule;

/* Row i of the table is column position[i] of the triangle, pruned by the rule, or whole (linear_keeps_all). d [n] are
 * the sums of squares of the columns. Takes the array of *w when the table is dense. */
topn_status keep_triangle_columns(topn_context *context, symmetric *w, const column_rule *rule, int storage,
                                  const double *d, const linear_system *system, embedding_table *out);

#endif
