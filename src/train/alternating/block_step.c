/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/block_step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"
#include "numeric/normal_equations.h"
#include "train/alternating/conjugate.h"
#include "train/alternating/scalar_step.h"

enum {
    MOST_ROW_FLOATS = 1 << 23, /* of rows j held by a thread: 32 MiB */
    SHARED_ROWS = 1024,        /* observations of a shared block whose statistics are summed together */
    SHARED_MEMBERS = 64,       /* entities likewise */
    MOST_SLOTS = 16,           /* sums that are formed side by side */
    MOST_SLOT_FLOATS = 1 << 24,
};

size_t step_columns(const half_sweep *sweep, size_t width)
{
    return sweep->conjugate || sweep->block == 0 || sweep->block > width ? width : sweep->block;
}

uint64_t step_capacity(const half_sweep *sweep, size_t width)
{
    const size_t columns = step_columns(sweep, width);
    const uint64_t rows = MOST_ROW_FLOATS / (columns == 1 ? 2 * width : columns);
    return rows > SHARED_ROWS ? rows : SHARED_ROWS;
}

topn_status workspaces_create(const half_sweep *sweep, size_t field, uint64_t longest, workspace **out)
{
    topn_status status;
    topn_context *context = sweep->context;
    const size_t d = sweep->dimensions, width = side_block_width(sweep->side, field),
                 columns = step_columns(sweep, width), rows = longest > SHARED_ROWS ? longest : SHARED_ROWS;
    TRY(ALLOCATE_ZEROED(context, context->threads, out));
    for (int thread = 0; thread < context->threads; thread++) {
        workspace *work = &(*out)[thread];
        TRY(ALLOCATE(context, rows * (columns == 1 ? 2 * width : columns) + NORMAL_SLACK, &work->rows));
        TRY(ALLOCATE(context, rows, &work->residual));
        TRY(ALLOCATE(context, 5 * width, &work->vectors));
        TRY(ALLOCATE(context, width + (has_own_matrix(sweep) ? width * width : 0), &work->implicit));
        if (sweep->z)
            TRY(ALLOCATE(context, 2 * d + 2 * width, &work->pairs));
        if (!sweep->conjugate)
            TRY(ALLOCATE_ZEROED(context, normal_floats(columns), &work->h));
        if (!sweep->plain) {
            TRY(ALLOCATE(context, side_scratch(sweep->side), &work->model));
            TRY(ALLOCATE(context, GATHERED_ROWS * d, &work->gathered));
            TRY(ALLOCATE(context, (d + (d > width ? d : width)) * width, &work->pulled));
            TRY(ALLOCATE(context, d, &work->phi));
        }
    }
done:
    if (status != TOPN_OK) {
        workspaces_free(*out, context->threads);
        *out = NULL;
    }
    return status;
}

void workspaces_free(workspace *workspaces, int threads)
{
    for (int thread = 0; workspaces && thread < threads; thread++) {
        workspace *work = &workspaces[thread];
        free(work->model);
        free(work->gathered);
        free(work->rows);
        free(work->residual);
        free(work->h);
        free(work->vectors);
        free(work->implicit);
        free(work->pulled);
        free(work->pairs);
        free(work->phi);
    }
    free(workspaces);
}

/* to = scale·from */
VECTOR_CLONES
static void copy_scaled(const float *restrict from, size_t count, float scale, float *restrict to)
{
    for (size_t at = 0; at < count; at++)
        to[at] = scale * from[at];
}

/* A block under way. */
typedef struct step {
    const half_sweep *sweep;
    const block_members *members;
    float *theta; /* [width] */
    size_t width;
    float ridge;
    const float *m; /* α₀ Σ Jᵀ G J / m_scale [width × width] */
    float m_scale;
    float *t;        /* α₀ Σ v Jᵀ G φ [width] */
    float *residual; /* [observations] √α(ŷ − y) */
} step;

static step begin_step(const half_sweep *sweep, const block_members *members, float *residual)
{
    const block_index *index = &sweep->blocks[members->block.field];
    return (step){.sweep = sweep,
                  .members = members,
                  .theta = side_block_values(sweep->side, members->block),
                  .width = side_block_width(sweep->side, members->block.field),
                  .ridge = index->ridge[members->block.row],
                  .residual = residual,
                  .m_scale = 1};
}

