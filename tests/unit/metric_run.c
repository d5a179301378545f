/* SPDX-License-Identifier: Apache-2.0
 *
 * An evaluation as a whole: same bits at any thread count and order of users, what it says about itself, comparison of
 * two reports, cancelling, every failure.
 */
#include "evaluate/evaluation.h"
#include "evaluate/report.h"
#include "made_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { USERS = 700, ITEMS = 40 };
#define METRICS "ndcg@10,recall@5,auc,coverage,novelty@5,gini@5,catalogue-coverage@3"

typedef struct setting {
    topn_model *model, *other;
    topn_retriever *retriever, *other_retriever;
    topn_data *seen, *hidden;
} setting;

static topn_model *random_items_model(uint64_t seed)
{
    float weights[ITEMS * ITEMS];
    for (size_t at = 0; at < ITEMS * ITEMS; at++)
        weights[at] = random_uniform(seed, RANDOM_DOCTOR, at) < 0.4 ? (float)random_normal(seed, RANDOM_ORDER, at) : 0;
    return made_model(ITEMS, weights);
}

static int set_up(void **state)
{
    static setting all;
    all.model = random_items_model(1);
    all.other = random_items_model(2);
    made(retriever_create(NULL, all.model, NULL, &all.retriever));
    made(retriever_create(NULL, all.other, NULL, &all.other_retriever));
    all.seen = made_random_data(USERS, ITEMS, false, 5);
    all.hidden = made_random_data(USERS, ITEMS, false, 6);
    *state = &all;
    return 0;
}

static int tear_down(void **state)
{
    setting *all = *state;
    retriever_free(all->retriever);
    retriever_free(all->other_retriever);
    topn_model_free(all->model);
    topn_model_free(all->other);
    topn_data_free(all->seen);
    topn_data_free(all->hidden);
    return 0;
}

static const evaluation_params standard = {.metrics = (char *)METRICS, .bootstrap = 100, .confidence = 0.95};

static void assert_same_numbers(const topn_report *one, const topn_report *two)
{
    assert_int_equal(topn_report_count(one), topn_report_count(two));
    for (size_t index = 0; index < topn_report_count(one); index++) {
        topn_metric_result left, right;
        assert_true(topn_report_metric(one, index, &left) && topn_report_metric(two, index, &right));
        assert_memory_equal(&left.mean, &right.mean, 3 * sizeof left.mean);
    }
}

static void same_bits_at_any_thread_count(void **state)
{
    const setting *all = *state;
    topn_report *reports[3];
    for (int index = 0; index < 3; index++) {
        topn_context context = {.threads = index + 1, .seed = 3};
        assert_int_equal(
            evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &standard, &reports[index]), TOPN_OK);
    }
    for (int index = 1; index < 3; index++) {
        assert_same_numbers(reports[0], reports[index]);
        assert_int_equal(reports[0]->users, reports[index]->users);
        assert_memory_equal(reports[0]->values, reports[index]->values,
                            reports[0]->users * reports[0]->metric_count * sizeof *reports[0]->values);
    }
    for (int index = 0; index < 3; index++)
        topn_report_free(reports[index]);
}

/* Ranking only items with hidden events is ranking with these as everybody's candidates. */
static void items_with_hidden_events_alone(void **state)
{
    enum { COLD = 12 };
    const setting *all = *state;
    topn_context context = {.threads = 2, .seed = 3};
    bool keep_item[ITEMS] = {false};
    static uint32_t pairs[USERS * COLD][2];
    topn_data *hidden, *candidates;
    topn_report *one, *two, *full;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < COLD; item++) {
            pairs[user * COLD + item][0] = user;
            pairs[user * COLD + item][1] = 3 * item;
            keep_item[3 * item] = true;
        }
    const data_selection selection = {.keep_item = keep_item, .compact_items = true, .drop_empty_users = true};
    made(data_select(NULL, all->hidden, &selection, &hidden));
    candidates = made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, NULL, USERS * COLD);
    evaluation_params params = {
        .metrics = (char *)"ndcg@10,recall@5,auc", .bootstrap = 10, .confidence = 0.95, .rank_items = RANK_HIDDEN};
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, hidden, NULL, &params, &one), TOPN_OK);
    params.rank_items = RANK_ALL;
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, hidden, candidates, &params, &two), TOPN_OK);
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, hidden, NULL, &params, &full), TOPN_OK);
    assert_same_numbers(one, two);
    assert_memory_equal(one->values, two->values, one->users * one->metric_count * sizeof *one->values);
    assert_true(topn_report_value(one, 0, 0) > 0);
    assert_memory_not_equal(one->values, full->values, one->users * one->metric_count * sizeof *one->values);
    assert_string_equal(record_get(&one->facts, "protocol"), "ranking of the 12 items that hidden events are on");
    topn_report_free(one);
    topn_report_free(two);
    topn_report_free(full);
    topn_data_free(hidden);
    topn_data_free(candidates);
}

