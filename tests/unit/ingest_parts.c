/* SPDX-License-Identifier: Apache-2.0
 *
 * The pieces readers are made of: digits, numbers, times, encodings, sources, zip archives and .npy arrays.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <math.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/random.h"
#include "base/timestamp.h"
#include "ingest/encoding.h"
#include "ingest/fields.h"
#include "ingest/id_order.h"
#include "ingest/npy.h"
#include "ingest/source.h"
#include "ingest_read.h"

#include <cmocka.h>

static topn_context *context;

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

static void digits(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200000; round++) {
        uint32_t words[4];
        unsigned char text[8];
        random_block(5, RANDOM_ORDER, round, words);
        memcpy(text, words, sizeof text);
        for (unsigned at = 0; at < words[2] % 9 && at < 8; at++) /* mostly digits, then anything */
            text[at] = (unsigned char)('0' + text[at] % 10);
        unsigned count = 0;
        uint64_t wanted = 0, found;
        for (; count < 8 && text[count] >= '0' && text[count] <= '9'; count++)
            wanted = 10 * wanted + (uint64_t)(text[count] - '0');
        assert_int_equal(digits_leading(text, &found), count);
        assert_int_equal(found, wanted);
    }
}

static void marks(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20000; round++) {
        unsigned char text[40];
        for (uint32_t at = 0; at < sizeof text; at++)
            text[at] =
                (unsigned char)"abcdefghijklmno,\n\xff\x8a\x2d"[random_bits(6, RANDOM_ORDER, round * 40 + at) % 20];
        const unsigned char *end = text + round % 41, *wanted = text;
        while (wanted < end && *wanted != ',' && *wanted != '\n')
            wanted++;
        assert_ptr_equal(find_mark(text, end, ','), wanted);
    }
}

static void real_numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"1", "-2.5", "1e3", ".5", "5.", "inf", "nan", "+7"};
    static const char *const bad[] = {"", "x", "1x", "0x10", " 1", "1 ", "1,5", "--1", "1e"};
    double value;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++)
        assert_true(parse_real((const unsigned char *)good[at], strlen(good[at]), &value));
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(parse_real((const unsigned char *)bad[at], strlen(bad[at]), &value));
    assert_false(parse_real((const unsigned char *)"1\0002", 3, &value));
}

/* Weights take a fast path; it must give the nearest float of strtod. */
static void weights_are_exact(void **state)
{
    (void)state;
    char text[64 * 1000], *at = text;
    float wanted[1000];
    for (uint32_t row = 0; row < 1000; row++) {
        const uint64_t bits = random_bits(9, RANDOM_ORDER, row);
        char number[32];
        snprintf(number, sizeof number, "%.*f", (int)(bits % 9), (double)(bits >> 40) / (double)(1 + (bits & 1023)));
        wanted[row] = (float)strtod(number, NULL);
        at += sprintf(at, "1,%u,%s,0\n", row, number);
    }
    topn_data *data;
    assert_int_equal(read_bytes(context, text, (size_t)(at - text), NULL, &data), TOPN_OK);
    for (uint32_t row = 0; row < 1000; row++)
        assert_true(data->matrix.values[row] == wanted[row]);
    topn_data_free(data);
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",     "\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "a\xe2\x82"};
    for (size_t at = 0; at < sizeof good / sizeof *good; at++)
        assert_true(text_is_utf8((const unsigned char *)good[at], strlen(good[at])));
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(text_is_utf8((const unsigned char *)bad[at], strlen(bad[at])));
    for (unsigned byte = 1; byte < 256; byte++) {
        const unsigned char latin = (unsigned char)byte;
        unsigned char out[2];
        assert_true(text_is_utf8(out, text_from_latin1(&latin, 1, out)));
    }
}

