/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/panel.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_BAND = 2048,  /* columns: 512 KiB of a panel of 64 lanes */
    MOST_BAND = 32768,  /* offsets and counts are 16-bit */
    SEGMENT_LENGTH = 4, /* non-zeros of a row in a band that bands are made wide enough for, on average */
    MOST_SORTED = 1023, /* longer segments stand first, as they come */
    WRITE_ROWS = 16,    /* rows of a tile that are transposed together: a cache line of a user's scores */
    LINE = 16,          /* floats of a cache line */
};

/* Columns per band: narrow ones stay in the cache, but a row must have some non-zeros in each. */
static uint32_t choose_band(const sparse_matrix *rows)
{
    const uint64_t segments = rows->indptr[rows->rows] / ((uint64_t)rows->rows * SEGMENT_LENGTH);
    const uint64_t band = segments ? (rows->columns + segments - 1) / segments : rows->columns;
    return band < LEAST_BAND ? LEAST_BAND : band > MOST_BAND ? MOST_BAND : (uint32_t)band;
}

/* The segments of a tile in one band. */
typedef struct band_segments {
    uint64_t starts[PANEL_TILE_ROWS];  /* of a row's segment in `rows` */
    uint16_t lengths[PANEL_TILE_ROWS]; /* 0 = the row has none */
    uint16_t order[PANEL_TILE_ROWS];   /* rows that have one, longest first, equal ones by row */
    uint32_t count;
} band_segments;

/* Moves every row's start past the segment before and finds the end of this one. */
static void cut_band(const sparse_matrix *rows, uint32_t first, uint32_t height, uint64_t end_column,
                     band_segments *band)
{
    for (uint32_t row = 0; row < height; row++) {
        const uint64_t start = band->starts[row] + band->lengths[row], end = rows->indptr[first + row + 1];
        uint64_t at = start;
        while (at < end && rows->indices[at] < end_column)
            at++;
        band->starts[row] = start;
        band->lengths[row] = (uint16_t)(at - start);
    }
}

static void order_band(band_segments *band, uint32_t height)
{
    uint32_t places[MOST_SORTED + 1] = {0}; /* first how many are so long, then where the next of them goes */
    for (uint32_t row = 0; row < height; row++)
        places[band->lengths[row] < MOST_SORTED ? band->lengths[row] : MOST_SORTED]++;
    band->count = 0;
    for (uint32_t length = MOST_SORTED; length > 0; length--) {
        const uint32_t so_long = places[length];
        places[length] = band->count;
        band->count += so_long;
    }
    for (uint32_t row = 0; row < height; row++)
        if (band->lengths[row])
            band->order[places[band->lengths[row] < MOST_SORTED ? band->lengths[row] : MOST_SORTED]++] = (uint16_t)row;
}

/* Lays out one tile of rows behind those before it. */
static void pack_tile(const sparse_matrix *rows, panel_table *table, uint32_t tile, band_segments *band)
{
    const uint32_t first = tile * PANEL_TILE_ROWS, height = panel_tile_height(rows->rows, tile);
    const uint64_t slot = (uint64_t)tile * table->bands;
    uint64_t filled = rows->indptr[first], segment = table->segments[slot];
    table->entries[tile] = filled;
    memcpy(band->starts, rows->indptr + first, height * sizeof *band->starts);
    memset(band->lengths, 0, height * sizeof *band->lengths);
    for (uint32_t index = 0; index < table->bands; index++) {
        const uint32_t begin = index * table->band;
        cut_band(rows, first, height, (uint64_t)begin + table->band, band);
        order_band(band, height);
        for (uint32_t place = 0; place < band->count; place++, segment++) {
            const uint16_t row = band->order[place], length = band->lengths[row];
            table->segment_rows[segment] = row;
            table->counts[segment] = length;
            for (uint64_t at = band->starts[row]; at < band->starts[row] + length; at++, filled++) {
                table->offsets[filled] = (uint16_t)(rows->indices[at] - begin);
                table->values[filled] = rows->values[at];
            }
        }
        table->segments[slot + index + 1] = segment;
    }
    table->entries[tile + 1] = filled;
}

