/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder of networks against its definition, written once more plainly and in double precision; its explanations;
 * its file; and new items by features.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <unistd.h>

#include "model/extended_items.h"
#include "sample_model.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { MOST = 16 };

static double twin_activation(activation_kind kind, double z)
{
    return kind == ACTIVATION_TANH    ? tanh(z)
           : kind == ACTIVATION_SWISH ? z / (1 + exp(-z))
           : kind == ACTIVATION_RELU  ? fmax(z, 0)
                                      : z;
}

static void twin_layers(const network_layers *network, double *x, double *out)
{
    double outputs[MOST_LAYERS + 1][MOST] = {{0}};
    size_t width = network->inputs;
    memcpy(outputs[0], x, width * sizeof *x);
    for (size_t l = 0; l < network->layer_count; l++) {
        const dense_layer *layer = &network->layers[l];
        const size_t columns = layer->weights.values ? layer->weights.columns : width;
        double z[MOST], mean = 0, variance = 0, *h = outputs[l + 1];
        for (size_t j = 0; j < columns; j++) {
            z[j] = (layer->biases ? (double)layer->biases[j] : 0) + (layer->weights.values ? 0 : outputs[l][j]);
            for (size_t i = 0; layer->weights.values && i < width; i++)
                z[j] += outputs[l][i] * (double)layer->weights.values[i * columns + j];
            for (size_t k = 1; layer->connected && k <= l; k++)
                z[j] += outputs[k][j];
        }
        width = layer->gated ? columns / 2 : columns;
        for (size_t j = 0; j < width; j++) {
            h[j] = twin_activation(layer->activation, z[j]) / (layer->gated ? 1 + exp(-z[width + j]) : 1);
            mean += h[j] / (double)width;
        }
        for (size_t j = 0; j < width; j++)
            variance += (h[j] - mean) * (h[j] - mean) / (double)width;
        for (size_t j = 0; layer->gain && j < width; j++)
            h[j] = (double)layer->gain[j] * (h[j] - mean) / sqrt(variance + 1e-5) + (double)layer->shift[j];
    }
    const double *last = outputs[network->layer_count];
    double squares = 0;
    for (size_t j = 0; j < width; j++)
        squares += last[j] * last[j];
    for (size_t j = 0; j < width; j++)
        out[j] = network->scale * last[j] / (network->normalize ? sqrt(squares) : 1);
}

static void add_row(const dense_matrix *table, size_t row, double by, double *x)
{
    for (size_t j = 0; j < table->columns; j++)
        x[j] += by * (double)table->values[row * table->columns + j];
}

static void twin_encode(const topn_model *model, const fields_query *query, double *out)
{
    const network_encoder *encoder = &model->encoder.network;
    const dense_matrix *users = &encoder->users.table;
    const size_t features = users->rows - encoder->users.features.count;
    double x[MOST] = {0};
    for (size_t b = 0; b < encoder->bag_count; b++) {
        const network_bag *bag = &encoder->bags[b];
        double sum[MOST] = {0}, n = 0;
        for (size_t h = 0; h < query->length; h++) {
            const double w = query->weights ? (double)query->weights[h] : 1, v = bag->weighted ? w - bag->offset : 1;
            add_row(&bag->table, query->items[h], v, sum);
            n += bag->squares ? v * v : 1;
        }
        for (size_t j = 0; n > 0 && j < encoder->width; j++)
            x[j] += pow(n, -bag->exponent) * sum[j];
    }
    add_row(users, query->user == UINT32_MAX ? features - 1 : query->user, 1, x);
    for (size_t k = 0; k < query->feature_count; k++)
        add_row(users, features + query->features[k], query->feature_values ? (double)query->feature_values[k] : 1, x);
    const sparse_matrix *kept = &encoder->user_features;
    if (query->user != UINT32_MAX && !query->feature_count && kept->indptr)
        for (uint64_t at = kept->indptr[query->user]; at < kept->indptr[query->user + 1]; at++)
            add_row(users, features + kept->indices[at], (double)kept->values[at], x);
    twin_layers(&encoder->layers, x, out);
}

