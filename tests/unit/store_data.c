/* SPDX-License-Identifier: Apache-2.0
 *
 * The binary form of interaction data: everything survives, nothing broken is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>

#include "sample_model.h"

#include "file_fixture.h" /* after functions whose parameters have its names */

#include <cmocka.h> /* after context.h: it makes a macro of fail */

static void assert_same_data(const topn_data *a, const topn_data *b)
{
    assert_int_equal(topn_data_users(a), topn_data_users(b));
    assert_int_equal(topn_data_items(a), topn_data_items(b));
    assert_int_equal(topn_data_events(a), topn_data_events(b));
    const size_t events = topn_data_events(a);
    assert_memory_equal(a->matrix.indptr, b->matrix.indptr, (topn_data_users(a) + 1) * sizeof(uint64_t));
    assert_memory_equal(a->matrix.indices, b->matrix.indices, events * sizeof(uint32_t));
    assert_memory_equal(a->matrix.values, b->matrix.values, events * sizeof(float));
    assert_int_equal(a->times == NULL, b->times == NULL);
    if (a->times)
        assert_memory_equal(a->times, b->times, events * sizeof(int64_t));
    assert_int_equal(a->has_weights, b->has_weights);
    assert_string_equal(topn_data_fingerprint(a), topn_data_fingerprint(b));
    for (uint32_t user = 0; user < topn_data_users(a); user++)
        assert_string_equal(topn_data_user_id(a, user), topn_data_user_id(b, user));
    for (uint32_t item = 0; item < topn_data_items(a); item++) {
        assert_string_equal(topn_data_item_id(a, item), topn_data_item_id(b, item));
        const char *title = topn_data_item_title(a, item), *other = topn_data_item_title(b, item);
        assert_int_equal(title == NULL, other == NULL);
        if (title)
            assert_string_equal(title, other);
    }
    uint32_t found;
    assert_true(topn_data_find_user(b, "anna", &found));
    assert_true(topn_data_find_item(b, "caf\xe9", &found));
    assert_int_equal(found, 3);
    assert_string_equal(a->provenance.source, b->provenance.source);
    assert_string_equal(a->provenance.format, b->provenance.format);
    assert_string_equal(a->provenance.columns, b->provenance.columns);
    assert_int_equal(a->provenance.rows_read, b->provenance.rows_read);
    assert_int_equal(a->provenance.duplicates, b->provenance.duplicates);
    assert_int_equal(a->provenance.dropped_count, b->provenance.dropped_count);
    assert_string_equal(a->provenance.dropped[0].reason, b->provenance.dropped[0].reason);
    assert_int_equal(a->provenance.dropped[0].events, b->provenance.dropped[0].events);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        topn_data *data, *opened;
        assert_int_equal(sample_data(context, form & 1, form & 2, form & 4, &data), TOPN_OK);
        assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
        if (data_open(context, path, &opened) != TOPN_OK)
            fail_msg("%s", topn_context_message(context));
        assert_same_data(data, opened);
        assert_int_equal(topn_data_save(context, opened, again), TOPN_OK);
        size_t size, other;
        unsigned char *left = file_bytes(path, &size), *right = file_bytes(again, &other);
        assert_int_equal(size, other);
        assert_memory_equal(left, right, size);
        free(left);
        free(right);
        topn_data_free(opened);
        topn_data_free(data);
    }
}

static void test_changes_and_cuts_are_noticed(void **state)
{
    (void)state;
    topn_data *data, *opened;
    assert_int_equal(sample_data(context, true, true, false, &data), TOPN_OK);
    assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
    topn_data_free(data);
    size_t size, arrays;
    unsigned char *bytes = file_bytes(path, &size);
    const size_t text = header_text(bytes, &arrays);
    for (size_t at = 0; at < size; at++) {
        if (at < text || at >= arrays) {
            bytes[at] ^= (unsigned char)(1 << at % 8);
            file_put(path, bytes, size);
            if (data_open(context, path, &opened) != TOPN_ERROR_FORMAT)
                fail_msg("byte %zu was changed, and opened", at);
            bytes[at] ^= (unsigned char)(1 << at % 8);
        }
        file_put(path, bytes, at);
        if (data_open(context, path, &opened) != TOPN_ERROR_FORMAT)
            fail_msg("cut to %zu bytes, and opened", at);
        assert_null(opened);
    }
    free(bytes);
}

/* One byte of an array or one metadata value changed, under right checksums. */
static topn_status open_changed(const char *array, size_t byte, unsigned char value, const char *key, const char *text)
{
    topn_data *data, *opened;
    assert_int_equal(sample_data(context, true, true, true, &data), TOPN_OK);
    assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
    topn_data_free(data);
    safetensors_file *file;
    assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
    tensor tensors[16];
    unsigned char copy[256];
    const size_t count = safetensors_count(file);
    for (size_t at = 0; at < count; at++) {
        tensors[at] = *safetensors_at(file, at);
        if (array && strcmp(tensors[at].name, array) == 0) {
            memcpy(copy, tensors[at].bytes, tensor_bytes(&tensors[at]));
            copy[byte] = value;
            tensors[at].bytes = copy;
        }
    }
    record metadata;
    assert_int_equal(record_copy(context, safetensors_metadata(file), &metadata), TOPN_OK);
    if (key)
        assert_int_equal(record_set(context, &metadata, key, "%s", text), TOPN_OK);
    assert_int_equal(safetensors_write(context, again, tensors, count, &metadata), TOPN_OK);
    record_clear(&metadata);
    safetensors_close(file);
    const topn_status status = data_open(context, again, &opened);
    topn_data_free(opened);
    return status;
}

static void test_wrong_contents(void **state)
{
    (void)state;
    assert_int_equal(open_changed(NULL, 0, 0, NULL, NULL), TOPN_OK);
    assert_int_equal(open_changed("events.indices", 0, 200, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed("events.indices", 0, 1, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed("events.indptr", 8 + 5, 1, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed("events.indptr", 24, 5, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed("events.values", 3, 0xff, NULL, NULL), TOPN_ERROR_FORMAT); /* another number */
    assert_int_equal(open_changed("events.values", 7, 0xbf, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "weight 1 is negative (-1)"));
    assert_int_equal(open_changed("user_ids.bytes", 0, 'b', NULL, NULL), TOPN_ERROR_FORMAT); /* another fingerprint */
    assert_int_equal(open_changed("user_ids.bytes", 0, 0, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed("item_ids.offsets", 8, 99, NULL, NULL), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed(NULL, 0, 0, "topn.has_weights", "maybe"), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed(NULL, 0, 0, "data.rows_read", "many"), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed(NULL, 0, 0, "data.fingerprint", "0123456789abcdef"), TOPN_ERROR_FORMAT);
    assert_int_equal(open_changed(NULL, 0, 0, "topn.kind", "model"), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "holds a model, not interaction data"));
}

static void test_memory_failures(void **state)
{
    (void)state;
    topn_data *data;
    assert_int_equal(sample_data(context, true, true, true, &data), TOPN_OK);
    assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
    topn_data_free(data);
    for (uint64_t at = 1;; at++) {
        memory_fail_after(at);
        const topn_status status = data_open(context, path, &data);
        memory_fail_after(0);
        topn_data_free(data);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_changes_and_cuts_are_noticed),
        cmocka_unit_test(test_wrong_contents),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
