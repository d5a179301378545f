/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of models of context fields and of networks with right checksums and wrong contents: each is refused with the
 * path and the array or key at fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <unistd.h>

#include "sample_model.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

typedef enum fault { MISSING, SHORTER, NARROWER, NOT_A_NUMBER, INDEX_TOO_LARGE, METADATA } fault;

/* What is done to an array or a key, and what is said of it. */
typedef struct change {
    fault fault;
    const char *name, *value, *message;
    topn_status status;
} change;

static const change changes[] = {
    {MISSING, "fields.0", NULL, "fields.0", TOPN_ERROR_FORMAT},
    {MISSING, "fields.core", NULL, "fields.core", TOPN_ERROR_FORMAT},
    {MISSING, "fields.item_gram", NULL, "fields.item_gram", TOPN_ERROR_FORMAT},
    {MISSING, "fields.item_sum", NULL, "fields.item_sum", TOPN_ERROR_FORMAT},
    {MISSING, "fields.context_gram", NULL, "fields.context_gram", TOPN_ERROR_FORMAT},
    {MISSING, "fields.1.values.bytes", NULL, "fields.1.values.bytes", TOPN_ERROR_FORMAT},
    {SHORTER, "fields.0", NULL, "fields.0: 6 rows for 3 values", TOPN_ERROR_FORMAT},
    {SHORTER, "fields.1", NULL, "fields.1: 2 rows for 2 values", TOPN_ERROR_FORMAT},
    {SHORTER, "fields.core", NULL, "array fields.core is no matrix", TOPN_ERROR_FORMAT},
    {SHORTER, "fields.context_pull", NULL, "fields.context_pull", TOPN_ERROR_FORMAT},
    {SHORTER, "fields.item_sum", NULL, "fields.item_sum", TOPN_ERROR_FORMAT},
    {NARROWER, "fields.0", NULL, "fields.core: 1 × 4, not 1 × 2", TOPN_ERROR_FORMAT},
    {NARROWER, "fields.item_gram", NULL, "fields.item_gram", TOPN_ERROR_FORMAT},
    {NARROWER, "fields.context_gram", NULL, "fields.context_gram", TOPN_ERROR_FORMAT},
    {NARROWER, "items", NULL, "items", TOPN_ERROR_FORMAT},
    {NOT_A_NUMBER, "fields.0", NULL, "fields.0: value 0 is not finite", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.1", NULL, "fields.1: value 0 is not finite", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.core", NULL, "fields.core: value 0 is not finite", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.item_gram", NULL, "fields.item_gram: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.item_sum", NULL, "fields.item_sum: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.context_gram", NULL, "fields.context_gram: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.context_pull", NULL, "fields.context_pull: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "fields.user_features.values", NULL, "fields.user_features.values: value 0", TOPN_ERROR_NUMERIC},
    {INDEX_TOO_LARGE, "fields.user_features.indices", NULL, "fields.user_features", TOPN_ERROR_FORMAT},
    {METADATA, "topn.format", "2", "an encoder \"fields\" in format 2, not 3", TOPN_ERROR_FORMAT},
    {METADATA, "topn.format", "5", "array fields.context_pull in format 5, not 6", TOPN_ERROR_FORMAT},
    {METADATA, "topn.encoder", "bag", "encoder", TOPN_ERROR_FORMAT},
    {METADATA, "topn.items", "none", "items", TOPN_ERROR_FORMAT},
    {METADATA, "topn.items", "shared", "items", TOPN_ERROR_FORMAT},
    {METADATA, "topn.dimensions", "4", "items", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.composition", "chain", "topn.fields.composition", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.composition", "product", "fields.core", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.biases", "perhaps", "topn.fields.biases", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.biases", "false", "fields.item_gram", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.loss", "hinge", "topn.fields.loss", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.loss", "pointwise", "fields.item_sum", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.confidence", "none at all", "topn.fields.confidence", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.factors", "0", "2 fields of 0 factors", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.factors", "99999999999", "2 fields of 99999999999 factors", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.count", "0", "0 fields", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.count", "34", "34 fields", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.count", "3", "topn.fields.name.2", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.count", "1", "fields.1", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.l2", "-1", "the loss's l2 is -1", TOPN_ERROR_NUMERIC},
    {METADATA, "topn.fields.l2", "much", "topn.fields.l2", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.label", "large", "topn.fields.label", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.label", "-2", "the loss's label is -2", TOPN_ERROR_NUMERIC},
    {METADATA, "topn.fields.alpha", "inf", "topn.fields.alpha", TOPN_ERROR_FORMAT},
    {METADATA, "topn.fields.user_scale", "nan", "topn.fields.user_scale", TOPN_ERROR_FORMAT},
};

