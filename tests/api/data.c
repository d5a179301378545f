/* SPDX-License-Identifier: Apache-2.0
 *
 * Interaction data through the public header: reading files, arrays in, text out, descriptions, errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <topn/topn.h>

#include <cmocka.h>

static topn_context *context;
static char folder[] = "/tmp/topn-data-XXXXXX";
static char lines[2000];

static void keep_line(const char *line, void *data)
{
    (void)data;
    strncat(lines, line, sizeof lines - strlen(lines) - 2);
    strcat(lines, "\n");
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) && topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[64];
    topn_context_free(context);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char path[8][128];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static topn_data *read_with(const char *path, const char *key, const char *value)
{
    topn_options *options;
    topn_data *data;
    assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &options), TOPN_OK);
    if (key)
        assert_int_equal(topn_options_set(context, options, key, value), TOPN_OK);
    if (topn_data_read(context, path, options, &data) != TOPN_OK)
        print_error("%s\n", topn_context_message(context));
    topn_options_free(options);
    assert_non_null(data);
    return data;
}

static void reading(void **state)
{
    (void)state;
    topn_context_set_log(context, keep_line, NULL);
    lines[0] = '\0';
    topn_data *data =
        read_with(write_file("a.csv", "user,item,rating,time\nann,2,4,100\nbob,10,3,200\nann,10,1,50\n"), NULL, NULL);
    assert_string_equal(lines, "header: line 1\n"
                               "columns: user=1 (user), item=2 (item), weight=3 (rating), time=4 (time)\n"
                               "format: delimited (comma)\n");
    topn_context_set_log(context, NULL, NULL);
    assert_int_equal(topn_data_users(data), 2);
    assert_int_equal(topn_data_items(data), 2);
    assert_int_equal(topn_data_events(data), 3);
    assert_string_equal(topn_data_user_id(data, 0), "ann");
    assert_string_equal(topn_data_item_id(data, 0), "2");
    assert_null(topn_data_item_id(data, 2));
    assert_null(topn_data_item_title(data, 0));
    uint32_t index;
    assert_true(topn_data_find_item(data, "10", &index));
    assert_int_equal(index, 1);
    assert_false(topn_data_find_user(data, "cid", &index));
    const uint32_t *items;
    const float *weights;
    assert_int_equal(topn_data_history(data, 0, &items, &weights), 2);
    assert_int_equal(items[1], 1);
    assert_true(weights[0] == 4 && weights[1] == 1);
    topn_data_free(data);
}

static void titles(void **state)
{
    (void)state;
    write_file("films.dat", "1::Caf\xe9::Drama\n2::Two::Comedy\n9::Unknown::None\n");
    const char *path = write_file("b.csv", "5,1\n5,2\n5,3\n");
    topn_data *data = read_with(path, "titles", in_folder("films.dat"));
    assert_string_equal(topn_data_item_title(data, 0), "Caf\xc3\xa9");
    assert_string_equal(topn_data_item_title(data, 1), "Two");
    assert_null(topn_data_item_title(data, 2));
    topn_data_free(data);
    write_file("films.csv", "genre,name,movieId\nx,\"A, \"\"b\"\"\",3\n");
    data = read_with(path, "titles", in_folder("films.csv"));
    assert_string_equal(topn_data_item_title(data, 2), "A, \"b\"");
    topn_data_free(data);
}

/* What is written is read back as the same data. */
static void text_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1,2\n3,4\n", "user,item,rating,time\na,\"x\ty\",0.1,5\n\"\"\"b\",y,16777217,-7\nc,z z,1e-9,0\n",
        "user;item;time\nu 1;i;2020-01-01\n"};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        topn_data *data = read_with(write_file("c.csv", texts[at]), NULL, NULL);
        const char *path = in_folder("c.tsv");
        assert_int_equal(topn_data_write_text(context, data, path), TOPN_OK);
        topn_data *again = read_with(path, NULL, NULL);
        assert_string_equal(topn_data_fingerprint(data), topn_data_fingerprint(again));
        topn_data_free(data);
        topn_data_free(again);
    }
    topn_data *data = read_with(write_file("c.csv", texts[0]), NULL, NULL);
    assert_int_equal(topn_data_write_text(context, data, "/nowhere/c.tsv"), TOPN_ERROR_IO);
    topn_data_free(data);
}

