/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling by a kernel in a binary tree of sums (Blanc, Rendle 2018; P2 §4.3.1): where K(φ, ψ) = ⟨π(φ), π(ψ)⟩, the
 * kernels of all items below a node add up to ⟨π(φ), z⟩ with z = Σ π(ψ_j), which does not depend on the context. A draw
 * goes from the root to a leaf, at each node left or right in proportion to the children's sums, and in the leaf by the
 * kernels of its items, which are computed one by one: O(D·log(|I|/leaf) + leaf·d).
 *
 *     mass of a node = max(⟨π(φ), z⟩, least·w) + added·w,   w = Σ of the weights of its items
 *
 * q(j | c) is the product of the shares along j's path, so that it is exact for what is drawn even where the masses are
 * not those of the kernel (rounding, approximate π). Items lie in the tree in their order.
 */
#ifndef TOPN_TRAIN_SAMPLED_SAMPLING_TREE_H
#define TOPN_TRAIN_SAMPLED_SAMPLING_TREE_H

#include "train/sampled/exclusion.h"

enum { TREE_KNOWN = 128 }; /* nodes near the root whose masses a query keeps */

struct tree_query;

typedef struct sampling_tree {
    uint32_t items, leaf, leaves; /* `leaf` items each but the last */
    size_t dimensions;            /* of the rows: item_stride of the view */
    size_t width;                 /* D, floats of π */
    float *rows;                  /* [items × dimensions] as of the last refresh */
    float *sums;                  /* [2·leaves − 1 × width] z of the nodes, in preorder */
    double *weights;              /* [2·leaves − 1] w */
    double least, added;          /* of a node's mass */
    /* Scores ⟨φ, ψ_j⟩ [count] of a leaf become kernels, up to a common factor. */
    void (*kernels)(double scale, size_t count, double *values);
    double scale;
    /* π(φ) into features [width + spare]; what is behind `width` is its scratch. */
    void (*describe)(const void *owner, const float *phi, float *features);
    double (*allowed)(struct tree_query *query, const refused_items *refused); /* 1 − Q(refused) */
    const void *owner;                                                         /* the sampler's, for describe */
    size_t spare;
} sampling_tree;

/* z [width] and w of a leaf's rows [count × dimensions], the first of which is item `first`. */
typedef struct tree_features {
    void (*sum)(const void *owner, const float *rows, uint32_t first, uint32_t count, float *scratch, float *z,
                double *w);
    const void *owner;
    size_t scratch; /* floats, per thread */
} tree_features;

/* Allocates; least, added and what follows them are the caller's to set. leaf 0: as many items as dimensions. */
topn_status sampling_tree_create(topn_context *context, const sampling_view *view, int64_t leaf, size_t width,
                                 sampling_tree *out);
void sampling_tree_clear(sampling_tree *tree);
uint64_t sampling_tree_bytes(uint32_t items, size_t dimensions, int64_t leaf, size_t width);
/* Takes the view's rows. The same bits at any number of threads. */
topn_status sampling_tree_refresh(topn_context *context, sampling_tree *tree, const sampling_view *view,
                                  const tree_features *features);

/* One context, in a scratch of tree_query_bytes. */
typedef struct tree_query {
    const sampling_tree *tree;
    const float *phi;         /* [dimensions] */
    double *values;           /* [leaf] */
    float *features;          /* [width + spare] π(φ) */
    double known[TREE_KNOWN]; /* masses by number of the node (root 1, children of n: 2n, 2n + 1); NAN = not yet */
} tree_query;

size_t tree_query_bytes(const sampling_tree *tree);
/* Σ over all items of the kernel, as the root has it. */
double tree_total(tree_query *query);
/* The kernel of an item by its row. */
double tree_kernel(const tree_query *query, uint32_t item);
/* Σ q over what is not refused, added up without the refused. O(D·(nodes above refused items) + leaf·d·…). */
double tree_allowed(tree_query *query, const refused_items *refused);

/* Of struct sampler: draws, in a scratch of tree_query_bytes, and q(j | c, i). What is refused is drawn again, and from
 * the allowed alone after many refusals. */
void tree_sampler_draw(const sampling_tree *tree, exclusion kind, const sampling_view *view,
                       const draw_request *request, draw_source *source, void *scratch, draw_result *result);
double tree_sampler_probability(const sampling_tree *tree, exclusion kind, const sampling_view *view,
                                const draw_request *request, uint32_t j);
/* Building the tree anew then takes less a positive than one draw. */
uint64_t tree_refresh_after(const sampler_params *params, uint32_t items);

#endif
