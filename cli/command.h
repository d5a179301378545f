/* SPDX-License-Identifier: Apache-2.0
 *
 * A command is one file that exports one descriptor; commands.def lists them. What a command takes is declared here
 * and in the library's option tables; the parser, --help, the man pages and the shell completions all read that.
 */
#ifndef TOPN_CLI_COMMAND_H
#define TOPN_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <topn/topn.h>

/* An option of the program itself, beside those of the library's tables. */
typedef struct own_option {
    const char *name;
    char letter;          /* 'o' for -o, or 0 */
    const char *argument; /* "FILE"; NULL: a boolean */
    const char *standard; /* default as text, or "" */
    const char *help;
} own_option;

struct session;

#define KIND_BIT(kind) (1u << (kind))

struct command {
    const char *name, *summary;
    const char *usage;         /* what follows "topn NAME", one form a line */
    const char *description;   /* paragraphs, an empty line between them */
    const char *example;       /* command lines, one a line */
    const own_option *options; /* [option_count] */
    size_t option_count;
    unsigned kinds;       /* library tables it takes: KIND_BIT(TOPN_KIND_READER) | … */
    const char *selector; /* own option that names the entry of SPLIT, EXPORT or RETRIEVER (NULL there: exact) */
    bool results;         /* prints results: takes --output-format */
    bool hidden;          /* not listed in help */
    size_t minimum_operands, maximum_operands;
    int (*run)(struct session *); /* returns an exit code */
};

/* NULL past the end. */
const struct command *command_at(size_t index);
const struct command *command_find(const char *name);

#endif
