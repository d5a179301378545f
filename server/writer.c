/* SPDX-License-Identifier: Apache-2.0 */
#include "writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A commit takes at most so many batches and about so many events: readers of the store wait for neither, but the
 * answers to a group all come with its end. */
enum { GROUP_BATCHES = 1024, GROUP_EVENTS = 16384 };
/* While the store does not answer, a batch is tried again for so long after it came; then its sender is told. */
static const double patience_seconds = 2.0;

/* One request's events, copied; texts follow the events in the same block. */
typedef struct submission {
    struct submission *next;
    double came; /* seconds */
    writer_done *done;
    void *user_data;
    uint64_t contents;
    char *idempotency_key;
    size_t load; /* what it takes of the queue: its events, and at least 1 */
    size_t count;
    stored_event events[]; /* [count] */
} submission;

struct writer {
    store *store;
    pthread_t thread;
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* something waits, or it is to stop */
    submission *first, *last;
    size_t limit, waiting;
    bool stopping;
    writer_figures figures;
    /* The writer's thread alone: */
    submission *group[GROUP_BATCHES]; /* [grouped] */
    store_batch batches[GROUP_BATCHES];
    size_t grouped;
};

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static size_t bytes_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Copies a text to *at and moves it behind. */
static char *put_text(char **at, const char *text)
{
    const size_t bytes = bytes_of(text);
    char *copy = *at;
    if (bytes == 0)
        return NULL;
    memcpy(copy, text, bytes);
    *at += bytes;
    return copy;
}

static submission *copy_events(const stored_event *events, size_t count, const char *key)
{
    size_t size = sizeof(submission) + count * sizeof *events + bytes_of(key);
    for (size_t i = 0; i < count; i++)
        size += bytes_of(events[i].user) + bytes_of(events[i].item) + bytes_of(events[i].kind) +
                bytes_of(events[i].context);
    submission *copy = malloc(size);
    if (!copy)
        return NULL;
    char *at = (char *)&copy->events[count];
    *copy = (submission){.count = count, .load = count ? count : 1, .came = now_seconds()};
    copy->idempotency_key = put_text(&at, key);
    for (size_t i = 0; i < count; i++) {
        copy->events[i] = events[i];
        copy->events[i].user = put_text(&at, events[i].user);
        copy->events[i].item = put_text(&at, events[i].item);
        copy->events[i].kind = put_text(&at, events[i].kind);
        copy->events[i].context = put_text(&at, events[i].context);
    }
    return copy;
}

/* Takes what waits into the group; false when nothing does and the writer is to stop. */
static bool take_group(writer *self)
{
    size_t events = 0;
    pthread_mutex_lock(&self->lock);
    while (!self->first && !self->stopping)
        pthread_cond_wait(&self->changed, &self->lock);
    self->grouped = 0;
    while (self->first && self->grouped < GROUP_BATCHES && (events == 0 || events < GROUP_EVENTS)) {
        submission *next = self->first;
        self->first = next->next;
        events += next->load;
        self->group[self->grouped] = next;
        self->batches[self->grouped++] = (store_batch){.events = next->events,
                                                       .count = next->count,
                                                       .idempotency_key = next->idempotency_key,
                                                       .contents = next->contents};
    }
    if (!self->first)
        self->last = NULL;
    pthread_mutex_unlock(&self->lock);
    return self->grouped > 0;
}

/* What the sender of one batch is told: the store's message is of the whole transaction. */
static const char *message_of(const writer *self, const store_batch *batch)
{
    switch (batch->status) {
    case STORE_OK:
        return "";
    case STORE_CONFLICT:
        return "this idempotency key was used before, for other contents";
    case STORE_INVALID:
        return "an id is empty, longer than 1024 bytes or not UTF-8, or a weight is not a number up to 1e30";
    default:
        return store_message(self->store);
    }
}

/* Answers those of the group for whom it is decided; the others stay in it. Figures come before the answers, so that
 * who has his answer finds himself counted. */
static void answer(writer *self, bool committed)
{
    const double now = now_seconds();
    size_t kept = 0, answered = 0, load = 0;
    uint64_t written = 0, failures = 0;
    submission *out[GROUP_BATCHES];
    store_batch results[GROUP_BATCHES];
    pthread_mutex_lock(&self->lock);
    const bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < self->grouped; i++) {
        const store_batch *batch = &self->batches[i];
        submission *from = self->group[i];
        const bool again =
            (batch->status == STORE_UNAVAILABLE || (batch->status == STORE_UNCERTAIN && batch->idempotency_key)) &&
            !stopping && now - from->came < patience_seconds;
        if (again) {
            self->group[kept] = from;
            self->batches[kept++] = *batch;
            continue;
        }
        load += from->load;
        written += batch->status == STORE_OK && !batch->repeated ? from->count : 0;
        failures += batch->status != STORE_OK;
        out[answered] = from;
        results[answered++] = *batch;
    }
    self->grouped = kept;
    pthread_mutex_lock(&self->lock);
    self->waiting -= load;
    self->figures.written += written;
    self->figures.failures += failures;
    self->figures.commits += committed;
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < answered; i++) {
        out[i]->done(results[i].status, results[i].repeated, message_of(self, &results[i]), out[i]->user_data);
        free(out[i]);
    }
}

static void *write_groups(void *data)
{
    writer *self = data;
    while (take_group(self)) {
        for (unsigned pause = 20; self->grouped > 0; pause = pause < 320 ? pause * 2 : pause) {
            const store_status status = store_append(self->store, self->batches, self->grouped);
            answer(self, status == STORE_OK);
            if (self->grouped > 0)
                nanosleep(&(struct timespec){.tv_nsec = pause * 1000000L}, NULL);
        }
    }
    return NULL;
}

store_status writer_start(const char *where, size_t limit, writer **out, char *why, size_t why_size)
{
    *out = NULL;
    writer *made = calloc(1, sizeof *made);
    if (!made) {
        snprintf(why, why_size, "%s: there is no memory for the writer of events", where);
        return STORE_UNAVAILABLE;
    }
    const store_status status = store_open(where, &made->store, why, why_size);
    if (status != STORE_OK) {
        free(made);
        return status;
    }
    made->limit = limit;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    if (pthread_create(&made->thread, NULL, write_groups, made) != 0) {
        snprintf(why, why_size, "%s: there is no thread for the writer of events", where);
        store_close(made->store);
        free(made);
        return STORE_UNAVAILABLE;
    }
    *out = made;
    return STORE_OK;
}

bool writer_submit(writer *self, const stored_event *events, size_t count, const char *idempotency_key,
                   uint64_t contents, writer_done *done, void *user_data)
{
    submission *copy = copy_events(events, count, idempotency_key);
    if (!copy)
        return false;
    copy->contents = contents;
    copy->done = done;
    copy->user_data = user_data;
    pthread_mutex_lock(&self->lock);
    const bool taken = !self->stopping && copy->load <= self->limit - self->waiting;
    if (taken) {
        if (self->last)
            self->last->next = copy;
        else
            self->first = copy;
        self->last = copy;
        self->waiting += copy->load;
        pthread_cond_signal(&self->changed);
    }
    pthread_mutex_unlock(&self->lock);
    if (!taken)
        free(copy);
    return taken;
}

writer_figures writer_read_figures(writer *self)
{
    pthread_mutex_lock(&self->lock);
    writer_figures figures = self->figures;
    figures.waiting = self->waiting;
    pthread_mutex_unlock(&self->lock);
    return figures;
}

void writer_stop(writer *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    store_close(self->store);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
