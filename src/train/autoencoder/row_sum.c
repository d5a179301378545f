/* SPDX-License-Identifier: Apache-2.0 */
#include "train/autoencoder/row_sum.h"

#include <string.h>

#include "base/vector.h"

VECTOR_CLONES
static void add_row(float *restrict target, const float *restrict row, float factor, size_t width)
{
    for (size_t at = 0; at < width; at++)
        target[at] += factor * row[at];
}

VECTOR_CLONES
static void add_rows(float *restrict target, const float *const rows[ROWS_AT_ONCE], const float factors[ROWS_AT_ONCE],
                     size_t width)
{
    const float *restrict a = rows[0], *restrict b = rows[1], *restrict c = rows[2], *restrict d = rows[3];
    const float of_a = factors[0], of_b = factors[1], of_c = factors[2], of_d = factors[3];
    for (size_t at = 0; at < width; at++)
        target[at] = (((target[at] + of_a * a[at]) + of_b * b[at]) + of_c * c[at]) + of_d * d[at];
}

row_sum row_sum_begin(float *target, size_t width)
{
    return (row_sum){.target = target, .width = width};
}

row_sum row_sum_begin_empty(float *target, size_t width)
{
    memset(target, 0, width * sizeof *target);
    return row_sum_begin(target, width);
}

void row_sum_add(row_sum *sum, const float *row, float factor)
{
    sum->rows[sum->waiting] = row;
    sum->factors[sum->waiting] = factor;
    if (++sum->waiting < ROWS_AT_ONCE)
        return;
    add_rows(sum->target, sum->rows, sum->factors, sum->width);
    sum->waiting = 0;
}

void row_sum_end(row_sum *sum)
{
    for (size_t at = 0; at < sum->waiting; at++)
        add_row(sum->target, sum->rows[at], sum->factors[at], sum->width);
    sum->waiting = 0;
}
