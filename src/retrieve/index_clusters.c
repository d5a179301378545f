/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse item rows by blocks of like items. All blocks get a bound of their scores (clusters.h), and the items of the
 * blocks with the highest are scored by their rows, until no other block's bound reaches the n-th best score, and then
 * the answer is exact, or the effort asked for is spent. After Bruch, Nardini, Rulli and Venturini, "Efficient Inverted
 * Indexes for Approximate Retrieval over Learned Sparse Representations" (SIGIR 2024): blocks of like rows with a
 * summary that keeps the largest values, and exact scores from the rows of the blocks it points to. There values are
 * not negative and the summaries belong to the entries of one dimension each; here they are signed and of all items.
 *
 *   items           [items]           the items block by block
 *   begins          [blocks + 1]      where a block begins among them
 *   highest-begins  [dimensions + 1]
 *   highest         entries           the blocks of each dimension with their highest value
 *   lowest-begins   [dimensions + 1]
 *   lowest          entries           and with their lowest
 *   norms           [2]               of what the summary leaves out of an item, and of an item, at most
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "retrieve/candidates.h"
#include "retrieve/clusters.h"
#include "retrieve/item_score.h"
#include "retrieve/retriever.h"
#include "retrieve/top_list.h"

enum {
    LEAST_ITEMS = 100,    /* that are scored, whatever the effort, */
    LEAST_CANDIDATES = 4, /* and as many more as n times this */
    MORE = 4,             /* times as many blocks, when too few items were found in those */
};

typedef struct cluster_params {
    int64_t block;
    double summary, effort;
} cluster_params;

static const option_row cluster_options[] = {
    OPTION_INTEGER(cluster_params, block, "block", 1, 1, 4096,
                   "items that share a bound, made more where there would be more than 65536 blocks"),
    OPTION_REAL(cluster_params, summary, "summary", 0.3, 0, 1,
                "share of an item's numbers that bounds are made of, the largest; 1 = all, which lets the search see "
                "that its answer is exact"),
    OPTION_REAL(cluster_params, effort, "effort", 0.01, 1e-6, 1,
                "share of the items that are scored, but no fewer than 100 and four times the length of the list"),
};
static const option_table cluster_option_table = OPTION_TABLE(cluster_params, cluster_options);

/* What turns the bound of ⟨φ, ψ_i⟩ into one of scores. */
typedef struct block_finish {
    float least_prior, most_prior, most_bias; /* priors by magnitude */
} block_finish;

typedef struct cluster_view {
    const topn_model *model;
    const sparse_matrix *rows;
    const uint32_t *items, *begins;
    block_postings highest, lowest;
    block_finish *finish; /* [blocks], owned; NULL without priors and biases */
    double rest;          /* norm of what the summary leaves out, and what rounding may add to it */
    float most_prior;     /* of all items */
    uint32_t blocks;
    double effort;
} cluster_view;

typedef struct cluster_scratch {
    candidates pool; /* blocks */
    float *bounds;   /* [blocks] */
} cluster_scratch;

static topn_status clusters_check(topn_context *context, const topn_model *model)
{
    const embedding_table *rows = model_item_rows(model);
    if (rows && rows->form == TABLE_SPARSE)
        return TOPN_OK;
    return fail(context, TOPN_ERROR_UNSUPPORTED, "index clusters: it serves models with a sparse item table; %s",
                rows ? "this one's is dense, which index int8 serves"
                     : "this model has none, only exact retrieval serves it");
}

/* No more blocks than their numbers have bits; two thirds of the blocks of a size may be only half full. */
static uint32_t choose_size(uint32_t items, int64_t wanted)
{
    uint32_t size = (uint32_t)wanted;
    while (items / ((size + 1) / 2) + 1 > CLUSTERS_MOST_BLOCKS)
        size++;
    return size;
}

/* A copy of `count` elements as an array of the index. */
static topn_status add_array(topn_context *context, model_index *out, const char *name, tensor_type type,
                             const void *elements, uint64_t count)
{
    void *target = model_index_add(context, out, name, type, count, 0);
    if (!target)
        return TOPN_ERROR_MEMORY;
    memcpy(target, elements, count * tensor_type_size(type));
    return TOPN_OK;
}

