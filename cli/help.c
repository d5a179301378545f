/* SPDX-License-Identifier: Apache-2.0 */
#include "help_text.h"
#include "session.h"

static int run(struct session *session)
{
    const char *name = session_operand(session, 0);
    if (!name) {
        help_overview(stdout);
        return CODE_DONE;
    }
    const struct command *wanted = command_find(name);
    if (!wanted)
        return help_unknown_command(name);
    return help_command(session->context, wanted, session->arguments.operand_count - 1,
                        session->arguments.operands + 1);
}

const struct command command_help = {
    .name = "help",
    .summary = "explain a command",
    .usage = "[COMMAND [METHOD]]",
    .description = "Without an argument it lists the commands; with one it prints what \"topn COMMAND --help\" prints.",
    .example = "topn help train chol",
    .maximum_operands = 2,
    .run = run,
};