static const uint32_t items[] = {2, 0, 3}, features[] = {2, 0};
static const float weights[] = {0.5f, 2.0f, 1.25f}, numbers[] = {1.0f, -0.5f};
static const fields_query queries[] = {
    {.user = UINT32_MAX},
    {.user = UINT32_MAX, .items = items, .length = 1},
    {.user = UINT32_MAX, .items = items, .length = 3},
    {.user = UINT32_MAX, .items = items, .weights = weights, .length = 3},
    {.user = UINT32_MAX, .features = features, .feature_count = 2},
    {.user = UINT32_MAX,
     .items = items,
     .length = 2,
     .features = features,
     .feature_values = numbers,
     .feature_count = 2},
    {.user = 0, .items = items, .weights = weights, .length = 3},
    {.user = 2, .items = items, .length = 3, .features = features, .feature_count = 1},
};
enum { QUERIES = sizeof queries / sizeof *queries };

static topn_model *make(bool full)
{
    topn_model *model;
    assert_int_equal(sample_model(context, &sample_forms[SAMPLE_NETWORK], full, &model), TOPN_OK);
    return model;
}

static void assert_near(double value, double expected)
{
    if (!(fabs(value - expected) <= 2e-5 * (1 + fabs(expected))))
        fail_msg("%.9g, not %.9g", value, expected);
}

static void encoding_is_the_twin(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        topn_model *model = make(full);
        network_scratch *scratch;
        float phi[MOST];
        double expected[MOST];
        assert_int_equal(network_scratch_create(context, &model->encoder.network, &scratch), TOPN_OK);
        for (size_t index = 0; index < QUERIES; index++) {
            const fields_query *query = &queries[index];
            if (!full && (query->feature_count || query->user != UINT32_MAX))
                continue;
            assert_int_equal(network_encode(&model->encoder.network, query, scratch, phi), TOPN_OK);
            twin_encode(model, query, expected);
            for (size_t j = 0; j < SAMPLE_DIMENSIONS; j++)
                assert_near((double)phi[j], expected[j]);
        }
        network_scratch_free(scratch);
        topn_model_free(model);
    }
}

/* What an event adds is what the score loses without it. */
static void contributions_are_differences(void **state)
{
    (void)state;
    const float target[SAMPLE_DIMENSIONS] = {0.5f, -1.0f, 2.0f};
    for (int full = 0; full < 2; full++) {
        topn_model *model = make(full);
        network_scratch *scratch;
        double shares[3], whole[MOST], less[MOST];
        assert_int_equal(network_scratch_create(context, &model->encoder.network, &scratch), TOPN_OK);
        for (size_t index = 0; index < QUERIES; index++) {
            const fields_query *query = &queries[index];
            if (!full && (query->feature_count || query->user != UINT32_MAX))
                continue;
            assert_int_equal(network_contributions(&model->encoder.network, query, scratch, target, shares), TOPN_OK);
            twin_encode(model, query, whole);
            for (size_t out = 0; out < query->length; out++) {
                uint32_t others[3];
                float other_weights[3];
                fields_query without = *query;
                size_t left = 0;
                for (size_t h = 0; h < query->length; h++) {
                    others[left] = query->items[h];
                    other_weights[left] = query->weights ? query->weights[h] : 1;
                    left += h != out;
                }
                without.items = others;
                without.weights = query->weights ? other_weights : NULL;
                without.length = left;
                twin_encode(model, &without, less);
                double expected = 0;
                for (size_t j = 0; j < SAMPLE_DIMENSIONS; j++)
                    expected += (double)target[j] * (whole[j] - less[j]);
                assert_near(shares[out], expected);
            }
        }
        network_scratch_free(scratch);
        topn_model_free(model);
    }
}

static void overflow_is_told(void **state)
{
    (void)state;
    topn_model *model = make(false);
    network_scratch *scratch;
    float phi[MOST];
    model->encoder.network.bags[0].table.values[0] = 3e38f;
    model->encoder.network.layers.scale = 1e9;
    const uint32_t first = 0;
    const fields_query query = {.user = UINT32_MAX, .items = &first, .length = 1};
    assert_int_equal(network_scratch_create(context, &model->encoder.network, &scratch), TOPN_OK);
    assert_int_equal(network_encode(&model->encoder.network, &query, scratch, phi), TOPN_ERROR_NUMERIC);
    network_scratch_free(scratch);
    topn_model_free(model);
}

