/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/block_step.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/normal_equations.h"
#include "train/alternating/conjugate.h"
#include "train/alternating/scalar_step.h"
#include "train/alternating/step.h"

enum { MOST_ROW_FLOATS = 1 << 23 }; /* of rows j held by a thread: 32 MiB */

/* Floats held for each observation of a block: all its columns, for single ones turned, too. 0: rows are gathered again
 * for every range of columns. */
static size_t held_floats(const half_sweep *sweep, size_t width)
{
    return sweep->conjugate ? width : step_columns(sweep, width) == 1 ? 2 * width : 0;
}

uint64_t step_capacity(const half_sweep *sweep, size_t width)
{
    const size_t held = held_floats(sweep, width);
    const uint64_t rows = held ? MOST_ROW_FLOATS / held : UINT64_MAX;
    return rows > SHARED_ROWS ? rows : SHARED_ROWS;
}

bool steps_by_group(const half_sweep *sweep, size_t width)
{
    return !has_own_matrix(sweep) && !held_floats(sweep, width);
}

topn_status workspaces_create(const half_sweep *sweep, size_t field, uint64_t longest, workspace **out)
{
    topn_status status;
    topn_context *context = sweep->context;
    const size_t d = sweep->dimensions, width = side_block_width(sweep->side, field),
                 columns = step_columns(sweep, width), held = held_floats(sweep, width),
                 rows = longest > GROUP_OBSERVATIONS ? longest : GROUP_OBSERVATIONS,
                 some = SHARED_ROWS * (sweep->conjugate ? width : 0), once = STEP_ROWS * columns,
                 least = some > once ? some : once;
    TRY(ALLOCATE_ZEROED(context, context->threads, out));
    for (int thread = 0; thread < context->threads; thread++) {
        workspace *work = &(*out)[thread];
        TRY(ALLOCATE(context, (longest * held > least ? longest * held : least) + NORMAL_SLACK, &work->rows));
        TRY(ALLOCATE(context, rows, &work->residual));
        TRY(ALLOCATE(context, 5 * width, &work->vectors));
        TRY(ALLOCATE(context, width + (has_own_matrix(sweep) ? width * width : 0), &work->implicit));
        if (steps_by_group(sweep, width))
            TRY(ALLOCATE(context, GROUP_ROWS * (2 * width + columns), &work->group));
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
        free(work->group);
        free(work->implicit);
        free(work->pulled);
        free(work->pairs);
        free(work->phi);
    }
    free(workspaces);
}

/* Products of rows j held by one thread. */
typedef struct held_rows {
    const step *at;
    const float *rows;
    size_t count;
} held_rows;

static void held_curvature(const float *p, float *out, void *data)
{
    const held_rows *held = data;
    const size_t width = held->at->width;
    float products[STEP_ROWS];
    step_implicit_product(held->at, p, out);
    for (size_t begin = 0; begin < held->count; begin += STEP_ROWS) {
        const size_t some = held->count - begin < STEP_ROWS ? held->count - begin : STEP_ROWS;
        const float *rows = held->rows + begin * width;
        memset(products, 0, some * sizeof *products);
        normal_add_products(rows, some, width, p, products);
        normal_add_combination(rows, some, width, products, held->at->sweep->alpha, out);
    }
}

/* Conjugate gradients over all columns. */
static bool conjugate_step(const step *at, workspace *work, uint64_t count)
{
    static const block_cursor start;
    const column_range all = step_first(at, at->width);
    float *g = work->vectors, *change = g + at->width;
    held_rows held = {.at = at, .rows = work->rows, .count = count};
    step_start(at, &all, NULL, g);
    fill_residuals(at->sweep, at->members, start, count, work, at->residual);
    fill_rows(at->sweep, at->members, start, count, 0, at->width, work, work->rows);
    normal_add_combination(work->rows, count, at->width, at->residual, at->sweep->alpha, g);
    return conjugate_solve(held_curvature, &held, at->width, at->sweep->steps, g, change + at->width, change) &&
           step_subtract(at, change);
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
    fill_residuals(at->sweep, at->members, start, count, work, at->residual);
    fill_rows(at->sweep, at->members, start, count, 0, at->width, work, work->rows);
    turn_rows(work->rows, count, at->width, columns);
    return scalar_steps(&block, columns);
}

bool block_step(const half_sweep *sweep, const block_members *members, workspace *work)
{
    static const block_cursor start;
    step at = step_begin(sweep, members, work->residual);
    const size_t columns = step_columns(sweep, at.width);
    float *g = work->vectors, *change = g + at.width;
    at.t = work->implicit;
    if (has_own_matrix(sweep)) {
        at.m = work->implicit + at.width;
        memset(work->implicit, 0, (at.width + at.width * at.width) * sizeof *work->implicit);
        add_implicit(sweep, members, 0, members->count, work, work->implicit + at.width, at.t);
    } else {
        at.m = sweep->gram;
        at.m_scale = plain_implicit(sweep, members, at.theta, at.t);
    }
    if (sweep->conjugate)
        return conjugate_step(&at, work, members->observations);
    if (columns == 1)
        return scalar_step(&at, work, members->observations);
    for (column_range range = step_first(&at, columns); range.begin < at.width;
         range = step_next(&at, &range, columns, change)) {
        step_start(&at, &range, work->h, g);
        step_add(&at, &range, start, members->observations, at.residual, work, work->h, g);
        if (!step_solve(&at, &range, work->h, g, change))
            return false;
        step_follow(&at, &range, change);
    }
    return true;
}
