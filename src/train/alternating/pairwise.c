/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/pairwise.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sums.h"
#include "train/alternating/solver.h"

enum { BLOCK = 256 /* contexts that are summed together */ };

double pairwise_items(const alternating_problem *problem)
{
    const float *weights = problem->weights[SIDE_ITEMS];
    double sum = 0;
    for (uint32_t item = 0; item < problem->sides[SIDE_ITEMS].entities; item++)
        sum += weights ? weights[item] : 1;
    return sum;
}

static double alpha_at(const observations *observed, uint64_t at)
{
    return observed->pairs.values ? observed->pairs.values[at] : observed->alpha;
}

static double label_at(const observations *observed, uint64_t at)
{
    return observed->labels ? observed->labels[at] : 1;
}

topn_status pairwise_weights(topn_context *context, const alternating_problem *problem, float **out)
{
    topn_status status;
    const observations *observed = &problem->observed[SIDE_CONTEXTS];
    TRY(ALLOCATE(context, observed->pairs.rows, out));
    for (uint32_t who = 0; who < observed->pairs.rows; who++) {
        double sum = 0;
        for (uint64_t at = observed->pairs.indptr[who]; at < observed->pairs.indptr[who + 1]; at++)
            sum += alpha_at(observed, at);
        (*out)[who] = (float)sum;
    }
done:
    return status;
}

/* z = Σ u_i ψ_i; psi [items × D] */
static void sum_items(const alternating_problem *problem, const float *psi, double *z)
{
    const multilinear_side *side = &problem->sides[SIDE_ITEMS];
    const float *weights = problem->weights[SIDE_ITEMS];
    const size_t d = side->dimensions;
    memset(z, 0, d * sizeof *z);
    for (uint32_t item = 0; item < side->entities; item++) {
        const double weight = weights ? weights[item] : 1;
        for (size_t k = 0; k < d; k++)
            z[k] += weight * psi[item * d + k];
    }
}

/* Over the pairs of contexts begin … end − 1: sum [D] += α(ŷ − y)·φ, or, where `z` is given, sum[0] += N·α(ŷ − y)² −
 * 2α(ŷ − y)⟨φ, z⟩. */
static void sum_pairs(const alternating_problem *problem, const float *phi, const float *psi, const double *z,
                      double items, uint32_t begin, uint32_t end, double *sum)
{
    const observations *observed = &problem->observed[SIDE_CONTEXTS];
    const size_t d = problem->sides[SIDE_CONTEXTS].dimensions;
    for (uint32_t who = begin; who < end; who++) {
        const float *own = phi + who * d;
        double errors = 0, squares = 0, mean = 0;
        for (uint64_t at = observed->pairs.indptr[who]; at < observed->pairs.indptr[who + 1]; at++) {
            const double error = sum_products(own, psi + observed->pairs.indices[at] * d, d) - label_at(observed, at);
            errors += alpha_at(observed, at) * error;
            squares += alpha_at(observed, at) * error * error;
        }
        for (size_t k = 0; k < d; k++) {
            if (z)
                mean += own[k] * z[k];
            else
                sum[k] += errors * own[k];
        }
        if (z)
            sum[0] += items * squares - 2 * errors * mean;
    }
}

/* The same over all contexts; out [D], or one number where z is given. */
static topn_status sum_all_pairs(topn_context *context, const alternating_problem *problem, const float *phi,
                                 const float *psi, const double *z, double *out)
{
    topn_status status;
    const uint32_t contexts = problem->sides[SIDE_CONTEXTS].entities, blocks = (contexts - 1) / BLOCK + 1;
    const size_t wide = z ? 1 : problem->sides[SIDE_CONTEXTS].dimensions;
    const double items = pairwise_items(problem);
    double *sums = NULL; /* [blocks × wide] */
    TRY(ALLOCATE_ZEROED(context, blocks * wide, &sums));
#pragma omp parallel for num_threads(context->threads) schedule(dynamic, 1)
    for (uint32_t block = 0; block < blocks; block++) {
        const uint32_t begin = block * BLOCK, end = contexts - begin < BLOCK ? contexts : begin + BLOCK;
        sum_pairs(problem, phi, psi, z, items, begin, end, sums + block * wide);
    }
    memset(out, 0, wide * sizeof *out);
    for (uint32_t block = 0; block < blocks; block++)
        for (size_t k = 0; k < wide; k++)
            out[k] += sums[block * wide + k];
done:
    free(sums);
    return status;
}

topn_status pairwise_sums(topn_context *context, const alternating_problem *problem, double *z, double *q)
{
    topn_status status;
    float *owned[2] = {NULL, NULL};
    const float *rows[2];
    TRY(side_rows(context, &problem->sides[SIDE_ITEMS], &owned[SIDE_ITEMS], &rows[SIDE_ITEMS]));
    sum_items(problem, rows[SIDE_ITEMS], z);
    if (!q)
        goto done;
    TRY(side_rows(context, &problem->sides[SIDE_CONTEXTS], &owned[SIDE_CONTEXTS], &rows[SIDE_CONTEXTS]));
    TRY(sum_all_pairs(context, problem, rows[SIDE_CONTEXTS], rows[SIDE_ITEMS], NULL, q));
done:
    free(owned[SIDE_CONTEXTS]);
    free(owned[SIDE_ITEMS]);
    return status;
}

topn_status pairwise_loss(topn_context *context, const alternating_problem *problem, const float *phi, const float *psi,
                          double *out)
{
    topn_status status;
    double *z = NULL; /* [D] */
    TRY(ALLOCATE(context, problem->sides[SIDE_ITEMS].dimensions, &z));
    sum_items(problem, psi, z);
    TRY(sum_all_pairs(context, problem, phi, psi, z, out));
done:
    free(z);
    return status;
}
