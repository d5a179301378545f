/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes are put in the order of their rows by a counting sort over slots: the n-th distinct row has slot n. Which slot
 * a row has is kept in slot_of and believed only when the slot names the row, so that nothing needs to be forgotten
 * between two batches (Briggs and Torczon 1993).
 */
#include "train/sampled/row_gradients.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"

enum {
    AHEAD = 16,      /* notes between asking for memory and needing it */
    TASK = 32,       /* slots of a task */
    SLOTS_AHEAD = 4, /* of a task */
    MOST_TABLES_AT_ONCE = 64
};

/* Notes that came at once. */
typedef struct note_span {
    uint64_t begin, end; /* of the notes */
    const float *base;
    size_t stride;
    bool indexed, weighted, counts;
} note_span;

struct row_gradients {
    uint32_t rows;
    size_t width;
    int threads;
    uint64_t count, room; /* notes */
    uint32_t *note_rows;  /* [room], slots once grouped */
    uint32_t *indices;    /* [room] */
    float *coefficients;  /* [room] */
    note_span *spans;     /* [span_room] */
    size_t span_count, span_room;
    uint32_t *slot_of; /* [rows] */
    uint32_t distinct;
    uint32_t *touched;     /* [slot_room] row of a slot */
    uint64_t *ends;        /* [slot_room] of a slot's notes in `sorted` */
    uint32_t *occurrences; /* [slot_room] notes that count for λ */
    size_t slot_room;
    row_note *sorted; /* [room] */
    bool grouped;     /* slots are made */
    bool is_sorted;
    float *scratch; /* [threads × width] */
    float *values;  /* [value_room] of row_gradients_sum */
    size_t value_room;
};

/* ---- Notes ------------------------------------------------------------------------------------------------------- */

/* Room for `count` notes and, of so many, the distinct rows. */
static topn_status make_room(topn_context *context, row_gradients *gradients, uint64_t count)
{
    topn_status status;
    const size_t slots = count < gradients->rows ? (size_t)count : gradients->rows;
    TRY(RESIZE(context, (size_t)count, &gradients->note_rows));
    TRY(RESIZE(context, (size_t)count, &gradients->indices));
    TRY(RESIZE(context, (size_t)count, &gradients->coefficients));
    TRY(RESIZE(context, (size_t)count, &gradients->sorted));
    if (slots > gradients->slot_room) {
        TRY(RESIZE(context, slots, &gradients->touched));
        TRY(RESIZE(context, slots, &gradients->ends));
        TRY(RESIZE(context, slots, &gradients->occurrences));
        gradients->slot_room = slots;
    }
    gradients->room = count;
done:
    return status;
}

topn_status row_gradients_create(topn_context *context, const parameter_table *table, uint64_t entries,
                                 row_gradients **out)
{
    topn_status status;
    row_gradients *gradients;
    TRY(ALLOCATE_ZEROED(context, 1, &gradients));
    gradients->rows = table->rows;
    gradients->width = table->width;
    gradients->threads = context->threads;
    TRY(ALLOCATE_ZEROED(context, table->rows, &gradients->slot_of));
    TRY(ALLOCATE(context, (size_t)context->threads * table->width, &gradients->scratch));
    TRY(make_room(context, gradients, entries ? entries : 1));
done:
    if (status != TOPN_OK) {
        row_gradients_free(gradients);
        gradients = NULL;
    }
    *out = gradients;
    return status;
}

void row_gradients_free(row_gradients *gradients)
{
    if (!gradients)
        return;
    free(gradients->note_rows);
    free(gradients->indices);
    free(gradients->coefficients);
    free(gradients->spans);
    free(gradients->slot_of);
    free(gradients->touched);
    free(gradients->ends);
    free(gradients->occurrences);
    free(gradients->sorted);
    free(gradients->scratch);
    free(gradients->values);
    free(gradients);
}

