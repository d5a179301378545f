/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "session.h"
#include "text.h"

static const own_option own_options[] = {
    {"kind", 0, "method|format|split|metric|retriever|export", "method", "which list"},
};

static const struct {
    const char *name;
    topn_kind kind;
} kinds[] = {{"method", TOPN_KIND_METHOD}, {"format", TOPN_KIND_FORMAT},       {"split", TOPN_KIND_SPLIT},
             {"metric", TOPN_KIND_METRIC}, {"retriever", TOPN_KIND_RETRIEVER}, {"export", TOPN_KIND_EXPORT}};

static json_t *option_json(const catalog_option *option)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", text_json(option->name));
    json_object_set_new(object, "default", text_json(option->standard));
    json_object_set_new(object, "bounds", text_json(option->bounds));
    json_object_set_new(object, "search", text_json(option->search));
    json_object_set_new(object, "help", text_json(option->help));
    return object;
}

static json_t *entry_json(const catalog *list, topn_kind kind, const topn_entry *entry)
{
    json_t *object = json_object(), *options = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const catalog_option *option = &list->options[i];
        if (!option->own && option->kind == kind && strcmp(option->entry, entry->name) == 0)
            json_array_append_new(options, option_json(option));
    }
    json_object_set_new(object, "name", text_json(entry->name));
    json_object_set_new(object, "summary", text_json(entry->summary));
    json_object_set_new(object, "source", text_json(entry->source));
    json_object_set_new(object, "options", options);
    return object;
}

static void print_all(const catalog *list, topn_kind kind, output_format format)
{
    static const char *const headings[] = {"name", "summary", "source"};
    topn_entry entry;
    json_t *array = format == OUTPUT_JSON ? json_array() : NULL;
    table *grid = array ? NULL : table_create(headings, "lll");
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++) {
        if (array) {
            json_array_append_new(array, entry_json(list, kind, &entry));
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

static void print_one(const catalog *list, topn_kind kind, const topn_entry *entry, output_format format)
{
    static const char *const headings[] = {"option", "default", "bounds", "tuned over", "meaning"};
    if (format == OUTPUT_JSON) {
        json_print(entry_json(list, kind, entry), true);
        return;
    }
    if (format == OUTPUT_TABLE)
        printf("%s: %s%s%s%s\n\n", entry->name, entry->summary, *entry->source ? " (" : "", entry->source,
               *entry->source ? ")" : "");
    table *grid = table_create(headings, "lllll");
    for (size_t i = 0; i < list->count; i++) {
        const catalog_option *option = &list->options[i];
        if (option->own || option->kind != kind || strcmp(option->entry, entry->name) != 0)
            continue;
        table_cell(grid, "--%s", option->name);
        table_text(grid, option->standard);
        table_text(grid, option->bounds);
        table_text(grid, option->search);
        table_text(grid, option->help);
    }
    table_finish(grid, format);
}

/* The registry that --kind names. */
static int find_kind(const char *name, topn_kind *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].kind;
            return CODE_DONE;
        }
    return complain(CODE_USAGE, "option --kind: \"%s\" is not method, format, split, metric, retriever or export",
                    name);
}

static int run(struct session *session)
{
    const char *name = session_operand(session, 0);
    struct command holder = {0}; /* a command with the options of all entries of the kind */
    catalog list = {0};
    topn_kind kind = TOPN_KIND_METHOD;
    topn_entry entry;
    int code;
    STEP(session_apply(session, NULL));
    STEP(find_kind(session_value(session, "kind"), &kind));
    holder.kinds = KIND_BIT(kind);
    STEP(catalog_create(session->context, &holder, &list));
    if (!name) {
        print_all(&list, kind, session->format);
        goto done;
    }
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++)
        if (strcmp(entry.name, name) == 0) {
            print_one(&list, kind, &entry, session->format);
            goto done;
        }
    topn_options *known = NULL; /* asked for its message alone, which names the nearest entry */
    topn_options_create(session->context, kind, name, &known);
    topn_options_free(known);
    code = complain(CODE_USAGE, "%s", topn_context_message(session->context));
done:
    catalog_clear(&list);
    return code;
}

const struct command command_methods = {
    .name = "methods",
    .summary = "list the training methods (or formats, splits, metrics), or the options of one",
    .usage = "[METHOD] [--kind KIND]",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .description =
        "Without an argument, every method with its summary and source; with one, its options with defaults and "
        "bounds.",
    .example = "topn methods\ntopn methods chol\ntopn methods --kind metric",
    .results = true,
    .maximum_operands = 1,
    .run = run,
};