/* h = M + λI, upper triangle; g = t + λθ: columns begin … end − 1. h NULL for conjugate gradients. */
static void start_statistics(const step *at, size_t begin, size_t end, float *h, float *g)
{
    const size_t columns = end - begin, stride = normal_stride(columns);
    for (size_t r = 0; h && r < columns; r++) {
        copy_scaled(at->m + (begin + r) * at->width + begin, columns, at->m_scale, h + r * stride);
        h[r * stride + r] += at->ridge;
    }
    for (size_t c = 0; c < columns; c++)
        g[c] = at->t[begin + c] + at->ridge * at->theta[begin + c];
}

/* θ ← θ − change, and t follows for the columns to come. */
static bool take_step(const step *at, size_t begin, size_t end, const float *change)
{
    bool finite = true;
    for (size_t c = begin; c < end; c++) {
        at->theta[c] -= change[c - begin];
        finite = finite && isfinite(at->theta[c]);
    }
    if (end < at->width)
        normal_add_combination(at->m + begin * at->width, end - begin, at->width, change, -at->m_scale, at->t);
    return finite;
}

/* Products of rows j held by one thread. */
typedef struct held_rows {
    const step *at;
    const float *rows;
    size_t count;
    float *scratch; /* [count] */
} held_rows;

/* out = (M + λI)·p */
static void implicit_product(const step *at, const float *p, float *out)
{
    for (size_t c = 0; c < at->width; c++)
        out[c] = at->ridge * p[c];
    normal_add_combination(at->m, at->width, at->width, p, at->m_scale, out);
}

static void held_curvature(const float *p, float *out, void *data)
{
    const held_rows *held = data;
    const step *at = held->at;
    implicit_product(at, p, out);
    memset(held->scratch, 0, held->count * sizeof *held->scratch);
    normal_add_products(held->rows, held->count, at->width, p, held->scratch);
    normal_add_combination(held->rows, held->count, at->width, held->scratch, at->sweep->alpha, out);
}

/* Conjugate gradients over all columns; the residuals are not needed any more. */
static bool conjugate_step(const step *at, workspace *work, size_t count)
{
    float *g = work->vectors, *change = g + at->width;
    held_rows held = {.at = at, .rows = work->rows, .count = count, .scratch = at->residual};
    normal_add_combination(work->rows, count, at->width, at->residual, at->sweep->alpha, g);
    return conjugate_solve(held_curvature, &held, at->width, at->sweep->steps, g, change + at->width, change) &&
           take_step(at, 0, at->width, change);
}

/* Columns one at a time: all of them are gathered at once, and then turned. */
static bool scalar_step(const step *at, workspace *work, uint64_t count)
{
    static const block_cursor start;
    float *columns = work->rows + count * at->width;
    const scalar_block block = {.width = at->width,
                                .count = count,
                                .m = at->m,
                                .m_scale = at->m_scale,
                                .ridge = at->ridge,
                                .alpha = at->sweep->alpha,
                                .theta = at->theta,
                                .t = at->t,
                                .residual = at->residual};
    fill_rows(at->sweep, at->members, start, count, 0, at->width, work, work->rows);
    turn_rows(work->rows, count, at->width, columns);
    return scalar_steps(&block, columns);
}

bool block_step(const half_sweep *sweep, const block_members *members, workspace *work)
{
    static const block_cursor start;
    const uint64_t count = members->observations;
    step at = begin_step(sweep, members, work->residual);
    const size_t columns = step_columns(sweep, at.width);
    float *g = work->vectors;
    bool solved = true;
    at.t = work->implicit;
    at.m = has_own_matrix(sweep) ? work->implicit + at.width : sweep->gram;
    if (!has_own_matrix(sweep)) {
        at.m_scale = plain_implicit(sweep, members, at.theta, at.t);
    } else {
        memset(work->implicit, 0, (at.width + at.width * at.width) * sizeof *work->implicit);
        add_implicit(sweep, members, 0, members->count, work, work->implicit + at.width, at.t);
    }
    fill_residuals(sweep, members, start, count, work, at.residual);
    if (columns == 1)
        return scalar_step(&at, work, count);
    for (size_t begin = 0; begin < at.width && solved; begin += columns) {
        const size_t end = at.width - begin < columns ? at.width : begin + columns, wide = end - begin;
        fill_rows(sweep, members, start, count, begin, end, work, work->rows);
        start_statistics(&at, begin, end, work->h, g);
        if (sweep->conjugate)
            return conjugate_step(&at, work, count);
        normal_add_gram(work->rows, count, wide, sweep->alpha, work->h);
        normal_add_combination(work->rows, count, wide, at.residual, sweep->alpha, g);
        solved = normal_solve(work->h, wide, g) && take_step(&at, begin, end, g);
        if (end < at.width) {
            for (size_t c = 0; c < wide; c++)
                g[c] = -g[c];
            normal_add_products(work->rows, count, wide, g, at.residual);
        }
    }
    return solved;
}

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

