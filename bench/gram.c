/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the Gram matrix of a data set is added up: seconds, in both layouts and three orders of items, beside the
 * least that the memory allows (writing as many bytes once, in pages that the system has yet to hand out).
 *
 * usage: gram DATA        any file that topn reads; made by `topn generate --like ml20m -o DATA`
 *
 * Training is cancelled when the matrix is complete; the faster of two counts. bench/peers/gram.sh compares with SciPy.
 */
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static topn_context *context;

static void check(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "gram: %s\n", topn_context_message(context));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

typedef struct gram_times {
    double begin, end;
} gram_times;

/* The first report of the stage "gram" comes before its first row, that of "factor" after its last. */
static bool watch(const topn_progress *progress, void *user_data)
{
    gram_times *times = user_data;
    if (strcmp(progress->stage, "gram") == 0 && times->begin == 0)
        times->begin = now();
    if (strcmp(progress->stage, "factor") != 0)
        return true;
    times->end = now();
    return false;
}

static double gram_seconds(const topn_data *data, const char *method, const char *order, const char *storage)
{
    topn_options *options;
    topn_model *model = NULL;
    gram_times times = {0};
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    check(topn_options_set(context, options, "k", "50"));
    check(topn_options_set(context, options, "storage", storage));
    if (order)
        check(topn_options_set(context, options, "order", order));
    topn_context_set_progress(context, watch, &times);
    const topn_status status = topn_train(context, data, options, NULL, &model);
    topn_context_set_progress(context, NULL, NULL);
    if (status != TOPN_ERROR_CANCELLED)
        check(status);
    topn_model_free(model);
    topn_options_free(options);
    return times.end - times.begin;
}

/* Additions of the lower triangle: a pair of items of each user. */
static double additions(const topn_data *data)
{
    double sum = 0;
    for (uint32_t user = 0; user < topn_data_users(data); user++) {
        const uint32_t *items;
        const float *weights;
        const double length = (double)topn_data_history(data, user, &items, &weights);
        sum += length * (length + 1) / 2;
    }
    return sum;
}

/* Seconds that one thread takes to write so many bytes into new memory. */
static double write_seconds(size_t bytes)
{
    const double start = now();
    unsigned char *block = malloc(bytes);
    if (!block)
        return NAN;
    memset(block, 1, bytes);
    const double seconds = now() - start;
    if (block[bytes / 2] != 1)
        abort();
    free(block);
    return seconds;
}

int main(int count, char **arguments)
{
    static const struct {
        const char *method, *order, *label;
    } orders[] = {{"ease", NULL, "given"},
                  {"chol", "popular-first", "popular first"},
                  {"inverse-factor", "popular-last", "popular last"}};
    topn_data *data;
    if (count != 2) {
        fprintf(stderr, "usage: gram DATA\n");
        return 2;
    }
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    check(topn_data_read(context, arguments[1], NULL, &data));
    const double items = topn_data_items(data), pairs = additions(data);
    printf("%.0f items, %u users, %llu events, %.3g additions, %d threads\n", items, topn_data_users(data),
           (unsigned long long)topn_data_events(data), pairs, topn_context_threads(context));
    printf("  %-14s %-5s %9.3f s  one thread writing 2 N^2 bytes into new memory\n", "limit", "half",
           write_seconds((size_t)(2 * items * items)));
    double best = INFINITY;
    for (size_t order = 0; order < sizeof orders / sizeof *orders; order++)
        for (int half = 1; half >= 0; half--) {
            const char *storage = half ? "half" : "full";
            double seconds = INFINITY;
            for (int repeat = 0; repeat < 2; repeat++)
                seconds = fmin(seconds, gram_seconds(data, orders[order].method, orders[order].order, storage));
            printf("  %-14s %-5s %9.3f s  %6.2f additions/ns\n", orders[order].label, storage, seconds,
                   pairs / seconds * 1e-9);
            best = order == 0 ? fmin(best, seconds) : best;
        }
    printf("gram-seconds %.3f\n", best);
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}
