/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct findings {
    double product_rate, residual;
    int lines;
} findings;

static void collect(const char *what, const char *value, const char *advice, void *user_data)
{
    findings *out = user_data;
    assert_true(*what && value && advice);
    if (strcmp(what, "matrix products") == 0)
        out->product_rate = strtod(value, NULL);
    if (strcmp(what, "residual of an inverse") == 0)
        out->residual = strtod(value, NULL);
    out->lines++;
}

static void doctor_measures_this_machine(void **state)
{
    (void)state;
    topn_context *context;
    findings found = {.residual = -1};
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    assert_int_equal(topn_doctor(context, collect, &found), TOPN_OK);
    assert_true(found.product_rate > 0);
    assert_true(found.residual >= 0 && found.residual < 1e-3);
    assert_true(found.lines >= 10);
    assert_int_equal(topn_doctor(context, NULL, NULL), TOPN_ERROR_ARGUMENT);
    topn_context_free(context);
}

static void can_be_set(topn_context *context, topn_options *options, const char *name, const char *value)
{
    assert_int_equal(topn_options_set(context, options, name, value), TOPN_OK);
    assert_int_equal(topn_options_set(context, options, name, topn_options_get(options, name)), TOPN_OK);
}

/* Both ends of the range, or every choice, are values of the option. */
static void range_is_within_bounds(topn_context *context, topn_options *options, const topn_option_info *info)
{
    char text[64];
    const topn_option_search *search = &info->search;
    if (search->scale == TOPN_SEARCH_CHOICES) {
        for (const char *at = search->choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
            snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "|"), at);
            can_be_set(context, options, info->name, text);
        }
    } else if (search->scale != TOPN_SEARCH_NONE) {
        assert_true(search->low < search->high);
        assert_true(search->low > 0 || search->scale == TOPN_SEARCH_LINEAR);
        assert_true(info->type == TOPN_OPTION_INTEGER || info->type == TOPN_OPTION_REAL);
        for (int end = 0; end < 2; end++) {
            snprintf(text, sizeof text, "%.15g", end ? search->high : search->low);
            can_be_set(context, options, info->name, text);
        }
    }
}

static void ranges_of_tuning_are_within_bounds(void **state)
{
    (void)state;
    topn_context *context;
    topn_entry entry;
    size_t searched = 0;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (size_t i = 0; topn_registry_entry(TOPN_KIND_METHOD, i, &entry); i++) {
        topn_options *options;
        assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, entry.name, &options), TOPN_OK);
        topn_option_info info;
        for (size_t o = 0; topn_options_info(options, o, &info); o++) {
            searched += info.search.scale != TOPN_SEARCH_NONE;
            range_is_within_bounds(context, options, &info);
        }
        topn_options_free(options);
    }
    assert_true(searched > 50);
    topn_context_free(context);
}

static void registries_list_what_can_be_created(void **state)
{
    (void)state;
    topn_context *context;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    for (int kind = 0; kind < TOPN_KIND_COUNT; kind++) {
        assert_true(topn_registry_count((topn_kind)kind) > 0);
        topn_entry entry;
        for (size_t i = 0; topn_registry_entry((topn_kind)kind, i, &entry); i++) {
            topn_options *options;
            assert_true(*entry.name && *entry.summary);
            assert_int_equal(topn_options_create(context, (topn_kind)kind, entry.name, &options), TOPN_OK);
            topn_option_info info;
            for (size_t o = 0; topn_options_info(options, o, &info); o++) {
                assert_true(*info.name && *info.help);
                assert_false(info.is_set);
                /* Every default is taken back as a value, and reads the same: OSQP's test of defaults. */
                char before[256];
                snprintf(before, sizeof before, "%s", topn_options_get(options, info.name));
                if (info.type != TOPN_OPTION_TEXT)
                    assert_int_equal(topn_options_set(context, options, info.name, before), TOPN_OK);
                assert_string_equal(topn_options_get(options, info.name), before);
            }
            topn_options_free(options);
        }
    }
    topn_options *options;
    assert_int_equal(topn_options_create(context, TOPN_KIND_METHOD, "eese", &options), TOPN_ERROR_NOT_FOUND);
    assert_null(options);
    assert_non_null(strstr(topn_context_message(context), "ease"));
    topn_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doctor_measures_this_machine),
        cmocka_unit_test(registries_list_what_can_be_created),
        cmocka_unit_test(ranges_of_tuning_are_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
