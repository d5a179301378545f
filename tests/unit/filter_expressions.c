/* SPDX-License-Identifier: Apache-2.0
 *
 * Attributes and expressions over them: random ones against an evaluator that goes item by item; attributes from
 * models, files and by hand; what is wrong is said with its place.
 */
#include "sample_model.h"

#include "base/random.h"
#include "retrieve/attributes.h"
#include "retrieve/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ITEMS = 197, NAMES = 5, VALUES = 12, MOST = 4, EXPRESSIONS = 1500, LENGTH = 1 << 16 };

static const char *const names[NAMES] = {"genre", "year", "Year", "run time", "and"};
static const char *const written[NAMES] = {"genre", "year", "Year", "\"run time\"", "'and'"};
/* Texts, numbers in several spellings, and both in one attribute. */
static const char *const values[VALUES] = {"Drama", "Film Noir", "drama", "1990", "1990.0", "-3",
                                           "2.5e3", "1991",      "1e",    "",     "b\"'\\", "\xc3\xa9t\xc3\xa9"};
static const char *const literals[VALUES] = {
    "Drama", "'Film Noir'", "drama", "1990", "1990.0",           "-3",
    "2.5e3", "\"1991\"",    "1e",    "''",   "\"b\\\"\\'\\\\\"", "\xc3\xa9t\xc3\xa9"};

/* What the items have, plainly. */
typedef struct naive_items {
    int value[ITEMS][NAMES][MOST];
    size_t count[ITEMS][NAMES];
} naive_items;

typedef struct draw {
    uint64_t seed, index;
} draw;

static uint32_t draw_below(draw *from, uint32_t limit)
{
    return (uint32_t)(random_uniform(from->seed, RANDOM_DOCTOR, from->index++) * limit);
}

/* ---- An evaluator by definition ---- */

typedef enum naive_kind { AND, OR, NOT, HAS, EQUAL, UNEQUAL, LESS, AT_MOST, MORE, AT_LEAST, IN, NOT_IN } naive_kind;

typedef struct naive_node {
    naive_kind kind;
    struct naive_node *left, *right;
    size_t name, count;
    int value[MOST];
} naive_node;

static bool as_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

static bool compares(naive_kind kind, const char *own, const char *other)
{
    double left, right;
    const bool left_number = as_number(own, &left), right_number = as_number(other, &right);
    const int order = strcmp(own, other);
    if (kind == EQUAL)
        return order == 0 || (left_number && right_number && left == right);
    if (right_number && !left_number)
        return false;
    switch (kind) {
    case LESS:
        return right_number ? left < right : order < 0;
    case AT_MOST:
        return right_number ? left <= right : order <= 0;
    case MORE:
        return right_number ? left > right : order > 0;
    default:
        return right_number ? left >= right : order >= 0;
    }
}

static bool naive_holds(const naive_items *all, const naive_node *node, uint32_t item)
{
    switch (node->kind) {
    case AND:
        return naive_holds(all, node->left, item) && naive_holds(all, node->right, item);
    case OR:
        return naive_holds(all, node->left, item) || naive_holds(all, node->right, item);
    case NOT:
        return !naive_holds(all, node->left, item);
    case HAS:
        return all->count[item][node->name] > 0;
    default:
        break;
    }
    const bool turned = node->kind == UNEQUAL || node->kind == NOT_IN;
    const bool equal = turned || node->kind == EQUAL || node->kind == IN;
    for (size_t own = 0; own < all->count[item][node->name]; own++)
        for (size_t at = 0; at < node->count; at++)
            if (compares(equal ? EQUAL : node->kind, values[all->value[item][node->name][own]],
                         values[node->value[at]]))
                return !turned;
    return turned;
}

static naive_node *random_node(draw *from, int depth)
{
    naive_node *node = calloc(1, sizeof *node);
    if (!node)
        abort();
    node->kind = (naive_kind)(depth == 0 ? 3 + draw_below(from, 9) : draw_below(from, 12));
    if (node->kind <= NOT)
        node->left = random_node(from, depth - 1);
    if (node->kind <= OR)
        node->right = random_node(from, depth - 1);
    node->name = draw_below(from, NAMES);
    node->count = node->kind >= IN ? 1 + draw_below(from, MOST) : 1;
    for (size_t at = 0; at < node->count; at++)
        node->value[at] = (int)draw_below(from, VALUES);
    return node;
}

