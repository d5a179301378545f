/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files with right checksums and wrong contents: each is refused with the path and the array or key at fault.
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

static topn_model *make(const sample_form *form, bool full)
{
    topn_model *model;
    assert_int_equal(sample_model(context, form, full, &model), TOPN_OK);
    return model;
}

typedef struct change {
    const char *what; /* array or metadata key that the message names */
    topn_status status;
    void (*apply)(tensor *tensors, size_t *count, record *metadata);
} change;

static tensor *array_of(tensor *tensors, size_t count, const char *name)
{
    for (size_t index = 0; index < count; index++)
        if (strcmp(tensors[index].name, name) == 0)
            return &tensors[index];
    abort();
}

/* A copy of an array that may be written; kept until the end of the program. */
static void *writable(tensor *tensors, size_t count, const char *name)
{
    static uint64_t kept[64][64];
    static size_t used;
    tensor *array = array_of(tensors, count, name);
    void *copy = kept[used++ % 64];
    memcpy(copy, array->bytes, tensor_bytes(array));
    array->bytes = copy;
    return copy;
}

static void drop(tensor *tensors, size_t *count, const char *name)
{
    tensor *array = array_of(tensors, *count, name);
    *array = tensors[--*count];
}

static void set(record *metadata, const char *key, const char *value)
{
    assert_int_equal(record_set(context, metadata, key, "%s", value), TOPN_OK);
}

#define CHANGE(name) static void name(tensor *tensors, size_t *count, record *metadata)

