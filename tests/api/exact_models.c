/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact retrieval on real models: what topn_recommend and topn_recommend_many answer is a full sort of topn_score over
 * all items, for the users of models trained on the shipped ratings and, where TOPN_DATA names the folder, on MovieLens
 * 100K.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <topn/topn.h>

enum { MOST_USERS = 200, MOST_N = 200 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static void set_threads(const char *count)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, "threads", count));
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

typedef struct answers {
    size_t calls;
    uint32_t items[MOST_USERS][MOST_N];
    float scores[MOST_USERS][MOST_N];
    size_t found[MOST_USERS];
} answers;

static bool keep_answer(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    answers *kept = user_data;
    (void)user;
    memcpy(kept->items[kept->calls], items, found * sizeof *items);
    memcpy(kept->scores[kept->calls], scores, found * sizeof *scores);
    kept->found[kept->calls++] = found;
    return true;
}

static const float *sorted_scores;

static int compare_items(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (sorted_scores[a] != sorted_scores[b])
        return sorted_scores[a] > sorted_scores[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The batch's answer has the n best scores of the sort; the scores are those of topn_score within rounding, for blocks
 * over dense rows add up in another order. */
static void check_batch(const answers *kept, uint32_t place, const float *scores, const uint32_t *order,
                        size_t expected)
{
    assert_int_equal(kept->found[place], expected);
    for (size_t rank = 0; rank < expected; rank++) {
        const double given = (double)kept->scores[place][rank], sorted = (double)scores[order[rank]];
        const double own = (double)scores[kept->items[place][rank]], size = 1e-4 * (fabs(sorted) + 1e-3);
        assert_true(fabs(given - sorted) <= size);
        assert_true(fabs(given - own) <= size);
        if (rank)
            assert_true(kept->scores[place][rank - 1] > kept->scores[place][rank] ||
                        (kept->scores[place][rank - 1] >= kept->scores[place][rank] &&
                         kept->items[place][rank - 1] < kept->items[place][rank]));
    }
}

static void check_model(const topn_model *model, size_t n, bool include_seen)
{
    static answers one, three;
    const uint32_t items = topn_model_items(model), users = topn_model_users(model);
    const uint32_t count = users < MOST_USERS ? users : MOST_USERS;
    uint32_t chosen[MOST_USERS], *all = malloc(items * sizeof *all), *order = malloc(items * sizeof *order);
    float *scores = malloc(items * sizeof *scores);
    topn_retriever *retriever;
    topn_query *query;
    assert_true(all && order && scores);
    for (uint32_t place = 0; place < count; place++)
        chosen[place] = (uint32_t)((uint64_t)place * users / count);
    for (uint32_t item = 0; item < items; item++)
        all[item] = item;
    const topn_request filters = {.include_seen = include_seen};
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_query_create(context, retriever, &query));
    one.calls = three.calls = 0;
    memset(&one, 0, sizeof one);
    memset(&three, 0, sizeof three);
    set_threads("1");
    check(topn_recommend_many(context, retriever, NULL, chosen, count, n, &filters, keep_answer, &one));
    set_threads("3");
    check(topn_recommend_many(context, retriever, NULL, chosen, count, n, &filters, keep_answer, &three));
    assert_memory_equal(&one, &three, sizeof one);
    for (uint32_t place = 0; place < count; place++) {
        topn_request request = filters;
        request.history_length = topn_model_history(model, chosen[place], &request.history, &request.weights);
        check(topn_score(query, &request, all, items, scores));
        float alone; /* one item by itself has the same bits */
        check(topn_score(query, &request, &all[place % items], 1, &alone));
        assert_memory_equal(&alone, &scores[place % items], sizeof alone);
        for (size_t seen = 0; !include_seen && seen < request.history_length; seen++)
            scores[request.history[seen]] = -INFINITY;
        memcpy(order, all, items * sizeof *order);
        sorted_scores = scores;
        qsort(order, items, sizeof *order, compare_items);
        const size_t candidates = include_seen ? items : items - request.history_length;
        const size_t expected = candidates < n ? candidates : n;
        uint32_t found_items[MOST_N];
        float found_scores[MOST_N];
        size_t found;
        check(topn_recommend(query, &request, n, found_items, found_scores, &found));
        assert_int_equal(found, expected);
        assert_memory_equal(found_items, order, found * sizeof *order);
        for (size_t rank = 0; rank < found; rank++)
            assert_memory_equal(&found_scores[rank], &scores[order[rank]], sizeof *scores);
        check_batch(&one, place, scores, order, expected);
    }
    topn_query_free(query);
    topn_retriever_free(retriever);
    free(all);
    free(order);
    free(scores);
}

static const struct {
    const char *method, *options[3][2];
} trainings[] = {
    {"popularity", {{NULL}}}, {"ease", {{"k", "0"}}},  {"ease", {{"k", "20"}}},
    {"chol", {{"k", "0"}}},   {"chol", {{"k", "20"}}}, {"ials", {{"factors", "24"}, {"sweeps", "2"}}},
    {"userknn", {{NULL}}},
};

static void check_data(const char *path, const char *least_events)
{
    topn_options *reader;
    topn_data *data;
    set_threads("2");
    check(topn_options_create(context, TOPN_KIND_READER, "reader", &reader));
    check(topn_options_set(context, reader, "min-item-events", least_events));
    check(topn_options_set(context, reader, "min-user-events", least_events));
    check(topn_data_read(context, path, reader, &data));
    topn_options_free(reader);
    for (size_t at = 0; at < sizeof trainings / sizeof *trainings; at++) {
        topn_options *options;
        topn_model *model;
        check(topn_options_create(context, TOPN_KIND_METHOD, trainings[at].method, &options));
        for (size_t row = 0; row < 3 && trainings[at].options[row][0]; row++)
            check(topn_options_set(context, options, trainings[at].options[row][0], trainings[at].options[row][1]));
        check(topn_train(context, data, options, NULL, &model));
        topn_options_free(options);
        check_model(model, 100, false);
        check_model(model, 7, true);
        topn_model_free(model);
    }
    topn_data_free(data);
}

static void shipped_ratings(void **state)
{
    (void)state;
    check_data("examples/data/ratings.dat.zst", "20");
}

static void movielens_100k(void **state)
{
    (void)state;
    const char *root = getenv("TOPN_DATA");
    char path[4096];
    if (!root) {
        print_message("skipped: TOPN_DATA is unset\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/ml-100k/ml-100k.inter", root);
    check_data(path, "1");
}

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_ratings),
        cmocka_unit_test(movielens_100k),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