/* Columns of a task's statistics, and the change of the columns before. */
typedef struct column_range {
    size_t begin, end;
    const float *change;
} column_range;

static void statistics_task(const shared_step *shared, size_t task, workspace *work, float *slot, void *data)
{
    const column_range *range = data;
    const step *at = &shared->at;
    const size_t wide = range->end - range->begin;
    const uint64_t count = chunk_rows(shared, task);
    fill_rows(at->sweep, at->members, shared->cursors[task], count, range->begin, range->end, work, work->rows);
    normal_add_combination(work->rows, count, wide, at->residual + task * SHARED_ROWS, at->sweep->alpha, slot);
    if (!at->sweep->conjugate)
        normal_add_gram(work->rows, count, wide, at->sweep->alpha, slot + wide);
}

/* The residuals follow a change of some columns. */
static void follow(const shared_step *shared, const column_range *range)
{
#pragma omp parallel for schedule(dynamic) num_threads(shared->at.sweep->context->threads)
    for (size_t chunk = 0; chunk < shared->chunks; chunk++) {
        workspace *work = &shared->workspaces[thread_index()];
        const uint64_t count = chunk_rows(shared, chunk);
        fill_rows(shared->at.sweep, shared->at.members, shared->cursors[chunk], count, range->begin, range->end, work,
                  work->rows);
        normal_add_products(work->rows, count, range->end - range->begin, range->change,
                            shared->at.residual + chunk * SHARED_ROWS);
    }
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
    implicit_product(&shared->at, p, out);
    sum_tasks(shared, shared->chunks, shared->at.width, curvature_task, copy, out);
}

/* M, t and residuals. implicit [width + width²] holds t, then M. */
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
#pragma omp parallel for schedule(dynamic) num_threads(sweep->context->threads)
    for (size_t chunk = 0; chunk < shared->chunks; chunk++)
        fill_residuals(sweep, at->members, shared->cursors[chunk], chunk_rows(shared, chunk),
                       &shared->workspaces[thread_index()], at->residual + chunk * SHARED_ROWS);
}

/* statistics [columns + normal_floats(columns)]: g, then H. */
static bool shared_columns(shared_step *shared, column_range range, float *statistics)
{
    const step *at = &shared->at;
    const size_t wide = range.end - range.begin;
    const bool conjugate = at->sweep->conjugate;
    float *g = statistics, *change = shared->workspaces[0].vectors + at->width;
    start_statistics(at, range.begin, range.end, conjugate ? NULL : g + wide, g);
    sum_tasks(shared, shared->chunks, conjugate ? wide : wide + normal_floats(wide), statistics_task, &range,
              statistics);
    if (conjugate)
        return conjugate_solve(shared_curvature, shared, wide, at->sweep->steps, g, change + at->width, change) &&
               take_step(at, 0, wide, change);
    if (!normal_solve(g + wide, wide, g) || !take_step(at, range.begin, range.end, g))
        return false;
    for (size_t c = 0; c < wide; c++)
        g[c] = -g[c];
    range.change = g;
    if (range.end < at->width)
        follow(shared, &range);
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
    shared.at = begin_step(sweep, members, residual);
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
    for (size_t begin = 0; begin < width && *solved; begin += columns)
        *solved = shared_columns(
            &shared, (column_range){.begin = begin, .end = width - begin < columns ? width : begin + columns},
            statistics);
done:
    free(residual);
    free(implicit);
    free(statistics);
    free(shared.cursors);
    free(shared.slots);
    return status;
}
