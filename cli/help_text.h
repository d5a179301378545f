/* SPDX-License-Identifier: Apache-2.0
 *
 * Help texts, all made from the commands and the option tables.
 */
#ifndef TOPN_CLI_HELP_TEXT_H
#define TOPN_CLI_HELP_TEXT_H

#include <stdio.h>

#include "catalog.h"

void help_overview(FILE *file);
/* Help of one command on standard output. Words that name an entry ("chol") leave the options of other entries out. */
int help_command(topn_context *context, const struct command *command, size_t word_count, const char *const *words);
/* One line with the nearest command; returns the exit code. */
int help_unknown_command(const char *name);
/* Summary of a registry entry; "" when there is none. `source` may be NULL. */
const char *help_entry_summary(topn_kind kind, const char *name, const char **source);
/* Whether one of the words is an entry of that kind. */
bool help_names_entry(topn_kind kind, size_t word_count, const char *const *words);
/* Prints `text` broken at words, `indent` blanks before each line but the first, which starts at `column`. */
void help_wrap(FILE *file, const char *text, size_t indent, size_t column);

#endif
