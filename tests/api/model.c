/* SPDX-License-Identifier: Apache-2.0
 *
 * Models through the public header: train, save, load, ask, change the priors, export.
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

enum { USERS = 40, ITEMS = 12, LARGEST = 1 << 16 };

static topn_context *context;
static topn_data *data;
static char folder[] = "/tmp/topn-api-model-XXXXXX";
static char path[64], again[64];

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* User u has the items whose index shares a residue with u: enough structure for every method. */
static topn_data *make_data(bool weighted)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * ITEMS];
    static float values[USERS * ITEMS];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            if ((user * 7 + item * 5 + user * item) % 3)
                continue;
            indices[count] = item;
            values[count++] = 1 + (float)(item % 3);
        }
        indptr[user + 1] = count;
    }
    topn_data *made;
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, weighted ? values : NULL, &made));
    return made;
}

static topn_model *train(const char *method, const char *const settings[][2])
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    for (size_t at = 0; settings && settings[at][0]; at++)
        check(topn_options_set(context, options, settings[at][0], settings[at][1]));
    topn_model *model;
    check(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    return model;
}

static size_t slurp(const char *name, char *out)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    const size_t size = fread(out, 1, LARGEST, file);
    fclose(file);
    return size;
}

static void assert_same_files(void)
{
    static char left[LARGEST], right[LARGEST];
    const size_t size = slurp(path, left);
    assert_int_equal(size, slurp(again, right));
    assert_memory_equal(left, right, size);
}

static const char *metadata_of(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

static void score_all(const topn_model *model, float *out)
{
    static const uint32_t all[ITEMS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const uint32_t history[] = {2, 5, 9};
    const topn_request request = {.history = history, .history_length = 3};
    topn_retriever *retriever;
    topn_query *query;
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_query_create(context, retriever, &query));
    check(topn_score(query, &request, all, ITEMS, out));
    topn_query_free(query);
    topn_retriever_free(retriever);
}

static void test_getters(void **state)
{
    (void)state;
    topn_model *model = train("ease", NULL);
    assert_int_equal(topn_model_items(model), ITEMS);
    assert_int_equal(topn_model_users(model), USERS);
    assert_string_equal(topn_model_item_id(model, 11), "11");
    assert_null(topn_model_item_id(model, ITEMS));
    assert_null(topn_model_item_title(model, 0));
    assert_null(topn_model_item_title(model, ITEMS));
    assert_string_equal(topn_model_user_id(model, 39), "39");
    assert_null(topn_model_user_id(model, USERS));
    uint32_t found = 0;
    assert_true(topn_model_find_item(model, "7", &found));
    assert_int_equal(found, 7);
    assert_true(topn_model_find_user(model, "21", &found));
    assert_int_equal(found, 21);
    assert_false(topn_model_find_item(model, "12", &found));
    assert_false(topn_model_find_user(model, "", &found));
    for (uint32_t user = 0; user < USERS; user++) {
        const uint32_t *items, *expected;
        const float *weights;
        const size_t length = topn_model_history(model, user, &items, &weights);
        assert_int_equal(length, topn_data_history(data, user, &expected, NULL));
        assert_memory_equal(items, expected, length * sizeof *items);
        assert_null(weights); /* all 1 */
    }
    assert_int_equal(topn_model_history(model, USERS, NULL, NULL), 0);
    assert_string_equal(metadata_of(model, "method"), "ease");
    assert_string_equal(metadata_of(model, "topn.encoder"), "bag");
    assert_string_equal(metadata_of(model, "topn.items"), "identity");
    size_t keys = 0;
    for (const char *key; topn_model_metadata(model, keys, &key, NULL);)
        keys++;
    assert_true(keys > 12);
    assert_false(topn_model_metadata(model, keys + 1, NULL, NULL));
    assert_string_equal(metadata_of(model, "data.fingerprint"), topn_data_fingerprint(data));
    assert_string_equal(metadata_of(model, "topn.version"), topn_version());
    topn_array_info info;
    uint64_t bytes = 0;
    size_t index = 0;
    for (; topn_model_array(model, index, &info); index++)
        bytes += info.bytes;
    assert_true(index >= 6 && bytes > 4 * ITEMS * ITEMS);
    topn_model_free(model);
}

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const pruned[][2] = {{"k", "4"}, {NULL, NULL}};
    static const char *const alone[][2] = {{"keep-histories", "false"}, {NULL, NULL}};
    topn_model *models[] = {train("popularity", NULL), train("ease", NULL), train("chol", NULL), train("chol", pruned),
                            train("ease", alone)};
    for (size_t index = 0; index < sizeof models / sizeof *models; index++) {
        topn_model *loaded;
        check(topn_model_save(context, models[index], path));
        check(topn_model_load(context, path, &loaded));
        check(topn_model_save(context, loaded, again));
        assert_same_files();
        float before[ITEMS], after[ITEMS];
        score_all(models[index], before);
        score_all(loaded, after);
        assert_memory_equal(before, after, sizeof before);
        topn_array_info info, other;
        for (size_t at = 0; topn_model_array(models[index], at, &info); at++) {
            assert_true(topn_model_array(loaded, at, &other));
            assert_string_equal(info.name, other.name);
            assert_int_equal(info.bytes, other.bytes);
        }
        assert_int_equal(topn_model_users(loaded), index == 4 ? 0 : USERS);
        assert_int_equal(topn_model_history(loaded, 1, NULL, NULL),
                         index == 4 ? 0 : topn_data_history(data, 1, NULL, NULL));
        topn_model_free(loaded);
        topn_model_free(models[index]);
    }
}

