/* SPDX-License-Identifier: Apache-2.0
 *
 * One request as http.c and call.c know it: the call that handlers see, and what libmicrohttpd has to do with it.
 */
#ifndef TOPN_SERVER_EXCHANGE_H
#define TOPN_SERVER_EXCHANGE_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdint.h>

#include "call.h"
#include "keys.h"
#include "target.h"

enum { EXCHANGE_HEADERS = 4 };

typedef struct exchange_header {
    const char *name; /* lent */
    char value[160];
} exchange_header;

typedef struct exchange {
    call call;
    struct http *http;
    struct MHD_Connection *connection;
    char *uri; /* as it was sent */
    target target;
    const char *fault; /* of the target */
    bool head;         /* the method is HEAD */
    bool begun;        /* the header has been looked at */
    bool refused;      /* and a reply made: the body is read and thrown away */
    bool handled, deferred, queued;
    bool *settled;         /* of a handler that runs: set once it has replied or deferred, and NULL then */
    struct exchange *next; /* that waits for a thread of the pool */
    char *body;            /* [capacity], size of them received */
    size_t size, capacity, dropped;
    exchange_header headers[EXCHANGE_HEADERS]; /* of the answer */
    size_t header_count;
    struct MHD_Response *response;
    int status;
    size_t answer_size;
    char key_name[KEY_NAME]; /* "": none */
    char method[24];
    uint64_t began, replied; /* microseconds: end of the header, reply made */
} exchange;

/* Microseconds of a clock that only goes forward. */
uint64_t exchange_clock(void);

#endif
