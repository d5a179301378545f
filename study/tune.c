/* SPDX-License-Identifier: Apache-2.0 */
#include "study/tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/record.h"
#include "study/schedule.h"
#include "study/trial.h"

/* Where nothing is known of a method yet a flop takes at least this long, which is what products of matrices reach:
 * most methods are slower, and are stopped when their time is up. Among several methods the first trial of one may take
 * the share one_first of the time, and all first trials all_first together. */
static const double fast_rate = 5e-12, one_first = 0.125, all_first = 0.5, final_margin = 1.3;

/* A tuning under way. */
typedef struct run {
    study *work;
    const tuning *asked;
    bench on;
    schedule all;
    double *stopped;     /* [all.count] seconds after which a trial was stopped */
    double start, spent; /* spent: by trials of earlier runs */
    double first;        /* seconds of all first trials, those that were stopped included */
} run;

static double remaining(const run *of)
{
    return of->asked->seconds - of->spent - (study_clock() - of->start);
}

static size_t trials_so_far(const run *of)
{
    size_t sum = 0;
    for (size_t i = 0; i < of->all.count; i++)
        sum += of->all.arms[i].count;
    return sum;
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

/* Seconds that the final training will take: those of the best trial, over all events. */
static double final_seconds(const run *of)
{
    const size_t best = schedule_winner(&of->all);
    if (best == of->all.count)
        return 0;
    const arm *one = &of->all.arms[best];
    return final_margin * json_number_value(json_object_get(one->rows[arm_best(one, SIZE_MAX)].facts, "seconds"));
}

/* Seconds that an arm's next trial may take. */
static double limit_of(const run *of, size_t which)
{
    const double left = remaining(of) - final_seconds(of), all = of->asked->seconds;
    return of->all.arms[which].count == 0 && of->all.count > 1
               ? fmin(left, fmin(one_first * all, all_first * all - of->first))
               : left;
}

/* Whether the arm's next trial fits into memory and time; says why it does not. */
static topn_status admit(run *of, size_t which, bool *fits)
{
    topn_status status;
    forecast next;
    arm *one = &of->all.arms[which];
    *fits = false;
    STUDY_TRY(arm_forecast(&of->on, one, fast_rate, &next));
    if (one->count == 0 && next.bytes > next.available && of->all.count > 1) {
        char why[160];
        snprintf(why, sizeof why, "predicted to take %.3g GiB of memory where %.3g GiB are available",
                 (double)next.bytes / 0x1p30, (double)next.available / 0x1p30);
        one->left_out = strdup(why);
        if (!one->left_out)
            status = study_memory(of->work);
    } else if (next.seconds > limit_of(of, which)) {
        of->all.too_long[which] = fmax(next.seconds, 1e-3);
    } else {
        *fits = true;
    }
done:
    return status;
}

static topn_status step(run *of, size_t which)
{
    arm *one = &of->all.arms[which];
    const double limit = limit_of(of, which), start = study_clock();
    const bool first = one->count == 0;
    bool late;
    of->work->deadline = start + limit;
    const topn_status status = arm_step(&of->on, one, &late);
    of->work->deadline = INFINITY;
    of->work->late = false;
    if (first)
        of->first += study_clock() - start;
    if (status != TOPN_OK)
        return status;
    if (late) {
        of->all.too_long[which] = of->stopped[which] = study_clock() - start;
        study_say(of->work, "%s: a trial was stopped after %.1f s, all the time there was for it", one->method,
                  of->stopped[which]);
        return TOPN_OK;
    }
    const trial_row *row = &one->rows[one->count - 1];
    char *text = settings_text(row->settings);
    study_say(of->work, "trial %zu: %s %s: %s %.5f%s%s, %.2f s", trials_so_far(of), one->method, text ? text : "",
              of->asked->metric, row->value, *row->message ? ", " : "", row->message, trial_seconds(row));
    free(text);
    return TOPN_OK;
}

static topn_status search_all(run *of)
{
    topn_status status = TOPN_OK;
    while (trials_so_far(of) < of->asked->trials) {
        const size_t which = schedule_next(&of->all, remaining(of));
        bool fits;
        if (which == of->all.count)
            break;
        STUDY_TRY(study_go_on(of->work));
        STUDY_TRY(admit(of, which, &fits));
        if (fits)
            STUDY_TRY(step(of, which));
        /* A method alone whose defaults fail has nothing to be tuned from. */
        if (of->all.count == 1 && of->all.arms[0].left_out)
            STUDY_TRY(study_fail(of->work, TOPN_ERROR_OPTION, "%s", of->all.arms[0].left_out));
    }
done:
    return status;
}

/* ---- The end ------------------------------------------------------------------------------------------------------
 */

static topn_status train_final(run *of, topn_options **options, json_t **facts, topn_model **out)
{
    topn_status status;
    const size_t best = schedule_winner(&of->all);
    const material *with;
    trial_outcome outcome = {0};
    json_t *settings = NULL;
    if (best == of->all.count)
        return study_fail(of->work, TOPN_ERROR_DATA, "no trial gave a model: %s",
                          of->all.count && of->all.arms[0].left_out ? of->all.arms[0].left_out
                                                                    : "there was no time for one");
    const arm *one = &of->all.arms[best];
    const size_t trial = arm_best(one, SIZE_MAX);
    settings = arm_settings(one, one->rows[trial].settings);
    STUDY_TRY(arm_final_options(of->work, one, trial, options));
    STUDY_TRY(materials_get(of->work, of->on.data, settings, 1, &with));
    study_say(of->work, "training %s on all events", one->method);
    const trial_job job = {.method = one->method,
                           .options = *options,
                           .reader = with->reader,
                           .seed = of->work->seed,
                           .train = with->full};
    STUDY_TRY(trial_run(of->work, &job, &outcome));
    if (!outcome.model)
        STUDY_TRY(
            study_fail(of->work, TOPN_ERROR_NUMERIC, "training %s on all events: %s", one->method, outcome.message));
    *out = outcome.model;
    *facts = json_incref(outcome.facts);
    outcome.model = NULL;
done:
    json_decref(settings);
    trial_outcome_clear(&outcome);
    return status;
}

static void describe_time(const run *of, size_t which, size_t size, char *why)
{
    if (of->stopped[which] > 0)
        snprintf(why, size, "its defaults were stopped after %.3g s, all the time there was for them",
                 of->stopped[which]);
    else if (of->all.too_long[which] > 0)
        snprintf(why, size, "its defaults take %.3g s or longer, for which there was no time", of->all.too_long[which]);
    else
        snprintf(why, size, "there was no time for it");
}

static json_t *record_left_out(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->all.count; i++) {
        char why[256];
        const char *text = of->all.arms[i].left_out;
        if (!text && of->all.arms[i].count == 0) {
            describe_time(of, i, sizeof why, why);
            text = why;
        }
        if (text)
            json_array_append_new(list, json_pack("{s:s, s:s}", "method", of->all.arms[i].method, "why", text));
    }
    return list;
}

