/* SPDX-License-Identifier: Apache-2.0
 *
 * What every training method must do: this suite reads the registry, so a new method is held to it by being listed.
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

enum { USERS = 90, ITEMS = 40, MOST_EVENTS = USERS * ITEMS, STAGES = 32 };

static topn_context *context;
static char folder[] = "/tmp/topn-api-methods-XXXXXX";

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

static void set_memory(const char *memory)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    check(topn_options_set(context, options, "memory", memory));
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

/* Popular low items and some structure; user 3 and item 7 have no events. */
static topn_data *make_data(uint32_t users, uint32_t items)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[MOST_EVENTS];
    static float values[MOST_EVENTS];
    uint64_t count = 0, state = 99;
    for (uint32_t user = 0; user < users; user++) {
        for (uint32_t item = 0; item < items; item++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            const uint32_t draw = (uint32_t)(state >> 16) % 100;
            if ((users > 3 && user == 3) || (items > 7 && item == 7) || draw >= 50 - item + (user + item) % 4 * 8)
                continue;
            indices[count] = item;
            values[count++] = 1 + (float)(draw % 5);
        }
        indptr[user + 1] = count;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, users, items, indptr, indices, values, &data));
    return data;
}

/* A network is as large as it is told to be, however few the data. */
static void shrink_network(topn_options *options)
{
    static const char *const sizes[][2] = {{"latent", "12"}, {"sweeps", "4"}, {"hidden", "16"}, {"pseudo-inputs", "9"}};
    for (size_t at = 0; topn_options_has(options, "latent") && at < sizeof sizes / sizeof *sizes; at++)
        if (topn_options_has(options, sizes[at][0]))
            check(topn_options_set(context, options, sizes[at][0], sizes[at][1]));
}

/* Trains with the method's defaults, but for sizes that fit small data. */
static topn_status train(const char *method, const topn_data *data, topn_model **out)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    if (topn_options_has(options, "k"))
        check(topn_options_set(context, options, "k", "8"));
    shrink_network(options);
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    /* Watched, the standard size of methods that go over the data many times would take ten minutes. */
    if (topn_options_has(options, "factors") && topn_options_has(options, "sweeps")) {
        check(topn_options_set(context, options, "factors", "16"));
        check(topn_options_set(context, options, "sweeps", "4"));
    }
#endif
    const topn_status status = topn_train(context, data, options, NULL, out);
    topn_options_free(options);
    return status;
}

/* Calls `test` for every method. */
static void for_each_method(void (*test)(const char *method))
{
    topn_entry entry;
    assert_true(topn_registry_count(TOPN_KIND_METHOD) >= 3);
    for (size_t index = 0; topn_registry_entry(TOPN_KIND_METHOD, index, &entry); index++) {
        print_message("             %s\n", entry.name);
        test(entry.name);
    }
}

static size_t read_file(const char *path, char **out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    const size_t size = (size_t)ftell(file);
    rewind(file);
    *out = malloc(size + 1);
    assert_int_equal(fread(*out, 1, size, file), size);
    fclose(file);
    return size;
}

