/* SPDX-License-Identifier: Apache-2.0 */
#include "reference_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "complain.h"
#include "help_text.h"

/* ---- man pages ---- */

/* Text with the characters that scdoc reads as markup escaped. */
static void scdoc_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("\\_*`[]#", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void scdoc_option(const catalog_option *option)
{
    if (option->letter)
        printf("*-%c*, ", option->letter);
    printf("*--%s", option->boolean && !option->own ? "\\[no-]" : "");
    scdoc_text(option->name);
    printf("*");
    if (option->argument[0]) {
        printf(" _");
        scdoc_text(option->argument);
        printf("_");
    }
    printf("\n\t");
    scdoc_text(option->help);
    if (option->standard[0] && !(option->own && option->boolean)) {
        printf(". Default: ");
        scdoc_text(option->standard);
    }
    if (option->bounds[0] && !option->boolean && option->type != TOPN_OPTION_CHOICE) {
        printf(". Bounds: ");
        scdoc_text(option->bounds);
    }
    if (option->search[0]) {
        printf(". Tuned over: ");
        scdoc_text(option->search);
    }
    printf("\n\n");
}

static bool same_section(const catalog_option *a, const catalog_option *b)
{
    if (a->own != b->own)
        return false;
    return a->own || (a->kind == b->kind && strcmp(a->entry, b->entry) == 0);
}

static void scdoc_heading(const catalog_option *option)
{
    if (option->own)
        printf("## General\n\n");
    else if (!catalog_kind_chooses(option->kind))
        printf("## %s\n\n", catalog_kind_title(option->kind));
    else {
        printf("## %s %s\n\n", catalog_kind_title(option->kind), option->entry);
        scdoc_text(help_entry_summary(option->kind, option->entry, NULL));
        printf(".\n\n");
    }
}

static void scdoc_lines(const char *prefix, const char *text)
{
    for (const char *line = text; line && *line;) {
        const size_t length = strcspn(line, "\n");
        char *copy = need_format("%s%.*s", prefix, (int)length, line);
        printf("\t%s\n", copy);
        free(copy);
        line = line[length] ? line + length + 1 : NULL;
    }
}

static int scdoc_command(topn_context *context, const struct command *command)
{
    catalog list;
    char *prefix = need_format("topn %s ", command->name);
    const int code = catalog_create(context, command, &list);
    if (code != CODE_DONE)
        return code;
    printf("topn-%s(1)\n\n# NAME\n\ntopn-%s - ", command->name, command->name);
    scdoc_text(command->summary);
    printf("\n\n# SYNOPSIS\n\n```\n");
    scdoc_lines(prefix, command->usage);
    printf("```\n\n# DESCRIPTION\n\n");
    scdoc_text(command->description);
    printf("\n\n# OPTIONS\n\n");
    for (size_t i = 0; i < list.count; i++) {
        if (i == 0 || !same_section(&list.options[i], &list.options[i - 1]))
            scdoc_heading(&list.options[i]);
        scdoc_option(&list.options[i]);
    }
    printf("# EXAMPLES\n\n```\n");
    scdoc_lines("", command->example);
    printf("```\n\n# SEE ALSO\n\n*topn*(1)\n");
    catalog_clear(&list);
    free(prefix);
    return CODE_DONE;
}

static void scdoc_overview(void)
{
    printf(
        "topn(1)\n\n# NAME\n\ntopn - item recommendation from implicit feedback\n\n# SYNOPSIS\n\n"
        "*topn* _COMMAND_ [arguments] [options]\n\n# DESCRIPTION\n\n"
        "topn trains, evaluates and queries models that recommend items to users from what users did: bought, played, "
        "rated. Results go to standard output, everything else to standard error.\n\n# COMMANDS\n\n");
    for (size_t i = 0; command_at(i); i++) {
        if (command_at(i)->hidden)
            continue;
        printf("*topn-%s*(1)\n\t", command_at(i)->name);
        scdoc_text(command_at(i)->summary);
        printf("\n\n");
    }
    printf("# EXIT STATUS\n\n*0*\n\tdone\n\n*1*\n\tfailed; one line on standard error says why\n\n"
           "*2*\n\twrong usage: an unknown command, option or value\n\n*130*\n\tcancelled by SIGINT or SIGTERM\n\n"
           "# ENVIRONMENT\n\n*NO\\_COLOR*\n\tno colour, whatever the terminal\n\n"
           "*OMP\\_WAIT\\_POLICY*\n\tset to passive when unset, so that idle threads do not spin\n");
}

int reference_scdoc(topn_context *context, const struct command *only)
{
    if (only)
        return scdoc_command(context, only);
    scdoc_overview();
    return CODE_DONE;
}

/* ---- docs/reference.md ---- */

/* Text in a table cell: '|' ends a cell, '<' opens a tag. */
static void markdown_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<')
            putchar('\\');
        putchar(*text);
    }
}

