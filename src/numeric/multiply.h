/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense products on the calling thread alone, for use inside and outside of parallel loops.
 */
#ifndef TOPN_NUMERIC_MULTIPLY_H
#define TOPN_NUMERIC_MULTIPLY_H

#include "numeric/matrix.h"

/* out (rows × count) = left (rows × depth) · rightᵀ, right being `count` rows of `depth` columns; all row-major without
 * gaps. Runs on the calling thread, whatever parallel region it is in. For rows a multiple of MULTIPLY_ROWS, a row of
 * `out` has the same bits wherever it stands and whatever the other rows hold (tests/unit/retrieve_multiply.c). */
enum { MULTIPLY_ROWS = 48 };
void multiply_transposed(const float *left, size_t rows, size_t depth, const float *right, size_t count, float *out);

#endif
