/* SPDX-License-Identifier: Apache-2.0
 *
 * One request under way: what handlers are given, and how they answer. Limits, key, path, query string and JSON have
 * been checked before a handler sees the call.
 */
#ifndef TOPN_SERVER_CALL_H
#define TOPN_SERVER_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "route.h"
#include "server.h"

enum { CALL_PATH_PARTS = 3 };

typedef struct call {
    struct server *server;
    const route *route;
    const char *path[CALL_PATH_PARTS]; /* what stood in the place of {…}, in order */
    json_t *body;                      /* parsed; NULL where the route takes none */
    const char *raw;                   /* the same as sent, [raw_size] */
    size_t raw_size;
    struct worker *worker; /* this thread's store session and queries (worker.h) */
    uint64_t number;       /* of the request, for the log and the header X-Request-Id */
    void *transport;       /* http.c's */
} call;

/* A parameter of the query string, decoded; the route's default where it is absent. */
const char *call_parameter(const call *call, const char *name);
/* The index-th parameter given whose name begins with `prefix` (route.h): what follows in its name, and its value.
 * false past the last. */
bool call_parameter_under(const call *call, const char *prefix, size_t index, const char **name, const char **value);
/* A whole number within bounds; otherwise replies 400 naming it, and returns false. */
bool call_number(call *call, const char *name, uint64_t minimum, uint64_t maximum, uint64_t *out);
/* A header of the request, NULL when absent: "Idempotency-Key". */
const char *call_header(const call *call, const char *name);

/* Takes the reference to `answer`. */
void reply_json(call *call, int status, json_t *answer);
/* {"error": {"status": …, "code": "…", "message": "…"}}: the message names the field or value and what would be right.
 */
void reply_error(call *call, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Bytes made with malloc, which are freed after they were sent. */
void reply_text(call *call, const char *type, char *bytes, size_t size);
/* Bytes that live as long as the server. */
void reply_static(call *call, const char *type, const void *bytes, size_t size);
/* Before the reply: a header of the answer. */
void reply_header(call *call, const char *name, const char *value);

/* The call goes on after the handler has returned, when any thread replies: no worker waits for the disk. */
void call_defer(call *call);

#endif
