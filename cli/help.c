/* SPDX-License-Identifier: Apache-2.0 */
#include "help_text.h"
#include "session.h"

/* "chol" in "help train chol" must be an entry of what the command chooses among. */
static int check_entry(const struct command *command, const char *word)
{
    for (size_t i = 0; catalog_kind_at(i) < TOPN_KIND_COUNT; i++) {
        const topn_kind kind = catalog_kind_at(i);
        if (!(command->kinds & KIND_BIT(kind)) || !catalog_kind_chooses(kind))
            continue;
        if (help_names_entry(kind, 1, &word))
            return CODE_DONE;
    }
    return complain(CODE_USAGE, "%s has no \"%s\"; \"topn help %s\" lists what there is", command->name, word,
                    command->name);
}

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
    const char *entry = session_operand(session, 1);
    if (entry && check_entry(wanted, entry) != CODE_DONE)
        return CODE_USAGE;
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
