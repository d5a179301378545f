/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of parameters, and the step of a single row.
 */
#ifndef TOPN_TRAIN_SAMPLED_PARAMETER_TABLE_H
#define TOPN_TRAIN_SAMPLED_PARAMETER_TABLE_H

#include "base/context.h"
#include "train/iteration.h"
#include "train/sampled/optimizer.h"

typedef struct parameter_table {
    char name[32];
    float *values; /* [rows × width]; owned by the model that the table is of */
    uint32_t rows;
    size_t width;
    double l2;                      /* λ: each occurrence of a row adds λ/2·‖θ‖² to the loss */
    float *state[OPTIMIZER_ARRAYS]; /* [rows × width] each, or NULL; owned by parameter_table_clear */
} parameter_table;

topn_status parameter_table_create_state(topn_context *context, const optimizer *by, parameter_table *table);
void parameter_table_clear(parameter_table *table);
/* Writes the table's arrays (1 + optimizer->arrays) to `arrays`; returns how many. */
size_t parameter_table_arrays(const parameter_table *table, const optimizer *by, state_array *arrays);

/* How a batch's steps are done. */
typedef struct step_setting {
    const optimizer *optimizer;
    optimizer_setting setting;
    double clip; /* longest gradient of a row; 0 = any */
    int threads; /* of this batch: 1 with --hogwild */
} step_setting;

#define NO_ROW UINT32_MAX /* a note that is none */

/* What a row gets: coefficient · vector [width]. */
typedef struct row_note {
    const float *vector;
    float coefficient;
} row_note;

/* out [width] = Σ coefficient · vector, in the order of the notes. count ≥ 1. */
void row_sum(const row_note *notes, uint64_t count, size_t width, float *out);
/* Steps a row along the sum of its notes and λθ for each of its `occurrences`. gradient [width] is scratch. */
void row_step(const parameter_table *table, const step_setting *setting, uint32_t row, const row_note *notes,
              uint64_t count, uint32_t occurrences, float *gradient);
/* The same of a single note that is an occurrence, in one pass: the same bits. */
void row_step_alone(const parameter_table *table, const step_setting *setting, uint32_t row, row_note note,
                    float *gradient);
/* Asks memory for what the step of a row needs. */
void row_fetch(const parameter_table *table, const step_setting *setting, uint32_t row);

#endif
