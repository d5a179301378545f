/* SPDX-License-Identifier: Apache-2.0
 *
 * A dense table of 46 341 × 46 341, the first whose element count passes 2³¹: 8.6 GB of untouched zero pages are saved
 * to a device that keeps nothing, and a file of holes of that size is opened, so that neither memory nor disk is used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/model_file.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { ITEMS = 46341 };
static const uint64_t table_bytes = (uint64_t)ITEMS * ITEMS * sizeof(float);

static uint64_t most_done;

static bool watch(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    assert_true(progress->done <= progress->total);
    if (strcmp(progress->stage, "write") == 0)
        most_done = progress->done;
    return true;
}

static void test_save(void **state)
{
    (void)state;
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    topn_context_set_progress(context, watch, NULL);
    float *zeros = mmap(NULL, table_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) {
        print_message("skipped: this machine grants no 8.6 GB of address space\n");
        topn_context_free(context);
        skip();
    }
    topn_model model = {.items = ITEMS};
    model.encoder.kind = ENCODER_BAG;
    model.encoder.rows.form = TABLE_DENSE;
    model.encoder.rows.dense = (dense_matrix){.values = zeros, .rows = ITEMS, .columns = ITEMS};
    model.table.kind = ITEMS_IDENTITY;
    assert_int_equal(string_table_numbers(context, ITEMS, &model.item_ids), TOPN_OK);
    assert_int_equal(model_check(context, &model), TOPN_OK);
    assert_int_equal(model_save(context, &model, "/dev/null"), TOPN_OK);
    assert_true(most_done > table_bytes);
    string_table_clear(&model.item_ids);
    munmap(zeros, table_bytes);
    topn_context_free(context);
}

static void test_open(void **state)
{
    (void)state;
    char path[] = "/tmp/topn-large-XXXXXX", text[256];
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    const int length =
        snprintf(text + 8, sizeof text - 8,
                 "{\"a\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[0,%llu]},\"b\":{\"dtype\":\"U8\","
                 "\"shape\":[1],\"data_offsets\":[%llu,%llu]}}      ",
                 ITEMS, ITEMS, (unsigned long long)table_bytes, (unsigned long long)table_bytes,
                 (unsigned long long)table_bytes + 1) /
        8 * 8;
    const uint64_t stored = (uint64_t)length;
    memcpy(text, &stored, sizeof stored);
    assert_int_equal(write(descriptor, text, 8 + (size_t)length), 8 + length);
    const off_t size = (off_t)(8 + stored + table_bytes + 1);
    if (pwrite(descriptor, "!", 1, size - 1) != 1) {
        print_message("skipped: no file of 8.6 GB of holes can be made here\n");
        close(descriptor);
        unlink(path);
        skip();
    }
    close(descriptor);
    topn_context *context;
    safetensors_file *file;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    const topn_status status = safetensors_open(context, path, false, &file);
    unlink(path);
    if (status != TOPN_OK)
        fail_msg("%s", topn_context_message(context));
    const float *values = safetensors_find(file, "a")->bytes;
    assert_int_equal(tensor_bytes(safetensors_find(file, "a")), table_bytes);
    assert_true(values[(uint64_t)ITEMS * ITEMS - 1] == 0);
    assert_int_equal(*(const char *)safetensors_find(file, "b")->bytes, '!');
    safetensors_close(file);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
