/* SPDX-License-Identifier: Apache-2.0 */
#include "model/exporter.h"

#include <inttypes.h>
#include <math.h>

#include "base/file.h"

/* The array form is column-major, by its definition. */
static topn_status write_dense(topn_context *context, file_writer *writer, const dense_matrix *rows,
                               const float *priors, const export_params *params)
{
    topn_status status;
    TRY(file_print(writer, "%%%%MatrixMarket matrix array real general\n%zu %zu\n", rows->rows, rows->columns));
    for (size_t column = 0; column < rows->columns; column++) {
        for (size_t row = 0; row < rows->rows; row++) {
            const float value = rows->values[row * rows->columns + column];
            TRY(file_print(writer, "%.9g\n", (double)(value * export_scale(params, priors, (uint32_t)row))));
        }
        TRY(progress_report(context, "export", "columns", column + 1, rows->columns, NAN));
    }
done:
    return status;
}

static topn_status write_sparse(topn_context *context, file_writer *writer, const sparse_matrix *rows,
                                const float *priors, const export_params *params)
{
    topn_status status;
    TRY(file_print(writer, "%%%%MatrixMarket matrix coordinate real general\n%" PRIu32 " %" PRIu32 " %" PRIu64 "\n",
                   rows->rows, rows->columns, rows->indptr[rows->rows]));
    for (uint32_t row = 0; row < rows->rows; row++) {
        const float scale = export_scale(params, priors, row);
        for (uint64_t at = rows->indptr[row]; at < rows->indptr[row + 1]; at++)
            TRY(file_print(writer, "%" PRIu32 " %" PRIu64 " %.9g\n", row + 1, (uint64_t)rows->indices[at] + 1,
                           (double)(rows->values[at] * scale)));
        if (row % 1024 == 0)
            TRY(progress_report(context, "export", "rows", row, rows->rows, NAN));
    }
done:
    return status;
}

static topn_status write_mtx(topn_context *context, const topn_model *model, const embedding_table *rows,
                             const float *priors, const void *params, const char *path)
{
    (void)model;
    topn_status status;
    file_writer *writer = NULL;
    TRY(file_create(context, path, &writer));
    if (rows->form == TABLE_DENSE)
        TRY(write_dense(context, writer, &rows->dense, priors, params));
    else
        TRY(write_sparse(context, writer, &rows->sparse, priors, params));
    status = file_commit(writer);
    writer = NULL;
done:
    file_abandon(writer);
    return status;
}

const exporter exporter_mtx = {
    .name = "mtx",
    .summary = "Matrix Market text: coordinate (sparse) or array (dense), one row per item",
    .options = &export_option_table,
    .write = write_mtx,
};
