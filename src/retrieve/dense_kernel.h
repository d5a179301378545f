/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel of panel_dense.c, included there once per instruction set, without a guard.
 *
 * DENSE_KERNEL  name of the function
 * DENSE_VECTOR  floats per vector
 * DENSE_PARTS   vectors of lanes that are summed together
 * DENSE_ROWS    rows that are summed together; DENSE_ROWS × DENSE_PARTS sums stay in registers
 * DENSE_TARGET  attribute with the instruction sets, or nothing
 * DENSE_ADD(sum, a, b)  sum + a·b of vectors
 */
typedef float DENSE_JOIN(DENSE_KERNEL, _vector) __attribute__((vector_size(DENSE_VECTOR * sizeof(float)), may_alias));

/* tile[r · lanes + l] += ⟨row r from column `begin` on, lane l of panel⟩ over `width` columns, for `height` rows (a
 * constant 1 or DENSE_ROWS) and the lanes of DENSE_PARTS vectors. The same columns of as many rows at `next` are
 * fetched meanwhile. */
DENSE_TARGET
static inline __attribute__((always_inline)) void DENSE_JOIN(DENSE_KERNEL, _group)(const float *row, const float *next,
                                                                                   size_t columns, const float *panel,
                                                                                   size_t lanes, size_t width,
                                                                                   float *tile, const size_t height)
{
    typedef DENSE_JOIN(DENSE_KERNEL, _vector) vector;
    vector sums[DENSE_ROWS][DENSE_PARTS];
#pragma GCC unroll 8
    for (size_t r = 0; r < height; r++)
#pragma GCC unroll 8
        for (size_t part = 0; part < DENSE_PARTS; part++)
            sums[r][part] = ((const vector *)(tile + r * lanes))[part];
    for (size_t column = 0; column < width; column++) {
        const vector *const phi = (const vector *)(panel + column * lanes);
        if (column % LINE == 0)
            for (size_t r = 0; r < height; r++)
                __builtin_prefetch(next + r * columns + column);
#pragma GCC unroll 8
        for (size_t r = 0; r < height; r++) {
            const vector value = row[r * columns + column] - (vector){0};
#pragma GCC unroll 8
            for (size_t part = 0; part < DENSE_PARTS; part++)
                sums[r][part] = DENSE_ADD(sums[r][part], phi[part], value);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < height; r++)
#pragma GCC unroll 8
        for (size_t part = 0; part < DENSE_PARTS; part++)
            ((vector *)(tile + r * lanes))[part] = sums[r][part];
}

DENSE_TARGET
static void DENSE_KERNEL(const dense_matrix *rows, uint32_t index, const panel_block *block)
{
    const size_t lanes = block->lanes, chunk = DENSE_PARTS * DENSE_VECTOR, first = (size_t)index * PANEL_TILE_ROWS;
    const size_t height = panel_tile_height(rows->rows, index);
    memset(block->tile, 0, height * lanes * sizeof(float));
    for (size_t begin = 0; begin < rows->columns; begin += BAND) {
        const size_t width = rows->columns - begin < BAND ? rows->columns - begin : BAND;
        const float *panel = block->panel + begin * lanes;
        for (size_t row = 0; row < height;) {
            const size_t group = height - row < DENSE_ROWS ? 1 : DENSE_ROWS;
            const float *values = rows->values + (first + row) * rows->columns + begin;
            const float *next = height - row < 2 * DENSE_ROWS ? values : values + DENSE_ROWS * rows->columns;
            for (size_t lane = 0; lane < lanes; lane += chunk) {
                float *tile = block->tile + row * lanes + lane;
                if (group == DENSE_ROWS)
                    DENSE_JOIN(DENSE_KERNEL, _group)
                (values, next, rows->columns, panel + lane, lanes, width, tile, DENSE_ROWS);
                else DENSE_JOIN(DENSE_KERNEL, _group)(values, values, rows->columns, panel + lane, lanes, width, tile,
                                                      1);
            }
            row += group;
        }
    }
}
