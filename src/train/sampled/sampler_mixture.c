/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of samplers, q = Σ_k w_k q_k with each q_k over what is not refused, as "uniform:0.5,popularity:0.5" says
 * it; weights are scaled to sum to 1. Each draw is of one part, chosen by its weight. A part that has nothing for an
 * example (no dislikes; everything refused) is left out of it, and the others' weights grow, so that q stays the
 * mixture of what is there.
 *
 * A batch that shares its draws has w_k·m of part k, rounded so that they sum to m; of in-batch there are only as many
 * as the batch has. An item is then expected Σ_k m_k q_k(j) times.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/interactions.h"
#include "train/sampled/exclusion.h"

enum { MOST_PARTS = 8 };

typedef struct mixture_parts {
    const sampler *samplers[MOST_PARTS];
    double weights[MOST_PARTS]; /* sum 1 */
    int count;
} mixture_parts;

struct sampler_state {
    exclusion kind;
    mixture_parts parts;
    sampler_state *states[MOST_PARTS];
};

/* One part, text [length], "name:weight". */
static topn_status parse_part(topn_context *context, const char *text, size_t length, mixture_parts *out)
{
    char part[96], *end;
    topn_status status;
    const int shown = length < sizeof part ? (int)length : (int)sizeof part - 1;
    memcpy(part, text, (size_t)shown);
    part[shown] = '\0';
    char *colon = strchr(part, ':');
    if (length >= sizeof part || colon == NULL || colon == part || !isdigit((unsigned char)colon[1]))
        return fail(
            context, TOPN_ERROR_OPTION,
            "--mixture: \"%s\" is no part of a mixture; write each as name:weight, \"uniform:0.5,popularity:0.5\"",
            part);
    *colon = '\0';
    const double weight = strtod(colon + 1, &end);
    if (*end != '\0' || !(weight > 0) || !isfinite(weight))
        return fail(context, TOPN_ERROR_OPTION,
                    "--mixture: \"%s\" is no weight of %s; it is a number above 0, and commas "
                    "stand between parts",
                    colon + 1, part);
    if (out->count == MOST_PARTS)
        return fail(context, TOPN_ERROR_OPTION, "--mixture: \"%s\" is one part too many; a mixture has at most %d",
                    part, MOST_PARTS);
    TRY(sampler_require(context, "--mixture", part, part, &out->samplers[out->count]));
    for (int k = 0; k < out->count; k++)
        if (out->samplers[k] == out->samplers[out->count])
            return fail(context, TOPN_ERROR_OPTION, "--mixture: %s is there twice; name it once, with one weight",
                        part);
    out->weights[out->count++] = weight;
done:
    return status;
}

static topn_status parse_parts(topn_context *context, const char *text, mixture_parts *out)
{
    topn_status status = TOPN_OK;
    double sum = 0;
    *out = (mixture_parts){0};
    if (text == NULL || *text == '\0')
        return fail(context, TOPN_ERROR_OPTION,
                    "--sampler mixture needs its parts: --mixture \"uniform:0.5,popularity:0.5\"");
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        TRY(parse_part(context, at, comma != NULL ? (size_t)(comma - at) : strlen(at), out));
        at = comma != NULL ? comma + 1 : NULL;
    }
    for (int k = 0; k < out->count; k++)
        sum += out->weights[k];
    for (int k = 0; k < out->count; k++)
        out->weights[k] /= sum;
done:
    return status;
}

static bool draws_alone(const sampler *part)
{
    return part->draw != NULL && part->probability != NULL;
}

static bool draws_shared(const sampler *part)
{
    return part->draw_shared != NULL && part->shared_probability != NULL;
}

