/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation by contexts: each context of the hidden events is a case, told by names; intervals are over users.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <unistd.h>

#include "evaluate/evaluation.h"
#include "evaluate/report.h"
#include "made_data.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { HOURS = 3 };

/* Items tea and wine in the morning and the evening, bread at noon; the others are of no hour. */
static const char seen_text[] = "user,item,hour\nann,water,noon\nbob,water,night\nbob,salt,morning\ncid,salt,noon\n";
static const char hidden_text[] = "user,item,hour\nann,tea,morning\nann,wine,evening\nbob,tea,morning\nbob,bread,noon\n"
                                  "cid,wine,morning\ncid,bread,night\n";

static topn_data *read_text(const char *text, const char *columns)
{
    topn_options *options;
    topn_data *data;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    made(topn_options_create(context, TOPN_KIND_READER, "reader", &options));
    if (columns)
        made(topn_options_set(context, options, "context-columns", columns));
    if (topn_data_read(context, path, options, &data) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    topn_options_free(options);
    return data;
}

/* An item's score is 1 at its hour; at unknown hours bread scores most. */
static topn_model *model_of_hours(void)
{
    static const char *const hours[] = {"evening", "morning", "noon"}, *const items[] = {"bread", "tea", "water",
                                                                                         "wine", "salt"};
    static const float psi[] = {0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0};
    static const float table[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0.5f}, users[] = {1, 1, 1};
    topn_model *model;
    topn_data *data = made_data(1, 5, NULL, NULL, 0);
    made(model_create(NULL, data, false, &model));
    topn_data_free(data);
    string_table_clear(&model->item_ids);
    id_index_clear(&model->items_by_id);
    made(string_table_create(NULL, items, 5, &model->item_ids));
    made(id_index_create(NULL, &model->item_ids, &model->items_by_id));
    fields_encoder *encoder = &model->encoder.fields;
    *encoder = (fields_encoder){
        .factors = HOURS, .field_count = 2, .loss = {.dislike_below = NAN, .unobserved = 1, .l2 = 1}, .user_scale = 1};
    made(ALLOCATE_ZEROED(NULL, 2, &encoder->fields));
    made(memory_copy_text(NULL, "user", &encoder->fields[0].name));
    made(memory_copy_text(NULL, "hour", &encoder->fields[1].name));
    made(string_table_create(NULL, hours, HOURS, &encoder->fields[1].values));
    made(id_index_create(NULL, &encoder->fields[1].values, &encoder->fields[1].by_value));
    encoder->fields[0].table = (dense_matrix){.rows = 1, .columns = HOURS};
    encoder->fields[1].table = (dense_matrix){.rows = HOURS + 1, .columns = HOURS};
    made(ALLOCATE(NULL, HOURS, &encoder->fields[0].table.values));
    made(ALLOCATE(NULL, sizeof table / sizeof *table, &encoder->fields[1].table.values));
    memcpy(encoder->fields[0].table.values, users, sizeof users);
    memcpy(encoder->fields[1].table.values, table, sizeof table);
    made(ALLOCATE_ZEROED(NULL, HOURS * HOURS, &encoder->item_gram));
    made(ALLOCATE_ZEROED(NULL, HOURS * HOURS, &encoder->context_gram));
    model->encoder.kind = ENCODER_FIELDS;
    model->table.kind = ITEMS_OWN;
    model->table.rows.form = TABLE_DENSE;
    model->table.rows.dense = (dense_matrix){.rows = 5, .columns = HOURS};
    made(ALLOCATE(NULL, 5 * HOURS, &model->table.rows.dense.values));
    memcpy(model->table.rows.dense.values, psi, sizeof psi);
    made(model_check(context, model));
    return model;
}

static const char *fact(const topn_report *report, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_report_fact(report, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

/* Nobody's history tells: the model has no users' rows, and seen events are given without theirs. */
static topn_report *evaluate(int per_context, const topn_data *seen, const topn_data *hidden)
{
    const evaluation_params params = {
        .metrics = (char *)"hit@1", .bootstrap = 200, .confidence = 0.95, .per_context = per_context};
    topn_model *model = model_of_hours();
    topn_retriever *retriever;
    topn_report *report;
    made(retriever_create(context, model, NULL, &retriever));
    if (evaluate_run(context, retriever, seen, hidden, NULL, &params, &report) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    retriever_free(retriever);
    topn_model_free(model);
    return report;
}

static void contexts_are_cases(void **state)
{
    (void)state;
    /* ann evening, morning: hits; bob morning, noon: hits; cid morning: wine is none, night: unknown, so bread hits */
    static const char *const users[] = {"ann", "ann", "bob", "bob", "cid", "cid"};
    static const double hits[] = {1, 1, 1, 1, 0, 1};
    topn_data *nothing = read_text("user,item,hour\nzoe,salt,noon\n", "hour"), *hidden = read_text(hidden_text, "hour");
    topn_report *report = evaluate(CONTEXTS_AUTO, nothing, hidden);
    topn_metric_result result;
    assert_int_equal(topn_report_users(report), 6);
    for (size_t place = 0; place < 6; place++) {
        assert_string_equal(topn_report_user_id(report, place), users[place]);
        assert_true(topn_report_value(report, 0, place) == hits[place] ||
                    strcmp(users[place], "cid") == 0); /* whose contexts stand in the order of their values */
    }
    assert_true(topn_report_value(report, 0, 4) + topn_report_value(report, 0, 5) == 1);
    assert_true(topn_report_metric(report, 0, &result));
    assert_float_equal(result.mean, 5.0 / 6, 1e-12);
    /* Resampled by user the mean is 1/2, 2/3, 5/6 or 1. */
    assert_true(result.low >= 0.5 && result.high <= 1);
    assert_string_equal(fact(report, "users"), "3");
    assert_non_null(strstr(fact(report, "contexts"), "6"));
    topn_report_free(report);
    report = evaluate(CONTEXTS_NO, nothing, hidden); /* bread for all, in no context */
    assert_int_equal(topn_report_users(report), 3);
    assert_true(topn_report_metric(report, 0, &result));
    assert_float_equal(result.mean, 2.0 / 3, 1e-12);
    assert_null(fact(report, "contexts"));
    topn_report_free(report);
    topn_data_free(nothing);
    topn_data_free(hidden);
}

/* Seen items are the user's, whatever their context; a model that knows no fields has the same cases when asked. */
static void context_free_models_have_the_same_cases(void **state)
{
    (void)state;
    static const float weights[4] = {0};
    const evaluation_params params = {.metrics = (char *)"hit@1", .confidence = 0.95, .per_context = CONTEXTS_YES};
    topn_data *seen = read_text(seen_text, "hour"), *hidden = read_text(hidden_text, "hour"),
              *plain = read_text(hidden_text, NULL);
    topn_model *model = made_model(2, weights);
    topn_retriever *retriever;
    topn_report *report;
    string_table_clear(&model->item_ids);
    id_index_clear(&model->items_by_id);
    static const char *const items[] = {"tea", "wine"};
    made(string_table_create(NULL, items, 2, &model->item_ids));
    made(id_index_create(NULL, &model->item_ids, &model->items_by_id));
    made(retriever_create(context, model, NULL, &retriever));
    assert_int_equal(evaluate_run(context, retriever, seen, hidden, NULL, &params, &report), TOPN_OK);
    assert_int_equal(topn_report_users(report), 6);
    assert_string_equal(fact(report, "seen-events-unknown"), "8"); /* one or two a user, in each of his two contexts */
    topn_report_free(report);
    assert_int_equal(evaluate_run(context, retriever, seen, plain, NULL, &params, &report), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--per-context yes: the hidden events have no contexts"));
    retriever_free(retriever);
    topn_model_free(model);
    topn_data_free(seen);
    topn_data_free(hidden);
    topn_data_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_are_cases),
        cmocka_unit_test(context_free_models_have_the_same_cases),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
