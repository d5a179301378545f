/* SPDX-License-Identifier: Apache-2.0
 *
 * What one worker thread keeps between requests: its connection to the store, and contexts and queries for the
 * generation in use, made anew after a swap.
 */
#ifndef TOPN_SERVER_WORKER_H
#define TOPN_SERVER_WORKER_H

#include "models.h"
#include "store.h"

struct server;

typedef struct worker {
    topn_context *context;     /* one thread */
    store *store;              /* NULL: it has not answered since the thread began */
    generation *generation;    /* that the queries are for, with a reference of the worker's own; NULL at first */
    bool trained_known;        /* trained_here and trained_through have been read */
    bool trained_here;         /* on the events of this store */
    int64_t trained_through;   /* number of the last stored event that it was trained on, 0 = none (live.h) */
    topn_query *query, *exact; /* over generation->retriever and ->exact; the same where these are */
    uint32_t *items;           /* [capacity] scratch */
    float *scores;             /* [capacity] */
    size_t capacity;
} worker;

/* NULL with `why`. where: as for store_open. */
worker *worker_create(const char *where, char *why, size_t why_size);
void worker_free(worker *worker);
/* The calling thread's, made on its first request and freed when the thread ends. Its store is NULL, with `why`, while
 * it has never been there; NULL with `why` when memory refuses. */
worker *worker_here(struct server *running, char *why, size_t why_size);
/* The same, NULL with `why` where it has no store. */
worker *worker_of(struct server *server, char *why, size_t why_size);
/* The generation in use with this worker's queries made for it; release it after the answer. NULL with `why` when
 * memory refuses. */
generation *worker_acquire(worker *worker, models *models, char *why, size_t why_size);
/* Room for so many items and scores; false when memory refuses. */
bool worker_reserve(worker *worker, size_t count);

#endif
