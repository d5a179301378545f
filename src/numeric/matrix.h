/* SPDX-License-Identifier: Apache-2.0
 *
 * The two matrix forms that models are made of. Plain views: who owns the arrays is said where one is kept.
 */
#ifndef TOPN_NUMERIC_MATRIX_H
#define TOPN_NUMERIC_MATRIX_H

#include <stddef.h>
#include <stdint.h>

/* Row-major; element (r, c) is values[r * columns + c]. */
typedef struct dense_matrix {
    float *values; /* [rows × columns] */
    size_t rows, columns;
} dense_matrix;

/* Compressed sparse rows; indices ascend within a row. */
typedef struct sparse_matrix {
    uint64_t *indptr;  /* [rows + 1] */
    uint32_t *indices; /* [indptr[rows]] */
    float *values;     /* [indptr[rows]] */
    uint32_t rows, columns;
} sparse_matrix;

#endif