static void free_node(naive_node *node)
{
    if (!node)
        return;
    free_node(node->left);
    free_node(node->right);
    free(node);
}

/* The expression, with blanks here and there, words in any case and only the parentheses that it needs or a few more.
 */
static void write_node(draw *from, const naive_node *node, int outer, char *out)
{
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    static const char *const blanks[] = {"", " ", "  \t"};
    char *to = out + strlen(out);
    const int own = node->kind == OR ? 0 : node->kind == AND ? 1 : 2;
    const bool enclosed = own < outer || draw_below(from, 6) == 0;
    to += sprintf(to, "%s%s", enclosed ? "(" : "", blanks[draw_below(from, 3)]);
    if (node->kind <= OR) {
        write_node(from, node->left, own, out);
        strcat(out, node->kind == OR ? draw_below(from, 2) ? " OR " : " or " : draw_below(from, 2) ? " AND " : " And ");
        write_node(from, node->right, own, out);
    } else if (node->kind == NOT) {
        strcat(out, draw_below(from, 2) ? "NOT " : "not ");
        write_node(from, node->left, 2, out);
    } else if (node->kind == HAS) {
        sprintf(to, "%s %s", draw_below(from, 2) ? "HAS" : "has", written[node->name]);
    } else if (node->kind >= IN) {
        to += sprintf(to, "%s %s", written[node->name], node->kind == IN ? "IN (" : "not in(");
        for (size_t at = 0; at < node->count; at++)
            to += sprintf(to, "%s%s%s", at ? "," : "", blanks[draw_below(from, 3)], literals[node->value[at]]);
        strcat(to, ")");
    } else {
        const char *sign = node->kind == EQUAL && draw_below(from, 2) ? "==" : signs[node->kind - EQUAL];
        sprintf(to, "%s%s%s%s%s", written[node->name], blanks[draw_below(from, 3)], sign, blanks[draw_below(from, 3)],
                literals[node->value[0]]);
    }
    strcat(out, enclosed ? ")" : "");
}

/* ---- Random attributes ---- */

static void set_some(topn_context *context, topn_attributes *attributes, naive_items *all, draw *from, size_t times)
{
    for (size_t time = 0; time < times; time++) {
        const uint32_t item = draw_below(from, ITEMS), name = draw_below(from, NAMES);
        const char *texts[MOST];
        const size_t count = draw_below(from, MOST + 1);
        for (size_t at = 0; at < count; at++) {
            all->value[item][name][at] = (int)draw_below(from, VALUES);
            texts[at] = values[all->value[item][name][at]];
        }
        all->count[item][name] = count;
        assert_int_equal(topn_attributes_set(context, attributes, item, names[name], texts, count), TOPN_OK);
    }
}

static size_t place_of(const topn_attributes *attributes, const char *name)
{
    size_t place = 0;
    while (strcmp(topn_attributes_name(attributes, place), name) != 0)
        place++;
    return place;
}

static void check_values(const topn_attributes *attributes, const naive_items *all)
{
    for (size_t name = 0; name < NAMES; name++) {
        const size_t place = place_of(attributes, names[name]);
        for (uint32_t item = 0; item < ITEMS; item++) {
            for (size_t at = 0; at < all->count[item][name]; at++)
                assert_string_equal(topn_attributes_value(attributes, item, place, at),
                                    values[all->value[item][name][at]]);
            assert_null(topn_attributes_value(attributes, item, place, all->count[item][name]));
        }
        assert_null(topn_attributes_value(attributes, ITEMS, place, 0));
        assert_null(topn_attributes_value(attributes, UINT32_MAX, place, 0));
    }
    assert_null(topn_attributes_value(attributes, 0, NAMES, 0));
    assert_null(topn_attributes_name(attributes, NAMES));
}

