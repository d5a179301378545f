/* SPDX-License-Identifier: Apache-2.0
 *
 * A resource of the server's interface is one file that exports its routes, each one row of routes.def. Dispatch, the
 * keys asked for, the OpenAPI document, the metrics and the tests read this list.
 */
#ifndef TOPN_SERVER_ROUTE_H
#define TOPN_SERVER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct call;
struct target;

/* What a key must grant. */
typedef enum permission { PERMIT_ALL, PERMIT_READ, PERMIT_WRITE, PERMIT_ADMIN } permission;

typedef struct route_parameter {
    const char *name, *type, *standard; /* "n", "integer", "10"; type as in JSON Schema; no standard: NULL */
    const char *help;                   /* one sentence with the bounds */
    bool prefix;                        /* the name, "context.", begins those of parameters: context.hour=evening */
} route_parameter;

typedef struct route {
    const char *method;  /* "GET" */
    const char *path;    /* "/api/recommend/{user}": a part in braces takes one path segment, percent-decoded */
    const char *summary; /* one line */
    permission permission;
    const route_parameter *parameters; /* of the query string; others are refused by name */
    size_t parameter_count;
    const char *body;   /* JSON Schema of the request, as text; NULL: no body is taken */
    const char *answer; /* JSON Schema of the answer to status 200, as text; NULL: not JSON */
    bool quick;         /* neither computes nor reads the store: answered by the thread that reads requests */
    /* Answers by one of reply_… (call.h) exactly once, or defers. Runs on a thread of the pool; must not block but for
     * the store's reads. */
    void (*handle)(struct call *call);
} route;

/* NULL past the end. */
const route *route_at(size_t index);

typedef enum route_match { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD } route_match;
/* The route of a target; HEAD is answered as GET. path_out [CALL_PATH_PARTS] (call.h) receives what stood in the place
 * of {…}; allow [ROUTE_ALLOW], for NO_METHOD, the methods that the path has: "GET, HEAD". */
enum { ROUTE_ALLOW = 64 };
route_match route_find(const struct target *target, const char *method, const route **out, const char **path_out,
                       char *allow);
/* The parameter of that name or prefix, NULL when the route has none. */
const route_parameter *route_find_parameter(const route *route, const char *name);

#endif
