/* SPDX-License-Identifier: Apache-2.0
 *
 * Recommendations through the public header, for models trained on small made-up data.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <topn/topn.h>

enum { USERS = 150, ITEMS = 40, MOST_EVENTS = USERS * ITEMS };

static topn_context *context;
static topn_data *data;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Two tastes: users like items of their own parity, and low numbers more. */
static int set_up(void **state)
{
    (void)state;
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[MOST_EVENTS];
    uint32_t bits = 12345;
    uint64_t filled = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            bits = bits * 1664525u + 1013904223u;
            const uint32_t chance = (bits >> 8) % 100, liking = item % 2 == user % 2 ? 60 - item : 6;
            if (chance < liking)
                indices[filled++] = item;
        }
        indptr[user + 1] = filled;
    }
    check(topn_context_create(&context));
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &data));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    topn_data_free(data);
    topn_context_free(context);
    return 0;
}

static topn_model *train(const char *method, const char *key, const char *value)
{
    topn_options *options;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    if (key)
        check(topn_options_set(context, options, key, value));
    check(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    return model;
}

static const struct {
    const char *method, *key, *value;
} trainings[] = {
    {"popularity", NULL, NULL}, {"ease", "k", "0"}, {"ease", "k", "5"}, {"chol", "k", "0"}, {"chol", "k", "8"},
};
enum { TRAININGS = sizeof trainings / sizeof *trainings };

typedef struct session {
    topn_model *model;
    topn_retriever *retriever;
    topn_query *query;
} session;

static session open_session(size_t training)
{
    session out;
    out.model = train(trainings[training].method, trainings[training].key, trainings[training].value);
    check(topn_retriever_create(context, out.model, NULL, &out.retriever));
    check(topn_query_create(context, out.retriever, &out.query));
    return out;
}

static void close_session(session *open)
{
    topn_query_free(open->query);
    topn_retriever_free(open->retriever);
    topn_model_free(open->model);
}

static topn_request request_of(uint32_t user)
{
    topn_request request = {0};
    request.history_length = topn_data_history(data, user, &request.history, &request.weights);
    return request;
}

static void answers_are_the_best_scores(void **state)
{
    (void)state;
    uint32_t all[ITEMS], items[ITEMS];
    float scores[ITEMS], found_scores[ITEMS];
    for (uint32_t item = 0; item < ITEMS; item++)
        all[item] = item;
    for (size_t training = 0; training < TRAININGS; training++) {
        session open = open_session(training);
        for (uint32_t user = 0; user < USERS; user += 7) {
            const topn_request request = request_of(user);
            size_t found;
            check(topn_score(open.query, &request, all, ITEMS, scores));
            check(topn_recommend(open.query, &request, ITEMS, items, found_scores, &found));
            assert_int_equal(found, ITEMS - request.history_length);
            for (size_t place = 0; place < request.history_length; place++)
                scores[request.history[place]] = -INFINITY;
            for (size_t rank = 0; rank < found; rank++) {
                assert_true(scores[items[rank]] == found_scores[rank]);
                if (rank)
                    assert_true(found_scores[rank] < found_scores[rank - 1] ||
                                (found_scores[rank] == found_scores[rank - 1] && items[rank] > items[rank - 1]));
            }
        }
        close_session(&open);
    }
}

static void taste_is_found(void **state)
{
    (void)state;
    const uint32_t odd[] = {1, 3, 5, 7};
    const topn_request request = {.history = odd, .history_length = 4};
    for (size_t training = 1; training < TRAININGS; training++) {
        session open = open_session(training);
        uint32_t items[5];
        float scores[5];
        size_t found;
        check(topn_recommend(open.query, &request, 5, items, scores, &found));
        assert_int_equal(found, 5);
        for (size_t rank = 0; rank < 5; rank++)
            assert_int_equal(items[rank] % 2, 1);
        check(topn_similar(open.query, 2, 3, items, scores, &found));
        assert_int_equal(found, 3);
        for (size_t rank = 0; rank < 3; rank++)
            assert_true(items[rank] % 2 == 0 && items[rank] != 2);
        close_session(&open);
    }
}

static void explanations_sum_to_scores(void **state)
{
    (void)state;
    for (size_t training = 0; training < TRAININGS; training++) {
        session open = open_session(training);
        const topn_request request = request_of(3);
        for (uint32_t item = 0; item < ITEMS; item++) {
            float contributions[ITEMS], bias, score;
            double sum = 0.0, size = 1e-6;
            check(topn_explain(open.query, &request, item, contributions, &bias));
            check(topn_score(open.query, &request, &item, 1, &score));
            for (size_t place = 0; place < request.history_length; place++) {
                sum += (double)contributions[place];
                size += fabs((double)contributions[place]);
            }
            assert_true(fabs(sum + (double)bias - (double)score) <= 1e-5 * (size + fabs((double)bias)));
        }
        close_session(&open);
    }
}

typedef struct many {
    size_t calls;
    uint32_t users[USERS], items[USERS][5];
    float scores[USERS][5];
    size_t found[USERS];
} many;

static bool keep(uint32_t user, const uint32_t *items, const float *scores, size_t found, void *user_data)
{
    many *all = user_data;
    all->users[all->calls] = user;
    all->found[all->calls] = found;
    memcpy(all->items[all->calls], items, found * sizeof *items);
    memcpy(all->scores[all->calls], scores, found * sizeof *scores);
    all->calls++;
    return true;
}

static void set_threads(const char *threads)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, "threads", threads));
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

