/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in use: what is refused, what a generation holds, and swaps and rollbacks under threads that go on asking.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/models.h"
#include <topn/topn.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS = 30, READERS = 4, SWAPS = 50, FEW = 7, MANY = 12 };

static topn_context *context;
static char folder[] = "/tmp/topn-server-models-XXXXXX";
static char few[64], many[64], broken[64], place[64], missing[64]; /* paths of models */
static char why[512];

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Item i has the users u ≥ i: item 0 is the most popular, and so on. */
static void write_model(const char *method, uint32_t items, const char *path)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * MANY];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < items && item <= user; item++)
            indices[count++] = items - 1 - item;
        indptr[user + 1] = count;
    }
    topn_data *data;
    topn_options *options;
    topn_model *model;
    check(topn_data_copy_csr(context, USERS, items, indptr, indices, NULL, &data));
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    check(topn_train(context, data, options, NULL, &model));
    check(topn_model_save(context, model, path));
    topn_model_free(model);
    topn_options_free(options);
    topn_data_free(data);
}

static void copy_file(const char *from, const char *to, long damaged)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (long at = 0;; at++) {
        const int byte = getc(in);
        if (byte == EOF)
            break;
        putc(at == damaged ? byte ^ 1 : byte, out);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(few, sizeof few, "%s/few", folder);
    snprintf(many, sizeof many, "%s/many", folder);
    snprintf(broken, sizeof broken, "%s/broken", folder);
    snprintf(place, sizeof place, "%s/place", folder);
    snprintf(missing, sizeof missing, "%s/missing", folder);
    check(topn_context_create(&context));
    write_model("ease", FEW, few);
    write_model("popularity", MANY, many);
    FILE *file = fopen(few, "rb");
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    fclose(file);
    copy_file(few, broken, size - 3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    const char *const paths[] = {few, many, broken, place};
    for (size_t i = 0; i < 4; i++)
        unlink(paths[i]);
    topn_context_free(context);
    return rmdir(folder);
}

static models *open_models(const char *path, const char *retriever)
{
    models *made;
    if (!models_open(path, retriever, &made, why, sizeof why))
        fail_msg("%s", why);
    return made;
}

static void test_what_a_generation_holds(void **state)
{
    (void)state;
    models *in_use = open_models(few, "exact");
    generation *now = models_acquire(in_use);
    assert_int_equal(now->number, 1);
    assert_int_equal(strncmp(now->version, "ease-", 5), 0);
    assert_int_equal(strlen(now->version), 5 + 16);
    assert_string_equal(now->path, few);
    assert_string_equal(now->note, "");
    assert_string_equal(generation_metadata(now, "method"), "ease");
    assert_null(generation_metadata(now, "no such entry"));
    assert_true(now->popular_known);
    for (uint32_t item = 0; item < FEW; item++)
        assert_int_equal(now->popular[item], FEW - 1 - item);
    generation_release(now);
    models_close(in_use);
}

static void test_versions_follow_the_contents(void **state)
{
    (void)state;
    char version[MODEL_VERSION];
    models *in_use = open_models(few, "exact");
    generation *now = models_acquire(in_use);
    strcpy(version, now->version);
    generation_release(now);
    copy_file(few, place, -1);
    assert_true(models_swap(in_use, place, why, sizeof why));
    now = models_acquire(in_use);
    assert_string_equal(now->version, version);
    assert_int_equal(now->number, 2);
    generation_release(now);
    assert_true(models_swap(in_use, many, why, sizeof why));
    now = models_acquire(in_use);
    assert_string_not_equal(now->version, version);
    generation_release(now);
    models_close(in_use);
}

static void test_bad_files_are_refused_by_name(void **state)
{
    (void)state;
    const char *const bad[] = {broken, missing};
    models *in_use;
    for (size_t i = 0; i < 2; i++) {
        assert_false(models_open(bad[i], "exact", &in_use, why, sizeof why));
        assert_null(in_use);
        assert_non_null(strstr(why, bad[i]));
        assert_null(strchr(why, '\n'));
    }
    assert_false(models_open(few, "exat", &in_use, why, sizeof why));
    assert_non_null(strstr(why, "exat"));

    in_use = open_models(few, "exact");
    for (size_t i = 0; i < 2; i++) {
        why[0] = '\0';
        assert_false(models_swap(in_use, bad[i], why, sizeof why));
        assert_non_null(strstr(why, bad[i]));
    }
    generation *now = models_acquire(in_use);
    assert_int_equal(now->number, 1);
    assert_string_equal(now->path, few);
    generation_release(now);
    const models_counts counts = models_read_counts(in_use);
    assert_int_equal(counts.refused, 2);
    assert_int_equal(counts.swaps, 0);
    assert_false(models_rollback(in_use, why, sizeof why)); /* a refused swap leaves nothing to go back from */
    models_close(in_use);
}

static void assert_in_use(models *in_use, const char *path, uint64_t number)
{
    generation *now = models_acquire(in_use);
    assert_string_equal(now->path, path);
    assert_int_equal(now->number, number);
    generation_release(now);
}

static void test_rollback(void **state)
{
    (void)state;
    models *in_use = open_models(few, "exact");
    assert_false(models_rollback(in_use, why, sizeof why));
    assert_non_null(strstr(why, "no model before"));
    assert_true(models_swap(in_use, many, why, sizeof why));
    assert_in_use(in_use, many, 2);
    assert_true(models_rollback(in_use, why, sizeof why));
    assert_in_use(in_use, few, 1);
    assert_true(models_rollback(in_use, why, sizeof why));
    assert_in_use(in_use, many, 2);
    assert_true(models_swap(in_use, few, why, sizeof why));
    assert_in_use(in_use, few, 3);
    assert_int_equal(models_read_counts(in_use).rollbacks, 2);
    models_close(in_use);
}

/* One that is held outlives its swap, the swap after, and the models themselves. */
static void test_a_reference_keeps_a_generation(void **state)
{
    (void)state;
    models *in_use = open_models(few, "exact");
    generation *held = models_acquire(in_use);
    assert_true(models_swap(in_use, many, why, sizeof why));
    assert_true(models_swap(in_use, many, why, sizeof why));
    models_close(in_use);
    assert_int_equal(topn_model_items(held->model), FEW);
    assert_string_equal(generation_metadata(held, "method"), "ease");
    generation_release(held);
}

struct reader {
    models *in_use;
    atomic_bool *stop;
    uint64_t answers, generations;
};

static void *ask(void *argument)
{
    struct reader *reader = argument;
    topn_context *own;
    uint64_t last = 0;
    if (topn_context_create(&own) != TOPN_OK)
        return NULL;
    while (!atomic_load(reader->stop)) {
        generation *now = models_acquire(reader->in_use);
        const uint32_t items = topn_model_items(now->model), history = 1;
        const topn_request request = {.history = &history, .history_length = 1};
        topn_query *query;
        uint32_t best[MANY];
        float scores[MANY];
        size_t found = 0;
        const bool whole = (items == FEW) == (strcmp(now->path, few) == 0) && now->popular[0] == items - 1 &&
                           topn_query_create(own, now->retriever, &query) == TOPN_OK;
        if (whole && topn_recommend(query, &request, items, best, scores, &found) == TOPN_OK && found == items - 1)
            reader->answers++;
        else
            atomic_store(reader->stop, true);
        if (whole)
            topn_query_free(query);
        reader->generations += now->number != last;
        last = now->number;
        generation_release(now);
    }
    topn_context_free(own);
    return NULL;
}

static void test_swaps_disturb_nobody(void **state)
{
    (void)state;
    models *in_use = open_models(few, "exact");
    atomic_bool stop = false;
    struct reader readers[READERS];
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.in_use = in_use, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &readers[i]), 0);
    }
    for (int swap = 0; swap < SWAPS && !atomic_load(&stop); swap++) {
        assert_true(models_swap(in_use, swap % 2 ? few : many, why, sizeof why));
        if (swap % 5 == 0)
            assert_true(models_rollback(in_use, why, sizeof why));
        if (swap % 7 == 0)
            assert_false(models_swap(in_use, broken, why, sizeof why));
    }
    const bool all_answered = !atomic_exchange(&stop, true);
    uint64_t generations = 0;
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        generations += readers[i].generations;
    }
    assert_true(all_answered);
    assert_true(generations > 1);
    assert_int_equal(models_read_counts(in_use).swaps, SWAPS);
    models_close(in_use);
}

