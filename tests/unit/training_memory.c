/* SPDX-License-Identifier: Apache-2.0
 *
 * What sampled training says that it will take against what it holds: in use, as the C library counts it, whenever
 * progress is reported (everything that sweeps work in is there) and when the model is made.
 */
#include <malloc.h>

#include "base/option_table.h"
#include "context_data.h"
#include "model/item_facts.h"
#include "train/method.h"
#include "train/sampled/trainer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 200, ITEMS = 150, FEATURES = 30 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTED = false }; /* the sanitizers' allocators are not asked */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
enum { COUNTED = false };
#else
enum { COUNTED = true };
#endif
#else
enum { COUNTED = true };
#endif

static uint64_t in_use(void)
{
    const struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

static bool look(const topn_progress *progress, void *most)
{
    (void)progress;
    const uint64_t now = in_use();
    if (now > *(uint64_t *)most)
        *(uint64_t *)most = now;
    return true;
}

static topn_data *featured_data(void)
{
    static unsigned contexts[USERS], indptr[USERS + 1], items[USERS * ITEMS];
    static double user_features[USERS * FEATURES], item_features[ITEMS * FEATURES];
    for (uint32_t user = 0; user < USERS; user++) {
        contexts[user] = user;
        indptr[user + 1] = indptr[user];
        for (uint32_t item = 0; item < ITEMS; item++)
            if (random_uniform(5, RANDOM_DOCTOR, user * ITEMS + item) < (user == 0 ? 0.9 : 0.1))
                items[indptr[user + 1]++] = item;
    }
    for (uint32_t at = 0; at < USERS * FEATURES; at++)
        user_features[at] = random_below(5, RANDOM_LANCZOS, at, 8) == 0;
    for (uint32_t at = 0; at < ITEMS * FEATURES; at++)
        item_features[at] = random_below(6, RANDOM_LANCZOS, at, at < FEATURES ? 1 : 8) == 0;
    const context_arrays arrays = {
        .users = USERS,
        .items = ITEMS,
        .context_count = USERS,
        .contexts = contexts,
        .indptr = indptr,
        .event_items = items,
        .user_features = user_features,
        .item_features = item_features,
        .user_feature_count = FEATURES,
        .item_feature_count = FEATURES,
    };
    return context_data(&arrays);
}

static void compare(topn_context *context, const topn_data *data, const char *name, const char *extra)
{
    topn_options *options;
    topn_model *model;
    uint64_t most = 0;
    char *end, words[200], *word = words;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, name, &options), TOPN_OK);
    snprintf(words, sizeof words, "sweeps=1 factors=16 batch=256 %s", extra);
    for (; (word = strtok_r(word, " ", &end)); word = NULL) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (topn_options_set(context, options, word, value) != TOPN_OK)
            fail_msg("%s", topn_context_message(context));
    }
    const method *tested = method_find(name);
    const uint64_t predicted =
        tested->cost(data, options_params(options, tested->options)).bytes + item_facts_bytes(data);
    const uint64_t before = in_use();
    topn_context_set_progress(context, look, &most);
    if (topn_train(context, data, options, NULL, &model) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    look(NULL, &most);
    topn_context_set_progress(context, NULL, NULL);
    const uint64_t held = most - before;
    if (held > predicted || predicted > 3 * held) /* the larger of two ways of drawing is counted */
        fail_msg("%s %s: holds %u bytes, %u were predicted", name, extra, (unsigned)held, (unsigned)predicted);
    topn_model_free(model);
    topn_options_free(options);
}

static void test_predictions_hold(void **state)
{
    topn_context *context = *state;
    if (!COUNTED) {
        print_message("skipped: a sanitizer's allocator does not say what is in use\n");
        skip();
    }
    topn_data *plain = made_random_data(USERS, ITEMS, true, 5), *featured = featured_data();
    const method *tested;
    for (size_t index = 0; (tested = method_at(index)); index++)
        if (tested->train_iterated == sampled_train) {
            compare(context, plain, tested->name, "");
            if (strcmp(tested->name, "item2vec") != 0)
                compare(context, featured, tested->name, "");
        }
    compare(context, plain, "fism", "order=events");
    compare(context, featured, "two-tower", "user-layers=32,24 item-layers=16 user-ids=true item-ids=false");
    compare(context, featured, "two-tower", "order=events shared-negatives=false negatives=3");
    topn_data_free(plain);
    topn_data_free(featured);
}

static int setup(void **state)
{
    return topn_context_create((topn_context **)state) == TOPN_OK ? 0 : -1; /* as many threads as predictions expect */
}

static int teardown(void **state)
{
    topn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_predictions_hold)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
