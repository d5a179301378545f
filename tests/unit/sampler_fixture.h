/* SPDX-License-Identifier: Apache-2.0
 *
 * Random positives, dislikes and rows for the tests of samplers, and the χ² test of what they draw. Include it before
 * <cmocka.h>.
 */
#ifndef TOPN_TESTS_SAMPLER_FIXTURE_H
#define TOPN_TESTS_SAMPLER_FIXTURE_H

#include "base/memory.h"
#include "base/random.h"
#include "train/sampled/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAMPLING_CONTEXTS = 8, SAMPLING_DIMENSIONS = 5, SAMPLING_MOST = 1 << 17 };

/* Contexts: 0 took a third, 1 one item, 2 all but one, 3 everything, 4 nothing that was not disliked, the others some.
 * Items: the last of every seven has no positives of contexts 0, 1 and 4 on, the first ones have most. */
typedef struct sampling_problem {
    topn_context context;
    positive_list list;
    sampling_view view;
    float *rows;                                              /* [items × (dimensions + 1)] */
    float phi[SAMPLING_CONTEXTS * (SAMPLING_DIMENSIONS + 1)]; /* φ, and 1 */
    sampler_params params;
    char from[16], mixture[64]; /* of params */
} sampling_problem;

static inline sparse_matrix rows_where(uint32_t items, bool (*has)(uint32_t c, uint32_t j, uint32_t items))
{
    sparse_matrix out = {.rows = SAMPLING_CONTEXTS, .columns = items};
    out.indptr = test_calloc(SAMPLING_CONTEXTS + 1, sizeof *out.indptr);
    out.indices = test_calloc((size_t)SAMPLING_CONTEXTS * items, sizeof *out.indices);
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++) {
        out.indptr[c + 1] = out.indptr[c];
        for (uint32_t j = 0; j < items; j++)
            if (has(c, j, items))
                out.indices[out.indptr[c + 1]++] = j;
    }
    return out;
}

static inline bool sampling_takes(uint32_t c, uint32_t j, uint32_t items)
{
    const double u = random_uniform(1, RANDOM_SAMPLES, (uint64_t)c * items + j);
    if (c == 2 || c == 3)
        return c == 3 || j != items / 2;
    if (c == 4 || (c == 1 && j != items / 3) || (j % 7 == 6 && c != 1))
        return false;
    return c == 1 || u < (c == 0 ? 0.33 : 2.0 / (2 + j));
}

static inline bool sampling_dislikes(uint32_t c, uint32_t j, uint32_t items)
{
    return c != 1 && !sampling_takes(c, j, items) && random_uniform(2, RANDOM_SAMPLES, (uint64_t)c * items + j) < 0.3;
}

static inline sampling_problem *sampling_problem_make(uint32_t items)
{
    sampling_problem *made = test_calloc(1, sizeof *made);
    made->context = (topn_context){.threads = 2, .seed = 5};
    positive_list *list = &made->list;
    *list = (positive_list){.contexts = SAMPLING_CONTEXTS, .items = items};
    list->taken = list->pairs = rows_where(items, sampling_takes);
    list->dislikes = rows_where(items, sampling_dislikes);
    list->count = list->taken.indptr[SAMPLING_CONTEXTS];
    list->item_counts = test_calloc(items, sizeof *list->item_counts);
    /* The contexts that took nearly everything don't count, so that some items have no positives. */
    for (uint32_t c = 0; c < SAMPLING_CONTEXTS; c++)
        for (uint64_t at = list->taken.indptr[c]; at < list->taken.indptr[c + 1] && (items < 3 || c / 2 != 1); at++)
            list->item_counts[list->taken.indices[at]]++;
    const size_t stride = SAMPLING_DIMENSIONS + 1;
    made->rows = test_calloc(items * stride, sizeof *made->rows);
    for (size_t at = 0; at < items * stride; at++)
        made->rows[at] = (float)random_normal(3, RANDOM_SAMPLES, at);
    for (size_t at = 0; at < SAMPLING_CONTEXTS * stride; at++)
        made->phi[at] = at % stride == SAMPLING_DIMENSIONS ? 1 : (float)random_normal(4, RANDOM_SAMPLES, at);
    made->view = (sampling_view){.positives = list,
                                 .item_rows = made->rows,
                                 .dimensions = SAMPLING_DIMENSIONS,
                                 .item_stride = stride,
                                 .items = items};
    made->params = (sampler_params){.popularity_exponent = 0.75,
                                    .candidates = 16,
                                    .candidates_from = strcpy(made->from, "popularity"),
                                    .mixture = strcpy(made->mixture, "uniform:2,popularity:1,disliked:1"),
                                    .rank_scale = 0.1,
                                    .margin = 1,
                                    .kernel_features = 64,
                                    .kernel_scale = 1,
                                    .leaf = 4};
    return made;
}