static void times_of_events(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wanted;
    } good[] = {
        {"0", 0},
        {"1700000000", 1700000000},
        {"1700000000123", 1700000000},
        {"1700000000123456", 1700000000},
        {"1700000000123456789", 1700000000},
        {"-1", -1},
        {"-1700000000123", -1700000001},
        {"1970-01-01", 0},
        {"2000-03-01", 951868800},
        {"2024-02-29 23:59:59", 1709251199},
        {"2024/02/29", 1709164800},
        {"2024-02-29T23:59:59.999Z", 1709251199},
        {"2024-02-29T23:59+05:30", 1709231340},
        {"2024-02-29T23:59:00-0100", 1709254740},
        {"1969-12-31T23:59:59Z", -1},
        {"2024-02-29Z", 1709164800},
        {"1e9", 1000000000},
    };
    static const char *const bad[] = {
        "",    "x",     "2024-13-01", "2023-02-29",  "2024-02-29T",      "2024-02-29T25:00",
        "nan", "1e400", "0000-01-01", "2024-02-29+", "2024-02-29T10:00+"};
    int64_t found;
    bool scaled;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++) {
        assert_true(timestamp_read(good[at].text, strlen(good[at].text), &found, &scaled));
        assert_int_equal(found, good[at].wanted);
    }
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(timestamp_read(bad[at], strlen(bad[at]), &found, &scaled));
}

/* A pipe whose writer is slow: the first byte comes alone. */
static void slow_pipe(void **state)
{
    (void)state;
    static const char text[] = "user,item\n1,2\n";
    unsigned char packed[200];
    const size_t size = ZSTD_compress(packed, sizeof packed, text, sizeof text - 1, 3);
    int ends[2];
    assert_false(ZSTD_isError(size));
    assert_int_equal(pipe(ends), 0);
    const pid_t writer = fork();
    if (writer == 0) {
        const struct timespec pause = {.tv_nsec = 50000000};
        const bool first = write(ends[1], packed, 1) == 1 && nanosleep(&pause, NULL) == 0;
        _exit(first && write(ends[1], packed + 1, size - 1) == (ssize_t)size - 1 ? 0 : 1);
    }
    close(ends[1]);
    char path[32];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    source *from;
    const unsigned char *bytes;
    size_t found;
    assert_int_equal(source_open(context, path, &from), TOPN_OK);
    assert_int_equal(source_rest(context, from, &bytes, &found), TOPN_OK);
    assert_int_equal(found, sizeof text - 1);
    assert_memory_equal(bytes, text, found);
    source_close(from);
    close(ends[0]);
    assert_int_equal(waitpid(writer, NULL, 0), writer);
}

/* Ids with the same low bits start in different places. */
static void sparse_numbers_spread(void **state)
{
    (void)state;
    enum { SLOTS = 1 << 15, IDS = SLOTS / 2 };
    const id_order order = {.mask = SLOTS - 1};
    for (int shift = 0; shift < 17; shift++) {
        static bool taken[SLOTS];
        uint32_t distinct = 0;
        memset(taken, 0, sizeof taken);
        for (uint32_t id = 0; id < IDS; id++) {
            bool *slot = &taken[id_order_slot(&order, id << shift)];
            distinct += !*slot;
            *slot = true;
        }
        assert_true(distinct > IDS / 2);
    }
}

/* Content of a source read in steps. */
static topn_status drain(const void *bytes, size_t size, size_t step, char *out)
{
    source *from;
    topn_status status = source_from_memory(context, "bytes", bytes, size, &from);
    for (bool last = false; status == TOPN_OK && !last;) {
        const unsigned char *text;
        size_t got;
        status = source_peek(context, from, step, &text, &got, &last);
        if (status != TOPN_OK)
            break;
        memcpy(out, text, got);
        out += got;
        source_consume(from, got);
    }
    *out = '\0';
    source_close(from);
    return status;
}

static size_t gzip(const char *text, unsigned char *out, size_t capacity)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)text;
    stream.avail_in = (uInt)strlen(text);
    stream.next_out = out;
    stream.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return capacity - stream.avail_out;
}

