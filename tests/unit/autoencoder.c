/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole autoencoders against losses and gradients by NumPy (tests/golden/autoencoder.py); likelihoods against twins in
 * double precision; what must be so by definition.
 */
#include "golden/autoencoder.h"
#include "base/memory.h"
#include "numeric/sparse.h"
#include "train/autoencoder/by_item.h"
#include "train/autoencoder/chain.h"
#include "train/autoencoder/gaussian.h"
#include "train/autoencoder/hierarchy.h"
#include "train/autoencoder/item_output.h"
#include "train/autoencoder/sparse_input.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static topn_context *context;
static uint64_t indptr[] = {0, 3, 4, 9, 11};
static uint32_t indices[] = {0, 2, 5, 1, 0, 1, 3, 4, 6, 2, 6};
static const sparse_matrix events = {
    .indptr = indptr, .indices = indices, .rows = GOLDEN_USERS, .columns = GOLDEN_ITEMS};
static uint32_t rows[GOLDEN_USERS] = {0, 1, 2, 3};
static const uint64_t places[GOLDEN_USERS] = {0, 1, 2, 3};

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

enum {
    PLAIN,
    NORMAL_PRIOR,
    COMPOSITE_PRIOR,
    TWO_LATENT_LAYERS,
    LINEAR_DECODER,
    KINDS,
    MOST_STACKS = 9,
    MOST_WIDTH = 64
};
static const network_kind kinds[] = {CHAIN_NETWORK(CHAIN_PLAIN, ), CHAIN_NETWORK(CHAIN_NORMAL_PRIOR, ),
                                     CHAIN_NETWORK(CHAIN_COMPOSITE_PRIOR, ), HIERARCHY_NETWORK,
                                     CHAIN_NETWORK(CHAIN_NORMAL_PRIOR, )};

/* What NumPy says of a kind; of each of the network's arrays. */
typedef struct golden {
    char *hidden;
    int decoder;
    const double *input, *d_input, *items, *d_items, *biases, *d_biases, *losses, *stacks[MOST_STACKS],
        *d_stacks[MOST_STACKS];
} golden;
#define TABLES(name)                                                                                                   \
    .input = name##_input, .d_input = name##_d_input, .items = name##_items, .d_items = name##_d_items,                \
    .biases = name##_biases, .d_biases = name##_d_biases, .losses = name##_losses
static const golden expected[] = {
    {.hidden = (char *)"", TABLES(dae), .stacks = {dae_encoder}, .d_stacks = {dae_d_encoder}},
    {.hidden = (char *)"5",
     TABLES(vae),
     .stacks = {vae_encoder, vae_decoder},
     .d_stacks = {vae_d_encoder, vae_d_decoder}},
    {.hidden = (char *)"5,5", TABLES(recvae), .stacks = {recvae_encoder}, .d_stacks = {recvae_d_encoder}},
    {.hidden = (char *)"5",
     TABLES(hvamp),
     .stacks = {hvamp_front, hvamp_outer, hvamp_inner, hvamp_joint, hvamp_prior, hvamp_from_inner, hvamp_from_outer,
                hvamp_last, hvamp_pseudo},
     .d_stacks = {hvamp_d_front, hvamp_d_outer, hvamp_d_inner, hvamp_d_joint, hvamp_d_prior, hvamp_d_from_inner,
                  hvamp_d_from_outer, hvamp_d_last, hvamp_d_pseudo}},
    {.hidden = (char *)"5",
     .decoder = DECODER_LINEAR,
     TABLES(linear),
     .stacks = {linear_encoder},
     .d_stacks = {linear_d_encoder}},
};

/* A model of golden parameters. */
typedef struct fixture {
    const network_kind *kind;
    const golden *of;
    autoencoder_params params;
    const optimizer *by;
    void *network;
    sparse_input input;
    item_output output;
    size_t width, outputs;
    state_array arrays[MOST_NETWORK_ARRAYS];
    size_t array_count;
    float *x, *remembered, *dx, *h, *dh;
    user_batch batch;
} fixture;

static float *floats(size_t count)
{
    float *values;
    check(ALLOCATE(context, count, &values));
    return values;
}

