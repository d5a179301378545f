/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "log.h"
#include "route.h"
#include "running.h"
#include "worker.h"

enum { SLOTS = 16 };

/* Statuses that are counted one by one; all others together, last. */
static const int statuses[] = {200, 201, 202, 204, 400, 401, 403, 404, 405, 409,
                               413, 415, 422, 429, 431, 500, 501, 503, 507, 0};
/* Upper bounds of the histogram in microseconds; the last bucket has none. */
static const uint64_t bounds[] = {100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                  50000, 100000, 250000, 500000, 1000000, 2500000, 10000000};

enum { STATUSES = sizeof statuses / sizeof *statuses + 1, BOUNDS = sizeof bounds / sizeof *bounds };

typedef struct row {
    atomic_uint_fast64_t by_status[STATUSES];
    atomic_uint_fast64_t by_time[BOUNDS + 1];
    atomic_uint_fast64_t microseconds;
} row;

typedef struct slot {
    row *rows; /* [routes + 1], the last for requests without a route */
    atomic_uint_fast64_t counters[COUNTERS];
} __attribute__((aligned(64))) slot;

struct metrics {
    size_t routes;
    slot slots[SLOTS];
};

metrics *metrics_create(void)
{
    metrics *made = aligned_alloc(64, sizeof *made);
    if (!made)
        return NULL;
    memset(made, 0, sizeof *made);
    while (route_at(made->routes))
        made->routes++;
    for (size_t i = 0; i < SLOTS; i++) {
        made->slots[i].rows = calloc(made->routes + 1, sizeof *made->slots[i].rows);
        if (!made->slots[i].rows) {
            metrics_free(made);
            return NULL;
        }
    }
    return made;
}

void metrics_free(metrics *old)
{
    if (!old)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free(old->slots[i].rows);
    free(old);
}

static slot *own_slot(metrics *of)
{
    static atomic_uint threads;
    static _Thread_local unsigned mine; /* 0: not yet chosen */
    if (!mine)
        mine = atomic_fetch_add(&threads, 1) % SLOTS + 1;
    return &of->slots[mine - 1];
}

static void add(atomic_uint_fast64_t *to, uint64_t what)
{
    atomic_fetch_add_explicit(to, what, memory_order_relaxed);
}

void metrics_count(struct server *running, counter which)
{
    if (running->metrics)
        add(&own_slot(running->metrics)->counters[which], 1);
}

void metrics_request(struct server *running, size_t index, int status, uint64_t microseconds)
{
    metrics *of = running->metrics;
    if (!of)
        return;
    row *own = &own_slot(of)->rows[index < of->routes ? index : of->routes];
    size_t at = 0, bucket = 0;
    while (at + 1 < STATUSES && statuses[at] != status)
        at++;
    while (bucket < BOUNDS && microseconds > bounds[bucket])
        bucket++;
    add(&own->by_status[at], 1);
    add(&own->by_time[bucket], 1);
    add(&own->microseconds, microseconds);
}

/* ---- The text ------------------------------------------------------------------------------------------------ */

static double waiting_events(struct server *running)
{
    return running->writer ? (double)writer_read_figures(running->writer).waiting : 0;
}

static double written_events(struct server *running)
{
    return running->writer ? (double)writer_read_figures(running->writer).written : 0;
}

static double commits(struct server *running)
{
    return running->writer ? (double)writer_read_figures(running->writer).commits : 0;
}

static double failed_batches(struct server *running)
{
    return running->writer ? (double)writer_read_figures(running->writer).failures : 0;
}

static double expired_events(struct server *running)
{
    return (double)retention_deleted(running->retention);
}

static double generation_number(struct server *running)
{
    generation *in_use = models_acquire(running->models);
    const double number = (double)in_use->number;
    generation_release(in_use);
    return number;
}

static double model_items(struct server *running)
{
    generation *in_use = models_acquire(running->models);
    const double count = topn_model_items(in_use->model);
    generation_release(in_use);
    return count;
}

