/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast attributes become filters, filters answers, and candidates diverse lists.
 *
 * usage: filters [ITEMS [CANDIDATES]] (1000000 200)
 *
 * Items have one to three of 20 genres, a year of 100 and a price of a million. Prints milliseconds, the least of
 * several repetitions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <topn/topn.h>

enum { REPETITIONS = 9, FACTORS = 64, SHOWN = 10 };

static topn_context *context;

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void expect(topn_status status)
{
    if (status == TOPN_OK)
        return;
    fprintf(stderr, "filters: %s\n", topn_context_message(context));
    exit(1);
}

static uint64_t state = 1;

static uint32_t draw(uint32_t limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 33) % limit);
}

static void set_all(topn_attributes *attributes, uint32_t items)
{
    char texts[3][16];
    const char *values[3] = {texts[0], texts[1], texts[2]};
    for (uint32_t item = 0; item < items; item++) {
        const size_t genres = 1 + draw(3);
        for (size_t genre = 0; genre < genres; genre++)
            snprintf(texts[genre], sizeof texts[genre], "g%" PRIu32, draw(20));
        expect(topn_attributes_set(context, attributes, item, "genre", values, genres));
        snprintf(texts[0], sizeof texts[0], "%" PRIu32, 1920 + draw(100));
        expect(topn_attributes_set(context, attributes, item, "year", values, 1));
        snprintf(texts[0], sizeof texts[0], "%.2f", draw(100000000) / 100.0);
        expect(topn_attributes_set(context, attributes, item, "price", values, 1));
    }
}

static void time_expressions(const topn_attributes *attributes)
{
    static const char *const expressions[] = {"genre=g3", "year>=1990", "price<1000", "genre=g3 AND year>=1990",
                                              "genre IN (g1, g2, g3) AND NOT (year<1950 OR price>=500000)"};
    for (size_t at = 0; at < sizeof expressions / sizeof *expressions; at++) {
        double least = 1e300;
        uint32_t count = 0;
        for (int round = 0; round < REPETITIONS; round++) {
            topn_filter *filter;
            const double start = milliseconds();
            expect(topn_filter_create(context, attributes, expressions[at], &filter));
            const double time = milliseconds() - start;
            least = time < least ? time : least;
            count = topn_filter_count(filter);
            topn_filter_free(filter);
        }
        printf("filter-ms %.3f  %s (%" PRIu32 " items)\n", least, expressions[at], count);
    }
}

/* With popularity, whose scores cost nothing: what filters cost. */
static void time_answers(const topn_model *model, const topn_attributes *attributes)
{
    topn_retriever *retriever;
    topn_query *query;
    topn_filter *filter;
    uint32_t items[SHOWN];
    float scores[SHOWN];
    size_t found;
    expect(topn_retriever_create(context, model, NULL, &retriever));
    expect(topn_query_create(context, retriever, &query));
    expect(topn_filter_create(context, attributes, "genre=g3 AND year>=1990", &filter));
    const topn_filter *const list[] = {filter};
    for (size_t filters = 0; filters < 2; filters++) {
        double least = 1e300;
        for (int round = 0; round < REPETITIONS; round++) {
            const topn_request request = {.filters = list, .filter_count = filters};
            const double start = milliseconds();
            expect(topn_recommend(query, &request, SHOWN, items, scores, &found));
            const double time = milliseconds() - start;
            least = time < least ? time : least;
        }
        printf("recommend-ms %.3f  popularity, %zu filters\n", least, filters);
    }
    topn_filter_free(filter);
    topn_query_free(query);
    topn_retriever_free(retriever);
}

static topn_model *train(const char *method, uint32_t users, uint32_t items, uint32_t length)
{
    uint64_t *indptr = calloc((size_t)users + 1, sizeof *indptr);
    uint32_t *indices = calloc((size_t)users * length, sizeof *indices);
    topn_options *options;
    topn_data *data;
    topn_model *model;
    if (!indptr || !indices)
        exit(1);
    for (uint32_t user = 0; user < users; user++) {
        indptr[user + 1] = (uint64_t)(user + 1) * length;
        for (uint32_t at = 0; at < length; at++)
            indices[user * length + at] = (uint32_t)(((uint64_t)user * length + at) * 7919 % items);
    }
    expect(topn_data_copy_csr(context, users, items, indptr, indices, NULL, &data));
    expect(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    if (strcmp(method, "ials") == 0) {
        char factors[16];
        snprintf(factors, sizeof factors, "%d", FACTORS);
        expect(topn_options_set(context, options, "factors", factors));
        expect(topn_options_set(context, options, "sweeps", "1"));
    }
    expect(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    topn_data_free(data);
    free(indices);
    free(indptr);
    return model;
}

static void time_diversity(const char *method, size_t candidates)
{
    topn_model *model = train(method, 3000, 4000, 20);
    topn_retriever *retriever;
    topn_query *query;
    uint32_t *items = calloc(candidates, sizeof *items);
    float *scores = calloc(candidates, sizeof *scores);
    double least = 1e300;
    size_t found = 0;
    topn_request request = {0};
    if (!items || !scores)
        exit(1);
    request.history_length = topn_model_history(model, 5, &request.history, &request.weights);
    expect(topn_retriever_create(context, model, NULL, &retriever));
    expect(topn_query_create(context, retriever, &query));
    for (int round = 0; round < REPETITIONS; round++) {
        expect(topn_recommend(query, &request, candidates, items, scores, &found));
        const double start = milliseconds();
        expect(topn_diversify(query, 0.5, SHOWN, items, scores, found));
        const double time = milliseconds() - start;
        least = time < least ? time : least;
    }
    printf("diversify-ms %.3f  %s, %d of %zu candidates, 4000 items\n", least, method, SHOWN, found);
    topn_query_free(query);
    topn_retriever_free(retriever);
    topn_model_free(model);
    free(items);
    free(scores);
}

int main(int argc, char **argv)
{
    const uint32_t items = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    const size_t candidates = argc > 2 ? strtoul(argv[2], NULL, 10) : 200;
    topn_attributes *attributes;
    if (items == 0 || candidates == 0 || topn_context_create(&context) != TOPN_OK)
        return 1;
    topn_model *model = train("popularity", 1000, items, 10);
    expect(topn_attributes_create(context, model, &attributes));
    double start = milliseconds();
    set_all(attributes, items);
    printf("set-ms %.0f  three attributes of %" PRIu32 " items\n", milliseconds() - start, items);
    start = milliseconds();
    (void)topn_attributes_value(attributes, 0, 0, 0);
    printf("merge-ms %.1f  the first look at one of them\n", milliseconds() - start);
    time_expressions(attributes);
    time_answers(model, attributes);
    time_diversity("ease", candidates);
    time_diversity("ials", candidates);
    topn_attributes_free(attributes);
    topn_model_free(model);
    topn_context_free(context);
    return 0;
}