/* The binary form is read in place of text, with and without filters. */
static void binary(void **state)
{
    (void)state;
    topn_data *data = read_with(write_file("d.csv", "user,item,rating\na,x,1\nb,x,5\nb,y,4\n"), "titles",
                                write_file("d.titles", "x,The x\ny,The y\n"));
    const char *path = in_folder("d.safetensors");
    assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
    topn_data *again = read_with(path, NULL, NULL);
    assert_string_equal(topn_data_fingerprint(data), topn_data_fingerprint(again));
    topn_data_free(again);
    again = read_with(path, "min-weight", "4");
    assert_int_equal(topn_data_events(again), 2);
    assert_int_equal(topn_data_users(again), 1);
    assert_string_equal(topn_data_item_title(again, 1), "The y");
    topn_data_free(again);
    topn_data_free(data);
}

static void netflix_folder(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/prize", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    topn_data *data;
    assert_int_equal(topn_data_read(context, path, NULL, &data), TOPN_ERROR_DATA);
    write_file("prize/mv_0000002.txt", "2:\n8,5,2005-01-01\n");
    write_file("prize/mv_0000001.txt", "1:\n7,3,2005-01-02\n8,4,2005-01-03\n");
    write_file("prize/readme", "not data");
    data = read_with(path, NULL, NULL);
    assert_int_equal(topn_data_users(data), 2);
    assert_int_equal(topn_data_events(data), 3);
    topn_data_free(data);
}

static void arrays(void **state)
{
    (void)state;
    static const uint64_t indptr[] = {0, 4, 4, 5};
    static const uint32_t indices[] = {3, 1, 3, 0, 2};
    static const float values[] = {1, 2, 0.5f, 4, 5};
    topn_data *data;
    topn_description about;
    assert_int_equal(topn_data_copy_csr(context, 3, 5, indptr, indices, values, &data), TOPN_OK);
    const uint32_t *items;
    const float *weights;
    assert_int_equal(topn_data_history(data, 0, &items, &weights), 3);
    assert_true(items[0] == 0 && items[1] == 1 && items[2] == 3);
    assert_true(weights[0] == 4 && weights[1] == 2 && weights[2] == 1.5f);
    assert_string_equal(topn_data_item_id(data, 4), "4");
    assert_int_equal(topn_data_describe(context, data, &about), TOPN_OK);
    assert_int_equal(about.duplicates, 1);
    assert_int_equal(about.rows_read, 5);
    assert_true(about.has_weights && !about.has_times);
    assert_true(about.per_user.minimum == 0 && about.per_user.maximum == 3);
    topn_data_free(data);
    assert_int_equal(topn_data_copy_csr(context, 3, 5, indptr, indices, NULL, &data), TOPN_OK);
    topn_data_free(data);
    assert_int_equal(topn_data_copy_csr(context, 3, 3, indptr, indices, NULL, &data), TOPN_ERROR_ARGUMENT);
    assert_null(data);
    assert_string_equal(topn_context_message(context), "indices[0] is 3; there are 3 items");
    static const float bad[] = {1, 2, -1, 4, 5};
    assert_int_equal(topn_data_copy_csr(context, 3, 5, indptr, indices, bad, &data), TOPN_ERROR_ARGUMENT);
    static const uint64_t falling[] = {0, 4, 3, 5};
    assert_int_equal(topn_data_copy_csr(context, 3, 5, falling, indices, NULL, &data), TOPN_ERROR_ARGUMENT);
    static const uint64_t none[] = {0};
    assert_int_equal(topn_data_copy_csr(context, 0, 0, none, NULL, NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_describe(context, data, &about), TOPN_OK);
    assert_true(about.events == 0 && about.per_user.maximum == 0);
    topn_data_free(data);
}

static void mistakes(void **state)
{
    (void)state;
    topn_data *data;
    assert_int_equal(topn_data_read(context, NULL, NULL, &data), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_data_read(context, in_folder("absent.csv"), NULL, &data), TOPN_ERROR_IO);
    assert_null(data);
    assert_non_null(strstr(topn_context_message(context), "absent.csv: No such file"));
    topn_options *wrong;
    assert_int_equal(topn_options_create(context, TOPN_KIND_CONTEXT, "context", &wrong), TOPN_OK);
    assert_int_equal(topn_data_read(context, write_file("e.csv", "1,2\n"), wrong, &data), TOPN_ERROR_ARGUMENT);
    topn_options_free(wrong);
}

/* An empty column option is the default, which topn_options_get gives back. */
static void empty_options(void **state)
{
    (void)state;
    topn_options *reader;
    topn_data *data;
    assert_int_equal(topn_options_create(context, TOPN_KIND_READER, "reader", &reader), TOPN_OK);
    assert_int_equal(topn_options_set(context, reader, "user-column", "item"), TOPN_OK);
    assert_int_equal(topn_options_set(context, reader, "user-column", ""), TOPN_OK);
    const char *path = write_file("f.csv", "item,user\ni1,u1\ni2,u1\n");
    assert_int_equal(topn_data_read(context, path, reader, &data), TOPN_OK);
    assert_string_equal(topn_data_user_id(data, 0), "u1");
    topn_data_free(data);
    topn_options_free(reader);
}

/* Whoever asks beyond the end, or an object that is not there, learns so. */
static void nothing_there(void **state)
{
    (void)state;
    topn_data *data;
    const uint32_t *items = (const uint32_t *)folder;
    const float *weights = (const float *)folder;
    assert_int_equal(topn_data_read(context, write_file("g.csv", "1,2\n1,3\n"), NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_history(data, 1, &items, &weights), 0);
    assert_true(!items && !weights);
    assert_true(topn_data_find_item(data, "3", NULL));
    topn_data_free(data);
    assert_int_equal(topn_data_users(NULL), 0);
    assert_int_equal(topn_data_events(NULL), 0);
    assert_null(topn_data_fingerprint(NULL));
    assert_null(topn_data_item_title(NULL, 0));
    assert_false(topn_data_find_user(NULL, "1", NULL));
    assert_int_equal(topn_data_history(NULL, 0, &items, NULL), 0);
    assert_int_equal(topn_context_threads(NULL), 0);
    assert_int_equal(topn_context_apply(NULL, NULL), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_options_file(context, NULL, NULL, NULL), TOPN_ERROR_ARGUMENT);
    assert_false(topn_registry_entry(TOPN_KIND_METHOD, 0, NULL));
}

/* Values with control characters leave a message one line. */
static void one_line(void **state)
{
    (void)state;
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "ease", &options), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, "l2", "1\n\x1b[2J"), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "\"1??[2J\""));
    topn_options_free(options);
}

