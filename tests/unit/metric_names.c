/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of metrics as users write it, and what is wrong with other lists.
 */
#include "evaluate/metric_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void good_list(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    metric_list list;
    assert_int_equal(metric_list_parse(&context, "ndcg@100, recall-capped@20,auc ,coverage,gini@5", 100, false, &list),
                     TOPN_OK);
    const char *const names[] = {"ndcg@100", "recall-capped@20", "auc", "coverage", "gini@5"};
    const size_t cutoffs[] = {100, 20, 0, 0, 5};
    assert_int_equal(list.count, 5);
    assert_int_equal(list.largest_cutoff, 100);
    assert_int_equal(list.needs, NEED_AUC | NEED_SCORED);
    for (size_t index = 0; index < list.count; index++) {
        assert_string_equal(list.requests[index].name, names[index]);
        assert_int_equal(list.requests[index].cutoff, cutoffs[index]);
    }
    metric_list_clear(&list);
    assert_int_equal(metric_list_parse(&context, "recall@20,hit@5", 10, true, &list), TOPN_OK);
    assert_int_equal(list.count, 1);
    metric_list_clear(&list);
}

static void bad_lists(void **state)
{
    (void)state;
    const struct {
        const char *text, *message;
    } cases[] = {
        {"ndgc@10", "option --metrics: there is no metric \"ndgc\"; did you mean ndcg?"},
        {"zzzzzzzzzz@10", "option --metrics: there is no metric \"zzzzzzzzzz\""},
        {"ndcg", "option --metrics: \"ndcg\" lacks a cut-off, such as ndcg@20"},
        {"auc@10", "option --metrics: \"auc@10\": auc takes no cut-off"},
        {"recall@0", "option --metrics: \"recall@0\": the cut-off is not a whole number ≥ 1"},
        {"recall@", "option --metrics: \"recall@\": the cut-off is not a whole number ≥ 1"},
        {"recall@-5", "option --metrics: \"recall@-5\": the cut-off is not a whole number ≥ 1"},
        {"recall@2.5", "option --metrics: \"recall@2.5\": the cut-off is not a whole number ≥ 1"},
        {"recall@31", "option --metrics: \"recall@31\": the cut-off is larger than the 30 items of the model"},
        {"recall@99999999999", "option --metrics: \"recall@99999999999\": the cut-off is not a whole number ≥ 1"},
        {"hit@5,hit@05", "option --metrics names \"hit@5\" twice"},
        {"", "option --metrics: no metric to compute; name some, such as ndcg@10"},
        {" , ", "option --metrics: no metric to compute; name some, such as ndcg@10"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        topn_context context = {.threads = 1};
        metric_list list;
        assert_int_equal(metric_list_parse(&context, cases[index].text, 30, false, &list), TOPN_ERROR_OPTION);
        assert_string_equal(context.message, cases[index].message);
        assert_null(list.requests);
    }
}

/* Each name once, each with a definition, and either per user or over all lists. */
static void registry_is_whole(void **state)
{
    (void)state;
    for (size_t index = 0; metric_at(index); index++) {
        const metric *entry = metric_at(index);
        assert_ptr_equal(metric_find(entry->name), entry);
        assert_true(strlen(entry->summary) > 20 && entry->paper);
        assert_true(!entry->value != !entry->overall);
        assert_true(entry->takes_cutoff || entry->needs != NEED_NOTHING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good_list), cmocka_unit_test(bad_lists),
                                       cmocka_unit_test(registry_is_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
