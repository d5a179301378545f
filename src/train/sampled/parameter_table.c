/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/parameter_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"

enum {
    COLUMNS = 64, /* of a gradient that are summed in registers */
    LINE = 16     /* floats of a cache line */
};

topn_status parameter_table_create_state(topn_context *context, const optimizer *by, parameter_table *table)
{
    topn_status status = TOPN_OK;
    const size_t values = table->rows * table->width;
    for (int array = 0; array < by->arrays; array++) {
        TRY(ALLOCATE_TABLE(context, values, &table->state[array]));
        memset(table->state[array], 0, values * sizeof(float));
    }
done:
    if (status != TOPN_OK)
        parameter_table_clear(table);
    return status;
}

void parameter_table_clear(parameter_table *table)
{
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++) {
        free(table->state[array]);
        table->state[array] = NULL;
    }
}

size_t parameter_table_arrays(const parameter_table *table, const optimizer *by, state_array *arrays)
{
    arrays[0] = (state_array){.values = table->values, .rows = table->rows, .columns = table->width};
    snprintf(arrays[0].name, sizeof arrays[0].name, "%s", table->name);
    for (int array = 0; array < by->arrays; array++) {
        state_array *out = &arrays[1 + array];
        *out = (state_array){.values = table->state[array], .rows = table->rows, .columns = table->width};
        snprintf(out->name, sizeof out->name, "%s.%s", table->name, by->array_names[array]);
    }
    return 1 + (size_t)by->arrays;
}

static inline __attribute__((always_inline)) void sum_columns(const row_note *notes, uint64_t count, size_t first,
                                                              size_t columns, float *out)
{
    float sum[COLUMNS];
    for (size_t k = 0; k < columns; k++)
        sum[k] = notes[0].coefficient * notes[0].vector[first + k];
    for (uint64_t n = 1; n < count; n++) {
        const float *vector = notes[n].vector + first, coefficient = notes[n].coefficient;
        for (size_t k = 0; k < columns; k++)
            sum[k] += coefficient * vector[k];
    }
    for (size_t k = 0; k < columns; k++)
        out[first + k] = sum[k];
}

VECTOR_CLONES
static void sum_notes(const row_note *notes, uint64_t count, size_t width, float *out)
{
    size_t first = 0;
    for (; first + COLUMNS <= width; first += COLUMNS)
        sum_columns(notes, count, first, COLUMNS, out);
    if (first < width)
        sum_columns(notes, count, first, width - first, out);
}

/* gradient += scale · parameters, and shortened to `clip` where it is longer. */
VECTOR_CLONES
static void regularise(size_t width, float scale, const float *parameters, double clip, float *gradient)
{
    if (scale != 0)
        for (size_t k = 0; k < width; k++)
            gradient[k] += scale * parameters[k];
    if (!(clip > 0))
        return;
    double squares = 0;
    for (size_t k = 0; k < width; k++)
        squares += (double)gradient[k] * gradient[k];
    if (!(squares > clip * clip))
        return;
    const float shrink = (float)(clip / sqrt(squares));
    for (size_t k = 0; k < width; k++)
        gradient[k] *= shrink;
}

static void state_of(const parameter_table *table, const step_setting *setting, size_t place,
                     float *state[OPTIMIZER_ARRAYS])
{
    for (int array = 0; array < OPTIMIZER_ARRAYS; array++)
        state[array] = array < setting->optimizer->arrays ? table->state[array] + place : NULL;
}

void row_sum(const row_note *notes, uint64_t count, size_t width, float *out)
{
    sum_notes(notes, count, width, out);
}

void row_step(const parameter_table *table, const step_setting *setting, uint32_t row, const row_note *notes,
              uint64_t count, uint32_t occurrences, float *gradient)
{
    const size_t width = table->width, place = row * width;
    float *state[OPTIMIZER_ARRAYS];
    state_of(table, setting, place, state);
    sum_notes(notes, count, width, gradient);
    if (table->l2 > 0 || setting->clip > 0)
        regularise(width, (float)(table->l2 * occurrences), table->values + place, setting->clip, gradient);
    setting->optimizer->step(&setting->setting, table->values + place, gradient, state, width);
}

void row_step_alone(const parameter_table *table, const step_setting *setting, uint32_t row, row_note note,
                    float *gradient)
{
    const size_t width = table->width, place = row * width;
    float *state[OPTIMIZER_ARRAYS];
    if (setting->clip > 0) {
        row_step(table, setting, row, &note, 1, 1, gradient);
        return;
    }
    state_of(table, setting, place, state);
    setting->optimizer->step_along(&setting->setting, table->values + place, note.coefficient, note.vector,
                                   (float)table->l2, state, width);
}

static void fetch(const float *row, size_t width)
{
    for (size_t k = 0; k < width; k += LINE)
        __builtin_prefetch(row + k, 1);
}

void row_fetch(const parameter_table *table, const step_setting *setting, uint32_t row)
{
    const size_t place = row * table->width;
    fetch(table->values + place, table->width);
    for (int array = 0; array < setting->optimizer->arrays; array++)
        fetch(table->state[array] + place, table->width);
}
