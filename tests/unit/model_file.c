/* SPDX-License-Identifier: Apache-2.0
 *
 * Model files: the same model and the same bytes after a round trip, and refusal of every broken file.
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

static topn_model *load(const char *name)
{
    topn_model *model;
    if (model_load(context, name, &model) != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    return model;
}

static void assert_same_array(const void *a, const void *b, size_t bytes)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a && bytes)
        assert_memory_equal(a, b, bytes);
}

static void assert_same_sparse(const sparse_matrix *a, const sparse_matrix *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_same_array(a->indptr, b->indptr, (a->rows + 1) * sizeof *a->indptr);
    const size_t nonzeros = a->indptr ? a->indptr[a->rows] : 0;
    assert_same_array(a->indices, b->indices, nonzeros * sizeof *a->indices);
    assert_same_array(a->values, b->values, nonzeros * sizeof *a->values);
}

static void assert_same_table(const embedding_table *a, const embedding_table *b)
{
    assert_int_equal(a->form, b->form);
    assert_int_equal(a->dense.rows, b->dense.rows);
    assert_int_equal(a->dense.columns, b->dense.columns);
    assert_same_array(a->dense.values, b->dense.values, a->dense.rows * a->dense.columns * sizeof(float));
    assert_same_sparse(&a->sparse, &b->sparse);
}

static void assert_same_strings(const string_table *a, const string_table *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t index = 0; index < a->count; index++)
        assert_string_equal(string_table_get(a, index), string_table_get(b, index));
}

static void assert_same_dense(const dense_matrix *a, const dense_matrix *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_int_equal(a->columns, b->columns);
    assert_same_array(a->values, b->values, a->rows * a->columns * sizeof(float));
}

static void assert_same_fields(const fields_encoder *a, const fields_encoder *b, uint32_t items)
{
    const size_t dimensions = fields_dimensions(a);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->factors, b->factors);
    assert_int_equal(a->biases, b->biases);
    assert_int_equal(a->field_count, b->field_count);
    for (size_t field = 0; field < a->field_count; field++) {
        assert_string_equal(a->fields[field].name, b->fields[field].name);
        assert_same_strings(&a->fields[field].values, &b->fields[field].values);
        assert_same_strings(&a->fields[field].features, &b->fields[field].features);
        assert_same_dense(&a->fields[field].table, &b->fields[field].table);
    }
    assert_same_dense(&a->core, &b->core);
    assert_same_sparse(&a->user_features, &b->user_features);
    assert_int_equal(a->loss.pairwise, b->loss.pairwise);
    assert_int_equal(a->loss.confidence, b->loss.confidence);
    assert_true(a->loss.alpha == b->loss.alpha && a->loss.scale == b->loss.scale && a->loss.l2 == b->loss.l2 &&
                a->loss.unobserved == b->loss.unobserved && a->loss.l2_exponent == b->loss.l2_exponent);
    assert_int_equal(isnan(a->loss.dislike_below), isnan(b->loss.dislike_below));
    assert_true(a->user_scale == b->user_scale && a->contexts == b->contexts);
    assert_same_array(a->item_weights, b->item_weights, items * sizeof(float));
    assert_same_array(a->item_gram, b->item_gram, dimensions * dimensions * sizeof(float));
    assert_same_array(a->item_sum, b->item_sum, dimensions * sizeof(float));
    assert_same_array(a->context_gram, b->context_gram, dimensions * dimensions * sizeof(float));
    assert_int_equal(a->context_pull == NULL, b->context_pull == NULL);
    if (a->context_pull)
        assert_same_array(a->context_pull, b->context_pull, dimensions * sizeof(float));
    assert_true(a->loss.label == b->loss.label);
}

/* Every array of the two, whatever the encoder. */
static void assert_same_tensors(const topn_model *a, const topn_model *b)
{
    tensor left[MODEL_TENSORS], right[MODEL_TENSORS];
    const size_t count = model_tensors(a, left);
    assert_int_equal(model_tensors(b, right), count);
    for (size_t at = 0; at < count; at++) {
        assert_string_equal(left[at].name, right[at].name);
        assert_int_equal(left[at].shape[0], right[at].shape[0]);
        assert_same_array(left[at].bytes, right[at].bytes, tensor_bytes(&left[at]));
    }
}

