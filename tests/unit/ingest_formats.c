/* SPDX-License-Identifier: Apache-2.0
 *
 * What each format makes of small files, found by looking at them; and what is wrong with broken ones, to the line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest_read.h"

#include <cmocka.h>

static topn_context *context;

static int set_up(void **state)
{
    (void)state;
    if (topn_context_create(&context) != TOPN_OK)
        return -1;
    context->threads = 2;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

/* The text reads as `wanted` (see show), its format and columns as told. */
static void reads(const char *text, const char *const *options, const char *wanted, const char *form,
                  const char *columns)
{
    char found[4096];
    topn_data *data;
    topn_description about;
    const topn_status status = read_bytes(context, text, strlen(text), options, &data);
    if (status != TOPN_OK)
        print_error("%s: %s\n", text, topn_context_message(context));
    assert_int_equal(status, TOPN_OK);
    assert_string_equal(show(data, found, sizeof found), wanted);
    assert_int_equal(topn_data_describe(context, data, &about), TOPN_OK);
    if (form)
        assert_string_equal(about.format, form);
    if (columns)
        assert_string_equal(about.columns, columns);
    topn_data_free(data);
}

/* The text is refused with that status and exactly that message. */
static void refuses(const char *text, const char *const *options, topn_status wanted, const char *message)
{
    topn_data *data;
    const topn_status status = read_bytes(context, text, strlen(text), options, &data);
    assert_null(data);
    assert_string_equal(topn_context_message(context), message);
    assert_int_equal(status, wanted);
}

static void separators(void **state)
{
    (void)state;
    reads("1,2\n3,4\n", NULL, "1:2 3:4", "delimited (comma)", "user=1, item=2");
    reads("1\t2\n3\t4\n", NULL, "1:2 3:4", "delimited (tab)", NULL);
    reads("1::2\n3::4\n", NULL, "1:2 3:4", "delimited (::)", NULL);
    reads("1;2\n3;4\n", NULL, "1:2 3:4", "delimited (semicolon)", NULL);
    reads("1|2\n3|4\n", NULL, "1:2 3:4", "delimited (pipe)", NULL);
    reads("  1   2 \n3 4\n", NULL, "1:2 3:4", "delimited (space)", NULL);
    reads("1,2;3\n3,4;5\n", OPTIONS("separator", ";"), "1,2:3 3,4:5", NULL, NULL);
    reads("a:b::c\nd::e:f\n", NULL, "a:b:c d:e:f", "delimited (::)", NULL);
}

static void headers(void **state)
{
    (void)state;
    reads("userId\tmovieId\trating\ttimestamp\tyear\n1\t31\t2.5\t1260759144\t1995\n", NULL, "1:31=2.5@1260759144", NULL,
          "user=1 (userId), item=2 (movieId), weight=3 (rating), time=4 (timestamp); not used: 5 (year)");
    reads("user,event,item,date\nu,view,i,2020-01-01\n", NULL, "u:i@1577836800", NULL,
          "user=1 (user), item=3 (item), time=4 (date); not used: 2 (event)");
    reads("a,b\n1,2\n", NULL, "1:2", NULL, "user=1 (a), item=2 (b)");
    reads("a,b\nc,d\n", NULL, "a:b c:d", NULL, "user=1, item=2");
    reads("a,b\nc,d\n", OPTIONS("header", "yes"), "c:d", NULL, NULL);
    reads("x,film,who\n9,f1,w1\n", OPTIONS("user-column", "who", "weight-column", "x"), "w1:f1=9", NULL,
          "user=3 (who), item=2 (film), weight=1 (x)");
    reads("user,item,rating\n1,2,3\n", OPTIONS("weight-column", "none"), "1:2", NULL,
          "user=1 (user), item=2 (item); not used: 3 (rating)");
    reads("5,7,1\n", OPTIONS("user-column", "2", "item-column", "1"), "7:5=1", NULL, NULL);
    reads("\xef\xbb\xbfitem,user\r\n1,2\r\n\r\n", NULL, "2:1", NULL, "user=2 (user), item=1 (item)");
}

