/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling by random Fourier features of the softmax kernel (Rawat, Chen, Yu, Suresh, Kumar 2019; P2 §4.3.1):
 *
 *     exp(ν·score(c, j)) = exp(ν‖φ‖²/2) · a_j · exp(−ν‖φ − ψ_j‖²/2),   a_j = exp(ν(‖ψ_j‖²/2 + β_j))
 *     exp(−ν‖φ − ψ‖²/2)  = E_w cos(wᵀ(φ − ψ)),                          w ~ N(0, νI)
 *                        ≈ ⟨π(φ), π(ψ)⟩,                                 π(x) = (cos w_kᵀx, sin w_kᵀx)_k /√F
 *
 * over F = kernel_features frequencies, D = 2F. The tree (sampling_tree.h) sums a_j·π(ψ_j); factors of the context
 * alone do not count, and in a leaf the softmax kernel itself is computed. Norms and biases are folded in by a_j, so
 * that embeddings need not be normalised; but the noise of F features is about 1/√F of the largest kernel, and only of
 * normalised embeddings with a ν that is not large is the kernel well above it.
 *
 * An estimate can be negative or next to nothing where the kernel is not: no node has less than LEAST/√F of the mass
 * that it would have if all its items stood at φ. What is drawn is the distribution of the tree with these masses, and
 * log_counts are those of that distribution; as F grows it goes to softmax(ν·score).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/vector.h"
#include "numeric/tile.h"
#include "train/sampled/sampling_tree.h"

#define LEAST 0.1
#define DEFAULT_SCALE 1.0

struct sampler_state {
    exclusion kind;
    size_t count;       /* F */
    float *frequencies; /* [dimensions × F] in turns: w/2π; 0 in the row of biases */
    double *factors;    /* [items] a_j, the largest of them 1 */
    sampling_tree tree;
};

/* sin 2πt to about 1e-6, for |t| < 2²⁰. */
static inline float sine_of_turns(float t)
{
    const float whole = (t + 12582912.0f) - 12582912.0f, r = t - whole; /* [−½, ½] */
    const float quarter = r > 0.25f ? 0.5f - r : r < -0.25f ? -0.5f - r : r;
    const float x = quarter * 6.2831853f, y = x * x;
    return x * (1 + y * (-1.6666667e-1f +
                         y * (8.3333333e-3f + y * (-1.9841270e-4f + y * (2.7557319e-6f + y * -2.5052108e-8f)))));
}

/* waves [2F] += factor·π√F of the turns [F]. */
VECTOR_CLONES
static void add_waves(size_t count, const float *turns, float factor, float *waves)
{
    for (size_t k = 0; k < count; k++)
        waves[k] += factor * sine_of_turns(turns[k] + 0.25f);
    for (size_t k = 0; k < count; k++)
        waves[count + k] += factor * sine_of_turns(turns[k]);
}

VECTOR_CLONES
static void add_scaled(size_t count, float factor, const float *values, float *to)
{
    for (size_t k = 0; k < count; k++)
        to[k] += factor * values[k];
}

static void softmax_kernels(double scale, size_t count, double *values)
{
    double most = values[0];
    for (size_t n = 1; n < count; n++)
        most = fmax(most, values[n]);
    for (size_t n = 0; n < count; n++)
        values[n] = exp(scale * (values[n] - most));
}

/* scratch: turns of a leaf's rows. */
static void sum_waves(const void *owner, const float *rows, uint32_t first, uint32_t count, float *scratch, float *z,
                      double *w)
{
    const sampler_state *state = owner;
    tile_multiply(count, state->count, state->tree.dimensions, rows, state->frequencies, scratch);
    memset(z, 0, state->tree.width * sizeof *z);
    *w = 0;
    for (uint32_t n = 0; n < count; n++) {
        add_waves(state->count, scratch + n * state->count, (float)state->factors[first + n], z);
        *w += state->factors[first + n];
    }
}

