/* SPDX-License-Identifier: Apache-2.0
 *
 * Inverted lists: dense item rows in lists around the centres of k-means, in 8 bits a number (int8_rows.h). The lists
 * with the highest centres are scored, `candidates` · n best of them again by the rows themselves.
 *
 *   centres  [lists × dimensions]      means of the rows times their priors
 *   begins   [lists + 1]               groups of 16 places where a list begins
 *   items    [groups · 16]             the item in a place, or 2³² − 1
 *   scales   [groups · 16]             scale of its row times the item's prior
 *   codes    [groups × quads · 64]
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/option_table.h"
#include "numeric/finite.h"
#include "retrieve/candidates.h"
#include "retrieve/int8_rows.h"
#include "retrieve/item_score.h"
#include "retrieve/kmeans.h"
#include "retrieve/retriever.h"

enum { CHUNK = 64 }; /* groups that are scored together */
#define NO_ITEM UINT32_MAX

typedef struct ivf_params {
    int64_t lists;
    double effort, candidates;
} ivf_params;

static const option_row ivf_options[] = {
    OPTION_INTEGER(ivf_params, lists, "lists", 0, 0, 1 << 20,
                   "lists that the items are parted into; 0 = twice the square root of the items"),
    OPTION_REAL(ivf_params, effort, "effort", 0.2, 1e-6, 1, "share of the lists that are searched"),
    OPTION_REAL(ivf_params, candidates, "candidates", 4, 1, 1e6,
                "items scored again by their own rows, in multiples of the length of the list"),
};
static const option_table ivf_option_table = OPTION_TABLE(ivf_params, ivf_options);

typedef struct ivf_view {
    const topn_model *model;
    const float *centres;   /* [lists × columns] */
    float *biases;          /* [lists] highest of the items', owned */
    const uint32_t *begins; /* [lists + 1] */
    const uint32_t *items;  /* [groups × 16] */
    const float *scales;    /* [groups × 16] */
    const uint8_t *codes;   /* [groups × quads × 64] */
    size_t columns, quads;
    uint32_t lists;
    double effort, candidates;
} ivf_view;

typedef struct ivf_scratch {
    int8_t *query;          /* [4 · quads] */
    candidates lists, pool; /* pool: items */
    int32_t sums[CHUNK * INT8_GROUP];
    float scores[CHUNK * INT8_GROUP];
} ivf_scratch;

static topn_status ivf_check(topn_context *context, const topn_model *model)
{
    const embedding_table *rows = model_item_rows(model);
    if (!rows || rows->form != TABLE_DENSE)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "index ivf: it serves models with a dense item table; %s",
                    rows && rows->form == TABLE_SPARSE ? "this one's is sparse, which index clusters serves"
                                                       : "this model has none, only exact retrieval serves it");
    if (rows->dense.columns > INT8_MOST_COLUMNS)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "index ivf: it serves up to %d dimensions, the model has %zu",
                    (int)INT8_MOST_COLUMNS, rows->dense.columns);
    return TOPN_OK;
}

static uint32_t choose_lists(const ivf_params *params, size_t items)
{
    const double wanted = params->lists ? (double)params->lists : ceil(2 * sqrt((double)items));
    return wanted < (double)items ? (uint32_t)wanted : (uint32_t)items;
}

/* Groups where each list begins, from the items' homes. */
static void count_groups(const uint32_t *home, uint32_t items, uint32_t lists, uint32_t *begins)
{
    for (uint32_t item = 0; item < items; item++)
        begins[home[item] + 1]++;
    for (uint32_t list = 0; list < lists; list++)
        begins[list + 1] = begins[list] + (begins[list + 1] + INT8_GROUP - 1) / INT8_GROUP;
}