static topn_status clusters_build(topn_context *context, const topn_model *model, const void *memory, model_index *out)
{
    topn_status status;
    const cluster_params *params = memory;
    const sparse_matrix *rows = &model_item_rows(model)->sparse;
    const uint64_t dimensions = rows->columns;
    item_blocks blocks = {0};
    block_summary summary = {0};
    TRY(progress_report(context, "index clusters", "items", 0, rows->rows, NAN));
    TRY(item_blocks_create(context, rows, choose_size(rows->rows, params->block), &blocks));
    TRY(block_summary_create(context, rows, model->table.priors, &blocks, params->summary, &summary));
    const float norms[2] = {summary.rest, summary.norm};
    TRY(add_array(context, out, "items", TENSOR_U32, blocks.items, rows->rows));
    TRY(add_array(context, out, "begins", TENSOR_U32, blocks.begins, (uint64_t)blocks.count + 1));
    TRY(add_array(context, out, "highest-begins", TENSOR_U64, summary.highest_begins, dimensions + 1));
    TRY(add_array(context, out, "highest", TENSOR_U32, summary.highest, summary.highest_begins[dimensions]));
    TRY(add_array(context, out, "lowest-begins", TENSOR_U64, summary.lowest_begins, dimensions + 1));
    TRY(add_array(context, out, "lowest", TENSOR_U32, summary.lowest, summary.lowest_begins[dimensions]));
    TRY(add_array(context, out, "norms", TENSOR_F32, norms, 2));
    TRY(progress_report(context, "index clusters", "items", rows->rows, rows->rows, NAN));
done:
    item_blocks_clear(&blocks);
    block_summary_clear(&summary);
    return status;
}

static void clusters_close(void *memory)
{
    cluster_view *view = memory;
    if (!view)
        return;
    free(view->finish);
    free(view);
}

/* The array holds offsets that ascend from 0 to `end`. */
static topn_status check_begins(topn_context *context, const index_array *array, uint64_t end)
{
    const bool wide = array->type == TENSOR_U64;
    uint64_t before = 0;
    for (uint64_t at = 0; at < array->rows; at++) {
        const uint64_t begin = wide ? ((const uint64_t *)array->bytes)[at] : ((const uint32_t *)array->bytes)[at];
        if (begin < before || begin > end || (at == 0 && begin != 0) || (at + 1 == array->rows && begin != end))
            return fail(context, TOPN_ERROR_FORMAT, "array %s: element %" PRIu64 " does not fit the others",
                        array->stored, at);
        before = begin;
    }
    return TOPN_OK;
}

/* Each item once. */
static topn_status check_permutation(topn_context *context, const index_array *array)
{
    topn_status status;
    const uint32_t *items = array->bytes;
    unsigned char *seen = NULL;
    TRY(ALLOCATE_ZEROED(context, array->rows, &seen));
    for (uint64_t at = 0; status == TOPN_OK && at < array->rows; at++) {
        if (items[at] >= array->rows || seen[items[at]])
            status = fail(context, TOPN_ERROR_FORMAT, "array %s: element %" PRIu64 " is not one of the items, or twice",
                          array->stored, at);
        else
            seen[items[at]] = 1;
    }
done:
    free(seen);
    return status;
}

/* Blocks that there are, with finite values. */
static topn_status check_entries(topn_context *context, const index_array *array, uint32_t blocks)
{
    const uint32_t *entries = array->bytes;
    for (uint64_t at = 0; at < array->rows; at++)
        if ((entries[at] & 0xffff) >= blocks || (entries[at] & UINT32_C(0x7f800000)) == UINT32_C(0x7f800000))
            return fail(context, TOPN_ERROR_FORMAT, "array %s: element %" PRIu64 " is no block's value", array->stored,
                        at);
    return TOPN_OK;
}

/* One end's two arrays. */
static topn_status open_postings(topn_context *context, const model_index *index, const char *begins_name,
                                 const char *name, uint32_t dimensions, uint32_t blocks, block_postings *out)
{
    topn_status status;
    const index_array *begins, *entries;
    TRY(model_index_require(context, index, begins_name, TENSOR_U64, (uint64_t)dimensions + 1, 0, &begins));
    TRY(model_index_require(context, index, name, TENSOR_U32, UINT64_MAX, 0, &entries));
    TRY(check_begins(context, begins, entries->rows));
    TRY(check_entries(context, entries, blocks));
    *out = (block_postings){.begins = begins->bytes, .entries = entries->bytes};
done:
    return status;
}