static const change network_changes[] = {
    {MISSING, "network.bag.1", NULL, "network.bag.1", TOPN_ERROR_FORMAT},
    {MISSING, "network.users", NULL, "network.users", TOPN_ERROR_FORMAT},
    {MISSING, "network.users.features.bytes", NULL, "network.users.features.bytes", TOPN_ERROR_FORMAT},
    {MISSING, "network.layer.1.weights", NULL, "network.layer.1.biases", TOPN_ERROR_FORMAT},
    {MISSING, "network.layer.0.gain", NULL, "network.layer.0: a gain without a shift", TOPN_ERROR_FORMAT},
    {MISSING, "network.layer.0.shift", NULL, "network.layer.0: a gain without a shift", TOPN_ERROR_FORMAT},
    {MISSING, "network.items", NULL, "has no place in this model", TOPN_ERROR_FORMAT},
    {MISSING, "network.item_layer.0.weights", NULL, "network.item_layer.0.biases", TOPN_ERROR_FORMAT},
    {SHORTER, "network.bag.0", NULL, "network.bag.0: 3 × 6 for 4 items", TOPN_ERROR_FORMAT},
    {SHORTER, "network.users", NULL, "network.users: 6 × 6 for 3 users", TOPN_ERROR_FORMAT},
    {SHORTER, "network.layer.0.gain", NULL, "network.layer.0.gain", TOPN_ERROR_FORMAT},
    {SHORTER, "network.layer.1.weights", NULL, "network.layer.1: weights of 2 × 6 for an input of 3",
     TOPN_ERROR_FORMAT},
    {SHORTER, "network.layer.1.biases", NULL, "network.layer.1.biases", TOPN_ERROR_FORMAT},
    {SHORTER, "network.items", NULL, "network.items has 2 rows for 2 features and one more", TOPN_ERROR_FORMAT},
    {NARROWER, "network.bag.1", NULL, "network.bag.1: 4 × 5 for 4 items and an input of 6", TOPN_ERROR_FORMAT},
    {NARROWER, "network.users", NULL, "network.users: 7 × 5", TOPN_ERROR_FORMAT},
    {NARROWER, "network.layer.2.weights", NULL, "network.layer.2.biases", TOPN_ERROR_FORMAT},
    {NARROWER, "network.items", NULL, "network.item_layer.0: weights of 2 × 3 for an input of 1", TOPN_ERROR_FORMAT},
    {NARROWER, "items", NULL, "items", TOPN_ERROR_FORMAT},
    {NOT_A_NUMBER, "network.bag.0", NULL, "network.bag.0: value 0 is not finite", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.users", NULL, "network.users: value 0 is not finite", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.layer.1.weights", NULL, "network.layer.1.weights: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.layer.2.biases", NULL, "network.layer.2.biases: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.layer.0.shift", NULL, "network.layer.0.shift: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.items", NULL, "network.items: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.item_layer.0.gain", NULL, "network.item_layer.0.gain: value 0", TOPN_ERROR_NUMERIC},
    {NOT_A_NUMBER, "network.user_features.values", NULL, "network.user_features", TOPN_ERROR_FORMAT},
    {INDEX_TOO_LARGE, "network.user_features.indices", NULL, "network.user_features", TOPN_ERROR_FORMAT},
    {METADATA, "topn.format", "4", "an encoder \"network\" in format 4, not 5", TOPN_ERROR_FORMAT},
    {METADATA, "topn.encoder", "fields", "topn.fields.composition", TOPN_ERROR_FORMAT},
    {METADATA, "topn.items", "shared", "items", TOPN_ERROR_FORMAT},
    {METADATA, "topn.dimensions", "4", "items", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.width", "0", "topn.network.width", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.width", "5", "network.layer.0.biases has 6 elements, not 5", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.width", "70000", "topn.network.width", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.bags", "3", "topn.network.bags", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.bags", "1", "network.bag.1 has no place in this model", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.bag.0.exponent", "inf", "topn.network.bag.0.exponent", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.bag.1.offset", "", "topn.network.bag.1.offset", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.bag.1.weighted", "yes", "topn.network.bag.1.weighted", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.count", "9", "topn.network.layer.count", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.count", "1", "network.layer.1.weights has no place", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.scale", "0", "network.layer: the scale of its output is 0", TOPN_ERROR_NUMERIC},
    {METADATA, "topn.network.layer.1.activation", "step", "topn.network.layer.1.activation", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.0.gated", "false", "network.layer.0.gain", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.2.gated", "true", "an encoder of 1 dimensions", TOPN_ERROR_FORMAT},
    {METADATA, "topn.network.layer.1.connected", "true", "network.layer.1: 6 columns and an earlier layer's 3",
     TOPN_ERROR_FORMAT},
};

static void apply(const change *what, tensor *tensors, size_t *count, record *metadata)
{
    static float poison[256];
    static const uint32_t far[] = {3};
    size_t at = 0;
    if (what->fault == METADATA) {
        assert_int_equal(record_set(context, metadata, what->name, "%s", what->value), TOPN_OK);
        return;
    }
    while (at < *count && strcmp(tensors[at].name, what->name) != 0)
        at++;
    assert_true(at < *count);
    tensor *array = &tensors[at];
    if (what->fault == MISSING) {
        memmove(array, array + 1, (*count - at - 1) * sizeof *array);
        --*count;
    } else if (what->fault == SHORTER) {
        array->shape[0]--;
    } else if (what->fault == NARROWER) {
        array->shape[1]--;
    } else if (what->fault == INDEX_TOO_LARGE) {
        array->bytes = far;
    } else {
        assert_true(tensor_bytes(array) <= sizeof poison);
        memcpy(poison, array->bytes, tensor_bytes(array));
        poison[0] = NAN;
        array->bytes = poison;
    }
}

static void refuse_all(size_t form, const change *made, size_t made_count)
{
    topn_model *model, *loaded;
    assert_int_equal(sample_model(context, &sample_forms[form], true, &model), TOPN_OK);
    for (size_t index = 0; index < made_count; index++) {
        assert_int_equal(model_save(context, model, path), TOPN_OK);
        safetensors_file *file;
        assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
        tensor tensors[MODEL_TENSORS];
        size_t count = safetensors_count(file);
        for (size_t at = 0; at < count; at++)
            tensors[at] = *safetensors_at(file, at);
        record metadata;
        assert_int_equal(record_copy(context, safetensors_metadata(file), &metadata), TOPN_OK);
        apply(&made[index], tensors, &count, &metadata);
        assert_int_equal(safetensors_write(context, again, tensors, count, &metadata), TOPN_OK);
        record_clear(&metadata);
        safetensors_close(file);
        const topn_status status = model_load(context, again, &loaded);
        const char *message = topn_context_message(context);
        if (status != made[index].status || loaded || !strstr(message, made[index].message) || !strstr(message, again))
            fail_msg("change %zu (%s): %s: %s", index, made[index].name, topn_status_name(status), message);
    }
    topn_model_free(model);
}

static void wrong_contents_are_refused(void **state)
{
    (void)state;
    refuse_all(SAMPLE_TUCKER, changes, sizeof changes / sizeof *changes);
    refuse_all(SAMPLE_NETWORK, network_changes, sizeof network_changes / sizeof *network_changes);
}

static void cuts_are_noticed(void **state)
{
    (void)state;
    topn_model *model, *loaded;
    assert_int_equal(sample_model(context, &sample_forms[SAMPLE_FIELDS], true, &model), TOPN_OK);
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    topn_model_free(model);
    size_t size;
    unsigned char *bytes = file_bytes(path, &size);
    for (size_t cut = 0; cut < size; cut += 7) {
        file_put(path, bytes, cut);
        assert_int_equal(model_load(context, path, &loaded), TOPN_ERROR_FORMAT);
        assert_null(loaded);
    }
    free(bytes);
}

static void fail_everywhere(size_t form)
{
    topn_model *model;
    int steps = 0;
    assert_int_equal(sample_model(context, &sample_forms[form], true, &model), TOPN_OK);
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    for (uint64_t at = 1;; at++, steps++) {
        topn_model *loaded, *copy = NULL;
        memory_fail_after(at);
        topn_status status = model_load(context, path, &loaded);
        if (status == TOPN_OK)
            status = model_copy(context, loaded, &copy);
        memory_fail_after(0);
        topn_model_free(loaded);
        topn_model_free(copy);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
    }
    assert_true(steps > 80);
    topn_model_free(model);
}

static void memory_failures_are_clean(void **state)
{
    (void)state;
    fail_everywhere(SAMPLE_TUCKER);
    fail_everywhere(SAMPLE_NETWORK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_contents_are_refused),
        cmocka_unit_test(cuts_are_noticed),
        cmocka_unit_test(memory_failures_are_clean),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
