/* SPDX-License-Identifier: Apache-2.0 */
#include "study/tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/record.h"
#include "study/trial.h"

enum { FIRST_STAGE = 4 };
/* Where nothing is known of a method yet: a flop takes at least this long, and among several its first trial may take
 * this share of the time, or its even share where that is less. */
static const double fast_rate = 2e-10, first_share = 0.125, final_margin = 1.3;

/* A tuning under way. */
typedef struct run {
    study *work;
    const tuning *asked;
    bench on;
    arm *arms; /* [count] */
    size_t count;
    double *too_long;    /* [count] seconds that the next trial was predicted to take, where there was no time for it */
    double start, spent; /* spent: by trials of earlier runs */
} run;

static double remaining(const run *of)
{
    return of->asked->seconds - of->spent - (study_clock() - of->start);
}

static size_t trials_so_far(const run *of)
{
    size_t sum = 0;
    for (size_t i = 0; i < of->count; i++)
        sum += of->arms[i].count;
    return sum;
}

/* ---- Which arm is next ------------------------------------------------------------------------------------------ */

static double best_value(const arm *of, size_t count)
{
    const size_t best = arm_best(of, count);
    return best == SIZE_MAX ? -INFINITY : of->rows[best].value;
}

/* Whether fewer than `places` arms were better in their first `trials`; of equals the first. */
static bool is_among(const run *of, size_t which, size_t places, size_t trials)
{
    size_t before = 0;
    const double mine = best_value(&of->arms[which], trials);
    for (size_t i = 0; i < of->count; i++) {
        const double other = of->arms[i].left_out ? -INFINITY : best_value(&of->arms[i], trials);
        before += i != which && (other > mine || (other == mine && i < which));
    }
    return before < places;
}

/* The arm with the fewest trials of those that the stage admits and that have not got all of its trials; count: none */
static size_t arm_of_stage(const run *of, size_t places, size_t judged_by, size_t trials)
{
    size_t found = of->count;
    for (size_t i = 0; i < of->count; i++) {
        const arm *one = &of->arms[i];
        if (of->too_long[i] > 0 || !arm_has_more(one) || one->count >= trials)
            continue;
        if (places < of->count && !is_among(of, i, places, judged_by))
            continue;
        if (found == of->count || one->count < of->arms[found].count)
            found = i;
    }
    return found;
}

static bool anything_left(const run *of)
{
    for (size_t i = 0; i < of->count; i++)
        if (!(of->too_long[i] > 0) && arm_has_more(&of->arms[i]))
            return true;
    return false;
}

static size_t next_arm(const run *of)
{
    size_t trials = 1, judged_by = 1, more = FIRST_STAGE, places = of->count;
    if (!anything_left(of))
        return of->count;
    for (int stage = 0; stage < 64; stage++) {
        const size_t found = arm_of_stage(of, places, judged_by, trials);
        if (found < of->count)
            return found;
        judged_by = trials;
        trials += more;
        more *= 2;
        if (stage > 0)
            places = places > 4 ? (places + 1) / 2 : places > 2 ? 2 : places;
    }
    return arm_of_stage(of, of->count, 1, SIZE_MAX);
}

