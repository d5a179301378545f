/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/tower_form.h"

/* Entries of the longest row. */
static uint64_t longest_row(const sparse_matrix *rows)
{
    uint64_t longest = 0;
    for (uint32_t row = 0; row < rows->rows; row++) {
        const uint64_t length = rows->indptr[row + 1] - rows->indptr[row];
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Entries of the rows that a batch meets on average, each row as often as it has entries. */
static double mean_row_met(const sparse_matrix *rows)
{
    double squares = 0, sum = 0;
    for (uint32_t row = 0; row < rows->rows; row++) {
        const double length = (double)(rows->indptr[row + 1] - rows->indptr[row]);
        squares += length * length;
        sum += length;
    }
    return sum > 0 ? squares / sum : 0;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t notes_of_field(const tower_form *form, const tower_field *field, uint64_t capacity)
{
    const sparse_matrix *rows = field->rows;
    if (!rows)
        return capacity;
    const uint64_t most = capacity * longest_row(rows);
    return form->repeated ? most : least_of(most, rows->indptr[rows->rows]);
}

/* Of a run only the first and the last history of a batch can be longer than the examples that it has of them. Else
 * it is twice what is to be expected, and not more than there can be. */
static uint64_t notes_of_bag(const tower_form *form, const tower_bag *bag, uint64_t capacity)
{
    const uint64_t longest = longest_row(bag->history);
    if (form->in_runs)
        return capacity + 2 * longest;
    return least_of(capacity * longest, (uint64_t)(2 * (double)capacity * mean_row_met(bag->history)) + 4 * longest);
}

/* Lists of notes grow by a quarter more than is needed. */
static uint64_t with_spare(uint64_t notes)
{
    return notes + notes / 4;
}

/* What a batch takes without notes. */
static uint64_t batch_bytes(const tower_form *form, uint64_t capacity, uint64_t threads)
{
    const tower *side = &form->side;
    const uint64_t wide = side->factors + 1, d = side->dimensions;
    const bool has_layers = form->layer_count > 0;
    const bool needs_x = has_layers || side->normalize || side->pairs;
    uint64_t row = 3 + side->bag_count * (2 + wide) + (needs_x ? 2 * wide : 0) + (has_layers ? d : 0) +
                   (side->normalize ? 1 + d : 0);
    for (size_t b = 0; b < side->bag_count; b++)
        if (!needs_x && side->tables[side->bags[b].table].width > side->stride)
            row += wide;                                             /* dx */
    uint64_t bytes = 4096 + 4 * threads * wide + 4 * capacity * row; /* a tower_batch has its lists of fields in it */
    if (has_layers)
        bytes += layer_workspace_bytes(form->layers, form->layer_count, capacity) +
                 4 * side->tables[form->layer_table].width;
    return bytes;
}

uint64_t tower_form_bytes(const tower_form *form, uint64_t capacity, uint64_t threads)
{
    const tower *side = &form->side;
    uint64_t bytes = batch_bytes(form, capacity, threads);
    for (size_t f = 0; f < side->field_count; f++) {
        const tower_field *field = &side->fields[f];
        if (field->rows || side->pairs)
            bytes +=
                4 * with_spare(notes_of_field(form, field, capacity)) * (3 + (side->pairs ? side->factors + 1 : 0));
    }
    for (size_t b = 0; b < side->bag_count; b++)
        bytes += 12 * with_spare(notes_of_bag(form, &side->bags[b], capacity)) +
                 (side->bags[b].exclude_own ? 12 * with_spare(capacity) : 0);
    return bytes;
}

uint64_t tower_form_embed_bytes(const tower_form *form, uint64_t threads)
{
    return batch_bytes(form, least_of(form->side.entities, EMBEDDED_AT_ONCE), threads);
}

uint64_t tower_form_notes(const tower_form *form, uint64_t capacity, size_t table)
{
    const tower *side = &form->side;
    uint64_t notes = form->layer_count > 0 && form->layer_table == table;
    for (size_t f = 0; f < side->field_count; f++)
        if (side->fields[f].table == table)
            notes += notes_of_field(form, &side->fields[f], capacity);
    for (size_t b = 0; b < side->bag_count; b++)
        if (side->bags[b].table == table)
            notes += notes_of_bag(form, &side->bags[b], capacity) + (side->bags[b].exclude_own ? capacity : 0);
    return notes;
}
