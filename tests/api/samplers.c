/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampled training with every sampler, alone and shared by a batch: same bits at any number of threads, finite loss
 * without any order of threads, and a line for what cannot be.
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

enum { USERS = 70, ITEMS = 30, MOST_OPTIONS = 8 };

static topn_context *context;
static char path[] = "/tmp/topn-api-samplers-XXXXXX";

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

/* Weights 1 to 5; user 1 took everything but the last item, user 2 everything, user 3 nothing, item 7 nobody's. */
static topn_data *make_data(void)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * ITEMS];
    static float values[USERS * ITEMS];
    uint64_t count = 0, state = 7;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++) {
            state = (state * 1103515245 + 12345) % (UINT64_C(1) << 31);
            const uint32_t draw = (uint32_t)(state >> 16) % 100;
            const bool takes = user == 1 ? item + 1 < ITEMS : user == 2 || (item != 7 && draw < 45 - item);
            if (user == 3 || !takes)
                continue;
            indices[count] = item;
            values[count++] = user == 1 || user == 2 ? 5 : 1 + (float)(draw % 5);
        }
        indptr[user + 1] = count;
    }
    topn_data *data;
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, values, &data));
    return data;
}

/* "name value name value …" */
static topn_status train(const topn_data *data, const char *text, topn_model **out)
{
    char copy[256];
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_METHOD, "sgd", &options));
    check(topn_options_set(context, options, "sweeps", "2"));
    check(topn_options_set(context, options, "factors", "6"));
    check(topn_options_set(context, options, "batch", "100"));
    snprintf(copy, sizeof copy, "%s", text);
    for (char *name = strtok(copy, " "); name != NULL; name = strtok(NULL, " "))
        check(topn_options_set(context, options, name, strtok(NULL, " ")));
    const topn_status status = topn_train(context, data, options, NULL, out);
    topn_options_free(options);
    return status;
}

static size_t read_all(char **out)
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

static size_t saved(const topn_model *model, char **out)
{
    check(topn_model_save(context, model, path));
    return read_all(out);
}

/* Of a table, without the options that the file of a model notes. */
static size_t exported(const topn_model *model, const char *table, char **out)
{
    topn_options *options;
    check(topn_options_create(context, TOPN_KIND_EXPORT, "csv", &options));
    check(topn_model_export(context, model, table, options, path));
    topn_options_free(options);
    return read_all(out);
}

static const char *const trained[] = {
    "sampler uniform loss pairwise",
    "sampler uniform loss softmax negatives 5 exclude history",
    "sampler uniform loss pointwise shared-negatives true negatives 9 dislike-below 3",
    "sampler popularity loss softmax negatives 5",
    "sampler popularity loss pairwise popularity-exponent 0",
    "sampler popularity loss softmax shared-negatives true negatives 9 model fism",
    "sampler warp rank-weight reciprocal",
    "sampler adaptive loss pairwise biases true",
    "sampler kernel loss softmax negatives 4",
    "sampler fourier loss softmax negatives 4",
    "sampler in-batch loss softmax",
    "sampler in-batch loss pointwise dislike-below 3 batch 2",
    "sampler all loss softmax biases true",
    "sampler all loss pointwise surrogate square",
    "sampler two-pass candidates 10",
    "sampler two-pass candidates 10 shared-candidates true negatives 3",
    "sampler two-pass candidates 0 negatives 3 loss softmax model average",
    "sampler two-pass candidates 10 candidates-from mixture mixture adaptive:1,popularity:1",
    "sampler mixture negatives 3 loss softmax",
    "sampler mixture mixture disliked:1,uniform:2 dislike-below 3",
    "sampler mixture mixture kernel:1,uniform:1 loss softmax negatives 3",
    "sampler mixture mixture in-batch:1,uniform:1 loss softmax negatives 40",
    "sampler mixture shared-negatives true loss softmax negatives 8",
    "sampler disliked dislike-below 4 loss pairwise",
};
enum { TRAINED = sizeof trained / sizeof *trained };

static void bits_do_not_depend_on_threads(void **unused)
{
    static const char *const threads[] = {"1", "3"};
    (void)unused;
    topn_data *data = make_data();
    for (size_t at = 0; at < TRAINED; at++) {
        char *first = NULL;
        size_t first_size = 0;
        print_message("             %s\n", trained[at]);
        for (size_t run = 0; run < 2; run++) {
            topn_model *model;
            char *bytes;
            set_threads(threads[run]);
            check(train(data, trained[at], &model));
            const size_t size = saved(model, &bytes);
            topn_model_free(model);
            if (run == 0) {
                first = bytes;
                first_size = size;
                continue;
            }
            assert_int_equal(size, first_size);
            assert_memory_equal(bytes, first, size);
            free(bytes);
        }
        free(first);
    }
    set_threads("0");
    topn_data_free(data);
}