static double swaps(struct server *running)
{
    return (double)models_read_counts(running->models).swaps;
}

static double refused_swaps(struct server *running)
{
    return (double)models_read_counts(running->models).refused;
}

static double rollbacks(struct server *running)
{
    return (double)models_read_counts(running->models).rollbacks;
}

static double trainings_swapped(struct server *running)
{
    return running->retrainer ? (double)retrainer_read(running->retrainer).swapped : 0;
}

static double trainings_worse(struct server *running)
{
    return running->retrainer ? (double)retrainer_read(running->retrainer).worse : 0;
}

static double trainings_failed(struct server *running)
{
    return running->retrainer ? (double)retrainer_read(running->retrainer).failed : 0;
}

static double training(struct server *running)
{
    return running->retrainer && retrainer_read(running->retrainer).outcome == RETRAIN_RUNNING;
}

static double under_way(struct server *running)
{
    return (double)http_under_way(running->transport);
}

static double connections(struct server *running)
{
    return (double)http_connections(running->transport);
}

static double body_bytes(struct server *running)
{
    return (double)http_body_bytes(running->transport);
}

static double store_up(struct server *running)
{
    char why[512];
    int64_t version;
    worker *mine = worker_of(running, why, sizeof why);
    return mine && store_items_version(mine->store, &version) == STORE_OK;
}

static double dropped_lines(struct server *running)
{
    (void)running;
    return (double)log_dropped();
}