static void set_factors(sampler_state *state, const sampling_view *view)
{
    double most = -INFINITY;
    for (uint32_t j = 0; j < view->items; j++) {
        const float *row = view->item_rows + j * view->item_stride;
        double squares = 0;
        for (size_t column = 0; column < view->dimensions; column++)
            squares += (double)row[column] * (double)row[column];
        const double bias = view->item_stride > view->dimensions ? (double)row[view->dimensions] : 0;
        state->factors[j] = state->tree.scale * (squares / 2 + bias);
        most = fmax(most, state->factors[j]);
    }
    for (uint32_t j = 0; j < view->items; j++)
        state->factors[j] = exp(state->factors[j] - most);
}

static topn_status refresh(topn_context *context, sampler_state *state, const sampling_view *view)
{
    const tree_features features = {.sum = sum_waves, .owner = state, .scratch = state->tree.leaf * state->count};
    set_factors(state, view);
    return sampling_tree_refresh(context, &state->tree, view, &features);
}

/* π(φ)/√F. Its turns stand behind the features. */
static void describe(const void *owner, const float *phi, float *features)
{
    const sampler_state *state = owner;
    float *turns = features + state->tree.width;
    memset(features, 0, (state->tree.width + state->count) * sizeof *turns);
    for (size_t column = 0; column < state->tree.dimensions; column++)
        add_scaled(state->count, phi[column], state->frequencies + column * state->count, turns);
    add_waves(state->count, turns, 1.0f / (float)state->count, features);
}

static void draw(const sampler_state *state, const sampling_view *view, const draw_request *request,
                 draw_source *source, void *scratch, draw_result *result)
{
    tree_sampler_draw(&state->tree, state->kind, view, request, source, scratch, result);
}

static size_t scratch_bytes(const sampler_state *state, uint32_t count)
{
    (void)count;
    return tree_query_bytes(&state->tree);
}

static double probability(const sampler_state *state, const sampling_view *view, const draw_request *request,
                          uint32_t j)
{
    return tree_sampler_probability(&state->tree, state->kind, view, request, j);
}

static void free_state(sampler_state *state)
{
    if (!state)
        return;
    sampling_tree_clear(&state->tree);
    free(state->frequencies);
    free(state->factors);
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
    state->count = (size_t)params->kernel_features;
    TRY(sampling_tree_create(context, view, params->leaf, 2 * state->count, &state->tree));
    state->tree.scale = isnan(params->kernel_scale) ? DEFAULT_SCALE : params->kernel_scale;
    state->tree.least = LEAST / sqrt((double)state->count);
    state->tree.kernels = softmax_kernels;
    state->tree.describe = describe;
    state->tree.allowed = tree_allowed;
    state->tree.owner = state;
    state->tree.spare = state->count;
    TRY(ALLOCATE(context, view->items, &state->factors));
    TRY(ALLOCATE_ZEROED(context, view->item_stride * state->count, &state->frequencies));
    for (size_t at = 0; at < view->dimensions * state->count; at++)
        state->frequencies[at] =
            (float)(random_normal(context->seed, RANDOM_FOURIER, at) * sqrt(state->tree.scale) * 0.15915494309189535);
    *out = state;
    state = NULL;
done:
    free_state(state);
    return status;
}

static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    const uint64_t features = (uint64_t)params->kernel_features;
    return sampling_tree_bytes(data->matrix.columns, dimensions + 1, params->leaf, 2 * features) +
           features * (dimensions + 1) * sizeof(float) + data->matrix.columns * sizeof(double);
}

const sampler sampler_fourier = {
    .name = "fourier",
    .summary = "by random Fourier features of the softmax, in a tree of sums",
    .paper = "P2 section 4.3.1, eq. 20; Rawat et al. 2019",
    .needs_model = true,
    .create = create,
    .free = free_state,
    .bytes = bytes,
    .refresh = refresh,
    .refresh_after = tree_refresh_after,
    .draw = draw,
    .scratch_bytes = scratch_bytes,
    .probability = probability,
};