/* Users in another order, with the same ids: the same values per user, and the same means but for rounding. */
static void order_of_users_changes_nothing(void **state)
{
    const setting *all = *state;
    uint32_t reversed[USERS];
    topn_data *seen, *hidden;
    topn_report *one, *two;
    topn_context context = {.threads = 2, .seed = 3};
    for (uint32_t user = 0; user < USERS; user++)
        reversed[user] = USERS - 1 - user;
    const data_selection selection = {.users = reversed, .user_count = USERS, .compact_items = true};
    made(data_select(NULL, all->seen, &selection, &seen));
    made(data_select(NULL, all->hidden, &selection, &hidden));
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &standard, &one), TOPN_OK);
    assert_int_equal(evaluate_run(&context, all->retriever, seen, hidden, NULL, &standard, &two), TOPN_OK);
    assert_int_equal(one->users, two->users);
    for (size_t user = 0; user < one->users; user++) {
        const size_t mirror = one->users - 1 - user;
        assert_string_equal(topn_report_user_id(one, user), topn_report_user_id(two, mirror));
        for (size_t index = 0; index < 5; index++)
            assert_true(topn_report_value(one, index, user) == topn_report_value(two, index, mirror));
    }
    for (size_t index = 0; index < one->metric_count; index++)
        assert_true(fabs(one->metrics[index].mean - two->metrics[index].mean) < 1e-12);
    topn_report_free(one);
    topn_report_free(two);
    topn_data_free(seen);
    topn_data_free(hidden);
}

static const char *fact(const topn_report *report, const char *key)
{
    const char *value = record_get(&report->facts, key);
    return value ? value : "";
}

static void states_what_it_did(void **state)
{
    (void)state;
    float weights[25] = {0};
    topn_model *model = made_model(5, weights);
    topn_retriever *retriever;
    made(retriever_create(NULL, model, NULL, &retriever));
    const uint32_t seen_pairs[][2] = {{0, 0}, {0, 6}, {1, 1}}; /* item i6 is unknown */
    const uint32_t hidden_pairs[][2] = {{0, 0}, {0, 1}, {1, 7}, {2, 2}, {2, 6}, {3, 3}};
    const uint32_t candidate_pairs[][2] = {{0, 1}, {0, 2}, {0, 3}, {2, 4}, {2, 6}, {3, 0}};
    topn_data *seen = made_data(2, 8, seen_pairs, NULL, 3), *hidden = made_data(5, 8, hidden_pairs, NULL, 6);
    topn_data *candidates = made_data(4, 8, candidate_pairs, NULL, 6);
    evaluation_params params = {.metrics = (char *)"recall@2,coverage,novelty@1", .bootstrap = 10, .confidence = 0.9};
    topn_context context = {.threads = 1, .seed = 7};
    topn_report *report;
    assert_int_equal(evaluate_run(&context, retriever, seen, hidden, NULL, &params, &report), TOPN_OK);
    assert_string_equal(fact(report, "method"), "made");
    assert_string_equal(fact(report, "protocol"), "full ranking of all 5 items");
    assert_string_equal(fact(report, "seen-items"), "left out");
    assert_string_equal(fact(report, "interval"), "90 % percentile bootstrap over users, 10 resamples, seed 7");
    assert_string_equal(fact(report, "users"), "4");
    assert_string_equal(fact(report, "users-without-hidden-items"), "1"); /* u4 has an empty row */
    assert_string_equal(fact(report, "users-without-seen-items"), "2");
    assert_string_equal(fact(report, "hidden-events"), "6");
    assert_string_equal(fact(report, "hidden-events-unknown"), "2");
    assert_string_equal(fact(report, "hidden-events-also-seen"), "1");
    assert_string_equal(fact(report, "seen-events-unknown"), "1");
    assert_string_equal(fact(report, "novelty"), "popularity counted on the users of the seen events");
    assert_string_equal(topn_report_user_id(report, 3), "u3");
    assert_true(topn_report_value(report, 0, 1) == 0); /* nothing but unknown items: a miss */
    topn_report_free(report);

    params.unknown_items = UNKNOWN_DROP;
    params.metrics = (char *)"recall@2";
    params.bootstrap = 0;
    assert_int_equal(evaluate_run(&context, retriever, seen, hidden, candidates, &params, &report), TOPN_OK);
    assert_string_equal(report->metrics[0].name, "sampled-recall@2");
    assert_true(isnan(report->metrics[0].low));
    assert_string_equal(fact(report, "interval"), "");
    /* u0: i2, i3 (i1 is hidden); u2: i4 (i6 is unknown); u3: i0 */
    assert_string_equal(fact(report, "protocol"), "sampled candidates, 1.3 per user, ranked with the hidden items");
    assert_string_equal(fact(report, "users"), "3"); /* u1 has no known hidden item, u4 none at all */
    assert_string_equal(fact(report, "users-without-hidden-items"), "2");
    assert_string_equal(fact(report, "candidates-unknown"), "1");
    topn_report_free(report);
    topn_data_free(seen);
    topn_data_free(hidden);
    topn_data_free(candidates);
    retriever_free(retriever);
    topn_model_free(model);
}