/* The arm with the best trial of all; count: none. */
static size_t winner(const run *of)
{
    size_t best = of->count;
    for (size_t i = 0; i < of->count; i++)
        if (arm_best(&of->arms[i], SIZE_MAX) != SIZE_MAX &&
            (best == of->count || best_value(&of->arms[i], SIZE_MAX) > best_value(&of->arms[best], SIZE_MAX)))
            best = i;
    return best;
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

/* Seconds that the final training will take: those of the best trial, over all events. */
static double final_seconds(const run *of)
{
    const size_t best = winner(of);
    if (best == of->count)
        return 0;
    const arm *one = &of->arms[best];
    return final_margin * json_number_value(json_object_get(one->rows[arm_best(one, SIZE_MAX)].facts, "seconds"));
}

/* Seconds that an arm's next trial may take. */
static double limit_of(const run *of, size_t which)
{
    const double left = remaining(of) - final_seconds(of);
    const double share = fmin(first_share, 1 / (double)of->count);
    return of->arms[which].count == 0 && of->count > 1 ? fmin(left, share * of->asked->seconds) : left;
}

/* Whether the arm's next trial fits into memory and time; says why it does not. */
static topn_status admit(run *of, size_t which, bool *fits)
{
    topn_status status;
    forecast next;
    arm *one = &of->arms[which];
    *fits = false;
    STUDY_TRY(arm_forecast(&of->on, one, fast_rate, &next));
    if (one->count == 0 && next.bytes > next.available && of->count > 1) {
        char why[160];
        snprintf(why, sizeof why, "predicted to take %.3g GiB of memory where %.3g GiB are available",
                 (double)next.bytes / 0x1p30, (double)next.available / 0x1p30);
        one->left_out = strdup(why);
        if (!one->left_out)
            status = study_memory(of->work);
    } else if (next.seconds > limit_of(of, which)) {
        of->too_long[which] = fmax(next.seconds, 1e-3);
    } else {
        *fits = true;
    }
done:
    return status;
}

static topn_status step(run *of, size_t which)
{
    arm *one = &of->arms[which];
    const double limit = limit_of(of, which);
    bool late;
    of->work->deadline = study_clock() + limit;
    const topn_status status = arm_step(&of->on, one, &late);
    of->work->deadline = INFINITY;
    of->work->late = false;
    if (status != TOPN_OK)
        return status;
    if (late) {
        of->too_long[which] = limit;
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
        const size_t which = next_arm(of);
        bool fits;
        if (which == of->count)
            break;
        STUDY_TRY(study_go_on(of->work));
        STUDY_TRY(admit(of, which, &fits));
        if (fits)
            STUDY_TRY(step(of, which));
        /* A method alone whose defaults fail has nothing to be tuned from. */
        if (of->count == 1 && of->arms[0].left_out)
            STUDY_TRY(study_fail(of->work, TOPN_ERROR_OPTION, "%s", of->arms[0].left_out));
    }
done:
    return status;
}

/* ---- The end ------------------------------------------------------------------------------------------------------
 */

static topn_status train_final(run *of, topn_options **options, json_t **facts, topn_model **out)
{
    topn_status status;
    const size_t best = winner(of);
    const material *with;
    trial_outcome outcome = {0};
    json_t *settings = NULL;
    if (best == of->count)
        return study_fail(of->work, TOPN_ERROR_DATA, "no trial gave a model: %s",
                          of->count && of->arms[0].left_out ? of->arms[0].left_out : "there was no time for one");
    const arm *one = &of->arms[best];
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

static json_t *record_left_out(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->count; i++) {
        char why[256];
        const char *text = of->arms[i].left_out;
        if (!text && of->too_long[i] > 0 && of->arms[i].count == 0) {
            snprintf(why, sizeof why, "its defaults take more time than there is for them: %.3g s or longer",
                     of->too_long[i]);
            text = why;
        }
        if (text)
            json_array_append_new(list, json_pack("{s:s, s:s}", "method", of->arms[i].method, "why", text));
    }
    return list;
}

static json_t *record_methods(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->count; i++) {
        const arm *one = &of->arms[i];
        const size_t best = arm_best(one, SIZE_MAX);
        json_t *row = json_pack("{s:s, s:i, s:o}", "method", one->method, "trials", (int)one->count, "space",
                                space_json(&one->over));
        json_object_set_new(row, "defaults", record_real(one->count ? one->rows[0].value : NAN));
        json_object_set_new(row, "best", record_real(best_value(one, SIZE_MAX)));
        if (best != SIZE_MAX)
            json_object_set(row, "best_options", one->rows[best].settings);
        json_array_append_new(list, row);
    }
    return list;
}

static json_t *record_trials(const run *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->count; i++)
        for (size_t t = 0; t < of->arms[i].count; t++)
            json_array_append_new(list, record_trial(&of->arms[i].rows[t]));
    return list;
}

static json_t *make_record(run *of, const topn_options *options, json_t *facts, const json_t *identity)
{
    const arm *one = &of->arms[winner(of)];
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
    of->arms = calloc(asked->method_count, sizeof *of->arms);
    of->too_long = calloc(asked->method_count, sizeof *of->too_long);
    if (!of->arms || !of->too_long)
        STUDY_TRY(study_memory(of->work));
    for (; of->count < asked->method_count; of->count++) {
        arm *one = &of->arms[of->count];
        const char *method = asked->methods[of->count];
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

/* All that decides the trials. */
static json_t *identity_of(const run *of, const material *base)
{
    const tuning *asked = of->asked;
    json_t *methods = json_object();
    for (size_t i = 0; i < of->count; i++)
        json_object_set_new(methods, of->arms[i].method, space_json(&of->arms[i].over));
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
    for (size_t i = 0; i < of->count; i++)
        STUDY_TRY(arm_replay(of->work, &of->arms[i], rows, count));
    for (size_t i = 0; i < of->count; i++)
        for (size_t t = 0; t < of->arms[i].count; t++)
            of->spent += trial_seconds(&of->arms[i].rows[t]);
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
    for (size_t i = 0; i < of->count; i++)
        arm_clear(&of->arms[i]);
    free(of->arms);
    free(of->too_long);
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
    STUDY_TRY(make_arms(&of));
    STUDY_TRY(study_share(work));
    study_watch(work);
    STUDY_TRY(materials_create(work, &asked->from, &of.on.data));
    STUDY_TRY(materials_get(work, of.on.data, nothing, 1, &base));
    if (!base->hidden || topn_data_events(base->hidden) == 0)
        STUDY_TRY(study_fail(work, TOPN_ERROR_OPTION, "the protocol holds no events back for validation"));
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