/* Items into the places of their lists, ascending; `cursors` [lists] is scratch. */
static void fill_places(const uint32_t *home, uint32_t items, uint32_t lists, const uint32_t *begins, uint64_t *cursors,
                        uint32_t *places)
{
    for (uint32_t list = 0; list < lists; list++)
        cursors[list] = (uint64_t)begins[list] * INT8_GROUP;
    for (uint64_t place = 0; place < (uint64_t)begins[lists] * INT8_GROUP; place++)
        places[place] = NO_ITEM;
    for (uint32_t item = 0; item < items; item++)
        places[cursors[home[item]]++] = item;
}

static topn_status ivf_build(topn_context *context, const topn_model *model, const void *params, model_index *out)
{
    topn_status status;
    const dense_matrix *rows = &model_item_rows(model)->dense;
    const float *priors = model->table.priors;
    const size_t quads = int8_quads(rows->columns), width = quads * INT8_GROUP_QUAD;
    const uint32_t lists = choose_lists(params, rows->rows);
    uint32_t *home = NULL;
    uint64_t *cursors = NULL;
    TRY(progress_report(context, "index ivf", "items", 0, rows->rows, NAN));
    TRY(ALLOCATE(context, rows->rows, &home));
    TRY(ALLOCATE(context, lists, &cursors));
    float *centres = model_index_add(context, out, "centres", TENSOR_F32, lists, rows->columns);
    uint32_t *begins = centres ? model_index_add(context, out, "begins", TENSOR_U32, (uint64_t)lists + 1, 0) : NULL;
    TRY(begins ? kmeans(context, rows, priors, lists, centres, home) : TOPN_ERROR_MEMORY);
    count_groups(home, model->items, lists, begins);
    const size_t groups = begins[lists], places = groups * INT8_GROUP;
    uint32_t *items = model_index_add(context, out, "items", TENSOR_U32, places, 0);
    float *scales = items ? model_index_add(context, out, "scales", TENSOR_F32, places, 0) : NULL;
    uint8_t *codes = scales ? model_index_add(context, out, "codes", TENSOR_U8, groups, width) : NULL;
    TRY(codes ? TOPN_OK : TOPN_ERROR_MEMORY);
    memset(codes, INT8_ZERO, groups * width);
    fill_places(home, model->items, lists, begins, cursors, items);
#pragma omp parallel for num_threads(context->threads) schedule(static)
    for (size_t place = 0; place < places; place++) {
        if (items[place] == NO_ITEM)
            continue;
        const float scale = int8_encode_row(rows->values + items[place] * rows->columns, rows->columns,
                                            place % INT8_GROUP, codes + place / INT8_GROUP * width);
        scales[place] = priors ? scale * priors[items[place]] : scale;
    }
    TRY(progress_report(context, "index ivf", "items", rows->rows, rows->rows, NAN));
done:
    free(home);
    free(cursors);
    return status;
}

static void ivf_close(void *memory)
{
    ivf_view *view = memory;
    if (!view)
        return;
    free(view->biases);
    free(view);
}

static topn_status check_finite(topn_context *context, const index_array *array)
{
    const uint64_t count = array->rows * (array->columns ? array->columns : 1);
    const size_t infinite = first_infinite(array->bytes, count, context->threads);
    return infinite == SIZE_MAX ? TOPN_OK
                                : fail(context, TOPN_ERROR_FORMAT, "array %s: element %zu is not a finite number",
                                       array->stored, infinite);
}

/* Lists that follow each other and hold `groups` in all. */
static topn_status check_begins(topn_context *context, const index_array *array, uint64_t groups)
{
    const uint32_t *begins = array->bytes;
    for (uint64_t list = 0; list < array->rows; list++)
        if (begins[list] > groups || (list ? begins[list] < begins[list - 1] : begins[list] != 0) ||
            (list + 1 == array->rows && begins[list] != groups))
            return fail(context, TOPN_ERROR_FORMAT, "array %s: element %" PRIu64 " does not fit the others",
                        array->stored, list);
    return TOPN_OK;
}

