/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/incomplete_cholesky.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "numeric/largest.h"
#include "numeric/sparse.h"

enum {
    BLOCK = 128,        /* rows whose dependence on earlier blocks is worked off in parallel */
    REPORT_EVERY = 4096 /* rows between two reports of progress, a multiple of BLOCK */
};

typedef struct factorisation {
    const incomplete_settings *settings;
    sparse_matrix *a;  /* row i turns from A's values into L's, from left to right */
    sparse_matrix *l;  /* row i begins at indptr[i] and has counts[i] entries */
    uint32_t *counts;  /* [n] */
    float **scratch;   /* [threads][n]: a row as a dense vector, zeros between rows */
    uint64_t *reached; /* [BLOCK]: up to where the rows of the block are done, an offset into a */
    uint8_t *raised;   /* [n] */
} factorisation;

static void clear(factorisation *all, int threads)
{
    for (int thread = 0; all->scratch && thread < threads; thread++)
        free(all->scratch[thread]);
    free(all->scratch);
    free(all->counts);
    free(all->reached);
    free(all->raised);
}

static topn_status create(topn_context *context, factorisation *all)
{
    topn_status status;
    const sparse_matrix *a = all->a;
    const uint32_t n = a->rows, most = all->settings->keep - 1;
    uint64_t room = 0;
    TRY(ALLOCATE(context, n, &all->counts));
    TRY(ALLOCATE(context, BLOCK, &all->reached));
    TRY(ALLOCATE_ZEROED(context, n, &all->raised));
    TRY(ALLOCATE_ZEROED(context, (size_t)context->threads, &all->scratch));
    for (int thread = 0; thread < context->threads; thread++)
        TRY(ALLOCATE_ZEROED(context, n, &all->scratch[thread]));
    for (uint32_t r = 0; r < n; r++) {
        const uint64_t length = a->indptr[r + 1] - a->indptr[r];
        room += (length < most ? length : most) + 1;
    }
    TRY(sparse_create(context, n, n, room, all->l));
    for (uint32_t r = 0; r < n; r++) {
        const uint64_t length = a->indptr[r + 1] - a->indptr[r];
        all->l->indptr[r + 1] = all->l->indptr[r] + (length < most ? length : most) + 1;
    }
done:
    return status; /* the caller clears */
}

/* Σ values[m]·dense[indices[m]], in four sums so that one addition need not wait for the one before. */
static inline float gathered_product(const float *values, const uint32_t *indices, uint64_t count, const float *dense)
{
    float sums[4] = {0};
    uint64_t m = 0;
    for (; m + 4 <= count; m += 4)
        for (uint64_t lane = 0; lane < 4; lane++)
            sums[lane] += values[m + lane] * dense[indices[m + lane]];
    for (; m < count; m++)
        sums[0] += values[m] * dense[indices[m]];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* L_ij = (A_ij − Σ_{m<j} L_im·L_jm) / L_jj for the columns j < bound of row i from offset `at` on; those before it are
 * done. Gives the offset of the first column ≥ bound. */
static uint64_t eliminate(factorisation *all, uint32_t i, uint64_t at, uint32_t bound, float *scratch)
{
    const sparse_matrix *a = all->a, *l = all->l;
    const uint64_t begin = a->indptr[i], end = a->indptr[i + 1];
    for (uint64_t done = begin; done < at; done++)
        scratch[a->indices[done]] = a->values[done];
    for (; at < end && a->indices[at] < bound; at++) {
        const uint32_t j = a->indices[at];
        const uint64_t row = l->indptr[j], pivot = row + all->counts[j] - 1;
        const float product = gathered_product(l->values + row, l->indices + row, pivot - row, scratch);
        float value = (a->values[at] - product) / l->values[pivot];
        if (!(fabs((double)value) >= all->settings->drop) && j >= all->settings->anchors)
            value = 0.0f;
        a->values[at] = scratch[j] = value;
    }
    for (uint64_t done = begin; done < at; done++)
        scratch[a->indices[done]] = 0.0f;
    return at;
}

/* The largest entries of the finished row i and its diagonal become L's. */
static void finish(factorisation *all, uint32_t i)
{
    const sparse_matrix *a = all->a;
    const uint64_t begin = a->indptr[i], end = a->indptr[i + 1];
    uint64_t to = all->l->indptr[i], others = begin;
    while (others < end && a->indices[others] < all->settings->anchors)
        others++;
    magnitude_limit limit =
        magnitude_limit_of(a->values + others, end - others, all->settings->keep - 1 - (others - begin));
    double squares = 0;
    for (uint64_t at = begin; at < end; at++) {
        const float value = a->values[at];
        if (at >= others && !magnitude_kept(value, &limit))
            continue;
        all->l->indices[to] = a->indices[at];
        all->l->values[to++] = value;
        squares += (double)value * value;
    }
    const double pivot = all->settings->diagonal - squares;
    all->raised[i] = !(pivot >= all->settings->floor);
    all->l->indices[to] = i;
    all->l->values[to++] = (float)sqrt(all->raised[i] ? all->settings->floor : pivot);
    all->counts[i] = (uint32_t)(to - all->l->indptr[i]);
}

/* Rows begin … end: first, in parallel, all that depends on earlier rows alone; then the rest, row by row. */
static void factor_block(const topn_context *context, factorisation *all, uint32_t begin, uint32_t end)
{
    const uint64_t *indptr = all->a->indptr;
#pragma omp parallel for num_threads(context->threads) schedule(dynamic)
    for (uint32_t i = begin; i < end; i++) {
        all->reached[i - begin] = eliminate(all, i, indptr[i], begin, all->scratch[thread_index()]);
        if (all->reached[i - begin] == indptr[i + 1])
            finish(all, i);
    }
    for (uint32_t i = begin; i < end; i++)
        if (all->reached[i - begin] < indptr[i + 1]) {
            eliminate(all, i, all->reached[i - begin], i, all->scratch[0]);
            finish(all, i);
        }
}

topn_status incomplete_cholesky(topn_context *context, sparse_matrix *a, const incomplete_settings *settings,
                                sparse_matrix *l, uint64_t *raised)
{
    topn_status status;
    factorisation all = {.settings = settings, .a = a, .l = l};
    const uint32_t n = a->rows;
    *l = (sparse_matrix){0};
    *raised = 0;
    TRY(create(context, &all));
    for (uint32_t begin = 0; begin < n; begin += BLOCK) {
        if (begin % REPORT_EVERY == 0)
            TRY(progress_report(context, "factor again", "rows", begin, n, NAN));
        factor_block(context, &all, begin, n - begin < BLOCK ? n : begin + BLOCK);
    }
    for (uint32_t r = 0; r < n; r++)
        *raised += all.raised[r];
    TRY(sparse_close_gaps(context, all.counts, l));
    status = progress_report(context, "factor again", "rows", n, n, NAN);
done:
    clear(&all, context->threads);
    if (status != TOPN_OK)
        sparse_clear(l);
    return status;
}