static void put(const double *from, size_t count, float *to)
{
    for (size_t at = 0; at < count; at++)
        to[at] = (float)from[at];
}

static size_t values_of(const state_array *array)
{
    return array->rows * array->columns;
}

static void fixture_create(int at, fixture *out)
{
    size_t first;
    const int form = kinds[at].form;
    *out = (fixture){.kind = &kinds[at], .of = &expected[at], .by = optimizer_find("sgd")};
    out->params = (autoencoder_params){.hidden = out->of->hidden,
                                       .decoder = out->of->decoder,
                                       .latent = GOLDEN_LATENT,
                                       .beta_per_event = golden_gamma,
                                       .pseudo_inputs = GOLDEN_COMPONENTS};
    check(out->kind->check(context, form, &out->params));
    out->kind->sizes(form, &out->params, &out->width, &out->outputs, &first);
    check(out->kind->create(context, form, &out->params, GOLDEN_USERS, GOLDEN_ITEMS, out->by, &out->network));
    check(sparse_input_create(context, &events, GOLDEN_USERS, out->width, first, 8, out->by, &out->input));
    check(item_output_create(context, GOLDEN_ITEMS, out->outputs, GOLDEN_USERS, 9, out->by, &out->output));
    out->array_count = out->kind->arrays(out->network, out->by, out->arrays);
    out->x = floats(GOLDEN_USERS * out->width);
    out->remembered = floats(GOLDEN_USERS * 2 * GOLDEN_LATENT);
    out->dx = floats(GOLDEN_USERS * out->width);
    out->h = floats(GOLDEN_USERS * out->outputs);
    out->dh = floats(GOLDEN_USERS * out->outputs);
    out->batch = (user_batch){.events = &events,
                              .rows = rows,
                              .count = GOLDEN_USERS,
                              .seed = GOLDEN_SEED,
                              .in_total = GOLDEN_USERS,
                              .sample = true,
                              .threads = 2};
    if (at == COMPOSITE_PRIOR) {
        put(recvae_old_input, GOLDEN_ITEMS * out->width, out->input.rows);
        sparse_input_gather(&out->input, &out->batch, out->x);
        put(recvae_old_encoder, out->arrays[0].columns, out->arrays[0].values);
        assert_int_equal(out->kind->remembers(form, &out->params), 2 * GOLDEN_LATENT);
        out->kind->remember(out->network, &out->batch, out->x, out->remembered);
        out->batch.remembered = out->remembered;
        out->batch.places = places;
    }
    put(out->of->input, GOLDEN_ITEMS * out->width, out->input.rows);
    put(out->of->items, GOLDEN_ITEMS * out->outputs, out->output.rows);
    put(out->of->biases, GOLDEN_ITEMS, out->output.biases);
    for (size_t array = 0; array < out->array_count; array++)
        put(out->of->stacks[array], values_of(&out->arrays[array]), out->arrays[array].values);
}

static void fixture_clear(fixture *of)
{
    of->kind->free(of->network);
    sparse_input_clear(&of->input);
    item_output_clear(&of->output);
    free(of->x);
    free(of->remembered);
    free(of->dx);
    free(of->h);
    free(of->dh);
}

/* The sums of both losses; parameters less their gradients. */
static void run(fixture *of, double beta, double losses[2])
{
    const autoencoder_step step = {
        .scale = 1, .beta = beta, .encoder = true, .decoder = true, .by = of->by, .setting = {.rate = 1, .step = 1}};
    sparse_input_forward(&of->input, &of->batch, of->x);
    of->kind->forward(of->network, &of->batch, of->x, of->h);
    losses[0] = item_output_forward(&of->output, &of->batch, of->h, LIKELIHOOD_MULTINOMIAL, 1);
    item_output_backward(&of->output, &of->batch, of->h, of->dh, of->by, &step.setting, 0);
    losses[1] = of->kind->backward(of->network, &of->batch, &step, of->dh, of->dx).weighted;
    sparse_input_step(&of->input, &of->batch, of->dx, of->by, &step.setting, 0);
}