static void path_in_folder(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static void same_file_at_any_thread_count(const char *method)
{
    static const char *const threads[] = {"1", "2", "5"};
    char path[128], *first = NULL;
    size_t first_size = 0;
    topn_data *data = make_data(USERS, ITEMS);
    char before[17];
    snprintf(before, sizeof before, "%s", topn_data_fingerprint(data));
    for (size_t run = 0; run < 3; run++) {
        topn_model *model;
        set_threads(threads[run]);
        check(train(method, data, &model));
        path_in_folder(threads[run], path);
        check(topn_model_save(context, model, path));
        topn_model_free(model);
        char *bytes;
        const size_t size = read_file(path, &bytes);
        unlink(path);
        if (run == 0) {
            first = bytes;
            first_size = size;
            continue;
        }
        assert_int_equal(size, first_size);
        assert_memory_equal(bytes, first, size);
        free(bytes);
    }
    set_threads("0");
    free(first);
    assert_string_equal(before, topn_data_fingerprint(data));
    topn_data_free(data);
}

static void test_threads(void **state)
{
    (void)state;
    for_each_method(same_file_at_any_thread_count);
}

/* Lists of every user, then scores and explanation of the first item: the same after saving and loading. */
static void compare_answers(const topn_model *left, const topn_model *right)
{
    topn_retriever *retrievers[2];
    topn_query *queries[2];
    const topn_model *models[2] = {left, right};
    for (int side = 0; side < 2; side++) {
        check(topn_retriever_create(context, models[side], NULL, &retrievers[side]));
        check(topn_query_create(context, retrievers[side], &queries[side]));
    }
    for (uint32_t user = 0; user < topn_model_users(left); user++) {
        uint32_t items[2][ITEMS];
        float scores[2][ITEMS], parts[ITEMS], bias;
        size_t found[2];
        topn_request requests[2] = {0}, request;
        for (int side = 0; side < 2; side++) {
            topn_request *own = &requests[side];
            own->history_length = topn_model_history(models[side], user, &own->history, &own->weights);
            check(topn_recommend(queries[side], own, ITEMS, items[side], scores[side], &found[side]));
        }
        request = requests[0];
        assert_int_equal(found[0], found[1]);
        assert_int_equal(found[0], ITEMS - request.history_length);
        assert_memory_equal(items[0], items[1], found[0] * sizeof(uint32_t));
        assert_memory_equal(scores[0], scores[1], found[0] * sizeof(float));
        for (size_t place = 1; place < found[0]; place++)
            assert_true(scores[0][place - 1] > scores[0][place] ||
                        (scores[0][place - 1] == scores[0][place] && items[0][place - 1] < items[0][place]));
        if (!found[0])
            continue;
        check(topn_explain(queries[0], &request, items[0][0], parts, &bias));
        double sum = bias, size = fabs(bias);
        for (size_t place = 0; place < request.history_length; place++) {
            sum += parts[place];
            size += fabs(parts[place]);
        }
        assert_true(fabs(sum - scores[0][0]) <= 1e-5 * size + 1e-12);
    }
    for (int side = 0; side < 2; side++) {
        topn_query_free(queries[side]);
        topn_retriever_free(retrievers[side]);
    }
}

static void answers_survive_the_file(const char *method)
{
    char path[128];
    topn_data *data = make_data(USERS, ITEMS);
    topn_model *model, *loaded;
    check(train(method, data, &model));
    topn_data_free(data);
    path_in_folder("model", path);
    check(topn_model_save(context, model, path));
    check(topn_model_load(context, path, &loaded));
    compare_answers(model, loaded);
    topn_model_free(model);
    topn_model_free(loaded);
    unlink(path);
}

static void test_answers(void **state)
{
    (void)state;
    for_each_method(answers_survive_the_file);
}

/* Stages seen so far, and the one to cancel at. */
typedef struct stages {
    char names[STAGES][32];
    int count;
    const char *cancel;
} stages;

static bool watch(const topn_progress *progress, void *user_data)
{
    stages *seen = user_data;
    assert_true(progress->done <= progress->total || progress->total == 0);
    if (seen->cancel)
        return strcmp(progress->stage, seen->cancel) != 0;
    for (int i = 0; i < seen->count; i++)
        if (strcmp(seen->names[i], progress->stage) == 0)
            return true;
    assert_true(seen->count < STAGES);
    snprintf(seen->names[seen->count++], sizeof seen->names[0], "%s", progress->stage);
    return true;
}

static void every_stage_can_be_cancelled(const char *method)
{
    topn_data *data = make_data(USERS, ITEMS);
    topn_model *model;
    stages seen = {.count = 0};
    topn_context_set_progress(context, watch, &seen);
    check(train(method, data, &model));
    topn_model_free(model);
    for (int i = 0; i < seen.count; i++) {
        seen.cancel = seen.names[i];
        assert_int_equal(train(method, data, &model), TOPN_ERROR_CANCELLED);
        assert_null(model);
    }
    topn_context_set_progress(context, NULL, NULL);
    topn_data_free(data);
}

static void test_cancel(void **state)
{
    (void)state;
    for_each_method(every_stage_can_be_cancelled);
}

/* Somebody without a history gets every item, with finite scores. */
static void ask_for_nobody(const topn_model *model, uint32_t items)
{
    topn_retriever *retriever;
    topn_query *query;
    float scores[ITEMS];
    uint32_t list[ITEMS];
    size_t found;
    const topn_request nobody = {0};
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_query_create(context, retriever, &query));
    check(topn_recommend(query, &nobody, ITEMS, list, scores, &found));
    assert_int_equal(found, items);
    for (size_t place = 0; place < found; place++)
        assert_true(isfinite(scores[place]));
    topn_query_free(query);
    topn_retriever_free(retriever);
}

