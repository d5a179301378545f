/* SPDX-License-Identifier: Apache-2.0
 *
 * Tree-structured Parzen estimator: the past is parted into the better eighth and the rest; each is a mixture of a
 * Gaussian about every past point, cut at the borders, and of the even density. Of candidates drawn from the better
 * mixture the one is proposed at which it exceeds the other most; they are few, since of many it would be the same spot
 * again and again. Dimensions are independent; choices are counted.
 * The first trials are random, and every fourth later on: a choice that had bad luck at first is found again.
 */
#include <math.h>
#include <stdlib.h>

#include "study/search.h"

enum { FIRST_RANDOM = 8, EVERY_RANDOM = 4, CANDIDATES = 3, MOST_PAST = 4096 };
static const double better_share = 0.12, even_weight = 1.0;

typedef struct mixture {
    const past_trial *const *past; /* [count] */
    size_t count;
    double width; /* standard deviation of a Gaussian, in the dimension under way */
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

/* Silverman's rule over one dimension: the closer the points and the more of them, the narrower the Gaussians; few
 * points that happen to lie together do not make them narrow. */
static double width_of(const mixture *from, size_t d)
{
    double sum = 0, squares = 0;
    const double count = (double)from->count;
    for (size_t i = 0; i < from->count; i++) {
        const double x = from->past[i]->point[d];
        sum += x;
        squares += x * x;
    }
    const double deviation = sqrt(fmax(0, squares / count - sum * sum / (count * count)));
    return fmax(1 / (1 + count), 1.06 * deviation * pow(count, -0.2));
}

static void best_candidate(const space *over, mixture *good, mixture *bad, draw_key *key, double *point)
{
    for (size_t d = 0; d < over->count; d++) {
        double best = -INFINITY;
        good->width = width_of(good, d);
        bad->width = width_of(bad, d);
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
    if (count < FIRST_RANDOM || count % EVERY_RANDOM == 0)
        return;
    count = count < MOST_PAST ? count : MOST_PAST;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &past[i];
    qsort(sorted, count, sizeof *sorted, better_first);
    const size_t better = (size_t)ceil(better_share * (double)count);
    mixture good = {.past = sorted, .count = better}, bad = {.past = sorted + better, .count = count - better};
    best_candidate(over, &good, &bad, &key, out->point);
}

const search search_parzen = {
    .name = "parzen",
    .summary =
        "points where good trials are dense and bad ones are not (TPE), after 8 random ones, and every fourth random",
    .source = "Bergstra, Bardenet, Bengio, Kégl, NIPS 2011",
    .propose = propose,
};
