/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "new_file.h"
#include "progress.h"
#include "session.h"
#include "study/compare.h"
#include "study/experiment.h"
#include "study/rendering.h"
#include "text.h"

static const own_option own_options[] = {
    {"output", 'o', "PREFIX", "",
     "writes PREFIX.json, .txt, .csv, .tex and .html; default: EXPERIMENT without its ending"},
    {"journal", 0, "FILE", "",
     "where every training is written before and after it; the same command goes on from it; default: PREFIX.trials"},
    {"verify", 0, "REPORT", "",
     "do what the report (its .json) says anew, and fail where the data, an option or a result is another"},
    {"entries", 0, "LIST", "", "of --verify: only these entries, separated by commas, and the tests of their pairs"},
};

static void say(const char *line)
{
    inform("%s", line);
}

static int study_code(const study *work, topn_status status)
{
    return status == TOPN_OK ? CODE_DONE
                             : complain(status == TOPN_ERROR_OPTION      ? CODE_USAGE
                                        : status == TOPN_ERROR_CANCELLED ? CODE_CANCELLED
                                                                         : CODE_FAILED,
                                        "%s", work->message);
}

static int write_one(const char *prefix, const rendering *form, const json_t *report)
{
    new_file file;
    char *path = need_format("%s.%s", prefix, form->ending);
    const int code = new_file_open(path, &file);
    free(path);
    if (code != CODE_DONE)
        return code;
    form->write(file.stream, report);
    return new_file_close(&file, !ferror(file.stream));
}

static int write_all(const char *prefix, const json_t *report)
{
    int code = CODE_DONE;
    for (size_t i = 0; rendering_at(i); i++)
        STEP(write_one(prefix, rendering_at(i), report));
done:
    return code;
}

static int run_plan(study *work, const json_t *plan, const char *journal_path, json_t **report)
{
    const topn_status status = compare_run(work, plan, journal_path, report);
    if (status == TOPN_ERROR_CANCELLED)
        return complain(CODE_CANCELLED, "cancelled; %s holds what has ended: the same command goes on from there",
                        journal_path);
    return study_code(work, status);
}

/* "comparison" for "runs/comparison.yaml", beside it. */
static char *prefix_of(const char *path)
{
    char *prefix = need_text(path);
    char *slash = strrchr(prefix, '/'), *dot = strrchr(prefix, '.');
    if (dot && dot != prefix && (!slash || dot > slash + 1))
        *dot = '\0';
    return prefix;
}

static const char *name_of(const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));
    return name ? name : "";
}

/* The longest name of an entry that the list begins with; commas stand between names, and may be in them. */
static const char *first_listed(const json_t *entries, const char *list)
{
    const char *longest = NULL;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const char *name = name_of(json_array_get(entries, i));
        const size_t length = strlen(name);
        const bool is_next = strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == '\0');
        if (length > 0 && is_next && (!longest || length > strlen(longest)))
            longest = name;
    }
    return longest;
}

/* The listed names as keys of an object; NULL when one is no entry's, or there twice. */
static json_t *listed_names(const json_t *entries, const char *list)
{
    json_t *names = json_object();
    for (const char *at = list;; at++) {
        const char *name = first_listed(entries, at);
        if (!name || json_object_get(names, name)) {
            json_decref(names);
            return NULL;
        }
        json_object_set_new(names, name, json_true());
        at += strlen(name);
        if (*at == '\0')
            return names;
    }
}

/* Removes what is not of the names from entries, a report's or its plan's. */
static void keep_entries(json_t *entries, const json_t *names)
{
    for (size_t i = json_array_size(entries); i-- > 0;)
        if (!json_object_get(names, name_of(json_array_get(entries, i))))
            json_array_remove(entries, i);
}

/* The report with the listed entries alone. Corrections for the number of pairs are then others, and are left out. */
static int keep_listed(json_t *report, const char *list)
{
    json_t *tests = json_object_get(report, "tests"), *entries = json_object_get(report, "entries");
    json_t *names = listed_names(entries, list);
    if (!names)
        return complain(CODE_USAGE, "option --entries: \"%s\" does not name entries of the report alone, each once",
                        list);
    keep_entries(entries, names);
    keep_entries(json_object_get(json_object_get(report, "plan"), "entries"), names);
    for (size_t i = json_array_size(tests); i-- > 0;) {
        json_t *test = json_array_get(tests, i);
        const char *a = json_string_value(json_object_get(test, "a")),
                   *b = json_string_value(json_object_get(test, "b"));
        json_object_del(test, "p_holm");
        if (!a || !b || !json_object_get(names, a) || !json_object_get(names, b))
            json_array_remove(tests, i);
    }
    json_decref(names);
    return CODE_DONE;
}