static void is_stepped(const char *part, size_t count, const double *before, const double *gradient, const float *after)
{
    for (size_t at = 0; at < count; at++) {
        const double found = before[at] - (double)after[at];
        if (fabs(found - gradient[at]) > 2e-5 * (1 + fabs(gradient[at])))
            fail_msg("%s %zu: gradient %.8g, not %.8g", part, at, found, gradient[at]);
    }
}

static void test_golden(void **state)
{
    (void)state;
    for (int form = 0; form < KINDS; form++) {
        fixture of;
        double losses[2];
        fixture_create(form, &of);
        run(&of, golden_beta, losses);
        for (int part = 0; part < 2; part++)
            assert_true(fabs(losses[part] - of.of->losses[part]) < 1e-5 * (1 + fabs(of.of->losses[part])));
        is_stepped("items", GOLDEN_ITEMS * of.outputs, of.of->items, of.of->d_items, of.output.rows);
        is_stepped("biases", GOLDEN_ITEMS, of.of->biases, of.of->d_biases, of.output.biases);
        for (size_t array = 0; array < of.array_count; array++)
            is_stepped(of.arrays[array].name, values_of(&of.arrays[array]), of.of->stacks[array],
                       of.of->d_stacks[array], of.arrays[array].values);
        is_stepped("input", GOLDEN_ITEMS * of.width, of.of->input, of.of->d_input, of.input.rows);
        fixture_clear(&of);
    }
}

/* Means in place of draws and no divergence: variances have no part in it, so they do not move. */
static void test_plain_without_regularisers(void **state)
{
    (void)state;
    fixture of;
    double losses[2];
    fixture_create(NORMAL_PRIOR, &of);
    of.batch.sample = false;
    run(&of, 0, losses);
    assert_true(losses[1] == 0);
    const float *weights = of.arrays[0].values + GOLDEN_HIDDEN;
    bool moved = false;
    for (size_t at = 0; at < GOLDEN_HIDDEN * 2 * GOLDEN_LATENT; at++) {
        const bool is_log = at % (2 * GOLDEN_LATENT) >= GOLDEN_LATENT;
        const bool same = weights[at] == (float)of.of->stacks[0][GOLDEN_HIDDEN + at];
        assert_true(!is_log || same);
        moved |= !same;
    }
    assert_true(moved);
    fixture_clear(&of);
}

/* The same of two latent layers: what only priors and variances are made of does not move. */
static void test_hierarchy_without_regularisers(void **state)
{
    (void)state;
    fixture of;
    double losses[2];
    fixture_create(TWO_LATENT_LAYERS, &of);
    of.batch.sample = false;
    run(&of, 0, losses);
    assert_true(losses[1] == 0);
    for (size_t array = 0; array < of.array_count; array++) {
        const state_array *at = &of.arrays[array];
        const bool of_prior = strcmp(at->name, "prior") == 0 || strcmp(at->name, "pseudo-inputs") == 0,
                   of_moments = strcmp(at->name, "outer") == 0;
        bool moved = false;
        for (size_t place = 0; place < values_of(at); place++) {
            const bool same = at->values[place] == (float)of.of->stacks[array][place];
            assert_true(same || !of_prior);
            assert_true(same || !of_moments || place % (2 * GOLDEN_LATENT) < GOLDEN_LATENT);
            moved |= !same;
        }
        assert_true(moved != of_prior);
    }
    fixture_clear(&of);
}

/* The model's layers give what training's do where nothing is drawn or dropped. */
static void test_export(void **state)
{
    (void)state;
    for (int form = 0; form < KINDS; form++) {
        fixture of;
        network_layers layers = {0};
        float scratch[256], out[MOST_WIDTH];
        fixture_create(form, &of);
        of.batch.sample = false;
        sparse_input_forward(&of.input, &of.batch, of.x);
        of.kind->forward(of.network, &of.batch, of.x, of.h);
        check(of.kind->export(context, of.network, &layers));
        check(layers_check(context, "layer", &layers));
        assert_true(layers_scratch(&layers) <= 256 && layers_outputs(&layers) == of.outputs);
        for (size_t n = 0; n < GOLDEN_USERS; n++) {
            layers_forward(&layers, of.x + n * of.width, scratch, out);
            for (size_t j = 0; j < of.outputs; j++)
                assert_true(fabsf(out[j] - of.h[n * of.outputs + j]) < 1e-5f);
        }
        for (size_t array = 0; array < of.array_count; array++)
            memset(of.arrays[array].values, 0, values_of(&of.arrays[array]) * sizeof(float));
        assert_true(of.kind->take(of.network, &layers));
        of.kind->forward(of.network, &of.batch, of.x, of.h);
        for (size_t j = 0; j < of.outputs; j++)
            assert_true(fabsf(out[j] - of.h[(GOLDEN_USERS - 1) * of.outputs + j]) < 1e-5f);
        layers_clear(&layers, false);
        fixture_clear(&of);
    }
}

