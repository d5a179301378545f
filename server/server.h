/* SPDX-License-Identifier: Apache-2.0
 *
 * The server: what "topn serve" starts. One process; workers answer, one thread writes events, one
 * looks after models and retraining.
 */
#ifndef TOPN_SERVER_SERVER_H
#define TOPN_SERVER_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <topn/topn.h>

/* As given on the command line (cli/serve.c); texts are lent. Defaults and checks are in options.c. */
typedef struct server_options {
    const char *model;   /* path */
    const char *address; /* "127.0.0.1" */
    uint16_t port;       /* 0: any free one, printed */
    const char *store;   /* folder or file of SQLite, or postgresql://…; NULL: MODEL.events */
    const char *keys;    /* file of API keys; NULL: none are asked for, which needs a loopback address */
    const char *tls_certificate, *tls_key;
    const char *items;     /* side file of attributes; NULL */
    const char *retriever; /* "exact" … */
    int workers;           /* threads that answer; 0 = one a processor */
    size_t max_body, max_batch, max_n, max_connections, max_header;
    unsigned connection_seconds; /* idle or slow connections are closed after */
    double rate;                 /* requests a second and key (address where there are no keys); 0 = no limit */
    double retrain_seconds;      /* 0 = only on request */
    double retrain_margin;       /* a new model may be worse by so much of the metric, 0.01 = 1 % */
    const char *retrain_metric;  /* "ndcg@20" */
    double retain_seconds;       /* events older than that are deleted; 0 = kept */
    bool log_ids;                /* user ids appear in the log */
} server_options;

typedef struct server server;

/* Loads the model, opens the store, listens. On failure prints one line that says why and returns an exit code; 0 after
 * a graceful stop. SIGTERM and SIGINT stop it: no new connections, those under way are answered, events are written.
 * SIGHUP loads the model file anew. */
int server_run(const server_options *options);

#endif
