/* SPDX-License-Identifier: Apache-2.0 */
#include "study/arm.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/trial.h"

enum { MOST_ATTEMPTS = 12 };

topn_status arm_create(study *work, const char *series, const char *method, const json_t *fixed, const search *by,
                       bool undeclared, const json_t *ranges, arm *out)
{
    topn_status status;
    const char *name;
    json_t *range;
    *out = (arm){.by = by, .series = strdup(series), .method = strdup(method)};
    out->fixed = fixed ? json_deep_copy(fixed) : json_object();
    if (!out->series || !out->method || !out->fixed)
        STUDY_TRY(study_memory(work));
    STUDY_TRY(study_check(work, topn_options_create(work->context, TOPN_KIND_METHOD, method, &out->base)));
    STUDY_TRY(settings_apply(work, out->fixed, false, out->base));
    if (!undeclared)
        STUDY_TRY(space_declared(work, out->base, out->fixed, &out->over));
    json_object_foreach((json_t *)ranges, name, range)
        STUDY_TRY(space_add(work, &out->over, method, name, json_string_value(range)));
    return TOPN_OK;
done:
    arm_clear(out);
    return status;
}

void arm_clear(arm *old)
{
    for (size_t i = 0; i < old->count; i++) {
        trial_row_clear(&old->rows[i]);
        free(old->points[i]);
    }
    free(old->rows);
    free(old->points);
    free(old->series);
    free(old->method);
    free(old->left_out);
    topn_options_free(old->base);
    json_decref(old->fixed);
    space_clear(&old->over);
    *old = (arm){0};
}

/* Takes row and point over. */
static topn_status append(study *work, arm *to, trial_row *row, double *point)
{
    if (to->count == to->capacity) {
        const size_t capacity = to->capacity ? 2 * to->capacity : 16;
        trial_row *rows = realloc(to->rows, capacity * sizeof *rows);
        if (rows)
            to->rows = rows;
        double **points = realloc(to->points, capacity * sizeof *points);
        if (points)
            to->points = points;
        if (!rows || !points) {
            free(point);
            return study_memory(work);
        }
        to->capacity = capacity;
    }
    to->rows[to->count] = *row;
    to->points[to->count++] = point;
    *row = (trial_row){0};
    return TOPN_OK;
}

/* A method whose defaults do not work is not tried further. */
static topn_status note_left_out(study *work, arm *of)
{
    const trial_row *first = &of->rows[0];
    if (of->count != 1 || strcmp(first->status, TRIAL_DONE) == 0)
        return TOPN_OK;
    of->left_out = strdup(*first->message ? first->message : first->status);
    return of->left_out ? TOPN_OK : study_memory(work);
}

static double *point_of_row(const arm *of, const trial_row *row)
{
    double *point = calloc(of->over.count + 1, sizeof *point);
    for (size_t d = 0; point && d < of->over.count; d++)
        point[d] = json_real_value(json_array_get(row->point, d));
    return point;
}

topn_status arm_replay(study *work, arm *to, trial_row *rows, size_t count)
{
    topn_status status = TOPN_OK;
    for (size_t i = 0; i < count; i++) {
        trial_row *row = &rows[i];
        if (!row->series || strcmp(row->series, to->series) != 0 || strcmp(row->status, TRIAL_RUNNING) == 0 ||
            row->number != (int64_t)to->count)
            continue;
        double *point = point_of_row(to, row);
        if (!point)
            STUDY_TRY(study_memory(work));
        STUDY_TRY(append(work, to, row, point));
        STUDY_TRY(note_left_out(work, to));
    }
done:
    return status;
}

bool arm_has_more(const arm *of)
{
    return !of->left_out && (of->over.count > 0 || of->count == 0);
}

static topn_status propose(study *work, const arm *of, proposal *out)
{
    past_trial *past = calloc(of->count + 1, sizeof *past);
    if (!past)
        return study_memory(work);
    for (size_t i = 0; i < of->count; i++)
        past[i] = (past_trial){.point = of->points[i], .value = of->rows[i].value, .fidelity = of->rows[i].fidelity};
    of->by->propose(&of->over, past, of->count, draw_keyed(work->seed, of->series, of->count), out);
    free(past);
    return TOPN_OK;
}

