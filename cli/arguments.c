/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include <stdlib.h>
#include <string.h>

#include "complain.h"

static void add_assignment(assignment **list, size_t *count, const char *name, const char *value, const char *origin)
{
    *list = need_more(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = (assignment){.name = name, .value = need_text(value), .origin = origin};
}

static int unknown_option(const arguments *parsed, const char *name, const char *origin)
{
    const char *near = catalog_nearest(&parsed->catalog, name);
    return complain(CODE_USAGE, "%s%sunknown option %s%s%s%s%s; \"topn %s --help\" lists them", origin ? origin : "",
                    origin ? ": " : "", origin ? "" : "--", name,
                    !near    ? ""
                    : origin ? " (did you mean "
                             : " (did you mean --",
                    near ? near : "", near ? "?)" : "", parsed->command->name);
}

/* The boolean option that "no-NAME" negates, or NULL. */
static const catalog_option *negated(const catalog *list, const char *name)
{
    if (strncmp(name, "no-", 3) != 0)
        return NULL;
    const catalog_option *option = catalog_find(list, name + 3);
    return option && option->boolean ? option : NULL;
}

static bool is_truth(const char *word)
{
    return word && (strcmp(word, "true") == 0 || strcmp(word, "false") == 0);
}

/* Stores one option; `next` is the word after it. *taken receives whether `next` was its value. */
static int take_option(arguments *parsed, const catalog_option *option, const char *value, const char *next,
                       bool *taken)
{
    *taken = false;
    if (!value && option->boolean && is_truth(next) && !option->own) {
        value = next;
        *taken = true;
    } else if (!value && option->boolean) {
        value = "true";
    } else if (!value) {
        if (!next)
            return complain(CODE_USAGE, "option --%s needs a value: %s", option->name, option->argument);
        value = next;
        *taken = true;
    }
    if (option->own && option->boolean && !is_truth(value))
        return complain(CODE_USAGE, "option --%s: \"%s\" is not true or false", option->name, value);
    add_assignment(&parsed->flags, &parsed->flag_count, option->name, value, NULL);
    return CODE_DONE;
}

/* word starts with "--" */
static int take_long(arguments *parsed, const char *word, const char *next, bool *taken)
{
    const char *equals = strchr(word, '=');
    char *name = equals ? strndup(word + 2, (size_t)(equals - word - 2)) : strdup(word + 2);
    const catalog_option *option = catalog_find(&parsed->catalog, name);
    const catalog_option *opposite = option ? NULL : negated(&parsed->catalog, name);
    int code;
    *taken = false;
    if (option)
        code = take_option(parsed, option, equals ? equals + 1 : NULL, next, taken);
    else if (opposite && equals)
        code = complain(CODE_USAGE, "option --%s takes no value", name);
    else if (opposite)
        code = take_option(parsed, opposite, "false", NULL, taken);
    else
        code = unknown_option(parsed, name, NULL);
    free(name);
    return code;
}

/* word is "-x", "-xVALUE" or, for booleans, "-xy" */
static int take_short(arguments *parsed, const char *word, const char *next, bool *taken)
{
    *taken = false;
    for (const char *letter = word + 1; *letter; letter++) {
        const catalog_option *option = catalog_find_letter(&parsed->catalog, *letter);
        if (!option)
            return complain(CODE_USAGE, "unknown option -%c; \"topn %s --help\" lists them", *letter,
                            parsed->command->name);
        const char *glued = !option->boolean && letter[1] ? letter + 1 : NULL;
        const int code = take_option(parsed, option, glued, option->boolean ? NULL : next, taken);
        if (code != CODE_DONE || !option->boolean)
            return code;
    }
    return CODE_DONE;
}

/* Visitor of the options file. */
static topn_status take_from_file(topn_context *context, const char *key, const char *value, void *user_data)
{
    (void)context;
    arguments *parsed = user_data;
    const catalog_option *option = catalog_find(&parsed->catalog, key);
    const char *path = arguments_value(parsed, "options");
    if (!option || strcmp(key, "options") == 0 || strcmp(key, "help") == 0) {
        unknown_option(parsed, key, path);
        return TOPN_ERROR_OPTION;
    }
    if (option->own && option->boolean && !is_truth(value)) {
        complain(CODE_USAGE, "%s: option %s: \"%s\" is not true or false", path, key, value);
        return TOPN_ERROR_OPTION;
    }
    add_assignment(&parsed->presets, &parsed->preset_count, option->name, value, path);
    return TOPN_OK;
}

static int read_option_file(topn_context *context, arguments *parsed)
{
    const char *path = arguments_value(parsed, "options");
    if (!path)
        return CODE_DONE;
    const topn_status status = topn_options_file(context, path, take_from_file, parsed);
    if (status == TOPN_ERROR_OPTION)
        return CODE_USAGE; /* the visitor has said why */
    return status == TOPN_OK ? CODE_DONE : complain(CODE_FAILED, "%s", topn_context_message(context));
}

static int check_operands(const arguments *parsed)
{
    const struct command *command = parsed->command;
    if (parsed->operand_count >= command->minimum_operands && parsed->operand_count <= command->maximum_operands)
        return CODE_DONE;
    const char *end = strchr(command->usage, '\n');
    const int length = end ? (int)(end - command->usage) : (int)strlen(command->usage);
    if (parsed->operand_count > command->maximum_operands)
        return complain(CODE_USAGE, "too many arguments from \"%s\" on; usage: topn %s %.*s",
                        parsed->operands[command->maximum_operands], command->name, length, command->usage);
    return complain(CODE_USAGE, "missing argument; usage: topn %s %.*s", command->name, length, command->usage);
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int arguments_parse(topn_context *context, const struct command *command, int argc, char **argv, arguments *out)
{
    *out = (arguments){.command = command};
    out->operands = need_memory((size_t)argc + 1, sizeof *out->operands);
    int code;
    bool options_ended = false;
    STEP(catalog_create(context, command, &out->catalog));
    out->help = asks_help(argc, argv);
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool taken = false;
        if (options_ended || word[0] != '-' || !word[1])
            out->operands[out->operand_count++] = word;
        else if (strcmp(word, "--") == 0)
            options_ended = true;
        else if (!out->help)
            STEP(word[1] == '-' ? take_long(out, word, next, &taken) : take_short(out, word, next, &taken));
        i += taken;
    }
    if (!out->help) {
        STEP(read_option_file(context, out));
        STEP(check_operands(out));
    }
done:
    return code;
}

bool arguments_preset(arguments *parsed, const char *name, const char *value, const char *origin)
{
    const catalog_option *option = catalog_find(&parsed->catalog, name);
    if (!option)
        return false;
    add_assignment(&parsed->presets, &parsed->preset_count, option->name, value, origin);
    const assignment weakest = parsed->presets[parsed->preset_count - 1];
    memmove(parsed->presets + 1, parsed->presets, (parsed->preset_count - 1) * sizeof weakest);
    parsed->presets[0] = weakest;
    return true;
}

const char *arguments_value(const arguments *parsed, const char *name)
{
    for (size_t i = parsed->flag_count; i-- > 0;)
        if (strcmp(parsed->flags[i].name, name) == 0)
            return parsed->flags[i].value;
    for (size_t i = parsed->preset_count; i-- > 0;)
        if (strcmp(parsed->presets[i].name, name) == 0)
            return parsed->presets[i].value;
    const catalog_option *option = catalog_find(&parsed->catalog, name);
    return option && option->standard[0] ? option->standard : NULL;
}

void arguments_clear(arguments *parsed)
{
    for (size_t i = 0; i < parsed->flag_count; i++)
        free(parsed->flags[i].value);
    for (size_t i = 0; i < parsed->preset_count; i++)
        free(parsed->presets[i].value);
    free(parsed->flags);
    free(parsed->presets);
    free(parsed->operands);
    catalog_clear(&parsed->catalog);
    *parsed = (arguments){0};
}
