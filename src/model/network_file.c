/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define KEY_PREFIX "topn.network."

static const char *const booleans[] = {"false", "true"};

/* Names of the arrays of a layer. */
typedef struct layer_names {
    const char *weights, *biases, *gain, *shift;
} layer_names;
#define LAYER_NAMES(prefix, n)                                                                                         \
    {                                                                                                                  \
        prefix "." #n ".weights", prefix "." #n ".biases", prefix "." #n ".gain", prefix "." #n ".shift"               \
    }
#define ALL_LAYER_NAMES(prefix)                                                                                        \
    {                                                                                                                  \
        LAYER_NAMES(prefix, 0), LAYER_NAMES(prefix, 1), LAYER_NAMES(prefix, 2), LAYER_NAMES(prefix, 3),                \
            LAYER_NAMES(prefix, 4), LAYER_NAMES(prefix, 5), LAYER_NAMES(prefix, 6), LAYER_NAMES(prefix, 7)             \
    }

/* How a stack of layers is spelled: arrays of each layer, and the prefix of its keys. */
typedef struct layers_spelling {
    const char *key;
    layer_names names[MOST_LAYERS];
} layers_spelling;
static const layers_spelling context_spelling = {"layer", ALL_LAYER_NAMES("network.layer")};
static const layers_spelling item_spelling = {"item_layer", ALL_LAYER_NAMES("network.item_layer")};

static const char *const bag_names[MOST_NETWORK_BAGS] = {"network.bag.0", "network.bag.1"};

bool network_is_key(const char *key)
{
    return strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) == 0;
}

static void add_floats(tensor_list *list, const char *name, size_t count, const float *values)
{
    if (values)
        stored_add(list, name, TENSOR_F32, count, values);
}

static void add_layers(tensor_list *list, const layers_spelling *spelling, const network_layers *network)
{
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        const dense_layer *at = &network->layers[layer];
        const layer_names *names = &spelling->names[layer];
        const size_t outputs = layers_inputs(network, layer + 1);
        if (at->weights.values)
            stored_add_matrix(list, names->weights, at->weights.rows, at->weights.columns, at->weights.values);
        add_floats(list, names->biases, layers_columns(network, layer), at->biases);
        add_floats(list, names->gain, outputs, at->gain);
        add_floats(list, names->shift, outputs, at->shift);
    }
}

static void add_field(tensor_list *list, const char *name, const char *const features[2], const encoder_field *field)
{
    if (!field->table.values)
        return;
    stored_add_matrix(list, name, field->table.rows, field->table.columns, field->table.values);
    if (field->features.count)
        stored_add_strings(list, features, &field->features);
}

void network_tensors(tensor_list *list, const network_encoder *encoder)
{
    for (size_t bag = 0; bag < encoder->bag_count; bag++) {
        const dense_matrix *table = &encoder->bags[bag].table;
        stored_add_matrix(list, bag_names[bag], table->rows, table->columns, table->values);
    }
    add_field(list, "network.users", STORED_STRINGS("network.users.features"), &encoder->users);
    if (encoder->user_features.indptr)
        stored_add_sparse(list, STORED_SPARSE("network.user_features"), &encoder->user_features);
    add_layers(list, &context_spelling, &encoder->layers);
    add_field(list, "network.items", STORED_STRINGS("network.items.features"), &encoder->items);
    if (encoder->items.table.values)
        add_layers(list, &item_spelling, &encoder->item_layers);
}

static topn_status set_boolean(topn_context *context, record *out, const char *key, bool value)
{
    return record_set(context, out, key, "%s", booleans[value]);
}

static topn_status describe_layers(topn_context *context, const layers_spelling *spelling,
                                   const network_layers *network, record *out)
{
    topn_status status;
    char key[64];
    snprintf(key, sizeof key, KEY_PREFIX "%s.count", spelling->key);
    TRY(record_set(context, out, key, "%zu", network->layer_count));
    snprintf(key, sizeof key, KEY_PREFIX "%s.normalize", spelling->key);
    TRY(set_boolean(context, out, key, network->normalize));
    snprintf(key, sizeof key, KEY_PREFIX "%s.scale", spelling->key);
    TRY(record_set_real(context, out, key, network->scale));
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        const dense_layer *at = &network->layers[layer];
        snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.activation", spelling->key, layer);
        TRY(record_set(context, out, key, "%s", activation_names[at->activation]));
        snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.gated", spelling->key, layer);
        TRY(set_boolean(context, out, key, at->gated));
        snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.connected", spelling->key, layer);
        TRY(set_boolean(context, out, key, at->connected));
    }