static json_t *record_methods(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->all.count; i++) {
        const arm *one = &of->all.arms[i];
        const size_t best = arm_best(one, SIZE_MAX);
        json_t *row = json_pack("{s:s, s:i, s:o}", "method", one->method, "trials", (int)one->count, "space",
                                space_json(&one->over));
        json_object_set_new(row, "defaults", record_real(one->count ? one->rows[0].value : NAN));
        json_object_set_new(row, "best", record_real(schedule_best(one, SIZE_MAX)));
        if (best != SIZE_MAX)
            json_object_set(row, "best_options", one->rows[best].settings);
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *record_trials(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->all.count; i++)
        for (size_t t = 0; t < of->all.arms[i].count; t++)
            json_array_append_new(list, record_trial(&of->all.arms[i].rows[t]));
    return list;
}

static json_t *make_record(run *of, const topn_options *options, json_t *facts, const json_t *identity)
{
    const arm *one = &of->all.arms[schedule_winner(&of->all)];
    const size_t trial = arm_best(one, SIZE_MAX);
    json_t *chosen =
        json_pack("{s:s, s:O, s:i}", "method", one->method, "options", one->rows[trial].settings, "trial", (int)trial);
    json_object_set_new(chosen, "validation", record_real(one->rows[trial].value));
    json_object_set_new(chosen, "every_option", record_options(options));
    json_object_set(chosen, "training", facts);
    json_t *record = json_pack("{s:s, s:s, s:O}", "record", "topn tune", "version", topn_version(), "asked", identity);
    json_object_set_new(record, "chosen", chosen);
    json_object_set_new(record, "methods", record_methods(of));
    json_object_set_new(record, "left_out", record_left_out(of));
    json_object_set_new(record, "seconds", json_real(of->spent + study_clock() - of->start));
    json_object_set_new(record, "machine", record_machine(of->work));
    json_object_set_new(record, "trials", record_trials(of));
    return record;
}