/* Each sampler of the table is tried above. */
static void none_is_left_out(void **unused)
{
    char wanted[64];
    topn_options *options;
    topn_option_info info;
    (void)unused;
    check(topn_options_create(context, TOPN_KIND_METHOD, "sgd", &options));
    for (size_t row = 0; topn_options_info(options, row, &info); row++) {
        if (strcmp(info.name, "sampler") != 0)
            continue;
        char choices[256];
        snprintf(choices, sizeof choices, "%s", info.bounds);
        for (char *name = strtok(choices, "|"); name != NULL; name = strtok(NULL, "|")) {
            bool tried = false;
            snprintf(wanted, sizeof wanted, "sampler %s ", name);
            for (size_t at = 0; at < TRAINED; at++) {
                char spaced[300];
                snprintf(spaced, sizeof spaced, "%s ", trained[at]);
                tried = tried || strstr(spaced, wanted) != NULL;
            }
            if (!tried)
                fail_msg("no training with --sampler %s", name);
        }
    }
    topn_options_free(options);
}

static void hogwild_takes_all_samplers(void **unused)
{
    (void)unused;
    topn_data *data = make_data();
    set_threads("3");
    for (size_t at = 0; at < TRAINED; at++) {
        char text[256];
        topn_model *model;
        snprintf(text, sizeof text, "%s hogwild true", trained[at]);
        check(train(data, text, &model)); /* which checks that everything is finite */
        topn_model_free(model);
    }
    set_threads("0");
    topn_data_free(data);
}

/* What --hogwild leaves out is the order of threads alone: one of them, with batches of one, has the bits of the
 * reproducible mode. */
static void hogwild_of_one_thread_is_reproducible(void **unused)
{
    static const char *const options[] = {
        "loss pairwise batch 1", "loss pairwise batch 1 biases true optimizer adam clip 0.3",
        "loss softmax batch 1 negatives 7 sampler popularity optimizer adagrad", "loss pairwise batch 1 sampler warp"};
    (void)unused;
    topn_data *data = make_data();
    set_threads("1");
    for (size_t at = 0; at < sizeof options / sizeof *options; at++) {
        char text[256], *bytes[2];
        size_t sizes[2];
        for (int hogwild = 0; hogwild < 2; hogwild++) {
            topn_model *model;
            snprintf(text, sizeof text, "%s hogwild %s", options[at], hogwild ? "true" : "false");
            check(train(data, text, &model));
            sizes[hogwild] = exported(model, "items", &bytes[hogwild]);
            topn_model_free(model);
        }
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(bytes[0], bytes[1], sizes[0]);
        free(bytes[0]);
        free(bytes[1]);
    }
    set_threads("0");
    topn_data_free(data);
}

static void wrong_combinations_are_refused(void **unused)
{
    static const struct {
        const char *options, *says, *right;
    } wrong[] = {
        {"sampler disliked", "no event is a dislike", "--dislike-below"},
        {"sampler mixture mixture disliked:1,in-batch:1 dislike-below 3", "in-batch", "take one of them"},
        {"sampler mixture mixture disliked:1,uniform:1 dislike-below 3 shared-negatives true", "--shared-negatives",
         "uniform or popularity"},
        {"sampler mixture mixture uniform:1;popularity:1", "\"1;popularity:1\" is no weight of uniform", "commas"},
        {"sampler mixture mixture unifrom:1", "unifrom", "did you mean uniform"},
        {"sampler two-pass shared-negatives true", "--shared-negatives", "uniform or popularity"},
        {"sampler two-pass candidates 5 candidates-from warp", "warp", "uniform or popularity"},
        {"sampler two-pass candidates 5 candidates-from adaptive shared-candidates true", "adaptive",
         "--shared-candidates"},
        {"sampler two-pass loss softmax correction log-q", "two-pass", "--correction none"},
    };
    (void)unused;
    topn_data *data = make_data();
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        topn_model *model;
        const topn_status status = train(data, wrong[at].options, &model);
        const char *said = topn_context_message(context);
        if (status == TOPN_OK || model != NULL || !strstr(said, wrong[at].says) || !strstr(said, wrong[at].right))
            fail_msg("%s: %s", wrong[at].options, said);
    }
    topn_data_free(data);
}

static int setup(void **unused)
{
    (void)unused;
    const int file = mkstemp(path);
    return file < 0 || close(file) != 0 || topn_context_create(&context) != TOPN_OK;
}

static int teardown(void **unused)
{
    (void)unused;
    topn_context_free(context);
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_do_not_depend_on_threads),  cmocka_unit_test(none_is_left_out),
        cmocka_unit_test(hogwild_takes_all_samplers),     cmocka_unit_test(hogwild_of_one_thread_is_reproducible),
        cmocka_unit_test(wrong_combinations_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
