/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/step.h"

#include <math.h>
#include <string.h>

#include "numeric/normal_equations.h"

size_t step_columns(const half_sweep *sweep, size_t width)
{
    return sweep->conjugate || sweep->block == 0 || sweep->block > width ? width : sweep->block;
}

step step_begin(const half_sweep *sweep, const block_members *members, float *residual)
{
    const block_index *index = &sweep->blocks[members->block.field];
    return (step){.sweep = sweep,
                  .members = members,
                  .theta = side_block_values(sweep->side, members->block),
                  .width = side_block_width(sweep->side, members->block.field),
                  .ridge = index->ridge[members->block.row],
                  .residual = residual,
                  .m_scale = 1,
                  .t_scale = 1};
}

column_range step_first(const step *at, size_t columns)
{
    return (column_range){.end = columns < at->width ? columns : at->width};
}

column_range step_next(const step *at, const column_range *range, size_t columns, const float *change)
{
    return (column_range){.begin = range->end,
                          .end = at->width - range->end < columns ? at->width : range->end + columns,
                          .before = range->begin,
                          .change = change};
}

void step_start(const step *at, const column_range *range, float *h, float *g)
{
    if (h)
        normal_start(at->m + range->begin * at->width + range->begin, at->width, at->m_scale, at->ridge,
                     range->end - range->begin, h);
    for (size_t c = range->begin; c < range->end; c++)
        g[c - range->begin] = at->t_scale * at->t[c] + at->ridge * at->theta[c];
}

void step_add(const step *at, const column_range *range, block_cursor from, uint64_t count, float *residual,
              workspace *work, float *h, float *g)
{
    const half_sweep *sweep = at->sweep;
    const size_t wide = range->end - range->begin;
    for (uint64_t begin = 0; begin < count; begin += STEP_ROWS) {
        const uint64_t some = count - begin < STEP_ROWS ? count - begin : STEP_ROWS;
        float *errors = residual + begin;
        if (range->change)
            add_products(sweep, at->members, from, some, range->before, range->begin, range->change, work, errors);
        else
            fill_residuals(sweep, at->members, from, some, work, errors);
        fill_rows(sweep, at->members, from, some, range->begin, range->end, work, work->rows);
        if (h)
            normal_add_gram(work->rows, some, wide, sweep->alpha, h);
        normal_add_combination(work->rows, some, wide, errors, sweep->alpha, g);
        cursor_advance(sweep, at->members, &from, some);
    }
}

bool step_solve(const step *at, const column_range *range, float *h, float *g, float *change)
{
    const size_t wide = range->end - range->begin;
    float *theta = at->theta + range->begin;
    bool finite = normal_solve(h, wide, g);
    for (size_t c = 0; finite && c < wide; c++) {
        change[c] = -g[c];
        theta[c] += change[c];
        finite = isfinite(theta[c]);
    }
    return finite;
}

void step_follow(const step *at, const column_range *range, const float *change)
{
    if (range->end < at->width)
        normal_add_combination(at->m + range->begin * at->width, range->end - range->begin, at->width, change,
                               at->m_scale, at->t);
}

void step_implicit_product(const step *at, const float *p, float *out)
{
    for (size_t c = 0; c < at->width; c++)
        out[c] = at->ridge * p[c];
    normal_add_combination(at->m, at->width, at->width, p, at->m_scale, out);
}

bool step_subtract(const step *at, const float *x)
{
    bool finite = true;
    for (size_t c = 0; c < at->width; c++) {
        at->theta[c] -= x[c];
        finite = finite && isfinite(at->theta[c]);
    }
    return finite;
}
