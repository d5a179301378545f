/* SPDX-License-Identifier: Apache-2.0
 *
 * What the context itself disliked (--dislike-below), each alike; a context without dislikes gets nothing, which is why
 * it is best a part of a mixture: "disliked:0.2,uniform:0.8".
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/sampled/exclusion.h"

struct sampler_state {
    exclusion kind;
};

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    (void)params;
    *out = NULL;
    if (view->positives->dislikes.indptr == NULL)
        return fail(
            context, TOPN_ERROR_DATA,
            "no event is a dislike, so the sampler disliked has nothing to draw; say with --dislike-below which "
            "weights are too low to be liked, or take another sampler");
    const topn_status status = ALLOCATE(context, 1, out);
    if (status == TOPN_OK)
        (*out)->kind = kind;
    return status;
}

static void free_state(sampler_state *state)
{
    free(state);
}

/* The row of a context; *own is the place of the positive in it, where it is a dislike and refused, else the row's end.
 * Nothing else of it is ever refused: I_c holds no dislikes. */
static const uint32_t *row_of(const sampler_state *state, const sampling_view *view, const draw_request *request,
                              uint32_t *count, uint32_t *own)
{
    const sparse_matrix *dislikes = &view->positives->dislikes;
    const uint64_t begin = dislikes->indptr[request->context];
    const uint32_t *row = dislikes->indices + begin;
    *count = (uint32_t)(dislikes->indptr[request->context + 1] - begin);
    for (*own = 0; *own < *count; ++*own)
        if (state->kind != EXCLUDE_NOTHING && row[*own] == request->item)
            break;
    return row;
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    (void)scratch;
    uint32_t count, own;
    const uint32_t *row = row_of(state, view, request, &count, &own);
    const uint32_t allowed = own < count ? count - 1 : count;
    *result = (draw_result){.items = result->items, .log_counts = result->log_counts};
    result->found = result->rounds = allowed > 0 ? request->count : 0;
    const double log_count = log((double)request->count / allowed);
    for (uint32_t n = 0; n < result->found; n++) {
        const uint32_t at = draw_below(source, allowed);
        result->items[n] = row[at < own ? at : at + 1];
        result->log_counts[n] = log_count;
    }
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    uint32_t count, own;
    const uint32_t *row = row_of(state, view, request, &count, &own);
    for (uint32_t at = 0; at < count; at++)
        if (row[at] == j && at != own)
            return 1.0 / (own < count ? count - 1 : count);
    return 0;
}

static bool is_empty(const sampler_state *state, const sampling_view *view, const draw_request *request)
{
    uint32_t count, own;
    row_of(state, view, request, &count, &own);
    return count == 0 || (count == 1 && own == 0);
}

const sampler sampler_disliked = {
    .name = "disliked",
    .summary = "what the context disliked (--dislike-below); for mixtures",
    .paper = "P2 section 2.2",
    .live = true,
    .create = create,
    .free = free_state,
    .draw = draw,
    .probability = probability,
    .is_empty = is_empty,
};
