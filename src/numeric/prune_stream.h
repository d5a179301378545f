/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning of matrices that are not stored as rows, such as a symmetric one held as its lower triangle: blocks of rows
 * are made, looked at and forgotten. The same rules as in numeric/prune.h, and the same result as on the whole matrix.
 */
#ifndef TOPN_NUMERIC_PRUNE_STREAM_H
#define TOPN_NUMERIC_PRUNE_STREAM_H

#include "numeric/prune.h"

enum { STREAM_BLOCK = 64 }; /* rows made at a time */

typedef struct row_stream {
    size_t rows, columns;
    const void *matrix; /* what `make` reads */
    /* Sets row[i] and width[i] to the values of row first + i, i < count ≤ STREAM_BLOCK, and how many they are (columns
     * behind are zeros). They lie in the matrix, or in scratch [STREAM_BLOCK × columns]. Called by many threads. */
    void (*make)(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width);
    bool needs_scratch;
} row_stream;

/* The `keep` entries of largest magnitude of all. Makes every row once, and some twice; room for another `keep` and a
 * quarter of them stands beside the result. */
topn_status stream_prune_global(topn_context *context, const row_stream *stream, uint64_t keep, sparse_matrix *out);

/* In each row its k entries of largest magnitude. */
topn_status stream_prune_rows(topn_context *context, const row_stream *stream, uint32_t k, sparse_matrix *out);

/* Bytes beyond the result that either takes on so many threads. */
uint64_t stream_scratch_bytes(int threads, size_t columns);

#endif