/* ---- The beginning ------------------------------------------------------------------------------------------------
 */

static topn_status make_arms(run *of)
{
    topn_status status = TOPN_OK;
    const tuning *asked = of->asked;
    of->stopped = calloc(asked->method_count, sizeof *of->stopped);
    if (!schedule_create(&of->all, asked->method_count) || !of->stopped)
        STUDY_TRY(study_memory(of->work));
    for (; of->all.count < asked->method_count; of->all.count++) {
        arm *one = &of->all.arms[of->all.count];
        const char *method = asked->methods[of->all.count];
        STUDY_TRY(arm_create(of->work, method, method, asked->fixed, asked->by, false, NULL, one));
        if (asked->ranges) {
            const topn_status added = space_add_list(of->work, &one->over, method, asked->ranges);
            if (added != TOPN_OK)
                arm_clear(one);
            STUDY_TRY(added);
        }
    }
done:
    return status;
}

/* The metric must be one that there is before anything is read, and its cut-off before anything is trained. */
static topn_status check_metric(study *work, const char *metric, uint32_t items)
{
    topn_status status;
    size_t count;
    STUDY_TRY(study_check(work, topn_metrics_check(work->context, metric, items, &count, NULL)));
    if (count != 1)
        status = study_fail(work, TOPN_ERROR_OPTION, "option --metric takes one metric, such as ndcg@100, not \"%s\"",
                            metric);
done:
    return status;
}

/* All that decides the trials. */
static json_t *identity_of(const run *of, const material *base)
{
    const tuning *asked = of->asked;
    json_t *methods = json_object();
    for (size_t i = 0; i < of->all.count; i++)
        json_object_set_new(methods, of->all.arms[i].method, space_json(&of->all.arms[i].over));
    json_t *identity = json_pack("{s:s, s:s, s:s}", "study", "tune", "version", topn_version(), "data",
                                 topn_data_fingerprint(base->all));
    json_object_set_new(identity, "file", json_string(asked->from.data));
    json_object_set_new(identity, "reader", record_options(asked->from.reader));
    json_object_set_new(identity, "protocol", json_string(asked->protocol ? asked->protocol : asked->from.prefix));
    json_object_set_new(identity, "protocol_options", record_options(asked->from.split));
    json_object_set_new(identity, "held_back", json_string(topn_data_fingerprint(base->hidden)));
    json_object_set_new(identity, "metric", json_string(asked->metric));
    json_object_set_new(identity, "search", json_string(asked->by->name));
    json_object_set_new(identity, "share_of", json_string(asked->by_data ? "users" : "sweeps"));
    json_object_set_new(identity, "seed", json_integer((json_int_t)of->work->seed));
    json_object_set_new(identity, "fixed", json_deep_copy(asked->fixed));
    json_object_set_new(identity, "methods", methods);
    return identity;
}

static topn_status take_over(run *of)
{
    topn_status status;
    trial_row *rows = NULL;
    size_t count = 0;
    STUDY_TRY(journal_rows(of->work, of->on.book, &rows, &count));
    for (size_t i = 0; i < of->all.count; i++)
        STUDY_TRY(arm_replay(of->work, &of->all.arms[i], rows, count));
    for (size_t i = 0; i < of->all.count; i++)
        for (size_t t = 0; t < of->all.arms[i].count; t++)
            of->spent += trial_seconds(&of->all.arms[i].rows[t]);
    for (size_t i = 0; i < of->all.count; i++)
        of->first += of->all.arms[i].count ? trial_seconds(&of->all.arms[i].rows[0]) : 0;
    if (count)
        study_say(of->work, "%s: %zu trials are done, it goes on from there", of->asked->journal, trials_so_far(of));
done:
    for (size_t i = 0; i < count; i++)
        trial_row_clear(&rows[i]);
    free(rows);
    return status;
}

