/* SPDX-License-Identifier: Apache-2.0 */
#include "train/alternating/pair_statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/sums.h"
#include "train/alternating/solver.h"

enum { BLOCK = 1024 }; /* contexts whose sums are added up together */

/* Over the events of a context: Σ α and Σ α(ŷ − ȳ), of all and of those with y = 1. */
typedef struct context_sums {
    double weight, above, liked_weight, liked_above;
} context_sums;

/* One count under way. */
typedef struct pair_count {
    const alternating_problem *problem;
    const sparse_matrix *events;
    bool has_weights;
    const dense_matrix *psi;
    float *mean;          /* [D] ψ̄ */
    context_sums *sums;   /* [contexts] */
    float *weights;       /* [contexts] v */
    double *pulls;        /* [blocks × D] */
    float *scratch, *phi; /* [threads × side_scratch], [threads × D] */
    double label;
    int threads;
} pair_count;

static void clear(pair_count *run)
{
    free(run->mean);
    free(run->sums);
    free(run->weights);
    free(run->pulls);
    free(run->scratch);
    free(run->phi);
}

static topn_status prepare(topn_context *context, const fields_encoder *encoder, pair_count *run)
{
    topn_status status;
    const multilinear_side *side = &run->problem->sides[SIDE_CONTEXTS];
    const size_t d = side->dimensions, blocks = side->entities / BLOCK + 1;
    const double items =
        encoder->item_weights ? sum_floats(encoder->item_weights, run->psi->rows) : (double)run->psi->rows;
    run->threads = context->threads;
    TRY(ALLOCATE(context, d, &run->mean));
    TRY(ALLOCATE_ZEROED(context, side->entities, &run->sums));
    TRY(ALLOCATE(context, side->entities, &run->weights));
    TRY(ALLOCATE_ZEROED(context, blocks * d, &run->pulls));
    TRY(ALLOCATE(context, (size_t)run->threads * (side_scratch(side) + 1), &run->scratch));
    TRY(ALLOCATE(context, (size_t)run->threads * d, &run->phi));
    for (size_t k = 0; k < d; k++)
        run->mean[k] = (float)((double)encoder->item_sum[k] / items);
done:
    return status;
}

/* φ of a context, in the calling thread's memory. */
static const float *embed(const pair_count *run, uint32_t who)
{
    const multilinear_side *side = &run->problem->sides[SIDE_CONTEXTS];
    const size_t thread = (size_t)thread_index();
    float *phi = run->phi + thread * side->dimensions;
    side_embed(side, who, run->scratch + thread * (side_scratch(side) + 1), phi);
    return phi;
}

static context_sums sum_events(const pair_count *run, uint32_t who, const float *phi)
{
    const alternating_problem *problem = run->problem;
    const sparse_matrix *events = run->events;
    const size_t d = run->psi->columns;
    const float *const *weights = (const float *const *)problem->weights;
    const double mean = sum_products(phi, run->mean, d), of_context = weights[0] ? (double)weights[0][who] : 1;
    context_sums sums = {0};
    for (uint64_t at = events->indptr[who]; at < events->indptr[who + 1]; at++) {
        const uint32_t item = events->indices[at];
        float event, label;
        event_weight(&problem->loss, run->has_weights ? events->values[at] : 1, &event, &label);
        const double alpha = (double)event * of_context * (weights[1] ? (double)weights[1][item] : 1),
                     above = alpha * (sum_products(phi, run->psi->values + item * d, d) - mean);
        sums.weight += alpha;
        sums.above += above;
        sums.liked_weight += label > 0 ? alpha : 0;
        sums.liked_above += label > 0 ? above : 0;
    }
    return sums;
}

static void sum_contexts(pair_count *run)
{
#pragma omp parallel for num_threads(run->threads) schedule(dynamic, 64)
    for (uint32_t who = 0; who < run->events->rows; who++) {
        if (run->events->indptr[who] < run->events->indptr[who + 1])
            run->sums[who] = sum_events(run, who, embed(run, who));
        run->weights[who] = (float)run->sums[who].weight;
    }
}

/* By how much events score above the mean item; the label as it is where that has no sense. */
static double mean_above(const pair_count *run)
{
    double above = 0, weight = 0;
    for (uint32_t who = 0; who < run->events->rows; who++) {
        above += run->sums[who].liked_above;
        weight += run->sums[who].liked_weight;
    }
    return above > 0 && weight > 0 && isfinite(above / weight) ? above / weight : run->label;
}

static void sum_pulls(pair_count *run, float *out)
{
    const size_t d = run->psi->columns;
    const uint32_t contexts = run->events->rows, blocks = contexts / BLOCK + 1;
#pragma omp parallel for num_threads(run->threads) schedule(dynamic, 1)
    for (uint32_t block = 0; block < blocks; block++) {
        double *pull = run->pulls + block * d;
        for (uint32_t who = block * BLOCK; who < contexts && who < (block + 1) * BLOCK; who++) {
            const context_sums *sums = &run->sums[who];
            const double error = sums->above - run->label * sums->liked_weight;
            const float *phi = embed(run, who);
            for (size_t k = 0; k < d; k++)
                pull[k] += error * (double)phi[k];
        }
    }
    for (size_t k = 0; k < d; k++) {
        double sum = 0;
        for (uint32_t block = 0; block < blocks; block++)
            sum += run->pulls[block * d + k];
        out[k] = (float)sum;
    }
}

topn_status pair_statistics_export(topn_context *context, const alternating_problem *problem, const topn_data *data,
                                   const dense_matrix *psi, fields_encoder *out)
{
    topn_status status;
    const multilinear_side *side = &problem->sides[SIDE_CONTEXTS];
    const size_t d = side->dimensions;
    double *gram = NULL;
    pair_count run = {.problem = problem,
                      .events = side->field_count > 1 ? &data->contexts.events : &data->matrix,
                      .has_weights = data->has_weights,
                      .psi = psi,
                      .label = problem->loss.label};
    TRY(prepare(context, out, &run));
    sum_contexts(&run);
    if (problem->other_loss)
        run.label = mean_above(&run);
    out->loss.label = run.label;
    TRY(ALLOCATE(context, d, &out->context_pull));
    sum_pulls(&run, out->context_pull);
    TRY(ALLOCATE(context, d * d, &gram));
    TRY(ALLOCATE(context, d * d, &out->context_gram));
    TRY(side_gram(context, side, run.weights, gram));
    for (size_t at = 0; at < d * d; at++)
        out->context_gram[at] = (float)gram[at];
done:
    free(gram);
    clear(&run);
    return status;
}
