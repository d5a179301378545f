/* SPDX-License-Identifier: Apache-2.0 */
#include "model/export_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static topn_status write_entries(file_writer *writer, const topn_model *model, const export_row *row, uint32_t item)
{
    (void)model;
    topn_status status = TOPN_OK;
    for (uint64_t at = 0; at < row->count; at++) {
        TRY(file_print(writer, "%" PRIu64 " %" PRIu64 " ", (uint64_t)item + 1, (uint64_t)row->indices[at] + 1));
        TRY(export_number(writer, row->values[at] * row->scale));
        TRY(file_write(writer, "\n", 1));
    }
done:
    return status;
}

/* The array form is column-major, by its definition. */
static topn_status write_columns(topn_context *context, file_writer *writer, const embedding_table *rows,
                                 const float *priors, const export_params *params)
{
    topn_status status;
    const size_t items = rows->dense.rows, columns = rows->dense.columns;
    TRY(file_print(writer, "%%%%MatrixMarket matrix array real general\n%zu %zu\n", items, columns));
    for (size_t column = 0; column < columns; column++) {
        for (size_t item = 0; item < items; item++) {
            const export_row row = export_row_of(rows, priors, params, (uint32_t)item);
            TRY(export_number(writer, row.values[column] * row.scale));
            TRY(file_write(writer, "\n", 1));
        }
        TRY(progress_report(context, "export", "columns", column, columns, NAN));
    }
done:
    return status;
}

static topn_status write_mtx(topn_context *context, const topn_model *model, const embedding_table *rows,
                             const float *priors, const void *params, const char *path)
{
    if (rows->form == TABLE_SPARSE) {
        const sparse_matrix *sparse = &rows->sparse;
        char heading[160];
        snprintf(heading, sizeof heading,
                 "%%%%MatrixMarket matrix coordinate real general\n%" PRIu32 " %" PRIu32 " %" PRIu64 "\n", sparse->rows,
                 sparse->columns, sparse->indptr[sparse->rows]);
        return export_items(context, model, rows, priors, params, path, heading, write_entries);
    }
    file_writer *writer = NULL;
    topn_status status = file_create(context, path, &writer);
    if (status != TOPN_OK)
        return status;
    status = write_columns(context, writer, rows, priors, params);
    if (status == TOPN_OK)
        return file_commit(writer);
    file_abandon(writer);
    return status;
}

const exporter exporter_mtx = {
    .name = "mtx",
    .summary = "Matrix Market text, one row per item; row numbers stand for the items",
    .options = &export_option_table,
    .write = write_mtx,
};
