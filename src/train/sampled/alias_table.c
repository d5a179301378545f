/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/alias_table.h"

#include <stdlib.h>

#include "base/memory.h"

/* Cells that hold less than their share are filled up, one by one, from cells that hold more. `order` [count]: those
 * that are short, then those that are not; what lies before `filled` is done. */
static void pair_up(alias_cell *cells, uint32_t count, uint32_t *order)
{
    uint32_t full = 0, filled = 0;
    for (uint32_t n = 0, last = count; n < count; n++)
        order[cells[n].own < 1 ? full++ : --last] = n;
    while (filled < full && full < count) {
        alias_cell *giver = &cells[order[full]], *taker = &cells[order[filled++]];
        taker->alias = order[full];
        giver->own = giver->own + taker->own - 1;
        if (giver->own < 1)
            full++; /* the giver is the next of those that are short */
    }
    /* Only rounding leaves cells here that are not exactly full: none is short by more than all errors together. */
    for (; filled < count; filled++)
        cells[order[filled]].own = 1;
}

topn_status alias_table_create(topn_context *context, const double *weights, uint32_t count, alias_table *out)
{
    uint32_t *order = NULL;
    topn_status status = TOPN_OK;
    *out = (alias_table){.count = count};
    TRY(ALLOCATE(context, count, &out->cells));
    TRY(ALLOCATE(context, count, &order));
    double sum = 0;
    for (uint32_t n = 0; n < count; n++)
        sum += weights[n];
    for (uint32_t n = 0; n < count; n++)
        out->cells[n] = (alias_cell){.own = weights[n] / sum * count, .alias = n};
    pair_up(out->cells, count, order);
done:
    free(order);
    if (status != TOPN_OK)
        alias_table_clear(out);
    return status;
}

void alias_table_clear(alias_table *table)
{
    free(table->cells);
    *table = (alias_table){0};
}

uint32_t alias_table_draw(const alias_table *table, draw_source *source)
{
    /* u·count for u in [0, 1) of 64 bits: the whole part is the cell, the rest a place in it, in steps of count/2⁶⁴. */
    const uint64_t low = draw_word(source), high = draw_word(source);
    const uint64_t from_low = low * table->count, from_high = high * table->count + (from_low >> 32);
    const uint32_t cell = (uint32_t)(from_high >> 32);
    const double place = (double)((from_high << 32 | (uint32_t)from_low) >> 11) * 0x1p-53;
    return place < table->cells[cell].own ? cell : table->cells[cell].alias;
}