/* Short and rarer names; what stands below them is text, so the names alone tell. */
static void header_names(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"u", "i"},
                                           {"U", "I"},
                                           {"uid", "iid"},
                                           {"user", "track"},
                                           {"customer", "sku"},
                                           {"visitorid", "itemid"},
                                           {"profile", "artist"},
                                           {"User-ID", "ISBN"},
                                           {"Member ID", "Item_Code"}};
    for (size_t pair = 0; pair < sizeof pairs / sizeof *pairs; pair++) {
        char text[100], wanted[100];
        snprintf(text, sizeof text, "%s;%s\na;x\nb;y\n", pairs[pair][0], pairs[pair][1]);
        snprintf(wanted, sizeof wanted, "user=1 (%s), item=2 (%s)", pairs[pair][0], pairs[pair][1]);
        reads(text, NULL, "a:x b:y", "delimited (semicolon)", wanted);
    }
    reads("i,u,r,t\nx,a,3,5\n", NULL, "a:x=3@5", NULL, "user=2 (u), item=1 (i), weight=3 (r), time=4 (t)");
    reads("timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n", NULL,
          "257597:355908@1433221332", NULL,
          "user=2 (visitorid), item=4 (itemid), time=1 (timestamp); not used: 3 (event), 5 (transactionid)");
    reads("who,what\na,5\nb,6\n", NULL, "a:5 b:6", NULL, "user=1 (who), item=2 (what)"); /* text above numbers */
    reads("u,x\na,y\n", NULL, "a:y u:x", NULL, "user=1, item=2");                        /* one letter alone is an id */
    reads("5,x\nb,x\n", NULL, "5:x b:x", NULL, "user=1, item=2");
    reads("u,i\na,x\n", OPTIONS("header", "no"), "a:x u:i", NULL, "user=1, item=2");
}

static void positions(void **state)
{
    (void)state;
    reads("1,2,3,4\n", NULL, "1:2=3@4", NULL, "user=1, item=2, weight=3, time=4");
    reads("1,2,view\n1,3,buy\n", NULL, "1:2 1:3", NULL, "user=1, item=2; not used: 3 (text)");
    reads("1,2,978300760\n1,3,978300761\n", NULL, "1:2@978300760 1:3@978300761", NULL, NULL);
    reads("1,2,view,2001-02-03T04:05:06Z\n3,4,buy,2001-02-03 04:05:06\n", NULL, "1:2@981173106 3:4@981173106", NULL,
          NULL);
}

static void quotes(void **state)
{
    (void)state;
    reads("\"a\",\"b, \"\"c\"\"\"\nx,\"line\nbreak\"\n", NULL, "a:b, \"c\" x:line\nbreak", NULL, NULL);
    reads("a\t\"b\nc\td\"\ne\tf\"g\"\n", NULL, "a:\"b c:d\" e:f\"g\"", NULL, NULL);
    refuses("a,\"b\nc,d\n", OPTIONS("format", "delimited", "separator", ","), TOPN_ERROR_DATA,
            "events:1: a quoted field does not end with a quote");
    refuses("user,item\na,x\nb,y\nc,\"z", NULL, TOPN_ERROR_DATA, "events:4: a quoted field does not end with a quote");
    refuses("a,\"x", OPTIONS("separator", ","), TOPN_ERROR_DATA, "events:1: a quoted field does not end with a quote");
    refuses("u,i\n\"a\nb\",c\nd,e,f\n", OPTIONS("header", "yes"), TOPN_ERROR_DATA,
            "events:4: 3 fields where the first line has 2");
}

