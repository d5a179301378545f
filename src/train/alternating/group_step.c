/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "numeric/normal_equations.h"
#include "train/alternating/block_step.h"
#include "train/alternating/step.h"

/* changes [count × columns] of the range before, then of this one. Returns the place of the first without a step. */
static size_t group_range(const step *steps, size_t count, const column_range *range, size_t columns, float *changes,
                          workspace *work)
{
    static const block_cursor start;
    for (size_t place = 0; place < count; place++) {
        const step *at = &steps[place];
        float *change = changes + place * columns;
        column_range own = *range;
        own.change = range->begin > 0 ? change : NULL;
        step_start(at, &own, work->h, work->vectors);
        step_add(at, &own, start, at->members->observations, at->residual, work, work->h, work->vectors);
        if (!step_solve(at, &own, work->h, work->vectors, change))
            return place;
    }
    return count;
}

size_t group_step(const half_sweep *sweep, const block_members *members, size_t count, workspace *work)
{
    step steps[GROUP_ROWS];
    const size_t d = sweep->dimensions, columns = step_columns(sweep, d);
    float *theta = work->group, *products = theta + GROUP_ROWS * d, *changes = products + GROUP_ROWS * d;
    uint64_t before = 0;
    for (size_t place = 0; place < count; place++) {
        step *at = &steps[place];
        *at = step_begin(sweep, &members[place], work->residual + before);
        at->m = sweep->gram;
        at->m_scale = at->t_scale = sweep->weights ? sweep->weights[members[place].first] : 1.0f;
        at->t = products + place * d;
        before += members[place].observations;
        memcpy(theta + place * d, at->theta, d * sizeof *theta);
    }
    memset(products, 0, count * d * sizeof *products);
    normal_add_multiple(theta, d, count, d, sweep->gram, d, d, products, d);
    for (column_range range = step_first(steps, columns); range.begin < d;
         range = step_next(steps, &range, columns, NULL)) {
        const size_t solved = group_range(steps, count, &range, columns, changes, work);
        if (solved < count)
            return solved;
        if (range.end < d)
            normal_add_multiple(changes, columns, count, range.end - range.begin,
                                sweep->gram + range.begin * d + range.end, d, d - range.end, products + range.end, d);
    }
    return count;
}
