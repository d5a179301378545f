/* SPDX-License-Identifier: Apache-2.0 */
#include "models.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generation.h"

struct models {
    char *retriever;              /* by name, for every model that comes into use */
    pthread_mutex_t changing;     /* held over a whole swap: one at a time */
    pthread_mutex_t pointing;     /* held for the few instructions that read or set the pointers */
    generation *current, *before; /* a reference each; before may be NULL */
    uint64_t last_number;
    models_counts counts;
};

bool models_open(const char *path, const char *retriever, models **out, char *why, size_t why_size)
{
    *out = NULL;
    generation *first = generation_load(path, retriever, why, why_size);
    if (!first)
        return false;
    models *made = calloc(1, sizeof *made);
    if (!made || !(made->retriever = strdup(retriever ? retriever : "exact"))) {
        free(made);
        generation_release(first);
        snprintf(why, why_size, "%s: out of memory", path);
        return false;
    }
    pthread_mutex_init(&made->changing, NULL);
    pthread_mutex_init(&made->pointing, NULL);
    first->number = made->last_number = 1;
    made->current = first;
    *out = made;
    return true;
}

void models_close(models *in_use)
{
    if (!in_use)
        return;
    generation_release(in_use->current);
    generation_release(in_use->before);
    pthread_mutex_destroy(&in_use->changing);
    pthread_mutex_destroy(&in_use->pointing);
    free(in_use->retriever);
    free(in_use);
}

generation *models_acquire(models *in_use)
{
    pthread_mutex_lock(&in_use->pointing);
    generation *const current = in_use->current;
    generation_hold(current);
    pthread_mutex_unlock(&in_use->pointing);
    return current;
}

models_counts models_read_counts(models *in_use)
{
    pthread_mutex_lock(&in_use->pointing);
    const models_counts counts = in_use->counts;
    pthread_mutex_unlock(&in_use->pointing);
    return counts;
}

bool models_swap(models *in_use, const char *path, char *why, size_t why_size)
{
    pthread_mutex_lock(&in_use->changing);
    generation *const next = generation_load(path, in_use->retriever, why, why_size);
    generation *forgotten = NULL;
    pthread_mutex_lock(&in_use->pointing);
    if (next) {
        next->number = ++in_use->last_number;
        forgotten = in_use->before;
        in_use->before = in_use->current;
        in_use->current = next;
        in_use->counts.swaps++;
    } else {
        in_use->counts.refused++;
    }
    pthread_mutex_unlock(&in_use->pointing);
    pthread_mutex_unlock(&in_use->changing);
    generation_release(forgotten); /* frees a model, perhaps: after the locks */
    return next != NULL;
}

bool models_rollback(models *in_use, char *why, size_t why_size)
{
    pthread_mutex_lock(&in_use->changing);
    pthread_mutex_lock(&in_use->pointing);
    generation *const before = in_use->before;
    if (before) {
        in_use->before = in_use->current;
        in_use->current = before;
        in_use->counts.rollbacks++;
    }
    pthread_mutex_unlock(&in_use->pointing);
    pthread_mutex_unlock(&in_use->changing);
    if (!before)
        snprintf(why, why_size, "there is no model before the one in use: none was swapped since the start");
    return before != NULL;
}
