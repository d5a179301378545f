/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the solver: the Newton step of one block. Small blocks are one thread's work; large ones are solved one
 * after the other with all threads at their statistics, which are summed in an order that does not depend on them.
 */
#ifndef TOPN_TRAIN_ALTERNATING_BLOCK_STEP_H
#define TOPN_TRAIN_ALTERNATING_BLOCK_STEP_H

#include "train/alternating/half_sweep.h"

/* Columns of a field's blocks that are solved for at a time. */
size_t step_columns(const half_sweep *sweep, size_t width);
/* Most observations of a block that is one thread's work. */
uint64_t step_capacity(const half_sweep *sweep, size_t width);
/* Memory of threads for blocks of the field with up to so many observations each. */
topn_status workspaces_create(const half_sweep *sweep, size_t field, uint64_t longest, workspace **out);
void workspaces_free(workspace *workspaces, int threads);

/* On this thread alone. false when there is no finite step. */
bool block_step(const half_sweep *sweep, const block_members *members, workspace *work);
/* By all threads; *solved as above. */
topn_status shared_block_step(const half_sweep *sweep, const block_members *members, workspace *workspaces,
                              bool *solved);

#endif