static void test_weights(void **state)
{
    (void)state;
    topn_data *plain = data;
    data = make_data(true);
    topn_model *model = train("popularity", NULL), *loaded;
    check(topn_model_save(context, model, path));
    check(topn_model_load(context, path, &loaded));
    for (uint32_t user = 0; user < USERS; user++) {
        const float *weights, *expected;
        const size_t length = topn_model_history(loaded, user, NULL, &weights);
        topn_data_history(data, user, NULL, &expected);
        assert_non_null(weights);
        assert_memory_equal(weights, expected, length * sizeof *weights);
    }
    topn_model_free(loaded);
    topn_model_free(model);
    topn_data_free(data);
    data = plain;
}

static void test_priors(void **state)
{
    (void)state;
    topn_model *model = train("chol", NULL), *changed, *loaded;
    float ones[ITEMS], twos[ITEMS], single[ITEMS], twice[ITEMS];
    for (size_t item = 0; item < ITEMS; item++) {
        ones[item] = 1;
        twos[item] = 2;
    }
    check(topn_model_copy_with_priors(context, model, ones, &changed));
    score_all(changed, single);
    topn_model_free(changed);
    check(topn_model_copy_with_priors(context, model, twos, &changed));
    check(topn_model_save(context, model, path));
    topn_model_free(model);
    check(topn_model_load(context, path, &model)); /* copies of a mapped model share nothing with the file */
    topn_model_free(changed);
    check(topn_model_copy_with_priors(context, model, twos, &changed));
    topn_model_free(model);
    unlink(path);
    score_all(changed, twice);
    for (size_t item = 0; item < ITEMS; item++)
        assert_true(twice[item] == 2 * single[item]);
    assert_string_equal(metadata_of(changed, "priors"), "given");
    check(topn_model_save(context, changed, path));
    check(topn_model_load(context, path, &loaded));
    score_all(loaded, single);
    assert_memory_equal(single, twice, sizeof twice);
    topn_model_free(loaded);
    topn_options *limits;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &limits));
    check(topn_options_set(context, limits, "memory", "100"));
    check(topn_context_apply(context, limits));
    assert_int_equal(topn_model_copy_with_priors(context, changed, ones, &loaded), TOPN_ERROR_MEMORY);
    assert_non_null(strstr(topn_context_message(context), "a copy of the model"));
    check(topn_options_set(context, limits, "memory", "0"));
    check(topn_context_apply(context, limits));
    topn_options_free(limits);
    twos[3] = NAN;
    assert_int_equal(topn_model_copy_with_priors(context, changed, twos, &loaded), TOPN_ERROR_ARGUMENT);
    assert_null(loaded);
    topn_model_free(changed);
    model = train("popularity", NULL);
    assert_int_equal(topn_model_copy_with_priors(context, model, ones, &loaded), TOPN_ERROR_UNSUPPORTED);
    topn_model_free(model);
}

