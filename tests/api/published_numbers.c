/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics that others published for public data, met to the digits they print. Needs the folder that TOPN_DATA names:
 *   gowalla/{train,test}.txt          the NGCF/LightGCN split: popularity
 *   ml-1m/ncf-{train.tsv,test.rating,test.negative}  leave-one-out with 99 candidates: popularity and EASE
 *   ml-1m/pairs.tsv              the bound that CHOL's β must exceed
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

enum { NCF_USERS = 6040, NCF_ITEMS = 3706, NCF_CANDIDATES = 99 };

static topn_context *context;
static const char *root;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static const char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static topn_data *read_data(const char *name)
{
    topn_data *data;
    check(topn_data_read(context, path_of(name), NULL, &data));
    return data;
}

static topn_model *train(const topn_data *data, const char *method, const char *key, const char *value)
{
    topn_options *options;
    topn_model *model;
    check(topn_options_create(context, TOPN_KIND_METHOD, method, &options));
    if (key)
        check(topn_options_set(context, options, key, value));
    check(topn_train(context, data, options, NULL, &model));
    topn_options_free(options);
    return model;
}

/* Means of the metrics, each no farther from `expected` than `tolerance`. */
static void expect(const topn_model *model, const topn_data *seen, const topn_data *hidden, const topn_data *candidates,
                   const char *metrics, const double *expected, double tolerance)
{
    topn_options *options;
    topn_retriever *retriever;
    topn_report *report;
    topn_metric_result result;
    check(topn_options_create(context, TOPN_KIND_EVALUATION, "evaluation", &options));
    check(topn_options_set(context, options, "metrics", metrics));
    check(topn_options_set(context, options, "bootstrap", "0"));
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_evaluate(context, retriever, seen, hidden, candidates, options, &report));
    for (size_t index = 0; topn_report_metric(report, index, &result); index++) {
        print_message("%s %.6f, published %g\n", result.name, result.mean, expected[index]);
        assert_true(fabs(result.mean - expected[index]) <= tolerance);
    }
    topn_report_free(report);
    topn_retriever_free(retriever);
    topn_options_free(options);
}

static void gowalla_popularity(void **state)
{
    (void)state;
    const double published[] = {.041631, .031690, .203831, .062371, .037894, .277681};
    topn_data *seen = read_data("gowalla/train.txt"), *hidden = read_data("gowalla/test.txt");
    topn_model *model = train(seen, "popularity", NULL, NULL);
    expect(model, seen, hidden, NULL, "recall@20,ndcg@20,hit@20,recall@50,ndcg@50,hit@50", published, 5e-7);
    topn_model_free(model);
    topn_data_free(seen);
    topn_data_free(hidden);
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(path_of(name), "r");
    if (!file)
        fail_msg("cannot open %s", path_of(name));
    return file;
}

/* Lines "user item rating time". */
static topn_data *read_hidden(void)
{
    static uint64_t indptr[NCF_USERS + 1];
    static uint32_t items[NCF_USERS];
    topn_data *data;
    FILE *file = open_file("ml-1m/ncf-test.rating");
    for (uint32_t user = 0; user < NCF_USERS; user++) {
        unsigned found;
        assert_int_equal(fscanf(file, "%u %u %*f %*f", &found, &items[user]), 2);
        assert_int_equal(found, user);
        indptr[user + 1] = user + 1;
    }
    fclose(file);
    check(topn_data_copy_csr(context, NCF_USERS, NCF_ITEMS, indptr, items, NULL, &data));
    return data;
}

/* Lines "(user,item) candidate candidate …". */
static topn_data *read_candidates(void)
{
    static uint64_t indptr[NCF_USERS + 1];
    static uint32_t items[NCF_USERS * NCF_CANDIDATES];
    topn_data *data;
    uint64_t count = 0;
    FILE *file = open_file("ml-1m/ncf-test.negative");
    for (uint32_t user = 0; user < NCF_USERS; user++) {
        unsigned found;
        assert_int_equal(fscanf(file, " (%u,%*u)", &found), 1);
        assert_int_equal(found, user);
        for (int candidate = 0; candidate < NCF_CANDIDATES; candidate++)
            assert_int_equal(fscanf(file, "%u", &items[count++]), 1);
        indptr[user + 1] = count;
    }
    fclose(file);
    check(topn_data_copy_csr(context, NCF_USERS, NCF_ITEMS, indptr, items, NULL, &data));
    return data;
}

static void ml_1m_with_candidates(void **state)
{
    (void)state;
    const double ease[] = {.2225, .5629, .3986, .7192, .4494}, popularity[] = {.1051, .3048, .2064, .4533, .2542};
    const char *metrics = "hit@1,hit@5,ndcg@5,hit@10,ndcg@10";
    topn_data *seen = read_data("ml-1m/ncf-train.tsv"), *hidden = read_hidden(), *candidates = read_candidates();
    topn_model *model = train(seen, "ease", "l2", "1320");
    expect(model, seen, hidden, candidates, metrics, ease, 2e-4);
    topn_model_free(model);
    model = train(seen, "popularity", NULL, NULL);
    expect(model, seen, hidden, candidates, metrics, popularity, 1e-3); /* many ties */
    topn_model_free(model);
    topn_data_free(seen);
    topn_data_free(hidden);
    topn_data_free(candidates);
}

/* The least β with a factor, for several ridges: at 100 and below, the customary β = 2 has none. */
static void ml_1m_bounds_of_beta(void **state)
{
    (void)state;
    static const struct {
        const char *l2;
        double bound;
    } cases[] = {{"1", 5.89}, {"10", 3.65}, {"50", 2.45}, {"100", 2.07}, {"200", 1.75}, {"500", 1.45}, {"1000", 1.30}};
    topn_data *data = read_data("ml-1m/pairs.tsv");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        topn_model *model = train(data, "chol", "l2", cases[i].l2);
        const char *key, *value;
        double bound = NAN;
        for (size_t index = 0; topn_model_metadata(model, index, &key, &value); index++)
            if (strcmp(key, "train.lambda-max") == 0)
                bound = strtod(value, NULL);
        assert_true(fabs(bound - cases[i].bound) <= 0.0051);
        topn_model_free(model);
    }
    topn_data_free(data);
}

int main(void)
{
    root = getenv("TOPN_DATA");
    if (!root) {
        printf("skipped: TOPN_DATA is unset\n");
        return 77;
    }
    check(topn_context_create(&context));
    const struct CMUnitTest tests[] = {cmocka_unit_test(gowalla_popularity), cmocka_unit_test(ml_1m_with_candidates),
                                       cmocka_unit_test(ml_1m_bounds_of_beta)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    topn_context_free(context);
    return failed;
}
