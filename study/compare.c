/* SPDX-License-Identifier: Apache-2.0 */
#include "study/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/arm.h"
#include "study/compare_report.h"
#include "study/trial.h"

typedef struct run {
    study *work;
    const json_t *plan;
    bench on;
    topn_options *reader, *outer, *inner;
    char *paths[3];  /* of a split that is there: train.tsv, validation, test */
    char *metrics;   /* "ndcg@100,coverage" */
    trial_row *rows; /* [row_count] of the journal when it was opened; taken ones are empty */
    size_t row_count;
    competitor *list; /* [count] */
    size_t count;
} run;

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- What the plan says -------------------------------------------------------------------------------------------
 */

static topn_status make_options(study *work, topn_kind kind, const char *name, const json_t *settings,
                                topn_options **out)
{
    topn_status status;
    const char *key;
    json_t *value;
    STUDY_TRY(study_check(work, topn_options_create(work->context, kind, name, out)));
    json_object_foreach((json_t *)settings, key, value)
        STUDY_TRY(study_check(work, topn_options_set(work->context, *out, key, json_string_value(value))));
done:
    return status;
}

/* The protocol makes no validation part of its own unless the plan asks for one. */
static topn_status no_validation(study *work, const json_t *settings, topn_options *outer)
{
    static const char *const names[][2] = {
        {"validation-users", "0"}, {"validation-share", "0"}, {"validation", "false"}};
    topn_status status = TOPN_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (topn_options_has(outer, names[i][0]) && !json_object_get(settings, names[i][0]) &&
            !json_object_get(settings, "validation-since"))
            STUDY_TRY(study_check(work, topn_options_set(work->context, outer, names[i][0], names[i][1])));
done:
    return status;
}

/* Trials are judged on a part of what is trained on; the inner protocol makes no test part. */
static topn_status no_test(study *work, topn_options *inner)
{
    static const char *const names[] = {"test-users", "test-share"};
    topn_status status = TOPN_OK;
    for (size_t i = 0; i < 2; i++)
        if (topn_options_has(inner, names[i]))
            STUDY_TRY(study_check(work, topn_options_set(work->context, inner, names[i], "0")));
done:
    return status;
}

static topn_status join_path(study *work, const char *folder, const char *name, char **out)
{
    *out = malloc(strlen(folder) + strlen(name) + 2);
    if (!*out)
        return study_memory(work);
    sprintf(*out, "%s/%s", folder, name);
    return TOPN_OK;
}

static bool is_tuned(const run *of)
{
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(of->plan, "entries"), index,
                       entry) if (!json_is_null(json_object_get(entry, "search"))) return true;
    return false;
}

static topn_status open_data(run *of)
{
    topn_status status;
    study *work = of->work;
    const char *split = text_of(of->plan, "split"), *protocol = text_of(of->plan, "protocol");
    material_source from = {.data = text_of(of->plan, "data"), .test = text_of(of->plan, "test")};
    STUDY_TRY(make_options(work, TOPN_KIND_READER, "reader", json_object_get(of->plan, "reader"), &of->reader));
    from.reader = of->reader;
    if (split) {
        static const char *const names[] = {"train.tsv", "validation", "test"};
        for (size_t i = 0; i < 3; i++)
            STUDY_TRY(join_path(work, split, names[i], &of->paths[i]));
        from.data = of->paths[0];
        from.prefix = is_tuned(of) ? of->paths[1] : NULL;
        from.test_prefix = of->paths[2];
    } else {
        const json_t *options = json_object_get(of->plan, "protocol_options");
        STUDY_TRY(make_options(work, TOPN_KIND_SPLIT, protocol, options, &of->outer));
        STUDY_TRY(no_validation(work, options, of->outer));
        from.outer = of->outer;
        if (is_tuned(of)) {
            STUDY_TRY(make_options(work, TOPN_KIND_SPLIT, text_of(of->plan, "validation"),
                                   json_object_get(of->plan, "validation_options"), &of->inner));
            STUDY_TRY(no_test(work, of->inner));
            from.split = of->inner;
        }
    }
    STUDY_TRY(materials_create(work, &from, &of->on.data));
done:
    return status;
}

static topn_status join_metrics(run *of)
{
    size_t index, size = 1;
    json_t *one;
    const json_t *list = json_object_get(of->plan, "metrics");
    json_array_foreach((json_t *)list, index, one) size += json_string_length(one) + 1;
    of->metrics = calloc(size, 1);
    if (!of->metrics)
        return study_memory(of->work);
    json_array_foreach((json_t *)list, index, one)
    {
        strcat(of->metrics, index ? "," : "");
        strcat(of->metrics, json_string_value(one));
    }
    return TOPN_OK;
}

