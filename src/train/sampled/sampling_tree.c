/* SPDX-License-Identifier: Apache-2.0 */
#include "train/sampled/sampling_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"
#include "base/vector.h"

enum { BLOCK = 1024, LANES = 16, MOST_REFUSALS = 64, SUBTREES = 64 };

/* Rows are aligned to floats only. */
typedef float lane_vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Lanes in single precision over at most BLOCK floats, blocks in double, in a fixed order. */
VECTOR_CLONES
static double product(const float *a, const float *b, size_t count)
{
    double sum = 0;
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        const size_t end = count - begin < BLOCK ? count : begin + BLOCK, whole = end - (end - begin) % LANES;
        lane_vector lanes = {0};
        for (size_t at = begin; at < whole; at += LANES)
            lanes += *(const lane_vector *)(a + at) * *(const lane_vector *)(b + at);
        float part[LANES];
        memcpy(part, &lanes, sizeof part);
        for (size_t half = LANES / 2; half > 0; half /= 2)
            for (size_t lane = 0; lane < half; lane++)
                part[lane] += part[lane + half];
        float rest = 0;
        for (size_t at = whole; at < end; at++)
            rest += a[at] * b[at];
        sum += (double)part[0] + (double)rest;
    }
    return sum;
}

/* A node: its left child is the next in preorder, the right one stands behind the left one's descendants. */
typedef struct tree_node {
    size_t place;          /* in preorder */
    size_t number;         /* root 1, children 2n, 2n + 1 */
    uint32_t leaf, leaves; /* first, and how many */
} tree_node;

static tree_node root_of(const sampling_tree *tree)
{
    return (tree_node){.number = 1, .leaves = tree->leaves};
}

static tree_node left_of(tree_node node)
{
    return (tree_node){node.place + 1, 2 * node.number, node.leaf, node.leaves - node.leaves / 2};
}

static tree_node right_of(tree_node node)
{
    const uint32_t left = node.leaves - node.leaves / 2;
    return (tree_node){node.place + 2 * (size_t)left, 2 * node.number + 1, node.leaf + left, node.leaves / 2};
}

static uint32_t first_item(const sampling_tree *tree, tree_node node)
{
    return node.leaf * tree->leaf;
}

static uint32_t end_item(const sampling_tree *tree, tree_node node)
{
    const uint64_t end = (uint64_t)(node.leaf + node.leaves) * tree->leaf;
    return end < tree->items ? (uint32_t)end : tree->items;
}

/* Building. */

static uint32_t leaf_of(int64_t leaf, size_t dimensions, uint32_t items)
{
    const uint64_t wanted = leaf > 0 ? (uint64_t)leaf : dimensions;
    return wanted < items ? (uint32_t)wanted : items;
}

uint64_t sampling_tree_bytes(uint32_t items, size_t dimensions, int64_t leaf, size_t width)
{
    const uint64_t nodes = 2 * (uint64_t)(items / (leaf_of(leaf, dimensions, items) + (items == 0)) + 1);
    return nodes * (width * sizeof(float) + sizeof(double)) + (uint64_t)items * dimensions * sizeof(float);
}

topn_status sampling_tree_create(topn_context *context, const sampling_view *view, int64_t leaf, size_t width,
                                 sampling_tree *out)
{
    topn_status status;
    *out = (sampling_tree){.items = view->items, .dimensions = view->item_stride, .width = width};
    out->leaf = leaf_of(leaf, out->dimensions, out->items);
    out->leaves = (out->items - 1) / out->leaf + 1;
    const size_t nodes = 2 * (size_t)out->leaves - 1;
    TRY(ALLOCATE_TABLE(context, out->items * out->dimensions, &out->rows));
    TRY(ALLOCATE_TABLE(context, nodes * width, &out->sums));
    TRY(ALLOCATE_ZEROED(context, nodes, &out->weights));
done:
    return status;
}

void sampling_tree_clear(sampling_tree *tree)
{
    free(tree->rows);
    free(tree->sums);
    free(tree->weights);
    *tree = (sampling_tree){0};
}

