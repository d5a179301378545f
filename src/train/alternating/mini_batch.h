/* SPDX-License-Identifier: Apache-2.0
 *
 * A mini-batch of examples and the gradient of its part of the loss in φ and ψ, with the Gramians as constants
 * (P2 eq. 33, 34, corrected). What φ and ψ are made of plays no part here: whoever pulls the gradients back to
 * parameters, be it by the Jacobian of a multilinear model or through a network, gets them by entity.
 *
 * Per example (c, i), with n_c = |I_c| and n_i = |C_i| and both Gramians weighted (problem.h),
 *
 *     ∂φ = 2α(ŷ − y)·ψ + 2α₀ v_c/n_c · G^I φ        ∂ψ = 2α(ŷ − y)·φ + 2α₀ u_i/n_i · G^C ψ
 *
 * The paper prints half of the second terms: eq. 33 halves ⟨G^C, G^I⟩ so as to write it once by contexts and once by
 * items, but as both factors are then held constant, each half gives only half of the gradient. Pairwise (eq. 44), with
 * N = Σ u_i, z = Σ u_i ψ_i and q = Σ_S α(ŷ − 1)φ_c, the part of the gradient by which ψ_i moves z,
 *
 *     ∂φ = [2αN(ŷ − 1) − 2α⟨φ, z⟩]·ψ − 2α(ŷ − 1)·z + 2 v_c/n_c · G^I φ
 *     ∂ψ = [2αN(ŷ − 1) − 2α⟨φ, z⟩]·φ + 2 u_i/n_i · (G^C ψ − q)
 */
#ifndef TOPN_TRAIN_ALTERNATING_MINI_BATCH_H
#define TOPN_TRAIN_ALTERNATING_MINI_BATCH_H

#include "train/alternating/examples.h"

/* What the gradient needs to know of all entities, or estimates of it. */
typedef struct gramians {
    float *gram[2]; /* G^C, G^I [D × D] */
    float *z, *q;   /* [D], pairwise */
} gramians;

/* The loss but for its ridges. */
typedef struct total_loss {
    bool pairwise;
    double unobserved;       /* α₀; pairwise 1 */
    double items;            /* N, pairwise */
    bool paper_exact;        /* eq. 34 as printed */
    const float *weights[2]; /* v, u; NULL = all 1 */
    float *pair_weights;     /* v of eq. 45, pairwise: weights[SIDE_CONTEXTS] */
} total_loss;
topn_status total_loss_create(topn_context *context, const alternating_problem *problem, total_loss *out);
void total_loss_clear(total_loss *loss);

/* The distinct entities of one side of a batch, in order of first appearance. */
typedef struct batch_side {
    uint32_t count;
    uint32_t *entities; /* [count] */
    uint32_t *slot_of;  /* [all entities] place in `entities` + 1; 0 between batches */
    uint32_t *slots;    /* [size] of each example; NOBODY where it has no part on this side */
    uint32_t *starts;   /* [count + 1] into members */
    uint32_t *members;  /* examples of a slot, ascending */
    float *embeddings;  /* [count × D] */
    float *gradients;   /* [count × D] */
} batch_side;

typedef struct mini_batch {
    uint32_t capacity, size;
    size_t dimensions;
    batch_side sides[2];
    float *alphas, *labels; /* [size] */
    float *pulls;           /* [size] what an example pulls on the other side's embedding with … */
    float *errors;          /* [size] … and α(ŷ − y) */
} mini_batch;

topn_status mini_batch_create(topn_context *context, const alternating_problem *problem, uint32_t capacity,
                              mini_batch *out);
void mini_batch_clear(mini_batch *batch);
uint64_t mini_batch_bytes(uint64_t contexts, uint64_t items, uint64_t capacity, size_t dimensions);
/* Takes count examples ≤ capacity from position `begin` of the order. */
void mini_batch_fill(const alternating_problem *problem, const example_list *examples, uint32_t begin, uint32_t count,
                     mini_batch *batch);
/* Fills errors, pulls and both sides' gradients from their embeddings. */
void mini_batch_gradients(topn_context *context, const total_loss *loss, const gramians *estimates,
                          const example_list *examples, mini_batch *batch);

#endif
