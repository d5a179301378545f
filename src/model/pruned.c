/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pruned.h"

#include <inttypes.h>

#include "base/memory.h"
#include "numeric/prune.h"

const char *model_prune_mode_name(topn_prune_mode mode)
{
    switch (mode) {
    case TOPN_PRUNE_ROW:
        return "row";
    case TOPN_PRUNE_GLOBAL:
        return "global";
    case TOPN_PRUNE_ITEM:
        return "item";
    }
    return NULL;
}

static topn_status prune_dense(topn_context *context, const dense_matrix *from, uint32_t k, topn_prune_mode mode,
                               sparse_matrix *out)
{
    switch (mode) {
    case TOPN_PRUNE_ROW:
        return prune_rows(context, from, k, false, NULL, out);
    case TOPN_PRUNE_GLOBAL:
        return prune_global(context, from, (uint64_t)k * from->rows, out);
    case TOPN_PRUNE_ITEM:
        return prune_columns(context, from, k, out);
    }
    return fail(context, TOPN_ERROR_ARGUMENT, "there is no mode %d of pruning", (int)mode);
}

static topn_status prune_sparse(topn_context *context, const sparse_matrix *from, uint32_t k, topn_prune_mode mode,
                                sparse_matrix *out)
{
    switch (mode) {
    case TOPN_PRUNE_ROW:
        return prune_sparse_rows(context, from, k, out);
    case TOPN_PRUNE_GLOBAL:
        return prune_sparse_global(context, from, (uint64_t)k * from->rows, out);
    case TOPN_PRUNE_ITEM:
        return prune_sparse_columns(context, from, k, out);
    }
    return fail(context, TOPN_ERROR_ARGUMENT, "there is no mode %d of pruning", (int)mode);
}

static topn_status prune_table(topn_context *context, const embedding_table *from, uint32_t k, topn_prune_mode mode,
                               embedding_table *out)
{
    if (from->form == TABLE_NONE)
        return TOPN_OK;
    const topn_status status = from->form == TABLE_DENSE ? prune_dense(context, &from->dense, k, mode, &out->sparse)
                                                         : prune_sparse(context, &from->sparse, k, mode, &out->sparse);
    if (status == TOPN_OK)
        out->form = TABLE_SPARSE;
    return status;
}

/* Bytes of the pruned table and of the scratch on the way to it. */
static uint64_t pruning_bytes(const topn_context *context, const embedding_table *table, uint32_t k,
                              topn_prune_mode mode)
{
    const uint64_t rows = embedding_rows(table), columns = embedding_dimensions(table);
    const uint64_t threads = (uint64_t)context->threads;
    const uint64_t cells = table->form == TABLE_SPARSE ? table->sparse.indptr[rows] : rows * columns;
    const uint64_t kept = k < columns ? k * rows : cells;
    uint64_t bytes = 8 * (kept < cells ? kept : cells) + 32 * rows;
    if (mode == TOPN_PRUNE_ROW)
        bytes += 4 * threads * columns;
    else if (mode == TOPN_PRUNE_GLOBAL)
        bytes += 8 * (threads + 1) * UINT64_C(65536);
    else if (table->form == TABLE_SPARSE)
        bytes += 8 * (cells + kept);
    else
        bytes += threads * 68 * rows + 16 * columns;
    return bytes;
}

topn_status model_copy_pruned(topn_context *context, const topn_model *model, uint32_t k, topn_prune_mode mode,
                              topn_model **out)
{
    topn_status status;
    topn_model *copy = NULL;
    *out = NULL;
    if (model->encoder.kind == ENCODER_NETWORK)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "a network's output meets the items' rows in all of their numbers: this model cannot be pruned; "
                    "train it with fewer factors");
    if (model->encoder.kind == ENCODER_FIELDS)
        return fail(
            context, TOPN_ERROR_UNSUPPORTED,
            "a user's row is solved for with all numbers of the items' rows: this model cannot be pruned; train "
            "it with fewer factors");
    if (model->encoder.rows.form == TABLE_NONE)
        return fail(context, TOPN_ERROR_UNSUPPORTED, "this model's scores are biases alone: there is nothing to prune");
    if (mode == TOPN_PRUNE_ITEM && model->table.kind != ITEMS_IDENTITY)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "mode item prunes the columns of an items × items table; in this model the rows are the items': "
                    "prune by row");
    TRY(memory_check(context, "pruning the model",
                     pruning_bytes(context, &model->encoder.rows, k, mode) +
                         pruning_bytes(context, &model->table.rows, k, mode),
                     "keep fewer numbers"));
    TRY(model_copy_frame(context, model, &copy));
    TRY(prune_table(context, &model->encoder.rows, k, mode, &copy->encoder.rows));
    TRY(prune_table(context, &model->table.rows, k, mode, &copy->table.rows));
    *out = copy;
    return TOPN_OK;
done:
    topn_model_free(copy);
    return status;
}