/* Settings and point of the next trial; both are the caller's. */
static topn_status next_trial(study *work, const arm *of, trial_row *row, double **point)
{
    topn_status status = TOPN_OK;
    *row = (trial_row){.series = strdup(of->series),
                       .number = (int64_t)of->count,
                       .seed = work->seed,
                       .fidelity = 1,
                       .settings = json_object(),
                       .point = json_array(),
                       .value = NAN};
    *point = calloc(of->over.count + 1, sizeof **point);
    if (!row->series || !row->settings || !row->point || !*point)
        STUDY_TRY(study_memory(work));
    if (of->count == 0) {
        space_point(&of->over, of->base, *point);
    } else {
        proposal next = {.point = *point};
        STUDY_TRY(propose(work, of, &next));
        row->fidelity = next.fidelity;
        STUDY_TRY(space_settings(work, &of->over, *point, row->settings));
    }
    for (size_t d = 0; d < of->over.count; d++)
        json_array_append_new(row->point, json_real((*point)[d]));
done:
    return status;
}

topn_status arm_options(study *work, const arm *of, const json_t *settings, double fidelity, topn_options **out)
{
    topn_status status;
    STUDY_TRY(options_copy(work, TOPN_KIND_METHOD, of->method, of->base, out));
    STUDY_TRY(settings_apply(work, settings, false, *out));
    if (fidelity < 1 && topn_options_has(*out, "sweeps")) {
        char text[32];
        const double sweeps = round(atof(topn_options_get(*out, "sweeps")) * fidelity);
        snprintf(text, sizeof text, "%.0f", sweeps < 1 ? 1 : sweeps);
        STUDY_TRY(study_check(work, topn_options_set(work->context, *out, "sweeps", text)));
    }
done:
    return status;
}

topn_status arm_final_options(study *work, const arm *of, size_t trial, topn_options **out)
{
    topn_status status;
    const json_int_t sweeps = json_integer_value(json_object_get(of->rows[trial].facts, "best_sweep"));
    char text[32];
    STUDY_TRY(arm_options(work, of, of->rows[trial].settings, 1, out));
    if (sweeps > 0 && topn_options_has(*out, "sweeps")) {
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, sweeps);
        STUDY_TRY(study_check(work, topn_options_set(work->context, *out, "sweeps", text)));
        if (topn_options_has(*out, "tolerance"))
            STUDY_TRY(study_check(work, topn_options_set(work->context, *out, "tolerance", "0")));
    }
done:
    return status;
}

json_t *arm_settings(const arm *of, const json_t *settings)
{
    json_t *both = json_deep_copy(of->fixed);
    json_object_update(both, (json_t *)settings);
    return both;
}

/* Whether the share of the effort is one of the users. */
static bool shares_users(const bench *on, const arm *of)
{
    return on->by_data || !topn_options_has(of->base, "sweeps");
}

static topn_status finish(const bench *on, arm *of, trial_row *row, double *point, const trial_outcome *outcome)
{
    topn_status status;
    row->status = strdup(outcome->status);
    row->message = strdup(outcome->message);
    row->value = outcome->value;
    row->facts = json_incref(outcome->facts);
    if (!row->status || !row->message) {
        free(point);
        return study_memory(on->work);
    }
    status = journal_end(on->work, on->book, row, NULL, 0);
    if (status != TOPN_OK) {
        free(point);
        return status;
    }
    status = append(on->work, of, row, point);
    return status == TOPN_OK ? note_left_out(on->work, of) : status;
}

static topn_status run(const bench *on, const arm *of, const trial_row *row, trial_outcome *out)
{
    topn_status status;
    topn_options *options = NULL;
    json_t *settings = arm_settings(of, row->settings);
    const material *with = NULL;
    const bool users = shares_users(on, of);
    STUDY_TRY(arm_options(on->work, of, row->settings, users ? 1 : row->fidelity, &options));
    STUDY_TRY(materials_get(on->work, on->data, settings, users ? row->fidelity : 1, &with));
    const trial_job job = {.method = of->method,
                           .options = options,
                           .reader = with->reader,
                           .seed = row->seed,
                           .metrics = on->metrics,
                           .train = with->part_train,
                           .seen = with->seen,
                           .hidden = with->hidden,
                           .stop_seen = with->seen,
                           .stop_hidden = with->hidden,
                           .stop_metric = on->metric};
    STUDY_TRY(trial_run(on->work, &job, out));
done:
    json_decref(settings);
    topn_options_free(options);
    return status;
}

