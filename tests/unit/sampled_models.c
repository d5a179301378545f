/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of sampled training: gradients of every loss against differences of a twin in double precision, and that the
 * exported model scores as the towers do. Towers with networks have tests of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>

#include "context_data.h"
#include "made_data.h"
#include "tower_twin.h"
#include "train/sampled/loss.h"
#include "train/sampled/sampled_model.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { USERS = 13, ITEMS = 9, FACTORS = 5, BATCH = 30, NEGATIVES = 3, MOST_TABLES = 8 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

/* Events with times and weights 1 … 5; user 0 has a single one. */
static topn_data *plain_data(void)
{
    uint32_t pairs[USERS * ITEMS][2];
    int64_t times[USERS * ITEMS];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            if (item == user % ITEMS || (user > 0 && random_uniform(3, RANDOM_DOCTOR, user * ITEMS + item) < 0.4)) {
                times[count] = random_below(3, RANDOM_LANCZOS, count, 1000);
                pairs[count][0] = user;
                pairs[count++][1] = item;
            }
    topn_data *data = made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, times, count);
    data->has_weights = true;
    for (uint64_t at = 0; at < count; at++)
        data->matrix.values[at] = (float)(1 + at * 7 % 5);
    return data;
}

/* Users in contexts of two fields, features of users and items. */
static topn_data *rich_data(void)
{
    enum { CONTEXTS = 24, FIELDS = 2, FEATURES = 3 };
    uint32_t contexts[CONTEXTS * (1 + FIELDS)], indptr[CONTEXTS + 1] = {0}, items[CONTEXTS * ITEMS];
    double user_features[USERS * FEATURES], item_features[ITEMS * FEATURES];
    for (uint32_t c = 0; c < CONTEXTS; c++) {
        contexts[c * 3] = c * USERS / CONTEXTS;
        contexts[c * 3 + 1] = c % 4; /* 3 is none of the three values */
        contexts[c * 3 + 2] = c % 2;
        indptr[c + 1] = indptr[c];
        for (uint32_t item = 0; item < ITEMS; item++)
            if (item == c % ITEMS || random_uniform(5, RANDOM_DOCTOR, c * ITEMS + item) < 0.2)
                items[indptr[c + 1]++] = item;
    }
    for (uint32_t at = 0; at < USERS * FEATURES; at++)
        user_features[at] = random_below(5, RANDOM_LANCZOS, at, 2) * 0.5;
    for (uint32_t at = 0; at < ITEMS * FEATURES; at++)
        item_features[at] = random_below(6, RANDOM_LANCZOS, at, 2);
    static const uint32_t values[FIELDS] = {3, 2};
    const context_arrays arrays = {
        .users = USERS,
        .items = ITEMS,
        .field_count = FIELDS,
        .value_counts = values,
        .context_count = CONTEXTS,
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

static sampled_params params_of(bool biases)
{
    return (sampled_params){.factors = FACTORS,
                            .order = ORDER_CHOICE_AUTO,
                            .item_l2 = NAN,
                            .alpha = 1,
                            .confidence_scale = 1,
                            .dislike_below = NAN,
                            .biases = biases,
                            .init_scale = 1.5,
                            .history_exponent = NAN,
                            .window = 2,
                            .by_time = true,
                            .fold_in_l2 = 0.1,
                            .fold_in_unobserved = 0.1,
                            .item_ids = true, /* two-tower has them by default */
                            .temperature = 1,
                            .keep_histories = true,
                            .keep_users = true};
}

/* Biases start at 0 and would hide what they are multiplied with. */
static void stir(sampled_towers *towers)
{
    for (size_t t = 0; t < towers->table_count; t++) {
        parameter_table *table = &towers->tables[t];
        for (size_t at = 0; at < table->rows * table->width; at++)
            table->values[at] += (float)(0.3 * random_normal(8, RANDOM_DOCTOR, t * 100000 + at));
    }
}

/* What a batch of examples is scored and differentiated with. */
typedef struct batch_of {
    positive positives[BATCH];
    uint32_t contexts[BATCH], own[BATCH];
    uint32_t items[BATCH * (1 + NEGATIVES)]; /* the positive, then its negatives */
    double log_counts[BATCH * NEGATIVES], weights[BATCH * NEGATIVES];
} batch_of;

static void fill_batch(const sampled_towers *towers, batch_of *batch)
{
    positives_take(&towers->positives, 4, 1, 0, BATCH, batch->positives);
    for (uint32_t n = 0; n < BATCH; n++) {
        batch->contexts[n] = batch->positives[n].context;
        batch->own[n] = batch->positives[n].item;
        batch->items[n * (1 + NEGATIVES)] = batch->positives[n].item;
        for (uint32_t m = 0; m < NEGATIVES; m++) {
            batch->items[n * (1 + NEGATIVES) + 1 + m] = random_below(6, RANDOM_NEGATIVES, n * NEGATIVES + m, ITEMS);
            batch->log_counts[n * NEGATIVES + m] = -0.1 * m;
            batch->weights[n * NEGATIVES + m] = 0.5 + 0.25 * m;
        }
    }
}

static double example_loss(const sampled_loss *loss, const loss_setting *setting, const batch_of *batch, uint32_t n,
                           const double *scores, double *d_positive, double *d_negatives)
{
    const loss_example example = {.positive = scores[0],
                                  .weight = (double)batch->positives[n].weight,
                                  .disliked = batch->positives[n].disliked,
                                  .count = NEGATIVES,
                                  .negatives = scores + 1,
                                  .weights = batch->weights + n * NEGATIVES,
                                  .log_counts = batch->log_counts + n * NEGATIVES};
    return loss->example(setting, &example, d_positive, d_negatives);
}

static double twin_loss(const sampled_towers *towers, double *const *tables, const sampled_loss *loss,
                        const loss_setting *setting, const batch_of *batch)
{
    double sum = 0, scores[1 + NEGATIVES], d_positive, d_negatives[NEGATIVES];
    for (uint32_t n = 0; n < BATCH; n++) {
        for (uint32_t m = 0; m < 1 + NEGATIVES; m++)
            scores[m] = twin_score(&towers->contexts, &towers->items, tables, batch->contexts[n], batch->own[n],
                                   batch->items[n * (1 + NEGATIVES) + m]);
        sum += example_loss(loss, setting, batch, n, scores, &d_positive, d_negatives);
    }
    return sum;
}

/* d_phi and d_psi of the batch's loss from rows phi and psi. */
static void differentiate(const sampled_towers *towers, const sampled_loss *loss, const loss_setting *setting,
                          const batch_of *batch, const float *phi, const float *psi, float *d_phi, float *d_psi)
{
    const size_t d = towers->contexts.dimensions, wide = towers->contexts.stride, tall = towers->items.stride;
    memset(d_phi, 0, BATCH * wide * sizeof *d_phi);
    for (uint32_t n = 0; n < BATCH; n++) {
        double scores[1 + NEGATIVES] = {0}, by[1 + NEGATIVES];
        const float *own = phi + n * wide;
        for (uint32_t m = 0; m < 1 + NEGATIVES; m++) {
            const float *other = psi + (n * (1 + NEGATIVES) + m) * tall;
            for (size_t j = 0; j < d; j++)
                scores[m] += (double)own[j] * (double)other[j];
            scores[m] += (towers->contexts.biases ? (double)own[d] : 0) + (towers->items.biases ? (double)other[d] : 0);
        }
        example_loss(loss, setting, batch, n, scores, &by[0], by + 1);
        for (uint32_t m = 0; m < 1 + NEGATIVES; m++) {
            const float *other = psi + (n * (1 + NEGATIVES) + m) * tall;
            float *d_other = d_psi + (n * (1 + NEGATIVES) + m) * tall;
            for (size_t j = 0; j < d; j++) {
                d_phi[n * wide + j] += (float)by[m] * other[j];
                d_other[j] = (float)by[m] * own[j];
            }
            if (towers->contexts.biases)
                d_phi[n * wide + d] += (float)by[m];
            if (towers->items.biases)
                d_other[d] = (float)by[m];
        }
    }
}

/* Gradients of all tables, dense; freed by the caller. */
static void analytic(const sampled_towers *towers, const sampled_loss *loss, const loss_setting *setting,
                     const batch_of *batch, double **out)
{
    enum { ALL = BATCH * (1 + NEGATIVES) };
    tower_batch *contexts, *items;
    row_gradients *notes[MOST_TABLES];
    float *phi = calloc(BATCH, towers->contexts.stride * sizeof *phi), *d_phi = calloc(BATCH, (FACTORS + 1) * 4);
    float *psi = calloc(ALL, towers->items.stride * sizeof *psi), *d_psi = calloc(ALL, (FACTORS + 1) * 4);
    check(tower_batch_create(context, &towers->contexts, BATCH, &contexts));
    check(tower_batch_create(context, &towers->items, ALL, &items));
    for (size_t t = 0; t < towers->table_count; t++) {
        check(row_gradients_create(context, &towers->tables[t], 8, &notes[t]));
        row_gradients_begin(notes[t]);
    }
    check(tower_forward(context, &towers->contexts, contexts, BATCH, batch->contexts, batch->own, true, 0, 2, phi));
    check(tower_forward(context, &towers->items, items, ALL, batch->items, NULL, true, 0, 2, psi));
    differentiate(towers, loss, setting, batch, phi, psi, d_phi, d_psi);
    check(tower_backward(context, &towers->contexts, contexts, d_phi, 2, notes));
    check(tower_backward(context, &towers->items, items, d_psi, 2, notes));
    for (size_t t = 0; t < towers->table_count; t++) {
        const size_t width = towers->tables[t].width;
        const uint32_t *rows;
        const float *values;
        const size_t count = row_gradients_sum(notes[t], 2, &rows, &values);
        out[t] = calloc(towers->tables[t].rows * width, sizeof **out);
        for (size_t at = 0; at < count * width; at++)
            out[t][rows[at / width] * width + at % width] = (double)values[at];
        row_gradients_free(notes[t]);
    }
    tower_batch_free(contexts);
    tower_batch_free(items);
    free(phi);
    free(d_phi);
    free(psi);
    free(d_psi);
}

static void assert_gradients(const char *model, const sampled_towers *towers, const sampled_loss *loss,
                             const loss_setting *setting, const batch_of *batch)
{
    double *gradients[MOST_TABLES], **tables = twin_tables(towers->tables, towers->table_count), most = 0, worst = 0;
    analytic(towers, loss, setting, batch, gradients);
    for (size_t t = 0; t < towers->table_count; t++)
        for (size_t at = 0; at < towers->tables[t].rows * towers->tables[t].width; at++) {
            const double was = tables[t][at], h = 1e-5;
            tables[t][at] = was + h;
            const double up = twin_loss(towers, tables, loss, setting, batch);
            tables[t][at] = was - h;
            const double down = twin_loss(towers, tables, loss, setting, batch);
            tables[t][at] = was;
            most = fmax(most, fabs(up - down) / (2 * h));
            worst = fmax(worst, fabs((up - down) / (2 * h) - gradients[t][at]));
        }
    if (!(most > 0.01 && worst <= 1e-5 * most))
        fail_msg("%s, %s, %s: gradients off by %g of %g", model, loss->name,
                 loss->takes_surrogate ? setting->surrogate->name : "-", worst, most);
    for (size_t t = 0; t < towers->table_count; t++)
        free(gradients[t]);
    twin_tables_free(tables, towers->table_count);
}

static bool has_network(const sampled_towers *towers)
{
    return towers->contexts.network || towers->items.network;
}

static void assert_all_gradients(const sampled_model *model, const topn_data *data, bool biases)
{
    sampled_towers towers;
    batch_of batch;
    const sampled_params params = params_of(biases);
    if (model->check)
        check(model->check(context, data, &params));
    check(model->create(context, data, &params, NULL, &towers));
    assert_true(towers.table_count <= MOST_TABLES && towers.positives.count >= BATCH);
    stir(&towers);
    fill_batch(&towers, &batch);
    for (size_t l = 0; !has_network(&towers) && sampled_loss_at(l); l++)
        for (size_t s = 0; surrogate_at(s) && (s == 0 || sampled_loss_at(l)->takes_surrogate); s++) {
            const loss_setting setting = {.surrogate = surrogate_at(s), .margin = 1, .inverse_temperature = 1.25};
            assert_gradients(model->name, &towers, sampled_loss_at(l), &setting, &batch);
        }
    model->clear(&towers);
}

static void gradients_are_differences(void **state)
{
    (void)state;
    topn_data *plain = plain_data(), *rich = rich_data();
    for (size_t m = 0; sampled_model_at(m); m++)
        for (int biases = 0; biases < 2; biases++) {
            const sampled_model *model = sampled_model_at(m);
            assert_all_gradients(model, plain, biases);
            if (strcmp(model->name, "item2vec") != 0) /* of no times */
                assert_all_gradients(model, rich, biases);
        }
    topn_data_free(plain);
    topn_data_free(rich);
}

static topn_model *exported(const sampled_model *model, const sampled_towers *towers, const topn_data *data,
                            const sampled_params *params)
{
    topn_model *out;
    check(model_create(context, data, true, &out));
    check(model->export(context, towers, data, params, out)); /* twice: as validation does */
    check(model->export(context, towers, data, params, out));
    check(model_check(context, out));
    return out;
}

/* Scores of all items by the exported model. */
static void scores_of(const topn_model *model, topn_request request, float *scores)
{
    topn_retriever *retriever;
    topn_query *query;
    uint32_t items[ITEMS];
    for (uint32_t item = 0; item < ITEMS; item++)
        items[item] = item;
    check(topn_retriever_create(context, model, NULL, &retriever));
    check(topn_query_create(context, retriever, &query));
    check(topn_score(query, &request, items, ITEMS, scores));
    topn_query_free(query);
    topn_retriever_free(retriever);
}

/* One context's scores against the towers', which may differ by a constant (a context's own bias). */
static void assert_scores(const char *name, const sampled_towers *towers, double *const *tables, uint32_t c,
                          uint32_t own, const float *scores)
{
    double shift = NAN;
    for (uint32_t item = 0; item < ITEMS; item++) {
        const double expected = twin_score(&towers->contexts, &towers->items, tables, c, own, item);
        if (item == 0)
            shift = (double)scores[0] - expected;
        if (!(fabs((double)scores[item] - expected - shift) < 1e-5 * (1 + fabs(expected))))
            fail_msg("%s: context %u, item %u: %g, and %g by the towers", name, c, item, (double)scores[item] - shift,
                     expected);
    }
    if (!towers->contexts.biases && !(fabs(shift) < 1e-5))
        fail_msg("%s: scores are off by %g", name, shift);
}

static topn_request request_of(const topn_model *model, uint32_t user)
{
    topn_request request = {.include_seen = true};
    request.history_length = topn_model_history(model, user, &request.history, &request.weights);
    request.feature_count = topn_model_user_features(model, user, &request.features, &request.feature_values);
    return request;
}

/* Every context of the towers by way of the exported model. item2vec's contexts are items: histories of one. */
static void assert_exported(const char *name, const topn_model *model, const sampled_towers *towers,
                            const topn_data *data)
{
    double **tables = twin_tables(towers->tables, towers->table_count);
    for (uint32_t c = 0; c < towers->contexts.entities; c++) {
        float scores[ITEMS];
        topn_request request = {.include_seen = true, .history = &c, .history_length = 1};
        const bool fields = towers->contexts.entities != data->matrix.rows && data->contexts.field_count > 0;
        if (strcmp(name, "item2vec") != 0)
            request = request_of(model, fields ? data->contexts.users[c] : c);
        if (fields)
            request.context = data->contexts.values + c * data->contexts.field_count;
        scores_of(model, request, scores);
        assert_scores(name, towers, tables, c, UINT32_MAX, scores);
    }
    twin_tables_free(tables, towers->table_count);
}

static void assert_export(const sampled_model *model, const topn_data *data, bool biases)
{
    sampled_towers towers, started;
    const sampled_params params = params_of(biases);
    check(model->create(context, data, &params, NULL, &towers));
    stir(&towers);
    if (has_network(&towers)) {
        model->clear(&towers);
        return;
    }
    topn_model *first = exported(model, &towers, data, &params);
    assert_exported(model->name, first, &towers, data);
    context->seed++; /* other first values, where the earlier model does not say */
    check(model->create(context, data, &params, first, &started));
    topn_model *second = exported(model, &started, data, &params);
    assert_exported(model->name, second, &towers, data);
    context->seed--;
    if (model->finish) {
        topn_model *last;
        check(model_create(context, data, true, &last));
        check(model->finish(context, &started, data, &params, last));
        check(model_check(context, last));
        assert_exported(model->name, last, &towers, data);
        topn_model_free(last);
    }
    topn_model_free(first);
    topn_model_free(second);
    model->clear(&towers);
    model->clear(&started);
}

static void exported_models_score_as_towers(void **state)
{
    (void)state;
    topn_data *plain = plain_data(), *rich = rich_data();
    for (size_t m = 0; sampled_model_at(m); m++)
        for (int biases = 0; biases < 2; biases++) {
            assert_export(sampled_model_at(m), plain, biases);
            if (strcmp(sampled_model_at(m)->name, "item2vec") != 0) /* of no times */
                assert_export(sampled_model_at(m), rich, biases);
        }
    topn_data_free(plain);
    topn_data_free(rich);
}

/* Where an example's own item is left out, its context is what the model makes of the history without it. */
static void own_items_are_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {"fism", "average", "asymmetric-svd"};
    topn_data *data = plain_data();
    const sampled_params params = params_of(true);
    for (size_t m = 0; m < sizeof names / sizeof *names; m++) {
        sampled_towers towers;
        const sampled_model *model = sampled_model_find(names[m]);
        check(model->create(context, data, &params, NULL, &towers));
        stir(&towers);
        topn_model *made = exported(model, &towers, data, &params);
        double **tables = twin_tables(towers.tables, towers.table_count);
        for (uint64_t n = 0; n < towers.positives.count; n++) {
            positive one;
            float scores[ITEMS], weights[ITEMS];
            uint32_t history[ITEMS];
            positives_take(&towers.positives, 1, 0, n, 1, &one);
            const topn_request whole = request_of(made, one.context);
            topn_request rest = {.history = history, .weights = weights, .include_seen = true};
            for (size_t at = 0; at < whole.history_length; at++)
                if (whole.history[at] != one.item) {
                    history[rest.history_length] = whole.history[at];
                    weights[rest.history_length++] = whole.weights[at];
                }
            assert_int_equal(rest.history_length + 1, whole.history_length);
            scores_of(made, rest, scores);
            assert_scores(names[m], &towers, tables, one.context, one.item, scores);
        }
        twin_tables_free(tables, towers.table_count);
        topn_model_free(made);
        model->clear(&towers);
    }
    topn_data_free(data);
}

/* A model of another width, or of another kind, is refused with what would be right. */
static void other_models_are_no_start(void **state)
{
    (void)state;
    topn_data *data = plain_data();
    for (size_t m = 0; sampled_model_at(m); m++) {
        sampled_towers towers, other;
        const sampled_model *model = sampled_model_at(m);
        sampled_params params = params_of(false);
        check(model->create(context, data, &params, NULL, &towers));
        if (!has_network(&towers)) {
            topn_model *made = exported(model, &towers, data, &params);
            params.factors++;
            assert_int_equal(model->create(context, data, &params, made, &other), TOPN_ERROR_OPTION);
            assert_non_null(strstr(topn_context_message(context), "--start-from"));
            assert_non_null(strstr(topn_context_message(context), "factors"));
            params.factors--;
            const sampled_model *stranger = sampled_model_find(towers.contexts.bag_count == 1 ? "mf" : "fism");
            assert_int_equal(stranger->create(context, data, &params, made, &other),
                             strcmp(model->name, "item2vec") == 0 ? TOPN_OK : TOPN_ERROR_OPTION);
            stranger->clear(&other);
            topn_model_free(made);
        }
        model->clear(&towers);
    }
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK)
        return -1;
    context->threads = 2;
    return 0;
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
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(exported_models_score_as_towers),
        cmocka_unit_test(own_items_are_left_out),
        cmocka_unit_test(other_models_are_no_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
