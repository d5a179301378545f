/* SPDX-License-Identifier: Apache-2.0 */
#include "study/schedule.h"

#include <math.h>
#include <stdlib.h>

/* A stage may take this share of the time that is left when it begins. */
enum { FIRST_STAGE = 4 };
static const double stage_share = 0.5;

bool schedule_create(schedule *out, size_t most)
{
    *out = (schedule){0};
    out->arms = calloc(most, sizeof *out->arms);
    out->too_long = calloc(most, sizeof *out->too_long);
    return out->arms && out->too_long;
}

void schedule_clear(schedule *old)
{
    for (size_t i = 0; i < old->count; i++)
        arm_clear(&old->arms[i]);
    free(old->arms);
    free(old->too_long);
    *old = (schedule){0};
}

double schedule_best(const arm *of, size_t count)
{
    const size_t best = arm_best(of, count);
    return best == SIZE_MAX ? -INFINITY : of->rows[best].value;
}

/* Whether fewer than `places` arms were better in their first `trials`; of equals the first. */
static bool is_among(const schedule *of, size_t which, size_t places, size_t trials)
{
    size_t before = 0;
    const double mine = schedule_best(&of->arms[which], trials);
    for (size_t i = 0; i < of->count; i++) {
        const double other = of->arms[i].left_out ? -INFINITY : schedule_best(&of->arms[i], trials);
        before += i != which && (other > mine || (other == mine && i < which));
    }
    return before < places;
}

/* The arm with the fewest trials, of equals the first, of those that the stage admits and that have not got all of its
 * trials; count: none. */
static size_t arm_of_stage(const schedule *of, size_t places, size_t judged_by, size_t trials)
{
    size_t found = of->count;
    for (size_t i = 0; i < of->count; i++) {
        const arm *one = &of->arms[i];
        if (of->too_long[i] > 0 || !arm_has_more(one) || one->count >= trials)
            continue;
        if (places < of->count && !is_among(of, i, places, judged_by))
            continue;
        if (found == of->count || one->count < of->arms[found].count)
            found = i;
    }
    return found;
}

static double seconds_since(const arm *of, size_t trial)
{
    double sum = 0;
    for (size_t t = trial; t < of->count; t++)
        sum += trial_seconds(&of->rows[t]);
    return sum;
}

/* So many of the places that the stage, trials from judged_by on, fits into its share of the time that was left when it
 * began. */
static size_t affordable(const schedule *of, double left, size_t places, size_t judged_by, size_t trials)
{
    for (size_t i = 0; i < of->count; i++)
        left += seconds_since(&of->arms[i], judged_by);
    for (; places > 2; places = (places + 1) / 2) {
        double sum = 0;
        for (size_t i = 0; i < of->count; i++) {
            const arm *one = &of->arms[i];
            if (one->count && !one->left_out && is_among(of, i, places, judged_by))
                sum += (double)(trials - judged_by) * seconds_since(one, 0) / (double)one->count;
        }
        if (sum <= stage_share * left)
            break;
    }
    return places;
}

static bool anything_left(const schedule *of)
{
    for (size_t i = 0; i < of->count; i++)
        if (!(of->too_long[i] > 0) && arm_has_more(&of->arms[i]))
            return true;
    return false;
}

size_t schedule_next(const schedule *of, double left)
{
    size_t trials = 1, judged_by = 1, more = FIRST_STAGE, places = of->count;
    if (!anything_left(of))
        return of->count;
    for (int stage = 0; stage < 64; stage++) {
        const size_t found = arm_of_stage(of, places, judged_by, trials);
        if (found < of->count)
            return found;
        judged_by = trials;
        trials += more;
        more *= 2;
        if (stage > 0)
            places = places > 4 ? (places + 1) / 2 : places > 2 ? 2 : places;
        places = affordable(of, left, places, judged_by, trials);
    }
    return arm_of_stage(of, of->count, 1, SIZE_MAX);
}

size_t schedule_winner(const schedule *of)
{
    size_t best = of->count;
    for (size_t i = 0; i < of->count; i++)
        if (arm_best(&of->arms[i], SIZE_MAX) != SIZE_MAX &&
            (best == of->count || schedule_best(&of->arms[i], SIZE_MAX) > schedule_best(&of->arms[best], SIZE_MAX)))
            best = i;
    return best;
}