static void expressions_equal_the_naive_evaluator(void **state)
{
    (void)state;
    static naive_items all;
    static char expression[LENGTH];
    topn_context context = {.threads = 1};
    const topn_model model = {.items = ITEMS};
    topn_attributes *attributes;
    draw from = {.seed = 77};
    size_t between = 0, nothing = 0;
    assert_int_equal(topn_attributes_create(&context, &model, &attributes), TOPN_OK);
    set_some(&context, attributes, &all, &from, 600);
    assert_int_equal(topn_attributes_count(attributes), NAMES);
    for (size_t name = 1; name < NAMES; name++)
        assert_true(strcmp(topn_attributes_name(attributes, name - 1), topn_attributes_name(attributes, name)) < 0);
    for (size_t round = 0; round < EXPRESSIONS; round++) {
        topn_filter *filter;
        naive_node *node = random_node(&from, (int)(round % 6));
        expression[0] = '\0';
        write_node(&from, node, 0, expression);
        if (topn_filter_create(&context, attributes, expression, &filter) != TOPN_OK)
            fail_msg("%s: %s", expression, context.message);
        uint32_t holds = 0;
        for (uint32_t item = 0; item < ITEMS; item++) {
            const bool expected = naive_holds(&all, node, item);
            holds += expected;
            if (topn_filter_allows(filter, item) != expected)
                fail_msg("%s: item %u is %s", expression, item, expected ? "missing" : "there");
        }
        assert_int_equal(topn_filter_count(filter), holds);
        between += holds > 0 && holds < ITEMS;
        nothing += holds == 0;
        topn_filter_free(filter);
        free_node(node);
        if (round % 10 == 0)
            set_some(&context, attributes, &all, &from, round % 30);
        if (round % 300 == 0)
            check_values(attributes, &all);
    }
    assert_true(between > EXPRESSIONS / 2 && nothing < EXPRESSIONS / 3); /* the expressions say something */
    topn_attributes_free(attributes);
}

/* ---- Where attributes come from ---- */

static void check_filter(topn_context *context, const topn_attributes *attributes, const char *expression,
                         const char *expected)
{
    topn_filter *filter;
    if (topn_filter_create(context, attributes, expression, &filter) != TOPN_OK)
        fail_msg("%s: %s", expression, context->message);
    for (uint32_t item = 0; expected[item]; item++)
        if (topn_filter_allows(filter, item) != (expected[item] == '1'))
            fail_msg("%s: item %u", expression, item);
    topn_filter_free(filter);
}

static void attributes_of_the_model_are_there(void **state)
{
    (void)state;
    topn_context *context;
    topn_model *model;
    topn_attributes *attributes;
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    assert_int_equal(sample_model(context, &sample_forms[SAMPLE_SHARED_SPARSE], true, &model), TOPN_OK);
    assert_int_equal(topn_attributes_create(context, model, &attributes), TOPN_OK);
    assert_int_equal(topn_attributes_count(attributes), 2);
    assert_string_equal(topn_attributes_name(attributes, 0), "genre");
    assert_string_equal(topn_attributes_name(attributes, 1), "year");
    assert_string_equal(topn_attributes_value(attributes, 0, 0, 0), "Comedy");
    assert_string_equal(topn_attributes_value(attributes, 0, 0, 1), "Drama");
    assert_string_equal(topn_attributes_value(attributes, 3, 1, 0), "2001");
    check_filter(context, attributes, "genre=Drama", "1010");
    check_filter(context, attributes, "genre!=Comedy", "0111");
    check_filter(context, attributes, "year>=1990 AND year<2000", "1000");
    check_filter(context, attributes, "NOT HAS genre", "0101");
    /* What is set replaces what the model says. */
    const char *const drama[] = {"Drama"};
    assert_int_equal(topn_attributes_set(context, attributes, 1, "genre", drama, 1), TOPN_OK);
    assert_int_equal(topn_attributes_set(context, attributes, 0, "genre", NULL, 0), TOPN_OK);
    check_filter(context, attributes, "genre=Drama", "0110");
    assert_null(topn_attributes_value(attributes, 0, 0, 0));
    topn_attributes_free(attributes);
    topn_model_free(model);
    topn_context_free(context);
}

