/* SPDX-License-Identifier: Apache-2.0 */
#include "retrain.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "generation.h"
#include "log.h"
#include "model_files.h"

enum { WHY = 512, PATIENCE_SECONDS = 10, CODE_WRITTEN = 0, CODE_WORSE = 3 };

/* What replaces the model at once, without training. */
typedef struct replacement {
    bool wanted, back;
    char *path; /* NULL: the server's model */
    retrain_done *done;
    void *user_data;
} replacement;

struct retrainer {
    const server_options *options;
    const char *store;
    models *in_use;
    model_files files;
    child child;
    pthread_t trainer, replacer;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    retrain_state state;
    replacement next;
    bool requested, stopping;
    bool force;                /* of the one under way, or requested; the trainer's own while that is RUNNING */
    pthread_mutex_t replacing; /* held while files and the model in use change together */
};

const char *retrain_outcome_name(retrain_outcome outcome)
{
    static const char *const names[] = {"none", "running", "swapped", "worse", "failed"};
    return names[outcome];
}

/* The model in use now, for the log: and why it does not answer as it was asked to. */
static void tell_model(models *in_use, const char *what)
{
    generation *now = models_acquire(in_use);
    log_event("info", what, "model %s is in use", now->version);
    if (*now->note)
        log_event("warning", what, "%s", now->note);
    generation_release(now);
}

/* One server at a time trains a model file. A descriptor that holds the lock, or -1. */
static int lock_file(const retrainer *one, char *path, size_t size)
{
    snprintf(path, size, "%s.lock", one->files.new);
    const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return -1;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        return descriptor;
    close(descriptor);
    return -1;
}