static void many_users_at_any_thread_count(void **state)
{
    (void)state;
    static many one, two, kept;
    for (size_t training = 0; training < TRAININGS; training++) {
        session open = open_session(training);
        memset(&one, 0, sizeof one);
        memset(&two, 0, sizeof two);
        memset(&kept, 0, sizeof kept);
        set_threads("1");
        check(topn_recommend_many(context, open.retriever, data, NULL, 0, 5, NULL, keep, &one));
        set_threads("2");
        check(topn_recommend_many(context, open.retriever, data, NULL, 0, 5, NULL, keep, &two));
        assert_memory_equal(&one, &two, sizeof one);
        assert_int_equal(one.calls, USERS);
        if (topn_model_users(open.model)) {
            check(topn_recommend_many(context, open.retriever, NULL, NULL, 0, 5, NULL, keep, &kept));
            assert_memory_equal(&one, &kept, sizeof one);
        }
        for (uint32_t user = 0; user < USERS; user += 11) {
            const topn_request request = request_of(user);
            uint32_t items[5];
            float scores[5];
            size_t found;
            check(topn_recommend(open.query, &request, 5, items, scores, &found));
            assert_int_equal(one.users[user], user);
            assert_int_equal(one.found[user], found);
            for (size_t rank = 0; rank < found; rank++)
                assert_true(fabsf(one.scores[user][rank] - scores[rank]) <= 1e-5f * (1.0f + fabsf(scores[rank])));
        }
        close_session(&open);
    }
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    session open = open_session(0);
    static many ignored;
    uint32_t item;
    float score;
    size_t found;
    assert_int_equal(topn_similar(open.query, 0, 1, &item, &score, &found), TOPN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(topn_context_message(context), "no relations between items"));
    const uint32_t users[] = {0, USERS};
    assert_int_equal(topn_recommend_many(context, open.retriever, data, users, 2, 5, NULL, keep, &ignored),
                     TOPN_ERROR_ARGUMENT);
    assert_string_equal(topn_context_message(context), "users[1]: user 150 is out of range, there are 150 users");
    const uint32_t far = ITEMS;
    const topn_request deny = {.deny = &far, .deny_count = 1}, history = {.history = users, .history_length = 1};
    assert_int_equal(topn_recommend_many(context, open.retriever, data, NULL, 0, 5, &deny, keep, &ignored),
                     TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_recommend_many(context, open.retriever, data, NULL, 0, 5, &history, keep, &ignored),
                     TOPN_ERROR_ARGUMENT);
    assert_int_equal(ignored.calls, 0);
    topn_retriever *retriever;
    topn_query *query;
    assert_int_equal(topn_retriever_create(context, NULL, NULL, &retriever), TOPN_ERROR_ARGUMENT);
    assert_null(retriever);
    assert_int_equal(topn_query_create(context, NULL, &query), TOPN_ERROR_ARGUMENT);
    assert_null(query);
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_METHOD, "ease", &options));
    assert_int_not_equal(topn_retriever_create(context, open.model, options, &retriever), TOPN_OK);
    assert_null(retriever);
    topn_options_free(options);
    topn_query_free(NULL);
    topn_retriever_free(NULL);
    close_session(&open);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_the_best_scores), cmocka_unit_test(taste_is_found),
        cmocka_unit_test(explanations_sum_to_scores),  cmocka_unit_test(many_users_at_any_thread_count),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
