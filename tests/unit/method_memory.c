/* SPDX-License-Identifier: Apache-2.0
 *
 * Every method with every allocation failing in turn: TOPN_ERROR_MEMORY, no model, nothing leaked (the sanitizers
 * look), and the next training is as if nothing had happened.
 */
#include "made_data.h"
#include "train/method.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 14, ITEMS = 9, MOST_ALLOCATIONS = 2000 };

static topn_data *small_data(void)
{
    uint32_t pairs[USERS * ITEMS][2];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            if ((user * 7 + item * 5 + user * item) % 10 < 6 - item / 2) {
                pairs[count][0] = user;
                pairs[count++][1] = item;
            }
    return made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
}

static topn_options *small_options(topn_context *context, const char *name)
{
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, name, &options), TOPN_OK);
    if (topn_options_has(options, "k"))
        assert_int_equal(topn_options_set(context, options, "k", "3"), TOPN_OK);
    /* What fails does so at any size; the larger ones would take minutes under a sanitizer. */
    static const char *const small[][2] = {{"sweeps", "2"}, {"factors", "3"},   {"latent", "3"},       {"hidden", "4"},
                                           {"batch", "8"},  {"negatives", "2"}, {"pseudo-inputs", "3"}};
    for (size_t index = 0; index < sizeof small / sizeof *small && method_find(name)->train_iterated; index++)
        if (topn_options_has(options, small[index][0]))
            assert_int_equal(topn_options_set(context, options, small[index][0], small[index][1]), TOPN_OK);
    return options;
}

/* The allocation number `at` fails. */
static topn_status train_failing(topn_context *context, const topn_data *data, const topn_options *options,
                                 const topn_training *training, uint64_t at)
{
    topn_model *model = (topn_model *)context; /* must become NULL */
    memory_fail_after(at);
    const topn_status status = topn_train_validated(context, data, options, training, &model);
    memory_fail_after(0);
    assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
    assert_int_equal(status == TOPN_OK, model != NULL);
    topn_model_free(model);
    return status;
}

static void fail_in_turn(topn_context *context, const topn_data *data, const topn_options *options,
                         const topn_training *training, const char *name)
{
    uint64_t at = 1;
    while (train_failing(context, data, options, training, at) != TOPN_OK) {
        at++;
        assert_true(at < MOST_ALLOCATIONS);
    }
    print_message("             %s: %u allocations\n", name, (unsigned)at - 1);
    assert_true(at > 3);
}

static void test_failing_allocations(void **state)
{
    topn_context *context = *state;
    topn_data *data = small_data();
    const method *tested;
    for (size_t index = 0; (tested = method_at(index)); index++) {
        topn_options *options = small_options(context, tested->name);
        const topn_training nothing = {0};
        const topn_training validated = {.validation_seen = data, .validation_hidden = data, .metric = "auc"};
        fail_in_turn(context, data, options, &nothing, tested->name);
        if (tested->train_iterated)
            fail_in_turn(context, data, options, &validated, "the same with validation");
        topn_options_free(options);
    }
    topn_data_free(data);
}

/* The same of pruning, in a mode and from a table of either form. */
static void prune_failing(topn_context *context, const topn_model *model, topn_prune_mode mode)
{
    topn_status status = TOPN_ERROR_MEMORY;
    for (uint64_t at = 1; status != TOPN_OK; at++) {
        topn_model *pruned = (topn_model *)context; /* must become NULL */
        memory_fail_after(at);
        status = topn_model_prune(context, model, 2, mode, &pruned);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
        assert_int_equal(status == TOPN_OK, pruned != NULL);
        assert_true(at < MOST_ALLOCATIONS);
        topn_model_free(pruned);
    }
}

static void test_pruning(void **state)
{
    topn_context *context = *state;
    topn_data *data = small_data();
    for (int sparse = 0; sparse < 2; sparse++) {
        topn_options *options;
        topn_model *model;
        assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "ease", &options), TOPN_OK);
        assert_int_equal(topn_options_set(context, options, "k", sparse ? "4" : "0"), TOPN_OK);
        assert_int_equal(topn_train(context, data, options, NULL, &model), TOPN_OK);
        for (int mode = TOPN_PRUNE_ROW; mode <= TOPN_PRUNE_ITEM; mode++)
            prune_failing(context, model, (topn_prune_mode)mode);
        topn_model_free(model);
        topn_options_free(options);
    }
    topn_data_free(data);
}

static int setup(void **state)
{
    return topn_context_create((topn_context **)state) != TOPN_OK;
}

static int teardown(void **state)
{
    topn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failing_allocations), cmocka_unit_test(test_pruning)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
