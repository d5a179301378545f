/* SPDX-License-Identifier: Apache-2.0
 *
 * The positives of a batch are its negatives (P2 §4.1.1), each as often as the batch has it: B positives, drawn without
 * regard to what they are, hold an item j B·|C_j|/|S| times in expectation, |C_j| the positives of j and |S| all of
 * them. Dislikes in a batch are none of its positives.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "train/sampled/sampler.h"

struct sampler_state {
    double positives; /* |S| */
};

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    (void)params;
    (void)kind;
    const topn_status status = ALLOCATE_ZEROED(context, 1, out);
    for (uint32_t j = 0; status == TOPN_OK && j < view->items; j++)
        (*out)->positives += view->positives->item_counts[j];
    return status;
}

static void free_state(sampler_state *state)
{
    free(state);
}

static double shared_probability(const sampler_state *state, const sampling_view *view, uint32_t j)
{
    return view->positives->item_counts[j] / state->positives;
}

static void draw_shared(const sampler_state *state, const sampling_view *view, const positive *batch,
                        uint32_t batch_count, draw_source *source, uint32_t count, uint32_t *items, double *log_counts,
                        uint32_t *found)
{
    (void)source;
    uint32_t liked = 0;
    for (uint32_t e = 0; e < batch_count && liked < count; e++)
        if (!batch[e].disliked)
            items[liked++] = batch[e].item;
    for (uint32_t n = 0; n < liked; n++)
        log_counts[n] = log(liked * shared_probability(state, view, items[n]));
    *found = liked;
}

const sampler sampler_in_batch = {
    .name = "in-batch",
    .summary = "the other positives of the batch",
    .paper = "P2 section 4.1.1",
    .live = true,
    .shared_only = true,
    .shareable = true,
    .create = create,
    .free = free_state,
    .draw_shared = draw_shared,
    .shared_probability = shared_probability,
};
