/* SPDX-License-Identifier: Apache-2.0
 *
 * A cache of a context: the same models with and without, whatever was trained before.
 */
#include <topn/topn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static topn_data *make_data(topn_context *context, uint32_t shift)
{
    enum { USERS = 80, EACH = 12, ITEMS = 40 };
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * EACH];
    topn_data *data;
    for (uint32_t user = 0; user < USERS; user++) {
        indptr[user + 1] = (user + 1) * EACH;
        for (uint32_t at = 0; at < EACH; at++)
            indices[user * EACH + at] = (user * 7 + at * (3 + user % 2 * 2) + shift * (user % 3)) % ITEMS;
    }
    assert_int_equal(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &data), TOPN_OK);
    return data;
}

/* Trains with "name=value" options to a file. */
static void train(topn_context *context, const topn_data *data, const char *method, const char *settings,
                  const char *path)
{
    topn_options *options;
    topn_model *model;
    char copy[256], *next = NULL;
    snprintf(copy, sizeof copy, "%s", settings);
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, method, &options), TOPN_OK);
    for (char *word = strtok_r(copy, " ", &next); word; word = strtok_r(NULL, " ", &next)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        assert_int_equal(topn_options_set(context, options, word, value), TOPN_OK);
    }
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_OK);
    assert_int_equal(topn_model_save(context, model, path), TOPN_OK);
    topn_model_free(model);
    topn_options_free(options);
}

static size_t read_file(const char *path, char *out, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t size = fread(out, 1, capacity, file);
    fclose(file);
    assert_true(size < capacity);
    return size;
}

static void models_are_the_same_with_and_without(void **state)
{
    (void)state;
    static const char *const trainings[][2] = {{"ease", "l2=5"},
                                               {"ease", "l2=5 k=6"},
                                               {"ease", "l2=7"},
                                               {"ease", "l2=7 score-exponent=0.2"},
                                               {"ease", "l2=7 dropout=0.3"},
                                               {"chol", "l2=7 k=5"},
                                               {"chol", "l2=7 k=9"},
                                               {"chol", "l2=7 k=9 order=given"},
                                               {"ease", "l2=7 user-weight-exponent=0.5"},
                                               {"inverse-factor", "l2=7 k=5"},
                                               {"ease", "l2=7 ridge-exponent=0.5"},
                                               {"slim", "l2=7"},
                                               {"ssvd", "l2=7 k=5"},
                                               {"chol", "l2=7 k=0"},
                                               {"sansa", "l2=7 k=5"}};
    static char with[1 << 20], without[1 << 20];
    char folder[] = "/tmp/topn-cache-XXXXXX", path[64];
    topn_context *plain, *cached;
    topn_cache *cache;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model", folder);
    assert_int_equal(topn_context_create(&plain), TOPN_OK);
    assert_int_equal(topn_context_create(&cached), TOPN_OK);
    /* Room for all, for two of the matrices, for none. */
    for (uint64_t bytes = 1; bytes <= 1 << 24; bytes *= 1 << 12) {
        assert_int_equal(topn_cache_create(cached, bytes, &cache), TOPN_OK);
        topn_context_set_cache(cached, cache);
        for (uint32_t shift = 0; shift < 2; shift++) {
            topn_data *data = make_data(plain, shift);
            for (size_t t = 0; t < sizeof trainings / sizeof *trainings; t++) {
                train(plain, data, trainings[t][0], trainings[t][1], path);
                const size_t size = read_file(path, without, sizeof without);
                train(cached, data, trainings[t][0], trainings[t][1], path);
                assert_int_equal(read_file(path, with, sizeof with), size);
                assert_memory_equal(with, without, size);
            }
            topn_data_free(data);
        }
        topn_context_set_cache(cached, NULL);
        topn_cache_free(cache);
    }
    remove(path);
    remove(folder);
    topn_context_free(plain);
    topn_context_free(cached);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models_are_the_same_with_and_without)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