static double figure(const json_t *figures, const char *name)
{
    const json_t *value = json_object_get(figures, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The new file comes into use first, so that only one that loads and answers takes the place of the old one. */
static bool take_over(retrainer *one, char *why, size_t size)
{
    pthread_mutex_lock(&one->replacing);
    bool good = models_swap(one->in_use, one->files.new, why, size);
    if (good && !model_files_advance(&one->files, why, size)) {
        char again[WHY];
        models_rollback(one->in_use, again, sizeof again);
        good = false;
    }
    pthread_mutex_unlock(&one->replacing);
    return good;
}

/* "topn: why it failed" without the name of the program. */
static void last_complaint(const retrainer *one, char *why, size_t size)
{
    static const char program[] = "topn: ";
    char line[CHILD_SAYS];
    child_last_line(one->child.complaints, line, sizeof line);
    const size_t skip = strncmp(line, program, sizeof program - 1) == 0 ? sizeof program - 1 : 0;
    snprintf(why, size, "%.*s", (int)size - 1, line + skip);
}

static retrain_outcome conclude(retrainer *one, int code, char *why, size_t size)
{
    if (code == CODE_WRITTEN)
        return take_over(one, why, size) ? RETRAIN_SWAPPED : RETRAIN_FAILED;
    if (code > 128)
        snprintf(why, size, "the training was ended by signal %d (%s)", code - 128, strsignal(code - 128));
    else if (code >= 0)
        last_complaint(one, why, size);
    if (code > 0 && !*why)
        snprintf(why, size, "the training ended with code %d", code);
    return code == CODE_WORSE ? RETRAIN_WORSE : RETRAIN_FAILED;
}

static retrain_outcome train(retrainer *one, double *before, double *after, char *why, size_t size)
{
    const server_options *options = one->options;
    char margin[32], line[CHILD_SAYS], lock_path[4096];
    snprintf(margin, sizeof margin, "%.17g", options->retrain_margin);
    const char *const arguments[] = {"topn",
                                     "retrain",
                                     options->model,
                                     "--store",
                                     one->store,
                                     "--output",
                                     one->files.new,
                                     "--metric",
                                     options->retrain_metric,
                                     "--margin",
                                     margin,
                                     "--quiet",
                                     one->force ? "--force" : NULL,
                                     NULL};
    const int lock = lock_file(one, lock_path, sizeof lock_path);
    if (lock < 0) {
        snprintf(why, size, "%.300s: %s", lock_path,
                 errno == EWOULDBLOCK ? "another server trains this model" : strerror(errno));
        return RETRAIN_FAILED;
    }
    model_files_sweep(&one->files);
    const int code = child_run(&one->child, arguments, why, size);
    child_last_line(one->child.results, line, sizeof line);
    json_t *figures = json_loads(line, 0, NULL);
    *before = figure(figures, "before");
    *after = figure(figures, "after");
    json_decref(figures);
    const retrain_outcome outcome = conclude(one, code, why, size);
    model_files_sweep(&one->files);
    unlink(lock_path);
    close(lock);
    return outcome;
}

static void run_once(retrainer *one)
{
    char why[WHY] = "";
    double before = NAN, after = NAN;
    log_event("info", "retrain", "started");
    const retrain_outcome outcome = train(one, &before, &after, why, sizeof why);
    if (outcome == RETRAIN_SWAPPED)
        tell_model(one->in_use, "retrain");
    else
        log_event(outcome == RETRAIN_WORSE ? "warning" : "error", "retrain", "%s; the model in use stays", why);
    pthread_mutex_lock(&one->lock);
    retrain_state *state = &one->state;
    state->outcome = outcome;
    state->ended = time(NULL);
    state->before = before;
    state->after = after;
    state->swapped += outcome == RETRAIN_SWAPPED;
    state->worse += outcome == RETRAIN_WORSE;
    state->failed += outcome == RETRAIN_FAILED;
    snprintf(state->message, sizeof state->message, "%s", why);
    pthread_mutex_unlock(&one->lock);
}

static struct timespec seconds_from_now(double seconds)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    const double nanoseconds = (double)when.tv_nsec + 1e9 * (seconds - floor(seconds));
    when.tv_sec += (time_t)floor(seconds) + (nanoseconds >= 1e9);
    when.tv_nsec = (long)(nanoseconds >= 1e9 ? nanoseconds - 1e9 : nanoseconds);
    return when;
}

/* Waits for a request or for the time; true when a training is due, false when all ends. Called with the lock. */
static bool wait_due(retrainer *one, const struct timespec *due)
{
    int error = 0;
    while (!one->stopping && !one->requested && error != ETIMEDOUT)
        error = one->options->retrain_seconds > 0 ? pthread_cond_timedwait(&one->changed, &one->lock, due)
                                                  : pthread_cond_wait(&one->changed, &one->lock);
    return !one->stopping;
}

static void *run_trainer(void *argument)
{
    retrainer *one = argument;
    const double period = one->options->retrain_seconds;
    struct timespec due = seconds_from_now(period);
    pthread_mutex_lock(&one->lock);
    while (wait_due(one, &due)) {
        one->force = one->force && one->requested; /* not when it is the clock that asks */
        one->requested = false;
        one->state.outcome = RETRAIN_RUNNING;
        one->state.started = time(NULL);
        pthread_mutex_unlock(&one->lock);
        run_once(one);
        due = seconds_from_now(period);
        pthread_mutex_lock(&one->lock);
    }
    pthread_mutex_unlock(&one->lock);
    return NULL;
}

/* Back in memory, and on disk where the kept file is the model that is now in use: a restart finds the same. */
static bool go_back(retrainer *one, char *why, size_t size)
{
    if (!models_rollback(one->in_use, why, size))
        return false;
    generation *now = models_acquire(one->in_use);
    bool good = true;
    if (!generation_is_file(now, one->files.model)) {
        if (generation_is_file(now, one->files.previous))
            good = model_files_exchange(&one->files, why, size);
        else
            log_event("warning", "rollback", "no file of the model in use is kept: %s holds another one",
                      one->files.model);
    }
    generation_release(now);
    return good;
}

static bool replace(retrainer *one, const replacement *what, char *why, size_t size)
{
    const char *event = what->back ? "rollback" : "swap";
    pthread_mutex_lock(&one->replacing);
    const bool good = what->back ? go_back(one, why, size)
                                 : models_swap(one->in_use, what->path ? what->path : one->options->model, why, size);
    pthread_mutex_unlock(&one->replacing);
    if (good)
        tell_model(one->in_use, event);
    else
        log_event("error", event, "%s", why);
    return good;
}

static void *run_replacer(void *argument)
{
    retrainer *one = argument;
    pthread_mutex_lock(&one->lock);
    while (one->next.wanted || !one->stopping) {
        if (!one->next.wanted) {
            pthread_cond_wait(&one->changed, &one->lock);
            continue;
        }
        const replacement what = one->next;
        char why[WHY] = "";
        pthread_mutex_unlock(&one->lock);
        const bool good = replace(one, &what, why, sizeof why);
        free(what.path);
        pthread_mutex_lock(&one->lock);
        one->next = (replacement){0}; /* before the answer: who has it may ask for the next */
        pthread_mutex_unlock(&one->lock);
        if (what.done)
            what.done(good, why, what.user_data);
        pthread_mutex_lock(&one->lock);
    }
    pthread_mutex_unlock(&one->lock);
    return NULL;
}

static bool submit(retrainer *one, replacement what)
{
    pthread_mutex_lock(&one->lock);
    const bool taken = !one->stopping && !one->next.wanted;
    if (taken) {
        one->next = what;
        pthread_cond_broadcast(&one->changed);
    }
    pthread_mutex_unlock(&one->lock);
    if (!taken)
        free(what.path);
    return taken;
}

bool retrainer_swap(retrainer *one, const char *path, retrain_done *done, void *user_data)
{
    char *copy = path ? strdup(path) : NULL;
    if (path && !copy)
        return false;
    return submit(one, (replacement){.wanted = true, .path = copy, .done = done, .user_data = user_data});
}

bool retrainer_rollback(retrainer *one, retrain_done *done, void *user_data)
{
    return submit(one, (replacement){.wanted = true, .back = true, .done = done, .user_data = user_data});
}

bool retrainer_request(retrainer *one, bool force)
{
    pthread_mutex_lock(&one->lock);
    const bool taken = !one->stopping && !one->requested && one->state.outcome != RETRAIN_RUNNING;
    if (taken) {
        one->requested = true;
        one->force = force;
        one->state.outcome = RETRAIN_RUNNING; /* from the answer on, whenever the thread wakes up */
        pthread_cond_broadcast(&one->changed);
    }
    pthread_mutex_unlock(&one->lock);
    return taken;
}

retrain_state retrainer_read(retrainer *one)
{
    pthread_mutex_lock(&one->lock);
    const retrain_state state = one->state;
    pthread_mutex_unlock(&one->lock);
    return state;
}

static void destroy(retrainer *one)
{
    pthread_mutex_destroy(&one->lock);
    pthread_mutex_destroy(&one->replacing);
    pthread_cond_destroy(&one->changed);
    child_clear(&one->child);
    model_files_clear(&one->files);
    free(one);
}

bool retrainer_start(const server_options *options, const char *store, models *in_use, retrainer **out, char *why,
                     size_t why_size)
{
    *out = NULL;
    retrainer *made = calloc(1, sizeof *made);
    if (!made || !model_files_name(options->model, &made->files)) {
        if (made)
            model_files_clear(&made->files);
        free(made);
        snprintf(why, why_size, "out of memory");
        return false;
    }
    made->options = options;
    made->store = store;
    made->in_use = in_use;
    made->state.before = made->state.after = NAN;
    pthread_condattr_t by_monotonic_clock;
    pthread_condattr_init(&by_monotonic_clock);
    pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &by_monotonic_clock);
    pthread_condattr_destroy(&by_monotonic_clock);
    pthread_mutex_init(&made->lock, NULL);
    pthread_mutex_init(&made->replacing, NULL);
    child_init(&made->child);
    if (pthread_create(&made->trainer, NULL, run_trainer, made) != 0) {
        destroy(made);
        snprintf(why, why_size, "cannot start a thread");
        return false;
    }
    if (pthread_create(&made->replacer, NULL, run_replacer, made) != 0) {
        made->stopping = true;
        pthread_cond_broadcast(&made->changed);
        pthread_join(made->trainer, NULL);
        destroy(made);
        snprintf(why, why_size, "cannot start a thread");
        return false;
    }
    tell_model(in_use, "start");
    *out = made;
    return true;
}

void retrainer_stop(retrainer *one)
{
    if (!one)
        return;
    pthread_mutex_lock(&one->lock);
    one->stopping = true;
    pthread_cond_broadcast(&one->changed);
    pthread_mutex_unlock(&one->lock);
    child_stop(&one->child, SIGTERM);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    if (pthread_timedjoin_np(one->trainer, NULL, &until) != 0) {
        child_stop(&one->child, SIGKILL);
        pthread_join(one->trainer, NULL);
    }
    pthread_join(one->replacer, NULL);
    destroy(one);
}
