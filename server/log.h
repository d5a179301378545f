/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one JSON object a line on standard error. Of requests it says the route and not the path, in which ids of
 * users stand, unless it is told to. Lines of requests are gathered and written a few times a second, others at once.
 */
#ifndef TOPN_SERVER_LOG_H
#define TOPN_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct log_request {
    uint64_t number;
    const char *method, *route; /* route: its pattern, NULL where there is none */
    const char *target;         /* as it was sent; NULL: not logged */
    int status;                 /* 0: the client went away */
    size_t bytes;               /* of the answer's body */
    uint64_t microseconds;      /* from the end of the header to the answer */
    const char *key;            /* its name, NULL where there is none */
} log_request;

void log_answered(const log_request *request);
/* {"time": …, "level": "warning", "event": "retrain", "message": …}; the message names no user. */
void log_event(const char *level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Lines of requests and of level "info" are left out. */
void log_quiet(bool quiet);
/* Writes what was gathered. Called a few times a second and at the end. */
void log_flush(void);
/* Lines that standard error did not take in time. */
uint64_t log_dropped(void);

#endif