static void encodings(void **state)
{
    (void)state;
    reads("\xc3\xa4,1\n", NULL, "\xc3\xa4:1", NULL, NULL);
    reads("\xe4,1\n", OPTIONS("encoding", "latin-1"), "\xc3\xa4:1", NULL, NULL);
    refuses("u,1\n\xe4,1\n", NULL, TOPN_ERROR_DATA,
            "events:2: the user id is not UTF-8; for files in ISO 8859-1 use --encoding latin-1");
    refuses("\xff\xfe\x31", NULL, TOPN_ERROR_DATA, "events:1: the file is UTF-16; convert it to UTF-8 first");
}

static void order_of_ids(void **state)
{
    (void)state;
    reads("10,b\n9,a\n100,b\n", NULL, "9:a 10:b 100:b", NULL, NULL);
    reads("10,1\n9,1\nx,1\n", NULL, "10:1 9:1 x:1", NULL, NULL);
    reads("7,1\n07,1\n18446744073709551615,1\n8,1\n", NULL, "07:1 7:1 8:1 18446744073709551615:1", NULL, NULL);
    reads("18446744073709551616,1\n9,1\n", NULL, "18446744073709551616:1 9:1", NULL, NULL);
    reads("2147483647,1\n2147483648,1\n4294967295,1\n3,1\n", NULL, "3:1 2147483647:1 2147483648:1 4294967295:1", NULL,
          NULL);
    reads("user_10,1\nuser_9,1\nuser_1,1\n", NULL, "user_1:1 user_10:1 user_9:1", NULL, NULL);
    reads("-1,1\n1,1\n", NULL, "-1:1 1:1", NULL, NULL);
}

static void duplicates(void **state)
{
    (void)state;
    static const char text[] = "1,2,5,300\n1,2,3,400\n1,2,1,100\n";
    reads(text, NULL, "1:2=3@400", NULL, NULL);
    reads(text, OPTIONS("duplicates", "sum"), "1:2=9@400", NULL, NULL);
    reads(text, OPTIONS("duplicates", "max"), "1:2=5@400", NULL, NULL);
    reads(text, OPTIONS("duplicates", "count"), "1:2=3@400", NULL, NULL);
    reads("1,2,5\n1,2,3\n", NULL, "1:2=3", NULL, NULL);
    reads("1,2\n1,2\n1,3\n", NULL, "1:2 1:3", NULL, NULL);
    reads("1,2\n1,2\n1,3\n", OPTIONS("duplicates", "count"), "1:2=2 1:3=1", NULL, NULL);
}

static void times(void **state)
{
    (void)state;
    reads("user,item,time\n1,2,1300000000123\n1,3,1300000000\n", NULL, "1:2@1300000000 1:3@1300000000", NULL, NULL);
    reads("user,item,time\n1,2,-5\n1,3,1.5e9\n", NULL, "1:2@-5 1:3@1500000000", NULL, NULL);
    reads("user,item,time\n1,2,2000-02-29T00:00:00+01:00\n", NULL, "1:2@951778800", NULL, NULL);
    refuses("user,item,time\n1,2,2001-02-30\n", NULL, TOPN_ERROR_DATA,
            "events:2: time \"2001-02-30\" is not a number of seconds or a date such as 2024-01-31T12:00:00");
    refuses("1,2\n", OPTIONS("since", "5"), TOPN_ERROR_OPTION,
            "--since needs a time column; the source has none (--time-column names it)");
    refuses("user,item,time\n1,2,7\n", OPTIONS("until", "soon"), TOPN_ERROR_OPTION,
            "--until: \"soon\" is not a time; write seconds since 1970 or YYYY-MM-DD[THH:MM:SS]");
}

