/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog.h"

#include <stdlib.h>
#include <string.h>

#include "complain.h"

static const own_option result_options[] = {
    {"output-format", 0, "table|json|csv", "table", "how results are printed; --format says it, too"},
};
static const own_option format_option[] = {
    {"format", 0, "table|json|csv", "", "how results are printed"},
};
static const own_option reader_options[] = {
    {"input-format", 0, "FORMAT", "", "format of the data files, whatever --format says"},
};
static const own_option common_options[] = {
    {"options", 0, "FILE", "", "options from a YAML file, a line \"name: value\" each; flags win over it"},
    {"quiet", 'q', NULL, "", "no progress and no information on standard error, errors only"},
    {"help", 'h', NULL, "", "print help"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static catalog_option *add_option(catalog *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->options = need_more(list->options, list->capacity, sizeof *list->options);
    }
    catalog_option *option = &list->options[list->count++];
    *option = (catalog_option){0};
    return option;
}

static void add_own(catalog *list, const own_option *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        catalog_option *option = add_option(list);
        option->own = true;
        option->name = rows[i].name;
        option->letter = rows[i].letter;
        option->boolean = !rows[i].argument;
        option->type = option->boolean ? TOPN_OPTION_BOOLEAN : TOPN_OPTION_TEXT;
        option->argument = need_text(rows[i].argument ? rows[i].argument : "");
        option->standard = need_text(rows[i].standard);
        option->bounds = need_text("");
        option->search = need_text("");
        option->help = rows[i].help;
    }
}

static const char *argument_name(const topn_option_info *info)
{
    static const char *const names[] = {"N", "X", "", "TEXT", "NAME", "SIZE"};
    return info->type == TOPN_OPTION_CHOICE ? info->bounds : names[info->type];
}

static char *search_text(const topn_option_search *search)
{
    if (search->scale == TOPN_SEARCH_CHOICES)
        return need_text(search->choices);
    if (search->scale == TOPN_SEARCH_NONE)
        return need_text("");
    return need_format("%g … %g%s", search->low, search->high, search->scale == TOPN_SEARCH_LOG ? " (log)" : "");
}

static void add_library(catalog *list, const topn_options *options, topn_kind kind, const char *entry)
{
    topn_option_info info;
    for (size_t i = 0; topn_options_info(options, i, &info); i++) {
        catalog_option *option = add_option(list);
        option->name = info.name;
        option->boolean = info.type == TOPN_OPTION_BOOLEAN;
        option->type = info.type;
        option->kind = kind;
        option->entry = entry;
        option->argument = need_text(argument_name(&info));
        option->standard = need_text(info.default_text);
        option->bounds = need_text(info.bounds);
        option->search = search_text(&info.search);
        option->help = info.help;
    }
}

bool catalog_offers(const struct command *command, topn_kind kind, size_t index)
{
    return kind != TOPN_KIND_RETRIEVER || command->selector || index == 0;
}

static int add_kind(topn_context *context, catalog *list, const struct command *command, topn_kind kind)
{
    topn_entry entry;
    for (size_t i = 0; catalog_offers(command, kind, i) && topn_registry_entry(kind, i, &entry); i++) {
        topn_options *options;
        if (topn_options_create(context, kind, entry.name, &options) != TOPN_OK)
            return complain(CODE_FAILED, "%s", topn_context_message(context));
        add_library(list, options, kind, entry.name);
        topn_options_free(options);
    }
    return CODE_DONE;
}

topn_kind catalog_kind_at(size_t index)
{
    static const topn_kind order[] = {TOPN_KIND_METHOD,    TOPN_KIND_SPLIT,  TOPN_KIND_EXPORT, TOPN_KIND_EVALUATION,
                                      TOPN_KIND_RETRIEVER, TOPN_KIND_METRIC, TOPN_KIND_FORMAT, TOPN_KIND_READER,
                                      TOPN_KIND_GENERATOR, TOPN_KIND_CONTEXT};
    return index < COUNT(order) ? order[index] : TOPN_KIND_COUNT;
}

int catalog_create(topn_context *context, const struct command *command, catalog *out)
{
    *out = (catalog){0};
    int code = CODE_DONE;
    add_own(out, command->options, command->option_count);
    if (command->results)
        add_own(out, result_options, COUNT(result_options));
    if (command->results && !(command->kinds & KIND_BIT(TOPN_KIND_READER)))
        add_own(out, format_option, COUNT(format_option));
    if (command->kinds & KIND_BIT(TOPN_KIND_READER))
        add_own(out, reader_options, COUNT(reader_options));
    add_own(out, common_options, COUNT(common_options));
    const size_t first = out->count;
    const unsigned kinds = command->kinds | KIND_BIT(TOPN_KIND_CONTEXT);
    for (size_t i = 0; catalog_kind_at(i) < TOPN_KIND_COUNT; i++)
        if (kinds & KIND_BIT(catalog_kind_at(i)))
            STEP(add_kind(context, out, command, catalog_kind_at(i)));
    for (size_t i = first; command->results && i < out->count; i++)
        if (strcmp(out->options[i].name, "format") == 0)
            out->options[i].help =
                "table, json or csv: as --output-format; the name of a file format (see `topn methods "
                "--kind format`): as --input-format";
done:
    return code;
}

void catalog_clear(catalog *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->options[i].argument);
        free(list->options[i].standard);
        free(list->options[i].bounds);
        free(list->options[i].search);
    }
    free(list->options);
    *list = (catalog){0};
}

const catalog_option *catalog_find(const catalog *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->options[i].name, name) == 0)
            return &list->options[i];
    return NULL;
}

const catalog_option *catalog_find_letter(const catalog *list, char letter)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->options[i].letter == letter)
            return &list->options[i];
    return NULL;
}

const char *catalog_nearest(const catalog *list, const char *name)
{
    const char **names = need_memory(list->count, sizeof *names);
    for (size_t i = 0; i < list->count; i++)
        names[i] = list->options[i].name;
    const char *found = nearest(name, names, list->count);
    free(names);
    return found;
}

bool catalog_kind_chooses(topn_kind kind)
{
    return kind == TOPN_KIND_METHOD || kind == TOPN_KIND_SPLIT || kind == TOPN_KIND_EXPORT ||
           kind == TOPN_KIND_RETRIEVER;
}

const char *catalog_kind_title(topn_kind kind)
{
    switch (kind) {
    case TOPN_KIND_CONTEXT:
        return "Machine";
    case TOPN_KIND_READER:
        return "Reading data";
    case TOPN_KIND_SPLIT:
        return "Protocol";
    case TOPN_KIND_METHOD:
        return "Method";
    case TOPN_KIND_RETRIEVER:
        return "Retrieval";
    case TOPN_KIND_EVALUATION:
        return "Evaluation";
    case TOPN_KIND_EXPORT:
        return "Export format";
    case TOPN_KIND_GENERATOR:
        return "Made data";
    default:
        return "Options";
    }
}
