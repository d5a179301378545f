/* SPDX-License-Identifier: Apache-2.0
 *
 * Training a new model beside the one in use: a child process runs "topn retrain" (cli/retrain.c) on the store, and its
 * exit code says whether the result may take over.
 */
#ifndef TOPN_SERVER_RETRAIN_H
#define TOPN_SERVER_RETRAIN_H

#include "models.h"
#include "server.h"

typedef struct retrainer retrainer;

typedef enum retrain_outcome {
    RETRAIN_NONE,
    RETRAIN_RUNNING,
    RETRAIN_SWAPPED,
    RETRAIN_WORSE,
    RETRAIN_FAILED
} retrain_outcome;

typedef struct retrain_state {
    retrain_outcome outcome; /* of the last one that ended, or RUNNING */
    int64_t started, ended;  /* seconds since 1970; 0 = never */
    double before, after;    /* the metric of the model in use and of the new one on the held-back events */
    char message[256];
} retrain_state;

/* One thread: starts a child every options->retrain_seconds and when asked, waits for it, swaps. */
bool retrainer_start(const server_options *options, models *models, retrainer **out, char *why, size_t why_size);
/* false when one is running. */
bool retrainer_request(retrainer *retrainer);
retrain_state retrainer_read(retrainer *retrainer);
/* Ends a child under way. */
void retrainer_stop(retrainer *retrainer);

#endif
