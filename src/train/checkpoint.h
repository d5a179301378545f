/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of an iterative training in a file (FORMAT.md): written whole or not at all, refused by any other training
 * than the one that wrote it.
 */
#ifndef TOPN_TRAIN_CHECKPOINT_H
#define TOPN_TRAIN_CHECKPOINT_H

#include "train/iteration.h"

/* How far a training is. What else early stopping counts follows from the metrics. */
typedef struct iteration_history {
    int64_t sweeps;      /* done */
    double *losses;      /* [sweeps] */
    double *metrics;     /* [judged], one every `validate_every` sweeps */
    int64_t judged;      /* 0 without a validator */
    float **best_values; /* [arrays] copies of the state with the highest metric; entries NULL without a validator */
    int64_t loss_room, metric_room;
} iteration_history;

/* Which training it is: what its parts, before and after a kill, have in common. */
topn_status training_identity(topn_context *context, const topn_data *data, const topn_model *model,
                              const training_run *run, record *out);
/* best_is_last: the state is the best one, which is then not written twice. */
topn_status checkpoint_write(topn_context *context, const char *path, const record *identity, const iterated *trained,
                             const iteration_history *history, bool best_is_last);
/* Fills the arrays of the method and the history, whose best_values have their memory. DATA or OPTION when the file
 * belongs to another training, with what differs; FORMAT when it is damaged or no checkpoint. */
topn_status checkpoint_read(topn_context *context, const char *path, const record *identity, const iterated *trained,
                            const iteration_params *params, iteration_history *history);
/* Room for `count` numbers in *values. */
topn_status history_room(topn_context *context, int64_t count, int64_t *room, double **values);

#endif
