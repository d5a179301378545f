/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning a model: the same file as training with that k, by what is recorded as well as by the arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <topn/topn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 150, ITEMS = 45 };

static topn_context *context;
static char folder[] = "/tmp/topn-api-prune-XXXXXX";

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static topn_data *make_data(void)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * ITEMS];
    uint64_t count = 0, state = 5;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            if ((uint32_t)(state >> 16) % 100 < 60 - item + (user + item) % 5 * 6)
                indices[count++] = item;
        }
        indptr[user + 1] = count;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &data));
    return data;
}

/* option: NULL or the name of one more, set to `value`. */
static topn_model *train(const topn_data *data, const char *method, const char *k, const char *option,
                         const char *value)
{
    topn_options *options;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    if (k)
        check(topn_options_set(context, options, "k", k));
    if (option)
        check(topn_options_set(context, options, option, value));
    check(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    return model;
}

static const char *metadata(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

static size_t file_of(const topn_model *model, char **out)
{
    char path[128];
    snprintf(path, sizeof path, "%s/model", folder);
    check(topn_model_save(context, model, path));
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    *out = malloc(size);
    assert_int_equal(fread(*out, 1, size, file), size);
    fclose(file);
    unlink(path);
    return size;
}

/* Frees both. */
static void same_file(topn_model *left, topn_model *right)
{
    char *bytes[2];
    const size_t size = file_of(left, &bytes[0]);
    assert_int_equal(size, file_of(right, &bytes[1]));
    assert_memory_equal(bytes[0], bytes[1], size);
    free(bytes[0]);
    free(bytes[1]);
    topn_model_free(left);
    topn_model_free(right);
}

/* Saved and mapped again. Frees the model. */
static topn_model *mapped(topn_model *model, char path[128])
{
    snprintf(path, 128, "%s/dense", folder);
    check(topn_model_save(context, model, path));
    topn_model_free(model);
    check(topn_model_load(context, path, &model));
    return model;
}

static void pruned_equals_trained(void **state)
{
    (void)state;
    static const struct {
        const char *method, *option, *value;
        topn_prune_mode mode;
    } cases[] = {{"chol", "order", "popular-first", TOPN_PRUNE_ROW},
                 {"chol", "order", "random", TOPN_PRUNE_ROW},
                 {"ssvd", "priors", "ease", TOPN_PRUNE_ROW},
                 {"ease", "prune", "global", TOPN_PRUNE_GLOBAL},
                 {"ease", "prune", "item", TOPN_PRUNE_ITEM}};
    topn_data *data = make_data();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        topn_model *dense = mapped(train(data, cases[i].method, "0", cases[i].option, cases[i].value), path), *pruned;
        for (uint32_t k = 1; k < 20; k += 6) {
            char text[16];
            snprintf(text, sizeof text, "%u", k);
            topn_model *trained = train(data, cases[i].method, text, cases[i].option, cases[i].value);
            check(topn_model_prune(context, dense, k, cases[i].mode, &pruned));
            assert_string_equal(metadata(pruned, "option.k"), text);
            assert_null(metadata(pruned, "prune.k"));
            same_file(trained, pruned);
        }
        topn_model_free(dense);
        unlink(path);
    }
    topn_data_free(data);
}

static void pruning_twice_is_pruning_once(void **state)
{
    (void)state;
    topn_data *data = make_data();
    topn_model *once = train(data, "chol", "5", NULL, NULL), *wide = train(data, "chol", "17", NULL, NULL), *twice;
    check(topn_model_prune(context, wide, 5, TOPN_PRUNE_ROW, &twice));
    topn_model_free(wide);
    same_file(once, twice);
    topn_data_free(data);
}

static void what_training_cannot_give_is_recorded(void **state)
{
    (void)state;
    topn_data *data = make_data();
    topn_model *ease = train(data, "ease", "10", "prune", "item"), *pruned, *again;
    check(topn_model_prune(context, ease, 4, TOPN_PRUNE_GLOBAL, &pruned));
    assert_string_equal(metadata(pruned, "prune.mode"), "global");
    assert_string_equal(metadata(pruned, "prune.k"), "4");
    assert_string_equal(metadata(pruned, "option.k"), "10");
    assert_string_equal(metadata(pruned, "option.prune"), "item");
    check(topn_model_prune(context, pruned, 3, TOPN_PRUNE_ITEM, &again));
    assert_string_equal(metadata(again, "prune.k"), "3");
    assert_string_equal(metadata(again, "option.k"), "10");
    topn_model_free(again);
    topn_model_free(pruned);
    check(topn_model_prune(context, ease, 4, TOPN_PRUNE_ROW, &pruned));
    assert_string_equal(metadata(pruned, "prune.mode"), "row");
    topn_model_free(pruned);
    topn_model_free(ease);
    topn_data_free(data);
}

/* A metric measured before pruning is not the pruned model's. */
static void metrics_are_left_out(void **state)
{
    (void)state;
    topn_data *data = make_data();
    topn_model *model = train(data, "chol", "0", NULL, NULL), *pruned;
    topn_retriever *retriever;
    topn_report *report;
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_evaluate(context, retriever, data, data, NULL, NULL, &report));
    check(topn_model_record_report(context, model, report));
    check(topn_model_prune(context, model, 4, TOPN_PRUNE_ROW, &pruned));
    const char *key, *value;
    size_t before = 0;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        before += strncmp(key, "metric.", 7) == 0;
    assert_true(before > 0);
    for (size_t index = 0; topn_model_metadata(pruned, index, &key, &value); index++)
        assert_int_not_equal(strncmp(key, "metric.", 7), 0);
    topn_report_free(report);
    topn_retriever_free(retriever);
    topn_model_free(pruned);
    topn_model_free(model);
    topn_data_free(data);
}

static void what_cannot_be_pruned_is_refused(void **state)
{
    (void)state;
    topn_data *data = make_data();
    topn_model *popular = train(data, "popularity", NULL, NULL, NULL), *chol = train(data, "chol", "6", NULL, NULL);
    topn_model *pruned = chol;
    assert_int_equal(topn_model_prune(context, popular, 4, TOPN_PRUNE_ROW, &pruned), TOPN_ERROR_UNSUPPORTED);
    assert_null(pruned);
    assert_int_equal(topn_model_prune(context, chol, 4, TOPN_PRUNE_ITEM, &pruned), TOPN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(topn_context_message(context), "prune by row"));
    assert_int_equal(topn_model_prune(context, chol, 0, TOPN_PRUNE_ROW, &pruned), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_prune(context, chol, 4, (topn_prune_mode)9, &pruned), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_prune(context, NULL, 4, TOPN_PRUNE_ROW, &pruned), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_prune(context, chol, 4, TOPN_PRUNE_ROW, NULL), TOPN_ERROR_ARGUMENT);
    topn_model_free(popular);
    topn_model_free(chol);
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK || !mkdtemp(folder);
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
        cmocka_unit_test(pruned_equals_trained),
        cmocka_unit_test(pruning_twice_is_pruning_once),
        cmocka_unit_test(what_training_cannot_give_is_recorded),
        cmocka_unit_test(metrics_are_left_out),
        cmocka_unit_test(what_cannot_be_pruned_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