static void sources(void **state)
{
    (void)state;
    unsigned char packed[512];
    char out[512];
    const size_t first = gzip("\xef\xbb\xbfhello ", packed, sizeof packed);
    size_t size = first + gzip("world", packed + first, sizeof packed - first);
    for (size_t step = 1; step < 20; step++) {
        assert_int_equal(drain(packed, size, step, out), TOPN_OK);
        assert_string_equal(out, "hello world");
        assert_int_equal(drain("\xef\xbb\xbfplain", 8, step, out), TOPN_OK);
        assert_string_equal(out, "plain");
    }
    for (size_t cut = 2; cut < size; cut++) {
        const topn_status status = drain(packed, cut, 7, out);
        assert_true(cut == first ? status == TOPN_OK : status == TOPN_ERROR_FORMAT);
    }
    packed[first - 6] ^= 1; /* a byte of the checksum */
    assert_int_equal(drain(packed, size, 7, out), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "bytes: broken gzip data"));
    size = ZSTD_compress(packed, sizeof packed, "one ", 4, 3);
    size += ZSTD_compress(packed + size, sizeof packed - size, "two", 3, 3);
    for (size_t step = 1; step < 20; step++) {
        assert_int_equal(drain(packed, size, step, out), TOPN_OK);
        assert_string_equal(out, "one two");
    }
    assert_int_equal(drain(packed, size - 1, 7, out), TOPN_ERROR_FORMAT);
    assert_non_null(strstr(topn_context_message(context), "the file is truncated"));
}

static topn_status read_file(const char *path, topn_data **out)
{
    return topn_data_read(context, path, NULL, out);
}

static void npz_files(void **state)
{
    (void)state;
    static const char *const paths[] = {"fuzz/corpus/reader_npz/deflated.npz", "fuzz/corpus/reader_npz/stored.npz",
                                        "fuzz/corpus/reader_npz/int64.npz"};
    topn_data *data;
    char out[256];
    for (size_t at = 0; at < sizeof paths / sizeof *paths; at++) {
        assert_int_equal(read_file(paths[at], &data), TOPN_OK);
        assert_int_equal(topn_data_users(data), 3);
        assert_int_equal(topn_data_items(data), 3);
        assert_string_equal(show(data, out, sizeof out), "0:1=1 0:2=2 2:0=3");
        topn_data_free(data);
    }
    assert_int_equal(read_file("fuzz/corpus/reader_npz/csc.npz", &data), TOPN_ERROR_UNSUPPORTED);
    assert_non_null(strstr(topn_context_message(context), "save it as csr"));
}

/* Every byte changed, every cut: read or refused, never more than the file says. */
static void broken_npz(void **state)
{
    (void)state;
    unsigned char bytes[4096];
    topn_data *data;
    FILE *file = fopen("fuzz/corpus/reader_npz/deflated.npz", "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x55;
        read_bytes(context, bytes, size, OPTIONS("format", "npz"), &data);
        topn_data_free(data);
        bytes[at] ^= 0x55;
        assert_int_not_equal(read_bytes(context, bytes, at, OPTIONS("format", "npz"), &data), TOPN_OK);
    }
}

static void npy_headers(void **state)
{
    (void)state;
    unsigned char bytes[128] = "\x93NUMPY\x01";
    npy_array array;
    const char *header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }";
    bytes[8] = (unsigned char)strlen(header);
    memcpy(bytes + 10, header, strlen(header));
    memcpy(bytes + 10 + strlen(header), "\x01\x02\xff\xff", 4);
    const size_t size = 14 + strlen(header);
    assert_int_equal(npy_parse(context, "a", bytes, size, &array), TOPN_OK);
    uint64_t value;
    assert_true(npy_whole(&array, 0, &value));
    assert_int_equal(value, 0x0201);
    assert_false(npy_whole(&array, 1, &value)); /* −1 */
    assert_int_equal(npy_parse(context, "a", bytes, size - 1, &array), TOPN_ERROR_FORMAT);
    bytes[10 + 11] = '>';
    assert_int_equal(npy_parse(context, "a", bytes, size, &array), TOPN_ERROR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits),          cmocka_unit_test(marks),
        cmocka_unit_test(real_numbers),    cmocka_unit_test(utf8),
        cmocka_unit_test(times_of_events), cmocka_unit_test(sparse_numbers_spread),
        cmocka_unit_test(slow_pipe),       cmocka_unit_test(weights_are_exact),
        cmocka_unit_test(sources),         cmocka_unit_test(npz_files),
        cmocka_unit_test(broken_npz),      cmocka_unit_test(npy_headers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
