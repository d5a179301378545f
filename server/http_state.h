/* SPDX-License-Identifier: Apache-2.0
 *
 * What http.c holds, shared with the checks before a handler (admit.c).
 */
#ifndef TOPN_SERVER_HTTP_STATE_H
#define TOPN_SERVER_HTTP_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "exchange.h"
#include "http.h"
#include "keys.h"
#include "pool.h"
#include "rates.h"
#include "running.h"

/* Who has the next step. */
typedef enum connection_state {
    CONNECTION_READS, /* the client: the rest of its request */
    CONNECTION_WORKS, /* we: a handler, or whoever answers a deferred call */
    CONNECTION_SENDS  /* the client: to take the answer */
} connection_state;

/* One connection, from accept to close. */
typedef struct connection {
    struct connection *before, *after;
    int socket;
    atomic_uint_fast64_t since; /* microseconds: accepted, or the last request ended */
    atomic_int state;
    bool hung_up; /* of http_tick: seen once */
} connection;

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
    pool *pool;              /* constant while the daemon runs, until the gate is closed */
    char *certificate, *key; /* PEM texts */
    uint16_t port;
    int socket; /* that listens; libmicrohttpd's to close once the daemon runs */
    pthread_rwlock_t keys_lock;
    keys *keys;   /* NULL: none are asked for */
    rates *rates; /* NULL: no rate is set */
    atomic_bool quiesced, closed;
    atomic_size_t under_way, connected, body_bytes, handlers; /* handlers: that run now */
    atomic_uint_fast64_t numbers;
    pthread_mutex_t lock;
    connection *connections; /* list, under lock */
    uint64_t ticked;         /* microseconds: the last look at all of them */
};

/* libmicrohttpd's MHD_NotifyConnectionCallback: keeps the list; cls is the http. */
void connection_changed(void *cls, struct MHD_Connection *from, void **socket_context,
                        enum MHD_ConnectionNotificationCode event);
/* Whose turn it is from now on; the client's time begins. */
void connection_turn(struct MHD_Connection *from, connection_state state);
/* Looks at the header of a request; a request that may not go on has a reply made. */
void admit(exchange *exchange, const char *method);
/* The part of it that asks who sends, and how often. */
void admit_sender(exchange *exchange);

#endif