static uint64_t count_segments(const sparse_matrix *rows, uint32_t band)
{
    uint64_t segments = 0;
    for (uint32_t row = 0; row < rows->rows; row++) {
        uint32_t last = UINT32_MAX;
        for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++) {
            segments += rows->indices[at] / band != last;
            last = rows->indices[at] / band;
        }
    }
    return segments;
}

topn_status panel_table_create(topn_context *context, const sparse_matrix *rows, panel_table *out)
{
    topn_status status;
    band_segments *band = NULL;
    *out = (panel_table){.rows = rows->rows, .columns = rows->columns};
    if (rows->rows == 0 || rows->columns == 0)
        return TOPN_OK;
    out->band = choose_band(rows);
    out->bands = (rows->columns - 1) / out->band + 1;
    out->tiles = (rows->rows - 1) / PANEL_TILE_ROWS + 1;
    const uint64_t segments = count_segments(rows, out->band);
    TRY(ALLOCATE(context, 1, &band));
    TRY(ALLOCATE_ZEROED(context, (size_t)out->tiles * out->bands + 1, &out->segments));
    TRY(ALLOCATE(context, (size_t)out->tiles + 1, &out->entries));
    TRY(ALLOCATE(context, segments, &out->segment_rows));
    TRY(ALLOCATE(context, segments, &out->counts));
    TRY(ALLOCATE(context, rows->indptr[rows->rows], &out->offsets));
    TRY(ALLOCATE(context, rows->indptr[rows->rows], &out->values));
    for (uint32_t tile = 0; tile < out->tiles; tile++)
        pack_tile(rows, out, tile, band);
    free(band);
    return TOPN_OK;
done:
    free(band);
    panel_table_clear(out);
    return status;
}

void panel_table_clear(panel_table *table)
{
    free(table->segments);
    free(table->entries);
    free(table->segment_rows);
    free(table->counts);
    free(table->offsets);
    free(table->values);
    *table = (panel_table){0};
}

size_t panel_lanes(size_t users)
{
    return users <= 16 ? 16 : users <= 32 ? 32 : users <= 48 ? 48 : 64;
}

/* The tile transposed into the users' scores. */
static void write_tile(const panel_block *block, size_t rows, uint32_t tile)
{
    const size_t first = (size_t)tile * PANEL_TILE_ROWS, height = panel_tile_height(rows, tile);
    for (size_t begin = 0; begin < height; begin += WRITE_ROWS) {
        const size_t end = height - begin < WRITE_ROWS ? height : begin + WRITE_ROWS;
        for (size_t user = 0; user < block->users; user++) {
            float *scores = block->scores + user * rows + first;
            for (size_t row = begin; row < end; row++)
                scores[row] = block->tile[row * block->lanes + user];
        }
    }
}

static size_t columns_of_band(const panel_table *table, uint32_t band)
{
    const uint32_t rest = table->columns - band * table->band;
    return rest < table->band ? rest : table->band;
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

void panel_tile(const panel_table *table, uint32_t tile, const panel_block *block, int vector)
{
    if (vector == 16 || (vector == 0 && panel_supports(16)))
        kernel_16(table, tile, block);
    else if (vector == 8 || (vector == 0 && panel_supports(8)))
        kernel_8(table, tile, block);
    else
        kernel_4(table, tile, block);
}

#else

bool panel_supports(int vector)
{
    return vector == 4;
}

void panel_tile(const panel_table *table, uint32_t tile, const panel_block *block, int vector)
{
    (void)vector;
    kernel_4(table, tile, block);
}

#endif

void panel_scores(const panel_table *table, const panel_block *block, int vector)
{
    for (uint32_t tile = 0; tile < table->tiles; tile++) {
        panel_tile(table, tile, block, vector);
        write_tile(block, table->rows, tile);
    }
}

void panel_scores_dense(const dense_matrix *rows, const panel_block *block, int vector)
{
    for (uint32_t tile = 0; (uint64_t)tile * PANEL_TILE_ROWS < rows->rows; tile++) {
        panel_tile_dense(rows, tile, block, vector);
        write_tile(block, rows->rows, tile);
    }
}
