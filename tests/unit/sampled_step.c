/* SPDX-License-Identifier: Apache-2.0
 *
 * One batch of sampled training against a naive twin in double precision: every loss, negatives of each example's own
 * and negatives that the batch shares, with and without biases, items as rows of a table and as sums of histories.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/sampled/step.h"

#include "made_data.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 23, ITEMS = 17, FACTORS = 6, BATCH = 50, NEGATIVES = 5, SHARED = 12, SEED = 11 };

static topn_context *context;

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static sampled_params params_of(bool biases)
{
    return (sampled_params){.factors = FACTORS,
                            .loss = 1,
                            .item_l2 = NAN,
                            .alpha = 1,
                            .confidence_scale = 1,
                            .dislike_below = NAN,
                            .user_weight_exponent = 0.5,
                            .biases = biases,
                            .init_scale = 2,
                            .history_exponent = NAN,
                            .fold_in_l2 = 0.1,
                            .fold_in_unobserved = 0.1,
                            .l2 = 0.001,
                            .batch = BATCH,
                            .user_layers = "4", /* of two-tower */
                            .item_ids = true,
                            .temperature = 1};
}

/* A training that stands still. */
typedef struct bench {
    topn_data *data;
    sampled_params params;
    const sampled_model *model;
    sampled_towers towers;
    step_setup setup;
} bench;

static void bench_create(bench *at, const char *model, const char *loss, const char *sampled_by, bool shared,
                         bool biases)
{
    static const sampler_params sampling = {.popularity_exponent = 0.5, .margin = 1};
    *at = (bench){.data = made_random_data(USERS, ITEMS, false, 7),
                  .params = params_of(biases),
                  .model = sampled_model_find(model)};
    check(at->model->create(context, at->data, &at->params, NULL, &at->towers));
    for (size_t t = 0; t < at->towers.table_count; t++) { /* biases are 0 at first */
        const parameter_table *table = &at->towers.tables[t];
        for (size_t n = 0; n < table->rows * table->width; n++)
            table->values[n] += (float)(0.2 * random_normal(3, RANDOM_DOCTOR, 100000 * t + n));
    }
    const tower *items = &at->towers.items;
    at->setup = (step_setup){
        .towers = &at->towers,
        .loss = sampled_loss_find(loss),
        .loss_setting = {.surrogate = surrogate_find("logistic"), .margin = 1, .inverse_temperature = 1.5},
        .sampler = sampler_find(sampled_by),
        .exclusion = EXCLUDE_HISTORY,
        .weight = rank_weight_find("none"),
        .ranks = {.items = ITEMS, .cutoff = 3},
        .negatives = shared ? SHARED : NEGATIVES,
        .batch = BATCH,
        .shared = shared,
        .corrected = sampled_loss_find(loss)->corrected,
        .seed = SEED,
    };
    if (at->setup.sampler->every_item)
        at->setup.negatives = ITEMS;
    assert_true(tower_is_plain(items));
    at->setup.view = (sampling_view){.positives = &at->towers.positives,
                                     .item_rows = items->tables[items->fields[0].table].values,
                                     .dimensions = items->dimensions,
                                     .item_stride = items->stride,
                                     .items = ITEMS};
    check(at->setup.sampler->create(context, &sampling, EXCLUDE_HISTORY, &at->setup.view, &at->setup.state));
    if (at->setup.sampler->refresh)
        check(at->setup.sampler->refresh(context, at->setup.state, &at->setup.view));
}

static void bench_clear(bench *at)
{
    at->setup.sampler->free(at->setup.state);
    at->model->clear(&at->towers);
    topn_data_free(at->data);
}

/* Gradients of contexts [USERS × (FACTORS + 1)] and items [ITEMS × (FACTORS + 1)], biases last, in double. */
typedef struct naive {
    double loss, contexts[USERS][FACTORS + 1], items[ITEMS][FACTORS + 1];
} naive;

static const float *row_of(const tower *side, uint32_t entity)
{
    const parameter_table *table = &side->tables[side->fields[0].table];
    return table->values + entity * table->width;
}

static double score_of(const bench *at, uint32_t user, uint32_t item)
{
    const float *phi = row_of(&at->towers.contexts, user), *psi = row_of(&at->towers.items, item);
    double sum = 0;
    for (size_t k = 0; k < FACTORS; k++)
        sum += (double)phi[k] * psi[k];
    return at->params.biases ? sum + phi[FACTORS] + psi[FACTORS] : sum;
}

