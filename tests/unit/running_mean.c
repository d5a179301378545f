/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of averaged weights (--average) against means, in double precision, of the models that trainings of fewer
 * sweeps make; what is predicted and held of memory.
 */
#include "train/autoencoder/running_mean.h"
#include "made_data.h"
#include "train/method.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h> /* after ours: it defines a macro named fail */

enum { USERS = 40, ITEMS = 24, SWEEPS = 6 };

static topn_data *small_data(void)
{
    uint32_t pairs[USERS * ITEMS][2];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++)
            if (random_uniform(3, RANDOM_DOCTOR, user * ITEMS + item) < ((user + item) % 2 ? 0.1 : 0.5)) {
                pairs[count][0] = user;
                pairs[count++][1] = item;
            }
    return made_data(USERS, ITEMS, (const uint32_t(*)[2])pairs, NULL, count);
}

static topn_options *options_of(topn_context *context, const char *name, const char *average, int sweeps)
{
    char number[8];
    topn_options *options;
    snprintf(number, sizeof number, "%d", sweeps);
    const char *const settings[][2] = {{"sweeps", number},     {"average", average}, {"latent", "5"},
                                       {"hidden", "7"},        {"batch", "16"},      {"learning-rate", "0.01"},
                                       {"pseudo-inputs", "4"}, {"decoder", "linear"}};
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, name, &options), TOPN_OK);
    for (size_t index = 0; index < sizeof settings / sizeof *settings; index++)
        if (topn_options_has(options, settings[index][0]))
            assert_int_equal(topn_options_set(context, options, settings[index][0], settings[index][1]), TOPN_OK);
    return options;
}