static void markdown_option(const catalog_option *option)
{
    printf("| `--");
    markdown_text(option->name);
    if (option->letter)
        printf("`, `-%c", option->letter);
    printf("` | ");
    markdown_text(option->own && option->boolean ? "" : option->standard);
    printf(" | ");
    markdown_text(option->bounds[0] ? option->bounds : option->argument);
    printf(" | ");
    markdown_text(option->help);
    if (option->search[0]) {
        printf("; tuned over ");
        markdown_text(option->search);
    }
    printf(" |\n");
}

static void markdown_heading(const catalog_option *option)
{
    if (option->own)
        printf("\n**General**\n");
    else if (!catalog_kind_chooses(option->kind))
        printf("\n**%s**\n", catalog_kind_title(option->kind));
    else
        printf("\n**%s `%s`**: %s\n", catalog_kind_title(option->kind), option->entry,
               help_entry_summary(option->kind, option->entry, NULL));
    printf("\n| option | default | values | meaning |\n|---|---|---|---|\n");
}

static int markdown_command(topn_context *context, const struct command *command)
{
    catalog list;
    const int code = catalog_create(context, command, &list);
    if (code != CODE_DONE)
        return code;
    printf("\n## topn %s\n\n```\n", command->name);
    for (const char *line = command->usage; line;) {
        const size_t length = strcspn(line, "\n");
        printf("topn %s %.*s\n", command->name, (int)length, line);
        line = line[length] ? line + length + 1 : NULL;
    }
    printf("```\n\n%s\n\n```\n%s\n```\n", command->description, command->example);
    for (size_t i = 0; i < list.count; i++) {
        const catalog_option *option = &list.options[i];
        if (i == 0 || !same_section(option, option - 1))
            markdown_heading(option);
        markdown_option(option);
    }
    catalog_clear(&list);
    return CODE_DONE;
}

static void markdown_registry(const char *title, topn_kind kind)
{
    topn_entry entry;
    printf("\n## %s\n\n| name | meaning | source |\n|---|---|---|\n", title);
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++) {
        printf("| `%s` | ", entry.name);
        markdown_text(entry.summary);
        printf(" | ");
        markdown_text(entry.source ? entry.source : "");
        printf(" |\n");
    }
}

int reference_markdown(topn_context *context, const struct command *only)
{
    int code = CODE_DONE;
    if (only)
        return markdown_command(context, only);
    printf(
        "# Reference\n\nPrinted by `topn reference --format markdown` from the option tables; do not edit.\n\n"
        "Options are written `--name value` or `--name=value`, booleans bare or as `--no-name`. `--options FILE` reads "
        "them from a YAML file; flags win over it. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 cancelled.\n");
    for (size_t i = 0; command_at(i) && code == CODE_DONE; i++)
        if (!command_at(i)->hidden)
            code = markdown_command(context, command_at(i));
    markdown_registry("Formats of data files", TOPN_KIND_FORMAT);
    markdown_registry("Metrics", TOPN_KIND_METRIC);
    return code;
}

/* ---- completions ---- */

/* Calls visit for every option name of the command once. */
static void each_option(const catalog *list, void (*visit)(const catalog_option *))
{
    for (size_t i = 0; i < list->count; i++)
        if (catalog_find(list, list->options[i].name) == &list->options[i])
            visit(&list->options[i]);
}

static void print_flag(const catalog_option *option)
{
    printf(" --%s", option->name);
}

static void print_names(topn_kind kind)
{
    topn_entry entry;
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++)
        printf("%s%s", i ? " " : "", entry.name);
}

/* Values that an option may take, blank-separated; nothing when they cannot be listed. */
static void print_values(const catalog_option *option)
{
    const char *list = option->own ? option->argument : option->bounds;
    if (strcmp(option->name, "protocol") == 0)
        print_names(TOPN_KIND_SPLIT);
    else if (strcmp(option->name, "to") == 0)
        print_names(TOPN_KIND_EXPORT);
    else if (strcmp(option->name, "input-format") == 0 || strcmp(option->name, "candidates-format") == 0)
        print_names(TOPN_KIND_FORMAT);
    else if (strcmp(option->name, "format") == 0 && !option->own) {
        print_names(TOPN_KIND_FORMAT);
        printf(" table json csv");
    } else if (strchr(list, '|') && (option->own || option->type == TOPN_OPTION_CHOICE))
        for (; *list; list++)
            putchar(*list == '|' ? ' ' : *list);
}