static topn_status make_finish(topn_context *context, cluster_view *view)
{
    const float *priors = view->model->table.priors, *biases = view->model->table.biases;
    view->most_prior = 1.0f;
    if (!priors && !biases)
        return TOPN_OK;
    const topn_status status = ALLOCATE(context, view->blocks, &view->finish);
    for (uint32_t block = 0; status == TOPN_OK && block < view->blocks; block++) {
        block_finish finish = {.least_prior = INFINITY, .most_prior = -INFINITY, .most_bias = -INFINITY};
        for (uint32_t at = view->begins[block]; at < view->begins[block + 1]; at++) {
            const float prior = priors ? fabsf(priors[view->items[at]]) : 1.0f;
            finish.least_prior = fminf(finish.least_prior, prior);
            finish.most_prior = fmaxf(finish.most_prior, prior);
            finish.most_bias = fmaxf(finish.most_bias, biases ? biases[view->items[at]] : 0.0f);
        }
        view->finish[block] = finish;
        view->most_prior = fmaxf(view->most_prior, finish.most_prior);
    }
    return status;
}

/* Σ of so many terms in single precision is off by at most 2⁻²⁴ · terms · ‖φ‖ · ‖ψ‖, in the score and in the sum of
 * the terms that are kept. Without anything left out the sum is a bound by itself (clusters.h). */
static double rest_of(const sparse_matrix *rows, const float *norms)
{
    uint64_t longest = 0;
    for (uint32_t item = 0; item < rows->rows; item++)
        if (rows->indptr[item + 1] - rows->indptr[item] > longest)
            longest = rows->indptr[item + 1] - rows->indptr[item];
    return norms[0] > 0.0f ? (double)norms[0] + (double)norms[1] * (double)longest * 0x1p-22 : 0.0;
}

static topn_status clusters_open(topn_context *context, const topn_model *model, const model_index *index,
                                 const void *params, void **out)
{
    topn_status status;
    const sparse_matrix *rows = &model_item_rows(model)->sparse;
    const index_array *items, *begins, *norms;
    cluster_view *view = NULL;
    *out = NULL;
    TRY(model_index_require(context, index, "items", TENSOR_U32, rows->rows, 0, &items));
    TRY(model_index_require(context, index, "begins", TENSOR_U32, UINT64_MAX, 0, &begins));
    TRY(model_index_require(context, index, "norms", TENSOR_F32, 2, 0, &norms));
    const float *values = norms->bytes;
    if (!(isfinite(values[0]) && isfinite(values[1]) && values[0] >= 0.0f && values[1] >= 0.0f))
        return fail(context, TOPN_ERROR_FORMAT, "array %s: %g and %g are not two norms", norms->stored,
                    (double)values[0], (double)values[1]);
    if (begins->rows < 2 || begins->rows - 1 > CLUSTERS_MOST_BLOCKS)
        return fail(context, TOPN_ERROR_FORMAT, "array %s: %" PRIu64 " elements are not those of 1 to %d blocks",
                    begins->stored, begins->rows, (int)CLUSTERS_MOST_BLOCKS);
    TRY(check_permutation(context, items));
    TRY(check_begins(context, begins, rows->rows));
    TRY(ALLOCATE_ZEROED(context, 1, &view));
    view->model = model;
    view->rows = rows;
    view->items = items->bytes;
    view->begins = begins->bytes;
    view->blocks = (uint32_t)(begins->rows - 1);
    view->effort = ((const cluster_params *)params)->effort;
    view->rest = rest_of(rows, values);
    TRY(open_postings(context, index, "highest-begins", "highest", rows->columns, view->blocks, &view->highest));
    TRY(open_postings(context, index, "lowest-begins", "lowest", rows->columns, view->blocks, &view->lowest));
    TRY(make_finish(context, view));
    *out = view;
    return TOPN_OK;
done:
    clusters_close(view);
    return status;
}

static void clusters_scratch_free(void *memory)
{
    cluster_scratch *scratch = memory;
    if (!scratch)
        return;
    candidates_clear(&scratch->pool);
    free(scratch->bounds);
    free(scratch);
}

