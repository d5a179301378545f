/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods that improve sweep by sweep: progress with the loss, early stopping on held-back events, the best state kept,
 * checkpoints and resumption. The method gives its state as named arrays of parameters; the rest is here.
 */
#ifndef TOPN_TRAIN_ITERATION_H
#define TOPN_TRAIN_ITERATION_H

#include "base/option_table.h"
#include "model/model.h"
#include "train/method.h"

/* Judges a model by a metric; made by api, since training does not know retrieval. */
typedef struct validator {
    const char *metric;      /* "ndcg@100"; larger is better */
    const char *fingerprint; /* of the held-back events; checkpoints hold it, too */
    topn_status (*judge)(topn_context *context, const topn_model *model, void *data, double *value);
    void *data;
} validator;

/* What api gives to methods beside data and parameters. All may be NULL. */
struct training_run { /* training_run of train/method.h */
    const validator *validator;
    const topn_model *start; /* --start-from, loaded */
};

typedef struct iteration_params {
    int64_t sweeps, validate_every, patience, checkpoint_every;
    char *checkpoint; /* file; NULL = none */
    bool resume;      /* go on from `checkpoint` when it is there */
    char *start_from; /* model file, which api loads; NULL = none */
    double tolerance;
} iteration_params;

#define ITERATION_OPTIONS(params, sweeps_default)                                                                      \
    OPTION_INTEGER(params, iteration.sweeps, "sweeps", sweeps_default, 1, 1000000,                                     \
                   "passes over the data, unless early stopping ends them before"),                                    \
        OPTION_INTEGER(params, iteration.validate_every, "validate-every", 1, 1, 1000000,                              \
                       "sweeps between two judgements on held-back events, where such are given"),                     \
        OPTION_INTEGER(params, iteration.patience, "patience", 5, 0, 1000000,                                          \
                       "judgements without a better one that end the training; the best state is kept; 0 = go on"),    \
        OPTION_REAL(params, iteration.tolerance, "tolerance", 0, 0, 1,                                                 \
                    "relative change of the loss by a sweep that ends the training; 0 = never"),                       \
        OPTION_TEXT(params, iteration.checkpoint, "checkpoint", NULL,                                                  \
                    "file that the state is written to while training, whole or not at all"),                          \
        OPTION_INTEGER(params, iteration.checkpoint_every, "checkpoint-every", 1, 1, 1000000,                          \
                       "sweeps between two checkpoints"),                                                              \
        OPTION_BOOLEAN(params, iteration.resume, "resume", false,                                                      \
                       "go on from --checkpoint where that file exists; the result has the same bits"),                \
        OPTION_TEXT(params, iteration.start_from, "start-from", NULL,                                                  \
                    "model of the same method to start from: what it knows by id keeps its parameters")

/* Parameters of the state; the values are the method's own memory. */
typedef struct state_array {
    char name[48];
    float *values; /* [rows × columns] */
    uint64_t rows, columns;
} state_array;

/* What a method gives. */
typedef struct iterated {
    void *state;
    state_array *arrays; /* [array_count], all that a sweep changes, less what `restored` makes again from them */
    size_t array_count;
    topn_status (*sweep)(topn_context *context, void *state, int64_t sweep, double *loss); /* sweep from 0 */
    topn_status (*export)(topn_context *context, void *state, topn_model *model);          /* may be called often */
    /* The same for the last time: arrays may move into the model; NULL: export does that, too. */
    topn_status (*finish)(topn_context *context, void *state, topn_model *model);
    const char *remedy; /* what helps where a sweep ends in numbers that are not finite; NULL: a ridge, smaller steps */
    /* The arrays were overwritten, by a checkpoint or by the best state; NULL: nothing follows from them. */
    topn_status (*restored)(topn_context *context, void *state);
} iterated;

/* Runs the sweeps; at its end the model is exported from the best (or, without a validator, the last) state, and the
 * metadata hold train.sweeps, train.loss (of that state), train.losses ("12.3 11.9 …"), and with a validator
 * train.best-sweep, train.metric, train.metrics. `model` is as topn_train makes it: its metadata name method, seed,
 * options and the data's fingerprint, which a checkpoint must have in common with it.
 * Progress: "sweep" in sweeps with the loss as value and, after a judgement, the metric's name with its value; a line
 * of log a sweep. NUMERIC when the loss or the state is not finite after a sweep. CANCELLED leaves the last checkpoint.
 */
topn_status iteration_run(topn_context *context, const topn_data *data, const iteration_params *params,
                          const training_run *run, const iterated *trained, topn_model *model);
/* What iteration_run holds beside the method's state of so many bytes: with a validator a copy of the best state and
 * the exported model; api adds it to the method's own cost. */
uint64_t iteration_bytes(uint64_t state_bytes, bool validated);

#endif