static void bash_values(const catalog_option *option)
{
    const char *list = option->own ? option->argument : option->bounds;
    const bool listed = strchr(list, '|') || strcmp(option->name, "protocol") == 0 || strcmp(option->name, "to") == 0 ||
                        strstr(option->name, "format");
    if (!listed || option->boolean)
        return;
    printf("        --%s) words=\"", option->name);
    print_values(option);
    printf("\" ;;\n");
}

static int bash_command(topn_context *context, const struct command *command)
{
    catalog list;
    const int code = catalog_create(context, command, &list);
    if (code != CODE_DONE)
        return code;
    printf("    %s)\n        case $previous in\n", command->name);
    each_option(&list, bash_values);
    printf("        *)\n            case $current in\n            -*) words=\"");
    each_option(&list, print_flag);
    printf("\" ;;\n");
    if (command->kinds & KIND_BIT(TOPN_KIND_METHOD)) {
        printf("            *) [ \"$COMP_CWORD\" -eq 2 ] && words=\"");
        print_names(TOPN_KIND_METHOD);
        printf("\" ;;\n");
    }
    printf("            esac ;;\n        esac ;;\n");
    catalog_clear(&list);
    return CODE_DONE;
}

static void print_commands(void)
{
    for (size_t i = 0; command_at(i); i++)
        if (!command_at(i)->hidden)
            printf("%s%s", i ? " " : "", command_at(i)->name);
}

int reference_bash(topn_context *context, const struct command *only)
{
    (void)only;
    int code = CODE_DONE;
    printf("# bash completion for topn, printed by `topn reference --format bash`\n_topn()\n{\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W \"");
    print_commands();
    printf(" --help --version\" -- \"$current\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n    help) "
           "words=\"");
    print_commands();
    printf("\" ;;\n");
    for (size_t i = 0; command_at(i) && code == CODE_DONE; i++)
        if (!command_at(i)->hidden && strcmp(command_at(i)->name, "help") != 0)
            code = bash_command(context, command_at(i));
    printf("    esac\n    if [ -n \"$words\" ]; then\n        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
           "    else\n        COMPREPLY=($(compgen -f -- \"$current\"))\n    fi\n}\n"
           "complete -o filenames -o bashdefault -F _topn topn\n");
    return code;
}

/* Text between single quotes and brackets of _arguments. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr("[]:\\", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void zsh_option(const catalog_option *option)
{
    printf("            '--%s%s[", option->name, option->boolean ? "" : "=");
    zsh_text(option->help);
    printf("]");
    if (!option->boolean) {
        printf(":");
        zsh_text(option->own ? option->name : option->argument);
        printf(":");
        const char *list = option->own ? option->argument : option->bounds;
        if (strchr(list, '|') || strcmp(option->name, "protocol") == 0 || strcmp(option->name, "to") == 0 ||
            strstr(option->name, "format")) {
            printf("(");
            print_values(option);
            printf(")");
        } else if (option->own || strstr(option->name, "file") || strcmp(option->name, "titles") == 0) {
            printf("_files");
        }
    }
    printf("' \\\n");
}

static int zsh_command(topn_context *context, const struct command *command)
{
    catalog list;
    const int code = catalog_create(context, command, &list);
    if (code != CODE_DONE)
        return code;
    printf("    %s)\n        _arguments \\\n", command->name);
    each_option(&list, zsh_option);
    if (command->kinds & KIND_BIT(TOPN_KIND_METHOD)) {
        printf("            '1:method:(");
        print_names(TOPN_KIND_METHOD);
        printf(")' \\\n");
    }
    printf("            '*:file:_files' ;;\n");
    catalog_clear(&list);
    return CODE_DONE;
}

int reference_zsh(topn_context *context, const struct command *only)
{
    (void)only;
    int code = CODE_DONE;
    printf("#compdef topn\n# zsh completion for topn, printed by `topn reference --format zsh`\n_topn() {\n"
           "    local -a commands=(\n");
    for (size_t i = 0; command_at(i); i++)
        if (!command_at(i)->hidden) {
            printf("        '%s:", command_at(i)->name);
            zsh_text(command_at(i)->summary);
            printf("'\n");
        }
    printf("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
           "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (size_t i = 0; command_at(i) && code == CODE_DONE; i++)
        if (!command_at(i)->hidden)
            code = zsh_command(context, command_at(i));
    printf("    esac\n}\n_topn \"$@\"\n");
    return code;
}
