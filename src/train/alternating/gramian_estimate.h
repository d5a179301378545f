/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimates Ĝ of both Gramians that follow the parameters while stochastic gradients move them.
 *
 *   EXAMPLE  P2 eq. 40, 41, a step for each example: Ĝ ← (1 − η/n_c)·Ĝ + η/n_c·|C|·v_c φφᵀ. The examples of a batch are
 *            taken together, in their order and with the embeddings from the batch's start
 *   AVERAGE  Ĝ ← (1 − η)·Ĝ + η·|S|/B·Σ_batch v_c/n_c φφᵀ, a step for each batch of B (Krichene et al., ICLR 2019,
 *            "Efficient training on very large corpora via Gramian estimation", §3)
 *   EXACT    the Gramian itself, anew every so many batches
 *
 * Algorithm 5 draws examples of its own for this. Here they are the batch's, which is as good: an estimate is used in
 * later batches only, and no example comes twice in a sweep. Pairwise, z and q follow likewise; EXACT holds z exactly
 * and lets q, whose sum is over S, follow by AVERAGE.
 */
#ifndef TOPN_TRAIN_ALTERNATING_GRAMIAN_ESTIMATE_H
#define TOPN_TRAIN_ALTERNATING_GRAMIAN_ESTIMATE_H

#include "train/alternating/mini_batch.h"

typedef enum estimate_kind { ESTIMATE_EXAMPLE, ESTIMATE_AVERAGE, ESTIMATE_EXACT } estimate_kind;

typedef struct gramian_estimate {
    estimate_kind kind;
    double rate; /* η */
    gramians values;
    float *factors[2]; /* [capacity] weights of a batch's outer products, by slot */
    float *weighted;   /* [capacity × D] */
    double *exact;     /* [D × D] */
    double *sums;      /* [2 × D] */
} gramian_estimate;

topn_status gramian_estimate_create(topn_context *context, const alternating_problem *problem, uint32_t capacity,
                                    gramian_estimate *out);
void gramian_estimate_clear(gramian_estimate *estimate);
uint64_t gramian_estimate_bytes(uint64_t items, uint64_t capacity, size_t dimensions);
/* The true values. with_q: q too, which takes a pass over S. */
topn_status gramian_estimate_set(topn_context *context, const alternating_problem *problem, const total_loss *loss,
                                 bool with_q, gramian_estimate *estimate);
/* After mini_batch_gradients. */
void gramian_estimate_follow(topn_context *context, const total_loss *loss, const example_list *examples,
                             const mini_batch *batch, gramian_estimate *estimate);
/* ‖Ĝ − G‖/‖G‖ in the Frobenius norm, of both sides. */
topn_status gramian_estimate_distance(topn_context *context, const alternating_problem *problem, const total_loss *loss,
                                      gramian_estimate *estimate, double distances[2]);

#endif
