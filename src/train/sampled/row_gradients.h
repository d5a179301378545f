/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of the rows of a table that a batch touches. What touches a row is noted as (row, coefficient, vector): the
 * gradient of a row is the sum of coefficient × vector in the order of the notes, plus λθ for each note that counts as
 * an occurrence; it is the same for any number of threads. Rows without a note keep their bits.
 */
#ifndef TOPN_TRAIN_SAMPLED_ROW_GRADIENTS_H
#define TOPN_TRAIN_SAMPLED_ROW_GRADIENTS_H

#include "train/sampled/parameter_table.h"

typedef struct row_gradients row_gradients; /* one per table and team of threads */
/* `entries`: notes at most to expect; more are taken as well. Works on at most as many threads as the context has. */
topn_status row_gradients_create(topn_context *context, const parameter_table *table, uint64_t entries,
                                 row_gradients **out);
void row_gradients_free(row_gradients *gradients);
uint64_t row_gradients_bytes(uint32_t rows, size_t width, uint64_t entries);
void row_gradients_begin(row_gradients *gradients);
/* `count` notes at once: rows[n] (NO_ROW = leave it out) gets coefficients[n] (NULL = 1) × vectors[n], [width] floats
 * at base + (index ? index[n] : n)·stride. The vectors are read when the gradients are summed, so they are no rows of
 * tables that are stepped; rows, coefficients and index are copied. counts: whether they are occurrences for λ. */
topn_status row_gradients_note(topn_context *context, row_gradients *gradients, size_t count, const uint32_t *rows,
                               const float *coefficients, const float *base, size_t stride, const uint32_t *index,
                               bool counts);
/* The distinct rows of the notes so far, ascending by first note; their number. slots [notes] or NULL gets which of
 * them each note is about (NO_ROW where it is none). No note may follow. */
size_t row_gradients_rows(row_gradients *gradients, const uint32_t **rows, const uint32_t **slots);
/* The gradients alone into out [rows touched × width], in the order of row_gradients_rows; without λ. */
void row_gradients_sum_into(row_gradients *gradients, int threads, float *out);
/* The same in memory of its own: for tests. SIZE_MAX when there is none. */
size_t row_gradients_sum(row_gradients *gradients, int threads, const uint32_t **rows, const float **values);
/* Sums and steps all touched rows of the table. */
void row_gradients_apply(row_gradients *gradients, parameter_table *table, const step_setting *setting);
/* The same of `count` tables at once, where gradients[t] may be NULL. */
void row_gradients_apply_all(size_t count, row_gradients *const *gradients, parameter_table *tables,
                             const step_setting *setting);

#endif
