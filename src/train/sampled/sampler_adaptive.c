/* SPDX-License-Identifier: Apache-2.0
 *
 * Adaptive sampling by rank (Rendle, Freudenthaler 2014; P2 §4.2.4, eq. 18): a dimension f with
 *
 *     q(f | c) ∝ |φ_cf|·σ_f,   σ_f the standard deviation of ψ_f over the items,
 *
 * a rank r with q(r) ∝ exp(−r/γ), γ = rank_scale·|I|, r = 0 … |I| − 1, and of the items sorted by ψ_f the r-th largest,
 * or the r-th smallest where φ_cf < 0. So q(j | c) = Σ_f q(f | c)·q(rank of j in f). Biases of items are one more
 * dimension, φ of which is 1. Where q(f | c) is nothing for all f (all items alike, or φ = 0), ranks mean nothing, and
 * items are drawn uniformly.
 *
 * A draw is O(d). Its probability takes every item's rank in every dimension, |I|·d numbers beside as many of the
 * sorted lists, and O(d) for each draw and each refused item; where nobody asks for it (uncounted), the ranks are not
 * kept.
 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/threads.h"
#include "train/sampled/exclusion.h"

/* After so many refusals for one draw, it is drawn from what is allowed alone: the same distribution at the cost of a
 * walk through all lists. */
enum { MOST_REFUSALS = 4096 };

struct sampler_state {
    exclusion kind;
    uint32_t items;
    size_t dimensions;    /* lists: one more than the view's where items have biases */
    double scale;         /* γ */
    double *rank_weights; /* [items] q(r) */
    double *deviations;   /* [dimensions] σ_f */
    uint32_t *sorted;     /* [dimensions × items] by falling ψ_f, ties by item */
    uint32_t *ranks;      /* [items × dimensions] places in `sorted`, or NULL */
};

/* Sorting. */

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 3 };

typedef struct sort_entry {
    uint32_t key, item;
} sort_entry;

/* Keys ascend as values fall; −0 is 0. */
static uint32_t falling_key(float value)
{
    union {
        float value;
        uint32_t bits;
    } cast = {.value = value + 0.0f};
    return cast.bits & 0x80000000u ? cast.bits : ~cast.bits & 0x7fffffffu;
}

/* By key, stable: entries with equal keys stay in the order of items. Result in `entries`. */
static void sort_entries(sort_entry *entries, sort_entry *other, uint32_t count)
{
    for (unsigned pass = 0; pass < PASSES; pass++) {
        const unsigned shift = pass * DIGIT_BITS;
        uint32_t starts[DIGITS] = {0}, sum = 0;
        for (uint32_t n = 0; n < count; n++)
            starts[entries[n].key >> shift & (DIGITS - 1)]++;
        for (uint32_t digit = 0; digit < DIGITS; digit++) {
            const uint32_t here = starts[digit];
            starts[digit] = sum;
            sum += here;
        }
        for (uint32_t n = 0; n < count; n++)
            other[starts[entries[n].key >> shift & (DIGITS - 1)]++] = entries[n];
        sort_entry *const swapped = entries;
        entries = other;
        other = swapped;
    }
}

static double deviation_of(const float *column, size_t stride, uint32_t items)
{
    double mean = 0, squares = 0;
    for (uint32_t j = 0; j < items; j++)
        mean += (double)column[j * stride];
    mean /= items;
    for (uint32_t j = 0; j < items; j++) {
        const double off = (double)column[j * stride] - mean;
        squares += off * off;
    }
    return sqrt(squares / items);
}

static void sort_dimension(sampler_state *state, const sampling_view *view, size_t f, sort_entry *buffer)
{
    const float *column = view->item_rows + f;
    const uint32_t items = state->items;
    for (uint32_t j = 0; j < items; j++)
        buffer[j] = (sort_entry){falling_key(column[j * view->item_stride]), j};
    sort_entries(buffer, buffer + items, items);
    const sort_entry *order = PASSES % 2 == 0 ? buffer : buffer + items;
    for (uint32_t r = 0; r < items; r++)
        state->sorted[f * items + r] = order[r].item;
    for (uint32_t r = 0; state->ranks && r < items; r++)
        state->ranks[order[r].item * state->dimensions + f] = r;
    state->deviations[f] = deviation_of(column, view->item_stride, items);
}

