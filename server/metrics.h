/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server counts of itself, in the text format of Prometheus. Threads count in slots of their own, which are
 * summed when somebody asks, so that counting costs no thread another's cache line. A counter is one row of
 * counters.def; a figure that somebody else holds is one row of metrics.c.
 */
#ifndef TOPN_SERVER_METRICS_H
#define TOPN_SERVER_METRICS_H

#include <stddef.h>
#include <stdint.h>

struct server;

typedef struct metrics metrics;

typedef enum counter {
#define COUNTER(identifier, name, help) COUNT_##identifier,
#include "counters.def"
#undef COUNTER
    COUNTERS
} counter;

metrics *metrics_create(void);
void metrics_free(metrics *metrics);
/* One more of a counter. */
void metrics_count(struct server *server, counter counter);
/* A request has ended. route: index of routes.def, SIZE_MAX for none; status 0: the client went away. */
void metrics_request(struct server *server, size_t route, int status, uint64_t microseconds);
/* Everything, as text; the caller frees. NULL without memory. */
char *metrics_text(struct server *server, size_t *size_out);

#endif
