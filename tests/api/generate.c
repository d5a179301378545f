/* SPDX-License-Identifier: Apache-2.0
 *
 * Made data through the public header: exact sizes, the same bits again and at any thread count, the promised look, and
 * something to learn in it.
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

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

/* pairs: "name=value name=value" */
static topn_options *make_options(topn_kind kind, const char *entry, const char *pairs)
{
    topn_options *options;
    char text[256], *rest = text;
    check(topn_options_create(context, kind, entry, &options));
    snprintf(text, sizeof text, "%s", pairs);
    for (char *pair = strtok_r(text, " ", &rest); pair; pair = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(pair, '=');
        *equals = '\0';
        check(topn_options_set(context, options, pair, equals + 1));
    }
    return options;
}

static topn_status try_generate(const char *pairs, topn_data **out)
{
    topn_options *options = make_options(TOPN_KIND_GENERATOR, "generator", pairs);
    const topn_status status = topn_data_generate(context, options, out);
    topn_options_free(options);
    return status;
}

static topn_data *generate(const char *pairs)
{
    topn_data *data;
    check(try_generate(pairs, &data));
    return data;
}

static void apply(const char *key, const char *value)
{
    char pair[64];
    snprintf(pair, sizeof pair, "%s=%s", key, value);
    topn_options *options = make_options(TOPN_KIND_CONTEXT, "context", pair);
    check(topn_context_apply(context, options));
    topn_options_free(options);
}

/* Sizes as asked for, every user and item with an event, pairs distinct. */
static void check_sizes(const topn_data *data, uint32_t users, uint32_t items, uint64_t events)
{
    assert_int_equal(topn_data_users(data), users);
    assert_int_equal(topn_data_items(data), items);
    assert_int_equal(topn_data_events(data), events);
    bool *seen = calloc(items, sizeof *seen);
    assert_non_null(seen);
    for (uint32_t user = 0; user < users; user++) {
        const uint32_t *row;
        const size_t length = topn_data_history(data, user, &row, NULL);
        assert_true(length > 0);
        for (size_t at = 0; at < length; at++) {
            assert_true(row[at] < items && (at == 0 || row[at] > row[at - 1]));
            seen[row[at]] = true;
        }
    }
    for (uint32_t item = 0; item < items; item++)
        assert_true(seen[item]);
    free(seen);
}

static void sizes_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        uint32_t users, items;
        uint64_t events;
    } cases[] = {
        {"scale=0.02", 2734, 402, 199801},
        {"like=netflix scale=0.02", 9269, 355, 1137601},
        {"like=msd scale=0.02", 11427, 823, 672669},
        {"like=msd users=4000 items=9000 events=60000", 4000, 9000, 60000},
        {"users=1 items=1 events=1", 1, 1, 1},
        {"users=1 items=50 events=50", 1, 50, 50},
        {"users=50 items=1 events=50", 50, 1, 50},
        {"users=30 items=20 events=600", 30, 20, 600},       /* every pair */
        {"users=30 items=20 events=599", 30, 20, 599},       /* every pair but one */
        {"users=40 items=1000 events=1000", 40, 1000, 1000}, /* every item once */
        {"users=700 items=90 events=700", 700, 90, 700},     /* every user once */
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        topn_data *data = generate(cases[at].options);
        check_sizes(data, cases[at].users, cases[at].items, cases[at].events);
        topn_data_free(data);
    }
}

static void the_seed_alone_decides(void **state)
{
    (void)state;
    static const char options[] = "like=msd users=18000 items=3000 events=540000";
    apply("threads", "1");
    topn_data *one = generate(options);
    apply("threads", "5");
    topn_data *five = generate(options);
    apply("seed", "2");
    topn_data *other = generate(options);
    assert_string_equal(topn_data_fingerprint(one), topn_data_fingerprint(five));
    assert_string_not_equal(topn_data_fingerprint(one), topn_data_fingerprint(other));
    topn_data_free(one);
    topn_data_free(five);
    topn_data_free(other);
    apply("seed", "1");
}

/* The published density: scaled users and events on all the items. Bounds around what docs/generating.md says. */
static void distributions_look_like_the_published(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        double shortest, median[2], gini[2], top[2]; /* top: share of users with the most popular item */
    } cases[] = {
        {"like=ml20m users=5467 events=399601", 5, {30, 40}, {0.84, 0.91}, {0.25, 0.5}},
        {"like=netflix users=4634 events=568800", 5, {55, 75}, {0.82, 0.89}, {0.2, 0.45}},
        {"like=msd users=11427 events=672669", 20, {36, 43}, {0.5, 0.62}, {0.04, 0.12}},
    };
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        topn_data *data = generate(cases[at].options);
        topn_description about;
        check(topn_data_describe(context, data, &about));
        const double top = about.per_item.maximum / about.users;
        assert_true(about.per_user.minimum >= cases[at].shortest && about.per_user.minimum < cases[at].shortest + 3);
        assert_true(about.per_user.median >= cases[at].median[0] && about.per_user.median <= cases[at].median[1]);
        assert_true(about.gini_items >= cases[at].gini[0] && about.gini_items <= cases[at].gini[1]);
        assert_true(top >= cases[at].top[0] && top <= cases[at].top[1]);
        topn_data_free(data);
    }
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Lift of item pairs: users with both ÷ users expected with both. When items are independent, lifts of frequent pairs
 * lie close together (their common level comes from long histories); topics spread them. */
