/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders that appear whole or not at all, the JSON of a description, and points in time.
 */
#include "base/folder.h"
#include "base/json_text.h"
#include "base/timestamp.h"
#include "made_data.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {"a.txt", "b.txt", "mark"};
enum { PATH_SIZE = 128 };

static int make_place(void **state)
{
    static char place[] = "/tmp/topn-folder-XXXXXX";
    memcpy(place + sizeof place - 7, "XXXXXX", 6);
    *state = mkdtemp(place);
    return *state ? 0 : -1;
}

static int remove_place(void **state)
{
    char command[PATH_SIZE];
    snprintf(command, sizeof command, "rm -r '%s'", (const char *)*state);
    return system(command) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = -2; /* "." and ".." */
    if (!folder)
        return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static topn_status write_folder(topn_context *context, const char *target, const char *text, bool give_up)
{
    folder_writer *writer;
    const char *path;
    const topn_status status = folder_create(context, target, names, 3, "mark", &writer);
    if (status != TOPN_OK)
        return status;
    made(folder_file(writer, "a.txt", &path));
    write_file(path, text);
    made(folder_file(writer, "mark", &path));
    write_file(path, "");
    if (!give_up)
        return folder_commit(writer);
    folder_abandon(writer);
    return TOPN_OK;
}

static void folders_replace_only_their_own_kind(void **state)
{
    topn_context context = {.threads = 1};
    char target[PATH_SIZE], file[PATH_SIZE + 16];
    snprintf(target, sizeof target, "%s/out/", (const char *)*state);
    assert_int_equal(write_folder(&context, target, "one", true), TOPN_OK);
    assert_int_equal(count_entries(*state), 0); /* given up: nothing is left */
    assert_int_equal(write_folder(&context, target, "one", false), TOPN_OK);
    assert_int_equal(count_entries(target), 2);
    snprintf(file, sizeof file, "%sb.txt", target);
    write_file(file, "old");
    assert_int_equal(write_folder(&context, target, "two", true), TOPN_OK);
    assert_int_equal(count_entries(target), 3); /* still the old one */
    assert_int_equal(write_folder(&context, target, "two", false), TOPN_OK);
    assert_int_equal(count_entries(target), 2); /* replaced whole: b.txt is gone */
    assert_int_equal(count_entries(*state), 1);

    snprintf(file, sizeof file, "%sthesis.doc", target);
    write_file(file, "years of work");
    assert_int_equal(write_folder(&context, target, "three", false), TOPN_ERROR_IO);
    assert_non_null(strstr(context.message, "it holds thesis.doc, which is no part of this output"));
    assert_int_equal(count_entries(target), 3);
    unlink(file);
    snprintf(file, sizeof file, "%smark", target);
    unlink(file);
    assert_int_equal(write_folder(&context, target, "three", false), TOPN_ERROR_IO);
    assert_non_null(strstr(context.message, "it is not empty and holds no mark"));
    snprintf(file, sizeof file, "%sa.txt", target);
    unlink(file);
    assert_int_equal(write_folder(&context, target, "three", false), TOPN_OK); /* empty */
    assert_int_equal(count_entries(*state), 1);
    assert_int_equal(write_folder(&context, file, "four", false), TOPN_ERROR_IO); /* a file is no folder */
    assert_int_equal(write_folder(&context, "/nowhere/at/all", "five", false), TOPN_ERROR_IO);
}

/* A stranger that arrives between the first check and the exchange is not destroyed. */
static void folders_check_again_before_they_replace(void **state)
{
    topn_context context = {.threads = 1};
    char target[PATH_SIZE], file[PATH_SIZE + 16];
    folder_writer *writer;
    snprintf(target, sizeof target, "%s/out", (const char *)*state);
    assert_int_equal(folder_create(&context, target, names, 3, "mark", &writer), TOPN_OK);
    assert_int_equal(mkdir(target, 0777), 0);
    snprintf(file, sizeof file, "%s/photo", target);
    write_file(file, "x");
    assert_int_equal(folder_commit(writer), TOPN_ERROR_IO);
    assert_int_equal(count_entries(target), 1);
    assert_int_equal(count_entries(*state), 1);
}

static void folders_survive_failing_allocations(void **state)
{
    char target[PATH_SIZE];
    snprintf(target, sizeof target, "%s/out", (const char *)*state);
    for (uint64_t at = 1; at < 20; at++) {
        topn_context context = {.threads = 1};
        folder_writer *writer;
        memory_fail_after(at);
        topn_status status = folder_create(&context, target, names, 3, "mark", &writer);
        if (status == TOPN_OK)
            status = folder_commit(writer);
        memory_fail_after(0);
        assert_true(status == TOPN_OK || status == TOPN_ERROR_MEMORY);
        assert_int_equal(count_entries(*state), access(target, F_OK) == 0);
        rmdir(target);
    }
}

static void descriptions_are_json(void **state)
{
    topn_context context = {.threads = 1};
    char path[PATH_SIZE], text[1024];
    record entries = {0};
    file_writer *writer;
    const char *const values[][2] = {
        {"count", "42"},           {"share", "0.25"},      {"negative", "-3.5"},          {"flag", "true"},
        {"print", "0123456789"},   {"hex", "12e4"},        {"long", "1234567890123456"},  {"dot", "1."},
        {"quote\"", "a\\b\n\x01"}, {"utf", "Amélie \xff"}, {"surrogate", "\xed\xa0\x80"}, {"", ""},
    };
    for (size_t index = 0; index < sizeof values / sizeof *values; index++)
        made(record_set(&context, &entries, values[index][0], "%s", values[index][1]));
    snprintf(path, sizeof path, "%s/description.json", (const char *)*state);
    made(file_create(&context, path, &writer));
    made(json_write_record(writer, &entries));
    made(file_commit(writer));
    record_clear(&entries);
    FILE *file = fopen(path, "r");
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, "{\n  \"count\": 42,\n  \"share\": 0.25,\n  \"negative\": -3.5,\n  \"flag\": true,\n"
                              "  \"print\": \"0123456789\",\n  \"hex\": \"12e4\",\n  \"long\": \"1234567890123456\",\n"
                              "  \"dot\": \"1.\",\n  \"quote\\\"\": \"a\\\\b\\u000a\\u0001\",\n"
                              "  \"utf\": \"Amélie \\ufffd\",\n  \"surrogate\": \"\\ufffd\\ufffd\\ufffd\",\n"
                              "  \"\": \"\"\n}\n");
}

