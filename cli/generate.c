/* SPDX-License-Identifier: Apache-2.0 */

#include "session.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "", "file to write (required)"},
    {"text", 0, NULL, "", "write tab-separated text with a header in place of the binary form"},
};

static int run(struct session *session)
{
    topn_data *data = NULL;
    const char *output;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_required(session, "output", &output));
    STEP(session_output_check(output));
    STEP(session_check(session, topn_data_generate(session->context, session->options[TOPN_KIND_GENERATOR], &data)));
    STEP(session_save_data(session, data, output));
done:
    topn_data_free(data);
    return code;
}

const struct command command_generate = {
    .name = "generate",
    .summary = "make data with the size and look of a published data set",
    .usage = "-o FILE [--like NAME] [--scale X] [--users N] [--items N] [--events N] [--seed N]",
    .description =
        "Makes events with exactly the published numbers of users, items and events, or those given, and with history "
        "lengths, popularity and co-occurrence like theirs (docs/generating.md): for trials at a size whose real files "
        "are not at hand. The same --seed gives the same data. They are written in the binary form that every command "
        "reads or, with --text, as tab-separated text.",
    .example = "topn generate --like ml20m -o made.safetensors\n"
               "topn generate --like msd --items 1000000 --users 2000000 --events 40000000 -o wide.safetensors",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_GENERATOR),
    .run = run,
};