done:
    return status;
}

topn_status network_describe(topn_context *context, const network_encoder *encoder, record *out)
{
    topn_status status;
    char key[64];
    TRY(record_set(context, out, KEY_PREFIX "width", "%zu", encoder->width));
    TRY(record_set(context, out, KEY_PREFIX "bags", "%zu", encoder->bag_count));
    for (size_t bag = 0; bag < encoder->bag_count; bag++) {
        const network_bag *at = &encoder->bags[bag];
        snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.exponent", bag);
        TRY(record_set_real(context, out, key, at->exponent));
        snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.offset", bag);
        TRY(record_set_real(context, out, key, at->offset));
        snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.weighted", bag);
        TRY(set_boolean(context, out, key, at->weighted));
        snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.squares", bag);
        TRY(set_boolean(context, out, key, at->squares));
    }
    TRY(describe_layers(context, &context_spelling, &encoder->layers, out));
    if (encoder->items.table.values)
        TRY(describe_layers(context, &item_spelling, &encoder->item_layers, out));
done:
    return status;
}

static topn_status load_real(topn_context *context, const safetensors_file *file, const char *key, double *out)
{
    const char *text;
    const topn_status status = stored_text(context, file, key, &text);
    if (status != TOPN_OK)
        return status;
    char *end;
    *out = strtod(text, &end);
    if (!*text || *end || !isfinite(*out))
        return fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is \"%.100s\", not a number",
                    safetensors_path(file), key, text);
    return TOPN_OK;
}

static topn_status load_boolean(topn_context *context, const safetensors_file *file, const char *key, bool *out)
{
    int value = 0;
    const topn_status status = stored_choice(context, file, key, booleans, 2, &value);
    *out = value;
    return status;
}

static topn_status load_limited(topn_context *context, const safetensors_file *file, const char *key, uint64_t least,
                                uint64_t most, size_t *out)
{
    uint64_t value;
    const topn_status status = stored_count(context, file, key, &value);
    if (status != TOPN_OK)
        return status;
    if (value < least || value > most)
        return fail(context, TOPN_ERROR_FORMAT, "%s: metadata \"%s\" is %" PRIu64 ", not %" PRIu64 " … %" PRIu64,
                    safetensors_path(file), key, value, least, most);
    *out = value;
    return TOPN_OK;
}

static topn_status load_matrix(topn_context *context, const safetensors_file *file, const char *name, dense_matrix *out)
{
    const tensor *found;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, UINT64_MAX, &found);
    if (status != TOPN_OK)
        return status;
    if (found->dimensions != 2 || found->shape[0] == 0 || found->shape[1] == 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s is no matrix with rows and columns",
                    safetensors_path(file), name);
    *out = (dense_matrix){(float *)found->bytes, found->shape[0], found->shape[1]};
    return TOPN_OK;
}

/* NULL where the file has no such array. */
static topn_status load_floats(topn_context *context, const safetensors_file *file, const char *name, uint64_t count,
                               float **out)
{
    const tensor *found;
    if (!safetensors_find(file, name))
        return TOPN_OK;
    const topn_status status = safetensors_require(context, file, name, TENSOR_F32, count, &found);
    if (status == TOPN_OK)
        *out = (float *)found->bytes;
    return status;
}

