/* SPDX-License-Identifier: Apache-2.0 */
#include "help_text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "complain.h"
#include "text.h"

enum { HELP_COLUMN = 30, NARROWEST = 60, WIDEST = 110 };

static size_t line_width(void)
{
    static size_t width;
    struct winsize size;
    if (width)
        return width;
    width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 90;
    width = width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : width;
    return width;
}

void help_wrap(FILE *file, const char *text, size_t indent, size_t column)
{
    bool first = true;
    while (*text) {
        const size_t length = strcspn(text, " \n");
        char *word = strndup(text, length);
        const size_t width = word ? text_width(word) : length;
        if (!first && column + 1 + width > line_width()) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        fprintf(file, "%s%.*s", first ? "" : " ", (int)length, text);
        column += width + !first;
        first = false;
        text += length;
        if (*text == '\n') {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
            first = true;
        }
        text += *text != '\0';
        free(word);
    }
    fputc('\n', file);
}

void help_overview(FILE *file)
{
    fputs("Usage: topn COMMAND [arguments] [options]\n\nRecommends items from implicit feedback: who bought, played or "
          "rated what.\n\nCommands:\n",
          file);
    for (size_t i = 0; command_at(i); i++)
        if (!command_at(i)->hidden)
            fprintf(file, "  %-12s %s\n", command_at(i)->name, command_at(i)->summary);
    fputs("\nA first session:\n"
          "  topn describe events.csv\n"
          "  topn split events.csv --protocol strong -o split\n"
          "  topn train ease split/train.tsv -o ease.safetensors\n"
          "  topn evaluate ease.safetensors --split split/test\n"
          "  topn recommend ease.safetensors --history \"ID,ID\" -n 10\n"
          "\n\"topn COMMAND --help\" explains a command, \"topn train METHOD --help\" a method.\n",
          file);
}

int help_unknown_command(const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; command_at(i) && count < 64; i++)
        if (!command_at(i)->hidden)
            names[count++] = command_at(i)->name;
    const char *near = nearest(name, names, count);
    const char *what = name[0] == '-' ? "option" : "command";
    return complain(CODE_USAGE, "unknown %s %s%s%s%s; \"topn --help\" lists the commands", what, name,
                    near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

const char *help_entry_summary(topn_kind kind, const char *name, const char **source)
{
    topn_entry entry;
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++)
        if (strcmp(entry.name, name) == 0) {
            if (source)
                *source = entry.source ? entry.source : "";
            return entry.summary;
        }
    return "";
}

