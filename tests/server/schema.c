/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of requests against schemas: one clear message for each way to be wrong; and points in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/answer.h"
#include "server/route.h"
#include "server/schema.h"

#include <string.h>

static const char schema[] =
    "{\"type\":[\"array\",\"object\",\"null\"],\"maxItems\":3,\"minItems\":1,\"items\":{\"type\":\"object\","
    "\"additionalProperties\":false,\"required\":[\"id\"],\"properties\":{"
    "\"id\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":4},\"weight\":{\"type\":\"number\","
    "\"exclusiveMinimum\":0,\"maximum\":10},\"count\":{\"type\":\"integer\",\"minimum\":2},"
    "\"kind\":{\"type\":\"string\",\"enum\":[\"buy\",\"view\"]},"
    "\"names\":{\"type\":[\"object\",\"null\"],\"maxProperties\":2,\"propertyNames\":{\"minLength\":1,\"maxLength\":3},"
    "\"additionalProperties\":{\"type\":[\"string\",\"boolean\"],\"maxLength\":2}}}}}";

/* "" where the value is as the schema says. */
static const char *check(const char *text)
{
    static char why[512];
    json_t *parsed = json_loads(schema, 0, NULL), *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(parsed);
    assert_non_null(value);
    why[0] = '\0';
    const bool valid = schema_check(parsed, value, why, sizeof why);
    assert_int_equal(valid, why[0] == '\0');
    json_decref(value);
    json_decref(parsed);
    return why;
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "[{\"id\":\"a\"}]",
        "null",
        "{}",
        ("[{\"id\":\"\\u00e4\\u00f6\\u00fc\\u00df\",\"weight\":10,\"count\":2,\"kind\":\"buy\",\"names\":null},"
         "{\"id\":\"a\",\"weight\":0.001,\"count\":3.0,\"names\":{\"x\":\"yy\",\"zzz\":true}}]"),
    };
    for (size_t at = 0; at < sizeof bodies / sizeof *bodies; at++)
        assert_string_equal(check(bodies[at]), "");
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *body, *message;
    } faults[] = {
        {"7", "the body: a whole number stands where a list or an object belongs"},
        {"true", "the body: true stands where a list or an object belongs"},
        {"[]", "the body: 0 entries, at least 1 belong here"},
        {"[{\"id\":\"a\"},{\"id\":\"a\"},{\"id\":\"a\"},{\"id\":\"a\"}]", "the body: 4 entries, at most 3 are taken"},
        {"[{\"id\":\"a\"},3]", "[1]: a whole number stands where an object belongs"},
        {"[{}]", "[0]: field \"id\" is missing"},
        {"[{\"id\":\"a\",\"wieght\":1}]", "[0]: unknown field \"wieght\"; known are id, weight, count, kind, names"},
        {"[{\"id\":4}]", "[0].id: a whole number stands where a text belongs"},
        {"[{\"id\":null}]", "[0].id: null stands where a text belongs"},
        {"[{\"id\":\"\"}]", "[0].id: an empty text stands where one with characters belongs"},
        {"[{\"id\":\"abcde\"}]", "[0].id: 5 characters, at most 4 are taken"},
        {"[{\"id\":\"a\",\"weight\":0}]", "[0].weight: 0 is not above 0"},
        {"[{\"id\":\"a\",\"weight\":10.5}]", "[0].weight: 10.5 is above 10"},
        {"[{\"id\":\"a\",\"weight\":\"1\"}]", "[0].weight: a text stands where a number belongs"},
        {"[{\"id\":\"a\",\"count\":1}]", "[0].count: 1 is below 2"},
        {"[{\"id\":\"a\",\"count\":2.5}]", "[0].count: a number stands where a whole number belongs"},
        {"[{\"id\":\"a\",\"kind\":\"sell\"}]", "[0].kind: \"sell\" is none of buy, view"},
        {"[{\"id\":\"a\",\"names\":{\"a\":\"b\",\"c\":\"d\",\"e\":\"f\"}}]",
         "[0].names: 3 fields, at most 2 are taken"},
        {"[{\"id\":\"a\",\"names\":{\"\":\"b\"}}]", "[0].names.: a field without a name"},
        {"[{\"id\":\"a\",\"names\":{\"abcd\":\"b\"}}]", "[0].names.abcd: a name of 4 characters, at most 3 are taken"},
        {"[{\"id\":\"a\",\"names\":{\"b\":\"ccc\"}}]", "[0].names.b: 3 characters, at most 2 are taken"},
        {"[{\"id\":\"a\",\"names\":{\"b\":{}}}]",
         "[0].names.b: an object stands where a text or true or false belongs"},
    };
    for (size_t at = 0; at < sizeof faults / sizeof *faults; at++)
        assert_string_equal(check(faults[at].body), faults[at].message);
}