/* The counts of public data sets, when they are at hand. */
static void real_data(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t users, items;
        uint64_t rows;
    } sets[] = {
        {"gowalla/train.txt", 29858, 40981, 810128},
        {"ml-1m/pairs.tsv", 6040, 3706, 1000209},
        {"ml-1m/ncf-test.negative", 6040, 3706, 597960},
        {"ml-latest-small/movielens.tsv", 671, 9066, 100004},
        {"movietweetings/ratings.dat", 16554, 10506, 100000},
        {"hetrec-lastfm/user_artists.dat", 1892, 17632, 92834},
        {"frappe/train.tsv", 957, 4011, 92808},
        {"citeulike-t/events.tsv", 7947, 25584, 134860},
        {"ml-100k/ml-100k.inter", 943, 1682, 100000},
    };
    const char *root = getenv("TOPN_DATA");
    if (!root) {
        print_message("skipped: TOPN_DATA is unset\n");
        skip();
    }
    for (size_t at = 0; at < sizeof sets / sizeof *sets; at++) {
        char path[4096];
        topn_description about;
        snprintf(path, sizeof path, "%s/%s", root, sets[at].path);
        topn_data *data = read_with(path, NULL, NULL);
        assert_int_equal(topn_data_describe(context, data, &about), TOPN_OK);
        assert_int_equal(about.users, sets[at].users);
        assert_int_equal(about.items, sets[at].items);
        assert_int_equal(about.rows_read, sets[at].rows);
        topn_data_free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),        cmocka_unit_test(titles),        cmocka_unit_test(text_round_trip),
        cmocka_unit_test(binary),         cmocka_unit_test(arrays),        cmocka_unit_test(mistakes),
        cmocka_unit_test(empty_options),  cmocka_unit_test(nothing_there), cmocka_unit_test(one_line),
        cmocka_unit_test(netflix_folder), cmocka_unit_test(real_data),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