static topn_status check(topn_context *context, const sampler_params *params, uint32_t items)
{
    topn_status status;
    mixture_parts parts;
    const sampler *not_alone = NULL, *not_shared = NULL;
    TRY(parse_parts(context, params->mixture, &parts));
    for (int k = 0; k < parts.count; k++) {
        const sampler *part = parts.samplers[k];
        if (part->check == check || part->needs_scores || !(draws_alone(part) || draws_shared(part)))
            return fail(context, TOPN_ERROR_OPTION,
                        "--mixture: %s can be no part, as %s; take samplers whose probabilities are known: uniform, "
                        "popularity, in-batch, disliked",
                        part->name, part->check == check ? "mixtures don't nest" : "its probabilities are not known");
        if (part->check != NULL)
            TRY(part->check(context, params, items));
        not_alone = draws_alone(part) ? not_alone : part;
        not_shared = draws_shared(part) ? not_shared : part;
    }
    if (not_alone != NULL && not_shared != NULL)
        return fail(context, TOPN_ERROR_OPTION,
                    "--mixture: %s draws for whole batches and %s for single examples; take one of them",
                    not_alone->name, not_shared->name);
done:
    return status;
}

static void narrow(const sampler_params *params, sampler_traits *traits)
{
    mixture_parts parts;
    if (parse_parts(NULL, params->mixture, &parts) != TOPN_OK)
        return;
    *traits = (sampler_traits){.live = true, .shareable = true};
    for (int k = 0; k < parts.count; k++) {
        const sampler_traits part = sampler_traits_of(parts.samplers[k], params);
        traits->needs_model |= part.needs_model;
        traits->live &= part.live;
        traits->shared_only |= !draws_alone(parts.samplers[k]);
        traits->shareable &= draws_shared(parts.samplers[k]);
    }
}

static void free_state(sampler_state *state)
{
    for (int k = 0; state != NULL && k < state->parts.count; k++)
        state->parts.samplers[k]->free(state->states[k]);
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
    TRY(parse_parts(context, params->mixture, &state->parts));
    for (int k = 0; k < state->parts.count; k++)
        TRY(state->parts.samplers[k]->create(context, params, kind, view, &state->states[k]));
    *out = state;
    state = NULL;
done:
    free_state(state);
    return status;
}

static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    mixture_parts parts;
    uint64_t sum = 0;
    if (parse_parts(NULL, params->mixture, &parts) != TOPN_OK)
        return 0;
    for (int k = 0; k < parts.count; k++)
        sum += parts.samplers[k]->bytes != NULL ? parts.samplers[k]->bytes(params, data, dimensions) : 0;
    return sum;
}

static topn_status refresh(topn_context *context, sampler_state *state, const sampling_view *view)
{
    topn_status status = TOPN_OK;
    for (int k = 0; k < state->parts.count; k++)
        if (state->parts.samplers[k]->refresh != NULL)
            TRY(state->parts.samplers[k]->refresh(context, state->states[k], view));
done:
    return status;
}

/* As the part that wants it most often. */
static uint64_t refresh_after(const sampler_params *params, uint32_t items)
{
    mixture_parts parts;
    uint64_t least = (uint64_t)(items * log2(items + 1.0)) + 1;
    if (parse_parts(NULL, params->mixture, &parts) != TOPN_OK)
        return least;
    for (int k = 0; k < parts.count; k++) {
        const sampler *part = parts.samplers[k];
        const uint64_t its = part->refresh_after != NULL ? part->refresh_after(params, items) : least;
        least = its < least ? its : least;
    }
    return least;
}

static size_t scratch_bytes(const sampler_state *state, uint32_t count)
{
    size_t most = 0;
    for (int k = 0; k < state->parts.count; k++) {
        const sampler *part = state->parts.samplers[k];
        const size_t one = part->scratch_bytes != NULL ? part->scratch_bytes(state->states[k], count) : 0;
        most = one > most ? one : most;
    }
    return most;
}

/* Weights of the parts for one example: 0 for those that have nothing, the others scaled to sum 1. false: none has. */
static bool weights_for(const sampler_state *state, const sampling_view *view, const draw_request *request,
                        double weights[MOST_PARTS])
{
    const refused_items refused = refused_for(state->kind, view->positives, request->context, request->item);
    const bool nothing = refused_count(&refused) >= view->items;
    double sum = 0;
    for (int k = 0; k < state->parts.count; k++) {
        const sampler *part = state->parts.samplers[k];
        const bool empty = part->is_empty != NULL ? part->is_empty(state->states[k], view, request) : nothing;
        weights[k] = empty ? 0 : state->parts.weights[k];
        sum += weights[k];
    }
    for (int k = 0; k < state->parts.count; k++)
        weights[k] = sum > 0 ? weights[k] / sum : 0;
    return sum > 0;
}

