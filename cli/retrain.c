/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "recorded.h"
#include "server/generation.h"
#include "store_events.h"
#include "store_sides.h"
#include "text.h"

enum { CODE_WORSE = 3 };

static const own_option own_options[] = {
    {"store", 0, "STORE", "", "the server's events: a file or folder of SQLite, or postgresql://… (required)"},
    {"output", 'o', "NEW", "", "model file to write; may be MODEL itself (required)"},
    {"metric", 0, "NAME", "ndcg@20", "what both models are judged by"},
    {"margin", 0, "X", "0.01", "the new model may be worse by so much of the metric of the one in use"},
    {"held-back", 0, "X", "0.05",
     "share of all events, the newest that MODEL has not learned from, to judge by; at most half of these"},
    {"least", 0, "NUMBER", "20", "events to judge by at the least"},
    {"force", 0, NULL, "",
     "train where the store holds far fewer events than MODEL was trained on, and write NEW even "
     "when it is worse or cannot be judged"},
};

/* What is asked for, and what was found. */
struct retraining {
    const char *path, *store, *output, *metric;
    double margin, share;
    size_t least;
    bool force;
    topn_model *model, *made; /* in use; new */
    store_events events;
    store_sides sides;
    topn_options *method, *reader, *rules, *looser; /* looser: without rules on few events */
    uint32_t users_judged;
    uint64_t judged;      /* of the events held back those that the rules leave */
    uint64_t unknown[2];  /* held-back events of items that the model in use, the new one does not know */
    double before, after; /* NAN: not judged */
    topn_report *report;  /* of the new one */
    char version[MODEL_VERSION];
    struct timespec start;
};

static int fraction(struct session *session, const char *name, double highest, double *out)
{
    const char *text = session_value(session, name);
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= 0 && *out <= highest))
        return complain(CODE_USAGE, "option --%s: \"%s\" is not a number from 0 to %g", name, text, highest);
    return CODE_DONE;
}

static int read_options(struct session *session, struct retraining *run)
{
    int code;
    run->path = session_operand(session, 0);
    run->metric = session_value(session, "metric");
    run->force = session_flag(session, "force");
    STEP(session_required(session, "store", &run->store));
    STEP(session_required(session, "output", &run->output));
    STEP(fraction(session, "margin", 1, &run->margin));
    STEP(fraction(session, "held-back", 0.9, &run->share));
    STEP(session_count(session, "least", 1, UINT32_MAX, &run->least));
    if (strcmp(run->output, "-") == 0)
        STEP(complain(CODE_USAGE, "option --output: a file is needed; standard output takes the figures"));
    STEP(session_output_check(run->output));
    STEP(session_load(session, run->path, &run->model));
    const char *seed = recorded_value(run->model, "seed");
    if (seed)
        arguments_preset(&session->arguments, "seed", seed, run->path);
    STEP(session_apply(session, NULL));
    STEP(recorded_method(session, run->model, &run->method));
    STEP(recorded_reader(session, run->model, &run->reader));
    STEP(recorded_rules(session, run->model, true, &run->rules));
    code = recorded_rules(session, run->model, false, &run->looser);
done:
    return code;
}

/* The log that MODEL was trained on has to be in the store: else the new model would forget it. */
static int check_store(const struct retraining *run)
{
    const char *text = recorded_value(run->model, "data.events");
    const uint64_t trained_on = text ? strtoull(text, NULL, 10) : 0, events = run->events.events;
    const char *source = recorded_value(run->model, "data.source");
    if (run->events.negative)
        complain(CODE_DONE, "warning: %" PRIu64 " events with a weight below 0 are left out", run->events.negative);
    if (events == 0)
        return complain(CODE_FAILED, "store %s holds no events to train on", run->events.plain_name);
    if (events >= trained_on / 2 || run->force)
        return CODE_DONE;
    return complain(CODE_FAILED,
                    "store %s holds %" PRIu64 " events, %s was trained on %" PRIu64
                    ": add them by \"topn events import %s %s --trained %s\", or train without them by --force",
                    run->events.plain_name, events, run->path, trained_on, run->events.plain_name,
                    source && *source ? source : "DATA", run->path);
}

