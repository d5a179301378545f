/* SPDX-License-Identifier: Apache-2.0
 *
 * Two passes (Bai, Goldman, Zhang 2017; P2 §4.3.2): M candidates are drawn by a simple sampler, their scores computed,
 * and the m highest kept. Candidates drawn twice count once, so fewer than m may be found. Where M is |I|, all items
 * are candidates, and the negatives are the m hardest there are. How likely an item is drawn is not known: log_counts
 * are 0.
 *
 * Examples drawn together may have their candidates in common, as the paper has it, which makes their scores a product
 * of matrices; what one of them refuses is passed over for it alone.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "data/interactions.h"
#include "numeric/tile.h"
#include "train/sampled/exclusion.h"
#include "train/sampled/item_scores.h"

enum { TILE = 512 }; /* candidates scored at a time */

struct sampler_state {
    exclusion kind;
    uint32_t candidates;  /* M */
    const sampler *first; /* NULL: all items are candidates */
    sampler_state *first_state;
    bool shared; /* examples drawn together have their candidates in common */
    size_t stride;
};

static uint32_t candidates_of(const sampler_params *params, uint32_t items)
{
    return params->candidates == 0 || params->candidates > items ? items : (uint32_t)params->candidates;
}

/* One thread's memory, cut from its scratch. */
typedef struct workplace {
    double *log_counts;     /* [M] */
    best_items *best;       /* [DRAWN_TOGETHER] */
    refused_items *refused; /* [DRAWN_TOGETHER] */
    scored_item *heap;      /* [DRAWN_TOGETHER × m] */
    float *scores;          /* [DRAWN_TOGETHER × TILE] */
    float *rows;            /* [TILE × stride] */
    float *phi;             /* [DRAWN_TOGETHER × stride] */
    uint32_t *candidates;   /* [M] */
    uint32_t *slots;        /* [slot_count] candidates met, plus 1; 0 = none */
    size_t slot_count;      /* a power of two, at least 2M */
    void *first;
} workplace;

/* The next `bytes` of a scratch that begins at base (NULL: only counted). */
static void *cut(char *base, size_t *used, size_t bytes)
{
    char *place = base != NULL ? base + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return place;
}

static size_t lay_out(const sampler_state *state, uint32_t count, void *scratch, workplace *out)
{
    const size_t drawn = state->first != NULL ? state->candidates : 0;
    size_t used = 0;
    *out = (workplace){.slot_count = drawn > 0 ? 1 : 0};
    while (out->slot_count < 2 * drawn)
        out->slot_count *= 2;
    out->log_counts = cut(scratch, &used, drawn * sizeof *out->log_counts);
    out->best = cut(scratch, &used, DRAWN_TOGETHER * sizeof *out->best);
    out->refused = cut(scratch, &used, DRAWN_TOGETHER * sizeof *out->refused);
    out->heap = cut(scratch, &used, DRAWN_TOGETHER * (size_t)count * sizeof *out->heap);
    out->scores = cut(scratch, &used, (size_t)DRAWN_TOGETHER * TILE * sizeof *out->scores);
    out->rows = cut(scratch, &used, TILE * state->stride * sizeof *out->rows);
    out->phi = cut(scratch, &used, DRAWN_TOGETHER * state->stride * sizeof *out->phi);
    out->candidates = cut(scratch, &used, drawn * sizeof *out->candidates);
    out->slots = cut(scratch, &used, out->slot_count * sizeof *out->slots);
    const bool asks = state->first != NULL && state->first->scratch_bytes != NULL;
    out->first = cut(scratch, &used, asks ? state->first->scratch_bytes(state->first_state, state->candidates) : 0);
    return used;
}

static size_t scratch_bytes(const sampler_state *state, uint32_t count)
{
    workplace unused;
    return lay_out(state, count, NULL, &unused);
}