static topn_status too_often(trial_outcome *out)
{
    *out = (trial_outcome){.status = TRIAL_FAILED, .value = NAN, .facts = json_object()};
    snprintf(out->message, sizeof out->message, "the program ended %d times while it ran, perhaps for want of memory",
             MOST_ATTEMPTS);
    return TOPN_OK;
}

topn_status arm_step(const bench *on, arm *of, bool *late)
{
    topn_status status;
    trial_row row = {0};
    double *point = NULL;
    trial_outcome outcome = {0};
    *late = false;
    STUDY_TRY(next_trial(on->work, of, &row, &point));
    STUDY_TRY(journal_begin(on->work, on->book, &row));
    status = row.attempts > MOST_ATTEMPTS ? too_often(&outcome) : run(on, of, &row, &outcome);
    if (status == TOPN_ERROR_CANCELLED || (status == TOPN_OK && strcmp(outcome.status, TRIAL_STOPPED) == 0)) {
        *late = status == TOPN_OK;
        const topn_status forgotten = journal_forget(on->work, on->book, row.series, row.number);
        status = status == TOPN_OK ? forgotten : status;
        goto done;
    }
    STUDY_TRY(status);
    double *taken = point;
    point = NULL;
    STUDY_TRY(finish(on, of, &row, taken, &outcome));
done:
    free(point);
    trial_outcome_clear(&outcome);
    trial_row_clear(&row);
    return status;
}

double trial_seconds(const trial_row *row)
{
    return json_number_value(json_object_get(row->facts, "seconds")) +
           json_number_value(json_object_get(row->facts, "evaluate_seconds"));
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    if (!count)
        return NAN;
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

double arm_rate(const arm *of)
{
    double *rates = calloc(of->count + 1, sizeof *rates);
    size_t count = 0;
    for (size_t i = 0; rates && i < of->count; i++) {
        const double flops = json_number_value(json_object_get(of->rows[i].facts, "flops"));
        if (flops > 0 && strcmp(of->rows[i].status, TRIAL_DONE) == 0)
            rates[count++] = json_number_value(json_object_get(of->rows[i].facts, "seconds")) / flops;
    }
    const double rate = median(rates, count);
    free(rates);
    return rate;
}

static double judging_seconds(const arm *of)
{
    double most = 0;
    for (size_t i = 0; i < of->count; i++)
        most = fmax(most, json_number_value(json_object_get(of->rows[i].facts, "evaluate_seconds")));
    return most;
}

topn_status arm_forecast(const bench *on, const arm *of, double rate, forecast *out)
{
    topn_status status;
    trial_row row = {0};
    double *point = NULL;
    topn_options *options = NULL;
    const material *with = NULL;
    topn_cost cost;
    const double own = arm_rate(of);
    STUDY_TRY(next_trial(on->work, of, &row, &point));
    STUDY_TRY(arm_options(on->work, of, row.settings, shares_users(on, of) ? 1 : row.fidelity, &options));
    STUDY_TRY(materials_get(on->work, on->data, of->fixed, 1, &with));
    STUDY_TRY(study_check(on->work, topn_train_cost(on->work->context, with->train, options, &cost)));
    const double share = shares_users(on, of) ? row.fidelity : 1;
    *out = (forecast){.seconds = cost.flops * share * (isnan(own) ? rate : own) + judging_seconds(of),
                      .bytes = cost.peak_bytes,
                      .available = cost.available_bytes};
done:
    free(point);
    trial_row_clear(&row);
    topn_options_free(options);
    return status;
}

size_t arm_best(const arm *of, size_t count)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < of->count && i < count; i++) {
        const trial_row *row = &of->rows[i];
        if (row->fidelity < 1 || strcmp(row->status, TRIAL_DONE) != 0 || isnan(row->value))
            continue;
        if (best == SIZE_MAX || row->value > of->rows[best].value)
            best = i;
    }
    return best;
}