static void pull(const bench *at, uint32_t user, uint32_t item, double by, naive *out)
{
    const float *phi = row_of(&at->towers.contexts, user), *psi = row_of(&at->towers.items, item);
    for (size_t k = 0; k < FACTORS; k++) {
        out->contexts[user][k] += by * psi[k];
        out->items[item][k] += by * phi[k];
    }
    out->contexts[user][FACTORS] += by;
    out->items[item][FACTORS] += by;
}

/* Negatives of example e of a batch whose examples are drawn together, DRAWN_TOGETHER at a time. */
static uint32_t drawn_together(const step_setup *setup, uint64_t first, const positive *batch, uint32_t count,
                               uint32_t e, uint32_t *items, double *log_counts)
{
    uint32_t drawn[DRAWN_TOGETHER][NEGATIVES];
    double logs[DRAWN_TOGETHER][NEGATIVES];
    draw_request requests[DRAWN_TOGETHER];
    draw_result results[DRAWN_TOGETHER];
    const uint32_t begin = e - e % DRAWN_TOGETHER,
                   block = count - begin < DRAWN_TOGETHER ? count - begin : DRAWN_TOGETHER;
    draw_source source = draw_source_of(SEED, first + begin);
    for (uint32_t n = 0; n < block; n++) {
        const positive *of = &batch[begin + n];
        requests[n] = (draw_request){.context = of->context, .item = of->item, .pair = of->pair, .count = NEGATIVES};
        results[n] = (draw_result){.items = drawn[n], .log_counts = logs[n]};
    }
    setup->sampler->draw_together(setup->state, &setup->view, requests, block, &source, NULL, results);
    const uint32_t found = results[e - begin].found;
    memcpy(items, drawn[e - begin], found * sizeof *items);
    memcpy(log_counts, logs[e - begin], found * sizeof *log_counts);
    return found;
}

/* Negatives of an example, one by one or those of the batch that it does not exclude. */
static uint32_t negatives_of(const bench *at, const batch_place *place, const positive *batch, uint32_t e,
                             uint32_t *items, double *log_counts)
{
    const step_setup *setup = &at->setup;
    const uint64_t first = (uint64_t)place->sweep * at->towers.positives.count + place->begin;
    float phi[FACTORS + 1];
    memcpy(phi, row_of(&at->towers.contexts, batch[e].context), FACTORS * sizeof *phi);
    phi[FACTORS] = 1;
    const double own_bias = at->params.biases ? row_of(&at->towers.contexts, batch[e].context)[FACTORS] : 0;
    if (!setup->shared && setup->sampler->draw_together)
        return drawn_together(setup, first, batch, place->count, e, items, log_counts);
    if (!setup->shared) {
        draw_source source = draw_source_of(SEED, first + e);
        const draw_request request = {.context = batch[e].context,
                                      .item = batch[e].item,
                                      .pair = batch[e].pair,
                                      .phi = phi,
                                      .score = score_of(at, batch[e].context, batch[e].item) - own_bias,
                                      .count = NEGATIVES};
        draw_result result = {.items = items, .log_counts = log_counts};
        setup->sampler->draw(setup->state, &setup->view, &request, &source, NULL, &result);
        return result.found;
    }
    uint32_t all[BATCH + SHARED + ITEMS], found, kept = 0;
    double all_logs[BATCH + SHARED + ITEMS];
    draw_source source = draw_source_of(SEED, first);
    setup->sampler->draw_shared(setup->state, &setup->view, batch, place->count, &source, setup->negatives, all,
                                all_logs, &found);
    for (uint32_t n = 0; n < found; n++) {
        if (is_excluded(EXCLUDE_HISTORY, &at->towers.positives, batch[e].context, batch[e].item, all[n]))
            continue;
        items[kept] = all[n];
        log_counts[kept++] = all_logs[n];
    }
    return kept;
}

