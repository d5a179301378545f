/* SPDX-License-Identifier: Apache-2.0
 *
 * The sparsity structure of another model's factor, for data of one's own (P1 §4.3). Items are matched by their ids.
 *
 * The factor of the source is a triangle: in the order of its dimensions, the row of an item has entries up to its own
 * dimension (chol, chol-sparse) or from it on (inverse-factor, fsai). Either can be had here: the other one is the same
 * structure in the opposite order.
 */
#ifndef TOPN_TRAIN_LINEAR_REUSED_PATTERN_H
#define TOPN_TRAIN_LINEAR_REUSED_PATTERN_H

#include "train/linear/system.h"

#define PATTERN_OPTION(params)                                                                                         \
    OPTION_TEXT(                                                                                                       \
        params, pattern_from, "pattern-from", NULL,                                                                    \
        "model file of a sparse factor (chol, inverse-factor, fsai, chol-sparse): items that it knows, by id, "        \
        "come in its order and keep its entries; --order and --k are for the others")

typedef struct reused_pattern {
    uint32_t *item_at; /* [items] model position → item */
    bool *known;       /* [items] whether the item at a position is the source's */
    /* By model position, columns ascending, without values: which entries are kept; none of an unknown item. */
    sparse_matrix rows;
} reused_pattern;

/* lower: rows end at their own position, and unknown items come last; else rows begin there and unknown items come
 * first. They follow each other in `order`. The numbers of items and entries go to the metadata. OPTION when the model
 * file has no such structure, or no item in common with the data. */
topn_status reused_pattern_read(topn_context *context, const char *method_name, const char *path, const topn_data *data,
                                item_order order, bool lower, record *metadata, reused_pattern *out);
void reused_pattern_clear(reused_pattern *pattern);

/* Row i of the table is row position[i] of the triangle (or column, when not `lower`): the entries of the pattern,
 * zeros included, or the k largest of an unknown item. */
topn_status reused_pattern_keep(topn_context *context, const reused_pattern *pattern, const symmetric *triangle,
                                bool lower, uint32_t k, const uint32_t *position, sparse_matrix *out);
/* OPTION: why --k 0 and --pattern-from do not go together. */
topn_status reused_pattern_needs_k(topn_context *context, const char *method_name);
/* Most bytes that it and a table with its entries take; 0 for NULL or when there is no such file. */
uint64_t reused_pattern_bytes(const char *path);

#endif