static void assert_same_model(const topn_model *a, const topn_model *b)
{
    assert_same_tensors(a, b);
    assert_int_equal(a->encoder.kind, b->encoder.kind);
    assert_true(a->encoder.normalizer == b->encoder.normalizer);
    assert_int_equal(a->encoder.use_weights, b->encoder.use_weights);
    assert_int_equal(a->encoder.cut, b->encoder.cut);
    assert_int_equal(a->table.kind, b->table.kind);
    assert_int_equal(a->items, b->items);
    assert_same_table(&a->encoder.rows, &b->encoder.rows);
    assert_same_table(&a->table.rows, &b->table.rows);
    assert_same_array(a->dimension_items, b->dimension_items,
                      embedding_dimensions(&a->encoder.rows) * sizeof *a->dimension_items);
    assert_same_array(a->table.priors, b->table.priors, a->items * sizeof(float));
    assert_same_array(a->table.biases, b->table.biases, a->items * sizeof(float));
    assert_same_fields(&a->encoder.fields, &b->encoder.fields, a->items);
    assert_same_strings(&a->item_ids, &b->item_ids);
    assert_same_strings(&a->titles, &b->titles);
    assert_same_strings(&a->user_ids, &b->user_ids);
    assert_same_sparse(&a->histories, &b->histories);
    assert_same_array(a->popularity, b->popularity, a->items * sizeof(float));
    assert_same_strings(&a->attributes.names, &b->attributes.names);
    assert_same_sparse(&a->attributes.rows, &b->attributes.rows);
    uint32_t item;
    assert_true(id_index_find(&b->items_by_id, "caf\xe9", &item));
    assert_int_equal(item, 3);
}

static void assert_same_files(const char *a, const char *b)
{
    size_t size, other;
    unsigned char *left = file_bytes(a, &size), *right = file_bytes(b, &other);
    assert_int_equal(size, other);
    assert_memory_equal(left, right, size);
    free(left);
    free(right);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t form = 0; form < SAMPLE_FORMS; form++) {
        for (int full = 0; full < 2; full++) {
            topn_model *model = make(&sample_forms[form], full);
            assert_int_equal(model_check(context, model), TOPN_OK);
            assert_int_equal(model_save(context, model, path), TOPN_OK);
            topn_model *loaded = load(path);
            assert_same_model(model, loaded);
            assert_non_null(loaded->file);
            assert_string_equal(record_get(&loaded->metadata, "method"), sample_forms[form].name);
            assert_string_equal(record_get(&loaded->metadata, "data.events"), "6");
            assert_null(record_get(&loaded->metadata, "run.seconds")); /* a matter of the machine, not of the model */
            assert_null(record_get(&loaded->metadata, "topn.format"));
            assert_int_equal(model_save(context, loaded, again), TOPN_OK);
            assert_same_files(path, again);
            topn_model *copy;
            assert_int_equal(model_copy(context, loaded, &copy), TOPN_OK);
            topn_model_free(loaded);
            unlink(path);
            assert_same_model(model, copy); /* shares nothing with the file that is gone */
            assert_int_equal(model_save(context, copy, path), TOPN_OK);
            assert_same_files(path, again);
            topn_model_free(copy);
            topn_model_free(model);
        }
    }
}

static void test_saving_over_the_mapped_file(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_SPARSE], true);
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    topn_model *loaded = load(path);
    assert_int_equal(model_save(context, loaded, path), TOPN_OK);
    assert_same_model(model, loaded);
    topn_model_free(loaded);
    topn_model_free(model);
}

static void test_every_changed_byte_is_noticed(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_SPARSE], true), *loaded;
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    topn_model_free(model);
    size_t size, arrays;
    unsigned char *bytes = file_bytes(path, &size);
    const size_t text = header_text(bytes, &arrays);
    for (size_t at = 0; at < size; at++) {
        if (at >= text && at < arrays) /* padding means nothing */
            continue;
        bytes[at] ^= (unsigned char)(1 << at % 8);
        file_put(path, bytes, size);
        if (model_load(context, path, &loaded) != TOPN_ERROR_FORMAT)
            fail_msg("byte %zu was changed, and loaded", at);
        assert_null(loaded);
        assert_non_null(strstr(topn_context_message(context), path));
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    free(bytes);
}

static void test_every_cut_is_noticed(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_DENSE], false), *loaded;
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    topn_model_free(model);
    size_t size;
    unsigned char *bytes = file_bytes(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        file_put(path, bytes, cut);
        if (model_load(context, path, &loaded) != TOPN_ERROR_FORMAT)
            fail_msg("cut to %zu bytes, and loaded", cut);
        assert_null(loaded);
    }
    free(bytes);
}

