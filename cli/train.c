/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "after_training.h"
#include "progress.h"
#include "session.h"
#include "text.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "", "model file to write (required)"},
    {"from", 0, "MODEL", "", "repeat the training that this model file records; flags change single options"},
    {"priors-from", 0, "FILE", "",
     "lines \"item TAB number\": item priors in place of the method's, which other items keep"},
    {"validate", 0, "PREFIX", "",
     "evaluate on PREFIX-seen.tsv and PREFIX-hidden.tsv of a split and record the metrics in the model"},
};

static const char *metadata(const topn_model *model, const char *wanted)
{
    const char *key, *value;
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        if (strcmp(key, wanted) == 0)
            return value;
    return NULL;
}

/* What is to be trained: from the operands, or from the model of --from. */
struct plan {
    topn_model *recorded; /* NULL without --from */
    const char *method, *data, *output;
};

static int preset_recorded(struct session *session, const char *path, const topn_model *model)
{
    static const char *const prefixes[] = {"option.", "reader."};
    const char *key, *value;
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++) {
        for (size_t p = 0; p < 2; p++) {
            const size_t length = strlen(prefixes[p]);
            if (strncmp(key, prefixes[p], length) != 0 || !*value)
                continue;
            if (!arguments_preset(&session->arguments, key + length, value, path))
                return complain(CODE_FAILED, "%s: recorded option %s is unknown to this version", path, key + length);
        }
        if (strcmp(key, "seed") == 0)
            arguments_preset(&session->arguments, "seed", value, path);
    }
    return CODE_DONE;
}

static int plan_from_model(struct session *session, const char *path, struct plan *out)
{
    int code;
    if (session->arguments.operand_count > 1)
        STEP(complain(CODE_USAGE, "with --from the model says the method: topn train --from MODEL [DATA] -o NEW"));
    STEP(session_load(session, path, &out->recorded));
    out->method = metadata(out->recorded, "method");
    out->data = session_operand(session, 0) ? session_operand(session, 0) : metadata(out->recorded, "data.source");
    if (!out->method)
        STEP(complain(CODE_FAILED, "%s does not record how it was trained", path));
    if (!out->data || !*out->data || strcmp(out->data, "-") == 0)
        STEP(
            complain(CODE_USAGE, "%s does not record a data file; name it: topn train --from MODEL DATA -o NEW", path));
    STEP(preset_recorded(session, path, out->recorded));
    if (metadata(out->recorded, "prune.k"))
        complain(CODE_DONE,
                 "warning: %s was pruned after its training; prune the new one, too: topn prune --mode %s --k %s", path,
                 metadata(out->recorded, "prune.mode"), metadata(out->recorded, "prune.k"));
done:
    return code;
}

static int make_plan(struct session *session, struct plan *out)
{
    const char *from = session_value(session, "from");
    int code;
    if (from) {
        STEP(plan_from_model(session, from, out));
    } else if (session->arguments.operand_count < 2) {
        STEP(complain(CODE_USAGE, "missing argument; usage: topn train METHOD DATA -o MODEL"));
    } else {
        out->method = session_operand(session, 0);
        out->data = session_operand(session, 1);
    }
    STEP(session_required(session, "output", &out->output));
    code = session_apply(session, out->method);
done:
    return code;
}

/* 1234567 → "1.18 MiB" */
static const char *bytes_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.5 && unit + 1 < sizeof units / sizeof *units; unit++)
        value /= 1024;
    snprintf(out, 32, "%.3g %s", value, units[unit]);
    return out;
}

static int announce(struct session *session, const topn_data *data)
{
    topn_cost cost;
    char peak[32], available[32];
    const int code =
        session_check(session, topn_train_cost(session->context, data, session->options[TOPN_KIND_METHOD], &cost));
    if (code != CODE_DONE)
        return code;
    inform("%" PRIu32 " users, %" PRIu32 " items, %" PRIu64 " events; predicted: peak %s of %s available, %.3g GFLOP, "
           "%d threads",
           topn_data_users(data), topn_data_items(data), topn_data_events(data), bytes_text(cost.peak_bytes, peak),
           bytes_text(cost.available_bytes, available), cost.flops / 1e9, topn_context_threads(session->context));
    return CODE_DONE;
}

static void print_figures(const topn_model *model, const char *output)
{
    const char *key, *value;
    table *grid = table_create(NULL, "ll");
    table_text(grid, "model");
    table_text(grid, output);
    for (size_t i = 0; topn_model_metadata(model, i, &key, &value); i++)
        if (strncmp(key, "run.", 4) == 0 || strncmp(key, "train.", 6) == 0 || strncmp(key, "metric.", 7) == 0 ||
            strcmp(key, "method") == 0) {
            table_text(grid, key);
            table_text(grid, value);
        }
    table_finish(grid, OUTPUT_TABLE);
}

static int run(struct session *session)
{
    struct plan plan = {0};
    topn_data *data = NULL;
    topn_model *model = NULL;
    int code;
    STEP(make_plan(session, &plan));
    STEP(session_output_check(plan.output));
    STEP(session_read(session, plan.data, NULL, &data));
    const char *before = plan.recorded ? metadata(plan.recorded, "data.fingerprint") : NULL;
    if (before && strcmp(before, topn_data_fingerprint(data)) != 0)
        complain(CODE_DONE, "warning: %s is not what %s was trained on: fingerprint %s, then %s", plan.data,
                 session_value(session, "from"), topn_data_fingerprint(data), before);
    STEP(announce(session, data));
    STEP(session_check(session, topn_train(session->context, data, session->options[TOPN_KIND_METHOD],
                                           session->options[TOPN_KIND_READER], &model)));
    if (session_value(session, "priors-from"))
        STEP(set_priors(session, session_value(session, "priors-from"), &model));
    if (session_value(session, "validate"))
        STEP(validate(session, session_value(session, "validate"), model));
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled before %s was written", plan.output));
    STEP(session_check(session, topn_model_save(session->context, model, plan.output)));
    progress_clear();
    if (!session->quiet && strcmp(plan.output, "-") != 0)
        print_figures(model, plan.output);
done:
    topn_model_free(model);
    topn_data_free(data);
    topn_model_free(plan.recorded);
    return code;
}

const struct command command_train = {
    .name = "train",
    .summary = "train a model by one of the methods",
    .usage = "METHOD DATA -o MODEL [method and reader options]\n--from MODEL [DATA] -o NEW [options to change]",
    .description =
        "Trains METHOD on DATA and writes one model file, which records the data's fingerprint, every option "
        "and the figures of the run. Before anything is allocated it says what memory and arithmetic it will "
        "take, and refuses what does not fit. \"topn methods\" lists the methods, \"topn train METHOD --help\" "
        "the options of one. With --from it repeats the training that a model file records.",
    .example =
        "topn train ease events.csv -o shop.safetensors --l2 500\n"
        "topn train chol ratings.dat -o films.safetensors --k 200 --beta auto --min-weight 4 --titles movies.dat\n"
        "zcat log.csv.gz | topn train popularity - -o popular.safetensors",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_METHOD) | KIND_BIT(TOPN_KIND_EVALUATION),
    .minimum_operands = 0,
    .maximum_operands = 2,
    .run = run,
};