/* The model after so many sweeps; they are the same whatever follows them. */
static topn_model *model_of(topn_context *context, const topn_data *data, const char *name, const char *average,
                            int sweeps)
{
    topn_options *options = options_of(context, name, average, sweeps);
    topn_model *model;
    if (topn_train(context, data, options, NULL, &model) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    topn_options_free(options);
    return model;
}

/* Arrays of a model; a layer has two to four. */
enum { MOST_ARRAYS = 4 + 4 * MOST_LAYERS };
typedef struct model_array {
    const float *values;
    size_t count;
} model_array;

static size_t arrays_of(const topn_model *model, model_array *out)
{
    const network_encoder *encoder = &model->encoder.network;
    const dense_matrix *input = &encoder->bags[0].table, *items = &model->table.rows.dense;
    size_t count = 0;
    out[count++] = (model_array){input->values, input->rows * input->columns};
    out[count++] = (model_array){items->values, items->rows * items->columns};
    out[count++] = (model_array){model->table.biases, ITEMS};
    for (size_t layer = 0; layer < encoder->layers.layer_count; layer++) {
        const dense_layer *at = &encoder->layers.layers[layer];
        const size_t outputs = layers_inputs(&encoder->layers, layer + 1);
        out[count++] = (model_array){at->weights.values, at->weights.rows * at->weights.columns};
        out[count++] = (model_array){at->biases, layers_columns(&encoder->layers, layer)};
        out[count++] = (model_array){at->gain, at->gain ? outputs : 0};
        out[count++] = (model_array){at->shift, at->shift ? outputs : 0};
    }
    assert_true(count <= MOST_ARRAYS);
    return count;
}

/* All values of a model behind each other, in double precision. */
static double *values_of(const topn_model *model, size_t *total)
{
    model_array arrays[MOST_ARRAYS];
    const size_t count = arrays_of(model, arrays);
    double *values;
    *total = 0;
    for (size_t index = 0; index < count; index++)
        *total += arrays[index].count;
    made(ALLOCATE(NULL, *total, &values));
    double *to = values;
    for (size_t index = 0; index < count; index++)
        for (size_t at = 0; at < arrays[index].count; at++)
            *to++ = (double)arrays[index].values[at];
    return values;
}

static void averaged_is_the_mean(topn_context *context, const topn_data *data, const char *name, double keep)
{
    char average[16];
    double *mean = NULL;
    size_t total;
    snprintf(average, sizeof average, "%g", keep);
    for (int sweep = 1; sweep <= SWEEPS; sweep++) {
        topn_model *raw = model_of(context, data, name, "0", sweep),
                   *averaged = model_of(context, data, name, average, sweep);
        double *values = values_of(raw, &total), *found = values_of(averaged, &total);
        const double share = fmax(1 - keep, 1.0 / sweep);
        bool apart = false;
        if (!mean)
            made(ALLOCATE_ZEROED(NULL, total, &mean));
        for (size_t at = 0; at < total; at++) {
            mean[at] += share * (values[at] - mean[at]);
            apart |= fabs(found[at] - values[at]) > 1e-3;
            if (fabs(found[at] - mean[at]) > 1e-5 * (1 + fabs(mean[at])))
                fail_msg("%s, value %u after sweep %d: %.8g, not %.8g", name, (unsigned)at, sweep, found[at], mean[at]);
        }
        assert_int_equal(apart, sweep > 1);
        free(values);
        free(found);
        topn_model_free(raw);
        topn_model_free(averaged);
    }
    free(mean);
}

static void test_means(void **state)
{
    topn_data *data = small_data();
    static const char *const names[] = {"mult-dae", "mult-vae", "hvamp", "recvae"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        averaged_is_the_mean(*state, data, names[index], 0.6);
        averaged_is_the_mean(*state, data, names[index], 0.999); /* the plain mean of all sweeps */
    }
    topn_data_free(data);
}

/* Of items by users: V and μ are means; item rows follow from them, so they are another thing than the means of rows.
 */
static void test_by_item(void **state)
{
    topn_data *data = small_data();
    topn_model *averaged = model_of(*state, data, "autorec", "0.999", SWEEPS);
    const dense_matrix *found = &averaged->encoder.network.items.table;
    const size_t total = found->rows * found->columns;
    double *mean;
    made(ALLOCATE_ZEROED(NULL, total, &mean));
    for (int sweep = 1; sweep <= SWEEPS; sweep++) {
        topn_model *raw = model_of(*state, data, "autorec", "0", sweep);
        for (size_t at = 0; at < total; at++)
            mean[at] += (double)raw->encoder.network.items.table.values[at] / SWEEPS;
        topn_model_free(raw);
    }
    for (size_t at = 0; at < total; at++)
        assert_true(fabs((double)found->values[at] - mean[at]) < 1e-5);
    free(mean);
    topn_model_free(averaged);
    topn_data_free(data);
}

/* Two in three arrays belong to the optimiser. */
static void test_costs(void **state)
{
    topn_data *data = small_data();
    static const char *const names[] = {"mult-dae", "mult-vae", "hvamp", "recvae", "autorec"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        const method *tested = method_find(names[index]);
        topn_options *without = options_of(*state, names[index], "0", 1),
                     *with = options_of(*state, names[index], "0.5", 1);
        const training_cost less = tested->cost(data, options_params(without, tested->options)),
                            more = tested->cost(data, options_params(with, tested->options));
        const uint64_t means = less.state_bytes / 3;
        assert_true(means > 0);
        assert_int_equal(more.bytes, less.bytes + means);
        assert_int_equal(more.state_bytes, less.state_bytes + means);
        topn_options_free(without);
        topn_options_free(with);
    }
    topn_data_free(data);
}

/* Same bits with any number of threads; two exchanges undo each other; none where nothing is kept. */
static void test_parts(void **state)
{
    topn_context *context = *state;
    enum { COUNT = 7, GROUP = 2 };
    float weights[COUNT], others[COUNT] = {0}, lasts[1] = {5}, last_others[1] = {0};
    const state_array arrays[] = {{"weights", weights, COUNT, 1},
                                  {"weights.squares", others, COUNT, 1},
                                  {"last", lasts, 1, 1},
                                  {"last.squares", last_others, 1, 1}};
    state_array listed[2];
    running_mean kept, none;
    made(running_mean_create(context, 0, arrays, 4, GROUP, &none));
    assert_int_equal(running_mean_list(&none, arrays, GROUP, listed), 0);
    running_mean_take(&none, 0, 1);
    running_mean_swap(&none, 1);
    made(running_mean_create(context, 0.75, arrays, 4, GROUP, &kept));
    assert_int_equal(running_mean_list(&kept, arrays, GROUP, listed), 2);
    assert_string_equal(listed[0].name, "average.weights");
    assert_string_equal(listed[1].name, "average.last");
    double expected = 0;
    for (int sweep = 0; sweep < 10; sweep++) {
        for (size_t at = 0; at < COUNT; at++)
            weights[at] = (float)(at + 1) * (float)(sweep * sweep);
        running_mean_take(&kept, sweep, 1 + sweep % 2);
        expected += fmax(0.25, 1.0 / (sweep + 1)) * (sweep * sweep - expected);
    }
    for (size_t at = 0; at < COUNT; at++)
        assert_true(fabs((double)listed[0].values[at] - expected * (double)(at + 1)) < 1e-4);
    assert_true(listed[1].values[0] == 5 && lasts[0] == 5 && others[0] == 0);
    running_mean_swap(&kept, 1);
    assert_true(listed[0].values[1] == 2 * 81 && fabs((double)weights[0] - expected) < 1e-4);
    running_mean_swap(&kept, 2);
    assert_true(weights[1] == 2 * 81);
    running_mean_clear(&kept);
    running_mean_clear(&none);
}

static int setup(void **state)
{
    topn_context *context;
    topn_options *options;
    made(topn_context_create(&context));
    made(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &options));
    made(topn_options_set(context, options, "threads", "1")); /* the data are small */
    made(topn_context_apply(context, options));
    topn_options_free(options);
    *state = context;
    return 0;
}

static int teardown(void **state)
{
    topn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_by_item),
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
