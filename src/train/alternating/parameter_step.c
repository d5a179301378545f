/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/parameter_step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"

enum { EMBED_BLOCK = 16 };
static const float least_root = 1e-8f;

size_t side_blocks(const multilinear_side *side)
{
    return side->field_count + (side->kind == COMPOSE_TUCKER);
}

static bool is_core(const multilinear_side *side, size_t field)
{
    return field == side->field_count;
}

/* Rows of an entity in a field: count, and where they stand when they are listed. */
static uint32_t rows_of(const side_field *field, uint32_t entity, uint64_t *at)
{
    *at = field->rows.indptr ? field->rows.indptr[entity] : 0;
    return field->rows.indptr ? (uint32_t)(field->rows.indptr[entity + 1] - *at) : 1;
}

static uint32_t row_at(const side_field *field, uint32_t entity, uint64_t at)
{
    return field->rows.indptr ? field->rows.indices[at] : entity;
}

/* Most entries that a batch of `capacity` entities has in a field. */
static uint64_t most_entries(const multilinear_side *side, size_t field, uint32_t capacity)
{
    uint32_t longest = 1;
    uint64_t at;
    if (is_core(side, field))
        return capacity;
    for (uint32_t entity = 0; entity < side->entities; entity++) {
        const uint32_t length = rows_of(&side->fields[field], entity, &at);
        longest = length > longest ? length : longest;
    }
    return (uint64_t)longest * capacity;
}

static void set_shares(const multilinear_side *side, size_t index, const uint32_t *visits, touched_rows *rows)
{
    const side_field *field = is_core(side, index) ? NULL : &side->fields[index];
    for (uint32_t entity = 0; entity < side->entities; entity++) {
        uint64_t at;
        for (uint32_t row = 0; !field && row < rows->table_rows; row++)
            rows->shares[row] += visits[entity];
        for (uint32_t left = field ? rows_of(field, entity, &at) : 0; left > 0; left--, at++)
            rows->shares[row_at(field, entity, at)] += visits[entity];
    }
    for (uint32_t row = 0; row < rows->table_rows; row++)
        rows->shares[row] = rows->shares[row] > 0 ? 1 / rows->shares[row] : 0;
}

static topn_status create_rows(topn_context *context, const multilinear_side *side, size_t field,
                               const uint32_t *visits, uint32_t capacity, bool adagrad, touched_rows *out)
{
    topn_status status;
    const uint64_t entries = most_entries(side, field, capacity);
    out->width = side_block_width(side, field);
    out->table_rows = (uint32_t)(is_core(side, field) ? side->core.rows : side->fields[field].table.rows);
    const size_t most = entries < out->table_rows && !is_core(side, field) ? entries : out->table_rows;
    TRY(ALLOCATE_ZEROED(context, out->table_rows, &out->shares));
    TRY(ALLOCATE_ZEROED(context, out->table_rows, &out->slot_of));
    TRY(ALLOCATE(context, most, &out->rows));
    TRY(ALLOCATE(context, most + 1, &out->starts));
    TRY(ALLOCATE(context, entries, &out->entities));
    TRY(ALLOCATE(context, entries, &out->coefficients));
    TRY(ALLOCATE(context, most * out->width, &out->gradients));
    if (adagrad)
        TRY(ALLOCATE_ZEROED(context, (size_t)out->table_rows * out->width, &out->squares));
    set_shares(side, field, visits, out);
done:
    return status;
}

topn_status parameter_step_create(topn_context *context, const alternating_problem *problem,
                                  const example_list *examples, uint32_t capacity, bool adagrad, parameter_step *out)
{
    topn_status status;
    *out = (parameter_step){0};
    for (int at = 0; at < 2; at++) {
        const multilinear_side *side = &problem->sides[at];
        size_t size = side_scratch(side);
        TRY(ALLOCATE_ZEROED(context, side_blocks(side), &out->fields[at]));
        for (size_t field = 0; field < side_blocks(side); field++) {
            touched_rows *rows = &out->fields[at][field];
            TRY(create_rows(context, side, field, examples->visits[at], capacity, adagrad, rows));
            if (size < side_scratch(side) + rows->width)
                size = side_scratch(side) + rows->width;
        }
        out->scratch_size = size > out->scratch_size ? size : out->scratch_size;
    }
    TRY(ALLOCATE(context, (size_t)context->threads * out->scratch_size, &out->scratch));
done:
    if (status != TOPN_OK)
        parameter_step_clear(problem, out);
    return status;
}

void parameter_step_clear(const alternating_problem *problem, parameter_step *step)
{
    for (int at = 0; at < 2; at++) {
        for (size_t field = 0; step->fields[at] && field < side_blocks(&problem->sides[at]); field++) {
            touched_rows *rows = &step->fields[at][field];
            free(rows->shares);
            free(rows->slot_of);
            free(rows->rows);
            free(rows->starts);
            free(rows->entities);
            free(rows->coefficients);
            free(rows->gradients);
            free(rows->squares);
        }
        free(step->fields[at]);
    }
    free(step->scratch);
    *step = (parameter_step){0};
}

void parameter_step_embed(topn_context *context, const alternating_problem *problem, const parameter_step *step,
                          mini_batch *batch)
{
    for (int at = 0; at < 2; at++) {
        const batch_side *entities = &batch->sides[at];
#pragma omp parallel for num_threads(context->threads) schedule(static, EMBED_BLOCK)
        for (uint32_t slot = 0; slot < entities->count; slot++)
            side_embed(&problem->sides[at], entities->entities[slot],
                       step->scratch + (size_t)thread_index() * step->scratch_size,
                       entities->embeddings + slot * batch->dimensions);
    }
}