static void naive_batch(const bench *at, const batch_place *place, naive *out)
{
    const step_setup *setup = &at->setup;
    positive batch[BATCH];
    uint32_t items[BATCH + SHARED + ITEMS];
    double logs[BATCH + SHARED + ITEMS], scores[BATCH + SHARED + ITEMS], pulls[BATCH + SHARED + ITEMS], own;
    *out = (naive){0};
    positives_take(&at->towers.positives, SEED, place->sweep, place->begin, place->count, batch);
    for (uint32_t e = 0; e < place->count; e++) {
        const uint32_t user = batch[e].context, count = negatives_of(at, place, batch, e, items, logs);
        for (uint32_t n = 0; n < count; n++)
            scores[n] = score_of(at, user, items[n]);
        const loss_example example = {.positive = score_of(at, user, batch[e].item),
                                      .weight = batch[e].weight,
                                      .count = count,
                                      .negatives = scores,
                                      .log_counts = setup->corrected ? logs : NULL};
        out->loss += setup->loss->example(&setup->loss_setting, &example, &own, pulls);
        pull(at, user, batch[e].item, own, out);
        for (uint32_t n = 0; n < count; n++)
            pull(at, user, items[n], pulls[n], out);
    }
}

/* What a table gets, all its rows. */
static void table_gradient(const step_team *team, size_t table, size_t width, uint32_t rows, float *out)
{
    const uint32_t *touched;
    const float *values;
    memset(out, 0, rows * width * sizeof *out);
    const size_t distinct = row_gradients_sum(step_team_gradients(team)[table], context->threads, &touched, &values);
    for (size_t slot = 0; slot < distinct; slot++)
        memcpy(out + touched[slot] * width, values + slot * width, width * sizeof *out);
}

static void expect_rows(const double (*expected)[FACTORS + 1], const float *rows, size_t width, uint32_t count)
{
    for (uint32_t row = 0; row < count; row++)
        for (size_t k = 0; k < width; k++)
            if (!(fabs(rows[row * width + k] - expected[row][k]) < 2e-5 * (1 + fabs(expected[row][k]))))
                fail_msg("row %u, column %zu: %g, not %g", row, k, (double)rows[row * width + k], expected[row][k]);
}

static void compare(const char *loss, const char *sampled_by, bool shared, bool biases)
{
    bench at;
    naive expected;
    const batch_place place = {.sweep = 2, .begin = 30, .count = BATCH - 3};
    const size_t width = FACTORS + (biases ? 1 : 0);
    float contexts[USERS * (FACTORS + 1)], items[ITEMS * (FACTORS + 1)], first[ITEMS * (FACTORS + 1)];
    print_message("             %s, %s%s%s\n", loss, sampled_by, shared ? ", shared" : "", biases ? ", biases" : "");
    bench_create(&at, "mf", loss, sampled_by, shared, biases);
    naive_batch(&at, &place, &expected);
    for (int threads = 1; threads <= 3; threads++) {
        step_team *team;
        step_figures figures = {0};
        context->threads = threads;
        check(step_team_create(context, &at.setup, &team));
        for (int again = 0; again < 2; again++) /* a second time in the same memory */
            check(step_gradients(context, &at.setup, team, &place, &figures));
        assert_true(fabs(figures.loss / 2 - expected.loss) < 1e-5 * fabs(expected.loss));
        assert_int_equal(figures.positives, 2 * place.count);
        table_gradient(team, at.towers.contexts.fields[0].table, width, USERS, contexts);
        table_gradient(team, at.towers.items.fields[0].table, width, ITEMS, items);
        expect_rows(expected.contexts, contexts, width, USERS);
        expect_rows(expected.items, items, width, ITEMS);
        if (threads == 1)
            memcpy(first, items, sizeof first);
        assert_memory_equal(first, items, ITEMS * width * sizeof *first);
        step_team_free(team);
    }
    bench_clear(&at);
}

static void test_own_negatives(void **state)
{
    static const char *const losses[] = {"pointwise", "pairwise", "softmax"};
    (void)state;
    for (size_t loss = 0; loss < 3; loss++)
        for (int biases = 0; biases < 2; biases++) {
            compare(losses[loss], "uniform", false, biases);
            compare(losses[loss], "popularity", false, biases);
        }
    compare("pairwise", "warp", false, true);
}

static void test_shared_negatives(void **state)
{
    static const char *const losses[] = {"pointwise", "pairwise", "softmax"};
    (void)state;
    for (size_t loss = 0; loss < 3; loss++)
        for (int biases = 0; biases < 2; biases++) {
            compare(losses[loss], "uniform", true, biases);
            compare(losses[loss], "all", true, biases);
        }
}

