/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of many chunks: the same data at any thread count, in any order of lines, plain or compressed, and as a naive
 * twin reads them; failed allocations leave nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "ingest_read.h"

#include <cmocka.h>

enum { EVENTS = 150000, USERS = 3000, ITEMS = 2000 };

typedef struct line {
    uint32_t user, item, rating, time;
} line;

static line lines[EVENTS];
static char *text;
static size_t size;

static void make_lines(void)
{
    for (uint32_t at = 0; at < EVENTS; at++) {
        uint32_t words[4];
        random_block(11, RANDOM_SPLIT_EVENTS, at, words);
        const uint32_t item = (uint32_t)((uint64_t)(words[1] % ITEMS) * (words[1] >> 16) >> 16);
        lines[at] = (line){words[0] % USERS, item, words[2] % 10 + 1, 1000000000 + at * 7};
    }
}

/* Writes the events in the order first, first + step, …; step has no factor in common with EVENTS. `form` takes user,
 * item, rating and time. */
static void write_lines(const char *form, size_t step, const char *header)
{
    size = (size_t)sprintf(text, "%s", header);
    for (size_t index = 0; index < EVENTS; index++) {
        const line *at = &lines[index * step % EVENTS];
        size += (size_t)sprintf(text + size, form, at->user, at->item, (double)at->rating / 2, at->time);
    }
}

static int set_up(void **state)
{
    (void)state;
    text = malloc((size_t)EVENTS * 120);
    make_lines();
    return text ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(text);
    return 0;
}

/* Fingerprint of the text read with so many threads. */
static void fingerprint(int threads, const char *const *options, char out[17])
{
    topn_context *context;
    topn_data *data;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = threads;
    if (read_bytes(context, text, size, options, &data) != TOPN_OK)
        print_error("%s\n", topn_context_message(context));
    assert_non_null(data);
    strcpy(out, topn_data_fingerprint(data));
    topn_data_free(data);
    topn_context_free(context);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const char *const forms[] = {"%u,%u,%.1f,%u\n", "user_%u,item_%u,%.1f,%u\n", "\"%u\",\"i\n%u\",%.1f,%u\r\n",
                                        "%u::%u::%.1f::%u\n", "0%u %u %.1f %u\n"};
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        char one[17], other[17];
        write_lines(forms[form], 1, "");
        assert_true(size > 3 << 20); /* several chunks */
        fingerprint(1, OPTIONS("duplicates", "sum"), one);
        for (int threads = 2; threads <= 4; threads++) {
            fingerprint(threads, OPTIONS("duplicates", "sum"), other);
            assert_string_equal(one, other);
        }
    }
}

static void order_of_lines_changes_nothing(void **state)
{
    (void)state;
    char one[17], other[17];
    write_lines("%u\t%u\t%.1f\t%u\n", 1, "user\titem\trating\ttime\n");
    fingerprint(2, NULL, one);
    write_lines("%u\t%u\t%.1f\t%u\n", 7919, "user\titem\trating\ttime\n");
    fingerprint(2, NULL, other);
    assert_string_equal(one, other);
}

static void compression_changes_nothing(void **state)
{
    (void)state;
    char one[17], other[17], path[] = "/tmp/topn-chunks-XXXXXX";
    topn_context *context;
    topn_data *data;
    write_lines("%u,%u,%.1f,%u\n", 1, "");
    fingerprint(2, NULL, one);
    const int descriptor = mkstemp(path);
    gzFile file = gzdopen(descriptor, "wb1");
    assert_int_equal(gzwrite(file, text, (unsigned)size), size);
    gzclose(file);
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    assert_int_equal(topn_data_read(context, path, NULL, &data), TOPN_OK);
    strcpy(other, topn_data_fingerprint(data));
    assert_string_equal(one, other);
    topn_data_free(data);
    assert_int_equal(truncate(path, 100000), 0);
    assert_int_equal(topn_data_read(context, path, NULL, &data), TOPN_ERROR_FORMAT);
    assert_null(data);
    assert_non_null(strstr(topn_context_message(context), "the file is truncated"));
    topn_context_free(context);
    unlink(path);
}

static int by_pair(const void *a, const void *b)
{
    const line *left = a, *right = b;
    if (left->user != right->user)
        return left->user < right->user ? -1 : 1;
    if (left->item != right->item)
        return left->item < right->item ? -1 : 1;
    return (left->time > right->time) - (left->time < right->time);
}

/* Every event, against sorting all lines. */
static void naive_twin(void **state)
{
    (void)state;
    topn_context *context;
    topn_data *data;
    static line sorted[EVENTS];
    write_lines("%u,%u,%.1f,%u\n", 7919, "");
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    assert_int_equal(read_bytes(context, text, size, NULL, &data), TOPN_OK);
    memcpy(sorted, lines, sizeof lines);
    qsort(sorted, EVENTS, sizeof *sorted, by_pair);
    uint64_t at = 0;
    uint32_t user = 0;
    for (size_t index = 0; index < EVENTS; index++) {
        if (index + 1 < EVENTS && sorted[index + 1].user == sorted[index].user &&
            sorted[index + 1].item == sorted[index].item)
            continue; /* a later one follows */
        while (data->matrix.indptr[user + 1] <= at)
            user++;
        assert_int_equal(atoi(topn_data_user_id(data, user)), sorted[index].user);
        assert_int_equal(atoi(topn_data_item_id(data, data->matrix.indices[at])), sorted[index].item);
        assert_true(data->matrix.values[at] == (float)sorted[index].rating / 2);
        assert_int_equal(data->times[at], sorted[index].time);
        at++;
    }
    assert_int_equal(at, topn_data_events(data));
    topn_data_free(data);
    topn_context_free(context);
}