/* The core: every row of it is touched by all entities. */
static void list_core(const batch_side *batch, touched_rows *rows)
{
    rows->count = rows->table_rows;
    for (uint32_t row = 0; row < rows->count; row++)
        rows->rows[row] = row;
    for (uint32_t slot = 0; slot < batch->count; slot++) {
        rows->entities[slot] = slot;
        rows->coefficients[slot] = 1;
    }
}

/* The distinct rows of the batch's entities in order of first appearance, and by row the entities that have it. */
static void list_rows(const side_field *field, const batch_side *batch, touched_rows *rows)
{
    uint64_t at;
    rows->count = 0;
    for (uint32_t slot = 0; slot < batch->count; slot++) {
        const uint32_t entity = batch->entities[slot];
        for (uint32_t left = rows_of(field, entity, &at); left > 0; left--, at++) {
            const uint32_t row = row_at(field, entity, at);
            if (!rows->slot_of[row]) {
                rows->rows[rows->count] = row;
                rows->slot_of[row] = ++rows->count;
                rows->starts[rows->count] = 0;
            }
            rows->starts[rows->slot_of[row]]++;
        }
    }
    rows->starts[0] = 0;
    for (uint32_t place = 0; place < rows->count; place++)
        rows->starts[place + 1] += rows->starts[place];
    for (uint32_t slot = 0; slot < batch->count; slot++) {
        const uint32_t entity = batch->entities[slot];
        for (uint32_t left = rows_of(field, entity, &at); left > 0; left--, at++) {
            const uint64_t to = rows->starts[rows->slot_of[row_at(field, entity, at)] - 1]++;
            rows->entities[to] = slot;
            rows->coefficients[to] = field->rows.values ? field->rows.values[at] : 1;
        }
    }
    for (uint32_t place = rows->count; place > 0; place--)
        rows->starts[place] = rows->starts[place - 1];
    rows->starts[0] = 0;
    for (uint32_t place = 0; place < rows->count; place++)
        rows->slot_of[rows->rows[place]] = 0;
}

/* Gradient of one touched row. scratch [side_scratch + width] */
static void pull_row(const alternating_problem *problem, int at, size_t field, const mini_batch *batch,
                     touched_rows *rows, uint32_t place, float *scratch)
{
    multilinear_side side = problem->sides[at]; /* side_block_values takes one that may be written to */
    const batch_side *entities = &batch->sides[at];
    const bool core = is_core(&side, field);
    const side_block block = {field, rows->rows[place]};
    const float *values = side_block_values(&side, block);
    const size_t width = rows->width;
    float *gradient = rows->gradients + place * width, *pulled = scratch, *jacobian = scratch + width;
    uint64_t touches = 0;
    memset(gradient, 0, width * sizeof *gradient);
    const uint64_t end = core ? entities->count : rows->starts[place + 1];
    for (uint64_t entry = core ? 0 : rows->starts[place]; entry < end; entry++) {
        const uint32_t slot = rows->entities[entry];
        touches += entities->starts[slot + 1] - entities->starts[slot];
        side_jacobian(&side, entities->entities[slot], block, rows->coefficients[entry], jacobian);
        side_pull(&side, block, jacobian, entities->gradients + slot * batch->dimensions, 1, 0, width, pulled);
        for (size_t k = 0; k < width; k++)
            gradient[k] += pulled[k];
    }
    const float shrink =
        (float)(2 * problem->blocks[at][field].ridge[block.row] * (double)touches * rows->shares[block.row]);
    for (size_t k = 0; k < width; k++)
        gradient[k] += shrink * values[k];
}

void parameter_step_pull(topn_context *context, const alternating_problem *problem, const mini_batch *batch,
                         parameter_step *step)
{
    for (int at = 0; at < 2; at++) {
        const multilinear_side *side = &problem->sides[at];
        for (size_t field = 0; field < side_blocks(side); field++) {
            touched_rows *rows = &step->fields[at][field];
            if (is_core(side, field))
                list_core(&batch->sides[at], rows);
            else
                list_rows(&side->fields[field], &batch->sides[at], rows);
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 8)
            for (uint32_t place = 0; place < rows->count; place++)
                pull_row(problem, at, field, batch, rows, place,
                         step->scratch + (size_t)thread_index() * step->scratch_size);
        }
    }
}

VECTOR_CLONES
static void move(float *values, float *squares, const float *gradient, float rate, size_t width)
{
    if (!squares) {
        for (size_t k = 0; k < width; k++)
            values[k] -= rate * gradient[k];
        return;
    }
    for (size_t k = 0; k < width; k++) {
        squares[k] += gradient[k] * gradient[k];
        values[k] -= rate * gradient[k] / (sqrtf(squares[k]) + least_root);
    }
}

void parameter_step_apply(topn_context *context, alternating_problem *problem, double rate, parameter_step *step)
{
    for (int at = 0; at < 2; at++)
        for (size_t field = 0; field < side_blocks(&problem->sides[at]); field++) {
            const touched_rows *rows = &step->fields[at][field];
#pragma omp parallel for num_threads(context->threads) schedule(static)
            for (uint32_t place = 0; place < rows->count; place++) {
                const uint32_t row = rows->rows[place];
                move(side_block_values(&problem->sides[at], (side_block){field, row}),
                     rows->squares ? rows->squares + row * rows->width : NULL, rows->gradients + place * rows->width,
                     (float)rate, rows->width);
            }
        }
}