/* Who needs events is told which rule took them. */
static void nothing_left(void **state)
{
    (void)state;
    static const char text[] = "a,x,1\na,x,2\na,y,1\nb,x,5\n";
    topn_data *data;
    assert_int_equal(
        read_bytes(context, text, sizeof text - 1, OPTIONS("min-weight", "2", "min-user-events", "2"), &data), TOPN_OK);
    assert_int_equal(data_require_events(context, data, "to train on"), TOPN_ERROR_DATA);
    assert_string_equal(topn_context_message(context),
                        "events: no events are left to train on: 4 read, 1 merged, 1 dropped (below --min-weight), "
                        "2 dropped (below --min-user-events)");
    topn_data_free(data);
    assert_int_equal(read_bytes(context, text, sizeof text - 1, NULL, &data), TOPN_OK);
    assert_int_equal(data_require_events(context, data, "to train on"), TOPN_OK);
    topn_data_free(data);
}

static void broken_tables(void **state)
{
    (void)state;
    refuses("", NULL, TOPN_ERROR_DATA, "events:1: the file is empty");
    refuses("user,item\n", NULL, TOPN_ERROR_DATA, "events:1: the file holds no events");
    refuses(
        "one\ntwo\n", NULL, TOPN_ERROR_DATA,
        "events:1: \"one\" is one column; a user and an item are needed (--separator says what stands between them)");
    refuses("1,2\n3,4\n5\n6,7\n", NULL, TOPN_ERROR_DATA, "events:3: 1 field where the first line has 2");
    refuses("1,2\n3,4,5\n6,7\n", NULL, TOPN_ERROR_DATA, "events:2: 3 fields where the first line has 2");
    refuses("user,item,rating\n1,2,3\n1,3,many\n", NULL, TOPN_ERROR_DATA, "events:3: weight \"many\" is not a number");
    refuses("user,item,rating\n1,2,nan\n", NULL, TOPN_ERROR_DATA,
            "events:2: weight \"nan\" is not finite and at least 0");
    refuses("user,item,rating\n1,2,inf\n", NULL, TOPN_ERROR_DATA,
            "events:2: weight \"inf\" is not finite and at least 0");
    refuses("user,item,rating\n1,2,-1\n", NULL, TOPN_ERROR_DATA,
            "events:2: weight \"-1\" is not finite and at least 0");
    refuses("user,item,rating\n1,2,1e39\n", NULL, TOPN_ERROR_DATA,
            "events:2: weight \"1e39\" is not finite and at least 0");
    refuses("user,item,rating\n1,,1\n", NULL, TOPN_ERROR_DATA, "events:2: the item is empty");
    refuses("user,item\n1,2\n", OPTIONS("item-column", "film"), TOPN_ERROR_DATA,
            "events:1: no column \"film\" for the item; the columns are: user, item");
    refuses("1,2\n", OPTIONS("item-column", "3"), TOPN_ERROR_DATA,
            "events:1: --item-column 3: the columns are numbered 1 to 2");
    refuses("1,2\n", OPTIONS("item-column", "1", "user-column", "1"), TOPN_ERROR_OPTION,
            "column 1 is given for the user and for the item");
    refuses("1,2\n", OPTIONS("separator", "x"), TOPN_ERROR_OPTION,
            "--separator: \"x\" is none of \",\" \"tab\" \"::\" \";\" \"|\" \"space\" \"auto\"");
    refuses("1,2\n", OPTIONS("format", "adjacent"), TOPN_ERROR_OPTION,
            "--format: there is no format \"adjacent\"; did you mean adjacency?");
}