/* A fault far down names its line, whatever the threads; quoted newlines count. */
static void line_numbers(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        topn_context *context;
        topn_data *data;
        assert_int_equal(topn_context_create(&context), TOPN_OK);
        context->threads = threads;
        write_lines("%u,%u,%.1f,%u\n", 1, "user,item,rating,time\n");
        size += (size_t)sprintf(text + size, "1,2,bad,3\n1,2,3,worse\n");
        assert_int_equal(read_bytes(context, text, size, NULL, &data), TOPN_ERROR_DATA);
        assert_string_equal(topn_context_message(context), "events:150002: weight \"bad\" is not a number");
        write_lines("\"u\n%u\",%u,%.1f,%u\n", 1, "user,item,rating,time\n");
        size += (size_t)sprintf(text + size, "1,2,bad,3\n");
        assert_int_equal(read_bytes(context, text, size, NULL, &data), TOPN_ERROR_DATA);
        assert_string_equal(topn_context_message(context), "events:300002: weight \"bad\" is not a number");
        topn_context_free(context);
    }
}

/* Films named in one chunk go on in the next. */
static void netflix_across_chunks(void **state)
{
    (void)state;
    topn_context *context;
    topn_data *data;
    size = 0;
    for (uint32_t film = 1; film <= 3; film++) {
        size += (size_t)sprintf(text + size, "%u:\n", film);
        for (uint32_t user = 0; user < 100000; user++)
            size += (size_t)sprintf(text + size, "%u,%u,2005-01-02\n", user, film);
    }
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 2;
    assert_int_equal(read_bytes(context, text, size, NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_events(data), 300000);
    for (uint64_t at = 0; at < 300000; at++)
        assert_true(data->matrix.values[at] == (float)(data->matrix.indices[at] + 1));
    topn_data_free(data);
    topn_context_free(context);
}

static bool stop(const topn_progress *progress, void *data)
{
    (void)data;
    return strcmp(progress->stage, "read") != 0;
}

static void cancelling(void **state)
{
    (void)state;
    topn_context *context;
    topn_data *data;
    write_lines("%u,%u,%.1f,%u\n", 1, "");
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    topn_context_set_progress(context, stop, NULL);
    assert_int_equal(read_bytes(context, text, size, NULL, &data), TOPN_ERROR_CANCELLED);
    assert_null(data);
    topn_context_free(context);
}

static void little_memory(void **state)
{
    (void)state;
    topn_context *context;
    topn_data *data;
    size = 0;
    for (size_t repeat = 0; size < (size_t)EVENTS * 120 - 64; repeat++)
        size += (size_t)sprintf(text + size, "%zu,%zu\n", repeat % 99, repeat % 77);
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->memory_limit = 1 << 20;
    assert_int_equal(read_bytes(context, text, size, OPTIONS("format", "delimited"), &data), TOPN_ERROR_MEMORY);
    assert_null(data);
    assert_non_null(strstr(topn_context_message(context), "reading events needs "));
    assert_non_null(strstr(topn_context_message(context), " of memory, --memory has 1.0 MiB; split it, or allow more"));
    context->memory_limit = 1 << 30;
    assert_int_equal(read_bytes(context, text, size, OPTIONS("format", "delimited"), &data), TOPN_OK);
    topn_data_free(data);
    topn_context_free(context);
}

/* Every allocation fails once: a clean refusal each time. */
static void failing_allocations(void **state)
{
    (void)state;
    static const char *const texts[] = {"user,item,rating,time\na,b,1,2\na,b,2,3\nc,4,1,5\n",
                                        "0 1 2\n1\n2 99999999999\n", "1:\n5,3,2005-01-02\n",
                                        "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 2 0.5\n3 4 2\n"};
    topn_context *context;
    topn_options *options;
    topn_data *data;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    context->threads = 1;
    assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "min-item-events", "1"), TOPN_OK);
    const reader_params *params = options_params(options, &reader_option_table);
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        topn_status status = TOPN_ERROR_MEMORY;
        uint64_t allocations = 0;
        while (status != TOPN_OK) {
            memory_fail_after(++allocations);
            status = reader_read_memory(context, "events", texts[at], strlen(texts[at]), params, &data);
            memory_fail_after(0);
            assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
            assert_true((status == TOPN_OK) == (data != NULL));
        }
        assert_true(allocations > 20);
        topn_data_free(data);
    }
    topn_options_free(options);
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(order_of_lines_changes_nothing),
        cmocka_unit_test(compression_changes_nothing),
        cmocka_unit_test(naive_twin),
        cmocka_unit_test(line_numbers),
        cmocka_unit_test(netflix_across_chunks),
        cmocka_unit_test(cancelling),
        cmocka_unit_test(little_memory),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
