/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "session.h"
#include "text.h"

static json_t *option_json(const catalog_option *option)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", text_json(option->name));
    json_object_set_new(object, "default", text_json(option->standard));
    json_object_set_new(object, "bounds", text_json(option->bounds));
    json_object_set_new(object, "help", text_json(option->help));
    return object;
}

static json_t *entry_json(const catalog *list, const topn_entry *entry)
{
    json_t *object = json_object(), *options = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const catalog_option *option = &list->options[i];
        if (!option->own && option->kind == TOPN_KIND_METHOD && strcmp(option->entry, entry->name) == 0)
            json_array_append_new(options, option_json(option));
    }
    json_object_set_new(object, "name", text_json(entry->name));
    json_object_set_new(object, "summary", text_json(entry->summary));
    json_object_set_new(object, "source", text_json(entry->source));
    json_object_set_new(object, "options", options);
    return object;
}

static void print_all(const catalog *list, output_format format)
{
    static const char *const headings[] = {"method", "summary", "source"};
    topn_entry entry;
    json_t *array = format == OUTPUT_JSON ? json_array() : NULL;
    table *grid = array ? NULL : table_create(headings, "lll");
    for (size_t i = 0; topn_registry_entry(TOPN_KIND_METHOD, i, &entry); i++) {
        if (array) {
            json_array_append_new(array, entry_json(list, &entry));
            continue;
        }
        table_text(grid, entry.name);
        table_text(grid, entry.summary);
        table_text(grid, entry.source);
    }
    if (array)
        json_print(array, true);
    else
        table_finish(grid, format);
}

static void print_one(const catalog *list, const topn_entry *entry, output_format format)
{
    static const char *const headings[] = {"option", "default", "bounds", "meaning"};
    if (format == OUTPUT_JSON) {
        json_print(entry_json(list, entry), true);
        return;
    }
    if (format == OUTPUT_TABLE)
        printf("%s: %s%s%s%s\n\n", entry->name, entry->summary, *entry->source ? " (" : "", entry->source,
               *entry->source ? ")" : "");
    table *grid = table_create(headings, "llll");
    for (size_t i = 0; i < list->count; i++) {
        const catalog_option *option = &list->options[i];
        if (option->own || option->kind != TOPN_KIND_METHOD || strcmp(option->entry, entry->name) != 0)
            continue;
        table_cell(grid, "--%s", option->name);
        table_text(grid, option->standard);
        table_text(grid, option->bounds);
        table_text(grid, option->help);
    }
    table_finish(grid, format);
}

static int run(struct session *session)
{
    const struct command every_method = {.kinds = KIND_BIT(TOPN_KIND_METHOD)};
    const char *name = session_operand(session, 0);
    catalog list = {0};
    topn_options *known = NULL;
    topn_entry entry;
    int code;
    STEP(session_apply(session, NULL));
    STEP(catalog_create(session->context, &every_method, &list));
    if (!name) {
        print_all(&list, session->format);
        goto done;
    }
    if (topn_options_create(session->context, TOPN_KIND_METHOD, name, &known) != TOPN_OK)
        STEP(complain(CODE_USAGE, "%s", topn_context_message(session->context)));
    for (size_t i = 0; topn_registry_entry(TOPN_KIND_METHOD, i, &entry); i++)
        if (strcmp(entry.name, name) == 0)
            print_one(&list, &entry, session->format);
done:
    topn_options_free(known);
    catalog_clear(&list);
    return code;
}

const struct command command_methods = {
    .name = "methods",
    .summary = "list the training methods, or the options of one",
    .usage = "[METHOD]",
    .description =
        "Without an argument, every method with its summary and source; with one, its options with defaults and "
        "bounds.",
    .example = "topn methods\ntopn methods chol",
    .results = true,
    .maximum_operands = 1,
    .run = run,
};
