/* SPDX-License-Identifier: Apache-2.0
 *
 * What a draw of a negative costs, by the seconds that training notes for its samplers (run.seconds.sampling, one
 * thread): the samplers kernel and fourier against the number of items, which they should follow as its logarithm, and
 * two-pass against its candidates M, which it should follow as a line. All with --factors 64 and random data; each
 * figure is the least of three runs. A context's draws share the masses of nodes near the root, so there is one each
 * here.
 *
 * usage: samplers [MOST_ITEMS]        (1000000; the catalogues are 1000, 1778, 3162, … up to it)
 *
 * Below each table stand both fits by least squares, a + b·ln x and a + b·x, with the share of the variance that each
 * explains, and the exponent of the best power of x. A draw looks at two nodes of 2·d² bytes on every level of the
 * tree, so a level of a tree that a cache holds costs less than one of a tree that none does: catalogues of
 * BEYOND_CACHES items on, whose every further level is as slow as the last, are fitted apart.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS = 5000, HISTORY = 8, RUNS = 3, MOST_POINTS = 24, BEYOND_CACHES = 30000 };

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "samplers: %s\n", topn_context_message(context));
    exit(1);
}

/* Distinct random items of every user, ascending. */
static topn_data *make_data(uint32_t items)
{
    uint64_t *indptr = calloc(USERS + 1, sizeof *indptr), state = 88172645463325252u;
    uint32_t *indices = calloc((size_t)USERS * HISTORY, sizeof *indices);
    if (!indptr || !indices)
        exit(1);
    const uint32_t part = items / HISTORY;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t n = 0; n < HISTORY; n++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            indices[user * HISTORY + n] = n * part + (uint32_t)(state % part);
        }
        indptr[user + 1] = indptr[user] + HISTORY;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, USERS, items, indptr, indices, NULL, &data));
    free(indptr);
    free(indices);
    return data;
}

static double figure(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return strtod(value, NULL);
    return NAN;
}

/* Seconds of sampling for each positive: m draws and what they have in common; and all figures of the last run. */
static double measure(const topn_data *data, const char *sampler, const char *negatives, const char *candidates,
                      double *draws, double *refresh)
{
    double best = INFINITY;
    for (int run = 0; run < RUNS; run++) {
        topn_options *options;
        topn_model *model;
        check(topn_options_create(context, TOPN_KIND_METHOD, "sgd", &options));
        check(topn_options_set(context, options, "sampler", sampler));
        check(topn_options_set(context, options, "loss", "softmax"));
        check(topn_options_set(context, options, "negatives", negatives));
        check(topn_options_set(context, options, "candidates", candidates));
        check(topn_options_set(context, options, "sweeps", "1"));
        check(topn_options_set(context, options, "refresh", "1"));
        check(topn_train(context, data, options, NULL, &model));
        const double seconds = figure(model, "run.seconds.sampling");
        *draws = figure(model, "run.draws");
        *refresh = figure(model, "run.seconds.refresh");
        best = seconds < best ? seconds : best;
        topn_model_free(model);
        topn_options_free(options);
    }
    return best;
}

/* y = a + b·x by least squares; the share of the variance of y that it explains. */
static double fit(size_t count, const double *x, const double *y, double *a, double *b)
{
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    for (size_t n = 0; n < count; n++) {
        mx += x[n] / (double)count;
        my += y[n] / (double)count;
    }
    for (size_t n = 0; n < count; n++) {
        xx += (x[n] - mx) * (x[n] - mx);
        xy += (x[n] - mx) * (y[n] - my);
        yy += (y[n] - my) * (y[n] - my);
    }
    *b = xy / xx;
    *a = my - *b * mx;
    return xy * xy / (xx * yy);
}

static void report_fits(const char *of, const char *name, size_t count, const double *x, const double *y)
{
    double logs[MOST_POINTS], log_y[MOST_POINTS], a, b, exponent;
    for (size_t n = 0; n < count; n++) {
        logs[n] = log(x[n]);
        log_y[n] = log(y[n]);
    }
    double explained = fit(count, logs, y, &a, &b);
    printf("%s\n  %.3g + %.3g ln %s: %.1f %% of the variance\n", of, a, b, name, 100 * explained);
    explained = fit(count, x, y, &a, &b);
    printf("  %.3g + %.3g %s: %.1f %%\n", a, b, name, 100 * explained);
    fit(count, logs, log_y, &a, &exponent);
    printf("  best power of %s: %.2f\n\n", name, exponent);
}

static void by_items(const char *sampler, double most)
{
    double x[MOST_POINTS] = {0}, y[MOST_POINTS] = {0};
    size_t count = 0;
    printf("%s, one draw for each of %d positives\n   items  us/draw  refresh s\n", sampler, USERS * HISTORY);
    for (double items = 1000; items <= 1.001 * most && count < MOST_POINTS; items *= sqrt(sqrt(10))) {
        topn_data *data = make_data((uint32_t)lround(items));
        double draws, refresh;
        const double seconds = measure(data, sampler, "1", "64", &draws, &refresh);
        x[count] = (double)lround(items);
        y[count++] = 1e6 * seconds / draws;
        printf("%8.0f  %7.3f  %9.3f\n", x[count - 1], y[count - 1], refresh);
        fflush(stdout);
        topn_data_free(data);
    }
    size_t cold = 0;
    while (cold < count && x[cold] < BEYOND_CACHES)
        cold++;
    report_fits("all sizes", "items", count, x, y);
    if (count - cold > 2)
        report_fits("trees beyond the caches", "items", count - cold, x + cold, y + cold);
}

static void by_candidates(void)
{
    double x[MOST_POINTS] = {0}, y[MOST_POINTS] = {0};
    size_t count = 0;
    topn_data *data = make_data(20000);
    printf("two-pass, 20000 items, 8 of M candidates for each of %d positives\n       M  us/positive\n",
           USERS * HISTORY);
    for (int candidates = 16; candidates <= 1024; candidates *= 2) {
        char text[16];
        double draws, refresh;
        snprintf(text, sizeof text, "%d", candidates);
        const double seconds = measure(data, "two-pass", "8", text, &draws, &refresh);
        x[count] = candidates;
        y[count++] = 1e6 * seconds / (USERS * HISTORY);
        printf("%8d  %11.2f\n", candidates, y[count - 1]);
        fflush(stdout);
    }
    topn_data_free(data);
    report_fits("all", "M", count, x, y);
}

int main(int count, char **arguments)
{
    const double most = count > 1 ? strtod(arguments[1], NULL) : 1000000;
    if (count > 2 || !(most >= 10000 && most <= 4e9)) {
        fprintf(stderr, "usage: samplers [MOST_ITEMS]        at least 10000\n");
        return 2;
    }
    topn_options *options;
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, "threads", "1"));
    check(topn_context_apply(context, options));
    topn_options_free(options);
    by_items("kernel", most);
    by_items("fourier", most);
    by_candidates();
    topn_context_free(context);
    return 0;
}
