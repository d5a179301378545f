/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "new_file.h"
#include "progress.h"
#include "session.h"
#include "study/tune.h"
#include "text.h"

static const own_option own_options[] = {
    {"output", 'o', "FILE", "",
     "model file to write (required): of the best options, trained on all events; the record stands beside it as "
     "FILE.tuning.json"},
    {"budget", 0, "TIME", "10m", "time for all, the last training included: 90s, 10m, 1.5h; \"none\" with --trials"},
    {"trials", 0, "N", "", "trials at the most; the same number gives the same trials whatever the machine"},
    {"metric", 0, "METRIC", "ndcg@100", "what is to be as large as can be on the events held back"},
    {"search", 0, "NAME", "parzen", "how the next trial is chosen: parzen, random or halving"},
    {"search-space", 0, "LIST", "",
     "ranges to search beside or in place of the declared ones: \"l2=10..1000 log; k=100|200; "
     "reader.half-life=7d..365d log\""},
    {"share-of", 0, "sweeps|users", "sweeps",
     "what --search halving gives a part of at first: sweeps where a method has them, or the users"},
    {"methods", 0, "LIST", "", "of auto: the methods to choose among, separated by commas; default: all"},
    {"protocol", 0, "NAME", "weak", "how events are held back: weak, strong, leave-last-out, temporal, cold-items"},
    {"validate", 0, "PREFIX", "",
     "judge by PREFIX-seen.tsv and PREFIX-hidden.tsv of a split, in place of a protocol; DATA is its train.tsv"},
    {"journal", 0, "FILE", "",
     "where trials are written before and after each; the same command goes on from it; default: beside --output, as "
     "FILE.trials"},
};

/* What the command line asks for, and what it is made of. */
struct request {
    tuning asked;
    const char *output;
    char *journal, *list; /* owned */
    const char **methods; /* owned */
    json_t *fixed;
};

static void say(const char *line)
{
    inform("%s", line);
}

/* Options that the command line set, as settings. */
static json_t *settings_of(const topn_options *options, const char *prefix)
{
    json_t *settings = json_object();
    topn_option_info info;
    for (size_t i = 0; topn_options_info(options, i, &info); i++) {
        if (!info.is_set)
            continue;
        char *name = need_format("%s%s", prefix, info.name);
        json_object_set_new(settings, name, text_json(topn_options_get(options, info.name)));
        free(name);
    }
    return settings;
}

static int check_fixed(const json_t *fixed)
{
    static const char *const barred[] = {"checkpoint", "resume", "checkpoint-every"};
    for (size_t i = 0; i < sizeof barred / sizeof *barred; i++)
        if (json_object_get(fixed, barred[i]))
            return complain(CODE_USAGE,
                            "option --%s is one of a single training; the journal of tuning goes on by itself",
                            barred[i]);
    return CODE_DONE;
}

/* The protocol makes no test part: what is to be tested on is put away before, by `topn split`. */
static int without_test(struct session *session)
{
    static const char *const shares[] = {"test-users", "test-share", "test-since"};
    topn_options *split = session->options[TOPN_KIND_SPLIT];
    topn_option_info info;
    int code = CODE_DONE;
    for (size_t i = 0; topn_options_info(split, i, &info); i++)
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++)
            if (strcmp(info.name, shares[s]) == 0 && info.is_set)
                return complain(CODE_USAGE,
                                "option --%s: tuning makes no test part; put it away with `topn split` first",
                                info.name);
    for (size_t s = 0; s < 2; s++)
        if (topn_options_has(split, shares[s]))
            STEP(session_check(session, topn_options_set(session->context, split, shares[s], "0")));
done:
    return code;
}

