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
PANEL_JOIN(PANEL_KERNEL, _lanes)(const panel_table *table, uint32_t tile, const panel_block *block, const size_t lanes)
{
    typedef PANEL_JOIN(PANEL_KERNEL, _vector) vector;
    enum { MOST_VECTORS = PANEL_MOST_LANES / PANEL_VECTOR };
    const size_t width = lanes / PANEL_VECTOR;
    const uint64_t *const starts = table->segments + (size_t)tile * table->bands;
    const uint16_t *counts = table->counts + starts[0], *segment_rows = table->segment_rows + starts[0];
    const uint16_t *offsets = table->offsets + table->entries[tile];
    const float *values = table->values + table->entries[tile];
    memset(block->tile, 0, panel_tile_height(table->rows, tile) * lanes * sizeof(float));
    for (uint32_t band = 0; band < table->bands; band++) {
        const float *const panel = block->panel + (size_t)band * table->band * lanes;
        const uint64_t segments = starts[band + 1] - starts[band];
        /* The next band, some lines with every segment. */
        const size_t next_columns = band + 1 < table->bands ? columns_of_band(table, band + 1) : 0;
        const float *next = panel + (size_t)table->band * lanes, *const next_end = next + next_columns * lanes;
        const size_t stride = (next_columns * lanes / LINE / (segments + 1) + 1) * LINE;
        for (uint64_t segment = 0; segment < segments; segment++) {
            const size_t count = *counts++;
            vector sums[MOST_VECTORS], *const kept = (vector *)(block->tile + *segment_rows++ * lanes);
            for (const float *const end = next + stride; next < end && next < next_end; next += LINE)
                __builtin_prefetch(next, 0, 2);
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
}

PANEL_TARGET
static void PANEL_KERNEL(const panel_table *table, uint32_t tile, const panel_block *block)
{
    if (block->lanes == 16)
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, tile, block, 16);
    else if (block->lanes == 32)
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, tile, block, 32);
    else if (block->lanes == 48)
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, tile, block, 48);
    else
        PANEL_JOIN(PANEL_KERNEL, _lanes)(table, tile, block, 64);
}