static void attributes_are_read_from_files(void **state)
{
    (void)state;
    topn_context *context;
    topn_model *model;
    topn_attributes *attributes;
    char path[] = "/tmp/topn-attributes-XXXXXX";
    uint64_t unknown;
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(topn_context_create(&context), TOPN_OK);
    assert_int_equal(sample_model(context, &sample_forms[SAMPLE_SHARED_SPARSE], true, &model), TOPN_OK);
    assert_int_equal(topn_attributes_create(context, model, &attributes), TOPN_OK);
    const char text[] = "item,genre,price\n1,Western,9.1\nnobody,Drama,3\n\"a,\"\"b\"\"\",War|Drama,12\n";
    file_put(path, text, sizeof text - 1);
    assert_int_equal(topn_attributes_read(context, attributes, path, &unknown), TOPN_OK);
    assert_int_equal(unknown, 1);
    check_filter(context, attributes, "genre=Drama", "0110");
    check_filter(context, attributes, "genre IN (Western, War)", "1100");
    check_filter(context, attributes, "price=9.1", "1000");
    check_filter(context, attributes, "price>9.1 OR year=2001", "0101");
    assert_string_equal(topn_attributes_value(attributes, 0, 1, 0), "9.1");
    const char bad[] = "item,price\n1,Western,9.1\n";
    file_put(path, bad, sizeof bad - 1);
    assert_int_equal(topn_attributes_read(context, attributes, path, NULL), TOPN_ERROR_DATA);
    assert_non_null(strstr(topn_context_message(context), ":2: 3 fields where the first line has 2"));
    unlink(path);
    topn_attributes_free(attributes);
    topn_model_free(model);
    topn_context_free(context);
}

/* ---- What is wrong ---- */

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const mistakes[][2] = {
        {"", "filter, character 1: the name of an attribute expected, not the end"},
        {"   ", "filter, character 4: the name of an attribute expected, not the end"},
        {"genre", "filter, character 6: =, !=, <, <=, >, >= or IN expected, not the end"},
        {"genre Drama", "filter, character 7: =, !=, <, <=, >, >= or IN expected, not \"Drama\""},
        {"genre=", "filter, character 7: a value expected, not the end"},
        {"genre= AND year=3", "filter, character 8: a value (in quotes if it is such a word) expected, not \"AND\""},
        {"gnre=Drama", "filter, character 1: there is no attribute \"gnre\"; did you mean \"genre\"?"},
        {"year=1 AND (HAS Xxxxxxxx)",
         "filter, character 17: there is no attribute \"Xxxxxxxx\"; the attributes are: genre, year"},
        {"genre=Drama year=1", "filter, character 13: AND, OR or the end expected, not \"year\""},
        {"(genre=Drama", "filter, character 13: AND, OR or ) expected, not the end"},
        {"genre=Drama)", "filter, character 12: AND, OR or the end expected, not \")\""},
        {"genre IN Drama", "filter, character 10: ( and the values expected, not \"Drama\""},
        {"genre IN ()", "filter, character 11: a value expected, not \")\""},
        {"genre IN (a b)", "filter, character 13: , or ) expected, not \"b\""},
        {"genre IN (a,", "filter, character 13: a value expected, not the end"},
        {"genre NOT Drama", "filter, character 11: IN expected, not \"Drama\""},
        {"genre=\"Drama", "filter, character 7: the text has no closing \""},
        {"genre='Drama\\'", "filter, character 7: the text has no closing '"},
        {"genre=\xc3\xa9t\xc3\xa9 & year=1", "filter, character 11: '&' has no meaning here; values with such "
                                             "characters go in quotes"},
        {"genre=Drama OR OR year=1",
         "filter, character 16: the name of an attribute (in quotes if it is such a word) expected, not \"OR\""},
        {"genre==Drama=", "filter, character 13: AND, OR or the end expected, not \"=\""},
        {"genre=Drama\x01", "filter, character 12: '?' has no meaning here; values with such characters go in quotes"},
    };
    topn_context context = {.threads = 1};
    topn_model *model;
    topn_attributes *attributes;
    topn_filter *filter;
    assert_int_equal(sample_model(&context, &sample_forms[SAMPLE_SHARED_SPARSE], true, &model), TOPN_OK);
    assert_int_equal(topn_attributes_create(&context, model, &attributes), TOPN_OK);
    for (size_t at = 0; at < sizeof mistakes / sizeof *mistakes; at++) {
        filter = (topn_filter *)&context;
        assert_int_equal(topn_filter_create(&context, attributes, mistakes[at][0], &filter), TOPN_ERROR_OPTION);
        assert_string_equal(context.message, mistakes[at][1]);
        assert_null(filter);
    }
    const char *const drama[] = {"Drama", NULL};
    assert_int_equal(topn_filter_create(&context, NULL, "a=1", &filter), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_filter_create(&context, attributes, NULL, &filter), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_attributes_set(&context, attributes, SAMPLE_ITEMS, "genre", drama, 1), TOPN_ERROR_ARGUMENT);
    assert_string_equal(context.message, "topn_attributes_set: item 4 is out of range, the model has 4 items");
    assert_int_equal(topn_attributes_set(&context, attributes, 0, "genre", drama, 2), TOPN_ERROR_ARGUMENT);
    assert_int_equal(topn_attributes_set(&context, attributes, 0, "", drama, 1), TOPN_ERROR_ARGUMENT);
    topn_attributes_free(attributes);
    feature_table_clear(&model->attributes);
    assert_int_equal(topn_attributes_create(&context, model, &attributes), TOPN_OK);
    assert_int_equal(topn_filter_create(&context, attributes, "genre=Drama", &filter), TOPN_ERROR_OPTION);
    assert_non_null(strstr(context.message, "nothing is known of the items"));
    topn_attributes_free(attributes);
    topn_model_free(model);
}

