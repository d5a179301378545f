/* SPDX-License-Identifier: Apache-2.0
 *
 * A method is one file that exports one descriptor; methods.def lists them.
 */
#ifndef TOPN_TRAIN_METHOD_H
#define TOPN_TRAIN_METHOD_H

#include "base/option_table.h"
#include "data/interactions.h"
#include "model/model.h"

/* What a method predicts before anything is allocated. */
typedef struct training_cost {
    uint64_t bytes; /* peak beyond the data already in memory */
    double flops;
    const char *remedy; /* "use --k …": what would need less, or NULL */
    /* Of train_iterated: parameters that sweeps change. `bytes` holds them once; what validation needs beside (a copy
     * and an exported model) is added by api. */
    uint64_t state_bytes;
} training_cost;

typedef struct training_run training_run; /* train/iteration.h */

typedef struct method {
    const char *name;    /* "chol" */
    const char *summary; /* one line */
    const char *paper;   /* "P1 §3.1, eq. 6–8" */
    const option_table *options;
    topn_status (*check)(topn_context *, const topn_data *, const void *params); /* NULL: no rules across options */
    training_cost (*cost)(const topn_data *, const void *params);
    /* Fills encoder and table of *model (made by model_create) and adds its figures to the metadata. */
    topn_status (*train)(topn_context *, const topn_data *, const void *params, topn_model *model);
    /* In its place for methods that improve sweep by sweep. */
    topn_status (*train_iterated)(topn_context *, const topn_data *, const void *params, const training_run *run,
                                  topn_model *model);
    /* The topn_prune_mode in which pruning a dense model gives what training with option "k" gives: 1u << mode, or'ed;
     * which of several is said by an option "prune" with their names. */
    unsigned prune_modes;
} method;

/* NULL past the end. */
const method *method_at(size_t index);
const method *method_find(const char *name);

#endif
