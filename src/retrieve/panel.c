/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_BAND = 2048,  /* columns: 512 KiB of a panel of 64 lanes */
    MOST_BAND = 32768,  /* offsets and counts are 16-bit */
    SEGMENT_LENGTH = 4, /* non-zeros of a row in a band that bands are made wide enough for, on average */
    WRITE_ROWS = 16,    /* rows of a tile that are transposed together: a cache line of a user's scores */
};

/* Columns per band: narrow ones stay in the cache, but a row must have some non-zeros in each. */
static uint32_t choose_band(const sparse_matrix *rows)
{
    const uint64_t segments = rows->indptr[rows->rows] / ((uint64_t)rows->rows * SEGMENT_LENGTH);
    const uint64_t band = segments ? (rows->columns + segments - 1) / segments : rows->columns;
    return band < LEAST_BAND ? LEAST_BAND : band > MOST_BAND ? MOST_BAND : (uint32_t)band;
}

/* Lays out one tile of rows; tiles are independent, for their places are known. */
static void pack_tile(const sparse_matrix *rows, panel_table *table, uint32_t first)
{
    uint64_t cursors[PANEL_TILE_ROWS];
    const uint32_t height = rows->rows - first < PANEL_TILE_ROWS ? rows->rows - first : PANEL_TILE_ROWS;
    uint16_t *counts = table->counts + (size_t)first * table->bands;
    uint64_t filled = rows->indptr[first];
    memcpy(cursors, rows->indptr + first, height * sizeof *cursors);
    for (uint32_t band = 0; band < table->bands; band++) {
        const uint32_t begin = band * table->band;
        for (uint32_t row = 0; row < height; row++) {
            const uint64_t start = cursors[row], end = rows->indptr[first + row + 1];
            uint64_t at = start;
            for (; at < end && rows->indices[at] - begin < table->band; at++, filled++) {
                table->offsets[filled] = (uint16_t)(rows->indices[at] - begin);
                table->values[filled] = rows->values[at];
            }
            cursors[row] = at;
            *counts++ = (uint16_t)(at - start);
        }
    }
}

topn_status panel_table_create(topn_context *context, const sparse_matrix *rows, panel_table *out)
{
    topn_status status;
    *out = (panel_table){.rows = rows->rows, .columns = rows->columns};
    if (rows->rows == 0 || rows->columns == 0)
        return TOPN_OK;
    out->band = choose_band(rows);
    out->bands = (rows->columns - 1) / out->band + 1;
    TRY(ALLOCATE(context, (size_t)rows->rows * out->bands, &out->counts));
    TRY(ALLOCATE(context, rows->indptr[rows->rows], &out->offsets));
    TRY(ALLOCATE(context, rows->indptr[rows->rows], &out->values));
    for (uint64_t first = 0; first < rows->rows; first += PANEL_TILE_ROWS)
        pack_tile(rows, out, (uint32_t)first);
    return TOPN_OK;
done:
    panel_table_clear(out);
    return status;
}

void panel_table_clear(panel_table *table)
{
    free(table->counts);
    free(table->offsets);
    free(table->values);
    *table = (panel_table){0};
}

size_t panel_lanes(size_t users)
{
    return users <= 16 ? 16 : users <= 32 ? 32 : 64;
}

void panel_write_tile(const panel_block *block, size_t rows, size_t first, size_t height)
{
    for (size_t begin = 0; begin < height; begin += WRITE_ROWS) {
        const size_t end = height - begin < WRITE_ROWS ? height : begin + WRITE_ROWS;
        for (size_t user = 0; user < block->users; user++) {
            float *scores = block->scores + user * rows + first;
            for (size_t row = begin; row < end; row++)
                scores[row] = block->tile[row * block->lanes + user];
        }
    }
}

#define PANEL_PASTE(name, suffix) name##suffix
#define PANEL_JOIN(name, suffix) PANEL_PASTE(name, suffix)

#define PANEL_KERNEL kernel_4
#define PANEL_VECTOR 4
#define PANEL_TARGET
#include "retrieve/panel_kernel.h"
#undef PANEL_KERNEL
#undef PANEL_VECTOR
#undef PANEL_TARGET

#if defined(__x86_64__) && defined(__GNUC__)

#define PANEL_KERNEL kernel_8
#define PANEL_VECTOR 8
#define PANEL_TARGET __attribute__((target("avx2")))
#include "retrieve/panel_kernel.h"
#undef PANEL_KERNEL
#undef PANEL_VECTOR
#undef PANEL_TARGET

#define PANEL_KERNEL kernel_16
#define PANEL_VECTOR 16
#define PANEL_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#include "retrieve/panel_kernel.h"
#undef PANEL_KERNEL
#undef PANEL_VECTOR
#undef PANEL_TARGET

bool panel_supports(int vector)
{
    switch (vector) {
    case 4:
        return true;
    case 8:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case 16:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    default:
        return false;
    }
}

void panel_scores(const panel_table *table, const panel_block *block, int vector)
{
    if (vector == 16 || (vector == 0 && panel_supports(16)))
        kernel_16(table, block);
    else if (vector == 8 || (vector == 0 && panel_supports(8)))
        kernel_8(table, block);
    else
        kernel_4(table, block);
}

#else

bool panel_supports(int vector)
{
    return vector == 4;
}

void panel_scores(const panel_table *table, const panel_block *block, int vector)
{
    (void)vector;
    kernel_4(table, block);
}

#endif
