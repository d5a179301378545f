/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "after_training.h"
#include "held_back.h"
#include "progress.h"
#include "session.h"
#include "text.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "", "model file to write (required)"},
    {"from", 0, "MODEL", "", "repeat the training that this model file records; flags change single options"},
    {"priors-from", 0, "FILE", "",
     "lines \"item TAB number\": item priors in place of the method's, which other items keep"},
    HELD_BACK_OPTIONS,
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
        else if (strcmp(key, "validation.metric") == 0)
            arguments_preset(&session->arguments, "validate-metric", value, path);
        else if (strcmp(key, "validation.source") == 0)
            held_back_preset(session, value, path);
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

/* Trains on the events that are not held back; with refit on all, for as many sweeps as were best. */
static int train_once(struct session *session, const topn_data *data, const topn_training *training, topn_model **out)
{
    const topn_options *options = session->options[TOPN_KIND_METHOD];
    const topn_status status = topn_train_validated(session->context, data, options, training, out);
    const char *checkpoint = topn_options_get(options, "checkpoint");
    if (status == TOPN_ERROR_CANCELLED && checkpoint && *checkpoint && access(checkpoint, F_OK) == 0)
        return complain(CODE_CANCELLED, "cancelled; %s holds what was reached: the same command with --resume goes on",
                        checkpoint);
    return session_check(session, status);
}

static int set_option(struct session *session, const char *key, const char *value)
{
    return session_check(session, topn_options_set(session->context, session->options[TOPN_KIND_METHOD], key, value));
}

/* Trains on all events, without validation, for as many sweeps as were best; *model is replaced. A checkpoint of its
 * own lies beside the first. */
static int refit(struct session *session, const topn_data *data, const topn_training *first, topn_model **model)
{
    const char *sweeps = metadata(*model, "train.best-sweep"), *metric = metadata(*model, "train.metric");
    const char *checkpoint = topn_options_get(session->options[TOPN_KIND_METHOD], "checkpoint");
    char *own = NULL, *source = NULL;
    topn_model *again = NULL;
    int code;
    if (sweeps) {
        inform("training again on all events for %s sweeps, the best by %s", sweeps, metric);
        source = need_format("refit for %s sweeps, the best by %s on %s", sweeps, metric, first->validation_source);
        STEP(set_option(session, "sweeps", sweeps));
        STEP(set_option(session, "tolerance", "0"));
    } else {
        inform("training again on all events");
        source = need_format("refit after %s", first->validation_source);
    }
    if (checkpoint && *checkpoint) {
        own = need_format("%s.refit", checkpoint);
        STEP(set_option(session, "checkpoint", own));
    }
    const topn_training training = {.reader = first->reader, .validation_source = source};
    STEP(train_once(session, data, &training, &again));
    topn_model_free(*model);
    *model = again;
done:
    free(own);
    free(source);
    return code;
}

static int train(struct session *session, const struct plan *plan, const topn_data *data, const held_back *held,
                 topn_model **out)
{
    const topn_training training = {.reader = session->options[TOPN_KIND_READER],
                                    .validation_seen = held->seen,
                                    .validation_hidden = held->hidden,
                                    .validation_source = held->source,
                                    .metric = session_value(session, "validate-metric")};
    const char *before = plan->recorded ? metadata(plan->recorded, "data.fingerprint") : NULL;
    int code;
    if (before && strcmp(before, topn_data_fingerprint(held->train)) != 0)
        complain(CODE_DONE, "warning: %s is not what %s was trained on: fingerprint %s, then %s", plan->data,
                 session_value(session, "from"), topn_data_fingerprint(held->train), before);
    STEP(announce(session, held->train));
    STEP(train_once(session, held->train, &training, out));
    if (session_flag(session, "refit"))
        STEP(refit(session, data, &training, out));
done:
    return code;
}

/* Files that training will write: refused before hours go by. */
static int check_outputs(struct session *session, const char *output)
{
    const char *checkpoint = topn_options_get(session->options[TOPN_KIND_METHOD], "checkpoint");
    int code;
    STEP(session_output_check(output));
    if (checkpoint && *checkpoint)
        STEP(session_output_check(checkpoint));
done:
    return code;
}

/* Metrics that the command line names are refused now, not after the training. */
static int check_metrics(struct session *session, const topn_data *data)
{
    const topn_options *options = session->options[TOPN_KIND_EVALUATION];
    topn_option_info info;
    for (size_t i = 0; topn_options_info(options, i, &info); i++)
        if (strcmp(info.name, "metrics") == 0 && info.is_set)
            return session_check(session, topn_metrics_check(session->context, topn_options_get(options, info.name),
                                                             topn_data_items(data), NULL, NULL));
    return CODE_DONE;
}

static int run(struct session *session)
{
    struct plan plan = {0};
    held_back held = {0};
    topn_data *data = NULL;
    topn_model *model = NULL;
    int code;
    STEP(make_plan(session, &plan));
    STEP(check_outputs(session, plan.output));
    STEP(session_read(session, plan.data, NULL, &data));
    STEP(check_metrics(session, data));
    STEP(held_back_create(session, data, &held));
    STEP(train(session, &plan, data, &held, &model));
    if (session_value(session, "priors-from"))
        STEP(set_priors(session, session_value(session, "priors-from"), &model));
    if (held.source && !session_flag(session, "refit"))
        STEP(held_back_record(session, &held, model));
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled before %s was written", plan.output));
    STEP(session_check(session, topn_model_save(session->context, model, plan.output)));
    progress_clear();
    if (!session->quiet && strcmp(plan.output, "-") != 0)
        print_figures(model, plan.output);
done:
    topn_model_free(model);
    held_back_clear(&held);
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
        "the options of one. With --from it repeats the training that a model file records.\n\n"
        "Methods that improve sweep by sweep say their loss after each. With --validate or --validate-share they "
        "stop when the metric no longer rises and keep their best state; with --checkpoint a training that was "
        "cancelled or killed goes on by the same command with --resume.",
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
