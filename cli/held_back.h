/* SPDX-License-Identifier: Apache-2.0
 *
 * Events that `topn train` holds back to judge the model by: of a split, or a share of the data itself.
 */
#ifndef TOPN_CLI_HELD_BACK_H
#define TOPN_CLI_HELD_BACK_H

#include "session.h"

#define HELD_BACK_OPTIONS                                                                                              \
    {"validate", 0, "PREFIX", "",                                                                                      \
     "judge by PREFIX-seen.tsv and PREFIX-hidden.tsv of a split: methods that improve sweep by sweep keep their best " \
     "state, and the metrics of all are recorded in the model"},                                                       \
        {"validate-share", 0, "X", "", "the same by a share of each user's events, held back by --seed"},              \
        {"validate-metric", 0, "METRIC", "ndcg@100", "what the best state is best in"},                                \
    {                                                                                                                  \
        "refit", 0, NULL, "", "after --validate-share train again on all events, for as many sweeps as were best"      \
    }

typedef struct held_back {
    const topn_data *train; /* what is left to train on */
    const topn_data *seen, *hidden;
    char *source; /* "prefix split/validation", "share 0.1": recorded in the model; NULL = nothing is held back */
    topn_data *owned[2];
    topn_split *split;
} held_back;

/* As the options say; without any, all of `data` is trained on. */
int held_back_create(struct session *session, const topn_data *data, held_back *out);
void held_back_clear(held_back *held);
/* Options that the source of a recorded training stands for, unless the command line names others. */
void held_back_preset(struct session *session, const char *source, const char *origin);
/* Evaluates on the held-back events and records the metrics in the model. */
int held_back_record(struct session *session, const held_back *held, topn_model *model);

#endif
