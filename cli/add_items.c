/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "progress.h"
#include "session.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "", "model file to write (required)"},
};

static int run(struct session *session)
{
    topn_model *model = NULL, *grown = NULL;
    topn_data *data = NULL;
    const char *output;
    int code;
    STEP(session_apply(session, NULL));
    STEP(session_required(session, "output", &output));
    STEP(session_output_check(output));
    STEP(session_load(session, session_operand(session, 0), &model));
    STEP(session_read(session, session_operand(session, 1), NULL, &data));
    STEP(session_check(session, topn_model_add_items(session->context, model, data, &grown)));
    STEP(session_check(session, topn_model_save(session->context, grown, output)));
    inform("%s: %" PRIu32 " new beside the %" PRIu32 " items of %s", output,
           topn_model_items(grown) - topn_model_items(model), topn_model_items(model), session_operand(session, 0));
done:
    topn_data_free(data);
    topn_model_free(grown);
    topn_model_free(model);
    return code;
}

const struct command command_add_items = {
    .name = "add-items",
    .summary = "a model with the items that came after its training",
    .usage = "MODEL EVENTS -o FILE",
    .description =
        "Solves for a row of each item that only the events know, while everything else in the model stays: users that "
        "the model has rows of count with these, others with what their events on known items give. For models of "
        "least "
        "squares (ials and its like) with the pointwise loss. Give all events of the new items and, for users that "
        "the model does not know, their events on known items. Models of two towers make the rows of the new items' "
        "features, which --item-features names.",
    .example = "topn add-items films.safetensors week.csv -o films-week.safetensors",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER),
    .minimum_operands = 2,
    .maximum_operands = 2,
    .run = run,
};