/* Items near each other in a history are what item2vec learns from: without two of them there is nothing. */
static bool lacks_pairs(const char *method, topn_status status)
{
    return strcmp(method, "item2vec") == 0 && status == TOPN_ERROR_DATA &&
           strstr(topn_context_message(context), "no history has two items");
}

/* One user, one item, few of both: an answer, or a clear error where there is no event. */
static void small_data_are_served(const char *method)
{
    static const uint32_t sizes[][2] = {{1, 1}, {1, 5}, {5, 1}, {2, 2}, {6, 12}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        topn_data *data = make_data(sizes[i][0], sizes[i][1]);
        topn_model *model;
        const topn_status status = train(method, data, &model);
        if (topn_data_events(data) == 0) {
            assert_int_equal(status, TOPN_ERROR_DATA);
        } else if (!lacks_pairs(method, status)) {
            check(status);
            ask_for_nobody(model, sizes[i][1]);
        }
        topn_model_free(model);
        topn_data_free(data);
    }
}

static void test_small(void **state)
{
    (void)state;
    for_each_method(small_data_are_served);
}

static void cost_is_stated_and_kept_to(const char *method)
{
    topn_data *data = make_data(USERS, ITEMS);
    topn_options *options;
    topn_cost cost;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    check(topn_train_cost(context, data, options, &cost));
    assert_true(cost.peak_bytes > 0 && cost.available_bytes > cost.peak_bytes && cost.flops > 0);
    set_memory("1");
    assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_ERROR_MEMORY);
    assert_null(model);
    assert_non_null(strstr(topn_context_message(context), "1 B"));
    set_memory("0");
    topn_options_free(options);
    topn_data_free(data);
}

/* Every user holds item 0, items 2 and 3 always come together, item 5 never: with a ridge that is data like any other;
 * without one the Gram matrix is singular, and the answer is finite scores or a message that names the option. */
static void awkward_data_are_served(const char *method)
{
    static const uint64_t indptr[] = {0, 3, 6, 8, 9, 12, 15};
    static const uint32_t indices[] = {0, 2, 3, 0, 2, 3, 0, 1, 0, 0, 1, 4, 0, 2, 3};
    topn_data *data;
    check(topn_data_copy_csr(context, 6, 6, indptr, indices, NULL, &data));
    for (int ridge = 0; ridge < 2; ridge++) {
        topn_options *options;
        topn_model *model;
        check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
        if (!ridge && topn_options_has(options, "l2"))
            check(topn_options_set(context, options, "l2", "0"));
        shrink_network(options);
        const topn_status status = topn_train(context, data, options, NULL, &model);
        if (status == TOPN_OK) {
            ask_for_nobody(model, 6);
        } else {
            assert_int_equal(ridge, 0);
            assert_true(status == TOPN_ERROR_NUMERIC || status == TOPN_ERROR_OPTION || status == TOPN_ERROR_DATA);
            assert_non_null(strstr(topn_context_message(context), "l2"));
            assert_null(model);
        }
        topn_options_free(options);
        topn_model_free(model);
    }
    topn_data_free(data);
}

static void test_awkward(void **state)
{
    (void)state;
    for_each_method(awkward_data_are_served);
}

static void test_cost(void **state)
{
    (void)state;
    for_each_method(cost_is_stated_and_kept_to);
}

static void options_are_recorded(const char *method)
{
    topn_data *data = make_data(USERS, ITEMS);
    topn_model *model;
    topn_options *options;
    topn_option_info info;
    check(train(method, data, &model));
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    for (size_t option = 0; topn_options_info(options, option, &info); option++) {
        char wanted[96];
        const char *key, *value;
        bool recorded = false;
        if (strncmp(info.name, "checkpoint", 10) == 0 || strcmp(info.name, "resume") == 0)
            continue; /* where progress is kept is none of the model's business */
        snprintf(wanted, sizeof wanted, "option.%s", info.name);
        for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
            recorded |= strcmp(key, wanted) == 0;
        assert_true(recorded);
    }
    topn_options_free(options);
    topn_model_free(model);
    topn_data_free(data);
}

static void test_options(void **state)
{
    (void)state;
    for_each_method(options_are_recorded);
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
        cmocka_unit_test(test_threads), cmocka_unit_test(test_answers), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_small),   cmocka_unit_test(test_cost),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_awkward),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
