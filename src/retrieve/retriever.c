/* SPDX-License-Identifier: Apache-2.0 */
#include "retrieve/retriever.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/registry.h"
#include "retrieve/cache.h"

static const option_row exact_options[] = {
    OPTION_SIZE(retriever_params, block_memory, "block-memory", "64M",
                "scratch memory per thread that the number of users scored together is chosen for"),
    OPTION_INTEGER(retriever_params, cut, "cut", 0, 0, UINT32_MAX,
                   "keep only so many entries of the user's embedding, the largest; 0 = as the model says"),
};
const option_table retriever_option_table = OPTION_TABLE(retriever_params, exact_options);

const retriever_kind retriever_exact = {
    .name = "exact",
    .summary = "scores every item; the answer equals a full sort",
    .paper = "P2 §6",
    .options = &retriever_option_table,
};

#define RETRIEVER(identifier) extern const retriever_kind retriever_##identifier;
#include "retrieve/retrievers.def"
#undef RETRIEVER

static const retriever_kind *const retrievers[] = {
#define RETRIEVER(identifier) &retriever_##identifier,
#include "retrieve/retrievers.def"
#undef RETRIEVER
};

REGISTRY_ACCESS(retriever_kind, retriever, retrievers)

/* Encoder and item table must be a pair that scores can be computed from. */
static topn_status check_shapes(topn_context *context, const topn_model *model)
{
    const embedding_table *rows = &model->encoder.rows;
    const item_table_kind kind = model->table.kind;
    if (model->encoder.kind == ENCODER_CONSTANT)
        return kind == ITEMS_NONE ? TOPN_OK
                                  : fail(context, TOPN_ERROR_FORMAT, "model: a constant encoder takes no item table");
    if (kind == ITEMS_NONE)
        return fail(context, TOPN_ERROR_FORMAT, "model: this encoder needs an item table");
    if (model->encoder.kind == ENCODER_FIELDS || model->encoder.kind == ENCODER_NETWORK) {
        const embedding_table *own = &model->table.rows;
        if (kind == ITEMS_OWN && own->form == TABLE_DENSE && own->dense.rows == model->items &&
            own->dense.columns == model_dimensions(model))
            return TOPN_OK;
        return fail(context, TOPN_ERROR_FORMAT, "model: the item table does not fit an encoder of %zu dimensions",
                    model_dimensions(model));
    }
    if (rows->form == TABLE_NONE || embedding_rows(rows) != model->items)
        return fail(context, TOPN_ERROR_FORMAT, "model: the encoder has %zu rows for %" PRIu32 " items",
                    embedding_rows(rows), model->items);
    const bool own = kind == ITEMS_OWN;
    if (own && embedding_rows(&model->table.rows) != model->items)
        return fail(context, TOPN_ERROR_FORMAT, "model: the item table has %zu rows for %" PRIu32 " items",
                    embedding_rows(&model->table.rows), model->items);
    const size_t wanted = own                      ? embedding_dimensions(&model->table.rows)
                          : kind == ITEMS_IDENTITY ? model->items
                                                   : embedding_dimensions(rows);
    if (embedding_dimensions(rows) != wanted)
        return fail(context, TOPN_ERROR_FORMAT, "model: the encoder has %zu dimensions, the item table %zu",
                    embedding_dimensions(rows), wanted);
    return TOPN_OK;
}

/* The cut to use: 0 where it would keep everything. */
static topn_status choose_cut(topn_context *context, const topn_retriever *retriever, int64_t wanted, uint32_t *out)
{
    const uint64_t cut = wanted ? (uint64_t)wanted : retriever->model->encoder.cut;
    if (wanted && !retriever->rows)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "option --cut: this model has no user embedding to cut, %s",
                    retriever->model->encoder.kind == ENCODER_CONSTANT ? "it scores every history alike"
                                                                       : "it maps a history to the scores themselves");
    *out = retriever->rows && cut < embedding_dimensions(retriever->rows) ? (uint32_t)cut : 0;
    return TOPN_OK;
}

topn_status retriever_create(topn_context *context, const topn_model *model, const retriever_params *params,
                             topn_retriever **out)
{
    topn_status status;
    topn_retriever *retriever = NULL;
    *out = NULL;
    TRY(check_shapes(context, model));
    TRY(ALLOCATE_ZEROED(context, 1, &retriever));
    retriever->model = model;
    retriever->kind = &retriever_exact;
    retriever->block_memory = params ? params->block_memory : UINT64_C(64) << 20;
    retriever->rows = model_item_rows(model);
    TRY(choose_cut(context, retriever, params ? params->cut : 0, &retriever->cut));
    TRY(retriever_cache_create(context, &retriever->cache));
    *out = retriever;
    return TOPN_OK;
done:
    retriever_free(retriever);
    return status;
}

topn_status retriever_open(topn_context *context, const topn_model *model, const retriever_kind *kind,
                           const void *params, topn_retriever **out)
{
    topn_status status;
    topn_retriever *retriever = NULL;
    *out = NULL;
    if (!kind->index)
        return retriever_create(context, model, params, out);
    const model_index *arrays = model_find_index(model, kind->name);
    if (!arrays)
        return fail(context, TOPN_ERROR_NOT_FOUND,
                    "this model has no index of kind %s; `topn index MODEL --retriever %s` builds one", kind->name,
                    kind->name);
    TRY(retriever_create(context, model, NULL, &retriever));
    if (!retriever->rows)
        TRY(fail(context, TOPN_ERROR_UNSUPPORTED, "index %s: this model has no item embeddings to search among",
                 kind->name));
    TRY(kind->index->check(context, model));
    TRY(kind->index->open(context, model, arrays, params, &retriever->view));
    retriever->kind = kind;
    *out = retriever;
    return TOPN_OK;
done:
    retriever_free(retriever);
    return status;
}

void retriever_free(topn_retriever *retriever)
{
    if (!retriever)
        return;
    if (retriever->view)
        retriever->kind->index->close(retriever->view);
    retriever_cache_free(retriever->cache);
    free(retriever);
}
