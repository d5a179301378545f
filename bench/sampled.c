/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled training: positives per second, sweep by sweep, for the pairs of Bayesian personalised ranking, for WARP of
 * at most ten rounds and for sampled softmax, reproducible and with --hogwild, against what the machine could do in the
 * same run: bytes of parameters that a positive moves over the bandwidth of memory, or flops over the rate of matrix
 * products.
 *
 * usage: sampled DATA [FACTORS [WAY]]      (64 and 128, all ways; else those whose name begins with WAY)
 *
 * "topn generate --like ml20m -o DATA" makes the shape of MovieLens 20M. Bytes of a positive: its three rows (of WARP
 * and of pairs) are read for the scores, and read and written for the step, with their optimiser's state. The first of
 * SWEEPS sweeps warms up; the others' median, least and most are printed. A machine that does other work as well says
 * little: threads wait for each other many times a sweep.
 */
#include <topn/topn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SWEEPS = 4, STREAM = 1 << 26, STREAM_ROUNDS = 5 };

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "sampled: %s\n", topn_context_message(context));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Bytes per second that all threads read and write together: a += s·b over arrays that no cache holds. */
static double memory_rate(void)
{
    float *a = calloc(STREAM, sizeof *a), *b = calloc(STREAM, sizeof *b);
    double best = 0;
    if (!a || !b)
        exit(1);
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < STREAM; at++)
        a[at] = b[at] = 1;
    for (int round = 0; round < STREAM_ROUNDS; round++) {
        const double start = now();
#pragma omp parallel for schedule(static)
        for (size_t at = 0; at < STREAM; at++)
            a[at] += 0.5f * b[at];
        const double rate = 3.0 * sizeof *a * STREAM / (now() - start);
        best = rate > best ? rate : best;
    }
    if (a[STREAM / 2] < 0)
        printf("\n");
    free(a);
    free(b);
    return best;
}

static void keep_rate(const char *what, const char *value, const char *advice, void *user_data)
{
    (void)advice;
    if (strcmp(what, "matrix products") == 0)
        *(double *)user_data = strtod(value, NULL);
}

/* One way of training: a method and options as "name=value name=value …". */
typedef struct way {
    const char *label, *method, *options;
    double rows;     /* of a positive, read for its scores, and read and written for its step; 0: flops count */
    double products; /* flops of a positive over factors */
    double arrays;   /* of floats beside a parameter */
} way;

static const way ways[] = {
    {"pairs, sgd", "bpr", "optimizer=sgd", 3, 0, 0},
    {"pairs, sgd, hogwild", "bpr", "optimizer=sgd hogwild=true", 3, 0, 0},
    {"pairs, adagrad", "bpr", "optimizer=adagrad", 3, 0, 1},
    {"pairs, adagrad, hogwild", "bpr", "optimizer=adagrad hogwild=true", 3, 0, 1},
    {"warp", "warp", "optimizer=adagrad most-rounds=10", 3, 0, 1},
    {"warp, hogwild", "warp", "optimizer=adagrad most-rounds=10 hogwild=true", 3, 0, 1},
    {"sampled softmax, 1024 shared", "sampled-softmax", "negatives=1024", 0, 6 * 1024, 1},
};

static void set_options(topn_options *options, const char *list)
{
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *pair = strtok_r(rest, " ", &rest); pair; pair = strtok_r(rest, " ", &rest)) {
        char *value = strchr(pair, '=');
        *value++ = '\0';
        check(topn_options_set(context, options, pair, value));
    }
}

/* When each sweep ended. */
typedef struct course {
    double ends[SWEEPS + 1];
    size_t count;
} course;

static bool watch(const topn_progress *progress, void *user_data)
{
    course *seen = user_data;
    if (strcmp(progress->stage, "sweep") == 0 && seen->count <= SWEEPS)
        seen->ends[seen->count++] = now();
    return true;
}

static void run(const topn_data *data, const way *how, const char *factors, double memory, double products)
{
    topn_options *options;
    topn_model *model;
    course seen = {.count = 0};
    char sweeps[16];
    double seconds[SWEEPS];
    snprintf(sweeps, sizeof sweeps, "%d", SWEEPS);
    check(topn_options_create(context, TOPN_KIND_METHOD, how->method, &options));
    check(topn_options_set(context, options, "factors", factors));
    check(topn_options_set(context, options, "sweeps", sweeps));
    check(topn_options_set(context, options, "keep-histories", "false"));
    set_options(options, how->options);
    topn_context_set_progress(context, watch, &seen);
    check(topn_train(context, data, options, NULL, &model));
    topn_context_set_progress(context, NULL, NULL);
    const size_t count = seen.count - 2;
    for (size_t sweep = 0; sweep < count; sweep++)
        seconds[sweep] = seen.ends[sweep + 2] - seen.ends[sweep + 1];
    qsort(seconds, count, sizeof *seconds, by_value);
    const double d = strtod(factors, NULL), median = seconds[count / 2], events = (double)topn_data_events(data);
    const double limit = how->rows > 0 ? events * how->rows * 4 * d * (3 + 2 * how->arrays) / memory
                                       : events * how->products * d / (1e9 * products);
    printf("%-30s d %3.0f  %6.2f s a sweep (%.2f … %.2f)  %6.2f M positives/s  %4.1f times %s\n", how->label, d, median,
           seconds[0], seconds[count - 1], 1e-6 * events / median, median / limit,
           how->rows > 0 ? "memory's own" : "the products' own");
    fflush(stdout);
    topn_model_free(model);
    topn_options_free(options);
}

int main(int count, char **arguments)
{
    static const char *const standard[] = {"64", "128"};
    topn_data *data;
    double products = 0;
    if (count < 2 || count > 4) {
        fprintf(stderr, "usage: sampled DATA [FACTORS [WAY]]\n");
        return 2;
    }
    const char *const wanted = count > 3 ? arguments[3] : "";
    check(topn_context_create(&context));
    check(topn_data_read(context, arguments[1], NULL, &data));
    check(topn_doctor(context, keep_rate, &products));
    const double memory = memory_rate();
    printf("memory %.1f GB/s, matrix products %.0f GFLOP/s\n", 1e-9 * memory, products);
    fflush(stdout);
    for (size_t at = 0; at < (count > 2 ? 1 : 2); at++)
        for (size_t how = 0; how < sizeof ways / sizeof *ways; how++)
            if (strncmp(ways[how].label, wanted, strlen(wanted)) == 0)
                run(data, &ways[how], count > 2 ? arguments[2] : standard[at], memory, products);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
