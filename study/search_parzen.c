/* SPDX-License-Identifier: Apache-2.0
 *
 * Tree-structured Parzen estimator: the past is parted into the better quarter and the rest; each is a mixture of a
 * Gaussian about every past point, cut at the borders, and of the even density. Of candidates drawn from the better
 * mixture the one is proposed at which it exceeds the other most. Dimensions are independent; choices are counted.
 * The first trials are random.
 */
#include <math.h>
#include <stdlib.h>

#include "study/search.h"

enum { FIRST_RANDOM = 8, CANDIDATES = 32, MOST_PAST = 4096 };
static const double better_share = 0.25, narrowest = 0.03, even_weight = 1.0;

typedef struct mixture {
    const past_trial *const *past; /* [count] */
    size_t count;
    double width; /* standard deviation of a Gaussian */
} mixture;

/* Share of a Gaussian about `center` that lies in [0, 1]. */
static double mass(double center, double width)
{
    return 0.5 * (erf((1 - center) / (width * M_SQRT2)) + erf(center / (width * M_SQRT2)));
}

static size_t choice_of(const dimension *of, double x)
{
    const size_t at = (size_t)(x * (double)of->choice_count);
    return at < of->choice_count ? at : of->choice_count - 1;
}

/* Density at x in dimension d. */
static double density(const mixture *from, const dimension *of, size_t d, double x)
{
    double sum = even_weight;
    for (size_t i = 0; i < from->count; i++) {
        const double center = from->past[i]->point[d];
        if (of->scale == TOPN_SEARCH_CHOICES) {
            sum += choice_of(of, x) == choice_of(of, center) ? (double)of->choice_count : 0;
        } else {
            const double z = (x - center) / from->width;
            sum += exp(-0.5 * z * z) / (from->width * sqrt(2 * M_PI) * mass(center, from->width));
        }
    }
    return sum / ((double)from->count + even_weight);
}

/* A draw from the mixture in dimension d. */
static double draw(const mixture *from, const dimension *of, size_t d, draw_key *key)
{
    const double which = draw_uniform(key) * ((double)from->count + even_weight);
    if (which >= (double)from->count)
        return draw_uniform(key);
    const double center = from->past[(size_t)which]->point[d];
    if (of->scale == TOPN_SEARCH_CHOICES)
        return center;
    for (int attempt = 0; attempt < 64; attempt++) {
        const double x = center + from->width * draw_normal(key);
        if (x >= 0 && x < 1)
            return x;
    }
    return center;
}

/* By value, failures last, then by age, which decides between equals. */
static int better_first(const void *a, const void *b)
{
    const past_trial *first = *(const past_trial *const *)a, *second = *(const past_trial *const *)b;
    const double one = isnan(first->value) ? -INFINITY : first->value;
    const double other = isnan(second->value) ? -INFINITY : second->value;
    if (one != other)
        return one > other ? -1 : 1;
    return first < second ? -1 : 1;
}

/* Gaussians grow narrower the more points there are (Scott's rule over one dimension). */
static double width_of(size_t count)
{
    return fmax(narrowest, 0.35 * pow((double)count, -0.2));
}

static void best_candidate(const space *over, const mixture *good, const mixture *bad, draw_key *key, double *point)
{
    for (size_t d = 0; d < over->count; d++) {
        double best = -INFINITY;
        for (int candidate = 0; candidate < CANDIDATES; candidate++) {
            const dimension *of = &over->dimensions[d];
            const double x = draw(good, of, d, key);
            const double gain = log(density(good, of, d, x)) - log(density(bad, of, d, x));
            if (gain > best) {
                best = gain;
                point[d] = x;
            }
        }
    }
}

static void propose(const space *over, const past_trial *past, size_t count, draw_key key, proposal *out)
{
    const past_trial *sorted[MOST_PAST];
    out->fidelity = 1;
    for (size_t d = 0; d < over->count; d++)
        out->point[d] = draw_uniform(&key);
    if (count < FIRST_RANDOM)
        return;
    count = count < MOST_PAST ? count : MOST_PAST;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &past[i];
    qsort(sorted, count, sizeof *sorted, better_first);
    const size_t better = (size_t)ceil(better_share * (double)count);
    const mixture good = {.past = sorted, .count = better, .width = width_of(better)};
    const mixture bad = {.past = sorted + better, .count = count - better, .width = width_of(count - better)};
    best_candidate(over, &good, &bad, &key, out->point);
}

const search search_parzen = {
    .name = "parzen",
    .summary = "points where good trials are dense and bad ones are not (TPE), after 8 random ones",
    .source = "Bergstra, Bardenet, Bengio, Kégl, NIPS 2011",
    .propose = propose,
};