static void add_children(const sampling_tree *tree, tree_node node)
{
    const tree_node left = left_of(node), right = right_of(node);
    float *z = tree->sums + node.place * tree->width;
    const float *a = tree->sums + left.place * tree->width, *b = tree->sums + right.place * tree->width;
    for (size_t at = 0; at < tree->width; at++)
        z[at] = a[at] + b[at];
    tree->weights[node.place] = tree->weights[left.place] + tree->weights[right.place];
}

/* Everything below a node. */
static void build(const sampling_tree *tree, tree_node node, const tree_features *features, float *scratch)
{
    if (node.leaves == 1) {
        const uint32_t first = first_item(tree, node), end = end_item(tree, node);
        features->sum(features->owner, tree->rows + first * tree->dimensions, first, end - first, scratch,
                      tree->sums + node.place * tree->width, &tree->weights[node.place]);
        return;
    }
    build(tree, left_of(node), features, scratch);
    build(tree, right_of(node), features, scratch);
    add_children(tree, node);
}

/* The nodes of at most `most` leaves that are below none of such; returns how many. */
static size_t list_subtrees(tree_node node, uint32_t most, tree_node *out)
{
    if (node.leaves <= most) {
        *out = node;
        return 1;
    }
    const size_t left = list_subtrees(left_of(node), most, out);
    return left + list_subtrees(right_of(node), most, out + left);
}

/* What is above them. */
static void build_top(const sampling_tree *tree, tree_node node, uint32_t most)
{
    if (node.leaves <= most)
        return;
    build_top(tree, left_of(node), most);
    build_top(tree, right_of(node), most);
    add_children(tree, node);
}

topn_status sampling_tree_refresh(topn_context *context, sampling_tree *tree, const sampling_view *view,
                                  const tree_features *features)
{
    topn_status status;
    float *scratch = NULL;
    tree_node *subtrees = NULL;
    const uint32_t most = tree->leaves / SUBTREES + 1; /* so that there are at most 2·SUBTREES of them */
    TRY(ALLOCATE(context, features->scratch * (size_t)context->threads, &scratch));
    TRY(ALLOCATE(context, 2 * SUBTREES, &subtrees));
    memcpy(tree->rows, view->item_rows, tree->items * tree->dimensions * sizeof *tree->rows);
    const size_t count = list_subtrees(root_of(tree), most, subtrees);
    const int saved = threads_serial_blas_begin();
#pragma omp parallel for schedule(dynamic) num_threads(context->threads)
    for (size_t n = 0; n < count; n++)
        build(tree, subtrees[n], features, scratch + features->scratch * (size_t)thread_index());
    threads_serial_blas_end(saved);
    build_top(tree, root_of(tree), most);
done:
    free(scratch);
    free(subtrees);
    return status;
}

/* Drawing. */

size_t tree_query_bytes(const sampling_tree *tree)
{
    return sizeof(tree_query) + tree->leaf * sizeof(double) + (tree->width + tree->spare) * sizeof(float);
}

static tree_query *start_query(void *scratch, const sampling_tree *tree, const float *phi)
{
    tree_query *query = scratch;
    query->tree = tree;
    query->phi = phi;
    query->values = (double *)(query + 1);
    query->features = (float *)(query->values + tree->leaf);
    for (size_t number = 0; number < TREE_KNOWN; number++)
        query->known[number] = (double)NAN;
    tree->describe(tree->owner, phi, query->features);
    return query;
}

static double node_mass(tree_query *query, tree_node node)
{
    const sampling_tree *tree = query->tree;
    if (node.number < TREE_KNOWN && !isnan(query->known[node.number]))
        return query->known[node.number];
    const double w = tree->weights[node.place];
    const double sum = product(query->features, tree->sums + node.place * tree->width, tree->width);
    const double mass = fmax(sum, tree->least * w) + tree->added * w; /* fmax: a sum that is no number is dropped */
    if (node.number < TREE_KNOWN)
        query->known[node.number] = mass;
    return mass;
}