static void test_model_check(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_DENSE], true);
    model->encoder.rows.dense.values[7] = -INFINITY;
    assert_int_equal(model_check(context, model), TOPN_ERROR_NUMERIC);
    assert_string_equal(topn_context_message(context), "encoder: value 7 is not finite (-inf)");
    model->encoder.rows.dense.values[7] = 0;
    model->encoder.rows.dense.rows = 3;
    assert_int_equal(model_check(context, model), TOPN_ERROR_FORMAT);
    topn_model_free(model);
    model = make(&sample_forms[SAMPLE_OWN], true);
    assert_ptr_equal(model_item_rows(model), &model->table.rows);
    model->table.rows.dense.columns--;
    assert_int_equal(model_check(context, model), TOPN_ERROR_FORMAT);
    assert_string_equal(topn_context_message(context), "items: 4 × 2 for 4 items and an encoder of 3 dimensions");
    topn_model_free(model);
    model = make(&sample_forms[0], false);
    assert_null(model_item_rows(model));
    assert_int_equal(embedding_rows(&model->encoder.rows), 0);
    assert_int_equal(embedding_dimensions(&model->encoder.rows), 0);
    model->table.kind = ITEMS_SHARED;
    assert_int_equal(model_check(context, model), TOPN_ERROR_FORMAT);
    topn_model_free(model);
}

static void test_other_files(void **state)
{
    (void)state;
    topn_model *model;
    assert_int_equal(model_load(context, "/nonexistent/model", &model), TOPN_ERROR_IO);
    assert_int_equal(model_load(context, folder, &model), TOPN_ERROR_IO);
    file_put(path, "user,item\n1,2\n", 14);
    assert_int_equal(model_load(context, path, &model), TOPN_ERROR_FORMAT);
    const uint32_t one = 1;
    const tensor foreign = {.name = "w", .type = TENSOR_U32, .shape = {1}, .dimensions = 1, .bytes = &one};
    record none = {0};
    assert_int_equal(safetensors_write(context, path, &foreign, 1, &none), TOPN_OK);
    assert_int_equal(model_load(context, path, &model), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "not one of topn's"));
    assert_null(model);
}

/* Format 2 is format 1 with a cut: a file says 2 only where it has one, and a cut needs item rows; 6 is what an encoder
 * of the pairwise loss has. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t form = 0; form < sizeof sample_forms / sizeof *sample_forms; form++) {
        topn_model *model = make(&sample_forms[form], true);
        const bool item_rows = model->table.kind == ITEMS_SHARED || model->table.kind == ITEMS_OWN;
        item_facts_clear(model); /* else it is format 4 */
        for (uint32_t cut = 0; cut <= 2; cut += 2) {
            model->encoder.cut = cut;
            assert_int_equal(model_save(context, model, path), TOPN_OK);
            topn_model *loaded = NULL;
            safetensors_file *file;
            assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
            assert_string_equal(record_get(safetensors_metadata(file), "topn.format"),
                                model->encoder.kind == ENCODER_NETWORK  ? "5"
                                : model->encoder.fields.context_pull    ? "6"
                                : model->encoder.kind == ENCODER_FIELDS ? "3"
                                : cut                                   ? "2"
                                                                        : "1");
            safetensors_close(file);
            const topn_status status = model_load(context, path, &loaded);
            if (cut && !item_rows) {
                assert_int_equal(status, TOPN_ERROR_FORMAT);
                assert_non_null(strstr(topn_context_message(context), "encoder: a cut of 2 without item rows"));
                continue;
            }
            assert_int_equal(status, TOPN_OK);
            assert_same_model(model, loaded);
            assert_null(record_get(&loaded->metadata, "topn.cut"));
            topn_model *copy;
            assert_int_equal(model_copy(context, loaded, &copy), TOPN_OK);
            assert_same_model(model, copy);
            topn_model_free(copy);
            topn_model_free(loaded);
        }
        topn_model_free(model);
    }
}

/* Format 4 is where popularity or attributes are; without them a file stays what it was. */
static void test_format_of_item_facts(void **state)
{
    (void)state;
    for (int facts = 0; facts < 4; facts++) {
        topn_model *model = make(&sample_forms[SAMPLE_SHARED_SPARSE], true);
        safetensors_file *file;
        if (!(facts & 1)) {
            free(model->popularity);
            model->popularity = NULL;
        }
        if (!(facts & 2))
            feature_table_clear(&model->attributes);
        assert_int_equal(model_save(context, model, path), TOPN_OK);
        assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
        assert_string_equal(record_get(safetensors_metadata(file), "topn.format"), facts ? "4" : "1");
        assert_int_equal(safetensors_find(file, "popularity") != NULL, facts & 1);
        assert_int_equal(safetensors_find(file, "attributes.indptr") != NULL, facts >> 1);
        safetensors_close(file);
        topn_model *loaded = load(path);
        assert_same_model(model, loaded);
        topn_model_free(loaded);
        topn_model_free(model);
    }
}