static int choose_methods(struct session *session, const char *name, struct request *out)
{
    const char *list = session_value(session, "methods");
    const bool automatic = strcmp(name, "auto") == 0;
    topn_entry entry;
    char *next = NULL;
    size_t capacity = topn_registry_count(TOPN_KIND_METHOD) + 1;
    if (list && *list && !automatic)
        return complain(CODE_USAGE, "option --methods is for `topn tune auto`");
    out->list = need_text(list && *list ? list : "");
    for (const char *at = out->list; *at; at++)
        capacity += *at == ',';
    out->methods = need_memory(capacity, sizeof *out->methods);
    out->asked.methods = out->methods;
    if (!automatic) {
        out->methods[out->asked.method_count++] = name;
        return CODE_DONE;
    }
    for (char *word = strtok_r(out->list, ", ", &next); word; word = strtok_r(NULL, ", ", &next))
        out->methods[out->asked.method_count++] = word;
    for (size_t i = 0; !out->asked.method_count || (!(list && *list) && i < capacity); i++) {
        if (!topn_registry_entry(TOPN_KIND_METHOD, i, &entry))
            break;
        out->methods[out->asked.method_count++] = entry.name;
    }
    return CODE_DONE;
}

static int read_budget(struct session *session, study *work, struct request *out)
{
    const char *budget = session_value(session, "budget"), *trials = session_value(session, "trials");
    int code = CODE_DONE;
    out->asked.seconds = INFINITY;
    out->asked.trials = SIZE_MAX;
    if (trials && *trials)
        STEP(session_count(session, "trials", 1, 1000000, &out->asked.trials));
    if (strcmp(budget, "none") == 0) {
        if (!trials || !*trials)
            return complain(CODE_USAGE, "--budget none needs --trials N");
    } else if (study_duration(work, "option --budget", budget, &out->asked.seconds) != TOPN_OK) {
        return complain(CODE_USAGE, "%s", work->message);
    }
done:
    return code;
}

static int read_source(struct session *session, const char *data, struct request *out)
{
    const char *prefix = session_value(session, "validate"), *protocol = session_value(session, "protocol");
    int code = CODE_DONE;
    out->asked.from = (material_source){.data = data, .reader = session->options[TOPN_KIND_READER]};
    if (strcmp(data, "-") == 0)
        return complain(CODE_USAGE, "tuning reads its data more than once: a file is needed, not standard input");
    if (prefix && *prefix) {
        out->asked.from.prefix = prefix;
        return CODE_DONE;
    }
    if (strcmp(protocol, "fixed") == 0)
        return complain(CODE_USAGE, "protocol fixed has test events; take --protocol weak for its training events, or "
                                    "--validate PREFIX of a split");
    STEP(without_test(session));
    out->asked.protocol = protocol;
    out->asked.from.split = session->options[TOPN_KIND_SPLIT];
done:
    return code;
}

static int make_request(struct session *session, study *work, struct request *out)
{
    const char *name = session_operand(session, 0), *share_of = session_value(session, "share-of");
    const char *path = session_value(session, "journal");
    int code;
    STEP(session_required(session, "output", &out->output));
    if (strcmp(out->output, "-") == 0)
        STEP(complain(CODE_USAGE, "option --output: a file is needed; standard output takes the record"));
    STEP(session_apply(session, strcmp(name, "auto") == 0 ? NULL : name));
    STEP(session_output_check(out->output));
    out->fixed = settings_of(session->options[TOPN_KIND_METHOD], "");
    STEP(check_fixed(out->fixed));
    STEP(choose_methods(session, name, out));
    STEP(read_source(session, session_operand(session, 1), out));
    STEP(read_budget(session, work, out));
    if (search_find(work, session_value(session, "search"), &out->asked.by) != TOPN_OK)
        STEP(complain(CODE_USAGE, "option --search: %s", work->message));
    if (strcmp(share_of, "sweeps") != 0 && strcmp(share_of, "users") != 0)
        STEP(complain(CODE_USAGE, "option --share-of: \"%s\" is not sweeps or users", share_of));
    out->asked.by_data = strcmp(share_of, "users") == 0;
    out->asked.metric = session_value(session, "metric");
    out->asked.ranges = session_value(session, "search-space");
    if (out->asked.ranges && !*out->asked.ranges)
        out->asked.ranges = NULL;
    out->asked.fixed = out->fixed;
    out->journal = path && *path ? need_text(path) : need_format("%s.trials", out->output);
    out->asked.journal = out->journal;
done:
    return code;
}

