/* SPDX-License-Identifier: Apache-2.0
 *
 * q(j | c, i) ∝ |C_j|^β on what is not refused (P2 §4.1), |C_j| the positives of j, by Walker's alias table. Refused
 * draws are drawn again; a context whose refused items weigh so much that this takes long has its draws made exactly,
 * by the weights' sums over the gaps between what is refused.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/interactions.h"
#include "train/sampled/alias_table.h"
#include "train/sampled/exclusion.h"

/* Draws refused before one is made exactly, in O(|I_c|). */
enum { MOST_REFUSALS = 64 };

struct sampler_state {
    exclusion kind;
    alias_table table;
    double *sums;   /* [items + 1] sums[j] = Σ_{k<j} |C_k|^β */
    float *allowed; /* [contexts] share of all weights that I_c leaves over; HISTORY only, else NULL */
};

static double weight_between(const sampler_state *state, uint32_t begin, uint32_t end)
{
    return state->sums[end] - state->sums[begin];
}

/* Weight of what is not refused, by gaps, so that nothing is lost where little is left over. O(|I_c|). */
static double weight_allowed(const sampler_state *state, const sampling_view *view, const refused_items *refused)
{
    double weight = 0;
    uint32_t begin, end;
    for (gap_walk walk = {.refused = refused, .items = view->items}; next_gap(&walk, &begin, &end);)
        weight += weight_between(state, begin, end);
    return weight;
}

/* The same as a share of all weights, in O(1) but for positives outside of I_c. */
static double share_allowed(const sampler_state *state, const sampling_view *view, const draw_request *request,
                            const refused_items *refused)
{
    if (state->allowed != NULL && !refused->with_item)
        return state->allowed[request->context];
    return weight_allowed(state, view, refused) / state->sums[view->items];
}

static void free_state(sampler_state *state)
{
    if (state == NULL)
        return;
    alias_table_clear(&state->table);
    free(state->sums);
    free(state->allowed);
    free(state);
}

static topn_status sum_allowed(topn_context *context, const sampling_view *view, sampler_state *state)
{
    const positive_list *positives = view->positives;
    const topn_status status = ALLOCATE(context, positives->contexts, &state->allowed);
    if (status != TOPN_OK)
        return status;
    const double all = state->sums[view->items];
#pragma omp parallel for schedule(dynamic, 256) num_threads(context->threads)
    for (uint32_t c = 0; c < positives->contexts; c++) {
        refused_items refused = refused_for(EXCLUDE_HISTORY, positives, c, 0);
        refused.with_item = false;
        state->allowed[c] = (float)(weight_allowed(state, view, &refused) / all);
    }
    return TOPN_OK;
}

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    sampler_state *state = NULL;
    double *weights = NULL;
    topn_status status = TOPN_OK;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &state));
    state->kind = kind;
    TRY(ALLOCATE(context, view->items, &weights));
    TRY(ALLOCATE(context, (size_t)view->items + 1, &state->sums));
    state->sums[0] = 0;
    for (uint32_t j = 0; j < view->items; j++) {
        const uint32_t count = view->positives->item_counts[j];
        const double weight =
            count == 0 && params->popularity_exponent != 0 ? 0 : pow(count, params->popularity_exponent);
        state->sums[j + 1] = state->sums[j] + weight;
        weights[j] = weight_between(state, j, j + 1); /* what is lost in the sum is never drawn either */
    }
    if (!(state->sums[view->items] > 0) || !isfinite(state->sums[view->items])) {
        status =
            fail(context, TOPN_ERROR_OPTION,
                 "--popularity-exponent %g: the items' weights are 0 or too large for numbers; take one from 0 to 1",
                 params->popularity_exponent);
        goto done;
    }
    TRY(alias_table_create(context, weights, view->items, &state->table));
    if (kind == EXCLUDE_HISTORY)
        TRY(sum_allowed(context, view, state));
    *out = state;
    state = NULL;
