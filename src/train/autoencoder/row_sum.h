/* SPDX-License-Identifier: Apache-2.0
 *
 * target += Σ factor · row, several rows in one pass over the target; to the bit what one row after the other gives.
 */
#ifndef TOPN_TRAIN_AUTOENCODER_ROW_SUM_H
#define TOPN_TRAIN_AUTOENCODER_ROW_SUM_H

#include <stddef.h>

enum { ROWS_AT_ONCE = 4 };

typedef struct row_sum {
    float *target; /* [width] */
    size_t width, waiting;
    const float *rows[ROWS_AT_ONCE];
    float factors[ROWS_AT_ONCE];
} row_sum;

/* From what is in the target; or from 0. */
row_sum row_sum_begin(float *target, size_t width);
row_sum row_sum_begin_empty(float *target, size_t width);
/* The row must stay until row_sum_end. */
void row_sum_add(row_sum *sum, const float *row, float factor);
void row_sum_end(row_sum *sum);

#endif