static int study_code(const study *work, topn_status status)
{
    return status == TOPN_OK ? CODE_DONE
                             : complain(status == TOPN_ERROR_OPTION      ? CODE_USAGE
                                        : status == TOPN_ERROR_CANCELLED ? CODE_CANCELLED
                                                                         : CODE_FAILED,
                                        "%s", work->message);
}

static int write_record(const char *output, const json_t *record)
{
    new_file file;
    char *path = need_format("%s.tuning.json", output);
    int code = new_file_open(path, &file);
    free(path);
    if (code != CODE_DONE)
        return code;
    const bool written = json_dumpf(record, file.stream, JSON_INDENT(1)) == 0 && fputc('\n', file.stream) != EOF;
    return new_file_close(&file, written);
}

static int finish(struct session *session, const struct request *request, const tuned *result)
{
    int code;
    char *text = NULL;
    STEP(session_check(session, topn_model_save(session->context, result->model, request->output)));
    STEP(write_record(request->output, result->record));
    progress_clear();
    if (session->format == OUTPUT_JSON) {
        json_print(json_incref(result->record), true);
    } else {
        text = tune_text(result->record);
        fputs(text ? text : "", stdout);
    }
done:
    free(text);
    return code;
}

static int run(struct session *session)
{
    struct request request = {0};
    tuned result = {0};
    study work = {.context = session->context, .progress = progress_show, .say = say, .deadline = INFINITY};
    int code;
    STEP(make_request(session, &work, &request));
    work.machine = session->options[TOPN_KIND_CONTEXT];
    work.seed = topn_context_seed(session->context);
    const topn_status status = tune_run(&work, &request.asked, &result);
    if (status == TOPN_ERROR_CANCELLED)
        STEP(complain(CODE_CANCELLED, "cancelled; %s holds the trials so far: the same command goes on from there",
                      request.journal));
    STEP(study_code(&work, status));
    STEP(finish(session, &request, &result));
done:
    tuned_clear(&result);
    json_decref(request.fixed);
    free(request.methods);
    free(request.list);
    free(request.journal);
    return code;
}

const struct command command_tune = {
    .name = "tune",
    .summary = "search the best options of a method, or of all that fit, and train with them",
    .usage = "METHOD|auto DATA -o MODEL [--budget 10m] [--metric METRIC] [method, protocol and reader options]",
    .description =
        "Holds back a part of DATA by a protocol, trains and judges METHOD with one set of options after another from "
        "the ranges that its options declare (`topn methods METHOD` lists them), and at last trains it on all of DATA "
        "with the best. Options on the command line stay as they are given. With \"auto\" the methods that fit into "
        "memory and time compete; it says why others were left out.\n\n"
        "Every trial is in the journal before the next begins, so the same command goes on where a killed one "
        "ended. What is to be tested on at last belongs into another file: `topn split` makes one.",
    .example =
        "topn tune ease split/train.tsv -o best.safetensors --budget 5m\n"
        "topn tune auto split/train.tsv -o best.safetensors --validate split/validation --metric ndcg@20\n"
        "topn tune ials split/train.tsv -o best.safetensors --trials 40 --budget none --factors 64 --search halving",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = KIND_BIT(TOPN_KIND_READER) | KIND_BIT(TOPN_KIND_METHOD) | KIND_BIT(TOPN_KIND_SPLIT),
    .selector = "protocol",
    .results = true,
    .minimum_operands = 2,
    .maximum_operands = 2,
    .run = run,
};
