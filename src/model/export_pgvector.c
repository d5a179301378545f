/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export_text.h"

#include <inttypes.h>

/* pgvector's own limits. */
enum { MOST_NONZEROS = 16000, MOST_DIMENSIONS = 16000, MOST_SPARSE_DIMENSIONS = 1000000000 };

static topn_status write_dense(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item)
{
    topn_status status;
    TRY(export_copy_field(writer, string_table_get(&model->item_ids, item)));
    TRY(file_write(writer, "\t[", 2));
    for (uint64_t at = 0; at < row->count; at++) {
        if (at)
            TRY(file_write(writer, ",", 1));
        TRY(export_number(writer, row->values[at] * row->scale));
    }
    TRY(file_write(writer, "]\n", 2));
done:
    return status;
}

static topn_status write_sparse(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item)
{
    topn_status status;
    TRY(export_copy_field(writer, string_table_get(&model->item_ids, item)));
    TRY(file_write(writer, "\t{", 2));
    for (uint64_t at = 0; at < row->count; at++) { /* sparsevec counts from 1 */
        TRY(file_print(writer, at ? ",%" PRIu64 ":" : "%" PRIu64 ":", (uint64_t)row->indices[at] + 1));
        TRY(export_number(writer, row->values[at] * row->scale));
    }
    TRY(file_print(writer, "}/%zu\n", embedding_dimensions(&model->encoder.rows)));
done:
    return status;
}

static topn_status check_limits(topn_context *context, const topn_model *model, const embedding_table *rows)
{
    const size_t dimensions = embedding_dimensions(rows);
    const size_t most = rows->form == TABLE_DENSE ? MOST_DIMENSIONS : MOST_SPARSE_DIMENSIONS;
    if (dimensions < 1 || dimensions > most)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "pgvector's %s takes 1 to %zu dimensions, this table has %zu: export npz, or train with --k",
                    rows->form == TABLE_DENSE ? "vector" : "sparsevec", most, dimensions);
    for (uint32_t item = 0; rows->form == TABLE_SPARSE && item < rows->sparse.rows; item++) {
        const uint64_t count = rows->sparse.indptr[item + 1] - rows->sparse.indptr[item];
        if (count > MOST_NONZEROS)
            return fail(context, TOPN_ERROR_UNSUPPORTED,
                        "pgvector's sparsevec takes at most %d non-zeros, item %.100s has %" PRIu64
                        ": train with --k %d or less",
                        MOST_NONZEROS, string_table_get(&model->item_ids, item), count, MOST_NONZEROS);
    }
    return TOPN_OK;
}

static topn_status write_pgvector(topn_context *context, const topn_model *model, const embedding_table *rows,
                                  const float *priors, const void *params, const char *path)
{
    const topn_status status = check_limits(context, model, rows);
    if (status != TOPN_OK)
        return status;
    return export_items(context, model, rows, priors, params, path, "",
                        rows->form == TABLE_DENSE ? write_dense : write_sparse);
}

const exporter exporter_pgvector = {
    .name = "pgvector",
    .summary = "PostgreSQL COPY text: id, then a pgvector sparsevec {1:0.5,3:-1}/dimensions or vector [0.5,0,-1]",
    .options = &export_option_table,
    .write = write_pgvector,
};