static topn_status clusters_scratch_create(topn_context *context, const void *memory, void **out)
{
    topn_status status;
    const cluster_view *view = memory;
    cluster_scratch *scratch = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(candidates_create(context, view->blocks, &scratch->pool));
    TRY(ALLOCATE(context, view->blocks, &scratch->bounds));
    *out = scratch;
    return TOPN_OK;
done:
    clusters_scratch_free(scratch);
    return status;
}

/* Bounds of the blocks' scores, but for the rest. */
static void bound_blocks(const cluster_view *view, const float *phi, float *bounds)
{
    memset(bounds, 0, view->blocks * sizeof *bounds);
    block_sums(&view->highest, &view->lowest, view->rows->columns, phi, bounds);
    for (uint32_t block = 0; view->finish && block < view->blocks; block++) {
        const block_finish *finish = &view->finish[block];
        const float prior = bounds[block] < 0.0f ? finish->least_prior : finish->most_prior;
        bounds[block] = bounds[block] * prior + finish->most_bias;
    }
}

static double norm_of(const float *phi, uint32_t dimensions)
{
    double square = 0.0;
    for (uint32_t dimension = 0; dimension < dimensions; dimension++)
        square += (double)phi[dimension] * (double)phi[dimension];
    return sqrt(square) * (1 + 1e-9);
}

/* Scores the items of the `wanted` blocks with the highest bounds; true when the others cannot be in the answer. */
static bool visit_blocks(const cluster_view *view, cluster_scratch *scratch, const index_question *question,
                         uint32_t wanted, double rest, top_list *best)
{
    const embedding_table *rows = model_item_rows(view->model);
    uint32_t block;
    float bound;
    best->count = 0;
    candidates_start(&scratch->pool, wanted);
    for (block = 0; block < view->blocks; block++)
        candidates_offer(&scratch->pool, block, scratch->bounds[block]);
    candidates_order(&scratch->pool);
    while (candidates_pop(&scratch->pool, &block, &bound)) {
        const double reach = (double)bound + rest;
        if (best->count == best->room && reach + 1e-6 * fabs(reach) * (rest > 0.0) < (double)best->scores[0])
            return true;
        for (uint32_t at = view->begins[block]; at < view->begins[block + 1]; at++) {
            const uint32_t item = view->items[at];
            if (question->refused && question->refused[item])
                continue;
            const float score = item_score(view->model, rows, question->phi, item);
            if (score > -INFINITY)
                top_list_offer(best, item, score);
        }
    }
    return wanted == view->blocks;
}

static size_t clusters_search(const void *memory, void *scratch_memory, const index_question *question,
                              uint32_t *item_out, float *score_out)
{
    const cluster_view *view = memory;
    cluster_scratch *scratch = scratch_memory;
    const size_t found = question->n < question->allowed ? question->n : question->allowed;
    if (found == 0)
        return 0;
    top_list best = {.items = item_out, .scores = score_out, .room = found};
    const double items =
        fmax(view->effort * view->model->items, LEAST_ITEMS + (double)LEAST_CANDIDATES * (double)found);
    const double share = fmin(items / view->model->items, 1.0);
    uint32_t wanted = (uint32_t)ceil(share * view->blocks);
    bound_blocks(view, question->phi, scratch->bounds);
    const double rest =
        view->rest > 0.0 ? view->rest * norm_of(question->phi, view->rows->columns) * (double)view->most_prior : 0.0;
    while (!visit_blocks(view, scratch, question, wanted, rest, &best) && best.count < found)
        wanted = view->blocks / MORE < wanted ? view->blocks : wanted * MORE;
    top_list_sort(&best);
    return best.count;
}

static const index_operations cluster_operations = {
    .check = clusters_check,
    .build = clusters_build,
    .open = clusters_open,
    .close = clusters_close,
    .scratch_create = clusters_scratch_create,
    .scratch_free = clusters_scratch_free,
    .search = clusters_search,
};

const retriever_kind retriever_clusters = {
    .name = "clusters",
    .summary = "sparse item rows in blocks whose scores are bounded, the best blocks scored",
    .paper = "after Bruch, Nardini, Rulli and Venturini 2024",
    .options = &cluster_option_table,
    .index = &cluster_operations,
};
