/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense item rows in 8 bits a number: all of them are scored by these, a quarter of the memory that exact retrieval
 * reads, and `candidates` · n best of them again by the rows themselves. Biases are exact in both.
 *
 *   codes   [groups × quads · 64]  the rows (int8_rows.h)
 *   scales  [items]                scale of a row times the item's prior
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
#include "retrieve/retriever.h"

enum {
    CHUNK = 64,              /* groups that are scored together: 4 KiB of scores */
    STRIDE = 64,             /* scores compared at once */
    PROGRESS_ROWS = 1 << 16, /* rows between two calls of the progress callback */
};

typedef struct int8_params {
    double candidates;
} int8_params;

static const option_row int8_options[] = {
    OPTION_REAL(int8_params, candidates, "candidates", 4, 1, 1e6,
                "items scored again by their own rows, in multiples of the length of the list"),
};
static const option_table int8_option_table = OPTION_TABLE(int8_params, int8_options);

typedef struct int8_view {
    const topn_model *model;
    const uint8_t *codes; /* [groups × quads × 64] */
    const float *scales;  /* [items] */
    size_t columns, quads, groups;
    double candidates;
} int8_view;

typedef struct int8_scratch {
    int8_t *query; /* [4 · quads] */
    candidates pool;
    int32_t sums[CHUNK * INT8_GROUP];
    float scores[CHUNK * INT8_GROUP];
} int8_scratch;

static topn_status int8_check(topn_context *context, const topn_model *model)
{
    const embedding_table *rows = model_item_rows(model);
    if (!rows || rows->form != TABLE_DENSE)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "index int8: it serves models with a dense item table; %s",
                    rows && rows->form == TABLE_SPARSE ? "this one's is sparse, which index clusters serves"
                                                       : "this model has none, only exact retrieval serves it");
    if (rows->dense.columns > INT8_MOST_COLUMNS)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "index int8: it serves up to %d dimensions, the model has %zu",
                    (int)INT8_MOST_COLUMNS, rows->dense.columns);
    return TOPN_OK;
}

static topn_status int8_build(topn_context *context, const topn_model *model, const void *params, model_index *out)
{
    (void)params;
    topn_status status;
    const dense_matrix *rows = &model_item_rows(model)->dense;
    const size_t quads = int8_quads(rows->columns), width = quads * INT8_GROUP_QUAD;
    const size_t groups = (rows->rows + INT8_GROUP - 1) / INT8_GROUP;
    uint8_t *codes = model_index_add(context, out, "codes", TENSOR_U8, groups, width);
    float *scales = codes ? model_index_add(context, out, "scales", TENSOR_F32, rows->rows, 0) : NULL;
    if (!scales)
        return TOPN_ERROR_MEMORY;
    memset(codes, INT8_ZERO, groups * width);
    for (size_t begin = 0; begin < rows->rows; begin += PROGRESS_ROWS) {
        const size_t end = rows->rows - begin < PROGRESS_ROWS ? rows->rows : begin + PROGRESS_ROWS;
        TRY(progress_report(context, "index int8", "items", begin, rows->rows, NAN));
#pragma omp parallel for num_threads(context->threads) schedule(static)
        for (size_t row = begin; row < end; row++) {
            const float scale = int8_encode_row(rows->values + row * rows->columns, rows->columns, row % INT8_GROUP,
                                                codes + row / INT8_GROUP * width);
            scales[row] = model->table.priors ? scale * model->table.priors[row] : scale;
        }
    }
    TRY(progress_report(context, "index int8", "items", rows->rows, rows->rows, NAN));
done:
    return status;
}

static void int8_close(void *view)
{
    free(view);
}

static topn_status int8_open(topn_context *context, const topn_model *model, const model_index *index,
                             const void *params, void **out)
{
    topn_status status;
    const dense_matrix *rows = &model_item_rows(model)->dense;
    const size_t quads = int8_quads(rows->columns), groups = (rows->rows + INT8_GROUP - 1) / INT8_GROUP;
    const index_array *codes, *scales;
    int8_view *view = NULL;
    *out = NULL;
    TRY(model_index_require(context, index, "codes", TENSOR_U8, groups, quads * INT8_GROUP_QUAD, &codes));
    TRY(model_index_require(context, index, "scales", TENSOR_F32, rows->rows, 0, &scales));
    const size_t infinite = first_infinite(scales->bytes, rows->rows, context->threads);
    if (infinite != SIZE_MAX)
        return fail(context, TOPN_ERROR_FORMAT, "array %s: element %zu is not a finite number", scales->stored,
                    infinite);
    TRY(ALLOCATE_ZEROED(context, 1, &view));
    *view = (int8_view){.model = model,
                        .codes = codes->bytes,
                        .scales = scales->bytes,
                        .columns = rows->columns,
                        .quads = quads,
                        .groups = groups,
                        .candidates = ((const int8_params *)params)->candidates};
    *out = view;
done:
    return status;
}