/* Of what is in a node, the share of its left child; by items where masses say nothing. */
static double left_share(tree_query *query, tree_node node)
{
    const double left = node_mass(query, left_of(node)), both = left + node_mass(query, right_of(node));
    if (both > 0 && isfinite(both))
        return left / both;
    const uint32_t first = first_item(query->tree, node), end = end_item(query->tree, node),
                   middle = first_item(query->tree, right_of(node));
    return (double)(middle - first) / (end - first);
}

/* Kernels of a leaf's items into query->values; returns their sum, which is > 0. */
static double leaf_values(tree_query *query, tree_node node, uint32_t *first, uint32_t *count)
{
    const sampling_tree *tree = query->tree;
    *first = first_item(tree, node);
    *count = end_item(tree, node) - *first;
    for (uint32_t n = 0; n < *count; n++)
        query->values[n] = product(query->phi, tree->rows + (*first + n) * tree->dimensions, tree->dimensions);
    tree->kernels(tree->scale, *count, query->values);
    double sum = 0;
    for (uint32_t n = 0; n < *count; n++)
        sum += query->values[n];
    if (sum > 0 && isfinite(sum))
        return sum;
    for (uint32_t n = 0; n < *count; n++)
        query->values[n] = 1;
    return *count;
}

double tree_total(tree_query *query)
{
    return node_mass(query, root_of(query->tree));
}

double tree_kernel(const tree_query *query, uint32_t item)
{
    const sampling_tree *tree = query->tree;
    double value = product(query->phi, tree->rows + item * tree->dimensions, tree->dimensions);
    tree->kernels(tree->scale, 1, &value);
    return value;
}

/* An item; its q in *probability. */
static uint32_t draw_one(tree_query *query, draw_source *source, double *probability)
{
    tree_node node = root_of(query->tree);
    double u = draw_uniform(source);
    *probability = 1;
    while (node.leaves > 1) {
        const double left = left_share(query, node);
        const bool go_left = u < left;
        *probability *= go_left ? left : 1 - left;
        u = go_left ? u / left : (u - left) / (1 - left); /* uniform again */
        node = go_left ? left_of(node) : right_of(node);
    }
    uint32_t first, count, n = 0, at = 0;
    const double sum = leaf_values(query, node, &first, &count);
    for (double left = u * sum; n < count; n++) {
        if (query->values[n] > 0)
            at = n; /* the last such, where rounding leaves something over */
        left -= query->values[n];
        if (left < 0)
            break;
    }
    *probability *= query->values[at] / sum;
    return first + at;
}

static double probability_of(tree_query *query, uint32_t item)
{
    tree_node node = root_of(query->tree);
    double probability = 1;
    while (node.leaves > 1) {
        const double left = left_share(query, node);
        const bool go_left = item < first_item(query->tree, right_of(node));
        probability *= go_left ? left : 1 - left;
        node = go_left ? left_of(node) : right_of(node);
    }
    uint32_t first, count;
    const double sum = leaf_values(query, node, &first, &count);
    return probability * query->values[item - first] / sum;
}

/* A walk through what is allowed, item by item, until q adds up to more than `target`. */
typedef struct allowed_walk {
    tree_query *query;
    const refused_items *refused;
    double target; /* INFINITY: all of it */
    double sum;
    bool found;
    uint32_t item;
    double probability; /* of `item` */
} allowed_walk;

static void walk_leaf(allowed_walk *walk, tree_node node, double share)
{
    uint32_t first, count;
    const double sum = leaf_values(walk->query, node, &first, &count);
    for (uint32_t n = 0; n < count && !walk->found; n++) {
        const double q = share * walk->query->values[n] / sum;
        if (refuses(walk->refused, first + n) || !(q > 0))
            continue;
        walk->sum += q;
        walk->found = walk->sum > walk->target;
        walk->item = first + n;
        walk->probability = q;
    }
}