/* The loss of a batch with `all` is the full one: the same for every sampler's seed, and of all items at once. */
static void test_full_softmax(void **state)
{
    (void)state;
    bench at;
    step_team *team;
    step_figures figures = {0};
    positive batch[BATCH];
    const batch_place place = {.count = BATCH};
    double expected = 0;
    bench_create(&at, "mf", "softmax", "all", true, true);
    at.setup.exclusion = EXCLUDE_POSITIVE;
    check(step_team_create(context, &at.setup, &team));
    check(step_gradients(context, &at.setup, team, &place, &figures));
    positives_take(&at.towers.positives, SEED, 0, 0, BATCH, batch);
    for (uint32_t e = 0; e < BATCH; e++) {
        double sum = 0;
        for (uint32_t j = 0; j < ITEMS; j++)
            sum += exp(1.5 * score_of(&at, batch[e].context, j));
        expected -= batch[e].weight * log(exp(1.5 * score_of(&at, batch[e].context, batch[e].item)) / sum);
    }
    assert_true(fabs(figures.loss - expected) < 1e-5 * expected);
    step_team_free(team);
    bench_clear(&at);
}

/* The layers' parameters move by one step of the optimiser, along the gradient of loss and λ/2·‖θ‖² together. */
static void test_layers_are_stepped_once(void **state)
{
    (void)state;
    enum { MOST_PARAMETERS = 100 };
    const batch_place place = {.count = BATCH};
    const step_setting step = {.optimizer = optimizer_find("adagrad"), .setting = {.rate = 0.1, .epsilon = 1e-8}};
    bench at;
    step_team *team;
    step_figures figures = {0};
    float gradient[MOST_PARAMETERS], before[MOST_PARAMETERS];
    bench_create(&at, "two-tower", "pairwise", "uniform", false, false);
    const size_t network = at.towers.contexts.network_table;
    const parameter_table *table = &at.towers.tables[network];
    assert_true(at.towers.contexts.network && table->width <= MOST_PARAMETERS && table->l2 > 0);
    for (size_t t = 0; t < at.towers.table_count; t++)
        check(parameter_table_create_state(context, step.optimizer, &at.towers.tables[t]));
    check(step_team_create(context, &at.setup, &team));
    check(step_gradients(context, &at.setup, team, &place, &figures));
    table_gradient(team, network, table->width, 1, gradient);
    memcpy(before, table->values, table->width * sizeof *before);
    check(step_batches(context, &at.setup, team, 1, &place, &step, &figures));
    for (size_t k = 0; k < table->width; k++) {
        const double g = gradient[k] + table->l2 * before[k], expected = before[k] - 0.1 * g / sqrt(g * g + 1e-8);
        if (!(fabs(table->values[k] - expected) < 1e-5))
            fail_msg("parameter %zu: %g, not %g", k, (double)table->values[k], expected);
    }
    step_team_free(team);
    for (size_t t = 0; t < at.towers.table_count; t++)
        parameter_table_clear(&at.towers.tables[t]);
    bench_clear(&at);
}

/* How batches are stepped in a trial. */
typedef struct trial {
    const char *loss, *sampled_by, *optimizer;
    bool biases;
    exclusion exclusion;
    double l2, clip, margin;
    uint32_t negatives, batch;
} trial;

static void trial_create(const trial *of, bench *at, bool hogwild)
{
    bench_create(at, "mf", of->loss, of->sampled_by, false, of->biases);
    at->setup.sampler->free(at->setup.state);
    const sampler_params sampling = {.popularity_exponent = 0.5, .margin = of->margin, .most_rounds = 4};
    check(at->setup.sampler->create(context, &sampling, of->exclusion, &at->setup.view, &at->setup.state));
    at->setup.exclusion = of->exclusion;
    at->setup.batch = of->batch;
    at->setup.negatives = of->negatives;
    at->setup.loss_setting.margin = of->margin;
    at->setup.draws_by_model = at->setup.sampler->needs_model;
    at->setup.hogwild = hogwild;
    for (size_t t = 0; t < at->towers.table_count; t++) {
        at->towers.tables[t].l2 = of->l2 * (double)(1 + t);
        check(parameter_table_create_state(context, optimizer_find(of->optimizer), &at->towers.tables[t]));
    }
}

/* All tables' values and state, one behind the other. */
static float *trial_clear(bench *at, size_t *count)
{
    state_array arrays[1 + OPTIMIZER_ARRAYS];
    float *all = NULL;
    *count = 0;
    for (size_t t = 0; t < at->towers.table_count; t++) {
        parameter_table *table = &at->towers.tables[t];
        const optimizer *by = optimizer_find(table->state[1] ? "adam" : table->state[0] ? "adagrad" : "sgd");
        const size_t own = table->rows * table->width, filled = parameter_table_arrays(table, by, arrays);
        all = realloc(all, (*count + filled * own) * sizeof *all);
        for (size_t array = 0; array < filled; array++, *count += own)
            memcpy(all + *count, arrays[array].values, own * sizeof *all);
        parameter_table_clear(table);
    }
    bench_clear(at);
    return all;
}