static topn_status export(const topn_model *model, const char *format, const char *table, const char *fold)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_EXPORT, format, &options));
    check(topn_options_set(context, options, "fold-priors", fold));
    const topn_status status = topn_model_export(context, model, table, options, again);
    topn_options_free(options);
    return status;
}

static void test_exports(void **state)
{
    (void)state;
    topn_model *ease = train("ease", NULL), *chol = train("chol", NULL), *popularity = train("popularity", NULL);
    topn_entry entry;
    size_t formats = 0;
    for (; topn_registry_entry(TOPN_KIND_EXPORT, formats, &entry); formats++) {
        check(export(chol, entry.name, "items", "true"));
        check(export(chol, entry.name, "encoder", "false"));
        check(export(ease, entry.name, "encoder", "false"));
        assert_int_equal(export(ease, entry.name, "items", "false"), TOPN_ERROR_UNSUPPORTED);
        assert_int_equal(export(popularity, entry.name, "encoder", "false"), TOPN_ERROR_UNSUPPORTED);
        assert_int_equal(export(chol, entry.name, "encoder", "true"), TOPN_ERROR_OPTION);
        assert_int_equal(export(chol, entry.name, "users", "false"), TOPN_ERROR_ARGUMENT);
    }
    assert_int_equal(formats, 5);
    topn_options *wrong;
    check(topn_options_create(context, TOPN_KIND_METHOD, "ease", &wrong));
    assert_int_equal(topn_model_export(context, chol, "items", wrong, again), TOPN_ERROR_ARGUMENT);
    topn_options_free(wrong);
    assert_int_equal(topn_model_export(context, chol, "items", NULL, again), TOPN_ERROR_ARGUMENT);
    topn_model_free(ease);
    topn_model_free(chol);
    topn_model_free(popularity);
}

static void test_wrong_calls(void **state)
{
    (void)state;
    topn_model *model;
    assert_int_equal(topn_model_save(context, NULL, path), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_load(context, NULL, &model), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_model_load(context, "/nonexistent", &model), TOPN_ERROR_IO);
    assert_null(model);
    model = train("popularity", NULL);
    assert_int_equal(topn_model_save(context, model, "/nonexistent/model"), TOPN_ERROR_IO);
    assert_int_equal(topn_model_save(context, model, "/dev/full"), TOPN_ERROR_IO);
    check(topn_data_save(context, data, path));
    topn_model *loaded;
    assert_int_equal(topn_model_load(context, path, &loaded), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "holds interaction data, not a model"));
    topn_model_free(model);
    topn_model_free(NULL);
    assert_int_equal(topn_model_items(NULL), 0);
    assert_true(isnan(topn_model_prior(NULL, 0)));
    assert_null(topn_model_user_id(NULL, 0));
    assert_int_equal(topn_model_history(NULL, 0, NULL, NULL), 0);
    assert_int_equal(topn_model_user_features(NULL, 0, NULL, NULL), 0);
    assert_false(topn_model_metadata(NULL, 0, NULL, NULL));
    assert_false(topn_model_array(NULL, 0, NULL));
    topn_options *ease;
    check(topn_options_create(context, TOPN_KIND_METHOD, "ease", &ease));
    assert_int_equal(topn_train(context, data, ease, ease, &model), TOPN_ERROR_ARGUMENT);
    assert_null(model);
    topn_options_free(ease);
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || topn_context_create(&context) != TOPN_OK)
        return 1;
    snprintf(path, sizeof path, "%s/model", folder);
    snprintf(again, sizeof again, "%s/again", folder);
    data = make_data(false);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(again);
    topn_data_free(data);
    topn_context_free(context);
    return rmdir(folder); /* fails when a temporary was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_getters), cmocka_unit_test(test_round_trips), cmocka_unit_test(test_weights),
        cmocka_unit_test(test_priors),  cmocka_unit_test(test_exports),     cmocka_unit_test(test_wrong_calls),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