static inline void sampling_problem_free(sampling_problem *made)
{
    test_free(made->list.taken.indptr);
    test_free(made->list.taken.indices);
    test_free(made->list.dislikes.indptr);
    test_free(made->list.dislikes.indices);
    test_free(made->list.item_counts);
    test_free(made->rows);
    test_free(made);
}

static inline sampler_state *sampling_start(sampling_problem *made, const sampler *tried, exclusion kind)
{
    sampler_state *state = NULL;
    if (tried->check != NULL)
        assert_int_equal(tried->check(&made->context, &made->params, made->view.items), TOPN_OK);
    const topn_status status = tried->create(&made->context, &made->params, kind, &made->view, &state);
    if (status != TOPN_OK)
        fail_msg("%s: %s", tried->name, made->context.message);
    if (tried->refresh != NULL)
        assert_int_equal(tried->refresh(&made->context, state, &made->view), TOPN_OK);
    return state;
}

/* The request of a context: its item is the first or the last that it took, as `last` says, or item 0. */
static inline draw_request sampling_request(const sampling_problem *made, uint32_t context, bool last, uint32_t count)
{
    const sparse_matrix *taken = &made->list.taken;
    const uint64_t begin = taken->indptr[context], end = taken->indptr[context + 1];
    return (draw_request){.context = context,
                          .item = begin == end ? 0 : taken->indices[last ? end - 1 : begin],
                          .pair = last && end > begin ? end - 1 : begin,
                          .phi = made->phi + (size_t)context * (SAMPLING_DIMENSIONS + 1),
                          .count = count};
}

/* Draws for one request, from the source of `example`; items and log_counts [request->count]. */
static inline draw_result sampling_draw(const sampling_problem *made, const sampler *tried, const sampler_state *state,
                                        const draw_request *request, uint64_t example, uint32_t *items,
                                        double *log_counts)
{
    const size_t bytes = tried->scratch_bytes != NULL ? tried->scratch_bytes(state, request->count) : 0;
    void *scratch = bytes > 0 ? test_malloc(bytes) : NULL;
    draw_source source = draw_source_of(made->context.seed, example);
    draw_result result = {.items = items, .log_counts = log_counts};
    tried->draw(state, &made->view, request, &source, scratch, &result);
    if (scratch != NULL)
        test_free(scratch);
    return result;
}

/* Fails when `counts` [items] are not what `draws` draws by q [items] give, at a significance of 1e-6 (Wilson and
 * Hilferty's approximation); items of q = 0 must not be drawn at all. */
static inline void assert_frequencies(const char *what, uint32_t items, const double *q, const uint64_t *counts,
                                      uint64_t draws)
{
    double chi = 0, rest = 0, rest_seen = 0, freedom = -1;
    for (uint32_t j = 0; j < items; j++) {
        const double expected = q[j] * (double)draws;
        if (!(q[j] > 0) && counts[j] > 0)
            fail_msg("%s: item %u of probability %g was drawn %llu times", what, j, q[j],
                     (unsigned long long)counts[j]);
        if (expected < 5) { /* pooled */
            rest += expected;
            rest_seen += (double)counts[j];
            continue;
        }
        chi += ((double)counts[j] - expected) * ((double)counts[j] - expected) / expected;
        freedom++;
    }
    if (rest >= 5) {
        chi += (rest_seen - rest) * (rest_seen - rest) / rest;
        freedom++;
    }
    if (freedom < 1)
        return;
    const double spread = 2 / (9 * freedom), bound = freedom * pow(1 - spread + 4.76 * sqrt(spread), 3);
    if (chi > bound)
        fail_msg("%s: chi square %g of %g degrees of freedom, more than %g", what, chi, freedom, bound);
}

#endif