static void items_of_a_topic_go_together(void **state)
{
    (void)state;
    enum { ITEMS = 300, ENOUGH = 10 };
    topn_data *data = generate("like=msd users=20000 items=300 events=500000");
    const double users = topn_data_users(data);
    double *count = calloc(ITEMS, sizeof *count), *both = calloc(ITEMS * ITEMS, sizeof *both);
    double *lifts = calloc(ITEMS * ITEMS, sizeof *lifts);
    size_t found = 0;
    assert_true(count && both && lifts);
    for (uint32_t user = 0; user < topn_data_users(data); user++) {
        const uint32_t *row;
        const size_t length = topn_data_history(data, user, &row, NULL);
        for (size_t a = 0; a < length; a++) {
            count[row[a]]++;
            for (size_t b = 0; b < a; b++)
                both[row[a] * ITEMS + row[b]]++;
        }
    }
    for (size_t a = 0; a < ITEMS; a++)
        for (size_t b = 0; b < a; b++)
            if (count[a] * count[b] / users >= ENOUGH)
                lifts[found++] = both[a * ITEMS + b] * users / (count[a] * count[b]);
    assert_true(found > 1000);
    qsort(lifts, found, sizeof *lifts, by_value);
    assert_true(lifts[found * 98 / 100] > 2 * lifts[found / 2]);
    free(count);
    free(both);
    free(lifts);
    topn_data_free(data);
}

/* ndcg@100 of a method on a strong split. */
static double quality(const topn_split *split, const char *method, const char *pairs)
{
    topn_options *options = make_options(TOPN_KIND_METHOD, method, pairs);
    topn_options *metrics = make_options(TOPN_KIND_EVALUATION, "evaluation", "metrics=ndcg@100");
    topn_model *model;
    topn_report *report;
    topn_retriever *retriever;
    topn_metric_result result;
    check(topn_train(context, topn_split_part(split, TOPN_PART_TRAIN), options, NULL, &model));
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_evaluate(context, retriever, topn_split_part(split, TOPN_PART_TEST_SEEN),
                        topn_split_part(split, TOPN_PART_TEST_HIDDEN), NULL, metrics, &report));
    assert_true(topn_report_metric(report, 0, &result));
    topn_report_free(report);
    topn_retriever_free(retriever);
    topn_model_free(model);
    topn_options_free(metrics);
    topn_options_free(options);
    return result.mean;
}

static void there_is_something_to_learn(void **state)
{
    (void)state;
    static const char *const made[] = {"like=ml20m users=6000 items=1000 events=120000",
                                       "like=netflix users=6000 items=1000 events=120000",
                                       "like=msd users=6000 items=1000 events=120000"};
    for (size_t at = 0; at < sizeof made / sizeof *made; at++) {
        topn_data *data = generate(made[at]);
        topn_options *options = make_options(TOPN_KIND_SPLIT, "strong", "test-users=500 validation-users=0");
        topn_split *split;
        check(topn_data_split(context, data, NULL, options, &split));
        const double popular = quality(split, "popularity", ""), learned = quality(split, "ease", "l2=100");
        assert_true(popular > 0.02 && learned > 1.3 * popular);
        topn_split_free(split);
        topn_options_free(options);
        topn_data_free(data);
    }
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *options, *says;
    } cases[] = {
        {"users=10 items=10 events=9", "too few"},
        {"users=10 items=20 events=15", "too few"},
        {"users=10 items=10 events=101", "too many"},
        {"like=msd scale=10000", "--scale"},
    };
    topn_data *data;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        assert_int_equal(try_generate(cases[at].options, &data), TOPN_ERROR_OPTION);
        assert_null(data);
        assert_non_null(strstr(topn_context_message(context), cases[at].says));
    }
    topn_options *options = make_options(TOPN_KIND_GENERATOR, "generator", "");
    assert_int_equal(topn_options_set(context, options, "like", "ml25m"), TOPN_ERROR_OPTION);
    assert_int_equal(topn_options_set(context, options, "scale", "0"), TOPN_ERROR_OPTION);
    assert_int_equal(topn_options_set(context, options, "events", "-1"), TOPN_ERROR_OPTION);
    assert_int_equal(topn_data_generate(context, options, NULL), TOPN_ERROR_ARGUMENT);
    topn_options_free(options);
    options = make_options(TOPN_KIND_METHOD, "ease", "");
    assert_int_equal(topn_data_generate(context, options, &data), TOPN_ERROR_ARGUMENT);
    topn_options_free(options);
}

static bool stop(const topn_progress *progress, void *user_data)
{
    (void)progress;
    (void)user_data;
    return false;
}

static void memory_and_cancel_end_it(void **state)
{
    (void)state;
    topn_data *data;
    apply("memory", "1M");
    assert_int_equal(try_generate("", &data), TOPN_ERROR_MEMORY);
    assert_null(data);
    assert_non_null(strstr(topn_context_message(context), "--scale"));
    apply("memory", "0");
    topn_context_set_progress(context, stop, NULL);
    assert_int_equal(try_generate("scale=0.01", &data), TOPN_ERROR_CANCELLED);
    assert_null(data);
    topn_context_set_progress(context, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_exact),
        cmocka_unit_test(the_seed_alone_decides),
        cmocka_unit_test(distributions_look_like_the_published),
        cmocka_unit_test(items_of_a_topic_go_together),
        cmocka_unit_test(there_is_something_to_learn),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(memory_and_cancel_end_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