static void adjacency(void **state)
{
    (void)state;
    reads("0 5 3 4\n1 3\n2\n", NULL, "0:3 0:4 0:5 1:3", "adjacency", "user=1, items=2…");
    reads("u a b\nv c", OPTIONS("format", "adjacency"), "u:a u:b v:c", NULL, NULL);
    topn_data *data;
    assert_int_equal(read_bytes(context, "7 1 2 3\n8\n9 2\n", 14, NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_users(data), 3); /* user 8 is kept, without events */
    assert_string_equal(topn_data_user_id(data, 1), "8");
    assert_int_equal(topn_data_history(data, 1, NULL, NULL), 0);
    topn_data_free(data);
}

static void recbole(void **state)
{
    (void)state;
    reads("user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n", NULL,
          "196:242=3@881250949", "recbole (tab)",
          "user=1 (user_id), item=2 (item_id), weight=3 (rating), time=4 (timestamp)");
    refuses("user,item\n1,2\n", OPTIONS("format", "recbole"), TOPN_ERROR_DATA,
            "events:1: not a header of name:type with the types token, token_seq, float, float_seq");
}

static void netflix(void **state)
{
    (void)state;
    reads("12:\n5,3,2005-01-02\n7,4,2005-02-03\n9:\n5,1,2004-12-31\n", NULL,
          "5:9=1@1104451200 5:12=3@1104624000 7:12=4@1107388800", "netflix", NULL);
    refuses("1:\n5,3,2005-01-02\n5,three,2005-01-02\n", NULL, TOPN_ERROR_DATA,
            "events:3: rating \"three\" is not a number that is finite and at least 0");
    refuses("1:\n5,3\n", NULL, TOPN_ERROR_DATA, "events:2: date \"\" is not YYYY-MM-DD");
}

static void matrix_market(void **state)
{
    (void)state;
    reads("%%MatrixMarket matrix coordinate real general\n% a note\n3 4 3\n1 2 0.5\n3 4 2\n3 1 0\n", NULL,
          "1:2=0.5 3:4=2", "matrix-market", "user=row, item=column, weight=value");
    reads("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n2 1\n", NULL, "2:1", NULL, NULL);
    refuses("%%MatrixMarket matrix coordinate real general\n3 4 1\n4 1 1\n", NULL, TOPN_ERROR_DATA,
            "events:3: entry (4, 1) lies outside the 3 × 4 matrix");
    refuses("%%MatrixMarket matrix coordinate real general\n3 4 2\n1 1 1\n", NULL, TOPN_ERROR_DATA,
            "events: 1 entries where the header says 2");
    refuses("%%MatrixMarket matrix array real general\n3 4\n", NULL, TOPN_ERROR_FORMAT,
            "events:1: the matrix is \"array general\"; only \"coordinate general\" is read");
    refuses("%%MatrixMarket matrix coordinate pattern general\n4294967296 4 1\n1 1\n", NULL, TOPN_ERROR_DATA,
            "events:2: a 4294967296 × 4 matrix; at most 2147483647 users and items are possible");
}

static void ncf_negatives(void **state)
{
    (void)state;
    reads("(0,25)\t7\t3\n(1,9)\t4\n", NULL, "0:3 0:7 1:4", "ncf-negatives", NULL);
    refuses("(0,25)\t7\t3\n1\t4\n", NULL, TOPN_ERROR_DATA, "events:2: \"1?4\" does not start with (user,item)");
}

static void filters_keep_or_drop_empty(void **state)
{
    (void)state;
    topn_data *data;
    static const char text[] = "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 2 1\n3 4 5\n";
    assert_int_equal(read_bytes(context, text, sizeof text - 1, NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_users(data), 3);
    assert_int_equal(topn_data_items(data), 4);
    topn_data_free(data);
    assert_int_equal(read_bytes(context, text, sizeof text - 1, OPTIONS("min-weight", "2"), &data), TOPN_OK);
    assert_int_equal(topn_data_users(data), 1);
    assert_int_equal(topn_data_items(data), 1);
    topn_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separators),
        cmocka_unit_test(headers),
        cmocka_unit_test(header_names),
        cmocka_unit_test(nothing_left),
        cmocka_unit_test(positions),
        cmocka_unit_test(quotes),
        cmocka_unit_test(encodings),
        cmocka_unit_test(order_of_ids),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(times),
        cmocka_unit_test(broken_tables),
        cmocka_unit_test(adjacency),
        cmocka_unit_test(recbole),
        cmocka_unit_test(netflix),
        cmocka_unit_test(matrix_market),
        cmocka_unit_test(ncf_negatives),
        cmocka_unit_test(filters_keep_or_drop_empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
