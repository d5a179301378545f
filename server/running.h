/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a running server, for those who answer. Made in server.c before the first request, freed after the last;
 * constant between.
 */
#ifndef TOPN_SERVER_RUNNING_H
#define TOPN_SERVER_RUNNING_H

#include "items.h"
#include "metrics.h"
#include "models.h"
#include "retention.h"
#include "retrain.h"
#include "server.h"
#include "writer.h"

struct server {
    const server_options *options;
    const char *store; /* as for store_open: options->store, or where it is when that is NULL */
    char *store_made;  /* NULL, or what `store` is then */
    models *models;
    writer *writer;
    retention *retention; /* NULL: events are kept */
    item_catalog *items;
    retrainer *retrainer;
    metrics *metrics;
    void *transport; /* http.c's */
};

#endif
