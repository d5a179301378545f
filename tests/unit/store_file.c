/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a file: whole or not at all, whatever goes wrong on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "sample_model.h"

#include <cmocka.h> /* after context.h: it makes a macro of fail */

enum { PIECE = 1 << 16, PIECES = 64 };

static topn_context *context;
static char folder[] = "/tmp/topn-file-XXXXXX";
static char path[64];
static unsigned char piece[PIECE];

static void assert_content(const char *name, const char *expected)
{
    size_t size;
    unsigned char *bytes = file_bytes(name, &size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(bytes, expected, size);
    free(bytes);
}

static topn_status write_text(const char *name, const char *text)
{
    file_writer *writer;
    const topn_status status = file_create(context, name, &writer);
    if (status != TOPN_OK) {
        assert_null(writer);
        return status;
    }
    assert_int_equal(file_write(writer, text, strlen(text)), TOPN_OK);
    return file_commit(writer);
}

/* Small and large writes, which take different ways, in one file. */
static void test_pieces_of_all_sizes(void **state)
{
    (void)state;
    static unsigned char expected[3 << 20], found[sizeof expected + 1];
    for (size_t at = 0; at < sizeof expected; at++)
        expected[at] = (unsigned char)(at * 2654435761u >> 24);
    file_writer *writer;
    assert_int_equal(file_create(context, path, &writer), TOPN_OK);
    static const size_t sizes[] = {1, 262144, 0, 262143, 2, 262145, 7, 1000000, 3};
    size_t at = 0;
    for (size_t index = 0; index < sizeof sizes / sizeof *sizes; at += sizes[index++])
        assert_int_equal(file_write(writer, expected + at, sizes[index]), TOPN_OK);
    assert_int_equal(file_write(writer, expected + at, sizeof expected - at), TOPN_OK);
    assert_int_equal(file_offset(writer), sizeof expected);
    expected[0] ^= 1;
    expected[70000] ^= 1;
    assert_int_equal(file_patch(writer, 0, expected, 70001), TOPN_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* not before the commit */
    assert_int_equal(file_commit(writer), TOPN_OK);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(found, 1, sizeof found, file), sizeof expected);
    fclose(file);
    assert_memory_equal(found, expected, sizeof expected);
    unlink(path);
}

static void test_long_lines(void **state)
{
    (void)state;
    char *line = malloc(10001);
    memset(line, 'x', 10000);
    line[10000] = '\0';
    file_writer *writer;
    assert_int_equal(file_create(context, path, &writer), TOPN_OK);
    assert_int_equal(file_print(writer, "%s", line), TOPN_OK);
    assert_int_equal(file_commit(writer), TOPN_OK);
    assert_content(path, line);
    free(line);
    unlink(path);
}

static void test_mode_follows_the_mask(void **state)
{
    (void)state;
    const mode_t mask = umask(027);
    assert_int_equal(write_text(path, "x"), TOPN_OK);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0640);
    umask(mask);
    unlink(path);
}

static void test_abandoned(void **state)
{
    (void)state;
    assert_int_equal(write_text(path, "old"), TOPN_OK);
    file_writer *writer;
    assert_int_equal(file_create(context, path, &writer), TOPN_OK);
    assert_int_equal(file_write(writer, "new", 3), TOPN_OK);
    file_abandon(writer);
    assert_content(path, "old");
    unlink(path); /* `end` finds any temporary */
}

static void test_links_and_devices(void **state)
{
    (void)state;
    char link[64], shown[64];
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(write_text(path, "old"), TOPN_OK);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(write_text(link, "new"), TOPN_OK);
    assert_content(path, "new");
    assert_int_equal(readlink(link, shown, sizeof shown), 4); /* still a link */
    assert_int_equal(write_text("/dev/null", "x"), TOPN_OK);
    struct stat about;
    assert_int_equal(stat("/dev/null", &about), 0);
    assert_true(S_ISCHR(about.st_mode));
    assert_int_equal(write_text("/dev/full", "x"), TOPN_ERROR_IO);
    assert_string_equal(topn_context_message(context), "cannot write /dev/full: No space left on device");
    unlink(link);
    unlink(path);
}