/* Weights of seen events reach the model, and novelty counts the users that the model keeps. */
static void weighted_histories(void **state)
{
    (void)state;
    /* Item 0 speaks for item 2, item 1 for item 3. */
    const float weights[16] = {0, 0, 1, 0, 0, 0, 0, 1};
    const uint32_t seen_pairs[][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, hidden_pairs[][2] = {{0, 2}, {1, 2}};
    topn_data *data = made_data(2, 4, seen_pairs, NULL, 4), *hidden = made_data(2, 4, hidden_pairs, NULL, 2), *weighted;
    data_parts parts = {.has_weights = true, .user_ids = made_ids("u", NULL, 2), .item_ids = made_ids("i", NULL, 4)};
    made(sparse_create(NULL, 2, 4, 4, &parts.matrix));
    memcpy(parts.matrix.indptr, (const uint64_t[]){0, 2, 4}, 3 * sizeof(uint64_t));
    memcpy(parts.matrix.indices, (const uint32_t[]){0, 1, 0, 1}, 4 * sizeof(uint32_t));
    memcpy(parts.matrix.values, (const float[]){5, 1, 1, 5}, 4 * sizeof(float));
    made(data_assemble(NULL, &parts, &weighted));
    topn_model *model = made_model(4, weights);
    made(string_table_copy(NULL, &weighted->user_ids, &model->user_ids));
    sparse_matrix turned;
    made(sparse_transpose(NULL, &data->matrix, &turned));
    made(sparse_transpose(NULL, &turned, &model->histories)); /* a copy */
    sparse_clear(&turned);
    topn_retriever *retriever;
    made(retriever_create(NULL, model, NULL, &retriever));
    const evaluation_params params = {.metrics = (char *)"hit@1,novelty@1", .confidence = 0.95};
    topn_context context = {.threads = 1};
    topn_report *report;
    assert_int_equal(evaluate_run(&context, retriever, weighted, hidden, NULL, &params, &report), TOPN_OK);
    assert_true(topn_report_value(report, 0, 0) == 1 && topn_report_value(report, 0, 1) == 0);
    assert_true(topn_report_value(report, 1, 0) == 1); /* nobody has items 2 and 3: as if one of two had */
    assert_string_equal(fact(report, "novelty"), "popularity counted on the users of the model");
    topn_report_free(report);
    retriever_free(retriever);
    topn_model_free(model);
    topn_data_free(data);
    topn_data_free(weighted);
    topn_data_free(hidden);
}

static void compares_pairs_of_users(void **state)
{
    const setting *all = *state;
    topn_context context = {.threads = 2, .seed = 3};
    topn_report *one, *two, *few;
    topn_comparison found, again, self, mirror;
    evaluation_params params = standard;
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &params, &one), TOPN_OK);
    assert_int_equal(evaluate_run(&context, all->other_retriever, all->seen, all->hidden, NULL, &params, &two),
                     TOPN_OK);
    assert_int_equal(report_compare(&context, one, two, 0, &found), TOPN_OK);
    assert_true(fabs(found.difference - (one->metrics[0].mean - two->metrics[0].mean)) < 1e-12);
    assert_true(found.low < found.difference && found.difference < found.high);
    assert_true(found.p_value > 0 && found.p_value <= 1);
    context.threads = 1;
    assert_int_equal(report_compare(&context, one, two, 0, &again), TOPN_OK);
    assert_memory_equal(&found, &again, sizeof found);
    assert_int_equal(report_compare(&context, two, one, 0, &mirror), TOPN_OK);
    assert_true(mirror.difference == -found.difference && mirror.p_value == found.p_value);
    assert_int_equal(report_compare(&context, one, one, 0, &self), TOPN_OK);
    assert_true(self.difference == 0 && self.low == 0 && self.high == 0 && self.p_value == 1);

    assert_int_equal(report_compare(&context, one, two, 5, &found), TOPN_ERROR_ARGUMENT);
    assert_string_equal(context.message, "\"gini@5\" is a property of all lists together: no paired test");
    assert_true(isnan(found.difference));
    assert_int_equal(report_compare(&context, one, two, 7, &found), TOPN_ERROR_ARGUMENT);
    params.metrics = (char *)"recall@5,ndcg@10";
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &params, &few), TOPN_OK);
    assert_int_equal(report_compare(&context, one, few, 0, &found), TOPN_ERROR_ARGUMENT);
    assert_string_equal(context.message, "metric 0 is \"ndcg@10\" in one report and \"recall@5\" in the other");
    topn_report_free(few);
    const data_selection selection = {.users = (const uint32_t[]){1, 2, 3}, .user_count = 3, .compact_items = true};
    topn_data *part;
    made(data_select(NULL, all->hidden, &selection, &part));
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, part, NULL, &standard, &few), TOPN_OK);
    assert_int_equal(report_compare(&context, one, few, 0, &found), TOPN_ERROR_ARGUMENT);
    topn_report_free(few);
    topn_data_free(part);
    topn_report_free(one);
    topn_report_free(two);
}

