/* SPDX-License-Identifier: Apache-2.0
 *
 * Sweeps: figures, early stopping, the best state, progress, and what goes wrong.
 */
#include "file_fixture.h"

#include "iterated_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static double number(const topn_model *model, const char *key)
{
    const char *text = record_get(&model->metadata, key);
    assert_non_null(text);
    return strtod(text, NULL);
}

/* How many numbers a list holds, and the last of them. */
static size_t numbers(const topn_model *model, const char *key, double *last)
{
    const char *text = record_get(&model->metadata, key);
    size_t count = 0;
    assert_non_null(text);
    for (char *end; *text; text = end, count++) {
        *last = strtod(text, &end);
        assert_true(end != text);
    }
    return count;
}

static topn_model *trained(fake_training training)
{
    topn_model *model;
    const topn_status status = fake_train(context, training, &model);
    if (status != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    return model;
}

static void same_biases(const topn_model *a, const topn_model *b)
{
    assert_memory_equal(a->table.biases, b->table.biases, FAKE_ITEMS * sizeof(float));
}

static void test_figures(void **state)
{
    (void)state;
    double last;
    topn_model *model = trained(fake_of(6, false));
    assert_int_equal((int)number(model, "train.sweeps"), 6);
    assert_int_equal(numbers(model, "train.losses", &last), 6);
    assert_true(last == number(model, "train.loss"));
    assert_null(record_get(&model->metadata, "train.best-sweep"));
    assert_null(record_get(&model->metadata, "train.metrics"));
    topn_model_free(model);
}

/* The metric is highest after sweep 4; patience of 3 sees sweeps 5 to 7. */
static void test_early_stopping(void **state)
{
    (void)state;
    double last;
    topn_model *model = trained(fake_of(50, true)), *four = trained(fake_of(4, false));
    assert_int_equal((int)number(model, "train.best-sweep"), 4);
    assert_int_equal((int)number(model, "train.sweeps"), 7);
    assert_int_equal(numbers(model, "train.metrics", &last), 7);
    assert_true(number(model, "train.loss") == number(four, "train.loss"));
    assert_int_equal(strncmp(record_get(&model->metadata, "train.metric"), "fit 9.9", 7), 0);
    same_biases(model, four);
    topn_model_free(model);
    topn_model_free(four);
}

static void test_no_patience(void **state)
{
    (void)state;
    fake_training training = fake_of(12, true);
    training.params.patience = 0;
    topn_model *model = trained(training), *four = trained(fake_of(4, false));
    assert_int_equal((int)number(model, "train.best-sweep"), 4);
    assert_int_equal((int)number(model, "train.sweeps"), 12);
    same_biases(model, four);
    topn_model_free(model);
    topn_model_free(four);
}

/* Judged after sweeps 3, 6, 9 and, as the last one, 10. */
static void test_judged_now_and_then(void **state)
{
    (void)state;
    double last;
    for (int rise = 0; rise < 2; rise++) {
        fake_training training = fake_of(10, true);
        training.params.validate_every = 3;
        training.method.rise = rise;
        topn_model *model = trained(training), *same = trained(fake_of(rise ? 10 : 3, false));
        assert_int_equal(numbers(model, "train.metrics", &last), 4);
        assert_int_equal((int)number(model, "train.best-sweep"), rise ? 10 : 3);
        same_biases(model, same);
        topn_model_free(model);
        topn_model_free(same);
    }
    fake_training rare = fake_of(5, true); /* only the last is judged */
    rare.params.validate_every = 100;
    topn_model *model = trained(rare);
    assert_int_equal(numbers(model, "train.metrics", &last), 1);
    assert_int_equal((int)number(model, "train.best-sweep"), 5);
    topn_model_free(model);
}

/* The loss is about 100/s, its relative change 1/s. */
static void test_tolerance(void **state)
{
    (void)state;
    fake_training training = fake_of(1000, false);
    training.params.tolerance = 0.0512;
    topn_model *model = trained(training);
    assert_int_equal((int)number(model, "train.sweeps"), 20);
    topn_model_free(model);
}

/* What the progress callback saw. */
typedef struct watched {
    uint64_t done, reports, metrics, cancel_at;
    char last_log[256];
} watched;

static bool watch(const topn_progress *progress, void *user_data)
{
    watched *seen = user_data;
    if (strcmp(progress->unit, "sweeps") != 0)
        return true;
    assert_int_equal(progress->total, 7);
    assert_true(progress->done >= seen->done && progress->done <= progress->total);
    if (strcmp(progress->stage, "sweep") == 0) {
        assert_true(progress->done == 0 || progress->value > 0);
        seen->reports++;
    } else {
        assert_string_equal(progress->stage, "fit");
        seen->metrics++;
    }
    seen->done = progress->done;
    return !seen->cancel_at || progress->done < seen->cancel_at;
}

static void listen(const char *line, void *user_data)
{
    watched *seen = user_data;
    snprintf(seen->last_log, sizeof seen->last_log, "%s", line);
}

static void test_progress(void **state)
{
    (void)state;
    watched seen = {0};
    topn_context_set_progress(context, watch, &seen);
    topn_context_set_log(context, listen, &seen);
    topn_model *model = trained(fake_of(7, true));
    assert_int_equal(seen.done, 7);
    assert_int_equal(seen.reports, 8); /* one before the first */
    assert_int_equal(seen.metrics, 7);
    assert_non_null(strstr(seen.last_log, "patience"));
    topn_model_free(model);
    seen = (watched){.cancel_at = 3};
    assert_int_equal(fake_train(context, fake_of(7, true), &model), TOPN_ERROR_CANCELLED);
    assert_null(model);
    assert_int_equal(seen.reports, 4);
    assert_int_equal(strncmp(seen.last_log, "sweep 3 of 7: loss ", 19), 0);
    assert_non_null(strstr(seen.last_log, ", fit "));
    topn_context_set_progress(context, NULL, NULL);
    topn_context_set_log(context, NULL, NULL);
}

static void test_not_finite(void **state)
{
    (void)state;
    for (int spoil_loss = 0; spoil_loss < 2; spoil_loss++) {
        topn_model *model;
        fake_training training = fake_of(9, true);
        training.method.spoil_at = 3;
        training.method.spoil_loss = spoil_loss;
        assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_NUMERIC);
        assert_non_null(strstr(topn_context_message(context), "sweep 3 of fake"));
        assert_non_null(strstr(topn_context_message(context), spoil_loss ? "the loss is" : "users, row 1, column 1"));
        assert_non_null(strstr(topn_context_message(context), "--l2"));
    }
}

