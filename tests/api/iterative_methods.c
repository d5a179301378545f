/* SPDX-License-Identifier: Apache-2.0
 *
 * What every method that improves sweep by sweep must do beyond tests/api/methods.c. The registry is read: whoever has
 * an option "patience" is such a method.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <topn/topn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 80, ITEMS = 30, MOST_FILE = 1 << 23, MOST_SWEEPS = 64 };

static topn_context *context;
static char folder[] = "/tmp/topn-api-iterative-XXXXXX";
static char checkpoint[64], model_path[64], other_path[64];

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static void set_threads(const char *threads)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, "threads", threads));
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

/* Two tastes and popular low items. Of `tenths` tenths of the events; user 79 and item 29 only in the last tenth. */
static topn_data *make_data(uint32_t tenths)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * ITEMS];
    uint64_t count = 0, state = 7;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            const uint32_t draw = (uint32_t)(state >> 16) % 100, tenth = (uint32_t)(state >> 9) % 10;
            const uint32_t likes = (user + item) % 2 ? 10 : 70;
            const bool last = user == USERS - 1 || item == ITEMS - 1;
            if (draw >= likes - item || (last ? 9 : tenth) >= tenths)
                continue;
            indices[count++] = item;
        }
        indptr[user + 1] = count;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &data));
    return data;
}

static topn_options *method_options(const char *method, const char *sweeps)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    check(topn_options_set(context, options, "sweeps", sweeps));
    if (topn_options_has(options, "factors"))
        check(topn_options_set(context, options, "factors", "6"));
    static const char *const small[][2] = {{"pseudo-inputs", "9"}, {"hidden", "60"}, {"latent", "20"}};
    for (size_t at = 0; at < sizeof small / sizeof *small; at++)
        if (topn_options_has(options, small[at][0]))
            check(topn_options_set(context, options, small[at][0], small[at][1]));
    return options;
}

static void for_each_method(void (*test)(const char *method))
{
    topn_entry entry;
    for (size_t index = 0; topn_registry_entry(TOPN_KIND_METHOD, index, &entry); index++) {
        topn_options *options;
        check(topn_options_create(context, TOPN_KIND_METHOD, entry.name, &options));
        const bool iterative = topn_options_has(options, "patience");
        topn_options_free(options);
        if (!iterative)
            continue;
        print_message("             %s\n", entry.name);
        test(entry.name);
    }
}

static topn_model *trained(const topn_data *data, const topn_options *options, const topn_training *training)
{
    topn_model *model;
    check(topn_train_validated(context, data, options, training, &model));
    return model;
}

static const char *metadata(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    fail_msg("the model does not record %s", wanted);
    return "";
}

static size_t numbers(const topn_model *model, const char *key, double out[MOST_SWEEPS])
{
    const char *text = metadata(model, key);
    size_t count = 0;
    for (char *end; *text; text = end) {
        assert_true(count < MOST_SWEEPS);
        out[count++] = strtod(text, &end);
        assert_true(end != text);
    }
    return count;
}

/* ---- Progress and cancelling ---------------------------------------------------------------------------------------
 */

typedef struct watched {
    uint64_t done, cancel_at;
    double loss;
    size_t reports;
} watched;

static bool watch(const topn_progress *progress, void *user_data)
{
    watched *seen = user_data;
    if (strcmp(progress->stage, "sweep") != 0)
        return true;
    assert_string_equal(progress->unit, "sweeps");
    assert_int_equal(progress->total, 6);
    assert_true(progress->done == seen->done + (seen->reports > 0));
    assert_true(progress->done == 0 || isfinite(progress->value));
    seen->done = progress->done;
    seen->loss = progress->value;
    seen->reports++;
    return !seen->cancel_at || progress->done < seen->cancel_at;
}

static void sweeps_are_told(const char *method)
{
    topn_data *data = make_data(10);
    topn_options *options = method_options(method, "6");
    watched seen = {0};
    double losses[MOST_SWEEPS];
    topn_context_set_progress(context, watch, &seen);
    topn_model *model = trained(data, options, NULL);
    assert_int_equal(seen.done, 6);
    assert_int_equal(numbers(model, "train.losses", losses), 6);
    assert_true(fabs(seen.loss - losses[5]) <= 1e-8 * fabs(losses[5]));
    assert_true(losses[5] < losses[0]);
    topn_model_free(model);
    seen = (watched){.cancel_at = 3};
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_CANCELLED);
    assert_int_equal(seen.done, 3);
    assert_null(model);
    topn_context_set_progress(context, NULL, NULL);
    topn_options_free(options);
    topn_data_free(data);
}

static void test_progress(void **state)
{
    (void)state;
    for_each_method(sweeps_are_told);
}

/* ---- Checkpoints ---------------------------------------------------------------------------------------------------
 */