/* Saved, loaded, copied and saved again: the same bytes. */
static void files_hold_everything(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        topn_model *model = make(full), *loaded, *copy;
        size_t size[2];
        assert_int_equal(model_save(context, model, path), TOPN_OK);
        assert_int_equal(model_load(context, path, &loaded), TOPN_OK);
        assert_int_equal(model_copy(context, loaded, &copy), TOPN_OK);
        topn_model_free(loaded);
        assert_int_equal(model_save(context, copy, again), TOPN_OK);
        unsigned char *bytes[2] = {file_bytes(path, &size[0]), file_bytes(again, &size[1])};
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(bytes[0], bytes[1], size[0]);
        free(bytes[0]);
        free(bytes[1]);
        topn_model_free(copy);
        topn_model_free(model);
    }
}

/* Two items that the model does not know, one with features that it does. */
static topn_data *new_items(bool known_features)
{
    static const char *const ids[] = {"1", "new", "plain"}, *const users[] = {"anna"};
    static const char *const names[] = {"colour", "year"}, *const others[] = {"colour", "size"};
    data_parts parts = {0};
    topn_data *data;
    assert_int_equal(sparse_create(context, 1, 3, 1, &parts.matrix), TOPN_OK);
    parts.matrix.indptr[1] = 1;
    parts.matrix.indices[0] = 0;
    parts.matrix.values[0] = 1;
    assert_int_equal(string_table_create(context, users, 1, &parts.user_ids), TOPN_OK);
    assert_int_equal(string_table_create(context, ids, 3, &parts.item_ids), TOPN_OK);
    assert_int_equal(string_table_create(context, known_features ? names : others, 2, &parts.item_features.names),
                     TOPN_OK);
    assert_int_equal(sparse_create(context, 3, 2, 2, &parts.item_features.rows), TOPN_OK);
    const uint64_t indptr[] = {0, 0, 2, 2};
    memcpy(parts.item_features.rows.indptr, indptr, sizeof indptr);
    for (uint32_t at = 0; at < 2; at++) {
        parts.item_features.rows.indices[at] = at;
        parts.item_features.rows.values[at] = 0.5f + (float)at;
    }
    assert_int_equal(data_assemble(context, &parts, &data), TOPN_OK);
    return data;
}

static void new_items_are_their_features(void **state)
{
    (void)state;
    topn_model *model = make(true), *grown;
    topn_data *data = new_items(true);
    const network_encoder *encoder = &model->encoder.network;
    assert_int_equal(topn_model_add_items(context, model, data, &grown), TOPN_OK);
    assert_int_equal(topn_model_items(grown), SAMPLE_ITEMS + 2);
    for (uint32_t fresh = 0; fresh < 2; fresh++) {
        double x[MOST] = {0}, psi[MOST];
        uint32_t item;
        assert_true(topn_model_find_item(grown, fresh ? "plain" : "new", &item));
        add_row(&encoder->items.table, 0, 1, x);
        if (!fresh)
            add_row(&encoder->items.table, 2, 1.5, x); /* "year" */
        twin_layers(&encoder->item_layers, x, psi);
        for (size_t j = 0; j < SAMPLE_DIMENSIONS; j++)
            assert_near((double)grown->table.rows.dense.values[item * SAMPLE_DIMENSIONS + j], psi[j]);
    }
    assert_memory_equal(grown->table.rows.dense.values, model->table.rows.dense.values,
                        SAMPLE_ITEMS * SAMPLE_DIMENSIONS * sizeof(float));
    topn_model_free(grown);
    topn_data_free(data);
    data = new_items(false);
    assert_int_equal(topn_model_add_items(context, model, data, &grown), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), "--item-features"));
    topn_data_free(data);
    topn_model_free(model);
    model = make(false);
    data = new_items(true);
    assert_int_equal(topn_model_add_items(context, model, data, &grown), TOPN_ERROR_UNSUPPORTED);
    assert_null(grown);
    topn_data_free(data);
    topn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_is_the_twin),
        cmocka_unit_test(contributions_are_differences),
        cmocka_unit_test(overflow_is_told),
        cmocka_unit_test(files_hold_everything),
        cmocka_unit_test(new_items_are_their_features),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