static int verify(struct session *session, study *work, const char *path)
{
    const char *list = session_value(session, "entries");
    json_error_t fault;
    int code = CODE_DONE;
    json_t *before = json_load_file(path, 0, &fault), *now = NULL, *lines = NULL;
    const char *given = session_value(session, "journal");
    char *book = given && *given ? need_text(given) : need_format("%s.verify", path);
    if (!before)
        STEP(complain(CODE_FAILED, "%s:%d: %s", path, fault.line, fault.text));
    if (!json_is_object(json_object_get(before, "plan")))
        STEP(complain(CODE_FAILED, "%s is not the .json report of a comparison", path));
    if (list && *list)
        STEP(keep_listed(before, list));
    STEP(run_plan(work, json_object_get(before, "plan"), book, &now));
    progress_clear();
    if (list && *list)
        STEP(keep_listed(now, list));
    lines = compare_differences(before, now);
    for (size_t i = 0; i < json_array_size(lines); i++)
        complain(CODE_FAILED, "%s", json_string_value(json_array_get(lines, i)));
    if (json_array_size(lines)) {
        code = CODE_FAILED;
        goto done;
    }
    printf("%s: data, options, results and tests are the same%s%s\n", path, list && *list ? ": " : "",
           list && *list ? list : "");
    if (!(given && *given))
        unlink(book);
done:
    free(book);
    json_decref(before);
    json_decref(now);
    json_decref(lines);
    return code;
}

static int compare(struct session *session, study *work, const char *path)
{
    const char *output = session_value(session, "output"), *given = session_value(session, "journal");
    json_t *plan = NULL, *report = NULL;
    char *prefix = output && *output ? need_text(output) : prefix_of(path);
    char *book = given && *given ? need_text(given) : need_format("%s.trials", prefix), *first = NULL;
    int code;
    first = need_format("%s.json", prefix);
    STEP(session_output_check(first));
    STEP(study_code(work, experiment_read(work, path, &plan)));
    STEP(run_plan(work, plan, book, &report));
    STEP(write_all(prefix, report));
    progress_clear();
    rendering_find(session->format == OUTPUT_JSON  ? "json"
                   : session->format == OUTPUT_CSV ? "csv"
                                                   : "text")
        ->write(stdout, report);
done:
    free(prefix);
    free(book);
    free(first);
    json_decref(plan);
    json_decref(report);
    return code;
}

static int run(struct session *session)
{
    const char *report = session_value(session, "verify"), *path = session_operand(session, 0);
    study work = {.context = session->context, .progress = progress_show, .say = say, .deadline = INFINITY};
    int code;
    STEP(session_apply(session, NULL));
    work.machine = session->options[TOPN_KIND_CONTEXT];
    if (report && *report) {
        if (path)
            STEP(complain(CODE_USAGE, "with --verify the report says what is done: topn compare --verify REPORT"));
        STEP(verify(session, &work, report));
    } else if (!path) {
        STEP(complain(CODE_USAGE, "missing argument; usage: topn compare EXPERIMENT.yaml, or --verify REPORT"));
    } else {
        STEP(compare(session, &work, path));
    }
done:
    return code;
}

const struct command command_compare = {
    .name = "compare",
    .summary = "several methods on the same data, tuned where asked, with tests and a report",
    .usage = "EXPERIMENT.yaml [-o PREFIX]\n--verify REPORT.json",
    .description =
        "Reads from a YAML file which data, protocol, methods, search spaces, metrics and seeds are compared, tunes "
        "the methods that have a search space on a part of the training events, trains all and measures them on the "
        "test part. The report has intervals, paired tests corrected for many comparisons, seconds, memory, bytes and "
        "coverage; every option, the data's fingerprint, the version and the machine.\n\n"
        "What has ended is in the journal, so the same command goes on where a killed one ended. The seeds are those "
        "of the file, whatever --seed says.",
    .example = "topn compare experiment.yaml\ntopn compare experiment.yaml -o runs/films --format csv\n"
               "topn compare --verify runs/films.json",
    .options = own_options,
    .option_count = sizeof own_options / sizeof *own_options,
    .kinds = 0,
    .results = true,
    .minimum_operands = 0,
    .maximum_operands = 1,
    .run = run,
};