static void expressions_are_bounded(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    const topn_model model = {.items = 3};
    const char *const one[] = {"1"};
    topn_attributes *attributes;
    topn_filter *filter;
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_int_equal(topn_attributes_create(&context, &model, &attributes), TOPN_OK);
    assert_int_equal(topn_attributes_set(&context, attributes, 1, "a", one, 1), TOPN_OK);
    for (size_t depth = 62; depth < 3000; depth = depth < 66 ? depth + 1 : depth * 3) {
        memset(text, '(', depth);
        strcpy(text + depth, "a=1");
        memset(text + depth + 3, ')', depth);
        text[2 * depth + 3] = '\0';
        assert_int_equal(topn_filter_create(&context, attributes, text, &filter),
                         depth < 64 ? TOPN_OK : TOPN_ERROR_OPTION);
        topn_filter_free(filter);
    }
    assert_string_equal(context.message, "filter, character 65: nested deeper than 64");
    text[0] = '\0';
    for (size_t at = 0; at < 65; at++)
        strcat(text, "NOT ");
    strcat(text, "a=1");
    assert_int_equal(topn_filter_create(&context, attributes, text, &filter), TOPN_ERROR_OPTION);
    for (size_t comparisons = 256; comparisons < 258; comparisons++) {
        strcpy(text, "a=0");
        for (size_t at = 1; at < comparisons; at++)
            strcat(text, at % 2 ? " OR a=1" : " AND a=1");
        assert_int_equal(topn_filter_create(&context, attributes, text, &filter),
                         comparisons <= 256 ? TOPN_OK : TOPN_ERROR_OPTION);
        topn_filter_free(filter);
    }
    assert_non_null(strstr(context.message, "more than 256 comparisons"));
    memset(text, ' ', 70000);
    strcpy(text + 70000, "a=1");
    assert_int_equal(topn_filter_create(&context, attributes, text, &filter), TOPN_ERROR_OPTION);
    assert_string_equal(context.message, "filter: 70003 bytes are too long, at most 65536 are possible");
    free(text);
    topn_attributes_free(attributes);
}

static void memory_that_fails_is_said(void **state)
{
    (void)state;
    topn_context context = {.threads = 1};
    topn_model *model;
    assert_int_equal(sample_model(&context, &sample_forms[SAMPLE_SHARED_SPARSE], true, &model), TOPN_OK);
    const char *const both[] = {"Drama", "War"};
    bool done = false;
    for (uint64_t allocation = 1; !done; allocation++) {
        topn_attributes *attributes = NULL;
        topn_filter *filter = NULL;
        memory_fail_after(allocation);
        topn_status status = topn_attributes_create(&context, model, &attributes);
        for (uint32_t item = 0; status == TOPN_OK && item < 3; item++)
            status = topn_attributes_set(&context, attributes, item, item ? "genre" : "maker", both, 2);
        if (status == TOPN_OK)
            status = topn_filter_create(&context, attributes, "genre IN (War) AND NOT (year<3 OR HAS maker)", &filter);
        memory_fail_after(0);
        done = status == TOPN_OK;
        assert_true(done || status == TOPN_ERROR_MEMORY);
        assert_int_equal(done, filter != NULL);
        topn_filter_free(filter);
        topn_attributes_free(attributes);
        assert_true(allocation < 200);
    }
    topn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_equal_the_naive_evaluator),
        cmocka_unit_test(attributes_of_the_model_are_there),
        cmocka_unit_test(attributes_are_read_from_files),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(expressions_are_bounded),
        cmocka_unit_test(memory_that_fails_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
