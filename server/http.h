/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP by libmicrohttpd: threads that read and send, a pool of threads that answer (pool.h), limits of time, size and
 * number.
 */
#ifndef TOPN_SERVER_HTTP_H
#define TOPN_SERVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "server.h"

typedef struct http http;

/* Reads keys and certificates and takes the port, before anything that takes time; connections wait from then on. NULL
 * with one line in `why`. */
http *http_create(struct server *server, char *why, size_t why_size);
/* Answers from now on. `where` receives "http://127.0.0.1:8088". */
bool http_start(http *http, char *where, size_t where_size, char *why, size_t why_size);
/* The file of keys once more; on failure those in use stay. */
bool http_reload_keys(http *http, char *why, size_t why_size);
/* To be called about once a second: closes connections that take too long over one request. */
void http_tick(http *http);
/* No new connections; each answer from now on closes its own. */
void http_quiesce(http *http);
/* Of NULL 0: requests under way, from the end of their header to the end of their answer. */
size_t http_under_way(const http *http);
size_t http_connections(const http *http);
size_t http_body_bytes(const http *http);
/* No handler runs from here on; later requests are answered 503. Before what handlers work with is taken down. */
void http_close_gate(http *http);
/* Closes what is left. No call may be deferred any more. */
void http_stop(http *http);

#endif
