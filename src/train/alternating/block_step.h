/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the solver: the Newton steps of blocks. Small blocks are one thread's work, by groups where a product with
 * G is all that M takes, so that G is read once for all of them. Large blocks are solved one after the other with all
 * threads at their statistics, which are summed in an order that does not depend on them.
 */
#ifndef TOPN_TRAIN_ALTERNATING_BLOCK_STEP_H
#define TOPN_TRAIN_ALTERNATING_BLOCK_STEP_H

#include "train/alternating/half_sweep.h"

enum {
    GROUP_ROWS = 32,           /* blocks that are solved side by side */
    GROUP_OBSERVATIONS = 4096, /* and their observations, unless it is one alone */
    SHARED_ROWS = 1024         /* observations of a shared block whose statistics are summed together */
};

/* Most observations of a block that is one thread's work. */
uint64_t step_capacity(const half_sweep *sweep, size_t width);
/* Whether blocks go by groups. */
bool steps_by_group(const half_sweep *sweep, size_t width);
/* Memory of threads for blocks of the field with up to so many observations each. */
topn_status workspaces_create(const half_sweep *sweep, size_t field, uint64_t longest, workspace **out);
void workspaces_free(workspace *workspaces, int threads);

/* On this thread alone. false when there is no finite step. */
bool block_step(const half_sweep *sweep, const block_members *members, workspace *work);
/* The same for a group of blocks; returns the place of the first without a step, or `count`. */
size_t group_step(const half_sweep *sweep, const block_members *members, size_t count, workspace *work);
/* By all threads; *solved as above. */
topn_status shared_block_step(const half_sweep *sweep, const block_members *members, workspace *workspaces,
                              bool *solved);

#endif
