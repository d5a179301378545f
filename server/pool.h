/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that compute answers, apart from those that read and send: whoever is free takes the request that waits
 * longest, so no request waits behind another while a processor has nothing to do, and events are taken while answers
 * are computed.
 */
#ifndef TOPN_SERVER_POOL_H
#define TOPN_SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;

typedef struct pool pool;

/* NULL when there is no memory or no thread to be had. */
pool *pool_start(size_t threads, void (*run)(struct exchange *));
/* false once the pool is to stop. Each exchange is in at most once; nothing is allocated. */
bool pool_push(pool *pool, struct exchange *exchange);
/* Takes no more, runs what waits, and ends the threads. */
void pool_stop(pool *pool);
/* Stops it, too. Accepts NULL. */
void pool_free(pool *pool);

#endif