static topn_status refresh(topn_context *context, sampler_state *state, const sampling_view *view)
{
    topn_status status;
    const size_t per_thread = 2 * (size_t)state->items;
    sort_entry *buffers = NULL;
    TRY(ALLOCATE(context, per_thread * (size_t)context->threads, &buffers));
#pragma omp parallel for schedule(dynamic) num_threads(context->threads)
    for (size_t f = 0; f < state->dimensions; f++)
        sort_dimension(state, view, f, buffers + per_thread * (size_t)thread_index());
done:
    free(buffers);
    return status;
}

/* Drawing. */

/* What draws of one example share. */
typedef struct rank_request {
    const sampler_state *state;
    const float *phi;
    double *sums;   /* [dimensions] |φ_f|·σ_f, added up */
    double *masses; /* [dimensions] q(f)·(q of what is allowed in f), added up; filled when it is needed */
    double total;   /* of `sums`; 0: uniform */
} rank_request;

static rank_request rank_request_of(const sampler_state *state, const draw_request *request, double *scratch)
{
    rank_request ranks = {.state = state, .phi = request->phi, .sums = scratch, .masses = scratch + state->dimensions};
    for (size_t f = 0; f < state->dimensions; f++)
        ranks.sums[f] = ranks.total += fabs((double)ranks.phi[f]) * state->deviations[f];
    if (!isfinite(ranks.total) || !(ranks.total > 0))
        ranks.total = 0;
    return ranks;
}

static double share_of(const rank_request *request, size_t f)
{
    return (request->sums[f] - (f > 0 ? request->sums[f - 1] : 0)) / request->total;
}

/* The item of rank r as φ's sign has it. */
static uint32_t ranked_item(const rank_request *request, size_t f, uint32_t r)
{
    const sampler_state *state = request->state;
    return state->sorted[f * state->items + (request->phi[f] < 0 ? state->items - 1 - r : r)];
}

/* The first entry of sums [count] that is greater than `target`. */
static size_t first_above(const double *sums, size_t count, double target)
{
    size_t begin = 0;
    for (size_t end = count - 1; begin < end;) {
        const size_t middle = begin + (end - begin) / 2;
        if (sums[middle] > target)
            end = middle;
        else
            begin = middle + 1;
    }
    return begin;
}

/* The inverse of the distribution of r. */
static uint32_t draw_rank(const sampler_state *state, draw_source *source)
{
    const double tail = expm1(-(double)state->items / state->scale);
    const double r = -state->scale * log1p(draw_uniform(source) * tail);
    return r < (double)state->items ? (uint32_t)r : state->items - 1;
}

static uint32_t draw_item(const rank_request *request, draw_source *source)
{
    const size_t f = first_above(request->sums, request->state->dimensions, draw_uniform(source) * request->total);
    return ranked_item(request, f, draw_rank(request->state, source));
}

/* q(j | c) before exclusion, by the ranks where they are kept. */
static double rank_probability(const rank_request *request, uint32_t j)
{
    const sampler_state *state = request->state;
    if (request->total == 0)
        return 1.0 / state->items;
    double sum = 0;
    for (size_t f = 0; f < state->dimensions; f++) {
        uint32_t r = 0;
        if (state->ranks) {
            const uint32_t place = state->ranks[j * state->dimensions + f];
            r = request->phi[f] < 0 ? state->items - 1 - place : place;
        } else {
            while (ranked_item(request, f, r) != j)
                r++;
        }
        sum += share_of(request, f) * state->rank_weights[r];
    }
    return sum;
}

/* Fills `masses`; their sum, 1 − Q(refused). O(|I|·d·log |I_c|). */
static double fill_masses(const rank_request *request, const refused_items *refused)
{
    const sampler_state *state = request->state;
    double sum = 0;
    for (size_t f = 0; f < state->dimensions; f++) {
        double mass = 0;
        for (uint32_t r = 0; r < state->items; r++)
            mass += refuses(refused, ranked_item(request, f, r)) ? 0 : state->rank_weights[r];
        request->masses[f] = sum += share_of(request, f) * mass;
    }
    return sum;
}

/* A draw from what is allowed, of which there is `mass` > 0. */
static uint32_t draw_allowed(const rank_request *request, const refused_items *refused, double mass,
                             draw_source *source)
{
    const sampler_state *state = request->state;
    const double target = draw_uniform(source) * mass;
    const size_t f = first_above(request->masses, state->dimensions, target);
    double left = target - (f > 0 ? request->masses[f - 1] : 0);
    uint32_t item = 0;
    for (uint32_t r = 0; r < state->items; r++)
        if (!refuses(refused, ranked_item(request, f, r)) && state->rank_weights[r] > 0) {
            item = ranked_item(request, f, r);
            left -= share_of(request, f) * state->rank_weights[r];
            if (left < 0)
                break;
        }
    return item;
}