uint64_t row_gradients_bytes(uint32_t rows, size_t width, uint64_t entries)
{
    const uint64_t slots = entries < rows ? entries : rows;
    return sizeof(row_gradients) + 4 * (uint64_t)rows + 4 * (uint64_t)width + entries * (12 + sizeof(row_note)) +
           slots * 16;
}

void row_gradients_begin(row_gradients *gradients)
{
    gradients->count = 0;
    gradients->span_count = 0;
    gradients->distinct = 0;
    gradients->grouped = gradients->is_sorted = false;
}

topn_status row_gradients_note(topn_context *context, row_gradients *gradients, size_t count, const uint32_t *rows,
                               const float *coefficients, const float *base, size_t stride, const uint32_t *index,
                               bool counts)
{
    topn_status status = TOPN_OK;
    const uint64_t begin = gradients->count, end = begin + count;
    if (end > gradients->room)
        TRY(make_room(context, gradients, end + end / 2));
    if (gradients->span_count == gradients->span_room) {
        TRY(RESIZE(context, 2 * gradients->span_room + 8, &gradients->spans));
        gradients->span_room = 2 * gradients->span_room + 8;
    }
    gradients->spans[gradients->span_count++] = (note_span){.begin = begin,
                                                            .end = end,
                                                            .base = base,
                                                            .stride = stride,
                                                            .indexed = index,
                                                            .weighted = coefficients,
                                                            .counts = counts};
    if (count) {
        memcpy(gradients->note_rows + begin, rows, count * sizeof *rows);
        if (coefficients)
            memcpy(gradients->coefficients + begin, coefficients, count * sizeof *coefficients);
        if (index)
            memcpy(gradients->indices + begin, index, count * sizeof *index);
    }
    gradients->count = end;
done:
    return status;
}

/* ---- Grouping ---------------------------------------------------------------------------------------------------- */

/* Makes slots, and counts their notes in ends[slot]. */
static void group(row_gradients *gradients)
{
    uint32_t *const slot_of = gradients->slot_of, *const touched = gradients->touched,
                    *const rows = gradients->note_rows;
    uint32_t distinct = 0;
    if (gradients->grouped)
        return;
    for (uint64_t n = 0; n < gradients->count; n++) {
        const uint32_t row = rows[n];
        if (n + AHEAD < gradients->count && rows[n + AHEAD] != NO_ROW)
            __builtin_prefetch(&slot_of[rows[n + AHEAD]], 1);
        if (row == NO_ROW)
            continue;
        uint32_t slot = slot_of[row];
        if (slot >= distinct || touched[slot] != row) {
            slot = slot_of[row] = distinct++;
            touched[slot] = row;
            gradients->ends[slot] = 0;
            gradients->occurrences[slot] = 0;
        }
        gradients->ends[slot]++;
        rows[n] = slot;
    }
    gradients->distinct = distinct;
    gradients->grouped = true;
}

/* Puts the notes in the order of slots. */
static void sort_notes(row_gradients *gradients)
{
    uint64_t *const ends = gradients->ends, begin = 0;
    if (gradients->is_sorted)
        return;
    group(gradients);
    for (uint32_t slot = 0; slot < gradients->distinct; slot++) {
        const uint64_t count = ends[slot];
        ends[slot] = begin; /* the next note's place, at last the end */
        begin += count;
    }
    for (size_t at = 0; at < gradients->span_count; at++) {
        const note_span *span = &gradients->spans[at];
        for (uint64_t n = span->begin; n < span->end; n++) {
            const uint32_t slot = gradients->note_rows[n];
            if (slot == NO_ROW)
                continue;
            const size_t index = span->indexed ? gradients->indices[n] : (size_t)(n - span->begin);
            gradients->sorted[ends[slot]++] =
                (row_note){.vector = span->base + index * span->stride,
                           .coefficient = span->weighted ? gradients->coefficients[n] : 1};
            gradients->occurrences[slot] += span->counts;
        }
    }
    gradients->is_sorted = true;
}

size_t row_gradients_rows(row_gradients *gradients, const uint32_t **rows, const uint32_t **slots)
{
    group(gradients);
    if (rows)
        *rows = gradients->touched;
    if (slots)
        *slots = gradients->note_rows;
    return gradients->distinct;
}