static double mixed(const sampler_state *state, const sampling_view *view, const draw_request *request,
                    const double weights[MOST_PARTS], uint32_t j)
{
    double q = 0;
    for (int k = 0; k < state->parts.count; k++)
        if (weights[k] > 0)
            q += weights[k] * state->parts.samplers[k]->probability(state->states[k], view, request, j);
    return q;
}

/* How many of `count` draws each part gets. */
static void share_out(const double weights[MOST_PARTS], int parts, uint32_t count, draw_source *source,
                      uint32_t shares[MOST_PARTS])
{
    memset(shares, 0, MOST_PARTS * sizeof *shares);
    int last = parts - 1;
    while (weights[last] <= 0)
        last--;
    for (uint32_t n = 0; n < count; n++) {
        double left = draw_uniform(source);
        int k = 0;
        while (k < last && left >= weights[k])
            left -= weights[k++];
        shares[k]++;
    }
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    double weights[MOST_PARTS];
    uint32_t shares[MOST_PARTS];
    sampling_view uncounted = *view;
    uncounted.uncounted = true;
    *result = (draw_result){.items = result->items, .log_counts = result->log_counts};
    if (!weights_for(state, view, request, weights))
        return;
    share_out(weights, state->parts.count, request->count, source, shares);
    for (int k = 0; k < state->parts.count; k++) {
        draw_request part = *request;
        part.count = shares[k];
        draw_result more = {.items = result->items + result->found, .log_counts = result->log_counts + result->found};
        if (shares[k] == 0)
            continue;
        state->parts.samplers[k]->draw(state->states[k], &uncounted, &part, source, scratch, &more);
        result->found += more.found;
        result->rounds += more.rounds;
        result->rejected += more.rejected;
    }
    for (uint32_t n = 0; n < result->found && !view->uncounted; n++)
        result->log_counts[n] = log(request->count * mixed(state, view, request, weights, result->items[n]));
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    double weights[MOST_PARTS];
    return weights_for(state, view, request, weights) ? mixed(state, view, request, weights, j) : 0;
}

static bool is_empty(const sampler_state *state, const sampling_view *view, const draw_request *request)
{
    double weights[MOST_PARTS];
    return !weights_for(state, view, request, weights);
}

static double shared_probability(const sampler_state *state, const sampling_view *view, uint32_t j)
{
    double q = 0;
    for (int k = 0; k < state->parts.count; k++)
        q += state->parts.weights[k] * state->parts.samplers[k]->shared_probability(state->states[k], view, j);
    return q;
}

static void draw_shared(const sampler_state *state, const sampling_view *view, const positive *batch,
                        uint32_t batch_count, draw_source *source, uint32_t count, uint32_t *items, double *log_counts,
                        uint32_t *found)
{
    uint32_t got[MOST_PARTS], asked = 0;
    double before = 0;
    *found = 0;
    for (int k = 0; k < state->parts.count; k++) {
        before += state->parts.weights[k];
        const uint32_t upto = k + 1 == state->parts.count ? count : (uint32_t)lround(before * count);
        state->parts.samplers[k]->draw_shared(state->states[k], view, batch, batch_count, source, upto - asked,
                                              items + *found, log_counts + *found, &got[k]);
        *found += got[k];
        asked = upto;
    }
    for (uint32_t n = 0; n < *found; n++) {
        double expected = 0;
        for (int k = 0; k < state->parts.count; k++)
            expected += got[k] * state->parts.samplers[k]->shared_probability(state->states[k], view, items[n]);
        log_counts[n] = log(expected);
    }
}

const sampler sampler_mixture = {
    .name = "mixture",
    .summary = "draws of several samplers, as --mixture says",
    .paper = "P2 section 4",
    .needs_model = true,
    .shareable = true,
    .check = check,
    .create = create,
    .free = free_state,
    .bytes = bytes,
    .refresh = refresh,
    .refresh_after = refresh_after,
    .draw = draw,
    .scratch_bytes = scratch_bytes,
    .draw_shared = draw_shared,
    .probability = probability,
    .shared_probability = shared_probability,
    .is_empty = is_empty,
    .narrow = narrow,
};
