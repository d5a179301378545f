/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on compressed sparse rows.
 */
#ifndef TOPN_NUMERIC_SPARSE_H
#define TOPN_NUMERIC_SPARSE_H

#include "base/context.h"
#include "numeric/matrix.h"

/* Arrays for `nonzeros` entries; indptr[0] = 0, the rest is the caller's to fill. */
topn_status sparse_create(topn_context *context, uint32_t rows, uint32_t columns, uint64_t nonzeros,
                          sparse_matrix *out);
void sparse_clear(sparse_matrix *matrix);
/* A copy; values that are all 1 are spelled out. */
topn_status sparse_copy(topn_context *context, const sparse_matrix *from, sparse_matrix *out);
/* Row r begins at r · room and holds indptr[r + 1] entries, as loops over rows leave them: moves the rows together,
 * sets the offsets and gives back what is left. O(rows + nonzeros). */
topn_status sparse_close_up(topn_context *context, sparse_matrix *matrix, uint64_t room);
/* Aᵀ in O(rows + columns + nonzeros); rows of the result ascend. */
topn_status sparse_transpose(topn_context *context, const sparse_matrix *matrix, sparse_matrix *out);
/* Moves together rows of which row r begins at indptr[r] and has counts[r] entries, and frees the room between them.
 * O(rows + nonzeros). */
topn_status sparse_close_gaps(topn_context *context, const uint32_t *counts, sparse_matrix *matrix);
/* Offsets start at 0 and never go backwards, else FORMAT: the arrays need indptr[rows] entries. O(rows). */
topn_status sparse_check_offsets(topn_context *context, const sparse_matrix *matrix, const char *what);
/* Fault of the arrays (indptr not ascending, index out of range or not ascending in its row, value not finite) as
 * TOPN_ERROR_FORMAT with `what` and the place; O(nonzeros). */
topn_status sparse_check(topn_context *context, const sparse_matrix *matrix, const char *what);

#endif
