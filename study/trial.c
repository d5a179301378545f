/* SPDX-License-Identifier: Apache-2.0 */
#include "study/trial.h"

#include <fcntl.h>
#include <inttypes.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "study/journal.h"

/* A line of this process's status in bytes, "VmRSS" or "VmHWM", of Linux; elsewhere 0. */
static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long long kilobytes = 0;
    const size_t length = strlen(name);
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0 && sscanf(line + length, ": %llu", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return (uint64_t)kilobytes * 1024;
}

/* Resident memory from here on, what earlier trials let go given back first. */
static uint64_t forget_peak(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    const int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        const ssize_t written = write(file, "5", 1);
        (void)written; /* the peak is then that of the whole run */
        close(file);
    }
    return status_bytes("VmRSS");
}

/* What was added to that at most. */
static uint64_t peak_beyond(uint64_t before)
{
    const uint64_t peak = status_bytes("VmHWM");
    return peak > before ? peak - before : 0;
}

uint64_t trial_model_bytes(const topn_model *model)
{
    uint64_t sum = 0;
    topn_array_info info;
    for (size_t i = 0; topn_model_array(model, i, &info); i++)
        sum += info.bytes;
    return sum;
}

const char *trial_metadata(const topn_model *model, const char *key)
{
    const char *name, *value;
    for (size_t i = 0; topn_model_metadata(model, i, &name, &value); i++)
        if (strcmp(name, key) == 0)
            return value;
    return NULL;
}

void trial_outcome_clear(trial_outcome *old)
{
    json_decref(old->facts);
    topn_report_free(old->report);
    topn_model_free(old->model);
    *old = (trial_outcome){0};
}

/* A failure of the library as the trial's outcome, or on to the caller where it is the study's. */
static topn_status judge_failure(study *work, topn_status status, trial_outcome *out)
{
    switch (status) {
    case TOPN_ERROR_MEMORY:
        out->status = TRIAL_REFUSED;
        break;
    case TOPN_ERROR_CANCELLED:
        if (!work->late)
            return study_fail(work, status, "cancelled");
        out->status = TRIAL_STOPPED;
        break;
    case TOPN_ERROR_OPTION:
    case TOPN_ERROR_DATA:
    case TOPN_ERROR_NUMERIC:
    case TOPN_ERROR_UNSUPPORTED:
        out->status = TRIAL_FAILED;
        break;
    default:
        return study_check(work, status);
    }
    snprintf(out->message, sizeof out->message, "%s",
             status == TOPN_ERROR_CANCELLED ? "the time ran out" : topn_context_message(work->context));
    return TOPN_OK;
}

/* Seconds that all threads of the process have computed: what other programs do on the machine changes them little. */
static double processor_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static topn_status train(study *work, const trial_job *job, trial_outcome *out)
{
    topn_cost cost = {0};
    const topn_training training = {.reader = job->reader,
                                    .validation_seen = job->stop_seen,
                                    .validation_hidden = job->stop_hidden,
                                    .metric = job->stop_metric};
    topn_status status = topn_train_cost(work->context, job->train, job->options, &cost);
    const double start = study_clock(), busy = processor_clock();
    if (status == TOPN_OK)
        status = topn_train_validated(work->context, job->train, job->options, &training, &out->model);
    json_object_set_new(out->facts, "seconds", json_real(study_clock() - start));
    json_object_set_new(out->facts, "cpu_seconds", json_real(processor_clock() - busy));
    json_object_set_new(out->facts, "predicted_bytes", json_integer((json_int_t)cost.peak_bytes));
    json_object_set_new(out->facts, "flops", json_real(cost.flops));
    return status;
}

static topn_status evaluation_options(study *work, const trial_job *job, topn_options **out)
{
    topn_status status;
    STUDY_TRY(topn_options_create(work->context, TOPN_KIND_EVALUATION, "evaluation", out));
    STUDY_TRY(topn_options_set(work->context, *out, "metrics", job->metrics));
    STUDY_TRY(topn_options_set(work->context, *out, "bootstrap", "0"));
    if (job->by_user)
        STUDY_TRY(topn_options_set(work->context, *out, "per-context", "no"));
done:
    return status;
}

static topn_status measure(study *work, const trial_job *job, trial_outcome *out)
{
    topn_status status;
    topn_retriever *retriever = NULL;
    topn_options *options = NULL;
    topn_metric_result first;
    const double start = study_clock();
    STUDY_TRY(evaluation_options(work, job, &options));
    STUDY_TRY(topn_retriever_create(work->context, out->model, NULL, &retriever));
    STUDY_TRY(topn_evaluate(work->context, retriever, job->seen, job->hidden, NULL, options, &out->report));
    if (topn_report_metric(out->report, 0, &first))
        out->value = first.mean;
done:
    json_object_set_new(out->facts, "evaluate_seconds", json_real(study_clock() - start));
    topn_options_free(options);
    topn_retriever_free(retriever);
    return status;
}

static void note_model(trial_outcome *out)
{
    static const char *const notes[][2] = {{"best_sweep", "train.best-sweep"}, {"sweeps", "train.sweeps"}};
    json_object_set_new(out->facts, "model_bytes", json_integer((json_int_t)trial_model_bytes(out->model)));
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        const char *value = trial_metadata(out->model, notes[i][1]);
        if (value)
            json_object_set_new(out->facts, notes[i][0], json_integer(atoll(value)));
    }
}

topn_status trial_run(study *work, const trial_job *job, trial_outcome *out)
{
    topn_status status;
    *out = (trial_outcome){.status = TRIAL_DONE, .value = NAN, .facts = json_object()};
    if (!out->facts)
        return study_memory(work);
    STUDY_TRY(study_seed(work, job->seed));
    const uint64_t before = forget_peak();
    status = train(work, job, out);
    json_object_set_new(out->facts, "peak_bytes", json_integer((json_int_t)peak_beyond(before)));
    if (status == TOPN_OK) {
        note_model(out);
        STUDY_TRY(study_seed(work, work->seed)); /* intervals are drawn alike for all */
        if (job->metrics)
            status = measure(work, job, out);
    }
    if (status != TOPN_OK) {
        status = judge_failure(work, status, out);
    } else if (job->metrics && !isfinite(out->value)) {
        out->status = TRIAL_FAILED;
        snprintf(out->message, sizeof out->message, "the metric is not a finite number");
    }
done:
    return status;
}