done:
    free(weights);
    free_state(state);
    return status;
}

static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    (void)params;
    (void)dimensions;
    const uint64_t items = data->matrix.columns;
    const uint64_t contexts = data->contexts.field_count > 0 ? data->contexts.events.rows : (uint64_t)data->matrix.rows;
    return items * (sizeof(alias_cell) + 2 * sizeof(double) + sizeof(uint32_t)) +
           (contexts > items ? contexts : items) * sizeof(float); /* of windows, items are the contexts */
}

/* One draw by inversion. The last gap with weight takes what rounding leaves over. */
static uint32_t draw_exactly(const sampler_state *state, const sampling_view *view, const refused_items *refused,
                             draw_source *source)
{
    double left = draw_uniform(source) * weight_allowed(state, view, refused);
    uint32_t begin, end, low = 0, high = 0;
    for (gap_walk walk = {.refused = refused, .items = view->items}; next_gap(&walk, &begin, &end);) {
        const double weight = weight_between(state, begin, end);
        if (weight <= 0)
            continue;
        low = begin;
        high = end;
        if (left < weight)
            break;
        left -= weight;
    }
    while (weight_between(state, high - 1, high) <= 0)
        high--;
    /* The first j of [low, high − 1) with sums[j + 1] − sums[low] > left, else high − 1. */
    const uint32_t start = low;
    for (uint32_t last = high - 1; low < last;) {
        const uint32_t middle = low + (last - low) / 2;
        if (weight_between(state, start, middle + 1) > left)
            last = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    (void)scratch;
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const double share = share_allowed(state, view, request, &refused);
    *result = (draw_result){.items = result->items, .log_counts = result->log_counts};
    result->found = share > 0 ? request->count : 0;
    const double scale = request->count / (share * state->sums[view->items]);
    for (uint32_t n = 0; n < result->found; n++) {
        uint32_t refusals = share * MOST_REFUSALS < 1 ? MOST_REFUSALS : 0;
        uint32_t j = 0;
        bool found = false;
        while (!found && refusals < MOST_REFUSALS) {
            j = alias_table_draw(&state->table, source);
            result->rounds++;
            found = !refuses(&refused, j);
            if (!found) {
                refusals++;
                result->rejected++;
            }
        }
        if (!found) {
            j = draw_exactly(state, view, &refused, source);
            result->rounds++;
        }
        result->items[n] = j;
        result->log_counts[n] = view->uncounted ? 0 : log(scale * weight_between(state, j, j + 1));
    }
}

static double shared_probability(const sampler_state *state, const sampling_view *view, uint32_t j)
{
    return weight_between(state, j, j + 1) / state->sums[view->items];
}

static void draw_shared(const sampler_state *state, const sampling_view *view, const positive *batch,
                        uint32_t batch_count, draw_source *source, uint32_t count, uint32_t *items, double *log_counts,
                        uint32_t *found)
{
    (void)batch;
    (void)batch_count;
    for (uint32_t n = 0; n < count; n++) {
        items[n] = alias_table_draw(&state->table, source);
        log_counts[n] = log(count * shared_probability(state, view, items[n]));
    }
    *found = count;
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const double share = share_allowed(state, view, request, &refused);
    return share > 0 && !refuses(&refused, j) ? shared_probability(state, view, j) / share : 0;
}

static bool is_empty(const sampler_state *state, const sampling_view *view, const draw_request *request)
{
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    return !(share_allowed(state, view, request, &refused) > 0);
}

const sampler sampler_popularity = {
    .name = "popularity",
    .summary = "items by their number of positives to the power of --popularity-exponent",
    .paper = "P2 section 4.1",
    .live = true,
    .shareable = true,
    .create = create,
    .free = free_state,
    .bytes = bytes,
    .draw = draw,
    .draw_shared = draw_shared,
    .probability = probability,
    .shared_probability = shared_probability,
    .is_empty = is_empty,
};
