/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "progress.h"
#include "session.h"

static const own_option own_options[] = {
    {"k", 0, "NUMBER", "", "numbers kept an item, largest magnitudes first (required)"},
    {"mode", 0, "row|global|item", "row",
     "k in each row of the table; k·N of the whole table; or k in each column of an items × items table"},
    {"output", 'o', "FILE", "", "model file to write (required)"},
};

static int choose_mode(const char *text, topn_prune_mode *out)
{
    static const char *const names[] = {"row", "global", "item"};
    for (int mode = 0; mode < 3; mode++)
        if (strcmp(text, names[mode]) == 0) {
            *out = (topn_prune_mode)mode;
            return CODE_DONE;
        }
    return complain(CODE_USAGE, "option --mode: \"%s\" is not row, global or item", text);
}

static int run(struct session *session)
{
    topn_model *model = NULL, *pruned = NULL;
    topn_prune_mode mode = TOPN_PRUNE_ROW;
    const char *required, *output;
    size_t k;
    int code;
    STEP(session_required(session, "k", &required));
    STEP(session_count(session, "k", 1, UINT32_MAX, &k));
    STEP(choose_mode(session_value(session, "mode"), &mode));
    STEP(session_apply(session, NULL));
    STEP(session_required(session, "output", &output));
    STEP(session_output_check(output));
    STEP(session_load(session, session_operand(session, 0), &model));
    STEP(session_check(session, topn_model_prune(session->context, model, (uint32_t)k, mode, &pruned)));
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled before %s was written", output));
    STEP(session_check(session, topn_model_save(session->context, pruned, output)));
    inform("%s: %s with %zu numbers an item", output, session_operand(session, 0), k);
done:
    topn_model_free(pruned);
    topn_model_free(model);
    return code;
}

const struct command command_prune = {
    .name = "prune",
    .summary = "keep the largest numbers of a model's table",
    .usage = "MODEL --k NUMBER -o NEW [--mode row|global|item]",
    .description =
        "Writes the model with its tables pruned to k numbers an item: what training with that --k gives, without "
        "training again. Mode row is chol's, modes global and item are those of ease --prune. The dense table stays "
        "in its file and is only read.\n\n"
        "Metrics that the model's file records are left out, since they were measured before.",
    .example = "topn train chol events.csv -o dense.safetensors --k 0\n"
               "topn prune dense.safetensors --k 100 -o shop.safetensors",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
