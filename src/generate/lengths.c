/* SPDX-License-Identifier: Apache-2.0
 *
 * Letters: m shortest and L longest history, s scale of the log-normal excess.
 */
#include "generate/lengths.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"

typedef struct bounds {
    uint64_t shortest, longest;
} bounds;

static bounds choose_bounds(const shape *like, uint32_t users, uint32_t items, uint64_t events)
{
    const uint64_t half_mean = events / users / 2, mean = (events + users - 1) / users;
    bounds out = {.shortest = like->shortest, .longest = items / 4};
    if (half_mean < out.shortest)
        out.shortest = half_mean > 0 ? half_mean : 1;
    if (out.longest < 2 * mean)
        out.longest = 2 * mean;
    if (out.longest > items)
        out.longest = items;
    return out;
}

/* s such that Σ min(L, m + s·excess) = events. Users at L only get more as s grows, so this ends. */
static double fit_scale(const double *excess, uint32_t users, uint64_t events, bounds within)
{
    const double room = (double)(within.longest - within.shortest);
    double scale = 0, before;
    do {
        double sum = 0;
        uint32_t full = 0;
        before = scale;
        for (uint32_t user = 0; user < users; user++) {
            if (scale * excess[user] >= room && room > 0)
                full++;
            else
                sum += excess[user];
        }
        const double left =
            (double)events - (double)full * (double)within.longest - (double)(users - full) * (double)within.shortest;
        if (full < users && left > 0)
            scale = left / sum;
    } while (scale > before);
    return scale;
}

/* Rounding errors may leave the sum a few events off: the first users with room take or give them. */
static void settle(uint64_t *lengths, uint32_t users, uint64_t events, uint64_t sum, uint64_t longest)
{
    while (sum != events)
        for (uint32_t user = 0; user < users && sum != events; user++) {
            if (sum < events && lengths[user] < longest) {
                lengths[user]++;
                sum++;
            } else if (sum > events && lengths[user] > 1) {
                lengths[user]--;
                sum--;
            }
        }
}

topn_status lengths_draw(topn_context *context, const shape *like, uint32_t users, uint32_t items, uint64_t events,
                         uint64_t *indptr)
{
    topn_status status;
    double *excess = NULL;          /* [users] exp(σ·z) */
    uint64_t *lengths = indptr + 1; /* [users], summed up at the end */
    const bounds within = choose_bounds(like, users, items, events);
    TRY(ALLOCATE(context, users, &excess));
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (uint32_t user = 0; user < users; user++)
        excess[user] = exp(like->spread * random_normal(context->seed, RANDOM_GENERATE_LENGTHS, user));
    const double scale = fit_scale(excess, users, events, within);
    double carry = 0; /* what rounding has left over so far, in [0, 1) */
    uint64_t sum = 0;
    for (uint32_t user = 0; user < users; user++) {
        const double wanted = fmin((double)within.longest, (double)within.shortest + scale * excess[user]) + carry;
        lengths[user] = (uint64_t)wanted < within.longest ? (uint64_t)wanted : within.longest;
        carry = fmin(wanted - (double)lengths[user], 1 - 0x1p-53);
        sum += lengths[user];
    }
    settle(lengths, users, events, sum, within.longest);
    indptr[0] = 0;
    for (uint32_t user = 0; user < users; user++)
        indptr[user + 1] += indptr[user];
done:
    free(excess);
    return status;
}
