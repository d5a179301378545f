/* SPDX-License-Identifier: Apache-2.0
 *
 * The safetensors container: layout, checksums, and refusal of everything that is not one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/safetensors.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

static topn_context *context;
static char folder[] = "/tmp/topn-store-XXXXXX";
static char path[64];

static const uint64_t longs[] = {1, 2, 0x0102030405060708};
static const float reals[] = {1.5f, -2, 0, 4, 5, 6};
static const unsigned char bytes[] = "abc";

static const tensor sample[] = {
    {.name = "text", .type = TENSOR_U8, .shape = {3}, .dimensions = 1, .bytes = bytes},
    {.name = "matrix", .type = TENSOR_F32, .shape = {2, 3}, .dimensions = 2, .bytes = reals},
    {.name = "longs", .type = TENSOR_U64, .shape = {3}, .dimensions = 1, .bytes = longs},
    {.name = "none", .type = TENSOR_U32, .shape = {0}, .dimensions = 1, .bytes = NULL},
};
enum { SAMPLES = sizeof sample / sizeof *sample };

static unsigned char *slurp(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    static unsigned char buffer[1 << 16];
    *size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    return buffer;
}

static void spill(const char *name, const void *content, size_t size)
{
    unlink(name); /* a new file: some file systems flush one that is cut and written again */
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    fclose(file);
}

static void write_sample(const char *name)
{
    record metadata = {0};
    assert_int_equal(record_set(context, &metadata, "topn.format", "1"), TOPN_OK);
    assert_int_equal(record_set(context, &metadata, "note", "caf\xe9 \"quoted\"\n\xc3\xa9"), TOPN_OK);
    assert_int_equal(safetensors_write(context, name, sample, SAMPLES, &metadata), TOPN_OK);
    record_clear(&metadata);
}

/* A file of the given JSON header, `size` bytes of zeros after it. */
static topn_status open_header(const char *json, size_t size)
{
    char content[4096] = {0};
    const size_t length = strlen(json);
    content[0] = (char)(length & 0xff);
    content[1] = (char)(length >> 8);
    memcpy(content + 8, json, length);
    spill(path, content, 8 + length + size);
    safetensors_file *file;
    const topn_status status = safetensors_open(context, path, true, &file);
    assert_true((status == TOPN_OK) == (file != NULL));
    safetensors_close(file);
    return status;
}

static void test_round_trip(void **state)
{
    (void)state;
    write_sample(path);
    safetensors_file *file;
    assert_int_equal(safetensors_open(context, path, true, &file), TOPN_OK);
    assert_int_equal(safetensors_count(file), SAMPLES);
    assert_string_equal(safetensors_at(file, 0)->name, "longs"); /* widest elements first */
    assert_null(safetensors_at(file, SAMPLES));
    for (size_t index = 0; index < SAMPLES; index++) {
        const tensor *found = safetensors_find(file, sample[index].name);
        assert_non_null(found);
        assert_int_equal(found->type, sample[index].type);
        assert_int_equal(found->dimensions, sample[index].dimensions);
        assert_int_equal(tensor_bytes(found), tensor_bytes(&sample[index]));
        if (tensor_bytes(found))
            assert_memory_equal(found->bytes, sample[index].bytes, tensor_bytes(found));
        assert_int_equal((uintptr_t)found->bytes % tensor_type_size(found->type), 0);
    }
    assert_int_equal((uintptr_t)safetensors_at(file, 0)->bytes % 64, 0);
    assert_string_equal(record_get(safetensors_metadata(file), "note"), "caf? \"quoted\"\n\xc3\xa9");
    assert_int_equal(safetensors_metadata(file)->count, 2);
    const tensor *found;
    assert_int_equal(safetensors_require(context, file, "longs", TENSOR_U64, 3, &found), TOPN_OK);
    assert_int_equal(safetensors_require(context, file, "longs", TENSOR_I64, 3, &found), TOPN_ERROR_FORMAT);
    assert_int_equal(safetensors_require(context, file, "longs", TENSOR_U64, 4, &found), TOPN_ERROR_FORMAT);
    assert_int_equal(safetensors_require(context, file, "short", TENSOR_U64, 4, &found), TOPN_ERROR_FORMAT);
    safetensors_close(file);
}

