/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define REDRAW_SECONDS 0.1
#define LINE_SECONDS 5.0
enum { BAR_WIDTH = 24 };

static volatile sig_atomic_t stop_asked;

enum { PENDING_LINES = 16 };
#define PENDING_SECONDS 1.0

static struct {
    bool quiet, terminal, drawn;
    char stage[64];
    double stage_start, last_output;
    /* Away from a terminal, information waits a moment: a run that fails at once says why and nothing else. */
    char *pending[PENDING_LINES];
    size_t pending_count;
    double pending_since;
} state;

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

bool interrupted(void)
{
    return stop_asked;
}

void progress_start(bool quiet)
{
    /* RESETHAND: a second signal finds the default action. No SA_RESTART: a blocked read returns. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* ignored under nohup: stays so */
        sigaction(SIGHUP, &action, NULL);
    const char *terminal = getenv("TERM");
    state.quiet = quiet;
    state.terminal = isatty(STDERR_FILENO) && !(terminal && strcmp(terminal, "dumb") == 0);
    state.last_output = seconds_now();
}

void progress_flush(bool keep)
{
    for (size_t i = 0; i < state.pending_count; i++) {
        if (keep) {
            text_print(stderr, state.pending[i]);
            fputc('\n', stderr);
        }
        free(state.pending[i]);
    }
    state.pending_count = 0;
}

void progress_clear(void)
{
    if (state.drawn)
        fputs("\r\033[K", stderr);
    state.drawn = false;
}

/* 1234567 → "1.23 M" */
static void print_rate(double rate)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    size_t unit = 0;
    for (; rate >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++)
        rate /= 1000;
    fprintf(stderr, "%.3g%s", rate, units[unit]);
}

static void print_duration(double seconds)
{
    const unsigned long whole = seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 1000000000ul;
    if (whole >= 3600)
        fprintf(stderr, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
    else
        fprintf(stderr, "%lu:%02lu", whole / 60, whole % 60);
}

static void print_state(const topn_progress *progress, double now, bool bar)
{
    const double elapsed = now - state.stage_start;
    const double share = progress->total ? (double)progress->done / (double)progress->total : 0;
    text_print(stderr, progress->stage ? progress->stage : "working");
    if (progress->total && bar) {
        const int filled = (int)(BAR_WIDTH * (share < 1 ? share : 1));
        fprintf(stderr, " [%.*s%.*s]", filled, "########################", BAR_WIDTH - filled,
                "                        ");
    }
    if (progress->total)
        fprintf(stderr, " %3.0f %%", 100 * share);
    if (elapsed > 0.2 && progress->done) {
        fputs("  ", stderr);
        print_rate((double)progress->done / elapsed);
        fprintf(stderr, " %s/s", progress->unit ? progress->unit : "");
        if (progress->total > progress->done) {
            fputs("  ETA ", stderr);
            print_duration(elapsed * (1 - share) / share);
        }
    }
    if (!isnan(progress->value))
        fprintf(stderr, "  %s %.6g", strcmp(state.stage, "sweep") == 0 ? "loss" : "value", progress->value);
}

bool progress_show(const topn_progress *progress, void *user_data)
{
    (void)user_data;
    if (stop_asked)
        return false;
    if (state.quiet)
        return true;
    const double now = seconds_now();
    if (now - state.pending_since > PENDING_SECONDS)
        progress_flush(true);
    const char *stage = progress->stage ? progress->stage : "";
    if (strncmp(stage, state.stage, sizeof state.stage - 1) != 0) {
        snprintf(state.stage, sizeof state.stage, "%s", stage);
        state.stage_start = now;
    }
    if (now - state.last_output < (state.terminal ? REDRAW_SECONDS : LINE_SECONDS))
        return true;
    state.last_output = now;
    if (state.terminal)
        fputs("\r\033[K", stderr);
    print_state(progress, now, state.terminal);
    if (!state.terminal)
        fputc('\n', stderr);
    state.drawn = state.terminal;
    fflush(stderr);
    return true;
}

void progress_log(const char *text, void *user_data)
{
    char line[2048];
    if (state.quiet)
        return;
    snprintf(line, sizeof line, "%s%s%s", user_data ? (const char *)user_data : "", user_data ? ": " : "", text);
    progress_clear();
    if (state.pending_count == PENDING_LINES || state.terminal)
        progress_flush(true);
    char *copy = state.terminal ? NULL : strdup(line);
    if (copy) {
        state.pending_since = state.pending_count ? state.pending_since : seconds_now();
        state.pending[state.pending_count++] = copy;
        return;
    }
    text_print(stderr, line);
    fputc('\n', stderr);
}

void inform(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    progress_log(line, NULL);
}