/* share: q of all the node's items together. */
static void walk_node(allowed_walk *walk, tree_node node, double share)
{
    const sampling_tree *tree = walk->query->tree;
    const uint32_t first = first_item(tree, node), end = end_item(tree, node),
                   refused = refused_below(walk->refused, end) - refused_below(walk->refused, first);
    if (walk->found || refused == end - first)
        return;
    if (refused == 0 && walk->sum + share <= walk->target) {
        walk->sum += share;
        return;
    }
    if (node.leaves == 1) {
        walk_leaf(walk, node, share);
        return;
    }
    const double left = left_share(walk->query, node);
    walk_node(walk, left_of(node), share * left);
    walk_node(walk, right_of(node), share * (1 - left));
}

double tree_allowed(tree_query *query, const refused_items *refused)
{
    allowed_walk walk = {.query = query, .refused = refused, .target = INFINITY};
    walk_node(&walk, root_of(query->tree), 1);
    return walk.sum;
}

/* q(j) of a draw from the allowed alone, of which there is `allowed`; false: nothing. */
static bool draw_allowed(tree_query *query, const refused_items *refused, double allowed, draw_source *source,
                         uint32_t *item, double *probability)
{
    allowed_walk walk = {.query = query, .refused = refused, .target = draw_uniform(source) * allowed};
    walk_node(&walk, root_of(query->tree), 1);
    if (!walk.found) { /* rounding: the sum on the way is less than that of the whole; or there is nothing */
        walk.target = walk.sum = 0;
        walk_node(&walk, root_of(query->tree), 1);
    }
    *item = walk.item;
    *probability = walk.probability;
    return walk.found;
}

/* allowed: 1 − Q(refused) for log_counts; NAN = they are left 0. */
static void draw_all(tree_query *query, const refused_items *refused, double allowed, uint32_t count,
                     draw_source *source, draw_result *result)
{
    const bool counted = !isnan(allowed);
    double left = (double)NAN; /* the same as `allowed`, when it is needed */
    for (uint32_t n = 0; n < count; n++) {
        uint32_t j = 0, refusals = 0;
        double q = 0;
        while (refusals < MOST_REFUSALS && refuses(refused, j = draw_one(query, source, &q)))
            refusals++;
        if (refusals == MOST_REFUSALS) {
            if (isnan(left))
                left = tree_allowed(query, refused);
            if (!draw_allowed(query, refused, left, source, &j, &q))
                break; /* what is allowed has no probability that a double holds */
        }
        result->rounds += refusals + 1;
        result->rejected += refusals;
        result->log_counts[n] = counted ? log(count * q / allowed) : 0;
        result->items[result->found++] = j;
    }
}

void tree_sampler_draw(const sampling_tree *tree, exclusion kind, const sampling_view *view,
                       const draw_request *request, draw_source *source, void *scratch, draw_result *result)
{
    result->found = result->rounds = result->rejected = result->violator_rounds = 0;
    const refused_items refused = refused_for(kind, view->positives, request->context, request->item);
    if (refused_count(&refused) >= view->items)
        return;
    tree_query *query = start_query(scratch, tree, request->phi);
    const double allowed = view->uncounted ? (double)NAN : tree->allowed(query, &refused);
    draw_all(query, &refused, allowed, request->count, source, result);
}

double tree_sampler_probability(const sampling_tree *tree, exclusion kind, const sampling_view *view,
                                const draw_request *request, uint32_t j)
{
    const refused_items refused = refused_for(kind, view->positives, request->context, request->item);
    if (refuses(&refused, j))
        return 0;
    void *scratch = malloc(tree_query_bytes(tree));
    if (!scratch)
        return (double)NAN;
    tree_query *query = start_query(scratch, tree, request->phi);
    const double q = probability_of(query, j) / tree->allowed(query, &refused);
    free(scratch);
    return q;
}

uint64_t tree_refresh_after(const sampler_params *params, uint32_t items)
{
    (void)params;
    return items;
}