/* ---- Sums -------------------------------------------------------------------------------------------------------- */

static const row_note *notes_of(const row_gradients *gradients, uint32_t slot, uint64_t *count)
{
    const uint64_t begin = slot ? gradients->ends[slot - 1] : 0;
    *count = gradients->ends[slot] - begin;
    return gradients->sorted + begin;
}

static int threads_of(const row_gradients *gradients, int wanted)
{
    return wanted < gradients->threads ? wanted : gradients->threads;
}

void row_gradients_sum_into(row_gradients *gradients, int threads, float *out)
{
    sort_notes(gradients);
    threads = threads_of(gradients, threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic, TASK)
    for (uint32_t slot = 0; slot < gradients->distinct; slot++) {
        uint64_t count;
        const row_note *notes = notes_of(gradients, slot, &count);
        row_sum(notes, count, gradients->width, out + slot * gradients->width);
    }
}

size_t row_gradients_sum(row_gradients *gradients, int threads, const uint32_t **rows, const float **values)
{
    const size_t distinct = row_gradients_rows(gradients, rows, NULL), needed = distinct * gradients->width;
    if (needed > gradients->value_room) {
        if (memory_resize(NULL, needed, sizeof(float), &gradients->values) != TOPN_OK)
            return SIZE_MAX;
        gradients->value_room = needed;
    }
    row_gradients_sum_into(gradients, threads, gradients->values);
    *values = gradients->values;
    return distinct;
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static void step_slot(const row_gradients *gradients, const parameter_table *table, const step_setting *setting,
                      uint32_t slot, float *gradient)
{
    uint64_t count;
    const row_note *notes = notes_of(gradients, slot, &count);
    row_step(table, setting, gradients->touched[slot], notes, count, gradients->occurrences[slot], gradient);
}

void row_gradients_apply_all(size_t count, row_gradients *const *gradients, parameter_table *tables,
                             const step_setting *setting)
{
    uint64_t begins[MOST_TABLES_AT_ONCE + 1] = {0};
    if (count > MOST_TABLES_AT_ONCE) {
        row_gradients_apply_all(MOST_TABLES_AT_ONCE, gradients, tables, setting);
        row_gradients_apply_all(count - MOST_TABLES_AT_ONCE, gradients + MOST_TABLES_AT_ONCE,
                                tables + MOST_TABLES_AT_ONCE, setting);
        return;
    }
    int threads = setting->threads;
    for (size_t t = 0; t < count; t++)
        threads = gradients[t] ? threads_of(gradients[t], threads) : threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (size_t t = 0; t < count; t++)
        if (gradients[t])
            sort_notes(gradients[t]);
    for (size_t t = 0; t < count; t++)
        begins[t + 1] = begins[t] + (gradients[t] ? (gradients[t]->distinct + TASK - 1) / TASK : 0);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (uint64_t task = 0; task < begins[count]; task++) {
        size_t t = 0;
        while (task >= begins[t + 1])
            t++;
        const row_gradients *own = gradients[t];
        const uint32_t first = (uint32_t)(task - begins[t]) * TASK,
                       end = own->distinct - first < TASK ? own->distinct : first + TASK;
        float *gradient = own->scratch + (size_t)thread_index() * own->width;
        for (uint32_t slot = first; slot < end && slot < first + SLOTS_AHEAD; slot++)
            row_fetch(&tables[t], setting, own->touched[slot]);
        for (uint32_t slot = first; slot < end; slot++) {
            if (slot + SLOTS_AHEAD < end)
                row_fetch(&tables[t], setting, own->touched[slot + SLOTS_AHEAD]);
            step_slot(own, &tables[t], setting, slot, gradient);
        }
    }
}

void row_gradients_apply(row_gradients *gradients, parameter_table *table, const step_setting *setting)
{
    row_gradients_apply_all(1, &gradients, table, setting);
}
