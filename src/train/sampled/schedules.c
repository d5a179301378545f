/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/registry.h"
#include "train/sampled/optimizer.h"

static double constant(double progress, double sweeps, double decay)
{
    (void)progress, (void)sweeps, (void)decay;
    return 1;
}

static double inverse(double progress, double sweeps, double decay)
{
    (void)progress;
    return 1 / (1 + decay * sweeps);
}

static double linear(double progress, double sweeps, double decay)
{
    (void)sweeps, (void)decay;
    return 1 - progress;
}

static double cosine(double progress, double sweeps, double decay)
{
    (void)sweeps, (void)decay;
    return (1 + cos(acos(-1) * progress)) / 2;
}

const schedule schedule_constant = {"constant", "the same rate throughout", constant};
const schedule schedule_inverse = {"inverse", "rate/(1 + decay · sweeps done)", inverse};
const schedule schedule_linear = {"linear", "falls to 0 in a straight line over the planned sweeps", linear};
const schedule schedule_cosine = {"cosine", "falls to 0 as half a cosine over the planned sweeps", cosine};

static const schedule *const schedules[] = {
#define SCHEDULE(identifier, name) &schedule_##identifier,
#include "train/sampled/schedules.def"
#undef SCHEDULE
};

REGISTRY_ACCESS(schedule, schedule, schedules)

double schedule_rate(const schedule *shape, double rate, double decay, double warm_up, double sweeps_done,
                     double sweeps_planned)
{
    if (sweeps_done < warm_up)
        return rate * sweeps_done / warm_up;
    const double after = sweeps_done - warm_up, planned = sweeps_planned - warm_up;
    const double progress = planned > 0 ? fmin(after / planned, 1) : 1;
    return rate * shape->factor(progress, after, decay);
}