static step_setting setting_of(const trial *of, uint64_t batch)
{
    return (step_setting){.optimizer = optimizer_find(of->optimizer),
                          .setting = {.rate = 0.1 / (double)(3 + batch / 20),
                                      .beta1 = 0.9,
                                      .beta2 = 0.99,
                                      .epsilon = 1e-6,
                                      .step = 1 + batch},
                          .clip = of->clip,
                          .threads = 1};
}

/* Parameters after half a sweep and more, by gradients and steps of one batch after the other. */
static float *step_one_by_one(const trial *of, step_figures *figures, size_t *count)
{
    bench at;
    step_team *team;
    trial_create(of, &at, false);
    context->threads = 1;
    *figures = (step_figures){0};
    check(step_team_create(context, &at.setup, &team));
    for (uint64_t begin = 0; begin < at.towers.positives.count * 2 / 3; begin += of->batch) {
        const batch_place place = {.begin = begin, .count = of->batch - (begin % 7 == 3 && of->batch > 1)};
        const step_setting step = setting_of(of, begin / of->batch);
        check(step_gradients(context, &at.setup, team, &place, figures));
        row_gradients_apply_all(at.towers.table_count, step_team_gradients(team), at.towers.tables, &step);
    }
    step_team_free(team);
    return trial_clear(&at, count);
}

/* The same by step_batches, as many as it takes. */
static float *step_together(const trial *of, int threads, bool hogwild, step_figures *figures, size_t *count)
{
    bench at;
    step_team *team;
    batch_place places[16];
    step_setting steps[16];
    size_t ready = 0;
    trial_create(of, &at, hogwild);
    context->threads = threads;
    *figures = (step_figures){0};
    check(step_team_create(context, &at.setup, &team));
    const size_t most = step_batches_at_once(team);
    assert_in_range(most, 1, 16);
    if (threads > 1 && !at.setup.draws_by_model && !hogwild)
        assert_true(most > 1);
    for (uint64_t begin = 0; begin < at.towers.positives.count * 2 / 3; begin += of->batch) {
        places[ready] = (batch_place){.begin = begin, .count = of->batch - (begin % 7 == 3 && of->batch > 1)};
        steps[ready++] = setting_of(of, begin / of->batch);
        if (ready < most && begin + of->batch < at.towers.positives.count * 2 / 3)
            continue;
        check(step_batches(context, &at.setup, team, ready, places, steps, figures));
        ready = 0;
    }
    step_team_free(team);
    return trial_clear(&at, count);
}

static void expect_same(const trial *of, const char *how, const float *expected, const float *got, size_t count)
{
    for (size_t at = 0; at < count; at++)
        if (memcmp(&expected[at], &got[at], sizeof *got) != 0)
            fail_msg("%s, %s, %s, batch %u, %s: value %zu of %zu is %.9g, not %.9g", of->loss, of->sampled_by,
                     of->optimizer, of->batch, how, at, count, (double)got[at], (double)expected[at]);
}

/* Uniform negatives repeat, and meet the positive where nothing is refused; WARP of margin −9 finds none. */
static const trial trials[] = {
    {"pairwise", "uniform", "sgd", false, EXCLUDE_HISTORY, 0, 0, 1, 1, 50},
    {"pairwise", "uniform", "adagrad", true, EXCLUDE_HISTORY, 0.1, 0, 1, 1, 13},
    {"pairwise", "uniform", "adam", true, EXCLUDE_NOTHING, 0.1, 0, 1, NEGATIVES, 1},
    {"pairwise", "uniform", "sgd", false, EXCLUDE_NOTHING, 0, 0.2, 1, NEGATIVES, 7},
    {"pointwise", "popularity", "adam", false, EXCLUDE_POSITIVE, 0.2, 0.5, 1, 2, 50},
    {"pointwise", "popularity", "adagrad", true, EXCLUDE_HISTORY, 0, 0, 1, 3, 1},
    {"softmax", "popularity", "sgd", true, EXCLUDE_POSITIVE, 0.1, 0, 1, NEGATIVES, 20},
    {"softmax", "uniform", "adam", false, EXCLUDE_POSITIVE, 0, 0, 1, NEGATIVES, 1},
    {"pairwise", "warp", "adagrad", true, EXCLUDE_HISTORY, 0.1, 0, 1, 1, 30},
    {"pairwise", "warp", "sgd", false, EXCLUDE_HISTORY, 0.1, 0.1, 1, 1, 1},
    {"pairwise", "warp", "adam", false, EXCLUDE_HISTORY, 0.1, 0, -9, 2, 30},
    {"pairwise", "warp", "adagrad", true, EXCLUDE_HISTORY, 0.1, 0, -0.5, 2, 30},
};
enum { TRIALS = sizeof trials / sizeof *trials };