static void test_standard_normal(void **state)
{
    (void)state;
    enum { LATENT = 9 };
    const float moments[2 * LATENT] = {0};
    float d[2 * LATENT] = {0};
    assert_true(gaussian_divergence(LATENT, moments, 1, d) == 0);
    for (size_t j = 0; j < 2 * LATENT; j++)
        assert_true(d[j] == 0);
}

static double likelihood_twin(likelihood kind, const double *scores, size_t items, const uint32_t *taken, size_t count)
{
    double most = -INFINITY, sum = 0, loss = 0;
    for (size_t i = 0; i < items; i++)
        most = fmax(most, scores[i]);
    for (size_t i = 0; i < items; i++) {
        const double s = scores[i];
        sum += exp(s - most);
        loss += kind == LIKELIHOOD_BERNOULLI  ? fmax(s, 0) + log1p(exp(-fabs(s)))
                : kind == LIKELIHOOD_GAUSSIAN ? s * s / 2
                                              : 0;
    }
    for (size_t at = 0; at < count; at++)
        loss += kind == LIKELIHOOD_MULTINOMIAL ? most + log(sum) - scores[taken[at]]
                : kind == LIKELIHOOD_BERNOULLI ? -scores[taken[at]]
                                               : 0.5 - scores[taken[at]];
    return loss;
}

static void test_likelihoods(void **state)
{
    (void)state;
    enum { ITEMS = 75, COUNT = 5 };
    static const uint32_t taken[COUNT] = {0, 3, 17, 64, 74};
    for (int kind = LIKELIHOOD_MULTINOMIAL; kind <= LIKELIHOOD_GAUSSIAN; kind++) {
        float scores[ITEMS], biases[ITEMS];
        double twin[ITEMS];
        for (size_t i = 0; i < ITEMS; i++) {
            scores[i] = (float)(4 * sin(1 + 3.7 * (double)i));
            biases[i] = (float)cos((double)i);
            twin[i] = (double)scores[i] + (double)biases[i];
        }
        const double wanted = likelihood_twin((likelihood)kind, twin, ITEMS, taken, COUNT);
        assert_true(fabs(likelihood_row((likelihood)kind, scores, biases, ITEMS, taken, COUNT, 0.5) - wanted) <
                    1e-5 * wanted);
        for (size_t i = 0; i < ITEMS; i++) {
            const double kept = twin[i];
            twin[i] = kept + 1e-5;
            double slope = likelihood_twin((likelihood)kind, twin, ITEMS, taken, COUNT);
            twin[i] = kept - 1e-5;
            slope = (slope - likelihood_twin((likelihood)kind, twin, ITEMS, taken, COUNT)) / 2e-5;
            twin[i] = kept;
            assert_true(fabs((double)scores[i] - 0.5 * slope) < 1e-5);
        }
        float extreme[3] = {1000, -1000, 0}; /* e^1000 is not a float */
        static const float no_biases[3];
        assert_true(isfinite(likelihood_row((likelihood)kind, extreme, no_biases, 3, taken, 1, 1)));
        for (size_t i = 0; i < 3; i++)
            assert_true(isfinite(extreme[i]));
    }
}