static void test_places_that_cannot_be_written(void **state)
{
    (void)state;
    assert_int_equal(write_text(folder, "x"), TOPN_ERROR_IO);
    assert_non_null(strstr(topn_context_message(context), "it is a folder"));
    assert_int_equal(write_text("/nonexistent/folder/file", "x"), TOPN_ERROR_IO);
    assert_string_equal(topn_context_message(context),
                        "cannot write /nonexistent/folder/file: No such file or directory");
    assert_int_equal(write_text("/proc/file", "x"), TOPN_ERROR_IO); /* for root, too */
    assert_int_equal(write_text("", "x"), TOPN_ERROR_IO);
    char below[80];
    snprintf(below, sizeof below, "%s/below", path);
    assert_int_equal(write_text(path, "x"), TOPN_OK);
    assert_int_equal(write_text(below, "x"), TOPN_ERROR_IO);
    unlink(path);
}

/* The limit on file sizes stands for a full disk: write fails part-way. In a child, whose limit ends with it. */
static void test_disk_full(void **state)
{
    (void)state;
    assert_int_equal(write_text(path, "old"), TOPN_OK);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {.rlim_cur = PIECE * PIECES / 2, .rlim_max = PIECE * PIECES / 2};
        file_writer *writer;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || file_create(context, path, &writer) != TOPN_OK)
            _exit(1);
        topn_status status = TOPN_OK;
        for (int at = 0; at < PIECES && status == TOPN_OK; at++)
            status = file_write(writer, piece, sizeof piece);
        const bool told = strstr(topn_context_message(context), "File too large") != NULL;
        if (file_commit(writer) == TOPN_OK) /* a failed file never becomes final, even when asked to */
            _exit(3);
        _exit(status == TOPN_ERROR_IO && told ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_content(path, "old");
    unlink(path);
}

/* The same when the last bytes, held back, are written by the commit. */
static void test_disk_full_at_commit(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {.rlim_cur = PIECE / 2, .rlim_max = PIECE / 2};
        file_writer *writer;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || file_create(context, path, &writer) != TOPN_OK ||
            file_write(writer, piece, sizeof piece) != TOPN_OK)
            _exit(1);
        _exit(file_commit(writer) == TOPN_ERROR_IO && access(path, F_OK) != 0 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_memory_failures(void **state)
{
    (void)state;
    for (uint64_t at = 1;; at++) {
        memory_fail_after(at);
        const topn_status status = write_text(path, "x");
        memory_fail_after(0);
        if (status == TOPN_OK)
            break;
        assert_int_equal(status, TOPN_ERROR_MEMORY);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    unlink(path);
}

static void test_maps(void **state)
{
    (void)state;
    file_map map;
    assert_int_equal(write_text(path, "abc"), TOPN_OK);
    assert_int_equal(file_map_open(context, path, &map), TOPN_OK);
    assert_int_equal(map.size, 3);
    assert_memory_equal(map.bytes, "abc", 3);
    file_map_close(&map);
    assert_null(map.bytes);
    assert_int_equal(write_text(path, ""), TOPN_OK);
    assert_int_equal(file_map_open(context, path, &map), TOPN_OK);
    assert_int_equal(map.size, 0);
    file_map_close(&map);
    assert_int_equal(file_map_open(context, folder, &map), TOPN_ERROR_IO);
    assert_int_equal(file_map_open(context, "/dev/null", &map), TOPN_ERROR_IO);
    unlink(path);
    assert_int_equal(file_map_open(context, path, &map), TOPN_ERROR_IO);
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    return topn_context_create(&context) == TOPN_OK ? 0 : 1;
}

static int end(void **state)
{
    (void)state;
    topn_context_free(context);
    return rmdir(folder); /* fails when a temporary was left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_all_sizes),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_mode_follows_the_mask),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_links_and_devices),
        cmocka_unit_test(test_places_that_cannot_be_written),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_disk_full_at_commit),
        cmocka_unit_test(test_memory_failures),
        cmocka_unit_test(test_maps),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
