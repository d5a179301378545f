/* SPDX-License-Identifier: Apache-2.0
 *
 * Data from events given one by one: the same as from a file with the same events, whatever the reader is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <topn/topn.h>

#include <cmocka.h>

enum { EVENTS = 3000, USERS = 90, ITEMS = 40, LONGEST = 24 };

typedef struct made_event {
    char user[LONGEST], item[LONGEST], place[LONGEST];
    float weight;
    int64_t time;
} made_event;

static topn_context *context;
static made_event events[EVENTS];

static void check(topn_status status)
{
    if (status != TOPN_OK)
        fail_msg("%s: %s", topn_status_name(status), topn_context_message(context));
}

static uint32_t draw(uint32_t below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

static int set_up(void **state)
{
    (void)state;
    static const char *const places[] = {"", "home", "work", "7"};
    for (size_t at = 0; at < EVENTS; at++) {
        made_event *event = &events[at];
        snprintf(event->user, LONGEST, draw(2) ? "user %" PRIu32 : "%" PRIu32, draw(USERS));
        snprintf(event->item, LONGEST, "%s%" PRIu32, draw(9) ? "" : "Ärger-", draw(ITEMS));
        snprintf(event->place, LONGEST, "%s", places[draw(4)]);
        event->weight = (float)(1 + draw(5));
        event->time = 1500000000 + draw(90000000);
    }
    return topn_context_create(&context) == TOPN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

static topn_options *reader_options(const char *const settings[][2])
{
    topn_options *made;
    check(topn_options_create(context, TOPN_KIND_READER, "reader", &made));
    for (size_t at = 0; settings && settings[at][0]; at++)
        check(topn_options_set(context, made, settings[at][0], settings[at][1]));
    return made;
}

static topn_data *build(const char *const settings[][2], bool weights, bool places)
{
    static const char *const fields[] = {"place"};
    topn_options *reader = reader_options(settings);
    topn_data_builder *builder;
    topn_data *data;
    check(topn_data_builder_create(context, fields, places, &builder));
    for (size_t at = 0; at < EVENTS; at++) {
        const made_event *event = &events[at];
        const char *const values[] = {event->place};
        check(topn_data_builder_add(builder, &(topn_event){.user = event->user,
                                                           .item = event->item,
                                                           .weight = weights ? event->weight : 1,
                                                           .time = event->time,
                                                           .context = places ? values : NULL}));
    }
    check(topn_data_builder_finish(builder, reader, "made", &data));
    topn_data_builder_free(builder);
    topn_options_free(reader);
    return data;
}

static topn_data *read_back(const char *const settings[][2], bool weights, bool places)
{
    char path[] = "/tmp/topn-builder-XXXXXX";
    topn_options *reader = reader_options(settings);
    topn_data *data;
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fprintf(file, "user\titem%s\ttime\tplace\n", weights ? "\tweight" : "");
    for (size_t at = 0; at < EVENTS; at++) {
        const made_event *event = &events[at];
        fprintf(file, "%s\t%s", event->user, event->item);
        if (weights)
            fprintf(file, "\t%g", (double)event->weight);
        fprintf(file, "\t%" PRId64 "\t%s\n", event->time, event->place);
    }
    assert_int_equal(fclose(file), 0);
    if (places)
        check(topn_options_set(context, reader, "context-columns", "place"));
    const topn_status status = topn_data_read(context, path, reader, &data);
    unlink(path);
    check(status);
    topn_options_free(reader);
    return data;
}

static void test_same_as_from_a_file(void **state)
{
    (void)state;
    static const char *const settings[][3][2] = {
        {{NULL, NULL}},
        {{"duplicates", "sum"}, {"min-weight", "4"}, {NULL, NULL}},
        {{"duplicates", "count"}, {"min-user-events", "12"}, {NULL, NULL}},
        {{"time-fields", "hour,weekday"}, {"previous-items", "1"}, {NULL, NULL}},
        {{"since", "2018-01-01"}, {"min-item-events", "3"}, {NULL, NULL}},
    };
    for (size_t at = 0; at < sizeof settings / sizeof *settings; at++) {
        for (int kind = 0; kind < 4; kind++) {
            topn_data *built = build(settings[at], kind & 1, kind & 2);
            topn_data *read = read_back(settings[at], kind & 1, kind & 2);
            assert_true(topn_data_events(built) > 0);
            assert_string_equal(topn_data_fingerprint(built), topn_data_fingerprint(read));
            assert_int_equal(topn_data_fields(built), topn_data_fields(read));
            topn_data_free(built);
            topn_data_free(read);
        }
    }
}

static topn_data_builder *start(void)
{
    topn_data_builder *builder;
    check(topn_data_builder_create(context, NULL, 0, &builder));
    check(topn_data_builder_add(builder, &(topn_event){.user = "a", .item = "b", .weight = 1}));
    return builder;
}

static void test_bad_events_are_named(void **state)
{
    (void)state;
    static char endless[5001];
    memset(endless, 'x', sizeof endless - 1);
    const struct {
        topn_event event;
        const char *says;
    } bad[] = {
        {{.user = "", .item = "b", .weight = 1}, "event 2: the user is empty"},
        {{.user = "a", .item = endless, .weight = 1}, "event 2: the item id has 5000 bytes"},
        {{.user = "a", .item = "\xff", .weight = 1}, "event 2: the item id is not UTF-8"},
        {{.user = "a", .item = "b", .weight = -2}, "event 2: weight -2"},
        {{.user = "a", .item = "b", .weight = NAN}, "event 2: weight"},
    };
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        topn_data_builder *builder = start();
        for (int again = 0; again < 2; again++) { /* and so for all that follow */
            assert_int_equal(topn_data_builder_add(builder, &bad[at].event), TOPN_ERROR_DATA);
            if (!strstr(topn_context_message(context), bad[at].says))
                fail_msg("\"%s\" does not say \"%s\"", topn_context_message(context), bad[at].says);
        }
        topn_data_builder_free(builder);
    }
}

static void test_mistakes_of_the_caller(void **state)
{
    (void)state;
    static const char *const twice[] = {"place", "place"};
    const topn_event event = {.user = "a", .item = "b", .weight = 1};
    topn_data_builder *builder;
    topn_data *data, *second;
    assert_int_equal(topn_data_builder_create(context, twice, 2, &builder), TOPN_ERROR_OPTION);
    assert_null(builder);
    assert_int_equal(topn_data_builder_create(context, NULL, 2, &builder), TOPN_ERROR_ARGUMENT);
    builder = start();
    assert_int_equal(topn_data_builder_add(builder, &(topn_event){.user = "a"}), TOPN_ERROR_ARGUMENT);
    check(topn_data_builder_finish(builder, NULL, NULL, &data));
    assert_int_equal(topn_data_events(data), 1);
    assert_int_equal(topn_data_builder_add(builder, &event), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_data_builder_finish(builder, NULL, NULL, &second), TOPN_ERROR_ARGUMENT);
    assert_null(second);
    topn_data_free(data);
    topn_data_builder_free(builder);
    topn_data_builder_free(NULL);
}

static void test_no_events(void **state)
{
    (void)state;
    topn_data_builder *builder;
    topn_data *data;
    check(topn_data_builder_create(context, NULL, 0, &builder));
    check(topn_data_builder_finish(builder, NULL, NULL, &data));
    assert_int_equal(topn_data_events(data), 0);
    topn_data_free(data);
    topn_data_builder_free(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_from_a_file),
        cmocka_unit_test(test_bad_events_are_named),
        cmocka_unit_test(test_mistakes_of_the_caller),
        cmocka_unit_test(test_no_events),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
