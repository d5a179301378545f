/* SPDX-License-Identifier: Apache-2.0
 *
 * topn_events_read: every line is one event, in the order of the file, with its own weight, time and context.
 */
#include <topn/topn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static topn_context *context;
static topn_options *reader;
static char path[] = "/tmp/topn-events-XXXXXX";
static char seen[4096]; /* what was visited, a line an event */

static bool write_down(const topn_event_columns *columns, const topn_event *event, void *user_data)
{
    const size_t *most = user_data;
    size_t lines = 0, used = strlen(seen);
    used += (size_t)snprintf(seen + used, sizeof seen - used, "%s %s %g %lld", event->user, event->item,
                             (double)event->weight, (long long)event->time);
    for (size_t field = 0; field < columns->field_count; field++)
        used += (size_t)snprintf(seen + used, sizeof seen - used, " %s=%s", columns->fields[field],
                                 event->context[field] ? event->context[field] : "?");
    snprintf(seen + used, sizeof seen - used, "\n");
    for (const char *at = seen; (at = strchr(at, '\n')); at++)
        lines++;
    return !most || lines < *most;
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    seen[0] = '\0';
}

static void set(const char *key, const char *value)
{
    assert_int_equal(topn_options_set(context, reader, key, value), TOPN_OK);
}

static int begin(void **state)
{
    (void)state;
    const int file = mkstemp(path);
    close(file);
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    return topn_options_create(context, TOPN_KIND_READER, "reader", &reader);
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    topn_options_free(reader);
    topn_context_free(context);
    return 0;
}

static void repeated_events_stay_apart(void **state)
{
    (void)state;
    write_file("user,item,rating,timestamp\nb,7,2,30\na,x,1,10\nb,7,4,20\nb,007,1,20\n");
    assert_int_equal(topn_events_read(context, path, NULL, write_down, NULL), TOPN_OK);
    assert_string_equal(seen, "b 7 2 30\na x 1 10\nb 7 4 20\nb 007 1 20\n");
}

static void files_without_weights_or_times_say_so(void **state)
{
    (void)state;
    write_file("a\tx\nb\ty\na\tx\n");
    assert_int_equal(topn_events_read(context, path, NULL, write_down, NULL), TOPN_OK);
    assert_string_equal(seen, "a x 1 0\nb y 1 0\na x 1 0\n");
    set("since", "5");
    assert_int_equal(topn_events_read(context, path, reader, write_down, NULL), TOPN_ERROR_OPTION);
    assert_non_null(strstr(topn_context_message(context), "--since needs a time column"));
}

static void contexts_and_times_are_taken_by_the_readers_options(void **state)
{
    (void)state;
    write_file("user,item,timestamp,hour,place\na,x,10,9,home\na,x,20,,work\nb,x,30,8,\n");
    set("context-columns", "place,hour");
    set("since", "15");
    set("until", "31");
    set("min-user-events", "2"); /* about data made of events: says nothing here */
    assert_int_equal(topn_events_read(context, path, reader, write_down, NULL), TOPN_OK);
    assert_string_equal(seen, "a x 1 20 place=work hour=?\nb x 1 30 place=? hour=8\n");
}

static void visitors_may_stop_and_faults_name_the_line(void **state)
{
    (void)state;
    size_t most = 2;
    write_file("user,item\na,x\nb,y\nc,z\n");
    assert_int_equal(topn_events_read(context, path, NULL, write_down, &most), TOPN_ERROR_CANCELLED);
    assert_string_equal(seen, "a x 1 0\nb y 1 0\n");
    write_file("user,item,rating\na,x,1\nb,y,many\n");
    assert_int_equal(topn_events_read(context, path, NULL, write_down, NULL), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), ":3: "));
    assert_string_equal(seen, "");
    assert_int_equal(topn_events_read(context, NULL, NULL, write_down, NULL), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_events_read(context, "/nowhere/at/all", NULL, write_down, NULL), TOPN_ERROR_IO);
}

/* The binary form gives its events back, merged as they were made. */
static void the_binary_form_is_read_too(void **state)
{
    (void)state;
    topn_data *data;
    write_file("user,item,timestamp\nb,7,2\na,x,1\nb,7,4\n");
    assert_int_equal(topn_data_read(context, path, NULL, &data), TOPN_OK);
    assert_int_equal(topn_data_save(context, data, path), TOPN_OK);
    topn_data_free(data);
    assert_int_equal(topn_events_read(context, path, NULL, write_down, NULL), TOPN_OK);
    assert_string_equal(seen, "a x 1 1\nb 7 1 4\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(repeated_events_stay_apart, begin, end),
        cmocka_unit_test_setup_teardown(files_without_weights_or_times_say_so, begin, end),
        cmocka_unit_test_setup_teardown(contexts_and_times_are_taken_by_the_readers_options, begin, end),
        cmocka_unit_test_setup_teardown(visitors_may_stop_and_faults_name_the_line, begin, end),
        cmocka_unit_test_setup_teardown(the_binary_form_is_read_too, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
