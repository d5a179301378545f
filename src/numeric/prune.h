/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning a matrix to its largest magnitudes. Exact zeros are never kept; ties go to the entry that comes first
 * in row-major order. Streams rows: beyond the result only O(columns) a thread is allocated.
 */
#ifndef TOPN_NUMERIC_PRUNE_H
#define TOPN_NUMERIC_PRUNE_H

#include "base/context.h"
#include "numeric/matrix.h"

/* The `keep` entries of largest magnitude of the whole matrix. O(rows · columns). */
topn_status prune_global(topn_context *context, const dense_matrix *matrix, uint64_t keep, sparse_matrix *out);

/* In each row its k entries of largest magnitude. lower_triangle: only columns ≤ row are looked at. Row r of the
 * result is row source[r] of the matrix; source NULL = r. O(rows · columns). */
topn_status prune_rows(topn_context *context, const dense_matrix *matrix, uint32_t k, bool lower_triangle,
                       const uint32_t *source, sparse_matrix *out);

/* In each column its k entries of largest magnitude. Allocates 64 bytes × rows a thread. O(rows · columns). */
topn_status prune_columns(topn_context *context, const dense_matrix *matrix, uint32_t k, sparse_matrix *out);

/* The same of sparse rows. O(nonzeros); columns by two transpositions. */
topn_status prune_sparse_global(topn_context *context, const sparse_matrix *matrix, uint64_t keep, sparse_matrix *out);
topn_status prune_sparse_rows(topn_context *context, const sparse_matrix *matrix, uint32_t k, sparse_matrix *out);
topn_status prune_sparse_columns(topn_context *context, const sparse_matrix *matrix, uint32_t k, sparse_matrix *out);

/* The k entries of largest magnitude of one row [columns], ascending, to indices and values [min(k, columns)]; returns
 * how many. scratch [columns]. For the caller's own loop. */
uint32_t prune_row(const float *row, size_t columns, uint32_t k, uint32_t *scratch, uint32_t *indices, float *values);

#endif
