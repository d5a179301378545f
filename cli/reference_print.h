/* SPDX-License-Identifier: Apache-2.0
 *
 * Reference material on standard output. `only` limits scdoc and markdown to one command; NULL: all.
 */
#ifndef TOPN_CLI_REFERENCE_PRINT_H
#define TOPN_CLI_REFERENCE_PRINT_H

#include "catalog.h"

/* Returns an exit code. */
typedef int reference_printer(topn_context *context, const struct command *only);
reference_printer reference_scdoc, reference_markdown, reference_bash, reference_zsh;

#endif
