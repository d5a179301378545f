/* SPDX-License-Identifier: Apache-2.0 */
#include "base/context.h"
#include "ingest_read.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static topn_context *context;
static const char log_text[] = "user\titem\tevent\ttime\n"
                               "a\tx\tview\t0\na\ty\tbuy\t86400\na\tx\tview\t86400\nb\tx\tcart\t43200\nb\tz\tping\t5\n";

static topn_status read_log(const char *text, const char *const *options, topn_data **out)
{
    return read_bytes(context, text, strlen(text), options, out);
}

static void expect(const char *const *options, const char *wanted)
{
    topn_data *data;
    char shown[512];
    assert_int_equal(read_log(log_text, options, &data), TOPN_OK);
    assert_string_equal(show(data, shown, sizeof shown), wanted);
    topn_data_free(data);
}

static void refuse(const char *text, const char *const *options, const char *part)
{
    topn_data *data;
    assert_int_not_equal(read_log(text, options, &data), TOPN_OK);
    assert_null(data);
    assert_non_null(strstr(topn_context_message(context), part));
}

static void kinds_of_events_have_weights(void **state)
{
    (void)state;
    expect(OPTIONS("event-weights", "view:1,cart:3,buy:10,ping:0", "duplicates", "sum"),
           "a:x=2@86400 a:y=10@86400 b:x=3@43200");
    expect(OPTIONS("event-weights", "view:1,cart:3,buy:10,ping:0.5", "duplicates", "max"),
           "a:x=1@86400 a:y=10@86400 b:x=3@43200 b:z=0.5@5");
    expect(OPTIONS("event-weights", "view:0,cart:3,buy:10,ping:0", "weight-column", "event"),
           "a:y=10@86400 b:x=3@43200");
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refuse(log_text, OPTIONS("event-weights", "view:1,cart:3,buy:10"), "events:6: event \"ping\"");
    refuse(log_text, OPTIONS("event-weights", "view:1,cart"), "\"cart\" is not KIND:WEIGHT");
    refuse(log_text, OPTIONS("event-weights", "view:-1"), "\"view:-1\"");
    refuse(log_text, OPTIONS("event-weights", ""), "\"\" is not KIND:WEIGHT");
    refuse("user\titem\tstars\na\tx\t1\n", OPTIONS("event-weights", "view:1"), "--weight-column");
    refuse(log_text, OPTIONS("event-weights", "view:1,cart:1,buy:1,ping:1", "half-life", "soon"), "\"soon\"");
    refuse("a\tx\nb\ty\n", OPTIONS("half-life", "1d"), "--time-column");
    refuse(log_text, OPTIONS("event-weights", "view:1,cart:1,buy:1,ping:1", "half-life", "1d", "duplicates", "count"),
           "--duplicates count");
}

static void weights_are_halved_by_age(void **state)
{
    (void)state;
    expect(OPTIONS("event-weights", "view:4,cart:4,buy:4,ping:0", "half-life", "12h", "duplicates", "sum"),
           "a:x=5@86400 a:y=4@86400 b:x=2@43200");
    /* Now is the newest event that --until leaves. */
    expect(OPTIONS("event-weights", "view:4,cart:4,buy:4,ping:0", "half-life", "0.5d", "until", "50000"),
           "a:x=2@0 b:x=4@43200");
}

/* However old, an event keeps a weight above 0, and stays. */
static void the_oldest_events_stay(void **state)
{
    (void)state;
    topn_data *data;
    const float *weights;
    assert_int_equal(read_log("user,item,time\na,x,0\nb,x,1700000000\n", OPTIONS("half-life", "1s"), &data), TOPN_OK);
    assert_int_equal(topn_data_events(data), 2);
    assert_int_equal(topn_data_history(data, 0, NULL, &weights), 1);
    assert_true(weights[0] > 0 && weights[0] < 1e-17);
    topn_data_free(data);
}

static int set_up(void **state)
{
    (void)state;
    return topn_context_create(&context) != TOPN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    topn_context_free(context);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_of_events_have_weights),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(weights_are_halved_by_age),
        cmocka_unit_test(the_oldest_events_stay),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
