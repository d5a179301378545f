/* SPDX-License-Identifier: Apache-2.0 */
#include "train/iteration.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "numeric/finite.h"
#include "train/checkpoint.h"

/* A training under way. */
typedef struct iteration {
    topn_context *context;
    const iteration_params *params;
    const validator *validator; /* NULL = none */
    const iterated *trained;
    topn_model *model;
    record identity;
    iteration_history history;
    int64_t best;       /* judgement with the highest metric, the first of equals; −1 = none */
    double last_metric; /* of a judgement after the last sweep where none was due; NAN = none */
    bool best_is_last;  /* the state is the best one */
} iteration;

static void iteration_clear(iteration *it)
{
    record_clear(&it->identity);
    free(it->history.losses);
    free(it->history.metrics);
    for (size_t index = 0; it->history.best_values && index < it->trained->array_count; index++)
        free(it->history.best_values[index]);
    free(it->history.best_values);
}

static size_t array_values(const state_array *array)
{
    return (size_t)(array->rows * array->columns);
}

static topn_status prepare(iteration *it)
{
    topn_status status = TOPN_OK;
    it->best = -1;
    it->last_metric = NAN;
    if (it->params->resume && (!it->params->checkpoint || !*it->params->checkpoint))
        return fail(it->context, TOPN_ERROR_OPTION, "option --resume needs --checkpoint FILE, the file to go on from");
    if (!it->validator)
        return TOPN_OK;
    TRY(ALLOCATE_ZEROED(it->context, it->trained->array_count, &it->history.best_values));
    for (size_t index = 0; index < it->trained->array_count; index++)
        TRY(ALLOCATE(it->context, array_values(&it->trained->arrays[index]), &it->history.best_values[index]));
done:
    return status;
}

static void keep_best(iteration *it)
{
    for (size_t index = 0; index < it->trained->array_count; index++) {
        const state_array *array = &it->trained->arrays[index];
        if (array_values(array))
            memcpy(it->history.best_values[index], array->values, array_values(array) * sizeof(float));
    }
    it->best_is_last = true;
}

static topn_status restored(const iteration *it)
{
    return it->trained->restored ? it->trained->restored(it->context, it->trained->state) : TOPN_OK;
}

static topn_status restore_best(iteration *it)
{
    for (size_t index = 0; index < it->trained->array_count; index++) {
        const state_array *array = &it->trained->arrays[index];
        if (array_values(array))
            memcpy(array->values, it->history.best_values[index], array_values(array) * sizeof(float));
    }
    return restored(it);
}

/* Sweeps done when judgement `index` was made. */
static int64_t judged_at(const iteration *it, int64_t index)
{
    return (index + 1) * it->params->validate_every;
}

static bool checkpoints(const iteration *it)
{
    return it->params->checkpoint && *it->params->checkpoint;
}

static topn_status resume(iteration *it)
{
    topn_status status;
    const iteration_history *history = &it->history;
    if (!it->params->resume)
        return TOPN_OK;
    if (access(it->params->checkpoint, F_OK) != 0 && errno == ENOENT) {
        log_line(it->context, "%s is not there yet: training starts anew", it->params->checkpoint);
        return TOPN_OK;
    }
    TRY(checkpoint_read(it->context, it->params->checkpoint, &it->identity, it->trained, it->params, &it->history));
    TRY(restored(it));
    for (int64_t index = 0; index < history->judged; index++)
        if (it->best < 0 || history->metrics[index] > history->metrics[it->best])
            it->best = index;
    it->best_is_last = it->best >= 0 && judged_at(it, it->best) == history->sweeps;
    log_line(it->context, "going on from %s after %" PRId64 " sweeps", it->params->checkpoint, history->sweeps);
done:
    return status;
}

/* ---- One sweep --------------------------------------------------------------------------------------------------- */

static topn_status check_state(const iteration *it, int64_t sweep, double loss)
{
    const char *remedy = it->trained->remedy ? it->trained->remedy : "a larger ridge (--l2) or a smaller step helps";
    const char *name = record_get(&it->model->metadata, "method");
    for (size_t index = 0; index < it->trained->array_count; index++) {
        const state_array *array = &it->trained->arrays[index];
        const size_t at = first_infinite(array->values, array_values(array), it->context->threads);
        if (at != SIZE_MAX)
            return fail(it->context, TOPN_ERROR_NUMERIC, "sweep %" PRId64 " of %s: %s, row %zu, column %zu is %g; %s",
                        sweep + 1, name ? name : "training", array->name, at / (size_t)array->columns,
                        at % (size_t)array->columns, (double)array->values[at], remedy);
    }
    if (!isfinite(loss))
        return fail(it->context, TOPN_ERROR_NUMERIC, "sweep %" PRId64 " of %s: the loss is %g; %s", sweep + 1,
                    name ? name : "training", loss, remedy);
    return TOPN_OK;
}

