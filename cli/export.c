/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"
#include "session.h"

static const own_option own_options[] = {
    {"to", 0, "FORMAT", "", "npz, mtx, csv, jsonl or pgvector (required)"},
    {"table", 0, "TABLE", "items",
     "items: their embeddings; encoder: the rows that encode a history, or the users'; the name of a context field; "
     "user-features"},
    {"output", 'o', "FILE", "", "file to write (required); - is standard output"},
};

static int run(struct session *session)
{
    topn_model *model = NULL;
    const char *to, *output, *wanted = session_value(session, "table");
    int code;
    STEP(session_required(session, "to", &to));
    STEP(session_apply(session, NULL));
    STEP(session_required(session, "output", &output));
    STEP(session_output_check(output));
    STEP(session_load(session, session_operand(session, 0), &model));
    STEP(session_check(session,
                       topn_model_export(session->context, model, wanted, session->options[TOPN_KIND_EXPORT], output)));
    inform("%s: table %s of %s", output, wanted, session_operand(session, 0));
done:
    topn_model_free(model);
    return code;
}

const struct command command_export = {
    .name = "export",
    .summary = "write embeddings for other programs: npz, Matrix Market, CSV, JSON, pgvector",
    .usage = "MODEL --to FORMAT -o FILE [--table TABLE]",
    .description =
        "Writes a table of a model in a form that other programs read. Table \"items\" holds one row ψ per item, "
        "table \"encoder\" the rows whose sum over a history is its embedding φ. Of a model that solves for users' "
        "rows "
        "(ials and its like) \"encoder\" are the users' trained rows; the values of a context field are exported under "
        "its name, the features of users as \"user-features\".",
    .example = "topn export films.safetensors --to npz -o films.npz\n"
               "topn export films.safetensors --to pgvector --table items -o films.sql",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_EXPORT),
    .selector = "to",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
