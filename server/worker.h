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
    topn_context *context; /* one thread */
    store *store;
    generation *generation;    /* that the queries are for, with a reference of the worker's own; NULL at first */
    int64_t trained_through;   /* number of the last stored event that it was trained on, 0 = none (live.h) */
    topn_query *query, *exact; /* over generation->retriever and ->exact */
    uint32_t *items;           /* [n of the largest request so far] scratch */
    float *scores;
    size_t capacity;
} worker;

/* The calling thread's, made on its first request; NULL with `why` when the store or memory refuses. */
worker *worker_of(struct server *server, char *why, size_t why_size);
/* The generation in use with this worker's queries made for it; release it after the answer. */
generation *worker_acquire(worker *worker, models *models);

#endif