static void run_clear(run *of)
{
    journal_close(of->on.book);
    materials_free(of->on.data);
    schedule_clear(&of->all);
    free(of->stopped);
}

topn_status tune_run(study *work, const tuning *asked, tuned *out)
{
    topn_status status;
    run of = {.work = work, .asked = asked, .start = study_clock()};
    const material *base;
    json_t *identity = NULL, *nothing = json_object(), *facts = NULL;
    topn_options *options = NULL;
    bool found;
    *out = (tuned){0};
    of.on = (bench){.work = work, .metric = asked->metric, .metrics = asked->metric, .by_data = asked->by_data};
    STUDY_TRY(check_metric(work, asked->metric, 0));
    STUDY_TRY(make_arms(&of));
    STUDY_TRY(study_share(work));
    study_watch(work);
    STUDY_TRY(materials_create(work, &asked->from, &of.on.data));
    STUDY_TRY(materials_get(work, of.on.data, nothing, 1, &base));
    if (!base->hidden || topn_data_events(base->hidden) == 0)
        STUDY_TRY(study_fail(work, TOPN_ERROR_OPTION, "the protocol holds no events back for validation"));
    STUDY_TRY(check_metric(work, asked->metric, topn_data_items(base->train)));
    identity = identity_of(&of, base);
    STUDY_TRY(journal_open(work, asked->journal, identity, &of.on.book, &found));
    STUDY_TRY(take_over(&of));
    STUDY_TRY(search_all(&of));
    STUDY_TRY(train_final(&of, &options, &facts, &out->model));
    out->record = make_record(&of, options, facts, identity);
    if (!out->record)
        status = study_memory(work);
done:
    json_decref(identity);
    json_decref(nothing);
    json_decref(facts);
    topn_options_free(options);
    run_clear(&of);
    study_share_end(work);
    if (status != TOPN_OK)
        tuned_clear(out);
    return status;
}

void tuned_clear(tuned *old)
{
    topn_model_free(old->model);
    json_decref(old->record);
    *old = (tuned){0};
}

/* ---- For people ----------------------------------------------------------------------------------------------------
 */

static void write_methods(FILE *file, const json_t *record)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(record, "methods"), index, row)
    {
        if (json_integer_value(json_object_get(row, "trials")) == 0)
            continue; /* among those left out */
        char *text = settings_text(json_object_get(row, "best_options"));
        fprintf(file, "%-16s %7d  ", json_string_value(json_object_get(row, "method")),
                (int)json_integer_value(json_object_get(row, "trials")));
        record_print_real(file, json_object_get(row, "defaults"), 9);
        record_print_real(file, json_object_get(row, "best"), 9);
        fprintf(file, "  %s\n", json_object_get(row, "best_options") && text ? text : "");
        free(text);
    }
}

char *tune_text(const json_t *record)
{
    char *text = NULL;
    size_t size = 0, index;
    json_t *row;
    const json_t *chosen = json_object_get(record, "chosen"), *asked = json_object_get(record, "asked");
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    char *options = settings_text(json_object_get(chosen, "options"));
    fprintf(file, "%-16s %7s  %9s %9s  %s\n", "method", "trials", "defaults", "best", "best options");
    write_methods(file, record);
    json_array_foreach(json_object_get(record, "left_out"), index, row)
        fprintf(file, "left out: %s: %s\n", json_string_value(json_object_get(row, "method")),
                json_string_value(json_object_get(row, "why")));
    fprintf(
        file, "\nchosen: %s with %s: %s %.5f on the events held back (%s), after %.1f s\n",
        json_string_value(json_object_get(chosen, "method")), options ? options : "",
        json_string_value(json_object_get(asked, "metric")), json_number_value(json_object_get(chosen, "validation")),
        json_string_value(json_object_get(asked, "protocol")), json_number_value(json_object_get(record, "seconds")));
    free(options);
    fclose(file);
    return text;
}