static int train(struct session *session, const struct retraining *run, const topn_data *data, topn_model **out)
{
    char judged_by[96];
    snprintf(judged_by, sizeof judged_by, "retraining, judged by the %" PRIu64 " newest events", run->events.held);
    const topn_training training = {.reader = run->reader, .validation_source = judged_by};
    topn_model *pruned = NULL;
    int code;
    STEP(session_check(session, topn_train_validated(session->context, data, run->method, &training, out)));
    const char *k = recorded_value(run->model, "prune.k"), *mode = recorded_value(run->model, "prune.mode");
    if (!k || !mode)
        goto done;
    const topn_prune_mode how = strcmp(mode, "row") == 0      ? TOPN_PRUNE_ROW
                                : strcmp(mode, "global") == 0 ? TOPN_PRUNE_GLOBAL
                                                              : TOPN_PRUNE_ITEM;
    STEP(
        session_check(session, topn_model_prune(session->context, *out, (uint32_t)strtoul(k, NULL, 10), how, &pruned)));
    topn_model_free(*out);
    *out = pruned;
done:
    return code;
}

static int evaluate(struct session *session, const struct retraining *run, const topn_model *model,
                    const topn_data *seen, const topn_data *held, topn_report **out)
{
    topn_options *options = NULL;
    topn_retriever *retriever = NULL;
    int code;
    STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_EVALUATION, "evaluation", &options)));
    STEP(session_check(session, topn_options_set(session->context, options, "metrics", run->metric)));
    STEP(session_check(session, topn_retriever_create(session->context, model, NULL, &retriever)));
    code = session_check(session, topn_evaluate(session->context, retriever, seen, held, NULL, options, out));
done:
    topn_retriever_free(retriever);
    topn_options_free(options);
    return code;
}

static uint64_t unknown_events(const topn_model *model, const topn_data *held)
{
    uint64_t unknown = 0;
    for (uint32_t user = 0; user < topn_data_users(held); user++) {
        const uint32_t *items;
        uint32_t known;
        const size_t length = topn_data_history(held, user, &items, NULL);
        for (size_t at = 0; at < length; at++)
            unknown += !topn_model_find_item(model, topn_data_item_id(held, items[at]), &known);
    }
    return unknown;
}

/* The metric of a model, which ranks all items it knows for the users of the held-back events, what these had before
 * left out. An event of an item that the model does not know is a miss; where it knows none of them, so are all. */
static int measure(struct session *session, const struct retraining *run, const topn_model *model,
                   const topn_data *seen, const topn_data *held, uint64_t *unknown, double *mean, topn_report **report)
{
    topn_metric_result result;
    int code;
    *report = NULL;
    *unknown = unknown_events(model, held);
    *mean = 0;
    if (*unknown == topn_data_events(held))
        return CODE_DONE;
    STEP(evaluate(session, run, model, seen, held, report));
    if (topn_report_count(*report) != 1 || !topn_report_metric(*report, 0, &result) || !result.per_user)
        STEP(complain(CODE_USAGE, "option --metric: \"%s\" is not one metric of users' lists, such as ndcg@20",
                      run->metric));
    *mean = result.mean;
done:
    return code;
}

static int compare(struct session *session, struct retraining *run, const topn_model *candidate, const topn_data *seen,
                   const topn_data *held)
{
    topn_report *old = NULL;
    int code;
    STEP(measure(session, run, run->model, seen, held, &run->unknown[0], &run->before, &old));
    STEP(measure(session, run, candidate, seen, held, &run->unknown[1], &run->after, &run->report));
    run->users_judged = topn_data_users(held);
    inform("%s on %" PRIu64 " held-back events of %" PRIu32 " users: %.5f in use, %.5f new; of items not known and so "
           "missed: %" PRIu64 ", %" PRIu64,
           run->metric, topn_data_events(held), run->users_judged, run->before, run->after, run->unknown[0],
           run->unknown[1]);
done:
    topn_report_free(old);
    return code;
}