/* Keeps the first of equal candidates; returns how many are left. */
static uint32_t distinct(workplace *work, uint32_t count)
{
    uint32_t kept = 0;
    memset(work->slots, 0, work->slot_count * sizeof *work->slots);
    for (uint32_t n = 0; n < count; n++) {
        const uint32_t j = work->candidates[n];
        size_t at = (j * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (work->slot_count - 1);
        while (work->slots[at] != 0 && work->slots[at] != j + 1)
            at = (at + 1) & (work->slot_count - 1);
        if (work->slots[at] != 0)
            continue;
        work->slots[at] = j + 1;
        work->candidates[kept++] = j;
    }
    return kept;
}

/* Scores of candidates first … first + count − 1 for all requests: work->scores [request_count × count]. */
static void score_tile(const sampler_state *state, const sampling_view *view, uint32_t request_count, uint32_t first,
                       uint32_t count, workplace *work)
{
    const size_t stride = state->stride;
    const uint32_t *items = state->first != NULL ? work->candidates + first : NULL;
    if (request_count == 1) {
        item_scores(view, work->phi, items, items != NULL ? 0 : first, count, work->scores);
        return;
    }
    const float *rows = view->item_rows + first * stride;
    for (uint32_t n = 0; items != NULL && n < count; n++)
        memcpy(work->rows + n * stride, view->item_rows + items[n] * stride, stride * sizeof *work->rows);
    tile_multiply_transposed(request_count, count, stride, work->phi, items != NULL ? work->rows : rows, work->scores);
}

/* The second pass: of `count` candidates (of all items where there is no first pass) the best that are allowed. */
static void keep_best(const sampler_state *state, const sampling_view *view, const draw_request *requests,
                      uint32_t request_count, uint32_t count, workplace *work, draw_result *results)
{
    const uint32_t *items = state->first != NULL ? work->candidates : NULL;
    const uint32_t room = requests[0].count;
    for (uint32_t r = 0; r < request_count; r++) {
        work->best[r] = (best_items){.heap = work->heap + (size_t)r * room, .room = room};
        work->refused[r] = refused_for(state->kind, view->positives, requests[r].context, requests[r].item);
        memcpy(work->phi + r * state->stride, requests[r].phi, state->stride * sizeof *work->phi);
    }
    for (uint32_t first = 0; first < count && room > 0; first += TILE) {
        const uint32_t width = count - first < TILE ? count - first : TILE;
        score_tile(state, view, request_count, first, width, work);
        for (uint32_t r = 0; r < request_count; r++) {
            const float *scores = work->scores + (size_t)r * width;
            for (uint32_t n = 0; n < width; n++) {
                const uint32_t j = items != NULL ? items[first + n] : first + n;
                if (best_items_want(&work->best[r], scores[n], j) && !refuses(&work->refused[r], j))
                    best_items_add(&work->best[r], scores[n], j);
            }
        }
    }
    for (uint32_t r = 0; r < request_count; r++) {
        results[r].found = best_items_take(&work->best[r], results[r].items);
        memset(results[r].log_counts, 0, results[r].found * sizeof *results[r].log_counts);
    }
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    workplace work;
    lay_out(state, request->count, scratch, &work);
    draw_result first = {.items = work.candidates, .log_counts = work.log_counts, .rounds = state->candidates};
    uint32_t count = state->candidates;
    if (state->first != NULL) {
        sampling_view uncounted = *view;
        draw_request more = *request;
        uncounted.uncounted = true;
        more.count = state->candidates;
        state->first->draw(state->first_state, &uncounted, &more, source, work.first, &first);
        count = distinct(&work, first.found);
    }
    *result = (draw_result){
        .items = result->items, .log_counts = result->log_counts, .rounds = first.rounds, .rejected = first.rejected};
    keep_best(state, view, request, 1, count, &work, result);
}

static void draw_together(const sampler_state *state, const sampling_view *view, const draw_request *requests,
                          uint32_t request_count, draw_source *source, void *scratch, draw_result *results)
{
    workplace work;
    if (!state->shared) {
        for (uint32_t r = 0; r < request_count; r++)
            draw(state, view, &requests[r], source, scratch, &results[r]);
        return;
    }
    lay_out(state, requests[0].count, scratch, &work);
    uint32_t count = state->candidates;
    if (state->first != NULL) {
        state->first->draw_shared(state->first_state, view, NULL, 0, source, count, work.candidates, work.log_counts,
                                  &count);
        count = distinct(&work, count);
    }
    for (uint32_t r = 0; r < request_count; r++)
        results[r] = (draw_result){
            .items = results[r].items, .log_counts = results[r].log_counts, .rounds = r == 0 ? state->candidates : 0};
    const int saved = threads_serial_blas_begin();
    keep_best(state, view, requests, request_count, count, &work, results);
    threads_serial_blas_end(saved);
}

static topn_status check(topn_context *context, const sampler_params *params, uint32_t items)
{
    topn_status status;
    const sampler *first;
    const char *name = params->candidates_from;
    if (candidates_of(params, items) == items)
        return TOPN_OK;
    TRY(sampler_require(context, "--candidates-from", name, name, &first));
    if (first->draw == draw || first->draw == NULL || first->needs_scores)
        return fail(context, TOPN_ERROR_OPTION,
                    "--candidates-from \"%s\" draws no candidates by itself; take uniform or popularity", name);
    if (first->check != NULL)
        TRY(first->check(context, params, items));
    if (sampler_traits_of(first, params).shared_only)
        return fail(context, TOPN_ERROR_OPTION,
                    "--candidates-from \"%s\" draws for whole batches only; take uniform or popularity", name);
    if (params->shared_candidates && !sampler_traits_of(first, params).shareable)
        return fail(context, TOPN_ERROR_OPTION,
                    "--candidates-from \"%s\" draws for each context anew; leave out --shared-candidates, or take "
                    "uniform or popularity",
                    name);
done:
    return status;
}

static void free_state(sampler_state *state)
{
    if (state != NULL && state->first != NULL)
        state->first->free(state->first_state);
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
    state->stride = view->item_stride;
    state->candidates = candidates_of(params, view->items);
    state->shared = params->shared_candidates || state->candidates == view->items;
    if (state->candidates < view->items) {
        const sampler *first = sampler_find(params->candidates_from);
        TRY(first->create(context, params, kind, view, &state->first_state));
        state->first = first;
    }
    *out = state;
    state = NULL;
done:
    free_state(state);
    return status;
}

static topn_status refresh(topn_context *context, sampler_state *state, const sampling_view *view)
{
    const bool asks = state->first != NULL && state->first->refresh != NULL;
    return asks ? state->first->refresh(context, state->first_state, view) : TOPN_OK;
}

/* Candidates are scored by the rows as they are where items have rows; where not, by rows made anew as often as making
 * them costs no more than scoring, or as the first pass wants it. */
static uint64_t refresh_after(const sampler_params *params, uint32_t items)
{
    const sampler *first = candidates_of(params, items) < items ? sampler_find(params->candidates_from) : NULL;
    const uint64_t own = (uint64_t)(items * log2(items + 1.0)) + 1;
    const uint64_t its = first != NULL && first->refresh_after != NULL ? first->refresh_after(params, items) : own;
    return its < own ? its : own;
}

/* Threads' candidates with their slots; and what the first pass takes. */
static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    const uint32_t items = data->matrix.columns, candidates = candidates_of(params, items);
    const sampler *first = candidates < items ? sampler_find(params->candidates_from) : NULL;
    const uint64_t tiles = (uint64_t)DRAWN_TOGETHER * (TILE + dimensions) + TILE * (uint64_t)dimensions;
    const uint64_t scratch = 4 * tiles + (first != NULL ? (uint64_t)candidates * 28 : 0);
    const bool asks = first != NULL && first->bytes != NULL;
    return (uint64_t)threads_available() * scratch + (asks ? first->bytes(params, data, dimensions) : 0);
}

static void narrow(const sampler_params *params, sampler_traits *traits)
{
    const sampler *first = params->candidates > 0 ? sampler_find(params->candidates_from) : NULL;
    traits->live = first == NULL || sampler_traits_of(first, params).live;
}

const sampler sampler_two_pass = {
    .name = "two-pass",
    .summary = "the hardest of --candidates, or of all items",
    .paper = "P2 section 4.3.2",
    .needs_model = true,
    .check = check,
    .create = create,
    .free = free_state,
    .bytes = bytes,
    .refresh = refresh,
    .refresh_after = refresh_after,
    .draw = draw,
    .draw_together = draw_together,
    .scratch_bytes = scratch_bytes,
    .narrow = narrow,
};