static void print_option(const catalog_option *option)
{
    char head[256];
    const bool negatable = option->boolean && !option->own;
    if (option->letter)
        snprintf(head, sizeof head, "  -%c, --%s%s%s", option->letter, option->name, option->boolean ? "" : " ",
                 option->argument);
    else
        snprintf(head, sizeof head, "  --%s%s%s%s", negatable ? "[no-]" : "", option->name, option->boolean ? "" : " ",
                 option->argument);
    const size_t width = text_width(head);
    printf("%s", head);
    if (width + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", (int)(HELP_COLUMN - width), "");
    char text[1024];
    const bool bounds =
        option->bounds[0] && !option->boolean && option->type != TOPN_OPTION_CHOICE && option->type != TOPN_OPTION_SIZE;
    const bool standard = option->standard[0] && !(option->own && option->boolean);
    const bool search = option->search[0];
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s%s%s%s", option->help, standard || bounds || search ? " (" : "",
             standard ? "default " : "", standard ? option->standard : "", standard && bounds ? "; " : "",
             bounds ? option->bounds : "", search && (standard || bounds) ? "; " : "", search ? "tuned over " : "",
             option->search, standard || bounds || search ? ")" : "");
    help_wrap(stdout, text, HELP_COLUMN, HELP_COLUMN);
}

bool help_names_entry(topn_kind kind, size_t word_count, const char *const *words)
{
    for (size_t i = 0; i < word_count; i++)
        if (help_entry_summary(kind, words[i], NULL)[0])
            return true;
    return false;
}

/* Entries that the words name: true for `entry` when none of its kind is named, or it is. */
static bool wanted(topn_kind kind, const char *entry, size_t word_count, const char *const *words)
{
    if (!catalog_kind_chooses(kind) || !help_names_entry(kind, word_count, words))
        return true;
    for (size_t i = 0; i < word_count; i++)
        if (strcmp(words[i], entry) == 0)
            return true;
    return false;
}

static void print_heading(topn_kind kind, const char *entry)
{
    if (!catalog_kind_chooses(kind)) {
        printf("\n%s:\n", catalog_kind_title(kind));
        return;
    }
    const char *source = "";
    const char *summary = help_entry_summary(kind, entry, &source);
    printf("\n%s %s: ", catalog_kind_title(kind), entry);
    help_wrap(stdout, summary, 2, strlen(entry) + strlen(catalog_kind_title(kind)) + 3);
    if (*source)
        printf("  (%s)\n", source);
}

/* Names of a registry with summaries, such as the metrics. */
static void print_entries(const char *title, topn_kind kind)
{
    topn_entry entry;
    printf("\n%s:\n", title);
    for (size_t i = 0; topn_registry_entry(kind, i, &entry); i++) {
        printf("  %-24s ", entry.name);
        help_wrap(stdout, entry.summary, 27, 27);
    }
}

static void print_library_options(const struct command *command, const catalog *list, size_t word_count,
                                  const char *const *words)
{
    topn_entry entry;
    for (size_t k = 0; catalog_kind_at(k) < TOPN_KIND_COUNT; k++) {
        const topn_kind kind = catalog_kind_at(k);
        const bool shown = (command->kinds | KIND_BIT(TOPN_KIND_CONTEXT)) & KIND_BIT(kind);
        if (shown && kind == TOPN_KIND_METHOD && !help_names_entry(kind, word_count, words)) {
            print_entries("Methods (\"topn train METHOD --help\" lists the options of one)", kind);
            continue;
        }
        for (size_t i = 0; shown && catalog_offers(command, kind, i) && topn_registry_entry(kind, i, &entry); i++) {
            bool headed = catalog_kind_chooses(kind) && wanted(kind, entry.name, word_count, words);
            if (headed)
                print_heading(kind, entry.name);
            for (size_t j = 0; j < list->count; j++) {
                const catalog_option *option = &list->options[j];
                if (option->own || option->kind != kind || strcmp(option->entry, entry.name) != 0 ||
                    !wanted(kind, entry.name, word_count, words))
                    continue;
                if (!headed)
                    print_heading(kind, entry.name);
                headed = true;
                print_option(option);
            }
        }
    }
    if (command->kinds == KIND_BIT(TOPN_KIND_READER))
        print_entries("Formats of data files", TOPN_KIND_FORMAT);
    if (command->kinds & KIND_BIT(TOPN_KIND_EVALUATION) && command->results)
        print_entries("Metrics", TOPN_KIND_METRIC);
}

static void print_indented(const char *text)
{
    for (const char *line = text; *line;) {
        const size_t length = strcspn(line, "\n");
        printf("  %.*s\n", (int)length, line);
        line += length + (line[length] != '\0');
    }
}

int help_command(topn_context *context, const struct command *command, size_t word_count, const char *const *words)
{
    catalog list;
    const int code = catalog_create(context, command, &list);
    if (code != CODE_DONE)
        return code;
    const char *line = command->usage;
    for (const char *head = "Usage:"; line; head = "      ") {
        const size_t length = strcspn(line, "\n");
        printf("%s topn %s%s%.*s\n", head, command->name, length ? " " : "", (int)length, line);
        line = line[length] ? line + length + 1 : NULL;
    }
    putchar('\n');
    help_wrap(stdout, command->description, 0, 0);
    if (command->example[0]) {
        printf("\nExamples:\n");
        print_indented(command->example);
    }
    printf("\nOptions:\n");
    for (size_t i = 0; i < list.count; i++)
        if (list.options[i].own)
            print_option(&list.options[i]);
    print_library_options(command, &list, word_count, words);
    catalog_clear(&list);
    return CODE_DONE;
}
