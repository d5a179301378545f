/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/normal_equations.h"
#include "train/alternating/block_step.h"
#include "train/alternating/conjugate.h"
#include "train/alternating/step.h"

enum {
    SHARED_MEMBERS = 64, /* entities of a shared block whose statistics are summed together */
    MOST_SLOTS = 16,     /* sums that are formed side by side */
    MOST_SLOT_FLOATS = 1 << 24
};

/* Sums formed side by side, and where the chunks of observations begin. */
typedef struct shared_step {
    step at;
    workspace *workspaces;
    block_cursor *cursors; /* [chunks] */
    size_t chunks;
    size_t slot_count, slot_floats;
    float *slots; /* [slot_count × slot_floats] */
} shared_step;

static uint64_t chunk_rows(const shared_step *shared, size_t chunk)
{
    const uint64_t left = shared->at.members->observations - (uint64_t)chunk * SHARED_ROWS;
    return left < SHARED_ROWS ? left : SHARED_ROWS;
}

/* What a task adds to its slot. */
typedef void slot_task(const shared_step *shared, size_t task, workspace *work, float *slot, void *data);

/* Runs the tasks and adds slots to `sum` [floats] in the order of tasks. */
static void sum_tasks(const shared_step *shared, size_t tasks, size_t floats, slot_task *run, void *data, float *sum)
{
    for (size_t first = 0; first < tasks; first += shared->slot_count) {
        const size_t count = tasks - first < shared->slot_count ? tasks - first : shared->slot_count;
#pragma omp parallel for schedule(dynamic) num_threads(shared->at.sweep->context->threads)
        for (size_t slot = 0; slot < count; slot++) {
            float *to = shared->slots + slot * shared->slot_floats;
            memset(to, 0, floats * sizeof *to);
            run(shared, first + slot, &shared->workspaces[thread_index()], to, data);
        }
#pragma omp parallel for schedule(static) num_threads(shared->at.sweep->context->threads)
        for (size_t at = 0; at < floats; at++)
            for (size_t slot = 0; slot < count; slot++)
                sum[at] += shared->slots[slot * shared->slot_floats + at];
    }
}

static void implicit_task(const shared_step *shared, size_t task, workspace *work, float *slot, void *data)
{
    (void)data;
    const uint32_t count = shared->at.members->count, begin = (uint32_t)(task * SHARED_MEMBERS),
                   end = count - begin < SHARED_MEMBERS ? count : begin + SHARED_MEMBERS;
    add_implicit(shared->at.sweep, shared->at.members, begin, end, work, slot + shared->at.width, slot);
}

static void statistics_task(const shared_step *shared, size_t task, workspace *work, float *slot, void *data)
{
    const column_range *range = data;
    const step *at = &shared->at;
    float *h = at->sweep->conjugate ? NULL : slot + (range->end - range->begin);
    step_add(at, range, shared->cursors[task], chunk_rows(shared, task), at->residual + task * SHARED_ROWS, work, h,
             slot);
}

static void curvature_task(const shared_step *shared, size_t task, workspace *work, float *slot, void *data)
{
    const float *p = data;
    const size_t width = shared->at.width;
    const uint64_t count = chunk_rows(shared, task);
    fill_rows(shared->at.sweep, shared->at.members, shared->cursors[task], count, 0, width, work, work->rows);
    memset(work->residual, 0, count * sizeof *work->residual);
    normal_add_products(work->rows, count, width, p, work->residual);
    normal_add_combination(work->rows, count, width, work->residual, shared->at.sweep->alpha, slot);
}

static void shared_curvature(const float *p, float *out, void *data)
{
    const shared_step *shared = data;
    float *copy = shared->workspaces[0].vectors + 4 * shared->at.width; /* tasks take const data through void * */
    memcpy(copy, p, shared->at.width * sizeof *copy);
    step_implicit_product(&shared->at, p, out);
    sum_tasks(shared, shared->chunks, shared->at.width, curvature_task, copy, out);
}

/* M, t and cursors. implicit [width + width²] holds t, then M. */
static void prepare(shared_step *shared, float *implicit)
{
    step *at = &shared->at;
    const half_sweep *sweep = at->sweep;
    const size_t tasks = (at->members->count + (size_t)SHARED_MEMBERS - 1) / SHARED_MEMBERS;
    at->t = implicit;
    if (!has_own_matrix(sweep)) {
        at->m = sweep->gram;
        at->m_scale = plain_implicit(sweep, at->members, at->theta, at->t);
    } else {
        at->m = implicit + at->width;
        memset(implicit, 0, (at->width + at->width * at->width) * sizeof *implicit);
        sum_tasks(shared, tasks, at->width + at->width * at->width, implicit_task, NULL, implicit);
    }
    block_cursor cursor = {0};
    for (size_t chunk = 0; chunk < shared->chunks; chunk++) {
        shared->cursors[chunk] = cursor;
        cursor_advance(sweep, at->members, &cursor, chunk_rows(shared, chunk));
    }
}

/* statistics [columns + normal_floats(columns)]: g, then H. The change is the first thread's. */
static bool shared_range(shared_step *shared, column_range range, float *statistics, float *change)
{
    const step *at = &shared->at;
    const size_t wide = range.end - range.begin;
    const bool conjugate = at->sweep->conjugate;
    float *g = statistics, *h = conjugate ? NULL : g + wide;
    step_start(at, &range, h, g);
    sum_tasks(shared, shared->chunks, conjugate ? wide : wide + normal_floats(wide), statistics_task, &range,
              statistics);
    if (conjugate)
        return conjugate_solve(shared_curvature, shared, wide, at->sweep->steps, g, change + at->width, change) &&
               step_subtract(at, change);
    if (!step_solve(at, &range, h, g, change))
        return false;
    step_follow(at, &range, change);
    return true;
}

topn_status shared_block_step(const half_sweep *sweep, const block_members *members, workspace *workspaces,
                              bool *solved)
{
    topn_status status;
    topn_context *context = sweep->context;
    float *residual = NULL, *implicit = NULL, *statistics = NULL;
    shared_step shared = {.workspaces = workspaces, .chunks = (members->observations + SHARED_ROWS - 1) / SHARED_ROWS};
    TRY(ALLOCATE(context, members->observations, &residual));
    shared.at = step_begin(sweep, members, residual);
    const size_t width = shared.at.width, columns = step_columns(sweep, width);
    const size_t square = width + (has_own_matrix(sweep) ? width * width : 0),
                 summed = columns + (sweep->conjugate ? 0 : normal_floats(columns));
    shared.slot_floats = square > summed ? square : summed;
    shared.slot_count = MOST_SLOT_FLOATS / shared.slot_floats;
    shared.slot_count = shared.slot_count < 1 ? 1 : shared.slot_count > MOST_SLOTS ? MOST_SLOTS : shared.slot_count;
    TRY(ALLOCATE(context, square, &implicit));
    TRY(ALLOCATE_ZEROED(context, summed, &statistics));
    TRY(ALLOCATE(context, shared.chunks, &shared.cursors));
    TRY(ALLOCATE(context, shared.slot_count * shared.slot_floats, &shared.slots));
    prepare(&shared, implicit);
    *solved = true;
    float *change = workspaces->vectors + width;
    for (column_range range = step_first(&shared.at, columns); range.begin < width && *solved;
         range = step_next(&shared.at, &range, columns, change))
        *solved = shared_range(&shared, range, statistics, change);
done:
    free(residual);
    free(implicit);
    free(statistics);
    free(shared.cursors);
    free(shared.slots);
    return status;
}
