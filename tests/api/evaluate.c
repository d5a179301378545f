/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation through the public header, on a popularity model whose ranking is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <topn/topn.h>

#include <math.h>
#include <string.h>

static topn_context *context;
static topn_data *seen, *hidden;
static topn_model *model;
static topn_retriever *retriever;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Popularity: item 0 has 4 users, item 1 has 3, item 2 has 2, items 3 and 4 have 1 each. */
static int set_up(void **state)
{
    (void)state;
    const uint64_t seen_rows[] = {0, 4, 7, 9, 10, 11};
    const uint32_t seen_items[] = {0, 1, 2, 3, 0, 1, 2, 0, 1, 0, 4};
    const uint64_t hidden_rows[] = {0, 1, 2, 3, 4, 4};
    const uint32_t hidden_items[] = {4, 3, 3, 2}; /* user 4 hides nothing */
    topn_options *options;
    check(topn_context_create(&context));
    check(topn_data_copy_csr(context, 5, 5, seen_rows, seen_items, NULL, &seen));
    check(topn_data_copy_csr(context, 5, 5, hidden_rows, hidden_items, NULL, &hidden));
    check(topn_options_create(context, TOPN_KIND_METHOD, "popularity", &options));
    check(topn_train(context, seen, options, NULL, &model));
    check(topn_retriever_create(context, model, NULL, &retriever));
    topn_options_free(options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    topn_retriever_free(retriever);
    topn_model_free(model);
    topn_data_free(seen);
    topn_data_free(hidden);
    topn_context_free(context);
    return 0;
}

static topn_report *evaluate(const char *metrics)
{
    topn_options *options;
    topn_report *report;
    check(topn_options_create(context, TOPN_KIND_EVALUATION, "evaluation", &options));
    check(topn_options_set(context, options, "metrics", metrics));
    check(topn_evaluate(context, retriever, seen, hidden, NULL, options, &report));
    topn_options_free(options);
    return report;
}

static void known_ranking(void **state)
{
    (void)state;
    /* Lists without the seen items: u0 {4}, u1 {3, 4}, u2 {2, 3, 4}, u3 {1, 2, 3, 4}. */
    const double ndcg[] = {1, 1, 1 / log2(3), 1 / log2(3)}, recall[] = {1, 1, 0, 0}, auc[] = {0.5, 0.5, 0.25, 2.0 / 3};
    topn_report *report = evaluate("ndcg@2,recall@1,auc");
    topn_metric_result result;
    assert_int_equal(topn_report_users(report), 4);
    assert_int_equal(topn_report_count(report), 3);
    assert_false(topn_report_metric(report, 3, &result));
    for (size_t user = 0; user < 4; user++) {
        assert_true(fabs(topn_report_value(report, 0, user) - ndcg[user]) < 1e-12);
        assert_true(topn_report_value(report, 1, user) == recall[user]);
        assert_true(fabs(topn_report_value(report, 2, user) - auc[user]) < 1e-12);
    }
    assert_true(topn_report_metric(report, 1, &result));
    assert_string_equal(result.name, "recall@1");
    assert_non_null(strstr(result.definition, "divided by the number of hidden items |R| (Rendle 2021, eq. 5)"));
    assert_true(result.mean == 0.5 && result.per_user && result.low <= 0.5 && result.high >= 0.5);
    assert_string_equal(topn_report_user_id(report, 3), "3");
    assert_null(topn_report_user_id(report, 4));
    assert_true(isnan(topn_report_value(report, 0, 4)) && isnan(topn_report_value(report, 3, 0)));
    const char *key, *value;
    assert_true(topn_report_fact(report, 0, &key, &value));
    assert_string_equal(key, "method");
    assert_string_equal(value, "popularity");
    assert_false(topn_report_fact(report, 1000, &key, &value));
    topn_comparison self;
    check(topn_report_compare(context, report, report, 0, &self));
    assert_true(self.difference == 0 && self.p_value == 1);
    topn_report_free(report);
}

/* The defaults look further than five items: what reaches beyond the catalogue is left out. */
static void defaults_fit_small_catalogues(void **state)
{
    (void)state;
    topn_report *report;
    topn_metric_result result;
    check(topn_evaluate(context, retriever, seen, hidden, NULL, NULL, &report));
    assert_int_equal(topn_report_count(report), 1);
    assert_true(topn_report_metric(report, 0, &result));
    assert_string_equal(result.name, "coverage");
    assert_true(result.mean == 1);
    topn_report_free(report);
}

static void wrong_arguments(void **state)
{
    (void)state;
    topn_options *options;
    topn_report *report;
    topn_comparison found;
    check(topn_options_create(context, TOPN_KIND_RETRIEVER, "exact", &options));
    assert_int_equal(topn_evaluate(context, retriever, seen, hidden, NULL, options, &report), TOPN_ERROR_ARGUMENT);
    assert_null(report);
    assert_int_equal(topn_evaluate(context, NULL, seen, hidden, NULL, NULL, &report), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_evaluate(context, retriever, NULL, hidden, NULL, NULL, &report), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_report_compare(context, NULL, NULL, 0, &found), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_report_count(NULL), 0);
    topn_report_free(NULL);
    topn_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_ranking),
        cmocka_unit_test(defaults_fit_small_catalogues),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