static size_t saved(topn_model *model, unsigned char bytes[MOST_FILE])
{
    check(topn_model_save(context, model, model_path));
    topn_model_free(model);
    FILE *file = fopen(model_path, "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, MOST_FILE, file);
    assert_true(size < MOST_FILE);
    fclose(file);
    unlink(model_path);
    return size;
}

static void resume_often(const char *method, const char *average)
{
    static unsigned char expected[MOST_FILE], found[MOST_FILE];
    topn_data *data = make_data(10), *less = make_data(9);
    topn_options *options = method_options(method, "6");
    if (average)
        check(topn_options_set(context, options, "average", average));
    const size_t size = saved(trained(data, options, NULL), expected);
    check(topn_options_set(context, options, "checkpoint", checkpoint));
    for (uint64_t at = 1; at <= 5; at += 2) {
        watched seen = {.cancel_at = at};
        topn_model *model;
        unlink(checkpoint);
        check(topn_options_set(context, options, "resume", "false"));
        topn_context_set_progress(context, watch, &seen);
        assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_CANCELLED);
        topn_context_set_progress(context, NULL, NULL);
        set_threads(at == 1 ? "1" : "3");
        check(topn_options_set(context, options, "resume", "true"));
        assert_int_equal(saved(trained(data, options, NULL), found), size);
        assert_memory_equal(found, expected, size);
        set_threads("0");
    }
    topn_model *model;
    assert_int_equal(topn_train(context, less, options, NULL, &model), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "checkpoint of other data"));
    check(topn_options_set(context, options, "patience", "17"));
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--patience"));
    unlink(checkpoint);
    topn_options_free(options);
    topn_data_free(data);
    topn_data_free(less);
}

static void resumed_is_the_same(const char *method)
{
    topn_options *options = method_options(method, "6");
    resume_often(method, NULL);
    if (topn_options_has(options, "average"))
        resume_often(method, "0.6");
    topn_options_free(options);
}

static void test_resume(void **state)
{
    (void)state;
    for_each_method(resumed_is_the_same);
}

/* ---- Starting from a model -----------------------------------------------------------------------------------------
 */

static void started_model_goes_on(const char *method)
{
    topn_data *data = make_data(10);
    topn_options *options = method_options(method, "6");
    double cold[MOST_SWEEPS], warm[MOST_SWEEPS];
    if (topn_options_has(options, "keep-users"))
        check(topn_options_set(context, options, "keep-users", "true"));
    topn_model *model = trained(data, options, NULL);
    numbers(model, "train.losses", cold);
    check(topn_model_save(context, model, other_path));
    topn_model_free(model);
    check(topn_options_set(context, options, "start-from", other_path));
    model = trained(data, options, NULL);
    numbers(model, "train.losses", warm);
    assert_true(warm[0] < cold[0]);
    assert_true(warm[5] <= 1.02 * cold[5]); /* 2 %: steps of stochastic gradients go up and down */
    topn_model_free(model);
    unlink(other_path);
    topn_options_free(options);
    topn_data_free(data);
}

/* A model of nine tenths of the events goes on with all of them, a new user and a new item among these: it needs fewer
 * sweeps to the loss that training anew ends with. */
static void new_events_need_fewer_sweeps(const char *method)
{
    topn_data *before = make_data(9), *data = make_data(10);
    topn_options *options = method_options(method, "12");
    double cold[MOST_SWEEPS], warm[MOST_SWEEPS];
    if (topn_options_has(options, "keep-users"))
        check(topn_options_set(context, options, "keep-users", "true"));
    topn_model *model = trained(before, options, NULL);
    check(topn_model_save(context, model, other_path));
    topn_model_free(model);
    model = trained(data, options, NULL);
    const size_t count = numbers(model, "train.losses", cold);
    topn_model_free(model);
    check(topn_options_set(context, options, "start-from", other_path));
    model = trained(data, options, NULL);
    assert_int_equal(numbers(model, "train.losses", warm), count);
    const double wanted = cold[count / 2];
    size_t needed = 0;
    while (needed < count && warm[needed] > wanted)
        needed++;
    assert_true(needed < count / 2);
    topn_model_free(model);
    unlink(other_path);
    topn_options_free(options);
    topn_data_free(before);
    topn_data_free(data);
}

static void other_models_are_refused(const char *method)
{
    topn_data *data = make_data(10);
    topn_options *options = method_options(method, "2"), *plain;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, "popularity", &plain));
    check(topn_train(context, data, plain, NULL, &model));
    check(topn_model_save(context, model, other_path));
    topn_model_free(model);
    check(topn_options_set(context, options, "start-from", other_path));
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "was trained by popularity"));
    assert_null(model);
    unlink(other_path);
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_IO);
    topn_options_free(options);
    topn_options_free(plain);
    topn_data_free(data);
}

static void test_start(void **state)
{
    (void)state;
    for_each_method(started_model_goes_on);
    for_each_method(new_events_need_fewer_sweeps);
    for_each_method(other_models_are_refused);
}

/* ---- Validation ----------------------------------------------------------------------------------------------------
 */

static double metric_of(const topn_model *model, const topn_data *seen, const topn_data *hidden, const char *metric)
{
    topn_retriever *retriever;
    topn_options *options;
    topn_report *report;
    topn_metric_result result;
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_options_create(context, TOPN_KIND_EVALUATION, "evaluation", &options));
    check(topn_options_set(context, options, "metrics", metric));
    check(topn_options_set(context, options, "bootstrap", "0"));
    check(topn_evaluate(context, retriever, seen, hidden, NULL, options, &report));
    assert_true(topn_report_metric(report, 0, &result));
    topn_report_free(report);
    topn_options_free(options);
    topn_retriever_free(retriever);
    return result.mean;
}

