/* SPDX-License-Identifier: Apache-2.0
 *
 * One column of SLIM: coordinate descent on the Gram matrix with a working set (Friedman, Hastie, Tibshirani,
 * J. Stat. Softw. 33, 2010, §2.2–2.6; working sets as in Massias, Gramfort, Salmon, ICML 2018).
 *
 * Legend: G Gram matrix, D = diag(G + ridge), w the weights of column j, r = g_j − (G + ridge)·w: minus the gradient of
 *
 *     ½ wᵀ(G + ridge)w − g_jᵀw + l1·‖w‖₁,   w_j = 0,
 *
 * whose optimum has r_i ≤ l1 where w_i = 0 and r_i = l1 where w_i > 0; without the sign constraint |r_i| ≤ l1 and
 * r_i = l1·sign(w_i). The residual of column j is the largest amount by which any coordinate misses that, divided by
 * the largest |G_ij|, i ≠ j: the largest gradient at w = 0.
 */
#ifndef TOPN_TRAIN_LINEAR_SLIM_SOLVER_H
#define TOPN_TRAIN_LINEAR_SLIM_SOLVER_H

#include "base/context.h"
#include "numeric/matrix.h"

/* What all columns share. */
typedef struct slim_problem {
    uint32_t items;
    const float *dense;           /* G [items × items] with a zero diagonal, or NULL: then */
    const sparse_matrix *sparse;  /* G, stored diagonal ignored */
    const double *diagonal;       /* D [items] */
    const sparse_matrix *start;   /* row j: where column j starts; NULL = from zero */
    const sparse_matrix *allowed; /* row j: the weights of column j that may differ from zero; NULL = all */
    double l1, tolerance;
    bool nonnegative;
    bool gram_nonnegative; /* no element of G is below 0 */
    uint32_t path;       /* values of l1 from the largest useful down to l1, each started from the last one's weights */
    uint64_t max_sweeps; /* for each of them */
} slim_problem;

/* What one thread works with: 64 bytes an item, and a piece of G. */
typedef struct slim_worker slim_worker;
topn_status slim_worker_create(topn_context *context, const slim_problem *problem, slim_worker **out);
void slim_worker_free(slim_worker *worker);
uint64_t slim_worker_bytes(uint64_t items);

typedef struct slim_column {
    uint32_t count; /* weights that are not zero */
    uint64_t sweeps;
    double residual; /* of the weights as they are given out, in single precision */
    bool converged;  /* residual ≤ tolerance */
} slim_column;

/* Solves column j; indices [items] ascending and values [items] receive `count` weights. */
void slim_solve(const slim_problem *problem, slim_worker *worker, uint32_t j, uint32_t *indices, float *values,
                slim_column *out);

#endif
