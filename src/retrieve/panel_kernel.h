/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel of panel.c, included there once per vector width, without a guard. A function compiled for several targets
 * by target_clones won't do: the compiler breaks vectors down to the narrowest target's before it makes the clones.
 *
 * PANEL_KERNEL  name of the function
 * PANEL_VECTOR  floats per vector
 * PANEL_TARGET  attribute with the instruction sets, or nothing
 */
typedef float PANEL_JOIN(PANEL_KERNEL, _vector) __attribute__((vector_size(PANEL_VECTOR * sizeof(float)), may_alias));

/* Inlined with constant `lanes`, so that the sums stay in registers. */
PANEL_TARGET
static inline __attribute__((always_inline)) void
PANEL_JOIN(PANEL_KERNEL, _lanes)(const panel_table *table, const panel_block *block, const size_t lanes)
{
    typedef PANEL_JOIN(PANEL_KERNEL, _vector) vector;
    enum { MOST_VECTORS = PANEL_MOST_LANES / PANEL_VECTOR };
    const size_t width = lanes / PANEL_VECTOR;
    const uint16_t *counts = table->counts, *offsets = table->offsets;
    const float *values = table->values;
    for (size_t first = 0; first < table->rows; first += PANEL_TILE_ROWS) {
        const size_t height = table->rows - first < PANEL_TILE_ROWS ? table->rows - first : PANEL_TILE_ROWS;
        memset(block->tile, 0, height * lanes * sizeof(float));
        for (size_t band = 0; band < table->bands; band++) {
            const float *panel = block->panel + band * table->band * lanes;
            for (size_t row = 0; row < height; row++) {
                const size_t count = *counts++;
                vector sums[MOST_VECTORS], *const kept = (vector *)(block->tile + row * lanes);
                for (size_t part = 0; part < width; part++)
                    sums[part] = kept[part];
                for (size_t at = 0; at < count; at++) {
                    const vector *const phi = (const vector *)(panel + offsets[at] * lanes);
                    const float value = values[at];
#pragma GCC unroll 16
                    for (size_t part = 0; part < width; part++)
                        sums[part] += phi[part] * value;
                }
                offsets += count;
                values += count;
                for (size_t part = 0; part < width; part++)
                    kept[part] = sums[part];
            }
        }
        panel_write_tile(block, table->rows, first, height);
    }
}

PANEL_TARGET
static void PANEL_KERNEL(const panel_table *table, const panel_block *block)
{
    if (block->lanes == 16)
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, block, 16);
    else if (block->lanes == 32)
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, block, 32);
    else
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, block, 64);
}