/* So many events are left out as asked for, the others weigh more; each by its own number alone. */
static void test_dropout(void **state)
{
    (void)state;
    enum { PASSES = 2000 };
    fixture of;
    uint64_t kept = 0;
    fixture_create(PLAIN, &of);
    of.input.dropout = 0.25;
    of.batch.drop = true;
    for (uint64_t pass = 0; pass < PASSES; pass++) {
        of.batch.pass = pass;
        sparse_input_forward(&of.input, &of.batch, of.x);
        for (size_t at = 0; at < 11; at++)
            kept += of.input.factors[at] > 0;
        assert_true(of.input.factors[3] == 0 || fabsf(of.input.factors[3] - 1 / 0.75f) < 1e-6f);
    }
    const double share = (double)kept / (11.0 * PASSES), deviation = sqrt(0.25 * 0.75 / (11.0 * PASSES));
    assert_true(fabs(share - 0.75) < 5 * deviation);
    fixture_clear(&of);
}

/* The sum over a history is the optimum of ½ Σ_i (⟨w, ψ_i⟩ − x_i)² + |I| λ/2 ‖w‖²: its gradient is 0. */
static void test_by_item(void **state)
{
    (void)state;
    enum { WIDTH = 3 };
    const double l2 = 0.01;
    topn_data *data;
    topn_model *model;
    sparse_matrix turned;
    float v[GOLDEN_USERS * WIDTH], w[GOLDEN_USERS * WIDTH], mu[WIDTH] = {0.1f, -0.2f, 0};
    for (size_t at = 0; at < GOLDEN_USERS * WIDTH; at++)
        v[at] = (float)sin(1 + 2.3 * (double)at);
    check(topn_data_copy_csr(context, GOLDEN_USERS, GOLDEN_ITEMS, indptr, indices, NULL, &data));
    check(sparse_transpose(context, &data->matrix, &turned));
    check(model_create(context, data, false, &model));
    const by_item of = {
        .data = data, .events = &turned, .v = v, .w = w, .mu = mu, .width = WIDTH, .l2 = l2, .keep_users = true};
    check(by_item_export(context, &of, model));
    check(model_check(context, model));
    const float *psi = model->table.rows.dense.values, *t = model->encoder.network.bags[0].table.values;
    for (size_t user = 0; user < GOLDEN_USERS; user++) {
        double row[WIDTH] = {0}, gradient[WIDTH] = {0};
        for (uint64_t at = indptr[user]; at < indptr[user + 1]; at++)
            for (size_t j = 0; j < WIDTH; j++)
                row[j] += (double)t[indices[at] * WIDTH + j];
        for (size_t item = 0; item < GOLDEN_ITEMS; item++) {
            double miss = 0;
            for (uint64_t at = indptr[user]; at < indptr[user + 1]; at++)
                miss -= indices[at] == item;
            for (size_t j = 0; j < WIDTH; j++)
                miss += row[j] * (double)psi[item * WIDTH + j];
            for (size_t j = 0; j < WIDTH; j++)
                gradient[j] += miss * (double)psi[item * WIDTH + j];
        }
        for (size_t j = 0; j < WIDTH; j++)
            assert_true(fabs(gradient[j] + l2 * GOLDEN_ITEMS * row[j]) < 1e-5);
    }
    /* ψ of item 1, whose users are 1 and 2, by hand; and as a new item with these users. */
    network_scratch *scratch;
    float made[WIDTH];
    static const uint32_t users[] = {1, 2};
    check(network_scratch_create(context, &model->encoder.network, &scratch));
    check(network_embed_item(&model->encoder.network, users, NULL, 2, scratch, made));
    for (size_t j = 0; j < WIDTH; j++) {
        const double z = (double)mu[j] + (double)v[WIDTH + j] + (double)v[2 * WIDTH + j];
        assert_true(fabs((double)psi[WIDTH + j] - 1 / (1 + exp(-z))) < 1e-6);
        assert_true(fabsf(made[j] - psi[WIDTH + j]) < 1e-6f);
    }
    network_scratch_free(scratch);
    sparse_clear(&turned);
    topn_model_free(model);
    topn_data_free(data);
}

static int setup(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
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
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_plain_without_regularisers),
        cmocka_unit_test(test_export),      cmocka_unit_test(test_standard_normal),
        cmocka_unit_test(test_likelihoods), cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_by_item),     cmocka_unit_test(test_hierarchy_without_regularisers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
