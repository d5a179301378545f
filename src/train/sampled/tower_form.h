/* SPDX-License-Identifier: Apache-2.0
 *
 * Towers before they are made: what batches of them will work in.
 */
#ifndef TOPN_TRAIN_SAMPLED_TOWER_FORM_H
#define TOPN_TRAIN_SAMPLED_TOWER_FORM_H

#include "train/sampled/tower.h"

typedef struct tower_form {
    tower side; /* of tables only rows and width count; no network */
    layer_form layers[MOST_LAYERS];
    size_t layer_count; /* 0: φ = x */
    size_t layer_table; /* of their parameters */
    bool repeated;      /* entities of a batch may be the same */
    bool in_runs;       /* those that are follow each other, and a batch has an example for each item of a history */
} tower_form;

/* Of tower_batch_create, and what forward and backward of `capacity` entities add to it, by `threads` threads. */
uint64_t tower_form_bytes(const tower_form *form, uint64_t capacity, uint64_t threads);
/* Of tower_embed_all, beside what it gives. */
uint64_t tower_form_embed_bytes(const tower_form *form, uint64_t threads);
/* Notes at most that a batch makes of a table's rows. */
uint64_t tower_form_notes(const tower_form *form, uint64_t capacity, size_t table);

#endif
