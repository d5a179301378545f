/* SPDX-License-Identifier: Apache-2.0
 *
 * Arrays of the index, N items:
 *
 *   settings     U64 [5]      m, width of the building search, width of searches, entry, level of the entry
 *   links        U32 [N, 2m]  level 0
 *   levels       U8 [N]
 *   upper-start  U32 [N]      row of `upper` with the item's links on level 1; level l stands l−1 rows further
 *   upper        U32 [rows, m]
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "retrieve/hnsw_build.h"
#include "retrieve/index_query.h"

typedef struct hnsw_params {
    int64_t m, build_width, width;
} hnsw_params;

enum { STANDARD_WIDTH = 200, SETTINGS = 5 };
enum { SETTING_M, SETTING_BUILD_WIDTH, SETTING_WIDTH, SETTING_ENTRY, SETTING_TOP };

static const option_row options[] = {
    OPTION_INTEGER(
        hnsw_params, m, "m", 16, 2, 256,
        "building: links of an item, on the lowest level twice as many; more find more and take more memory"),
    OPTION_INTEGER(hnsw_params, build_width, "ef-construction", 200, 1, 100000,
                   "building: candidates that the links of an item are chosen from"),
    OPTION_INTEGER(hnsw_params, width, "ef", 0, 0, 10000000,
                   "searching: best items kept in sight, at least as many as are asked for; more find more and take "
                   "longer; 0 = as the index was built with, where that was 0, too, 200"),
};
static const option_table hnsw_option_table = OPTION_TABLE(hnsw_params, options);

typedef struct hnsw_view {
    hnsw_graph graph;
    size_t width;
} hnsw_view;

static topn_status check(topn_context *context, const topn_model *model)
{
    (void)context;
    (void)model; /* every model with item embeddings */
    return TOPN_OK;
}

static topn_status build_index(topn_context *context, const topn_model *model, const void *given, model_index *out)
{
    const hnsw_params *params = given;
    const uint32_t items = model->items, m = (uint32_t)params->m;
    const topn_status fits =
        memory_check(context, "index hnsw", hnsw_build_bytes(context, items, m, (size_t)params->build_width),
                     "use fewer links (--m) or --threads");
    if (fits != TOPN_OK)
        return fits;
    hnsw_graph graph = {.model = model, .rows = model_item_rows(model), .items = items, .m = m, .entry = HNSW_NONE};
    uint64_t *settings = model_index_add(context, out, "settings", TENSOR_U64, SETTINGS, 0);
    graph.links = settings ? model_index_add(context, out, "links", TENSOR_U32, items, 2 * m) : NULL;
    graph.levels = graph.links ? model_index_add(context, out, "levels", TENSOR_U8, items, 0) : NULL;
    graph.upper_start = graph.levels ? model_index_add(context, out, "upper-start", TENSOR_U32, items, 0) : NULL;
    if (!graph.upper_start)
        return TOPN_ERROR_MEMORY;
    const uint64_t rows = hnsw_draw_levels(context->seed, items, m, graph.levels, graph.upper_start);
    graph.upper = model_index_add(context, out, "upper", TENSOR_U32, rows, m);
    if (!graph.upper)
        return TOPN_ERROR_MEMORY;
    memset(graph.links, 0xff, (size_t)items * 2 * m * sizeof *graph.links);
    memset(graph.upper, 0xff, (size_t)rows * m * sizeof *graph.upper);
    const topn_status status = hnsw_build(context, &graph, (size_t)params->build_width);
    settings[SETTING_M] = m;
    settings[SETTING_BUILD_WIDTH] = (uint64_t)params->build_width;
    settings[SETTING_WIDTH] = params->width ? (uint64_t)params->width : STANDARD_WIDTH;
    settings[SETTING_ENTRY] = graph.entry;
    settings[SETTING_TOP] = graph.top;
    return status;
}

/* A list of links to other items that lie on the level. */
static bool good_links(const hnsw_graph *graph, uint32_t item, unsigned level)
{
    size_t room;
    const uint32_t *links = hnsw_links(graph, item, level, &room);
    bool good = true;
    for (size_t place = 0; place < room && links[place] != HNSW_NONE; place++)
        good &= links[place] < graph->items && graph->levels[links[place]] >= level;
    return good;
}

static topn_status check_graph(topn_context *context, const hnsw_graph *graph, uint64_t rows)
{
    for (uint32_t item = 0; item < graph->items; item++) {
        const unsigned levels = graph->levels[item];
        if (levels >= HNSW_LEVELS)
            return fail(context, TOPN_ERROR_FORMAT, "array index.hnsw.levels: item %" PRIu32 " on level %u", item,
                        levels);
        if (levels && (uint64_t)graph->upper_start[item] + levels > rows)
            return fail(context, TOPN_ERROR_FORMAT,
                        "array index.hnsw.upper-start: item %" PRIu32 " from %" PRIu32 " on, of %" PRIu64 " rows", item,
                        graph->upper_start[item], rows);
    }
    for (uint32_t item = 0; item < graph->items; item++)
        for (unsigned level = 0; level <= graph->levels[item]; level++)
            if (!good_links(graph, item, level))
                return fail(context, TOPN_ERROR_FORMAT,
                            "array index.hnsw.%s: item %" PRIu32 " is linked to what is not on level %u",
                            level ? "upper" : "links", item, level);
    return TOPN_OK;
}