static void test_layout(void **state)
{
    (void)state;
    write_sample(path);
    size_t size;
    const unsigned char *content = slurp(path, &size);
    const size_t length = content[0] | (size_t)content[1] << 8;
    assert_true(safetensors_looks_like(content, size));
    assert_int_equal((8 + length) % 64, 0);
    assert_int_equal(content[8], '{');
    assert_int_equal(size, 8 + length + sizeof longs + sizeof reals + 3);
    assert_memory_equal(content + 8 + length, longs, sizeof longs);
    assert_memory_equal(content + 8 + length + sizeof longs, reals, sizeof reals);
    assert_memory_equal(content + size - 3, bytes, 3);
}

static void test_every_changed_byte_is_noticed(void **state)
{
    (void)state;
    write_sample(path);
    size_t size;
    unsigned char *content = slurp(path, &size);
    const size_t length = content[0] | (size_t)content[1] << 8;
    size_t text = 8 + length;
    while (content[text - 1] == ' ') /* the padding means nothing */
        text--;
    for (size_t at = 0; at < size; at++) {
        if (at >= text && at < 8 + length)
            continue;
        for (int bit = 0; bit < 8; bit++) {
            content[at] ^= (unsigned char)(1 << bit);
            spill(path, content, size);
            safetensors_file *file;
            const topn_status status = safetensors_open(context, path, true, &file);
            if (status != TOPN_ERROR_FORMAT)
                fail_msg("byte %zu, bit %d: %s", at, bit, topn_status_name(status));
            assert_null(file);
            content[at] ^= (unsigned char)(1 << bit);
        }
    }
}

static void test_every_cut_is_noticed(void **state)
{
    (void)state;
    write_sample(path);
    size_t size;
    unsigned char *content = slurp(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        spill(path, content, cut);
        safetensors_file *file;
        assert_int_equal(safetensors_open(context, path, false, &file), TOPN_ERROR_FORMAT);
    }
    content[size] = 0;
    spill(path, content, size + 1); /* a byte that belongs to no array */
    safetensors_file *file;
    assert_int_equal(safetensors_open(context, path, false, &file), TOPN_ERROR_FORMAT);
}

#define ARRAY(name, type, shape, begin, end)                                                                           \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void test_headers(void **state)
{
    (void)state;
    assert_int_equal(open_header("{}", 0), TOPN_OK);
    assert_int_equal(open_header("{" ARRAY("a", "U8", "[4]", "0", "4") "}   ", 4), TOPN_OK);
    assert_int_equal(open_header("{" ARRAY("a", "U8", "[4]", "0", "4") "," ARRAY("b", "U8", "[1]", "4", "5") "}", 5),
                     TOPN_OK);
    assert_int_equal(open_header("{" ARRAY("b", "U8", "[1]", "4", "5") "," ARRAY("a", "U8", "[4]", "0", "4") "}", 5),
                     TOPN_OK);
    static const char *const wrong[] = {
        "[1]",
        "{",
        "{} {}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"__metadata__\":[]}",
        "{\"__metadata__\":{\"a\":1}}",
        "{\"__metadata__\":{\"a\":\"\\u0000\"}}",
        "{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}",
        "{\"__metadata__\":{\"a\":\"\xff\"}}",
        "{\"a\":{\"b\":[[1]]}}",
        "{\"__metadata__\":{\"topn.format\":\"one\"}}",
        "{\"__metadata__\":{\"topn.format\":\"\"}}",
        "{\"__metadata__\":{\"topn.format\":\"99999999999999999999999\"}}",
        "{\"__metadata__\":{\"xxh3.a\":\"0123456789abcdef\"}}",
        "{" ARRAY("a", "U8", "[4]", "0", "4") "," ARRAY("a", "U8", "[4]", "0", "4") "}",
        "{" ARRAY("a", "U8", "[4]", "0", "4") "," ARRAY("b", "U8", "[2]", "2", "4") "}", /* overlap */
        "{" ARRAY("a", "U8", "[3]", "1", "4") "}",                                       /* gap */
        "{" ARRAY("a", "U8", "[2]", "0", "2") "," ARRAY("b", "U8", "[1]", "3", "4") "}",
        "{" ARRAY("a", "U8", "[3]", "0", "3") "}", /* bytes left */
        "{" ARRAY("a", "U8", "[5]", "0", "5") "}", /* past the end */
        "{" ARRAY("a", "U8", "[5]", "0", "4") "}",
        "{" ARRAY("a", "U8", "[4.0]", "0", "4") "}",
        "{" ARRAY("a", "U8", "[-4]", "0", "4") "}",
        "{" ARRAY("a", "U8", "4", "0", "4") "}",
        "{" ARRAY("a", "U8", "[]", "0", "1") "}",
        "{" ARRAY("a", "U8", "[2,2,1]", "0", "4") "}",
        "{" ARRAY("a", "F16", "[2]", "0", "4") "}",
        "{" ARRAY("a", "U8", "[4]", "4", "0") "}",
        "{" ARRAY("a", "U8", "[4]", "-4", "0") "}",
        "{" ARRAY("a", "U8", "[4294967296,4294967296]", "0", "0") "}", /* overflow to 0 */
        "{" ARRAY("a", "F32", "[4611686018427387905]", "0", "4") "}",
        "{" ARRAY("a", "U8", "[99999999999999999999]", "0", "4") "}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"more\":1}}",
        "{\"a\":{\"dtype\":8,\"shape\":[4],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,8]}}",
    };
    for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++)
        if (open_header(wrong[index], 4) != TOPN_ERROR_FORMAT)
            fail_msg("accepted: %s", wrong[index]);
}

