/* SPDX-License-Identifier: Apache-2.0
 *
 * Presets are `sgd` with other defaults, and options of sampled training that contradict each other are refused.
 */
#include <string.h>

#include "made_data.h"
#include "train/sampled/trainer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

static topn_context *context;

static const char *default_of(const char *owner, const char *option)
{
    static char text[64];
    topn_options *options;
    topn_option_info info;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, owner, &options), TOPN_OK);
    strcpy(text, "none such");
    for (size_t index = 0; topn_options_info(options, index, &info); index++)
        if (strcmp(info.name, option) == 0) {
            snprintf(text, sizeof text, "%s", info.default_text);
            assert_string_equal(topn_options_get(options, option), text); /* told and filled in alike */
            assert_false(info.is_set);
        }
    topn_options_free(options);
    return text;
}

static void test_presets(void **state)
{
    (void)state;
    assert_string_equal(default_of("sgd", "sampler"), "uniform");
    assert_string_equal(default_of("warp", "sampler"), "warp");
    assert_string_equal(default_of("warp", "rank-weight"), "reciprocal");
    assert_string_equal(default_of("softmax", "loss"), "softmax");
    assert_string_equal(default_of("fism", "model"), "fism");
    assert_string_equal(default_of("sgd", "model"), "mf");
    assert_string_equal(default_of("sampled-softmax", "shared-negatives"), "true");
    assert_string_equal(default_of("sampled-softmax", "factors"), "64");
}

/* A default of an option that is not there, and one out of bounds, are errors of the table. */
static void test_bad_defaults(void **state)
{
    typedef struct params {
        int64_t k;
    } params;
    static const option_row rows[] = {OPTION_INTEGER(params, k, "k", 3, 0, 9, "a number")};
    static const option_default unknown[] = {{"q", "1"}}, outside[] = {{"k", "10"}}, good[] = {{"k", "7"}};
    static const struct {
        const option_default *defaults;
        topn_status status;
    } cases[] = {{unknown, TOPN_ERROR_INTERNAL}, {outside, TOPN_ERROR_INTERNAL}, {good, TOPN_OK}};
    (void)state;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        const option_table table = {.rows = rows,
                                    .count = 1,
                                    .params_size = sizeof(params),
                                    .defaults = cases[at].defaults,
                                    .default_count = 1};
        topn_options *options;
        assert_int_equal(options_new(context, TOPN_KIND_METHOD, "made", &table, &options), cases[at].status);
        if (options)
            assert_int_equal(((const params *)options_params(options, &table))->k, 7);
        topn_options_free(options);
    }
}

/* "name=value name=value …" */
static topn_options *made_options(const char *list)
{
    char copy[256], *rest = copy;
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "sgd", &options), TOPN_OK);
    snprintf(copy, sizeof copy, "%s", list);
    for (char *pair = strtok_r(rest, " ", &rest); pair; pair = strtok_r(rest, " ", &rest)) {
        char *value = strchr(pair, '=');
        *value++ = '\0';
        assert_int_equal(topn_options_set(context, options, pair, value), TOPN_OK);
    }
    return options;
}

static void test_contradictions(void **state)
{
    static const struct {
        const char *options, *named; /* NULL: they go together */
    } cases[] = {
        {"loss=softmax surrogate=hinge", "--surrogate hinge"},
        {"loss=softmax surrogate=auto", NULL},
        {"temperature=0.5", NULL},
        {"cosine=true", NULL},
        {"cosine=true biases=true", "--cosine"},
        {"cosine=true model=fm", "--cosine"},
        {"loss=softmax temperature=0.5", NULL},
        {"loss=pointwise rank-weight=step", "--rank-weight step"},
        {"loss=pairwise rank-weight=step", NULL},
        {"rank-weight=linear shared-negatives=true", "--rank-weight linear"},
        {"correction=log-q", "--correction log-q"},
        {"loss=pointwise sampler=warp", "--sampler warp"},
        {"sampler=warp", NULL},
        {"sampler=warp shared-negatives=true", "--shared-negatives"},
        {"loss=softmax sampler=in-batch", NULL},
        {"batch=4194304 negatives=1048576", "--negatives 1048576"},
    };
    (void)state;
    topn_data *data = made_random_data(9, 7, false, 3);
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        topn_options *options = made_options(cases[at].options);
        const topn_status status = sampled_check(context, data, options_params(options, &sampled_option_table));
        assert_int_equal(status, cases[at].named ? TOPN_ERROR_OPTION : TOPN_OK);
        if (cases[at].named)
            assert_non_null(strstr(topn_context_message(context), cases[at].named));
        topn_options_free(options);
    }
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_bad_defaults),
        cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
