/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "log.h"
#include "options.h"
#include "running.h"
#include "worker.h"

enum { CODE_DONE, CODE_FAILED, CODE_USAGE };
enum { TICK_MILLISECONDS = 250, STOP_SECONDS = 30, EVENTS_WAITING = 100000, WHY = 512 };

/* The signals that this process acts on, blocked before the first thread is made, so that all inherit it. */
static void own_signals(sigset_t *out)
{
    sigemptyset(out);
    sigaddset(out, SIGTERM);
    sigaddset(out, SIGINT);
    sigaddset(out, SIGHUP);
}

/* The next signal within so many milliseconds; 0 when there is none. */
static int wait_signal(int signals, int milliseconds)
{
    struct pollfd waiting = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&waiting, 1, milliseconds) <= 0 || read(signals, &info, sizeof info) != (ssize_t)sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

static void reload(const server *running)
{
    char why[WHY];
    if (models_swap(running->models, running->options->model, why, sizeof why))
        log_event("info", "hangup", "the model file was loaded anew");
    else
        log_event("error", "hangup", "%s; the model in use stays", why);
    if (!http_reload_keys(running->transport, why, sizeof why))
        log_event("error", "hangup", "%s; the keys in use stay", why);
}

static void serve(server *running, int signals)
{
    for (;;) {
        const int signal = wait_signal(signals, TICK_MILLISECONDS);
        if (signal == SIGTERM || signal == SIGINT)
            return;
        if (signal == SIGHUP)
            reload(running);
        http_tick(running->transport);
        log_flush();
    }
}

/* Waits until every request under way is answered. A second signal, or the time limit, ends that. */
static void wait_answers(const server *running, int signals, int seconds)
{
    for (int waited = 0; waited < seconds * 1000 && http_under_way(running->transport); waited += 10) {
        const int signal = wait_signal(signals, 10);
        if (signal == SIGTERM || signal == SIGINT)
            return;
        http_tick(running->transport);
    }
}

/* Where the store is when nobody says: beside the model. */
static bool place_store(server *running, char *why)
{
    running->store = running->options->store;
    if (!running->store && asprintf(&running->store_made, "%s.events", running->options->model) >= 0)
        running->store = running->store_made;
    if (!running->store)
        snprintf(why, WHY, "out of memory");
    return running->store;
}

/* What is known of the items can be read: a wrong file of attributes is said now, not at the first request. */
static bool check_items(const server *running, char *why)
{
    worker *first = worker_create(running->store, why, WHY);
    generation *in_use = models_acquire(running->models);
    item_state *read = first ? items_acquire(running->items, first->store, in_use, why, WHY) : NULL;
    item_state_release(read);
    generation_release(in_use);
    worker_free(first);
    return read;
}

static bool start_parts(server *running, char *why)
{
    const server_options *options = running->options;
    running->metrics = metrics_create();
    running->items = items_create(options->items);
    if (!running->metrics || !running->items) {
        snprintf(why, WHY, "out of memory");
        return false;
    }
    running->transport = http_create(running, why, WHY);
    return running->transport && place_store(running, why) &&
           models_open(options->model, options->retriever, &running->models, why, WHY) && check_items(running, why) &&
           writer_start(running->store, EVENTS_WAITING, &running->writer, why, WHY) == STORE_OK &&
           retention_start(running->store, options->retain_seconds, &running->retention, why, WHY) &&
           retrainer_start(options, running->store, running->models, &running->retrainer, why, WHY);
}

/* In this order: whoever may still reply to a request ends before the connections do, and those before what answers. */
static void stop_parts(server *running, int signals)
{
    http_close_gate(running->transport);
    writer_stop(running->writer);
    retention_stop(running->retention);
    retrainer_stop(running->retrainer);
    wait_answers(running, signals, 1);
    http_stop(running->transport);
    items_free(running->items);
    models_close(running->models);
    metrics_free(running->metrics);
    log_flush();
    free(running->store_made);
}

static int run(const server_options *options, int signals, char *why)
{
    server running = {.options = options};
    char where[128];
    if (!server_options_check(options, why, WHY))
        return CODE_USAGE;
    const bool started = start_parts(&running, why) && http_start(running.transport, where, sizeof where, why, WHY);
    if (started) {
        printf("listening on %s\n", where);
        fflush(stdout);
        serve(&running, signals);
        http_quiesce(running.transport);
        wait_answers(&running, signals, STOP_SECONDS);
    }
    stop_parts(&running, signals);
    return started ? CODE_DONE : CODE_FAILED;
}

int server_run(const server_options *options)
{
    sigset_t own, before;
    char why[WHY] = "";
    own_signals(&own);
    pthread_sigmask(SIG_BLOCK, &own, &before);
    const int signals = signalfd(-1, &own, SFD_CLOEXEC | SFD_NONBLOCK);
    int code = CODE_FAILED;
    if (signals < 0)
        snprintf(why, sizeof why, "signalfd: %s", strerror(errno));
    else
        code = run(options, signals, why);
    if (code != CODE_DONE)
        fprintf(stderr, "topn: %s\n", why);
    if (signals >= 0)
        close(signals);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}