/* A file put in place by rename while models load from there: each generation is one file or the other. */
static void *rename_forever(void *argument)
{
    char next[80];
    snprintf(next, sizeof next, "%s.next", place);
    for (int i = 0; !atomic_load((atomic_bool *)argument); i++) {
        copy_file(i % 2 ? few : many, next, -1);
        if (rename(next, place) != 0)
            break;
    }
    unlink(next);
    return NULL;
}

static void test_a_file_that_is_replaced_meanwhile(void **state)
{
    (void)state;
    char versions[2][MODEL_VERSION];
    models *in_use = open_models(few, "exact");
    generation *now = models_acquire(in_use);
    strcpy(versions[0], now->version);
    generation_release(now);
    assert_true(models_swap(in_use, many, why, sizeof why));
    now = models_acquire(in_use);
    strcpy(versions[1], now->version);
    generation_release(now);

    copy_file(few, place, -1);
    atomic_bool stop = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, rename_forever, &stop), 0);
    for (int swap = 0; swap < SWAPS; swap++) {
        if (!models_swap(in_use, place, why, sizeof why)) {
            assert_non_null(strstr(why, "changed while it was read"));
            continue;
        }
        now = models_acquire(in_use);
        assert_string_equal(now->version, versions[topn_model_items(now->model) == MANY]);
        generation_release(now);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    models_close(in_use);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_generation_holds),           cmocka_unit_test(test_versions_follow_the_contents),
        cmocka_unit_test(test_bad_files_are_refused_by_name),     cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_a_reference_keeps_a_generation),    cmocka_unit_test(test_swaps_disturb_nobody),
        cmocka_unit_test(test_a_file_that_is_replaced_meanwhile),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
