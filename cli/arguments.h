/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line against the option tables: `--name value`, `--name=value`, a boolean bare or as --no-name, -o, -n,
 * -q, -h; "--" ends the options. An options file (YAML) comes before flags, a recorded training before the file.
 */
#ifndef TOPN_CLI_ARGUMENTS_H
#define TOPN_CLI_ARGUMENTS_H

#include "catalog.h"
#include "table.h"

typedef struct assignment {
    const char *name; /* of a catalog option */
    char *value;
    const char *origin; /* options file or recorded model; NULL for a flag */
} assignment;

typedef struct arguments {
    const struct command *command;
    catalog catalog;
    assignment *flags; /* [flag_count] in order */
    size_t flag_count;
    assignment *presets; /* [preset_count] what the options file and a recorded training set, weakest first */
    size_t preset_count;
    const char **operands; /* [operand_count] */
    size_t operand_count;
    bool help;
} arguments;

/* Splits argv into flags and operands; reads the file of --options into presets. Returns an exit code. */
int arguments_parse(topn_context *context, const struct command *command, int argc, char **argv, arguments *out);
/* Adds a preset weaker than all there are. Unknown names are left out and return false. */
bool arguments_preset(arguments *arguments, const char *name, const char *value, const char *origin);
/* Last value given to an option: flags, then presets, then its default; NULL when it has none. */
const char *arguments_value(const arguments *arguments, const char *name);
void arguments_clear(arguments *arguments);

#endif