static void fails_clearly(void **state)
{
    const setting *all = *state;
    topn_context context = {.threads = 1, .seed = 3};
    topn_report *report;
    const uint32_t stranger_pairs[][2] = {{0, 41}, {1, 42}, {1, 43}};
    topn_data *empty = made_data(3, 4, NULL, NULL, 0), *strangers = made_data(2, 50, stranger_pairs, NULL, 3);
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, empty, NULL, &standard, &report),
                     TOPN_ERROR_DATA);
    assert_string_equal(context.message, "nothing to evaluate: no user has a hidden event");
    assert_null(report);
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, strangers, NULL, &standard, &report),
                     TOPN_ERROR_DATA);
    assert_string_equal(context.message,
                        "none of the 3 hidden events is on an item known to the model (\"i41\" is not, say): are these "
                        "the same ids?");
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, empty, &standard, &report),
                     TOPN_ERROR_DATA);
    evaluation_params params = standard;
    params.metrics = (char *)"ndcg@41";
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &params, &report),
                     TOPN_ERROR_OPTION);
    assert_null(report);
    topn_data_free(empty);
    topn_data_free(strangers);
}

static bool stop_late(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    return strcmp(progress->stage, "evaluate") == 0 && progress->done == 0;
}

static void cancels(void **state)
{
    const setting *all = *state;
    topn_context context = {.threads = 2, .seed = 3, .progress = stop_late};
    topn_report *report;
    assert_int_equal(evaluate_run(&context, all->retriever, all->seen, all->hidden, NULL, &standard, &report),
                     TOPN_ERROR_CANCELLED);
    assert_null(report);
}

static void failing_allocations(void **state)
{
    const setting *all = *state;
    topn_status status = TOPN_ERROR_MEMORY;
    const evaluation_params params = {.metrics = (char *)METRICS, .bootstrap = 10, .confidence = 0.95};
    for (uint64_t at = 1; status == TOPN_ERROR_MEMORY; at++) {
        topn_context context = {.threads = 2, .seed = 3};
        topn_report *report;
        memory_fail_after(at);
        status = evaluate_run(&context, all->retriever, all->seen, all->hidden, all->seen, &params, &report);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
        assert_true((status == TOPN_OK) == (report != NULL));
        assert_true(status == TOPN_OK || context.message[0]);
        topn_report_free(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_at_any_thread_count),
        cmocka_unit_test(items_with_hidden_events_alone),
        cmocka_unit_test(order_of_users_changes_nothing),
        cmocka_unit_test(states_what_it_did),
        cmocka_unit_test(weighted_histories),
        cmocka_unit_test(compares_pairs_of_users),
        cmocka_unit_test(fails_clearly),
        cmocka_unit_test(cancels),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
