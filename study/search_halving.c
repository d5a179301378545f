/* SPDX-License-Identifier: Apache-2.0
 *
 * Successive halving: nine random points with a ninth of the sweeps (or of the users, where a method has no sweeps),
 * the best three of them with a third, the best one with all; and so on with nine others. Of points of equal value, or
 * without any, the earlier goes on.
 */
#include <math.h>
#include <string.h>

#include "study/search.h"

enum { FIRST = 9, SECOND = 3, BRACKET = FIRST + SECOND + 1 };

/* The rank-th best of past[0 … count−1]. */
static size_t ranked(const past_trial *past, size_t count, size_t rank)
{
    for (size_t i = 0; i < count; i++) {
        size_t before = 0;
        const double mine = isnan(past[i].value) ? -INFINITY : past[i].value;
        for (size_t j = 0; j < count; j++) {
            const double other = isnan(past[j].value) ? -INFINITY : past[j].value;
            before += other > mine || (other == mine && j < i);
        }
        if (before == rank)
            return i;
    }
    return 0;
}

static void propose(const space *over, const past_trial *past, size_t count, draw_key key, proposal *out)
{
    const size_t place = (count - 1) % BRACKET;
    const past_trial *bracket = past + count - place;
    const past_trial *from = NULL;
    out->fidelity = place < FIRST ? 1.0 / 9 : place < FIRST + SECOND ? 1.0 / 3 : 1.0;
    if (place == FIRST + SECOND)
        from = &bracket[FIRST + ranked(bracket + FIRST, SECOND, 0)];
    else if (place >= FIRST)
        from = &bracket[ranked(bracket, FIRST, place - FIRST)];
    for (size_t d = 0; d < over->count; d++)
        out->point[d] = from ? from->point[d] : draw_uniform(&key);
}

const search search_halving = {
    .name = "halving",
    .summary = "random points with few sweeps or users, the best third of them with three times as many, and so on",
    .source = "Jamieson, Talwalkar, AISTATS 2016; Li et al., Hyperband, JMLR 2018",
    .propose = propose,
};
