/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of a block of users against item rows. The φ of the users stand side by side as a panel, dimension by
 * dimension, so that one non-zero of an item serves all users with contiguous loads into sums held in registers. What
 * bounds that is the cache the panel is read from; so the rows are kept a second time, cut into tiles of rows and bands
 * of columns and laid out in the order of reading: a band of the panel stays in the second-level cache for a whole
 * tile, the next one is fetched meanwhile, and the non-zeros stream by. What a band holds of a row is a segment; the
 * segments of a tile's band are ordered by length, so that the processor foresees where each ends.
 *
 * A lane's sum runs over the row's non-zeros in ascending column, one product and one addition at a time: the same bits
 * for every vector width, number of lanes, tile and band as for a plain loop over the row.
 */
#ifndef TOPN_RETRIEVE_PANEL_H
#define TOPN_RETRIEVE_PANEL_H

#include "base/context.h"
#include "numeric/matrix.h"

enum {
    PANEL_MOST_LANES = 64,
    PANEL_LEAST_LANES = 16,
    PANEL_ALIGNMENT = 64, /* bytes */
    PANEL_TILE_ROWS = 2048,
};

typedef struct panel_table {
    uint32_t rows, columns;
    uint32_t band, bands;   /* columns of a band, and how many there are */
    uint32_t tiles;         /* of PANEL_TILE_ROWS rows */
    uint64_t *segments;     /* [tiles · bands + 1] the first segment of each band of each tile */
    uint64_t *entries;      /* [tiles + 1] the first non-zero of each tile */
    uint16_t *segment_rows; /* [segments] row − first row of the tile */
    uint16_t *counts;       /* [segments] non-zeros, ≥ 1, descending within a band of a tile */
    uint16_t *offsets;      /* [nonzeros] column − first column of the band, in the order of the segments */
    float *values;          /* [nonzeros] */
} panel_table;

/* O(nonzeros + rows · bands); about three quarters of the memory of `rows` on top. */
topn_status panel_table_create(topn_context *context, const sparse_matrix *rows, panel_table *out);
void panel_table_clear(panel_table *table);

/* Lanes to use for `users` ≤ 64: 16, 32, 48 or 64. */
size_t panel_lanes(size_t users);
/* Whether this processor runs the kernel with vectors of 4, 8 or 16 floats. */
bool panel_supports(int vector);

typedef struct panel_block {
    const float *panel;  /* [columns × lanes], aligned to PANEL_ALIGNMENT */
    float *tile;         /* [PANEL_TILE_ROWS × lanes] scratch, aligned likewise */
    size_t lanes, users; /* users ≤ lanes; further lanes are ignored */
    float *scores;       /* [users × rows] out: ⟨lane u, row i⟩ */
} panel_block;

/* ⟨lane, row⟩ of the rows from `tile` · PANEL_TILE_ROWS on into block->tile, [rows of the tile × lanes].
 * vector: floats per vector, 0 = the widest that there is. */
void panel_tile(const panel_table *table, uint32_t tile, const panel_block *block, int vector);
/* The same for dense rows. Here products and sums are fused where the processor can, so the bits depend on it. */
void panel_tile_dense(const dense_matrix *rows, uint32_t tile, const panel_block *block, int vector);
/* All tiles, into block->scores. */
void panel_scores(const panel_table *table, const panel_block *block, int vector);
void panel_scores_dense(const dense_matrix *rows, const panel_block *block, int vector);

/* Rows of a tile. */
static inline uint32_t panel_tile_height(uint64_t rows, uint32_t tile)
{
    const uint64_t rest = rows - (uint64_t)tile * PANEL_TILE_ROWS;
    return rest < PANEL_TILE_ROWS ? (uint32_t)rest : PANEL_TILE_ROWS;
}

#endif