/* Users with the item, whatever they gave it. */
static void test_popularity_counts_events(void **state)
{
    (void)state;
    static const float expected[SAMPLE_ITEMS] = {1, 2, 1, 2};
    for (int full = 0; full < 2; full++) {
        topn_model *model = make(&sample_forms[SAMPLE_SHARED_DENSE], full);
        for (uint32_t item = 0; item < SAMPLE_ITEMS; item++)
            assert_true(topn_model_popularity(model, item) == expected[item]);
        assert_true(isnan(topn_model_popularity(model, SAMPLE_ITEMS)));
        topn_model_free(model);
    }
    assert_true(isnan(topn_model_popularity(NULL, 0)));
}

/* A file written by the first version must load for ever. */
static void test_model_of_version_0_1_0(void **state)
{
    (void)state;
    topn_model *expected = make(&sample_forms[SAMPLE_SHARED_SPARSE], true);
    topn_model *loaded = load("tests/files/model-0.1.0.safetensors");
    free(expected->dimension_items); /* that file is older than the array */
    expected->dimension_items = NULL;
    free(expected->popularity);
    expected->popularity = NULL;
    feature_table_clear(&expected->attributes);
    assert_same_model(expected, loaded);
    assert_string_equal(record_get(&loaded->metadata, "topn.version"), "0.1.0");
    assert_int_equal(model_save(context, loaded, path), TOPN_OK);
    assert_same_files(path, "tests/files/model-0.1.0.safetensors");
    topn_model_free(loaded);
    topn_model_free(expected);
}

/* The worked example of FORMAT.md. */
static void test_example_of_the_format(void **state)
{
    (void)state;
    topn_model *loaded = load("tests/files/format-example.safetensors");
    assert_int_equal(loaded->items, 2);
    assert_string_equal(string_table_get(&loaded->item_ids, 1), "b");
    assert_int_equal(loaded->table.kind, ITEMS_SHARED);
    const sparse_matrix *rows = &model_item_rows(loaded)->sparse;
    static const uint32_t indices[] = {0, 0, 1};
    static const float values[] = {1, -0.5f, 2};
    assert_int_equal(rows->indptr[1], 1);
    assert_int_equal(rows->indptr[2], 3);
    assert_memory_equal(rows->indices, indices, sizeof indices);
    assert_memory_equal(rows->values, values, sizeof values);
    assert_int_equal(model_save(context, loaded, path), TOPN_OK);
    assert_same_files(path, "tests/files/format-example.safetensors");
    size_t size;
    unsigned char *bytes = file_bytes(path, &size);
    assert_int_equal(size, 908);
    assert_memory_equal(bytes + 0x388, "a\0b", 4);
    free(bytes);
    topn_model_free(loaded);
}

static void test_memory_failures(void **state)
{
    (void)state;
    int steps = 0;
    for (uint64_t at = 1;; at++) {
        topn_model *model;
        memory_fail_after(at);
        const topn_status made = sample_model(context, &sample_forms[SAMPLE_SHARED_SPARSE], true, &model);
        memory_fail_after(0);
        if (made == TOPN_OK) {
            topn_model_free(model);
            break;
        }
        assert_int_equal(made, TOPN_ERROR_MEMORY);
        assert_null(model);
    }
    topn_model *model = make(&sample_forms[SAMPLE_SHARED_SPARSE], true);
    unlink(path);
    for (uint64_t at = 1;; at++, steps++) {
        memory_fail_after(at);
        const topn_status saved = model_save(context, model, path);
        memory_fail_after(0);
        if (saved == TOPN_OK)
            break;
        assert_int_equal(saved, TOPN_ERROR_MEMORY);
        assert_int_not_equal(access(path, F_OK), 0);
    }
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
    assert_true(steps > 50);
    topn_model_free(model);
}

static bool cancel(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    return strcmp(progress->stage, "verify") != 0;
}

static void test_cancel(void **state)
{
    (void)state;
    topn_model *model = make(&sample_forms[1], true), *loaded;
    assert_int_equal(model_save(context, model, path), TOPN_OK);
    topn_context_set_progress(context, cancel, NULL);
    assert_int_equal(model_load(context, path, &loaded), TOPN_ERROR_CANCELLED);
    assert_null(loaded);
    topn_context_set_progress(context, NULL, NULL);
    topn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_saving_over_the_mapped_file),
        cmocka_unit_test(test_every_changed_byte_is_noticed),
        cmocka_unit_test(test_every_cut_is_noticed),
        cmocka_unit_test(test_model_check),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_format_of_item_facts),
        cmocka_unit_test(test_popularity_counts_events),
        cmocka_unit_test(test_model_of_version_0_1_0),
        cmocka_unit_test(test_example_of_the_format),
        cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