/* 1 − Q(refused), where there is something else. */
static double allowed_mass(const rank_request *request, const refused_items *refused)
{
    if (request->total == 0)
        return 1.0 - (double)refused_count(refused) / request->state->items;
    double taken = refused->with_item ? rank_probability(request, refused->item) : 0;
    for (uint32_t n = 0; n < refused->count; n++)
        taken += rank_probability(request, refused->taken[n]);
    return taken < 0.99 ? 1.0 - taken : fill_masses(request, refused); /* the sum of what is left is more exact */
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    result->found = result->rounds = result->rejected = result->violator_rounds = 0;
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const uint32_t allowed = state->items - refused_count(&refused);
    if (allowed == 0)
        return;
    const rank_request ranks = rank_request_of(state, request, scratch);
    const bool counted = !view->uncounted && state->ranks;
    const double mass = counted ? allowed_mass(&ranks, &refused) : 1;
    for (uint32_t n = 0; n < request->count; n++) {
        uint32_t j = 0, refusals = 0;
        if (ranks.total == 0) {
            j = allowed_item(&refused, draw_below(source, allowed));
        } else {
            while (refusals < MOST_REFUSALS && refuses(&refused, j = draw_item(&ranks, source)))
                refusals++;
            if (refusals == MOST_REFUSALS) {
                const double left = fill_masses(&ranks, &refused);
                if (!(left > 0)) /* exp(−r/γ) of all that is allowed is below what a double holds */
                    break;
                j = draw_allowed(&ranks, &refused, left, source);
            }
        }
        result->rounds += refusals + 1;
        result->rejected += refusals;
        result->log_counts[n] = counted ? log(request->count * rank_probability(&ranks, j) / mass) : 0;
        result->items[result->found++] = j;
    }
}

static size_t scratch_bytes(const sampler_state *state, uint32_t count)
{
    (void)count;
    return 2 * state->dimensions * sizeof(double);
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    double *scratch = malloc(scratch_bytes(state, 1));
    if (!scratch)
        return (double)NAN;
    const rank_request ranks = rank_request_of(state, request, scratch);
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const double result = refuses(&refused, j) ? 0 : rank_probability(&ranks, j) / allowed_mass(&ranks, &refused);
    free(scratch);
    return result;
}

/* Whole. */

static void free_state(sampler_state *state)
{
    if (!state)
        return;
    free(state->rank_weights);
    free(state->deviations);
    free(state->sorted);
    free(state->ranks);
    free(state);
}

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    topn_status status;
    sampler_state *state = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &state));
    state->kind = kind;
    state->items = view->items;
    state->dimensions = view->item_stride;
    state->scale = params->rank_scale * view->items;
    const size_t places = state->dimensions * view->items;
    TRY(ALLOCATE(context, view->items, &state->rank_weights));
    TRY(ALLOCATE_ZEROED(context, state->dimensions, &state->deviations));
    TRY(ALLOCATE_ZEROED(context, places, &state->sorted));
    if (!view->uncounted)
        TRY(ALLOCATE_ZEROED(context, places, &state->ranks));
    const double unit = expm1(-1 / state->scale) / expm1(-(double)view->items / state->scale);
    for (uint32_t r = 0; r < view->items; r++)
        state->rank_weights[r] = exp(-(double)r / state->scale) * unit;
    *out = state;
    state = NULL;
done:
    free_state(state);
    return status;
}

static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    (void)params;
    return data->matrix.columns * ((dimensions + 1) * 2 * sizeof(uint32_t) + sizeof(double) + 2 * sizeof(sort_entry));
}

/* |I|·ln |I|, as the paper's. */
static uint64_t refresh_after(const sampler_params *params, uint32_t items)
{
    (void)params;
    return (uint64_t)(items * log((double)items + 1)) + 1;
}

const sampler sampler_adaptive = {
    .name = "adaptive",
    .summary = "items of high rank in a dimension that matters to the context",
    .paper = "P2 section 4.2.4, eq. 18; Rendle, Freudenthaler 2014",
    .needs_model = true,
    .create = create,
    .free = free_state,
    .bytes = bytes,
    .refresh = refresh,
    .refresh_after = refresh_after,
    .draw = draw,
    .scratch_bytes = scratch_bytes,
    .probability = probability,
};