/* Names and values of any length leave the message whole and in its bounds. */
static void test_long_names(void **state)
{
    (void)state;
    char body[3000] = "[{\"id\":\"a\",\"";
    memset(body + strlen(body), 'x', 2000);
    strcat(body, "\":1}]");
    assert_non_null(strstr(check(body), "[0]: unknown field \"xxxx"));
    assert_true(strlen(check(body)) < 200);
}

/* Every route's schemas are JSON, and its bodies use only what the check knows. */
static void check_words(const json_t *part, bool names)
{
    static const char *const words[] = {"type",          "properties",       "required",  "additionalProperties",
                                        "propertyNames", "maxProperties",    "items",     "minItems",
                                        "maxItems",      "minLength",        "maxLength", "minimum",
                                        "maximum",       "exclusiveMinimum", "enum",      "description",
                                        "example",       "default",          "format"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)part, key, value)
    {
        bool known = names;
        for (size_t at = 0; at < sizeof words / sizeof *words; at++)
            known = known || strcmp(words[at], key) == 0;
        if (!known)
            fail_msg("a body's schema says \"%s\", which schema.c does not check", key);
        if (json_is_object(value))
            check_words(value, !names && strcmp(key, "properties") == 0);
    }
}

static void test_routes(void **state)
{
    (void)state;
    const route *each;
    for (size_t at = 0; (each = route_at(at)); at++) {
        json_t *body = each->body ? json_loads(each->body, 0, NULL) : NULL;
        json_t *answer = each->answer ? json_loads(each->answer, 0, NULL) : NULL;
        if ((each->body && !body) || (each->answer && !answer))
            fail_msg("%s %s: a schema is not JSON", each->method, each->path);
        check_words(body, false);
        json_decref(body);
        json_decref(answer);
    }
    assert_true(each == NULL);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* JSON */
        int64_t seconds;  /* −1: refused */
    } times[] = {
        {"0", 0},
        {"1700000000", 1700000000},
        {"1700000000123", 1700000000},
        {"-1", -1},
        {"9223372036854775807", -1},
        {"\"1970-01-01\"", 0},
        {"\"2026-11-23T08:30:00Z\"", 1795422600},
        {"\"2026-11-23 08:30\"", 1795422600},
        {"\"2026-11-23T08:30:00.999Z\"", 1795422600},
        {"\"2026-11-23T10:30:00+02:00\"", 1795422600},
        {"\"2026-11-23T06:00:00-0230\"", 1795422600},
        {"\"2024-02-29\"", 1709164800},
        {"\"2023-02-29\"", -1},
        {"\"2023-13-01\"", -1},
        {"\"2023-01-00\"", -1},
        {"\"2023-01-01T24:00:00Z\"", -1},
        {"\"2023-01-01T10:60:00Z\"", -1},
        {"\"2023-01-01T10:00:00Zulu\"", -1},
        {"\"2023-01-01T\"", -1},
        {"\"1969-12-31\"", -1},
        {"\"yesterday\"", -1},
        {"\"\"", -1},
    };
    for (size_t at = 0; at < sizeof times / sizeof *times; at++) {
        json_t *value = json_loads(times[at].text, JSON_DECODE_ANY, NULL);
        char why[160] = "";
        int64_t seconds = -1;
        const bool read = time_read(value, &seconds, why, sizeof why);
        if (read != (times[at].seconds >= 0) || (read && seconds != times[at].seconds))
            fail_msg("%s: %s, %lld", times[at].text, read ? "read" : why, (long long)seconds);
        assert_int_equal(read, why[0] == '\0');
        json_decref(value);
    }
}

/* What comes out is UTF-8 whatever goes in. */
static void test_texts(void **state)
{
    (void)state;
    static const char *const texts[][2] = {{"plain", "plain"},
                                           {"\xC3\xA4", "\xC3\xA4"},
                                           {"a\xFFz", "a\xEF\xBF\xBDz"},
                                           {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},
                                           {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
                                           {"\xF0\x9F\x98\x80\xE2\x82", "\xF0\x9F\x98\x80\xEF\xBF\xBD\xEF\xBF\xBD"}};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        json_t *value = text_value(texts[at][0]);
        assert_string_equal(json_string_value(value), texts[at][1]);
        json_decref(value);
    }
    json_t *nothing = text_value(NULL);
    assert_true(json_is_null(nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),  cmocka_unit_test(test_faults), cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_routes), cmocka_unit_test(test_times),  cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("server/schema", tests, NULL, NULL);
}
