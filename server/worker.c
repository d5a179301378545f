/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "generation.h"
#include "running.h"

static pthread_key_t worker_key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool key_made;

static void drop_queries(worker *self)
{
    if (self->exact != self->query)
        topn_query_free(self->exact);
    topn_query_free(self->query);
    self->query = self->exact = NULL;
    if (self->generation)
        generation_release(self->generation);
    self->generation = NULL;
    self->trained_known = false;
}

void worker_free(worker *self)
{
    if (!self)
        return;
    drop_queries(self);
    store_close(self->store);
    topn_context_free(self->context);
    free(self->items);
    free(self->scores);
    free(self);
}

static void end_worker(void *mine)
{
    worker_free(mine);
}

static void make_key(void)
{
    key_made = pthread_key_create(&worker_key, end_worker) == 0;
}

static bool make_context(topn_context **out, char *why, size_t why_size)
{
    topn_options *options = NULL;
    const bool made = topn_context_create(out) == TOPN_OK &&
                      topn_options_create(*out, TOPN_KIND_CONTEXT, "context", &options) == TOPN_OK &&
                      topn_options_set(*out, options, "threads", "1") == TOPN_OK &&
                      topn_context_apply(*out, options) == TOPN_OK;
    if (!made)
        snprintf(why, why_size, "%s", *out ? topn_context_message(*out) : "there is no memory for another worker");
    topn_options_free(options);
    return made;
}

/* Without a store. */
static worker *make_worker(char *why, size_t why_size)
{
    worker *made = calloc(1, sizeof *made);
    if (!made)
        snprintf(why, why_size, "there is no memory for another worker");
    else if (make_context(&made->context, why, why_size))
        return made;
    worker_free(made);
    return NULL;
}

worker *worker_create(const char *where, char *why, size_t why_size)
{
    worker *made = make_worker(why, why_size);
    if (made && store_open(where, &made->store, why, why_size) == STORE_OK)
        return made;
    worker_free(made);
    return NULL;
}

worker *worker_here(struct server *running, char *why, size_t why_size)
{
    pthread_once(&key_once, make_key);
    worker *mine = key_made ? pthread_getspecific(worker_key) : NULL;
    if (!mine && key_made) {
        mine = make_worker(why, why_size);
        if (mine && pthread_setspecific(worker_key, mine) != 0) {
            snprintf(why, why_size, "there is no memory for another worker");
            worker_free(mine);
            return NULL;
        }
    } else if (!mine) {
        snprintf(why, why_size, "the system has no more thread-specific keys");
    }
    if (mine && !mine->store)
        (void)store_open(running->store, &mine->store, why, why_size);
    return mine;
}

worker *worker_of(struct server *running, char *why, size_t why_size)
{
    worker *mine = worker_here(running, why, why_size);
    return mine && mine->store ? mine : NULL;
}

generation *worker_acquire(worker *self, models *source, char *why, size_t why_size)
{
    generation *in_use = models_acquire(source);
    if (self->generation == in_use)
        return in_use;
    drop_queries(self);
    topn_status status = topn_query_create(self->context, in_use->exact, &self->exact);
    self->query = self->exact;
    if (status == TOPN_OK && in_use->retriever != in_use->exact)
        status = topn_query_create(self->context, in_use->retriever, &self->query);
    if (status != TOPN_OK) {
        snprintf(why, why_size, "%s", topn_context_message(self->context));
        drop_queries(self);
        generation_release(in_use);
        return NULL;
    }
    generation_hold(in_use); /* the worker's own; the caller has the other */
    self->generation = in_use;
    return in_use;
}

bool worker_reserve(worker *self, size_t count)
{
    if (count <= self->capacity)
        return true;
    uint32_t *items = realloc(self->items, count * sizeof *items);
    if (items)
        self->items = items;
    float *scores = items ? realloc(self->scores, count * sizeof *scores) : NULL;
    if (!scores)
        return false;
    self->scores = scores;
    self->capacity = count;
    return true;
}