/* All that decides every entry's trainings. Entries are compared one by one (check_entry), so that some can be added
 * or left out later; title and intervals train nothing, and files are known by their fingerprints. */
static json_t *identity_of(const run *of, const material *base)
{
    static const char *const apart[] = {"entries", "title", "bootstrap", "data", "test", "split"};
    json_t *plan = json_copy((json_t *)of->plan);
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        json_object_del(plan, apart[i]);
    return json_pack("{s:s, s:s, s:o, s:s, s:s}", "study", "compare", "version", topn_version(), "plan", plan, "data",
                     topn_data_fingerprint(base->full), "test", topn_data_fingerprint(base->test_hidden));
}

static bool has_begun(const run *of, const char *name)
{
    const size_t length = strlen(name);
    for (size_t i = 0; i < of->row_count; i++)
        if (of->rows[i].series && strncmp(of->rows[i].series, name, length) == 0 && of->rows[i].series[length] == '/')
            return true;
    return false;
}

/* An entry whose trainings are in the journal must be the same entry. */
static topn_status check_entry(const run *of, const json_t *entry)
{
    topn_status status;
    char name[96], *before = NULL, *now = json_dumps(entry, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(name, sizeof name, "entry/%s", text_of(entry, "name"));
    if (!now)
        return study_memory(of->work);
    STUDY_TRY(journal_read_note(of->work, of->on.book, name, &before));
    if (before && strcmp(before, now) != 0 && has_begun(of, text_of(entry, "name")))
        STUDY_TRY(study_fail(of->work, TOPN_ERROR_ARGUMENT,
                             "entry \"%s\" is another one in the journal: %s there, %s now; name it otherwise, or "
                             "another file with --journal",
                             text_of(entry, "name"), before, now));
    if (!before || strcmp(before, now) != 0)
        STUDY_TRY(journal_note(of->work, of->on.book, name, now));
done:
    free(before);
    free(now);
    return status;
}

/* ---- Running ------------------------------------------------------------------------------------------------------
 */

static topn_status make_competitor(run *of, const json_t *entry, competitor *out)
{
    topn_status status;
    char series[96];
    const search *by;
    const json_t *wanted = json_object_get(entry, "search"), *tune = json_object_get(of->plan, "tune");
    out->entry = entry;
    out->name = text_of(entry, "name");
    out->seeds = json_object_get(entry, "seeds");
    if (json_is_null(out->seeds))
        out->seeds = json_object_get(of->plan, "seeds");
    out->seed_count = json_array_size(out->seeds);
    snprintf(series, sizeof series, "%s/tune", out->name);
    STUDY_TRY(search_find(of->work, text_of(tune, "search"), &by));
    STUDY_TRY(arm_create(of->work, series, text_of(entry, "method"), json_object_get(entry, "options"), by,
                         !json_is_true(json_object_get(wanted, "declared")), json_object_get(wanted, "ranges"),
                         &out->trials));
    out->finals = calloc(out->seed_count, sizeof *out->finals);
    if (!out->finals)
        status = study_memory(of->work);
done:
    return status;
}

static void tell(const run *of, const char *name, const char *what, const trial_row *row)
{
    char *text = settings_text(row->settings);
    study_say(of->work, "%s, %s: %s: %s %.5f%s%s, %.2f s", name, what, text ? text : "", of->on.metric, row->value,
              *row->message ? ", " : "", row->message, trial_seconds(row));
    free(text);
}

static topn_status tune_one(run *of, competitor *one)
{
    topn_status status = TOPN_OK;
    const size_t trials = (size_t)json_integer_value(json_object_get(json_object_get(of->plan, "tune"), "trials"));
    if (json_is_null(json_object_get(one->entry, "search")))
        return TOPN_OK;
    STUDY_TRY(arm_replay(of->work, &one->trials, of->rows, of->row_count));
    while (one->trials.count < trials && arm_has_more(&one->trials)) {
        bool late;
        char what[48];
        STUDY_TRY(study_go_on(of->work));
        STUDY_TRY(arm_step(&of->on, &one->trials, &late));
        snprintf(what, sizeof what, "trial %zu", one->trials.count);
        tell(of, one->name, what, &one->trials.rows[one->trials.count - 1]);
    }
done:
    return status;
}

/* The options of the final models: of the best trial, or those of the entry. */
static topn_status choose_options(run *of, competitor *one)
{
    const size_t best = arm_best(&one->trials, SIZE_MAX);
    if (best == SIZE_MAX) {
        one->chosen = json_object();
        return one->chosen ? arm_options(of->work, &one->trials, one->chosen, 1, &one->options)
                           : study_memory(of->work);
    }
    one->chosen = json_incref(one->trials.rows[best].settings);
    return arm_final_options(of->work, &one->trials, best, &one->options);
}

/* Every metric's values to arrays that the caller frees; [metric count of the report]. */
static topn_status collect_values(study *work, const topn_report *report, journal_values **out, size_t *count)
{
    topn_metric_result metric;
    const size_t users = topn_report_users(report);
    *count = 0;
    *out = calloc(topn_report_count(report) + 1, sizeof **out);
    if (!*out)
        return study_memory(work);
    for (size_t m = 0; topn_report_metric(report, m, &metric); m++) {
        const size_t length = metric.per_user ? users : 1;
        double *values = malloc((length + 1) * sizeof *values);
        if (!values)
            return study_memory(work);
        for (size_t user = 0; user < length; user++)
            values[user] = metric.per_user ? topn_report_value(report, m, user) : metric.mean;
        (*out)[(*count)++] = (journal_values){metric.name, values, length, metric.per_user};
    }
    return TOPN_OK;
}

static topn_status write_final(run *of, trial_row *row, const trial_outcome *outcome)
{
    topn_status status = TOPN_OK;
    journal_values *values = NULL;
    size_t count = 0;
    row->status = strdup(outcome->status);
    row->message = strdup(outcome->message);
    row->value = outcome->value;
    row->facts = json_incref(outcome->facts);
    if (!row->status || !row->message)
        STUDY_TRY(study_memory(of->work));
    if (outcome->report)
        STUDY_TRY(collect_values(of->work, outcome->report, &values, &count));
    STUDY_TRY(journal_end(of->work, of->on.book, row, values, count));
done:
    for (size_t i = 0; i < count; i++)
        free((double *)values[i].values);
    free(values);
    return status;
}

static topn_status run_final(run *of, const competitor *one, trial_row *row)
{
    topn_status status;
    trial_outcome outcome = {0};
    const material *with;
    json_t *settings = arm_settings(&one->trials, one->chosen);
    STUDY_TRY(materials_get(of->work, of->on.data, settings, 1, &with));
    const trial_job job = {.method = one->trials.method,
                           .options = one->options,
                           .reader = with->reader,
                           .seed = row->seed,
                           .metrics = of->metrics,
                           .by_user = true,
                           .train = with->full,
                           .seen = with->test_seen,
                           .hidden = with->test_hidden};
    STUDY_TRY(journal_begin(of->work, of->on.book, row));
    STUDY_TRY(trial_run(of->work, &job, &outcome));
    STUDY_TRY(write_final(of, row, &outcome));
done:
    json_decref(settings);
    trial_outcome_clear(&outcome);
    return status;
}

/* The row of the journal that has ended, moved to *out; false: there is none. */
static bool take_row(run *of, const char *series, trial_row *out)
{
    for (size_t i = 0; i < of->row_count; i++)
        if (of->rows[i].series && strcmp(of->rows[i].series, series) == 0 &&
            strcmp(of->rows[i].status, TRIAL_RUNNING) != 0) {
            *out = of->rows[i];
            of->rows[i] = (trial_row){0};
            return true;
        }
    return false;
}

static topn_status finals_of(run *of, competitor *one)
{
    topn_status status = TOPN_OK;
    for (size_t s = 0; s < one->seed_count; s++) {
        const json_int_t seed = json_integer_value(json_array_get(one->seeds, s));
        trial_row *row = &one->finals[s];
        char series[96], what[48];
        snprintf(series, sizeof series, "%s/seed %" JSON_INTEGER_FORMAT, one->name, seed);
        if (take_row(of, series, row))
            continue;
        STUDY_TRY(study_go_on(of->work));
        *row = (trial_row){.series = strdup(series),
                           .seed = (uint64_t)seed,
                           .fidelity = 1,
                           .settings = json_incref(one->chosen),
                           .value = NAN};
        if (!row->series)
            STUDY_TRY(study_memory(of->work));
        STUDY_TRY(run_final(of, one, row));
        snprintf(what, sizeof what, "seed %" JSON_INTEGER_FORMAT ", test", seed);
        tell(of, one->name, what, row);
    }
done:
    return status;
}

static void run_clear(run *of)
{
    for (size_t i = 0; i < of->count; i++) {
        competitor *one = &of->list[i];
        arm_clear(&one->trials);
        topn_options_free(one->options);
        json_decref(one->chosen);
        for (size_t s = 0; one->finals && s < one->seed_count; s++)
            trial_row_clear(&one->finals[s]);
        free(one->finals);
    }
    for (size_t i = 0; i < of->row_count; i++)
        trial_row_clear(&of->rows[i]);
    for (size_t i = 0; i < 3; i++)
        free(of->paths[i]);
    free(of->rows);
    free(of->list);
    free(of->metrics);
    journal_close(of->on.book);
    materials_free(of->on.data);
    topn_options_free(of->reader);
    topn_options_free(of->outer);
    topn_options_free(of->inner);
}

static topn_status compete(run *of)
{
    topn_status status = TOPN_OK;
    const json_t *entries = json_object_get(of->plan, "entries");
    of->list = calloc(json_array_size(entries), sizeof *of->list);
    if (!of->list)
        return study_memory(of->work);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        of->count++;
        STUDY_TRY(check_entry(of, json_array_get(entries, i)));
        STUDY_TRY(make_competitor(of, json_array_get(entries, i), &of->list[i]));
    }
    for (size_t i = 0; i < of->count; i++) {
        STUDY_TRY(tune_one(of, &of->list[i]));
        STUDY_TRY(choose_options(of, &of->list[i]));
    }
    /* What trials shared would make final models look faster, by whose Gram matrix was there already, and larger. */
    study_share_end(of->work);
    for (size_t i = 0; i < of->count; i++)
        STUDY_TRY(finals_of(of, &of->list[i]));
done:
    return status;
}

