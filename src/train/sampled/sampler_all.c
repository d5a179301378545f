/* SPDX-License-Identifier: Apache-2.0
 *
 * Every item once, so that sums over samples are the sums themselves: full losses, and the full softmax.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "train/sampled/sampler.h"

struct sampler_state {
    char nothing;
};

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    (void)params;
    (void)kind;
    (void)view;
    return ALLOCATE_ZEROED(context, 1, out);
}

static void free_state(sampler_state *state)
{
    free(state);
}

static void draw_shared(const sampler_state *state, const sampling_view *view, const positive *batch,
                        uint32_t batch_count, draw_source *source, uint32_t count, uint32_t *items, double *log_counts,
                        uint32_t *found)
{
    (void)state;
    (void)batch;
    (void)batch_count;
    (void)source;
    *found = view->items < count ? view->items : count;
    for (uint32_t j = 0; j < *found; j++) {
        items[j] = j;
        log_counts[j] = 0;
    }
}

const sampler sampler_all = {
    .name = "all",
    .summary = "every item once: full losses",
    .paper = "P2 section 3",
    .live = true,
    .shared_only = true,
    .every_item = true,
    .shareable = true,
    .create = create,
    .free = free_state,
    .draw_shared = draw_shared,
};