static topn_status check_settings(topn_context *context, const uint64_t *settings, const hnsw_graph *graph)
{
    static const char what[] = "array index.hnsw.settings";
    if (settings[SETTING_M] < 2 || settings[SETTING_M] > 256)
        return fail(context, TOPN_ERROR_FORMAT, "%s: %" PRIu64 " links an item, not 2 … 256", what,
                    settings[SETTING_M]);
    if (settings[SETTING_WIDTH] < 1 || settings[SETTING_WIDTH] > UINT32_MAX)
        return fail(context, TOPN_ERROR_FORMAT, "%s: a width of %" PRIu64, what, settings[SETTING_WIDTH]);
    if (!graph)
        return TOPN_OK;
    if (graph->items &&
        (settings[SETTING_ENTRY] >= graph->items || graph->levels[settings[SETTING_ENTRY]] != settings[SETTING_TOP]))
        return fail(context, TOPN_ERROR_FORMAT, "%s: item %" PRIu64 " is no entry on level %" PRIu64, what,
                    settings[SETTING_ENTRY], settings[SETTING_TOP]);
    return TOPN_OK;
}

static topn_status open_index(topn_context *context, const topn_model *model, const model_index *arrays,
                              const void *given, void **view)
{
    const hnsw_params *params = given;
    topn_status status;
    const index_array *settings, *links, *levels, *start, *upper;
    hnsw_view *made = NULL;
    *view = NULL;
    TRY(model_index_require(context, arrays, "settings", TENSOR_U64, SETTINGS, 0, &settings));
    const uint64_t *values = settings->bytes;
    TRY(check_settings(context, values, NULL));
    const uint64_t m = values[SETTING_M];
    TRY(model_index_require(context, arrays, "links", TENSOR_U32, model->items, 2 * m, &links));
    TRY(model_index_require(context, arrays, "levels", TENSOR_U8, model->items, 0, &levels));
    TRY(model_index_require(context, arrays, "upper-start", TENSOR_U32, model->items, 0, &start));
    TRY(model_index_require(context, arrays, "upper", TENSOR_U32, UINT64_MAX, m, &upper));
    TRY(ALLOCATE_ZEROED(context, 1, &made));
    made->graph = (hnsw_graph){.model = model,
                               .rows = model_item_rows(model),
                               .items = model->items,
                               .m = (uint32_t)m,
                               .links = links->bytes,
                               .levels = levels->bytes,
                               .upper_start = start->bytes,
                               .upper = upper->bytes,
                               .entry = (uint32_t)values[SETTING_ENTRY],
                               .top = (unsigned)values[SETTING_TOP]};
    made->width = params->width ? (size_t)params->width : (size_t)values[SETTING_WIDTH];
    TRY(check_graph(context, &made->graph, upper->rows));
    TRY(check_settings(context, values, &made->graph));
    *view = made;
    return TOPN_OK;
done:
    free(made);
    return status;
}

static topn_status scratch_create(topn_context *context, const void *view, void **out)
{
    topn_status status;
    hnsw_scratch *scratch = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(hnsw_scratch_create(context, &((const hnsw_view *)view)->graph, scratch));
    *out = scratch;
    return TOPN_OK;
done:
    free(scratch);
    return status;
}

static void scratch_free(void *scratch)
{
    if (scratch)
        hnsw_scratch_clear(scratch);
    free(scratch);
}

/* A search meets some width·m items for as many found as it has in sight, and that over the share of items that may be
 * found; an exact answer looks at every allowed item, in order. */
static bool exact_is_cheaper(const hnsw_view *view, const index_question *question, size_t width)
{
    const double met = (double)width * view->graph.m * view->graph.items / question->allowed;
    return question->allowed < met;
}

static size_t search(const void *opened, void *scratch, const index_question *question, uint32_t *item_out,
                     float *score_out)
{
    const hnsw_view *view = opened;
    const hnsw_graph *graph = &view->graph;
    const size_t width = view->width > question->n ? view->width : question->n;
    const hnsw_probe probe = {.vector = question->phi};
    if (exact_is_cheaper(view, question, width))
        return exact_allowed(graph->model, graph->rows, question, item_out, score_out);
    top_list *found = &((hnsw_scratch *)scratch)->found;
    const uint32_t start = hnsw_descend(graph, &probe, 0);
    hnsw_search_level(graph, &probe, &start, 1, 0, width, question->refused, scratch);
    if (found->count < question->n) /* what the graph reaches is not enough */
        return exact_allowed(graph->model, graph->rows, question, item_out, score_out);
    top_list_sort(found);
    size_t count = 0;
    for (; count < question->n && found->scores[count] > -INFINITY; count++) {
        item_out[count] = found->items[count];
        score_out[count] = found->scores[count];
    }
    return count;
}

static const index_operations operations = {
    .check = check,
    .build = build_index,
    .open = open_index,
    .close = free,
    .scratch_create = scratch_create,
    .scratch_free = scratch_free,
    .search = search,
};

const retriever_kind retriever_hnsw = {
    .name = "hnsw",
    .summary = "walks a graph that links items to those they would score high: hierarchical navigable small worlds",
    .paper = "P2 §6.2; Malkov, Yashunin 2018; Morozov, Babenko 2018",
    .options = &hnsw_option_table,
    .index = &operations,
};