static topn_status load_layer(topn_context *context, const safetensors_file *file, const layers_spelling *spelling,
                              size_t layer, network_layers *out)
{
    topn_status status;
    const layer_names *names = &spelling->names[layer];
    dense_layer *at = &out->layers[layer];
    char key[64];
    int activation;
    snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.activation", spelling->key, layer);
    TRY(stored_choice(context, file, key, activation_names, ACTIVATIONS, &activation));
    at->activation = (activation_kind)activation;
    snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.gated", spelling->key, layer);
    TRY(load_boolean(context, file, key, &at->gated));
    snprintf(key, sizeof key, KEY_PREFIX "%s.%zu.connected", spelling->key, layer);
    TRY(load_boolean(context, file, key, &at->connected));
    if (safetensors_find(file, names->weights))
        TRY(load_matrix(context, file, names->weights, &at->weights));
    /* what the sizes of the other arrays follow from is known now */
    TRY(load_floats(context, file, names->biases, layers_columns(out, layer), &at->biases));
    TRY(load_floats(context, file, names->gain, layers_inputs(out, layer + 1), &at->gain));
    TRY(load_floats(context, file, names->shift, layers_inputs(out, layer + 1), &at->shift));
done:
    return status;
}

static topn_status load_layers(topn_context *context, const safetensors_file *file, const layers_spelling *spelling,
                               size_t inputs, network_layers *out)
{
    topn_status status;
    char key[64];
    out->inputs = inputs;
    snprintf(key, sizeof key, KEY_PREFIX "%s.count", spelling->key);
    TRY(load_limited(context, file, key, 0, MOST_LAYERS, &out->layer_count));
    snprintf(key, sizeof key, KEY_PREFIX "%s.normalize", spelling->key);
    TRY(load_boolean(context, file, key, &out->normalize));
    snprintf(key, sizeof key, KEY_PREFIX "%s.scale", spelling->key);
    TRY(load_real(context, file, key, &out->scale));
    for (size_t layer = 0; layer < out->layer_count; layer++)
        TRY(load_layer(context, file, spelling, layer, out));
done:
    return status;
}

static topn_status load_bag(topn_context *context, const safetensors_file *file, size_t bag, network_bag *out)
{
    topn_status status;
    char key[64];
    snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.exponent", bag);
    TRY(load_real(context, file, key, &out->exponent));
    snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.offset", bag);
    TRY(load_real(context, file, key, &out->offset));
    snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.weighted", bag);
    TRY(load_boolean(context, file, key, &out->weighted));
    snprintf(key, sizeof key, KEY_PREFIX "bag.%zu.squares", bag);
    TRY(load_boolean(context, file, key, &out->squares));
    TRY(load_matrix(context, file, bag_names[bag], &out->table));
done:
    return status;
}

static topn_status load_field(topn_context *context, const safetensors_file *file, const char *name,
                              const char *const features[2], encoder_field *out)
{
    topn_status status;
    TRY(load_matrix(context, file, name, &out->table));
    if (safetensors_find(file, features[0])) {
        TRY(stored_strings(context, file, features, &out->features));
        TRY(id_index_create(context, &out->features, &out->by_feature));
    }
    if (out->table.rows < (size_t)out->features.count + 1)
        return fail(context, TOPN_ERROR_FORMAT, "%s: array %s has %zu rows for %" PRIu32 " features and one more",
                    safetensors_path(file), name, out->table.rows, out->features.count);
done:
    return status;
}

topn_status network_load(topn_context *context, const safetensors_file *file, network_encoder *out)
{
    topn_status status;
    size_t bags = 0;
    *out = (network_encoder){.mapped = true};
    TRY(load_limited(context, file, KEY_PREFIX "width", 1, MOST_FACTORS, &out->width));
    TRY(load_limited(context, file, KEY_PREFIX "bags", 0, MOST_NETWORK_BAGS, &bags));
    for (size_t bag = 0; bag < bags; bag++)
        TRY(load_bag(context, file, bag, &out->bags[bag]));
    out->bag_count = bags;
    TRY(load_field(context, file, "network.users", STORED_STRINGS("network.users.features"), &out->users));
    if (safetensors_find(file, "network.user_features.indptr"))
        TRY(stored_sparse(context, file, STORED_SPARSE("network.user_features"), out->users.features.count, false,
                          &out->user_features));
    TRY(load_layers(context, file, &context_spelling, out->width, &out->layers));
    if (safetensors_find(file, "network.items")) {
        TRY(load_field(context, file, "network.items", STORED_STRINGS("network.items.features"), &out->items));
        TRY(load_layers(context, file, &item_spelling, out->items.table.columns, &out->item_layers));
    }
done:
    if (status != TOPN_OK)
        network_encoder_clear(out);
    return status;
}