static int judge(struct session *session, struct retraining *run)
{
    topn_data *earlier = NULL, *seen = NULL, *held = NULL;
    topn_model *candidate = NULL;
    int code;
    run->before = run->after = NAN;
    run->judged = run->events.held;
    if (run->judged < run->least)
        return CODE_DONE;
    inform("training on all but the %" PRIu64 " newest events, to judge by these", run->events.held);
    STEP(store_events_data(session, &run->events, run->rules, false, &earlier));
    STEP(store_events_data(session, &run->events, run->looser, false, &seen));
    STEP(store_events_held(session, &run->events, run->looser, seen, &held));
    run->judged = topn_data_events(held);
    if (run->judged < run->least)
        goto done;
    STEP(train(session, run, earlier, &candidate));
    code = compare(session, run, candidate, seen, held);
done:
    topn_data_free(earlier);
    topn_data_free(seen);
    topn_data_free(held);
    topn_model_free(candidate);
    return code;
}

static bool is_worse(const struct retraining *run)
{
    return !(run->after >= run->before * (1 - run->margin)); /* NAN is */
}

static int say_worse(const struct retraining *run)
{
    if (isnan(run->before))
        return complain(CODE_WORSE,
                        "only %" PRIu64 " newest events to judge by, of %" PRIu64 " that %s was not trained on; at "
                        "least %zu are asked for (--least): %s is not written",
                        run->judged, run->events.fresh, run->path, run->least, run->output);
    return complain(CODE_WORSE, "the new model is worse: %s %.5f, that of %s %.5f, margin %g: %s is not written",
                    run->metric, run->after, run->path, run->before, run->margin, run->output);
}

static int sync_folder(const char *path)
{
    char *folder = need_text(path), *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool good = descriptor >= 0 && fsync(descriptor) == 0;
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return good ? CODE_DONE : complain(CODE_FAILED, "cannot write %s: its folder: %s", path, strerror(errno));
}

/* The store knows up to where the new model has learned before the model is in its place: whoever finds the file finds
 * the note. */
static int write_new(struct session *session, struct retraining *run)
{
    char *part = need_format("%s.part", run->output), *name = NULL, number[24];
    int code;
    if (interrupted())
        STEP(complain(CODE_CANCELLED, "cancelled before %s was written", run->output));
    STEP(session_check(session, topn_model_save(session->context, run->made, part)));
    if (!generation_version(part, run->made, run->version))
        STEP(complain(CODE_FAILED, "cannot read %s: %s", part, strerror(errno)));
    name = need_format("trained.%s", run->version);
    snprintf(number, sizeof number, "%" PRId64, run->events.through);
    if (store_note(run->events.from, name, number) != STORE_OK)
        STEP(complain(CODE_FAILED, "store %s: %s", run->events.plain_name, store_message(run->events.from)));
    if (rename(part, run->output) != 0)
        STEP(complain(CODE_FAILED, "cannot write %s: %s", run->output, strerror(errno)));
    code = sync_folder(run->output);
done:
    if (code != CODE_DONE)
        unlink(part);
    free(part);
    free(name);
    return code;
}

/* The indexes for approximate retrieval that MODEL has, built anew by their recorded options. */
static int add_indexes(struct session *session, const struct retraining *run)
{
    topn_options *options = NULL;
    const char *kind;
    int code = CODE_DONE;
    for (size_t i = 0; (kind = topn_model_index(run->model, i)); i++) {
        char prefix[96];
        snprintf(prefix, sizeof prefix, "index.%s.option.", kind);
        topn_options_free(options);
        STEP(session_check(session, topn_options_create(session->context, TOPN_KIND_RETRIEVER, kind, &options)));
        STEP(recorded_take(session, run->model, prefix, options));
        inform("index of kind %s", kind);
        STEP(session_check(session, topn_model_add_index(session->context, run->made, options)));
    }
done:
    topn_options_free(options);
    return code;
}

static int train_on_all(struct session *session, struct retraining *run)
{
    topn_data *data = NULL;
    int code;
    STEP(store_events_data(session, &run->events, run->rules, true, &data));
    inform("training on all %" PRIu64 " events of %" PRIu32 " users and %" PRIu32 " items", topn_data_events(data),
           topn_data_users(data), topn_data_items(data));
    STEP(train(session, run, data, &run->made));
    if (run->report)
        STEP(session_check(session, topn_model_record_report(session->context, run->made, run->report)));
    STEP(add_indexes(session, run));
    code = write_new(session, run);
done:
    topn_data_free(data);
    return code;
}

