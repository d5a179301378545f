/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/row_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* The hash table is a quarter to half full at most. */
static unsigned bits_for(uint64_t room)
{
    unsigned bits = 4;
    while ((UINT64_C(1) << bits) < 2 * room)
        bits++;
    return bits;
}

topn_status row_groups_create(topn_context *context, uint32_t room, row_groups *out)
{
    topn_status status;
    *out = (row_groups){.room = room, .bits = bits_for(room)};
    TRY(ALLOCATE(context, room, &out->places));
    TRY(ALLOCATE(context, room / 2, &out->rows));
    TRY(ALLOCATE(context, room / 2, &out->ends));
    TRY(ALLOCATE(context, room, &out->notes));
    TRY(ALLOCATE(context, (size_t)1 << out->bits, &out->first));
done:
    if (status != TOPN_OK)
        row_groups_clear(out);
    return status;
}

void row_groups_clear(row_groups *groups)
{
    free(groups->places);
    free(groups->rows);
    free(groups->ends);
    free(groups->notes);
    free(groups->first);
    *groups = (row_groups){0};
}

uint64_t row_groups_bytes(uint64_t room)
{
    return room * (2 * sizeof(uint32_t) + sizeof(row_note)) + (sizeof(uint32_t) << bits_for(room));
}

/* The group of a row whose first note is `first`, which is about `row`: made when it has none. */
static uint32_t group_of(row_groups *groups, uint32_t first, uint32_t row)
{
    if (groups->places[first] != ALONE)
        return groups->places[first];
    groups->rows[groups->count] = row;
    groups->ends[groups->count] = 1;
    groups->places[first] = groups->count;
    return groups->count++;
}

void row_groups_form(row_groups *groups, uint32_t count, const uint32_t *rows)
{
    uint32_t *const places = groups->places, *const table = groups->first;
    const size_t last = ((size_t)1 << groups->bits) - 1;
    memset(table, 0, (last + 1) * sizeof *table);
    groups->count = 0;
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t row = rows[n];
        places[n] = ALONE;
        if (row == NO_ROW)
            continue;
        size_t at = (uint32_t)(row * 0x9e3779b1U) >> (32 - groups->bits); /* Fibonacci hashing (Knuth 6.4) */
        while (table[at] && rows[table[at] - 1] != row)
            at = (at + 1) & last;
        if (!table[at]) {
            table[at] = 1 + n;
            continue;
        }
        places[n] = group_of(groups, table[at] - 1, row);
        groups->ends[places[n]]++;
    }
    uint32_t begin = 0;
    for (uint32_t group = 0; group < groups->count; group++) {
        const uint32_t size = groups->ends[group];
        groups->ends[group] = begin; /* the next note's place, at last the end */
        begin += size;
    }
    for (uint32_t n = 0; n < count; n++)
        if (places[n] != ALONE)
            places[n] = groups->ends[places[n]]++;
}

void row_groups_step(row_groups *groups, uint32_t n, const parameter_table *table, const step_setting *setting,
                     float *gradient)
{
    const uint32_t begin = n ? groups->ends[n - 1] : 0, end = groups->ends[n];
    row_note *const notes = groups->notes + begin;
    uint32_t kept = 0;
    for (uint32_t note = 0; note < end - begin; note++)
        if (notes[note].vector)
            notes[kept++] = notes[note];
    if (kept)
        row_step(table, setting, groups->rows[n], notes, kept, kept, gradient);
}