static void test_unaligned(void **state)
{
    (void)state;
    assert_int_equal(open_header("{" ARRAY("a", "U64", "[1]", "0", "8") "}    ", 8), TOPN_ERROR_FORMAT);
}

static void test_deep_and_wide_headers_are_refused_before_parsing(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    char *content = malloc(SIZE);
    memset(content, '[', SIZE);
    memcpy(content, "\xf8\xff\x0f\0\0\0\0\0{\"a\":", 13);
    spill(path, content, SIZE);
    safetensors_file *file;
    assert_int_equal(safetensors_open(context, path, true, &file), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "nested too deeply"));
    for (size_t at = 13; at < SIZE; at++)
        content[at] = at % 2 ? '1' : ',';
    spill(path, content, SIZE);
    assert_int_equal(safetensors_open(context, path, true, &file), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "entries"));
    free(content);
}

static void test_newer_version(void **state)
{
    (void)state;
    assert_int_equal(open_header("{\"__metadata__\":{\"topn.format\":\"7\"}," ARRAY("a", "F8", "[4]", "0", "4") "}", 4),
                     TOPN_ERROR_FORMAT);
    assert_non_null(
        strstr(topn_context_message(context), "written by a newer topn (format 7); this one reads up to 6"));
}

static bool cancel(const topn_progress *progress, void *user_data)
{
    assert_string_equal(progress->unit, "bytes");
    return strcmp(progress->stage, user_data) != 0;
}

static void test_cancel_leaves_nothing(void **state)
{
    (void)state;
    unlink(path);
    record metadata = {0};
    static const char *const stages[] = {"checksum", "write"};
    for (size_t stage = 0; stage < 2; stage++) {
        topn_context_set_progress(context, cancel, (void *)stages[stage]);
        assert_int_equal(safetensors_write(context, path, sample, SAMPLES, &metadata), TOPN_ERROR_CANCELLED);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    topn_context_set_progress(context, NULL, NULL);
    assert_int_equal(rmdir(folder), 0); /* no temporary either */
    assert_non_null(mkdtemp(strcpy(folder, "/tmp/topn-store-XXXXXX")));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void test_memory_failures(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        unlink(path);
        record metadata = {0};
        assert_int_equal(record_set(context, &metadata, "topn.format", "1"), TOPN_OK);
        memory_fail_after(at);
        const topn_status written = safetensors_write(context, path, sample, SAMPLES, &metadata);
        memory_fail_after(0);
        record_clear(&metadata);
        if (written == TOPN_OK)
            break;
        assert_int_equal(written, TOPN_ERROR_MEMORY);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    for (uint64_t at = 1;; at++) {
        safetensors_file *file;
        memory_fail_after(at);
        const topn_status opened = safetensors_open(context, path, true, &file);
        memory_fail_after(0);
        safetensors_close(file);
        if (opened == TOPN_OK)
            break;
        assert_int_equal(opened, TOPN_ERROR_MEMORY);
    }
}

static int begin(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/file", mkdtemp(folder));
    return topn_context_create(&context) == TOPN_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    topn_context_free(context);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_every_changed_byte_is_noticed),
        cmocka_unit_test(test_every_cut_is_noticed),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_unaligned),
        cmocka_unit_test(test_deep_and_wide_headers_are_refused_before_parsing),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_cancel_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