static topn_status sweep_once(iteration *it)
{
    topn_status status;
    iteration_history *history = &it->history;
    double loss = NAN;
    TRY(it->trained->sweep(it->context, it->trained->state, history->sweeps, &loss));
    TRY(check_state(it, history->sweeps, loss));
    TRY(history_room(it->context, history->sweeps + 1, &history->loss_room, &history->losses));
    history->losses[history->sweeps++] = loss;
    it->best_is_last = false;
done:
    return status;
}

/* ---- Validation -------------------------------------------------------------------------------------------------- */

static topn_status judge(const iteration *it, double *out)
{
    topn_status status;
    topn_model *scratch = NULL;
    *out = NAN;
    TRY(model_copy_frame(it->context, it->model, &scratch));
    TRY(it->trained->export(it->context, it->trained->state, scratch));
    TRY(model_check(it->context, scratch));
    TRY(it->validator->judge(it->context, scratch, it->validator->data, out));
    if (!isfinite(*out))
        status = fail(it->context, TOPN_ERROR_NUMERIC, "sweep %" PRId64 ": %s on the held-back events is %g",
                      it->history.sweeps, it->validator->metric, *out);
done:
    topn_model_free(scratch);
    return status;
}

/* Judges where it is due, and remembers the best. */
static topn_status judge_in_turn(iteration *it)
{
    topn_status status = TOPN_OK;
    iteration_history *history = &it->history;
    double value;
    if (!it->validator || history->sweeps % it->params->validate_every)
        return TOPN_OK;
    TRY(judge(it, &value));
    TRY(history_room(it->context, history->judged + 1, &history->metric_room, &history->metrics));
    history->metrics[history->judged++] = value;
    if (it->best < 0 || value > history->metrics[it->best]) {
        it->best = history->judged - 1;
        keep_best(it);
    }
done:
    return status;
}

/* After the last sweep where no judgement was due: none of the checkpoint's business, which may go on to more sweeps.
 */
