/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "preset.h"
#include "session.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "", "file to write (required)"},
    {"text", 0, NULL, "", "write tab-separated text with a header in place of the binary form"},
    PRESET_OPTIONS,
};

static int run(struct session *session)
{
    topn_data *data = NULL;
    const char *output;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_required(session, "output", &output));
    STEP(session_output_check(output));
    STEP(session_read(session, session_operand(session, 0), NULL, &data));
    if (topn_data_events(data) == 0)
        STEP(complain(CODE_FAILED, "%s: no events are left; \"topn describe\" with the same options says why",
                      session_operand(session, 0)));
    STEP(preset_expect(session, "expect", session_operand(session, 0), "after the filters", preset_counts(data)));
    STEP(session_save_data(session, data, output));
done:
    topn_data_free(data);
    return code;
}

const struct command command_import = {
    .name = "import",
    .summary = "convert events to the binary form that every command reads at once",
    .usage = "DATA -o FILE [--preset NAME] [reader options]",
    .description =
        "Reads events, applies the reader's filters, and writes them as one .safetensors file (FORMAT.md) that "
        "every command takes in place of text. With --text it writes tab-separated text instead.",
    .example = "topn import ratings.csv.gz -o ratings.safetensors --titles films.csv\n"
               "zcat log.csv.gz | topn import - -o log.safetensors",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER),
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
