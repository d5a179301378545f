/* SPDX-License-Identifier: Apache-2.0
 *
 * G = XᵀWX without its ridge, row by row: for methods that never hold the dense matrix.
 *
 * Legend: X users × items, W = diag(user weights), as in linear/system.h. Rows and columns are model positions.
 */
#ifndef TOPN_TRAIN_LINEAR_GRAM_ROWS_H
#define TOPN_TRAIN_LINEAR_GRAM_ROWS_H

#include "train/linear/system.h"

/* One row at a time, for one thread. Between rows every value is 0. */
typedef struct gram_row {
    float *values;     /* [items] */
    uint32_t *columns; /* [items], the first `count` are set: where a value may differ from 0, in no order */
    uint8_t *touched;  /* [items] */
    uint32_t count;
} gram_row;

topn_status gram_row_create(topn_context *context, uint32_t items, gram_row *out);
void gram_row_clear(gram_row *row);
/* Bytes that one of them takes. */
uint64_t gram_row_bytes(uint64_t items);

/* Adds to one value, which is from then on among the columns set. */
static inline void gram_row_add(gram_row *row, uint32_t column, float value)
{
    if (!row->touched[column]) {
        row->touched[column] = 1;
        row->columns[row->count++] = column;
    }
    row->values[column] += value;
}

/* Fills row `item` of G, diagonal included. Of a history longer than `cap` (0 = no limit) only `cap` events evenly
 * spread over it, and always that of `item` itself, are counted. O(Σ_{u holds item} min(|I_u|, cap)); the sum runs in
 * the order of the users. */
void gram_row_fill(const linear_system *system, uint32_t item, uint32_t cap, gram_row *row);
/* Back to zeros. O(count). */
void gram_row_reset(gram_row *row);
/* Sorts columns[0 … count) ascending. */
void gram_row_sort(gram_row *row);
/* Sorts numbers ascending. */
void indices_sort(uint32_t *indices, size_t count);

/* Non-zeros of the whole of G, both triangles and the diagonal. Parallel; O(Σ_u |I_u|²) time, no memory to speak of. */
topn_status gram_count_nonzeros(topn_context *context, const linear_system *system, uint64_t *out);
/* All of G, both triangles and the diagonal (without ridge), columns ascending. 8 bytes a non-zero. The same bits at
 * any number of threads. O(Σ_u |I_u|²), twice. */
topn_status gram_sparse(topn_context *context, const linear_system *system, sparse_matrix *out);

#endif