/* One line for whoever started this: the server, or a script. */
static void print_figures(const struct retraining *run, bool written)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double seconds = (double)(now.tv_sec - run->start.tv_sec) + 1e-9 * (double)(now.tv_nsec - run->start.tv_nsec);
    json_t *figures =
        json_pack("{s:b, s:s, s:o, s:o, s:f, s:I, s:I, s:I, s:I, s:[I,I], s:I, s:o, s:f}", "written", written, "metric",
                  run->metric, "before", real_json(run->before), "after", real_json(run->after), "margin", run->margin,
                  "events", (json_int_t)run->events.events, "fresh", (json_int_t)run->events.fresh, "held_back",
                  (json_int_t)run->judged, "users_judged", (json_int_t)run->users_judged, "unknown",
                  (json_int_t)run->unknown[0], (json_int_t)run->unknown[1], "through", (json_int_t)run->events.through,
                  "version", written ? json_string(run->version) : json_null(), "seconds", seconds);
    json_print(figures, false);
}

static void clear(struct retraining *run)
{
    topn_report_free(run->report);
    topn_model_free(run->made);
    topn_model_free(run->model);
    topn_options_free(run->method);
    topn_options_free(run->reader);
    topn_options_free(run->rules);
    topn_options_free(run->looser);
    store_sides_clear(&run->sides);
    store_events_close(&run->events);
}

/* A server that is killed takes its training along: two would write the same file after its restart. */
static int follow_parent(void)
{
    const char *parent = getenv("TOPN_RETRAIN_PARENT");
    if (!parent)
        return CODE_DONE;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return getppid() == (pid_t)strtol(parent, NULL, 10)
               ? CODE_DONE
               : complain(CODE_FAILED, "the server that asked for this training is gone");
}

static int run(struct session *session)
{
    struct retraining run = {0};
    int code;
    STEP(follow_parent());
    clock_gettime(CLOCK_MONOTONIC, &run.start);
    STEP(read_options(session, &run));
    STEP(store_events_open(run.store, run.model, run.path, run.share, &run.events));
    STEP(check_store(&run));
    STEP(store_sides_add(session, run.events.from, run.model, run.rules, &run.sides));
    STEP(judge(session, &run));
    const bool refused = is_worse(&run) && !run.force;
    if (!refused)
        STEP(train_on_all(session, &run));
    print_figures(&run, !refused);
    if (refused)
        code = say_worse(&run);
done:
    clear(&run);
    return code;
}

const struct command command_retrain = {
    .name = "retrain",
    .summary = "train a model anew on the events of a server's store, and keep it if it is no worse",
    .usage = "MODEL --store STORE -o NEW [--metric NAME] [--margin X] [--held-back X] [--least NUMBER] [--force]",
    .description =
        "Trains with the method and options that MODEL records on the events in STORE, deletions applied. First on all "
        "but the newest of those that MODEL has not learned from: on these both models are judged, each ranking the "
        "items it knows for the users of these events; an event of an item that a model does not know counts as a miss "
        "of that model. Only when the new model is no worse than the margin is it trained again on all events and "
        "written to NEW, whole or not at all. The metric goes into its metadata, and one line of JSON with all figures "
        "to standard output.\n\n"
        "Which events MODEL has learned from is known by a note in the store, which this command and \"topn events "
        "import --trained\" leave, and by the histories that it keeps; where there are neither, events later than its "
        "file count as new.\n\n"
        "Titles and attributes come from the store and, where it says nothing of an item, from MODEL; indexes for "
        "approximate retrieval are built anew. Exit code 0: written. 3: not written, since the new model is worse or "
        "too few events are there to judge it. 1: failed. The log that MODEL was trained on must be in the store "
        "(\"topn events import STORE DATA --trained MODEL\"): with fewer than half as many events the command refuses "
        "unless --force is given. \"topn serve --retrain-every 6h\" runs this command by itself.",
    .example = "topn retrain shop.safetensors --store shop.safetensors.events -o shop.safetensors\n"
               "topn retrain shop.safetensors --store postgresql://localhost/shop -o new.safetensors --margin 0",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = run,
};