/* Names were checked with their lines; cut-offs need the number of items. */
static topn_status check_metrics(const run *of, const topn_data *data)
{
    topn_status status;
    bool per_user;
    STUDY_TRY(
        study_check(of->work, topn_metrics_check(of->work->context, of->metrics, topn_data_items(data), NULL, NULL)));
    STUDY_TRY(study_check(of->work, topn_metrics_check(of->work->context, of->on.metric, 0, NULL, &per_user)));
    if (!per_user)
        status =
            study_fail(of->work, TOPN_ERROR_OPTION,
                       "metrics: %s is no metric of users; the first of the list decides and is tested", of->on.metric);
done:
    return status;
}

static topn_status begin(run *of, const char *journal_path, const material **base)
{
    topn_status status;
    bool found;
    json_t *nothing = json_object(), *identity = NULL;
    const json_t *tune = json_object_get(of->plan, "tune");
    of->work->seed = (uint64_t)json_integer_value(json_object_get(of->plan, "seed"));
    STUDY_TRY(join_metrics(of));
    of->on.work = of->work;
    of->on.metric = of->on.metrics = json_string_value(json_array_get(json_object_get(of->plan, "metrics"), 0));
    of->on.by_data = strcmp(text_of(tune, "share_of"), "users") == 0;
    STUDY_TRY(study_share(of->work));
    study_watch(of->work);
    STUDY_TRY(open_data(of));
    STUDY_TRY(materials_get(of->work, of->on.data, nothing, 1, base));
    if (!(*base)->test_hidden || !topn_data_events((*base)->test_hidden))
        STUDY_TRY(study_fail(of->work, TOPN_ERROR_OPTION, "the protocol hides no events for the test"));
    if (is_tuned(of) && (!(*base)->hidden || !topn_data_events((*base)->hidden)))
        STUDY_TRY(study_fail(of->work, TOPN_ERROR_OPTION, "validation: no events are held back to tune by"));
    STUDY_TRY(check_metrics(of, (*base)->full));
    identity = identity_of(of, *base);
    STUDY_TRY(journal_open(of->work, journal_path, identity, &of->on.book, &found));
    STUDY_TRY(journal_rows(of->work, of->on.book, &of->rows, &of->row_count));
    if (of->row_count)
        study_say(of->work, "%s: %zu trials have begun, it goes on from there", journal_path, of->row_count);
done:
    json_decref(nothing);
    json_decref(identity);
    return status;
}

topn_status compare_run(study *work, const json_t *plan, const char *journal_path, json_t **report)
{
    topn_status status;
    run of = {.work = work, .plan = plan};
    const material *base;
    json_t *nothing = json_object();
    *report = NULL;
    STUDY_TRY(begin(&of, journal_path, &base));
    STUDY_TRY(compete(&of));
    STUDY_TRY(materials_get(work, of.on.data, nothing, 1, &base));
    const compared all = {
        .work = work, .book = of.on.book, .plan = plan, .base = base, .list = of.list, .count = of.count};
    STUDY_TRY(compare_report(&all, report));
done:
    json_decref(nothing);
    run_clear(&of);
    study_share_end(work);
    return status;
}