CHANGE(no_ids)
{
    (void)metadata;
    drop(tensors, count, "item_ids.bytes");
}
CHANGE(no_priors_type)
{
    (void)metadata;
    array_of(tensors, *count, "items.priors")->type = TENSOR_U32;
}
CHANGE(dimension_of_no_item)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "dimension_items"))[1] = SAMPLE_ITEMS;
}
CHANGE(two_dimensions_of_an_item)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "dimension_items"))[1] = SAMPLE_ITEMS - 1;
}
CHANGE(fewer_dimension_items)
{
    (void)metadata;
    array_of(tensors, *count, "dimension_items")->shape[0]--;
}
CHANGE(short_priors)
{
    (void)metadata;
    array_of(tensors, *count, "items.priors")->shape[0]--;
}
CHANGE(infinite_prior)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "items.priors"))[2] = INFINITY;
}
CHANGE(nan_bias)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "items.biases"))[0] = NAN;
}
CHANGE(nan_value)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "encoder.values"))[3] = NAN;
}
CHANGE(index_too_large)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "encoder.indices"))[1] = SAMPLE_DIMENSIONS;
}
CHANGE(index_twice)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "encoder.indices"))[2] = 0;
}
CHANGE(offsets_backwards)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "encoder.indptr"))[1] = 4;
}
CHANGE(offset_far_away)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "encoder.indptr"))[1] = UINT64_C(1) << 60;
}
CHANGE(offset_of_the_end)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "encoder.indptr"))[SAMPLE_ITEMS] = UINT64_MAX;
}
CHANGE(offset_of_the_start)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "encoder.indptr"))[0] = 1;
}
CHANGE(history_index)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "histories.indices"))[0] = 77;
}
CHANGE(history_offsets)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "histories.indptr"))[1] = 1000000;
}
CHANGE(same_id_twice)
{
    (void)metadata;
    memcpy(writable(tensors, *count, "user_ids.bytes"), "anna\0anna", 9);
    ((uint64_t *)writable(tensors, *count, "user_ids.offsets"))[2] = 10;
    memcpy((char *)array_of(tensors, *count, "user_ids.bytes")->bytes + 5, "anna", 5);
    array_of(tensors, *count, "user_ids.bytes")->shape[0] = 12;
    ((uint64_t *)array_of(tensors, *count, "user_ids.offsets")->bytes)[3] = 12;
    memcpy((char *)array_of(tensors, *count, "user_ids.bytes")->bytes + 10, "x", 2);
}
CHANGE(id_without_end)
{
    (void)metadata;
    ((char *)writable(tensors, *count, "item_ids.bytes"))[1] = 'x';
}
CHANGE(id_offsets)
{
    (void)metadata;
    ((uint64_t *)writable(tensors, *count, "item_ids.offsets"))[1] = UINT64_MAX;
}
CHANGE(no_offsets)
{
    (void)metadata;
    array_of(tensors, *count, "item_ids.offsets")->shape[0] = 0;
}
CHANGE(fewer_titles)
{
    (void)metadata;
    tensor *offsets = array_of(tensors, *count, "titles.offsets");
    offsets->shape[0]--;
    array_of(tensors, *count, "titles.bytes")->shape[0] = ((const uint64_t *)offsets->bytes)[SAMPLE_ITEMS - 1];
}
CHANGE(fewer_users)
{
    (void)metadata;
    tensor *offsets = array_of(tensors, *count, "user_ids.offsets");
    offsets->shape[0]--;
    array_of(tensors, *count, "user_ids.bytes")->shape[0] = ((const uint64_t *)offsets->bytes)[SAMPLE_USERS - 1];
}
CHANGE(fewer_rows)
{
    (void)metadata;
    tensor *indptr = array_of(tensors, *count, "encoder.indptr");
    indptr->shape[0]--;
    const uint64_t nonzeros = ((const uint64_t *)indptr->bytes)[SAMPLE_ITEMS - 1];
    array_of(tensors, *count, "encoder.indices")->shape[0] = nonzeros;
    array_of(tensors, *count, "encoder.values")->shape[0] = nonzeros;
}
CHANGE(unknown_array)
{
    (void)metadata;
    tensors[*count] = *array_of(tensors, *count, "items.priors");
    tensors[(*count)++].name = "items.more";
}
CHANGE(no_encoder)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.encoder", "recurrent");
}
CHANGE(constant_encoder)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.encoder", "constant");
}
CHANGE(identity)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.items", "identity");
}
CHANGE(own_table)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.items", "own");
}
CHANGE(dimensions)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.dimensions", "-3");
}
CHANGE(too_many_dimensions)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.dimensions", "99999999999");
}
CHANGE(normalizer)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.normalizer", "inf");
}
CHANGE(data_kind)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.kind", "data");
}
CHANGE(newer)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "7");
}
CHANGE(cut_in_format_1)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "1");
    set(metadata, "topn.cut", "2");
}
CHANGE(cut_of_nothing)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "2");
    set(metadata, "topn.cut", "0");
}
CHANGE(cut_too_large)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "2");
    set(metadata, "topn.cut", "4294967296");
}
CHANGE(cut_no_number)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "2");
    set(metadata, "topn.cut", "-1");
}
CHANGE(negative_popularity)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "popularity"))[1] = -1;
}
CHANGE(endless_popularity)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "popularity"))[2] = INFINITY;
}
CHANGE(short_popularity)
{
    (void)metadata;
    array_of(tensors, *count, "item_ids.offsets")->shape[0]--;
    array_of(tensors, *count, "popularity")->shape[0]--;
}
CHANGE(attribute_of_no_name)
{
    (void)metadata;
    ((uint32_t *)writable(tensors, *count, "attributes.indices"))[4] = 3;
}
CHANGE(attributes_of_fewer_items)
{
    (void)metadata;
    array_of(tensors, *count, "attributes.indptr")->shape[0]--;
    array_of(tensors, *count, "attributes.indices")->shape[0]--;
    array_of(tensors, *count, "attributes.values")->shape[0]--;
}
CHANGE(attribute_nan)
{
    (void)metadata;
    ((float *)writable(tensors, *count, "attributes.values"))[2] = NAN;
}
CHANGE(names_without_attributes)
{
    (void)metadata;
    drop(tensors, count, "attributes.indptr");
}
CHANGE(facts_in_format_3)
{
    (void)tensors;
    (void)count;
    set(metadata, "topn.format", "3");
}