static void test_failures_pass_through(void **state)
{
    (void)state;
    topn_model *model;
    fake_training training = fake_of(9, true);
    training.method.judge_bad = 2;
    assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_UNSUPPORTED);
    assert_string_equal(topn_context_message(context), "judging failed");
    training = fake_of(9, true);
    training.method.fail_at = 2;
    assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_CANCELLED);
    training = fake_of(9, true);
    training.params.resume = true;
    assert_int_equal(fake_train(context, training, &model), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--checkpoint"));
}

/* Every allocation fails in turn, of a training with all there is. */
static void test_memory_failures(void **state)
{
    (void)state;
    topn_status status = TOPN_ERROR_MEMORY;
    topn_data *data = fake_data(0);
    uint64_t at = 1;
    for (; status != TOPN_OK; at++) {
        topn_model *model;
        fake_training training = fake_of(3, true);
        training.params.checkpoint = path;
        training.params.resume = true;
        training.data = data;
        memory_fail_after(at);
        status = fake_train(context, training, &model);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
        assert_int_equal(status == TOPN_OK, model != NULL);
        topn_model_free(model);
        assert_true(at < 5000);
    }
    assert_true(at > 50);
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures),         cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_no_patience),     cmocka_unit_test(test_judged_now_and_then),
        cmocka_unit_test(test_tolerance),       cmocka_unit_test(test_progress),
        cmocka_unit_test(test_not_finite),      cmocka_unit_test(test_failures_pass_through),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
