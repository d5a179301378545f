/* SPDX-License-Identifier: Apache-2.0
 *
 * WARP (Weston, Bengio, Usunier, WSABIE, 2011; P2 §4.2.3): items are drawn uniformly until one violates the margin,
 *
 *     ⟨φ_c, ψ_j⟩ + β_j + margin > score(c, i)
 *
 * so that q(j | c, i) is uniform over the violators, and the rounds of the search tell the rank of i: with V violators
 * among the |I| − 1 other items a search takes (|I| − 1)/V rounds on average (warp_rank, eq. 17 with WSABIE's formula).
 * For this to hold, a draw of another positive of the context is a round, too, one that finds nothing; whether an item
 * is such is asked only of those that violate.
 *
 * Several negatives are several searches, one after another; one that finds nothing in `most_rounds` is the last.
 *
 * Candidates are scored by groups, their rows fetched a group ahead; the first violator in the order of the draws is
 * taken, and the next search goes on behind it, so draws are those of a loop that looks at one candidate at a time.
 */
#include <stdlib.h>

#include "base/memory.h"
#include "base/vector.h"
#include "train/sampled/exclusion.h"

enum { GROUP = 8, FEW = 2, LANES = 8, LINE = 64 / sizeof(float) };

struct sampler_state {
    exclusion kind;
    double margin;
    uint32_t most_rounds;
};

/* Rows are aligned to floats only. */
typedef float lane_vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Scores of the GROUP items j of `group`: sums of LANES columns, added up in a fixed order. */
VECTOR_CLONES
static void score_group(const sampling_view *view, const float *phi, const uint32_t *group, float *scores)
{
    const size_t d = view->item_stride, whole = d - d % LANES;
    const float *rows[GROUP];
    lane_vector sums[GROUP];
    for (size_t g = 0; g < GROUP; g++) {
        rows[g] = view->item_rows + group[g] * view->item_stride;
        sums[g] = (lane_vector){0};
    }
    for (size_t column = 0; column < whole; column += LANES) {
        const lane_vector p = *(const lane_vector *)(phi + column);
#pragma GCC unroll 8
        for (size_t g = 0; g < GROUP; g++)
            sums[g] += p * *(const lane_vector *)(rows[g] + column);
    }
    for (size_t g = 0; g < GROUP; g++) {
        const lane_vector s = sums[g];
        float score = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
        for (size_t column = whole; column < d; column++)
            score += phi[column] * rows[g][column];
        scores[g] = score;
    }
}

/* The candidates of one example, in the order in which they are drawn. */
typedef struct candidate_stream {
    const sampling_view *view;
    const draw_request *request;
    draw_source *source;
    uint32_t items[GROUP], next[GROUP];
    float scores[GROUP];
    unsigned at, end; /* in `items` */
    unsigned ahead;   /* in `next` */
} candidate_stream;

/* `count` items into `next`, uniformly among those other than the positive; the rest repeats the first of them. */
static void draw_next(candidate_stream *stream, unsigned count)
{
    const sampling_view *view = stream->view;
    for (unsigned g = 0; g < count; g++) {
        const uint32_t j = draw_below(stream->source, view->items - 1);
        stream->next[g] = j + (j >= stream->request->item ? 1 : 0);
        const float *row = view->item_rows + stream->next[g] * view->item_stride;
        for (size_t column = 0; column < view->item_stride; column += LINE)
            __builtin_prefetch(row + column);
    }
    for (unsigned g = count; g < GROUP; g++)
        stream->next[g] = stream->next[0];
    stream->ahead = count;
}

/* A few at first, since many searches end there; then whole groups, a group ahead. */
static void take_group(candidate_stream *stream)
{
    const bool is_first = stream->end == 0;
    if (stream->ahead == 0)
        draw_next(stream, is_first ? FEW : GROUP);
    for (size_t g = 0; g < GROUP; g++)
        stream->items[g] = stream->next[g];
    stream->end = stream->ahead;
    stream->ahead = stream->at = 0;
    if (!is_first)
        draw_next(stream, GROUP);
    score_group(stream->view, stream->request->phi, stream->items, stream->scores);
}

/* One search; false: nothing found in `most` rounds. */
static bool find_violator(candidate_stream *stream, const refused_items *refused, double threshold, uint32_t most,
                          uint32_t *item, uint32_t *rounds)
{
    for (*rounds = 0; *rounds < most;) {
        if (stream->at == stream->end)
            take_group(stream);
        const unsigned at = stream->at++;
        ++*rounds;
        if ((double)stream->scores[at] > threshold && !refuses(refused, stream->items[at])) {
            *item = stream->items[at];
            return true;
        }
    }
    return false;
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    (void)scratch;
    result->found = result->rounds = result->rejected = result->violator_rounds = 0;
    const refused_items refused = refused_for_request(state->kind, view->positives, request);
    if (refused_count(&refused) >= view->items || view->items < 2)
        return;
    candidate_stream stream = {.view = view, .request = request, .source = source};
    while (result->found < request->count) {
        uint32_t rounds;
        const bool found = find_violator(&stream, &refused, request->score - state->margin, state->most_rounds,
                                         &result->items[result->found], &rounds);
        result->rounds += rounds;
        if (!found)
            break;
        result->log_counts[result->found++] = 0;
        result->violator_rounds = rounds;
    }
    result->rejected = result->rounds - result->found;
}

static topn_status create(topn_context *context, const sampler_params *params, exclusion kind,
                          const sampling_view *view, sampler_state **out)
{
    const topn_status status = ALLOCATE(context, 1, out);
    const uint32_t most = view->items > 1 ? view->items - 1 : 0;
    if (status == TOPN_OK)
        **out = (sampler_state){
            .kind = kind,
            .margin = params->margin,
            .most_rounds = params->most_rounds > 0 && params->most_rounds < most ? (uint32_t)params->most_rounds : most,
        };
    return status;
}

static void free_state(sampler_state *state)
{
    free(state);
}

const sampler sampler_warp = {
    .name = "warp",
    .summary = "uniform draws until one scores within the margin of the positive",
    .paper = "P2 section 4.2.3; Weston, Bengio, Usunier 2011",
    .needs_model = true,
    .needs_scores = true,
    .live = true,
    .create = create,
    .free = free_state,
    .draw = draw,
};