static topn_status judge_last(iteration *it)
{
    topn_status status = TOPN_OK;
    const iteration_history *history = &it->history;
    if (!it->validator || history->sweeps % it->params->validate_every == 0)
        return TOPN_OK;
    TRY(judge(it, &it->last_metric));
    if (it->best >= 0 && it->last_metric <= history->metrics[it->best])
        return TOPN_OK;
    it->best = history->judged;
    it->best_is_last = true;
done:
    return status;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* Whether no further sweep is wanted, and why. */
static bool finished(const iteration *it, const char **why)
{
    const iteration_history *history = &it->history;
    const int64_t last = history->sweeps - 1;
    *why = NULL;
    if (it->params->patience && it->best >= 0 && history->judged - 1 - it->best >= it->params->patience)
        *why = "patience";
    else if (it->params->tolerance > 0 && last > 0 &&
             fabs(history->losses[last] - history->losses[last - 1]) <=
                 it->params->tolerance * fabs(history->losses[last - 1]))
        *why = "tolerance";
    return *why || history->sweeps >= it->params->sweeps;
}

static topn_status report(const iteration *it)
{
    topn_status status;
    const iteration_history *history = &it->history;
    const uint64_t done = (uint64_t)history->sweeps, total = (uint64_t)it->params->sweeps;
    const double loss = history->losses[history->sweeps - 1];
    const bool judged = it->validator && history->sweeps % it->params->validate_every == 0;
    if (judged)
        log_line(it->context, "sweep %" PRIu64 " of %" PRIu64 ": loss %.8g, %s %.6f%s", done, total, loss,
                 it->validator->metric, history->metrics[history->judged - 1], it->best_is_last ? ", the best" : "");
    else
        log_line(it->context, "sweep %" PRIu64 " of %" PRIu64 ": loss %.8g", done, total, loss);
    TRY(progress_report(it->context, "sweep", "sweeps", done, total, loss));
    if (judged)
        TRY(progress_report(it->context, it->validator->metric, "sweeps", done, total,
                            history->metrics[history->judged - 1]));
done:
    return status;
}

static topn_status write_checkpoint(const iteration *it)
{
    return checkpoint_write(it->context, it->params->checkpoint, &it->identity, it->trained, &it->history,
                            it->best_is_last);
}

static topn_status sweeps(iteration *it)
{
    topn_status status;
    const char *why;
    const int64_t begun = it->history.sweeps, total = it->params->sweeps;
    int64_t written = begun;
    TRY(progress_report(it->context, "sweep", "sweeps", (uint64_t)begun, (uint64_t)total,
                        begun ? it->history.losses[begun - 1] : NAN));
    while (!finished(it, &why)) {
        TRY(sweep_once(it));
        TRY(judge_in_turn(it));
        if (checkpoints(it) && it->history.sweeps % it->params->checkpoint_every == 0) {
            TRY(write_checkpoint(it));
            written = it->history.sweeps;
        }
        TRY(report(it));
    }
    if (why)
        log_line(it->context, "%s ends the training after %" PRId64 " sweeps", why, it->history.sweeps);
    if (checkpoints(it) && written != it->history.sweeps)
        TRY(write_checkpoint(it));
done:
    if (status == TOPN_ERROR_NUMERIC && checkpoints(it) && written > 0) {
        char why_not[sizeof it->context->message];
        memcpy(why_not, it->context->message, sizeof why_not);
        fail(it->context, status,
             "%s; %s holds the state after sweep %" PRId64 ", of which --resume --sweeps %" PRId64 " makes a model",
             why_not, it->params->checkpoint, written, written);
    }
    return status;
}

/* Numbers as text, a space between them. */
static topn_status record_numbers(const iteration *it, const char *key, int64_t count, const double *values)
{
    enum { WIDTH = 24 };
    char *text;
    size_t at = 0;
    topn_status status = memory_allocate(it->context, (size_t)count * WIDTH + 1, 1, &text);
    if (status != TOPN_OK)
        return status;
    text[0] = '\0';
    for (int64_t index = 0; index < count; index++)
        at += (size_t)snprintf(text + at, WIDTH, index ? " %.9g" : "%.9g", values[index]);
    status = record_set(it->context, &it->model->metadata, key, "%s", text);
    free(text);
    return status;
}

static topn_status record_figures(iteration *it)
{
    topn_status status;
    record *metadata = &it->model->metadata;
    iteration_history *history = &it->history;
    int64_t exported = history->sweeps, judged = history->judged;
    if (it->best >= 0 && it->best < history->judged)
        exported = judged_at(it, it->best);
    if (isfinite(it->last_metric)) {
        TRY(history_room(it->context, judged + 1, &history->metric_room, &history->metrics));
        history->metrics[judged++] = it->last_metric;
    }
    TRY(record_set(it->context, metadata, "train.sweeps", "%" PRId64, history->sweeps));
    TRY(record_set(it->context, metadata, "train.loss", "%.9g", history->losses[exported - 1]));
    TRY(record_numbers(it, "train.losses", history->sweeps, history->losses));
    if (it->validator) {
        TRY(record_set(it->context, metadata, "train.best-sweep", "%" PRId64, exported));
        TRY(record_set(it->context, metadata, "train.metric", "%s %.6f", it->validator->metric,
                       history->metrics[it->best]));
        TRY(record_numbers(it, "train.metrics", judged, history->metrics));
    }
done:
    return status;
}

topn_status iteration_run(topn_context *context, const topn_data *data, const iteration_params *params,
                          const training_run *run, const iterated *trained, topn_model *model)
{
    topn_status status;
    iteration it = {.context = context,
                    .params = params,
                    .validator = run ? run->validator : NULL,
                    .trained = trained,
                    .model = model};
    TRY(training_identity(context, data, model, run, &it.identity));
    TRY(prepare(&it));
    TRY(resume(&it));
    TRY(sweeps(&it));
    TRY(judge_last(&it));
    if (it.validator && !it.best_is_last)
        TRY(restore_best(&it));
    TRY(record_figures(&it));
    TRY((trained->finish ? trained->finish : trained->export)(context, trained->state, model));
done:
    iteration_clear(&it);
    return status;
}

uint64_t iteration_bytes(uint64_t state_bytes, bool validated)
{
    return validated ? 2 * state_bytes : 0;
}