/* Each item in one place. */
static topn_status check_items_once(topn_context *context, const index_array *array, uint32_t items)
{
    topn_status status;
    const uint32_t *places = array->bytes;
    unsigned char *seen = NULL;
    uint64_t count = 0;
    TRY(ALLOCATE_ZEROED(context, items, &seen));
    for (uint64_t place = 0; status == TOPN_OK && place < array->rows; place++) {
        if (places[place] == NO_ITEM)
            continue;
        if (places[place] >= items || seen[places[place]])
            status = fail(context, TOPN_ERROR_FORMAT, "array %s: element %" PRIu64 " is not one of the items, or twice",
                          array->stored, place);
        else {
            seen[places[place]] = 1;
            count++;
        }
    }
    if (status == TOPN_OK && count != items)
        status = fail(context, TOPN_ERROR_FORMAT, "array %s: %" PRIu64 " items, the model has %" PRIu32, array->stored,
                      count, items);
done:
    free(seen);
    return status;
}

/* The highest bias in each list; all 0 without biases. */
static topn_status find_biases(topn_context *context, ivf_view *view)
{
    const float *biases = view->model->table.biases;
    const topn_status status = ALLOCATE_ZEROED(context, view->lists, &view->biases);
    for (uint32_t list = 0; status == TOPN_OK && biases && list < view->lists; list++) {
        float highest = -INFINITY;
        for (size_t place = (size_t)view->begins[list] * INT8_GROUP;
             place < (size_t)view->begins[list + 1] * INT8_GROUP; place++)
            if (view->items[place] != NO_ITEM)
                highest = fmaxf(highest, biases[view->items[place]]);
        view->biases[list] = highest;
    }
    return status;
}

static topn_status ivf_open(topn_context *context, const topn_model *model, const model_index *index,
                            const void *memory, void **out)
{
    topn_status status;
    const ivf_params *params = memory;
    const size_t columns = model_item_rows(model)->dense.columns, quads = int8_quads(columns);
    const index_array *centres, *begins, *items, *scales, *codes;
    ivf_view *view = NULL;
    *out = NULL;
    TRY(model_index_require(context, index, "centres", TENSOR_F32, UINT64_MAX, columns, &centres));
    const uint64_t lists = centres->rows;
    if (lists == 0 || lists > model->items)
        return fail(context, TOPN_ERROR_FORMAT, "array %s: %" PRIu64 " rows are not those of 1 to %" PRIu32 " lists",
                    centres->stored, lists, model->items);
    TRY(model_index_require(context, index, "begins", TENSOR_U32, lists + 1, 0, &begins));
    TRY(model_index_require(context, index, "codes", TENSOR_U8, UINT64_MAX, quads * INT8_GROUP_QUAD, &codes));
    TRY(model_index_require(context, index, "items", TENSOR_U32, codes->rows * INT8_GROUP, 0, &items));
    TRY(model_index_require(context, index, "scales", TENSOR_F32, codes->rows * INT8_GROUP, 0, &scales));
    TRY(check_finite(context, centres));
    TRY(check_finite(context, scales));
    TRY(check_begins(context, begins, codes->rows));
    TRY(check_items_once(context, items, model->items));
    TRY(ALLOCATE_ZEROED(context, 1, &view));
    *view = (ivf_view){.model = model,
                       .centres = centres->bytes,
                       .begins = begins->bytes,
                       .items = items->bytes,
                       .scales = scales->bytes,
                       .codes = codes->bytes,
                       .columns = columns,
                       .quads = quads,
                       .lists = (uint32_t)lists,
                       .effort = params->effort,
                       .candidates = params->candidates};
    TRY(find_biases(context, view));
    *out = view;
    return TOPN_OK;
done:
    ivf_close(view);
    return status;
}

