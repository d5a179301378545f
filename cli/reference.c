/* SPDX-License-Identifier: Apache-2.0
 *
 * The program's own reference, printed from the commands and the option tables: man pages (scdoc), docs/reference.md,
 * completions for bash and zsh. The build and the install rules call it.
 */
#include <string.h>

#include "help_text.h"
#include "reference_print.h"
#include "session.h"

static const own_option own_options[] = {
    {"format", 0, "scdoc|markdown|bash|zsh", "markdown", "what to print"},
};

static int run(struct session *session)
{
    static const struct {
        const char *name;
        reference_printer *print;
    } printers[] = {
        {"scdoc", reference_scdoc}, {"markdown", reference_markdown}, {"bash", reference_bash}, {"zsh", reference_zsh}};
    const char *name = session_operand(session, 0), *format = session_value(session, "format");
    const struct command *only = name ? command_find(name) : NULL;
    if (name && !only)
        return help_unknown_command(name);
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++)
        if (strcmp(printers[i].name, format) == 0)
            return printers[i].print(session->context, only);
    return complain(CODE_USAGE, "option --format: \"%s\" is not scdoc, markdown, bash or zsh", format);
}

const struct command command_reference = {
    .name = "reference",
    .summary = "print man pages, the option reference or shell completions",
    .usage = "[COMMAND] --format scdoc|markdown|bash|zsh",
    .description = "Prints reference material made from the option tables. With --format scdoc: the page topn(1), or "
                   "topn-COMMAND(1) when a command is named.",
    .example = "topn reference train --format scdoc | scdoc > topn-train.1\n"
               "topn reference --format bash > /etc/bash_completion.d/topn",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .hidden = true,
    .maximum_operands = 1,
    .run = run,
};
