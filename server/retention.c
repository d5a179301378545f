/* SPDX-License-Identifier: Apache-2.0 */
#include "retention.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "log.h"

enum { AT_ONCE = 1000, PAUSE_MILLISECONDS = 20, INTERVAL_MILLISECONDS = 600000 };

struct retention {
    store *store;
    double seconds;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t stopped;
    bool stopping;
    uint64_t deleted;
};

/* Waits so long; false when it is time to stop. */
static bool wait_for(retention *self, long milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&self->lock);
    int result = 0;
    while (!self->stopping && result == 0)
        result = pthread_cond_timedwait(&self->stopped, &self->lock, &until);
    const bool go_on = !self->stopping;
    pthread_mutex_unlock(&self->lock);
    return go_on;
}

static void *delete_old(void *data)
{
    retention *self = data;
    uint64_t deleted, round = 0;
    do {
        const store_status status =
            store_expire(self->store, (int64_t)((double)time(NULL) - self->seconds), AT_ONCE, &deleted);
        pthread_mutex_lock(&self->lock);
        self->deleted += deleted;
        pthread_mutex_unlock(&self->lock);
        round += deleted;
        if (status != STORE_OK)
            log_event("warning", "retention", "%s", store_message(self->store));
        else if (deleted == 0 && round > 0)
            log_event("info", "retention", "%llu events were older than --retain and are deleted",
                      (unsigned long long)round);
        round = deleted ? round : 0;
    } while (wait_for(self, deleted ? PAUSE_MILLISECONDS : INTERVAL_MILLISECONDS));
    return NULL;
}

bool retention_start(const char *where, double seconds, retention **out, char *why, size_t why_size)
{
    *out = NULL;
    if (!(seconds > 0))
        return true;
    retention *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(why, why_size, "out of memory");
        return false;
    }
    if (store_open(where, &self->store, why, why_size) != STORE_OK) {
        free(self);
        return false;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&self->lock, NULL);
    self->seconds = seconds;
    if (pthread_create(&self->thread, NULL, delete_old, self) != 0) {
        snprintf(why, why_size, "there is no thread to delete old events");
        store_close(self->store);
        free(self);
        return false;
    }
    *out = self;
    return true;
}

uint64_t retention_deleted(retention *self)
{
    if (!self)
        return 0;
    pthread_mutex_lock(&self->lock);
    const uint64_t deleted = self->deleted;
    pthread_mutex_unlock(&self->lock);
    return deleted;
}

void retention_stop(retention *self)
{
    if (!self)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->stopped);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    store_close(self->store);
    pthread_cond_destroy(&self->stopped);
    pthread_mutex_destroy(&self->lock);
    free(self);
}