static void keep_best_state(const char *method, const char *average)
{
    topn_data *all = make_data(10);
    topn_options *weak, *options = method_options(method, "20");
    topn_split *split;
    check(topn_options_create(context, TOPN_KIND_SPLIT, "weak", &weak));
    check(topn_options_set(context, weak, "test-share", "0"));
    check(topn_options_set(context, weak, "validation-share", "0.3"));
    check(topn_data_split(context, all, NULL, weak, &split));
    check(topn_options_set(context, options, "patience", "3"));
    if (average)
        check(topn_options_set(context, options, "average", average));
    const topn_training training = {.validation_seen = topn_split_part(split, TOPN_PART_VALIDATION_SEEN),
                                    .validation_hidden = topn_split_part(split, TOPN_PART_VALIDATION_HIDDEN),
                                    .metric = "ndcg@5"};
    topn_model *model = trained(topn_split_part(split, TOPN_PART_TRAIN), options, &training);
    double metrics[MOST_SWEEPS];
    const size_t count = numbers(model, "train.metrics", metrics);
    size_t best = 0;
    for (size_t at = 1; at < count; at++)
        if (metrics[at] > metrics[best])
            best = at;
    assert_int_equal(strtoul(metadata(model, "train.best-sweep"), NULL, 10), best + 1);
    assert_true(count == 20 || count == best + 4);
    const double found = metric_of(model, training.validation_seen, training.validation_hidden, "ndcg@5");
    assert_true(fabs(found - metrics[best]) < 1e-6);
    assert_int_equal(strncmp(metadata(model, "train.metric"), "ndcg@5 ", 7), 0);
    topn_model_free(model);
    topn_options_free(weak);
    topn_options_free(options);
    topn_split_free(split);
    topn_data_free(all);
}

static void best_state_is_kept(const char *method)
{
    topn_options *options = method_options(method, "20");
    keep_best_state(method, NULL);
    if (topn_options_has(options, "average"))
        keep_best_state(method, "0.6");
    topn_options_free(options);
}

static void test_validation(void **state)
{
    (void)state;
    for_each_method(best_state_is_kept);
}

/* Steps so long that parameters run out of the numbers there are: said, with a remedy, and no model and no checkpoint
 * of such a state. Of methods with variances, which are exponentials. */
static void explosion_is_named(const char *method)
{
    topn_data *data = make_data(10);
    topn_options *options = method_options(method, "40");
    topn_model *model;
    if (topn_options_has(options, "beta") || topn_options_has(options, "beta-per-event")) {
        check(topn_options_set(context, options, "learning-rate", "1000"));
        check(topn_options_set(context, options, "checkpoint", checkpoint));
        assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_NUMERIC);
        assert_null(model);
        assert_non_null(strstr(topn_context_message(context), "--learning-rate"));
        unlink(checkpoint);
    }
    topn_options_free(options);
    topn_data_free(data);
}

static void test_explosion(void **state)
{
    (void)state;
    for_each_method(explosion_is_named);
}

/* Arguments that no method can do with; and the others, which only record what they are given. */
static void test_arguments(void **state)
{
    (void)state;
    topn_data *data = make_data(10);
    topn_options *options;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, "ease", &options));
    topn_training training = {.validation_seen = data};
    assert_int_equal(topn_train_validated(context, data, options, &training, &model), TOPN_ERROR_ARGUMENT);
    assert_null(model);
    training = (topn_training){.reader = options};
    assert_int_equal(topn_train_validated(context, data, options, &training, &model), TOPN_ERROR_ARGUMENT);
    training = (topn_training){
        .validation_seen = data, .validation_hidden = data, .metric = "no such", .validation_source = "the data"};
    model = trained(data, options, &training);
    assert_string_equal(metadata(model, "validation.source"), "the data");
    topn_model_free(model);
    topn_options_free(options);
    topn_data_free(data);
}

static void metrics_are_checked(const char *method)
{
    topn_data *data = make_data(10);
    topn_options *options = method_options(method, "2");
    topn_model *model;
    static const char *const wrong[] = {"nosuch@5", "ndcg@5,recall@5", "ndcg@1000000", ""};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        const topn_training training = {.validation_seen = data, .validation_hidden = data, .metric = wrong[at]};
        assert_int_equal(topn_train_validated(context, data, options, &training, &model), TOPN_ERROR_OPTION);
        assert_null(model);
    }
    topn_options_free(options);
    topn_data_free(data);
}

static void test_metrics(void **state)
{
    (void)state;
    for_each_method(metrics_are_checked);
}

static int setup(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK || !mkdtemp(folder))
        return 1;
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    snprintf(model_path, sizeof model_path, "%s/model", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress),   cmocka_unit_test(test_resume),    cmocka_unit_test(test_start),
        cmocka_unit_test(test_validation), cmocka_unit_test(test_arguments), cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_explosion),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