static const change changes[] = {
    {"item_ids.bytes", TOPN_ERROR_FORMAT, no_ids},
    {"items.priors", TOPN_ERROR_FORMAT, no_priors_type},
    {"dimension_items: 4 at 1 is no item", TOPN_ERROR_FORMAT, dimension_of_no_item},
    {"dimension_items: 3 at 1 is there twice", TOPN_ERROR_FORMAT, two_dimensions_of_an_item},
    {"dimension_items", TOPN_ERROR_FORMAT, fewer_dimension_items},
    {"items.priors", TOPN_ERROR_FORMAT, short_priors},
    {"items.priors", TOPN_ERROR_NUMERIC, infinite_prior},
    {"items.biases", TOPN_ERROR_NUMERIC, nan_bias},
    {"encoder.values", TOPN_ERROR_NUMERIC, nan_value},
    {"encoder", TOPN_ERROR_FORMAT, index_too_large},
    {"encoder", TOPN_ERROR_FORMAT, index_twice},
    {"encoder", TOPN_ERROR_FORMAT, offsets_backwards},
    {"encoder", TOPN_ERROR_FORMAT, offset_far_away},
    {"encoder.indptr", TOPN_ERROR_FORMAT, offset_of_the_end},
    {"encoder", TOPN_ERROR_FORMAT, offset_of_the_start},
    {"histories", TOPN_ERROR_FORMAT, history_index},
    {"histories", TOPN_ERROR_FORMAT, history_offsets},
    {"anna", TOPN_ERROR_FORMAT, same_id_twice},
    {"item_ids", TOPN_ERROR_FORMAT, id_without_end},
    {"item_ids", TOPN_ERROR_FORMAT, id_offsets},
    {"item_ids.offsets", TOPN_ERROR_FORMAT, no_offsets},
    {"titles", TOPN_ERROR_FORMAT, fewer_titles},
    {"histories", TOPN_ERROR_FORMAT, fewer_users},
    {"encoder", TOPN_ERROR_FORMAT, fewer_rows},
    {"items.more", TOPN_ERROR_FORMAT, unknown_array},
    {"topn.encoder", TOPN_ERROR_FORMAT, no_encoder},
    {"encoder", TOPN_ERROR_FORMAT, constant_encoder},
    {"encoder", TOPN_ERROR_FORMAT, identity},
    {"items", TOPN_ERROR_FORMAT, own_table},
    {"topn.dimensions", TOPN_ERROR_FORMAT, dimensions},
    {"dimensions", TOPN_ERROR_FORMAT, too_many_dimensions},
    {"topn.normalizer", TOPN_ERROR_FORMAT, normalizer},
    {"topn.cut\" is 2 in format 1, not 1 … 4294967295 in format 2", TOPN_ERROR_FORMAT, cut_in_format_1},
    {"topn.cut\" is 0 in format 2", TOPN_ERROR_FORMAT, cut_of_nothing},
    {"topn.cut\" is 4294967296", TOPN_ERROR_FORMAT, cut_too_large},
    {"topn.cut", TOPN_ERROR_FORMAT, cut_no_number},
    {"popularity: value 1 is -1", TOPN_ERROR_NUMERIC, negative_popularity},
    {"popularity: value 2 is inf", TOPN_ERROR_NUMERIC, endless_popularity},
    {"item_ids", TOPN_ERROR_FORMAT, short_popularity},
    {"attributes", TOPN_ERROR_FORMAT, attribute_of_no_name},
    {"attributes: 3 × 3 features where 4 × 3 belong", TOPN_ERROR_FORMAT, attributes_of_fewer_items},
    {"attributes", TOPN_ERROR_FORMAT, attribute_nan},
    {"attributes.indptr", TOPN_ERROR_FORMAT, names_without_attributes},
    {"has no place in this model", TOPN_ERROR_FORMAT, facts_in_format_3},
    {"holds interaction data, not a model", TOPN_ERROR_FORMAT, data_kind},
    {"written by a newer topn (format 7); this one reads up to 6", TOPN_ERROR_FORMAT, newer},
};

static void test_wrong_contents(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_SPARSE], true), *loaded;
    for (size_t index = 0; index < sizeof changes / sizeof *changes; index++) {
        assert_int_equal(model_save(context, model, path), TOPN_OK);
        safetensors_file *file;
        assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
        tensor tensors[MODEL_TENSORS + 1];
        size_t count = safetensors_count(file);
        for (size_t at = 0; at < count; at++)
            tensors[at] = *safetensors_at(file, at);
        record metadata;
        assert_int_equal(record_copy(context, safetensors_metadata(file), &metadata), TOPN_OK);
        changes[index].apply(tensors, &count, &metadata);
        assert_int_equal(safetensors_write(context, again, tensors, count, &metadata), TOPN_OK);
        record_clear(&metadata);
        safetensors_close(file);
        const topn_status status = model_load(context, again, &loaded);
        const char *message = topn_context_message(context);
        if (status != changes[index].status || loaded || !strstr(message, changes[index].what) ||
            !strstr(message, again))
            fail_msg("change %zu (%s): %s: %s", index, changes[index].what, topn_status_name(status), message);
    }
    topn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_contents),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
