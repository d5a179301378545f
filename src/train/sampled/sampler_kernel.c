/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling by the quadratic kernel K(c, j) = α·score(c, j)² + 1 (Blanc, Rendle 2018; P2 §4.3.1, eq. 20), which is far
 * from nothing where the softmax is: ⟨φ, ψ⟩² = ⟨φφᵀ, ψψᵀ⟩, so the sums of the tree are Σ ψψᵀ, of which half is kept,
 * D = d(d + 1)/2, and the mass of a node is α·φᵀ(Σ ψψᵀ)φ + items. Biases of items are one more dimension.
 *
 * 1 − Q(refused) takes the kernels of the refused items alone, O(|I_c|·d).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "numeric/block.h"
#include "train/sampled/sampling_tree.h"

#define DEFAULT_SCALE 100.0 /* the paper's α */

struct sampler_state {
    exclusion kind;
    sampling_tree tree;
};

static size_t width_of(size_t dimensions)
{
    return dimensions * (dimensions + 1) / 2;
}

static void quadratic_kernels(double scale, size_t count, double *values)
{
    for (size_t n = 0; n < count; n++)
        values[n] = scale * values[n] * values[n] + 1;
}

/* π(φ) for sums over the lower triangle: α·φ_a·φ_b, twice off the diagonal. */
static void describe(const void *owner, const float *phi, float *features)
{
    const sampling_tree *tree = &((const sampler_state *)owner)->tree;
    for (size_t a = 0; a < tree->dimensions; a++) {
        const double twice = 2 * tree->scale * (double)phi[a];
        for (size_t b = 0; b < a; b++)
            *features++ = (float)(twice * (double)phi[b]);
        *features++ = (float)(twice / 2 * (double)phi[a]);
    }
}

/* scratch: a square Gram matrix. */
static void sum_squares(const void *owner, const float *rows, uint32_t first, uint32_t count, float *scratch, float *z,
                        double *w)
{
    (void)first;
    const size_t d = ((const sampler_state *)owner)->tree.dimensions;
    memset(scratch, 0, d * d * sizeof *scratch);
    block_add_gram(scratch, d, rows, count);
    for (size_t a = 0; a < d; a++, z += a)
        memcpy(z, scratch + a * d, (a + 1) * sizeof *z);
    *w = count;
}

static topn_status refresh(topn_context *context, sampler_state *state, const sampling_view *view)
{
    const size_t d = state->tree.dimensions;
    const tree_features features = {.sum = sum_squares, .owner = state, .scratch = d * d};
    return sampling_tree_refresh(context, &state->tree, view, &features);
}

/* 1 − Q(refused). Where little is left over, the sum of that is more exact. */
static double allowed_share(tree_query *query, const refused_items *refused)
{
    const double total = tree_total(query);
    double taken = refused->with_item ? tree_kernel(query, refused->item) : 0;
    for (uint32_t n = 0; n < refused->count; n++)
        taken += tree_kernel(query, refused->taken[n]);
    return taken < 0.9 * total ? 1 - taken / total : tree_allowed(query, refused);
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
    if (state)
        sampling_tree_clear(&state->tree);
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
    TRY(sampling_tree_create(context, view, params->leaf, width_of(view->item_stride), &state->tree));
    state->tree.added = 1;
    state->tree.scale = isnan(params->kernel_scale) ? DEFAULT_SCALE : params->kernel_scale;
    state->tree.kernels = quadratic_kernels;
    state->tree.describe = describe;
    state->tree.allowed = allowed_share;
    state->tree.owner = state;
    *out = state;
    state = NULL;
done:
    free_state(state);
    return status;
}

static uint64_t bytes(const sampler_params *params, const topn_data *data, size_t dimensions)
{
    return sampling_tree_bytes(data->matrix.columns, dimensions + 1, params->leaf, width_of(dimensions + 1));
}

const sampler sampler_kernel = {
    .name = "kernel",
    .summary = "by the quadratic kernel of the score, in a tree of sums",
    .paper = "P2 section 4.3.1, eq. 20; Blanc, Rendle 2018",
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
