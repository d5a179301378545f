/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows of a table are touched more than once by a batch. A row that a single note is about can be stepped as soon
 * as its gradient is known, since no other example of the batch reads it; of the others the notes are kept side by
 * side, in their order, until all of them are there.
 */
#ifndef TOPN_TRAIN_SAMPLED_ROW_GROUPS_H
#define TOPN_TRAIN_SAMPLED_ROW_GROUPS_H

#include "train/sampled/parameter_table.h"

#define ALONE UINT32_MAX /* place of a note that is the only one of its row */

typedef struct row_groups {
    uint32_t room;    /* notes at most */
    uint32_t *places; /* [room] of each note: where it goes in `notes`, or ALONE */
    uint32_t count;   /* rows of more than one note */
    uint32_t *rows;   /* [room/2] */
    uint32_t *ends;   /* [room/2] of their notes in `notes` */
    row_note *notes;  /* [room] to be filled in by the caller; vector NULL: the note has come to nothing */
    uint32_t *first;  /* [1 << bits] hash table: 1 + first note of a row; 0 = free */
    unsigned bits;
} row_groups;

topn_status row_groups_create(topn_context *context, uint32_t room, row_groups *out);
void row_groups_clear(row_groups *groups);
uint64_t row_groups_bytes(uint64_t room);
/* Groups notes about `rows` [count], of which NO_ROW are none; count ≤ room. */
void row_groups_form(row_groups *groups, uint32_t count, const uint32_t *rows);
/* Steps row n of `rows` along the notes that have come to something. gradient [width] is scratch. */
void row_groups_step(row_groups *groups, uint32_t n, const parameter_table *table, const step_setting *setting,
                     float *gradient);

#endif