static void test_steps_are_those_of_the_gradients(void **state)
{
    (void)state;
    for (size_t n = 0; n < TRIALS; n++) {
        step_figures expected_figures, figures;
        size_t count, got_count;
        float *expected = step_one_by_one(&trials[n], &expected_figures, &count);
        for (int threads = 1; threads <= 3; threads++) {
            float *got = step_together(&trials[n], threads, false, &figures, &got_count);
            assert_int_equal(got_count, count);
            expect_same(&trials[n], "together", expected, got, count);
            assert_true(figures.loss == expected_figures.loss);
            assert_int_equal(figures.positives, expected_figures.positives);
            assert_int_equal(figures.draws, expected_figures.draws);
            assert_int_equal(figures.rounds, expected_figures.rounds);
            assert_int_equal(figures.rejected, expected_figures.rejected);
            assert_int_equal(figures.alone, expected_figures.alone);
            free(got);
        }
        free(expected);
    }
}

/* One thread with --hogwild and batches of one is the reproducible mode. */
static void test_hogwild_of_one_thread_steps_alike(void **state)
{
    (void)state;
    for (size_t n = 0; n < TRIALS; n++) {
        trial one = trials[n];
        step_figures figures;
        size_t count;
        one.batch = 1;
        float *expected = step_one_by_one(&one, &figures, &count),
              *got = step_together(&one, 1, true, &figures, &count);
        expect_same(&one, "hogwild", expected, got, count);
        free(expected);
        free(got);
    }
}

/* What is drawn example by example and without a look at the model is the same in a batch of any size, and so are then
 * the steps of examples in turn. */
static void test_hogwild_steps_examples_in_turn(void **state)
{
    static const char *const optimizers[] = {"sgd", "adagrad", "adam"};
    (void)state;
    for (size_t n = 0; n < 3; n++) {
        const trial many = {"softmax", "popularity", optimizers[n], n == 1, EXCLUDE_POSITIVE, 0.1, 0, 1, NEGATIVES, 40};
        trial one = many;
        step_figures figures;
        size_t count;
        bench at;
        step_team *team;
        one.batch = 1;
        trial_create(&one, &at, false);
        context->threads = 1;
        figures = (step_figures){0};
        check(step_team_create(context, &at.setup, &team));
        for (uint64_t example = 0; example < 80; example++) { /* at the rate of its batch */
            const batch_place place = {.begin = example, .count = 1};
            step_setting step = setting_of(&many, example / 40);
            step.setting.step = 1 + example;
            check(step_gradients(context, &at.setup, team, &place, &figures));
            row_gradients_apply_all(at.towers.table_count, step_team_gradients(team), at.towers.tables, &step);
        }
        step_team_free(team);
        float *expected = trial_clear(&at, &count);
        trial_create(&many, &at, true);
        check(step_team_create(context, &at.setup, &team));
        for (uint64_t batch = 0; batch < 2; batch++) {
            const batch_place place = {.begin = 40 * batch, .count = 40};
            const step_setting step = setting_of(&many, batch);
            check(step_batches(context, &at.setup, team, 1, &place, &step, &figures));
        }
        step_team_free(team);
        float *got = trial_clear(&at, &count);
        expect_same(&many, "in turn", expected, got, count);
        free(expected);
        free(got);
    }
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
        cmocka_unit_test(test_own_negatives),
        cmocka_unit_test(test_shared_negatives),
        cmocka_unit_test(test_full_softmax),
        cmocka_unit_test(test_layers_are_stepped_once),
        cmocka_unit_test(test_steps_are_those_of_the_gradients),
        cmocka_unit_test(test_hogwild_of_one_thread_steps_alike),
        cmocka_unit_test(test_hogwild_steps_examples_in_turn),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
