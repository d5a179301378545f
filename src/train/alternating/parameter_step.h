/* SPDX-License-Identifier: Apache-2.0
 *
 * From gradients in φ and ψ to steps of the parameters that they are composed of: the gradient of a block is
 * Σ_e Jᵀ·∂φ_e over the batch's entities that have it, plus its ridge's, 2λ_b θ_b, dealt out evenly over the examples of
 * a sweep that touch the block. All gradients are taken before any step. Steps are plain, or by Adagrad (Duchi, Hazan,
 * Singer, JMLR 2011), whose rate falls for each parameter with the root of its squared gradients.
 */
#ifndef TOPN_TRAIN_ALTERNATING_PARAMETER_STEP_H
#define TOPN_TRAIN_ALTERNATING_PARAMETER_STEP_H

#include "train/alternating/mini_batch.h"

/* The rows of one table, or of the core, that a batch touches. */
typedef struct touched_rows {
    size_t width;
    uint32_t table_rows;
    double *shares;      /* [table rows] 1 / examples of a sweep that touch the row; 0 where none does */
    uint32_t *slot_of;   /* [table rows] place in `rows` + 1; 0 between batches */
    uint32_t *rows;      /* [count] */
    uint64_t *starts;    /* [count + 1] into the entries */
    uint32_t *entities;  /* entries: the slot of the entity in its batch … */
    float *coefficients; /* … and x */
    uint32_t count;
    float *gradients; /* [count × width] */
    float *squares;   /* [table rows × width] Σ g²; NULL: plain steps */
} touched_rows;

typedef struct parameter_step {
    touched_rows *fields[2]; /* [field_count, + 1 with a core] */
    float *scratch;          /* [threads × scratch_size] */
    size_t scratch_size;
} parameter_step;

topn_status parameter_step_create(topn_context *context, const alternating_problem *problem,
                                  const example_list *examples, uint32_t capacity, bool adagrad, parameter_step *out);
void parameter_step_clear(const alternating_problem *problem, parameter_step *step);
/* Fields of a side, the core counted. */
size_t side_blocks(const multilinear_side *side);
/* φ and ψ of the batch's entities. */
void parameter_step_embed(topn_context *context, const alternating_problem *problem, const parameter_step *step,
                          mini_batch *batch);
/* Gradients of all blocks that the batch touches … */
void parameter_step_pull(topn_context *context, const alternating_problem *problem, const mini_batch *batch,
                         parameter_step *step);
/* … and the step along them. */
void parameter_step_apply(topn_context *context, alternating_problem *problem, double rate, parameter_step *step);

#endif
