/* SPDX-License-Identifier: Apache-2.0
 *
 * Training a new model beside the one in use: a child process runs "topn retrain" (cli/retrain.c) on the store, and its
 * exit code says whether the result may take over. And what else replaces the model in use while the server runs:
 * another file, or the model before.
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
    double before, after;    /* the metric of the model in use and of the new one on the held-back events; NAN */
    uint64_t swapped, worse, failed; /* how many ended so */
    char message[512];               /* why, where it did not swap */
} retrain_state;

/* "none", "running", "swapped", "worse", "failed". */
const char *retrain_outcome_name(retrain_outcome outcome);

/* Starts a child every options->retrain_seconds and when asked, waits for it, swaps. `store` as for store_open. */
bool retrainer_start(const server_options *options, const char *store, models *models, retrainer **out, char *why,
                     size_t why_size);
/* false when one is running. force: with few events in the store, and even when the new model is worse. */
bool retrainer_request(retrainer *retrainer, bool force);
retrain_state retrainer_read(retrainer *retrainer);

/* Called on the retrainer's thread when it is done, `why` "" when all went well. */
typedef void retrain_done(bool good, const char *why, void *user_data);
/* Swaps to the file `path` (NULL: the server's model file, read anew), or goes back to the model before, in memory and,
 * where its file is kept, on disk. false when another of these is under way: done is not called then. */
bool retrainer_swap(retrainer *retrainer, const char *path, retrain_done *done, void *user_data);
bool retrainer_rollback(retrainer *retrainer, retrain_done *done, void *user_data);

/* Ends a child under way, answers what was asked. */
void retrainer_stop(retrainer *retrainer);

#endif
