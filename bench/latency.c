/* SPDX-License-Identifier: Apache-2.0
 *
 * How long one person waits: the time of topn_recommend over a model file, one query after the other, one
 * thread.
 *
 * usage: latency MODEL HISTORIES [N [USERS [KIND]]]       (100 1000)
 *
 * HISTORIES is a file of events, such as test-seen.tsv of a split; items that the model does not know are left out.
 * Prints microseconds: the median, and with no other output than that number it serves scripts. With KIND, "exact" or
 * an index that the model has, prints median, 99th percentile and the share of the exact answers that it found. The
 * first tenth of the queries warms up and is not counted.
 */
#include <topn/topn.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static topn_context *context;

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "latency: %s\n", topn_context_message(context));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) {
        fprintf(stderr, "latency: no memory for %zu × %zu bytes\n", count, size);
        exit(1);
    }
    return block;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The user's items as the model numbers them. known [items of the model]. */
static size_t translate(const topn_model *model, const topn_data *data, uint32_t user, uint32_t *known)
{
    const uint32_t *items;
    const size_t length = topn_data_history(data, user, &items, NULL);
    size_t count = 0;
    for (size_t at = 0; at < length; at++)
        count += topn_model_find_item(model, topn_data_item_id(data, items[at]), &known[count]);
    return count;
}

static topn_query *make_query(const topn_model *model, const char *kind, topn_retriever **retriever)
{
    topn_options *options;
    topn_query *query;
    expect(topn_options_create(context, TOPN_KIND_RETRIEVER, kind, &options));
    expect(topn_retriever_create(context, model, options, retriever));
    expect(topn_query_create(context, *retriever, &query));
    topn_options_free(options);
    return query;
}

/* How many of the `count` items in `left` are in `right`, too. */
static size_t common(const uint32_t *left, size_t count, const uint32_t *right, size_t right_count)
{
    size_t both = 0;
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < right_count; b++)
            both += left[a] == right[b];
    return both;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 100;
    const size_t most = argc > 4 ? strtoul(argv[4], NULL, 10) : 1000;
    if (argc < 3 || argc > 6 || n == 0 || most == 0) {
        fprintf(stderr, "usage: latency MODEL HISTORIES [N [USERS [KIND]]], N and USERS 1 or more\n");
        return 2;
    }
    topn_model *model;
    topn_data *data;
    topn_retriever *retriever, *exact_retriever;
    if (topn_context_create(&context) != TOPN_OK)
        return 1;
    expect(topn_model_load(context, argv[1], &model));
    expect(topn_data_read(context, argv[2], NULL, &data));
    const char *kind = argc > 5 ? argv[5] : "exact";
    topn_query *query = make_query(model, kind, &retriever), *exact = make_query(model, "exact", &exact_retriever);
    const size_t users = topn_data_users(data) < most ? topn_data_users(data) : most, warm = users / 10;
    double *times = allocate(users, sizeof *times);
    uint32_t *history = allocate((size_t)topn_model_items(model) + 1, sizeof *history);
    uint32_t *items = allocate(n, sizeof *items), *exact_items = allocate(n, sizeof *items);
    size_t both = 0, all = 0;
    float *scores = allocate(n, sizeof *scores);
    for (size_t user = 0; user < users; user++) {
        size_t found;
        const topn_request request = {.history = history,
                                      .history_length = translate(model, data, (uint32_t)user, history)};
        const double start = seconds();
        expect(topn_recommend(query, &request, n, items, scores, &found));
        times[user] = seconds() - start;
        if (argc > 5) {
            size_t exact_found;
            expect(topn_recommend(exact, &request, n, exact_items, scores, &exact_found));
            both += common(exact_items, exact_found, items, found);
            all += exact_found;
        }
    }
    if (users == 0) {
        fprintf(stderr, "latency: %s holds no users\n", argv[2]);
        return 1;
    }
    qsort(times + warm, users - warm, sizeof *times, compare);
    printf("%.1f", 1e6 * times[warm + (users - warm) / 2]);
    if (argc > 5)
        printf(" %.1f %.4f", 1e6 * times[warm + (users - warm) * 99 / 100], all ? (double)both / (double)all : 1.0);
    printf("\n");
    free(times);
    free(history);
    free(items);
    free(exact_items);
    free(scores);
    topn_query_free(query);
    topn_query_free(exact);
    topn_retriever_free(retriever);
    topn_retriever_free(exact_retriever);
    topn_data_free(data);
    topn_model_free(model);
    topn_context_free(context);
    return 0;
}
