/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sums.h"
#include "numeric/weighted_gram.h"
#include "train/alternating/pairwise.h"
#include "train/alternating/solver.h"

enum { BLOCK = 256 }; /* entities whose squares are summed together */

/* Σ α(ŷ − y)² of the pairs of entities begin … end − 1. */
static double squares(const observations *observed, const float *phi, const float *psi, size_t d, uint32_t begin,
                      uint32_t end)
{
    const sparse_matrix *pairs = &observed->pairs;
    double sum = 0;
    for (uint32_t entity = begin; entity < end; entity++)
        for (uint64_t at = pairs->indptr[entity]; at < pairs->indptr[entity + 1]; at++) {
            const double error = sum_products(phi + entity * d, psi + pairs->indices[at] * d, d) -
                                 (observed->labels ? (double)observed->labels[at] : 1.0);
            sum += (double)(pairs->values ? pairs->values[at] : observed->alpha) * error * error;
        }
    return sum;
}

static topn_status observed_part(topn_context *context, const observations *observed, const float *phi,
                                 const float *psi, size_t d, double *out)
{
    topn_status status;
    const uint32_t entities = observed->pairs.rows;
    const size_t blocks = (entities + (size_t)BLOCK - 1) / BLOCK;
    double *sums = NULL; /* [blocks] */
    TRY(ALLOCATE(context, blocks, &sums));
#pragma omp parallel for schedule(dynamic) num_threads(context->threads)
    for (size_t block = 0; block < blocks; block++) {
        const uint32_t begin = (uint32_t)(block * BLOCK), end = entities - begin < BLOCK ? entities : begin + BLOCK;
        sums[block] = squares(observed, phi, psi, d, begin, end);
    }
    *out = 0;
    for (size_t block = 0; block < blocks; block++)
        *out += sums[block];
done:
    free(sums);
    return status;
}

static double ridge_part(const alternating_problem *problem)
{
    double sum = 0;
    for (int s = 0; s < 2; s++) {
        const multilinear_side *side = &problem->sides[s];
        const size_t fields = side->field_count + (side->kind == COMPOSE_TUCKER);
        for (size_t field = 0; field < fields; field++) {
            const dense_matrix *table = field < side->field_count ? &side->fields[field].table : &side->core;
            for (size_t row = 0; row < table->rows; row++) {
                const float *values = table->values + row * table->columns;
                sum += (double)problem->blocks[s][field].ridge[row] * sum_products(values, values, table->columns);
            }
        }
    }
    return sum;
}

topn_status alternating_loss(topn_context *context, const alternating_problem *problem, loss_parts *out)
{
    topn_status status;
    const size_t d = problem->sides[0].dimensions;
    float *owned[2] = {NULL, NULL};
    const float *rows[2];
    double *grams[2] = {NULL, NULL};
    float *pair_weights = NULL; /* v of P2 eq. 45 */
    const bool pairwise = problem->loss.pairwise;
    *out = (loss_parts){0};
    if (pairwise)
        TRY(pairwise_weights(context, problem, &pair_weights));
    for (int s = 0; s < 2; s++) {
        const float *weights = pairwise && s == SIDE_CONTEXTS ? pair_weights : problem->weights[s];
        TRY(side_rows(context, &problem->sides[s], &owned[s], &rows[s]));
        TRY(ALLOCATE(context, d * d, &grams[s]));
        TRY(weighted_gram(context, rows[s], problem->sides[s].entities, d, weights, grams[s]));
    }
    if (pairwise)
        TRY(pairwise_loss(context, problem, rows[SIDE_CONTEXTS], rows[SIDE_ITEMS], &out->observed));
    else
        TRY(observed_part(context, &problem->observed[SIDE_CONTEXTS], rows[SIDE_CONTEXTS], rows[SIDE_ITEMS], d,
                          &out->observed));
    for (size_t at = 0; at < d * d; at++)
        out->unobserved += grams[0][at] * grams[1][at];
    out->unobserved *= pairwise ? 1 : problem->loss.unobserved;
    out->ridge = ridge_part(problem);
done:
    free(pair_weights);
    for (int s = 0; s < 2; s++) {
        free(owned[s]);
        free(grams[s]);
    }
    return status;
}