static void int8_scratch_free(void *memory)
{
    int8_scratch *scratch = memory;
    if (!scratch)
        return;
    free(scratch->query);
    candidates_clear(&scratch->pool);
    free(scratch);
}

static topn_status int8_scratch_create(topn_context *context, const void *memory, void **out)
{
    topn_status status;
    const int8_view *view = memory;
    int8_scratch *scratch = NULL;
    *out = NULL;
    TRY(ALLOCATE_ZEROED(context, 1, &scratch));
    TRY(ALLOCATE(context, 4 * view->quads, &scratch->query));
    TRY(candidates_create(context, view->model->items, &scratch->pool));
    *out = scratch;
    return TOPN_OK;
done:
    int8_scratch_free(scratch);
    return status;
}

static bool any_above(const float scores[STRIDE], float threshold)
{
    int above = 0;
    for (size_t lane = 0; lane < STRIDE; lane++)
        above |= scores[lane] > threshold;
    return above != 0;
}

/* Scores of `count` items from `first` on to the candidates. Items ascend, so an equal score is never better. */
static void take_chunk(candidates *pool, const index_question *question, uint32_t first, uint32_t count,
                       const float *scores)
{
    for (uint32_t begin = 0; begin < count; begin += STRIDE) {
        const uint32_t end = count - begin < STRIDE ? count : begin + STRIDE;
        if (end - begin == STRIDE && !any_above(scores + begin, pool->threshold))
            continue;
        for (uint32_t at = begin; at < end; at++)
            if (scores[at] > pool->threshold && !(question->refused && question->refused[first + at]))
                candidates_offer(pool, first + at, scores[at]);
    }
}

static size_t int8_search(const void *memory, void *scratch_memory, const index_question *question, uint32_t *item_out,
                          float *score_out)
{
    const int8_view *view = memory;
    int8_scratch *scratch = scratch_memory;
    const topn_model *model = view->model;
    const float *biases = model->table.biases;
    int32_t query_sum;
    if (question->allowed == 0)
        return 0;
    const float scale = int8_encode_query(question->phi, view->columns, scratch->query, &query_sum);
    candidates_start(&scratch->pool, candidates_wanted(question, view->candidates));
    for (size_t group = 0; group < view->groups; group += CHUNK) {
        const size_t groups = view->groups - group < CHUNK ? view->groups - group : CHUNK;
        const uint32_t first = (uint32_t)(group * INT8_GROUP), left = model->items - first;
        const uint32_t count = left < CHUNK * INT8_GROUP ? left : CHUNK * INT8_GROUP;
        int8_sums(view->codes + group * view->quads * INT8_GROUP_QUAD, groups, view->quads, scratch->query, query_sum,
                  0, scratch->sums);
        for (uint32_t at = 0; at < count; at++)
            scratch->scores[at] = (float)scratch->sums[at] * (view->scales[first + at] * scale);
        for (uint32_t at = 0; biases && at < count; at++)
            scratch->scores[at] += biases[first + at];
        take_chunk(&scratch->pool, question, first, count, scratch->scores);
    }
    return candidates_rescore(&scratch->pool, model, question, item_out, score_out);
}

static const index_operations int8_operations = {
    .check = int8_check,
    .build = int8_build,
    .open = int8_open,
    .close = int8_close,
    .scratch_create = int8_scratch_create,
    .scratch_free = int8_scratch_free,
    .search = int8_search,
};

const retriever_kind retriever_int8 = {
    .name = "int8",
    .summary = "dense item rows in 8 bits a number, the best again by the rows themselves",
    .paper = "P2 §6.2, quantisation",
    .options = &int8_option_table,
    .index = &int8_operations,
};