static double resident_bytes(struct server *running)
{
    (void)running;
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static const struct {
    const char *name, *type, *help;
    double (*read)(struct server *);
} figures[] = {
    {"topn_requests_under_way", "gauge", "Requests between their header and the end of their answer", under_way},
    {"topn_connections", "gauge", "Open connections", connections},
    {"topn_body_bytes", "gauge", "Memory of the bodies of requests under way", body_bytes},
    {"topn_store_up", "gauge", "Whether the store answers", store_up},
    {"topn_events_written_total", "counter", "Events on disk since the start", written_events},
    {"topn_events_waiting", "gauge", "Events that wait for the disk", waiting_events},
    {"topn_event_commits_total", "counter", "Commits of events", commits},
    {"topn_event_batches_failed_total", "counter", "Batches of events that were not written", failed_batches},
    {"topn_events_expired_total", "counter", "Events deleted for their age since the start", expired_events},
    {"topn_model_generation", "gauge", "Number of the model in use; changes with every swap", generation_number},
    {"topn_model_items", "gauge", "Items of the model in use", model_items},
    {"topn_model_swaps_total", "counter", "Models that took over", swaps},
    {"topn_model_swaps_refused_total", "counter", "Models that could not take over", refused_swaps},
    {"topn_model_rollbacks_total", "counter", "Returns to the model before", rollbacks},
    {"topn_retrain_running", "gauge", "1 while a new model is trained", training},
    {"topn_retrain_swapped_total", "counter", "Trainings whose model took over", trainings_swapped},
    {"topn_retrain_worse_total", "counter", "Trainings whose model was worse, or could not be judged", trainings_worse},
    {"topn_retrain_failed_total", "counter", "Trainings that failed", trainings_failed},
    {"topn_log_lines_dropped_total", "counter", "Lines of the log that nobody took in time", dropped_lines},
    {"process_resident_memory_bytes", "gauge", "Memory of the process", resident_bytes},
};

static void head(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

/* A row of all slots together. */
typedef struct totals {
    uint64_t by_status[STATUSES], by_time[BOUNDS + 1], microseconds, requests;
} totals;

static uint64_t look(const atomic_uint_fast64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static totals total(const metrics *of, size_t index)
{
    totals sum = {.requests = 0};
    for (size_t s = 0; s < SLOTS; s++) {
        const row *part = &of->slots[s].rows[index];
        for (size_t i = 0; i < STATUSES; i++)
            sum.by_status[i] += look(&part->by_status[i]);
        for (size_t i = 0; i <= BOUNDS; i++)
            sum.by_time[i] += look(&part->by_time[i]);
        sum.microseconds += look(&part->microseconds);
    }
    for (size_t i = 0; i <= BOUNDS; i++) /* from one reading, so that the last bucket is the count */
        sum.requests += sum.by_time[i];
    return sum;
}

static uint64_t total_counter(const metrics *of, counter which)
{
    uint64_t sum = 0;
    for (size_t s = 0; s < SLOTS; s++)
        sum += look(&of->slots[s].counters[which]);
    return sum;
}

/* method="GET",route="/api/popular" */
static void print_route(FILE *to, size_t index)
{
    const route *of = route_at(index);
    fprintf(to, "method=\"%s\",route=\"%s\"", of ? of->method : "", of ? of->path : "");
}

static void print_requests(FILE *to, const metrics *of)
{
    head(to, "topn_requests_total", "counter", "Requests by route and status; status 0: the client went away");
    for (size_t r = 0; r <= of->routes; r++) {
        const totals sum = total(of, r);
        for (size_t s = 0; s < STATUSES; s++) {
            if (!sum.by_status[s])
                continue;
            fputs("topn_requests_total{", to);
            print_route(to, r);
            if (s + 1 < STATUSES)
                fprintf(to, ",status=\"%d\"} %" PRIu64 "\n", statuses[s], sum.by_status[s]);
            else
                fprintf(to, ",status=\"other\"} %" PRIu64 "\n", sum.by_status[s]);
        }
    }
}

static void print_time(FILE *to, size_t index, const totals *sum)
{
    uint64_t below = 0;
    for (size_t b = 0; b <= BOUNDS; b++) {
        below += sum->by_time[b];
        fputs("topn_request_seconds_bucket{", to);
        print_route(to, index);
        if (b < BOUNDS)
            fprintf(to, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds[b] / 1e6, below);
        else
            fprintf(to, ",le=\"+Inf\"} %" PRIu64 "\n", below);
    }
    fputs("topn_request_seconds_sum{", to);
    print_route(to, index);
    fprintf(to, "} %.6f\ntopn_request_seconds_count{", (double)sum->microseconds / 1e6);
    print_route(to, index);
    fprintf(to, "} %" PRIu64 "\n", sum->requests);
}

static void print_times(FILE *to, const metrics *of)
{
    head(to, "topn_request_seconds", "histogram", "Seconds from the end of a request's header to its answer");
    for (size_t r = 0; r <= of->routes; r++) {
        const totals sum = total(of, r);
        if (sum.requests)
            print_time(to, r, &sum);
    }
}

static void print_model(FILE *to, const struct server *running)
{
    generation *in_use = models_acquire(running->models);
    head(to, "topn_model_info", "gauge", "Version of the model in use");
    fprintf(to, "topn_model_info{version=\"%s\"} 1\n", in_use->version);
    generation_release(in_use);
}

char *metrics_text(struct server *running, size_t *size_out)
{
    static const struct {
        const char *name, *help;
    } counters[COUNTERS] = {
#define COUNTER(identifier, name, help) {name, help},
#include "counters.def"
#undef COUNTER
    };
    const metrics *of = running->metrics;
    char *text = NULL;
    FILE *to = open_memstream(&text, size_out);
    if (!to)
        return NULL;
    print_requests(to, of);
    print_times(to, of);
    for (size_t i = 0; i < COUNTERS; i++) {
        head(to, counters[i].name, "counter", counters[i].help);
        fprintf(to, "%s %" PRIu64 "\n", counters[i].name, total_counter(of, (counter)i));
    }
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        head(to, figures[i].name, figures[i].type, figures[i].help);
        fprintf(to, "%s %.15g\n", figures[i].name, figures[i].read(running));
    }
    print_model(to, running);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
