/* SPDX-License-Identifier: Apache-2.0
 *
 * Splitting through the public header: options, parts, and a folder that reads back as the same parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <topn/topn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USERS = 50, ITEMS = 30 };

static topn_context *context;
static topn_data *data;
static char place[] = "/tmp/topn-api-split-XXXXXX";

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static topn_data *make_data(uint32_t residue)
{
    static uint64_t indptr[USERS + 1];
    static uint32_t indices[USERS * ITEMS];
    uint64_t count = 0;
    for (uint32_t user = 0; user < USERS; user++) {
        for (uint32_t item = 0; item < ITEMS; item++)
            if ((user * 7 + item * 5 + user * item) % 3 == residue)
                indices[count++] = item;
        indptr[user + 1] = count;
    }
    topn_data *made;
    check(topn_data_copy_csr(context, USERS, ITEMS, indptr, indices, NULL, &made));
    return made;
}

static int set_up(void **state)
{
    (void)state;
    check(topn_context_create(&context));
    data = make_data(0);
    return mkdtemp(place) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    topn_data_free(data);
    topn_context_free(context);
    snprintf(command, sizeof command, "rm -r '%s'", place);
    return system(command) == 0 ? 0 : -1;
}

static topn_split *make_split(const char *protocol, const topn_data *test)
{
    topn_options *options;
    topn_split *split;
    check(topn_options_create(context, TOPN_KIND_SPLIT, protocol, &options));
    check(topn_data_split(context, data, test, options, &split));
    topn_options_free(options);
    return split;
}

static void assert_same_events(const topn_data *one, const topn_data *two)
{
    assert_int_equal(topn_data_users(one), topn_data_users(two));
    assert_int_equal(topn_data_events(one), topn_data_events(two));
    for (uint32_t user = 0; user < topn_data_users(one); user++) {
        const uint32_t *left, *right;
        uint32_t same_user;
        assert_true(topn_data_find_user(two, topn_data_user_id(one, user), &same_user));
        const size_t length = topn_data_history(one, user, &left, NULL);
        assert_int_equal(topn_data_history(two, same_user, &right, NULL), length);
        for (size_t at = 0; at < length; at++) /* both in numeric order of ids */
            assert_string_equal(topn_data_item_id(one, left[at]), topn_data_item_id(two, right[at]));
    }
}

static void folders_read_back(void **state)
{
    (void)state;
    const char *const protocols[] = {"strong", "weak", "leave-last-out", "weak"}; /* the last replaces the second */
    char folder[64], path[128], text[8192];
    for (size_t index = 0; index < 4; index++) {
        topn_split *split = make_split(protocols[index], NULL);
        snprintf(folder, sizeof folder, "%s/%s", place, protocols[index]);
        check(topn_split_save(context, split, folder));
        for (int part = 0; part < TOPN_PART_COUNT; part++) {
            topn_data *read;
            snprintf(path, sizeof path, "%s/%s.tsv", folder, topn_part_name((topn_part)part));
            assert_non_null(topn_split_part(split, (topn_part)part));
            check(topn_data_read(context, path, NULL, &read));
            assert_same_events(topn_split_part(split, (topn_part)part), read);
            topn_data_free(read);
        }
        snprintf(path, sizeof path, "%s/split.json", folder);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        char wanted[128];
        snprintf(wanted, sizeof wanted, "\"protocol\": \"%s\"", protocols[index]);
        assert_non_null(strstr(text, wanted));
        snprintf(wanted, sizeof wanted, "\"train.fingerprint\": \"%s\"",
                 topn_data_fingerprint(topn_split_part(split, TOPN_PART_TRAIN)));
        assert_non_null(strstr(text, wanted));
        assert_non_null(strstr(text, "\"seed\": 1,"));
        assert_non_null(strstr(text, "\"option.min-events\": "));
        topn_split_free(split);
    }
}

static void foreign_folders_stay(void **state)
{
    (void)state;
    char folder[64], path[128];
    topn_split *split = make_split("weak", NULL);
    snprintf(folder, sizeof folder, "%s/mine", place);
    assert_int_equal(mkdir(folder, 0777), 0);
    snprintf(path, sizeof path, "%s/train.tsv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(topn_split_save(context, split, folder), TOPN_ERROR_IO);
    assert_non_null(strstr(topn_context_message(context), "it is not empty and holds no split.json"));
    assert_int_equal(access(path, F_OK), 0);
    topn_split_free(split);
}

static void wrong_arguments(void **state)
{
    (void)state;
    topn_options *fixed, *weak, *reader;
    topn_split *split = NULL;
    topn_data *test = make_data(1);
    check(topn_options_create(context, TOPN_KIND_SPLIT, "fixed", &fixed));
    check(topn_options_create(context, TOPN_KIND_SPLIT, "weak", &weak));
    check(topn_options_create(context, TOPN_KIND_READER, "reader", &reader));
    assert_int_equal(topn_data_split(context, data, NULL, fixed, &split), TOPN_ERROR_ARGUMENT);
    assert_string_equal(topn_context_message(context), "protocol fixed takes given test events, and there are none");
    assert_int_equal(topn_data_split(context, data, test, weak, &split), TOPN_ERROR_ARGUMENT);
    assert_string_equal(topn_context_message(context),
                        "protocol weak chooses the test events itself; given ones belong to protocol fixed");
    assert_int_equal(topn_data_split(context, data, NULL, reader, &split), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_data_split(context, data, NULL, NULL, &split), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_data_split(NULL, data, NULL, weak, &split), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_split_save(context, NULL, place), TOPN_ERROR_ARGUMENT);
    assert_null(split);
    assert_null(topn_split_part(NULL, TOPN_PART_TRAIN));
    assert_null(topn_part_name(TOPN_PART_COUNT));
    topn_split_free(NULL);
    check(topn_data_split(context, data, test, fixed, &split));
    /* Items without a training event come last there, so only the numbers can be compared like this. */
    assert_int_equal(topn_data_events(topn_split_part(split, TOPN_PART_TEST_HIDDEN)), topn_data_events(test));
    assert_null(topn_split_part(split, TOPN_PART_VALIDATION_SEEN));
    topn_split_free(split);
    topn_options_free(fixed);
    topn_options_free(weak);
    topn_options_free(reader);
    topn_data_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_read_back),
        cmocka_unit_test(foreign_folders_stay),
        cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