static void points_in_time(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"0", 0},
        {"-5", -5},
        {"978300760", 978300760},
        {"1e9", 1000000000},
        {"978300760123", 978300760}, /* milliseconds, as in the files that options of time are meant for */
        {"2000-12-31T23:12:40+01:00", 978300760},
        {"1970-01-01", 0},
        {"2000-02-29", 951782400},
        {"2000-12-31T22:12:40", 978300760},
        {"2000-12-31 22:12:40Z", 978300760},
        {"1969-12-31T23:59", -60},
        {"2026-11-22Z", 1795305600},
        {"0001-01-01", INT64_C(-62135596800)},
        {"9999-12-31T23:59:59", INT64_C(253402300799)},
    };
    const char *const bad[] = {"",         "yesterday",           "2001-02-29",       "2000-13-01",
                               "2000-1-1", "2000-01-00",          "2000-01-01T24:00", "2000-01-01T1:00",
                               "12:00",    "0000-01-01",          "2000-01-01x",      "2000-01-01T10:00+",
                               "-",        "99999999999999999999"};
    for (size_t index = 0; index < sizeof good / sizeof *good; index++) {
        int64_t seconds;
        assert_true(timestamp_parse(good[index].text, &seconds));
        if (seconds != good[index].seconds)
            fail_msg("%s", good[index].text);
    }
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++) {
        int64_t seconds;
        if (timestamp_parse(bad[index], &seconds))
            fail_msg("%s", bad[index]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_replace_only_their_own_kind, make_place, remove_place),
        cmocka_unit_test_setup_teardown(folders_check_again_before_they_replace, make_place, remove_place),
        cmocka_unit_test_setup_teardown(folders_survive_failing_allocations, make_place, remove_place),
        cmocka_unit_test_setup_teardown(descriptions_are_json, make_place, remove_place),
        cmocka_unit_test(points_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
