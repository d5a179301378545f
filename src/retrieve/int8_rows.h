/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense rows in 8 bits a number: row ≈ scale · (codes − 128), products with a query of 8 bits a number in integers, so
 * that every kernel gives the same bits.
 *
 * Sixteen rows make a group, in which four columns (a quad) of row 0 are followed by the same columns of row 1, …: one
 * vector of 64 bytes is a quad of sixteen rows, whose sums stay apart in the sixteen lanes of a register and are never
 * added across. A group is quads × 64 bytes; columns past the end hold 128, which is 0.
 */
#ifndef TOPN_RETRIEVE_INT8_ROWS_H
#define TOPN_RETRIEVE_INT8_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INT8_GROUP = 16,             /* rows */
    INT8_GROUP_QUAD = 64,        /* bytes of a quad in a group */
    INT8_ZERO = 128,             /* the code of 0 */
    INT8_MOST_COLUMNS = 1 << 16, /* 127² · columns fits 31 bits */
};

typedef enum int8_level { INT8_PLAIN = 1, INT8_AVX2, INT8_VNNI } int8_level;

static inline size_t int8_quads(size_t columns)
{
    return (columns + 3) / 4;
}

/* Row into place 0 … 15 of a group; returns its scale, 0 for a row of zeros. Values that are not finite count as 0. */
float int8_encode_row(const float *row, size_t columns, unsigned place, uint8_t *group);
/* The same for a query: codes [4 · quads], 0 past the end; *sum of the codes. */
float int8_encode_query(const float *phi, size_t columns, int8_t *codes, int32_t *sum);

/* Whether this processor runs the kernel. */
bool int8_supports(int8_level level);
/* sums[r] = Σ over columns of (code of row r − 128) · query; sums [groups × 16]. level 0: the best there is. */
void int8_sums(const uint8_t *group, size_t groups, size_t quads, const int8_t *query, int32_t query_sum, int level,
               int32_t *sums);

#endif
