/* SPDX-License-Identifier: Apache-2.0
 *
 * q(j | c, i) = 1/(|I| − refused) on what is not refused. A draw is a rank among what is left over, so none is refused,
 * however much a context has taken.
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
    (void)view;
    const topn_status status = ALLOCATE(context, 1, out);
    if (status == TOPN_OK)
        (*out)->kind = kind;
    return status;
}

static void free_state(sampler_state *state)
{
    free(state);
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    (void)scratch;
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const uint32_t allowed = view->items - refused_count(&refused);
    result->found = result->rounds = allowed > 0 ? request->count : 0;
    result->rejected = result->violator_rounds = 0;
    const double log_count = view->uncounted ? 0 : log((double)request->count / allowed);
    for (uint32_t n = 0; n < result->found; n++) {
        result->items[n] = allowed_item(&refused, draw_below(source, allowed));
        result->log_counts[n] = log_count;
    }
}

static void draw_together(const sampler_state *state, const sampling_view *view, const draw_request *requests,
                          uint32_t request_count, draw_source *source, void *scratch, draw_result *results)
{
    refused_items refused[DRAWN_TOGETHER];
    uint32_t ranks[DRAWN_TOGETHER];
    (void)scratch;
    for (uint32_t e = 0; e < request_count; e++) {
        refused[e] = refused_for_request(state->kind, view->positives, &requests[e]);
        const bool any = refused_count(&refused[e]) < view->items;
        results[e].found = results[e].rounds = any ? requests[e].count : 0;
        results[e].rejected = results[e].violator_rounds = 0;
    }
    for (uint32_t n = 0; n < requests[0].count; n++) {
        for (uint32_t e = 0; e < request_count; e++) /* of an example where nothing is left, rank 0 is not looked at */
            ranks[e] = results[e].found ? draw_below(source, view->items - refused_count(&refused[e])) : 0;
        allowed_items(refused, request_count, ranks);
        for (uint32_t e = 0; e < request_count; e++)
            if (results[e].found)
                results[e].items[n] = ranks[e];
    }
    for (uint32_t e = 0; e < request_count; e++) {
        const double log_count =
            view->uncounted ? 0 : log((double)requests[e].count / (view->items - refused_count(&refused[e])));
        for (uint32_t n = 0; n < results[e].found; n++)
            results[e].log_counts[n] = log_count;
    }
}

static void draw_shared(const sampler_state *state, const sampling_view *view, const positive *batch,
                        uint32_t batch_count, draw_source *source, uint32_t count, uint32_t *items, double *log_counts,
                        uint32_t *found)
{
    (void)state;
    (void)batch;
    (void)batch_count;
    const double log_count = log((double)count / view->items);
    for (uint32_t n = 0; n < count; n++) {
        items[n] = draw_below(source, view->items);
        log_counts[n] = log_count;
    }
    *found = count;
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    return refuses(&refused, j) ? 0 : 1.0 / (view->items - refused_count(&refused));
}

static double shared_probability(const sampler_state *state, const sampling_view *view, uint32_t j)
{
    (void)state;
    (void)j;
    return 1.0 / view->items;
}

static bool is_empty(const sampler_state *state, const sampling_view *view, const draw_request *request)
{
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    return refused_count(&refused) >= view->items;
}

const sampler sampler_uniform = {
    .name = "uniform",
    .summary = "every item alike",
    .paper = "P2 section 4.1",
    .live = true,
    .shareable = true,
    .create = create,
    .free = free_state,
    .draw = draw,
    .draw_together = draw_together,
    .draw_shared = draw_shared,
    .probability = probability,
    .shared_probability = shared_probability,
    .is_empty = is_empty,
};