static void ivf_scratch_free(void *memory)
{
    ivf_scratch *scratch = memory;
    if (!scratch)
        return;
    free(scratch->query);
    candidates_clear(&scratch->lists);
    candidates_clear(&scratch->pool);
    free(scratch);
}

static topn_status ivf_scratch_create(topn_context *context, const void *memory, void **out)
{
    topn_status status;
    const ivf_view *view = memory;
    ivf_scratch *scratch = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(ALLOCATE(context, 4 * view->quads, &scratch->query));
    TRY(candidates_create(context, view->lists, &scratch->lists));
    TRY(candidates_create(context, view->model->items, &scratch->pool));
    *out = scratch;
    return TOPN_OK;
done:
    ivf_scratch_free(scratch);
    return status;
}

/* Scores the items of one list; returns how many of them may appear. */
static size_t search_list(const ivf_view *view, ivf_scratch *scratch, const index_question *question, uint32_t list,
                          float scale, int32_t query_sum)
{
    const float *biases = view->model->table.biases;
    const size_t end = view->begins[list + 1];
    size_t allowed = 0;
    for (size_t group = view->begins[list]; group < end; group += CHUNK) {
        const size_t groups = end - group < CHUNK ? end - group : CHUNK, count = groups * INT8_GROUP;
        const uint32_t *items = view->items + group * INT8_GROUP;
        int8_sums(view->codes + group * view->quads * INT8_GROUP_QUAD, groups, view->quads, scratch->query, query_sum,
                  0, scratch->sums);
        for (size_t at = 0; at < count; at++)
            scratch->scores[at] = (float)scratch->sums[at] * (view->scales[group * INT8_GROUP + at] * scale);
        for (size_t at = 0; at < count; at++) {
            if (items[at] == NO_ITEM || (question->refused && question->refused[items[at]]))
                continue;
            allowed++;
            candidates_offer(&scratch->pool, items[at], scratch->scores[at] + (biases ? biases[items[at]] : 0.0f));
        }
    }
    return allowed;
}

static size_t ivf_search(const void *memory, void *scratch_memory, const index_question *question, uint32_t *item_out,
                         float *score_out)
{
    const ivf_view *view = memory;
    ivf_scratch *scratch = scratch_memory;
    if (question->allowed == 0)
        return 0;
    int32_t query_sum;
    uint32_t list;
    float centre;
    const float scale = int8_encode_query(question->phi, view->columns, scratch->query, &query_sum);
    const size_t wanted = candidates_wanted(question, view->candidates);
    const uint32_t least = (uint32_t)ceil(view->effort * view->lists);
    candidates_start(&scratch->pool, wanted);
    candidates_start(&scratch->lists, view->lists);
    for (list = 0; list < view->lists; list++) {
        if (view->begins[list] == view->begins[list + 1])
            continue;
        centre = dense_product(question->phi, view->centres + list * view->columns, view->columns) + view->biases[list];
        candidates_offer(&scratch->lists, list, isfinite(centre) ? centre : INFINITY);
    }
    candidates_order(&scratch->lists);
    size_t allowed = 0;
    for (uint32_t searched = 0;
         (searched < least || allowed < wanted) && candidates_pop(&scratch->lists, &list, &centre); searched++)
        allowed += search_list(view, scratch, question, list, scale, query_sum);
    return candidates_rescore(&scratch->pool, view->model, question, item_out, score_out);
}

static const index_operations ivf_operations = {
    .check = ivf_check,
    .build = ivf_build,
    .open = ivf_open,
    .close = ivf_close,
    .scratch_create = ivf_scratch_create,
    .scratch_free = ivf_scratch_free,
    .search = ivf_search,
};

const retriever_kind retriever_ivf = {
    .name = "ivf",
    .summary = "dense item rows in lists around centres of k-means, in 8 bits a number, the best lists searched",
    .paper = "P2 §6.2, partitioning and quantisation",
    .options = &ivf_option_table,
    .index = &ivf_operations,
};
