/* SPDX-License-Identifier: Apache-2.0
 *
 * Sparse matrices as scipy.sparse.save_npz writes them: a zip archive of the arrays of compressed sparse rows. Rows are
 * users, columns items; ids are their numbers from 0. Rows and columns without entries are kept.
 */
#include "base/memory.h"
#include "ingest/events.h"
#include "ingest/npy.h"
#include "ingest/source.h"
#include "ingest/zip.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum part { INDPTR, INDICES, DATA, SHAPE, FORM, PARTS } part;
static const char *const part_names[PARTS] = {"indptr.npy", "indices.npy", "data.npy", "shape.npy", "format.npy"};

typedef struct csr_file {
    const char *path;
    zip_member members[PARTS];
    npy_array arrays[PARTS];
    uint64_t rows, columns;
} csr_file;

static topn_status load(topn_context *context, const zip_archive *archive, csr_file *file)
{
    topn_status status = TOPN_OK;
    for (part at = 0; at < PARTS; at++) {
        char what[320];
        snprintf(what, sizeof what, "%.256s: %s", archive->path, part_names[at]);
        TRY(zip_read(context, archive, part_names[at], &file->members[at]));
        if (!file->members[at].bytes)
            return fail(context, TOPN_ERROR_FORMAT, "%s is missing; write the file with scipy.sparse.save_npz", what);
        TRY(npy_parse(context, what, file->members[at].bytes, file->members[at].size, &file->arrays[at]));
    }
done:
    return status;
}

static topn_status check(topn_context *context, csr_file *file)
{
    const npy_array *arrays = file->arrays, *form = &arrays[FORM];
    char name[16] = "";
    if (form->kind == 'S' && form->count == 1)
        memcpy(name, form->values, (size_t)form->width < sizeof name - 1 ? (size_t)form->width : sizeof name - 1);
    if (strcmp(name, "csr") != 0)
        return fail(context, TOPN_ERROR_UNSUPPORTED,
                    "%s: the matrix is in form \"%s\"; save it as csr (matrix.tocsr())", file->path, name);
    if (arrays[SHAPE].count != 2 || !npy_whole(&arrays[SHAPE], 0, &file->rows) ||
        !npy_whole(&arrays[SHAPE], 1, &file->columns))
        return fail(context, TOPN_ERROR_FORMAT, "%s: its shape is not two whole numbers", file->path);
    if (file->rows >= ID_TEXT || file->columns >= ID_TEXT)
        return fail(context, TOPN_ERROR_DATA,
                    "%s: a %" PRIu64 " × %" PRIu64 " matrix; at most 2147483647 users and items are possible",
                    file->path, file->rows, file->columns);
    if (arrays[INDPTR].count != file->rows + 1 || arrays[INDICES].count != arrays[DATA].count)
        return fail(context, TOPN_ERROR_FORMAT,
                    "%s: %" PRIu64 " row starts, %" PRIu64 " columns and %" PRIu64 " values don't fit %" PRIu64 " rows",
                    file->path, arrays[INDPTR].count, arrays[INDICES].count, arrays[DATA].count, file->rows);
    return TOPN_OK;
}

static topn_status pour_row(topn_context *context, const csr_file *file, uint64_t row, uint64_t begin, uint64_t end,
                            event_run *run)
{
    const npy_array *indices = &file->arrays[INDICES], *values = &file->arrays[DATA];
    for (uint64_t at = begin; at < end; at++) {
        uint64_t column;
        const double value = npy_real(values, at);
        if (!npy_whole(indices, at, &column) || column >= file->columns)
            return fail(context, TOPN_ERROR_DATA, "%s: entry %" PRIu64 " of row %" PRIu64 " lies outside the matrix",
                        file->path, at - begin, row);
        if (!isfinite((float)value) || value < 0)
            return fail(context, TOPN_ERROR_DATA,
                        "%s: value %g at row %" PRIu64 ", column %" PRIu64 " is not finite and at least 0", file->path,
                        value, row, column);
        if (value == 0)
            run->zeros++;
        else if (!event_run_append(run, (uint32_t)row, (uint32_t)column, (float)value, 0))
            return fail_memory(context, run->capacity * 12);
    }
    return TOPN_OK;
}

static topn_status pour(topn_context *context, const csr_file *file, event_sink *sink)
{
    topn_status status;
    size_t first;
    uint64_t begin, end;
    const npy_array *indptr = &file->arrays[INDPTR];
    TRY(event_sink_runs(context, sink, 1, &first));
    event_run_begin(sink, first, 0);
    event_run *run = sink->runs[first];
    TRY(memory_check(context, "reading this matrix", file->arrays[INDICES].count * 24, NULL));
    if (!npy_whole(indptr, 0, &begin) || begin != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: indptr does not start with 0", file->path);
    for (uint64_t row = 0; row < file->rows; row++, begin = end) {
        if (!npy_whole(indptr, row + 1, &end) || end < begin || end > file->arrays[INDICES].count)
            return fail(context, TOPN_ERROR_FORMAT, "%s: indptr is wrong at row %" PRIu64, file->path, row);
        TRY(pour_row(context, file, row, begin, end, run));
        if (row % 65536 == 0)
            TRY(progress_report(context, "read", "rows", row, file->rows, NAN));
    }
    if (begin != file->arrays[INDICES].count)
        status = fail(context, TOPN_ERROR_FORMAT, "%s: indptr ends at %" PRIu64 " of %" PRIu64 " entries", file->path,
                      begin, file->arrays[INDICES].count);
done:
    return status;
}

/* Whether any value differs from 1: else the matrix says only who chose what. */
static bool any_weight(const npy_array *values)
{
    for (uint64_t at = 0; at < values->count; at++)
        if (npy_real(values, at) != 1.0)
            return true;
    return false;
}

static topn_status read_npz(topn_context *context, source *from, const reader_params *params, event_sink *sink)
{
    (void)params;
    topn_status status;
    const unsigned char *bytes;
    size_t size;
    zip_archive archive;
    csr_file file = {.path = source_path(from)};
    TRY(source_rest(context, from, &bytes, &size));
    TRY(zip_open(context, source_path(from), bytes, size, &archive));
    TRY(load(context, &archive, &file));
    TRY(check(context, &file));
    sink->has_weights = any_weight(&file.arrays[DATA]);
    sink->all_users = file.rows;
    sink->all_items = file.columns;
    static const char columns[] = "user=row, item=column, weight=value";
    log_line(context, "columns: %s", columns);
    TRY(event_sink_describe(context, sink, "npz", columns));
    TRY(event_sink_check_shape(context, file.rows, file.columns));
    status = pour(context, &file, sink);
done:
    for (part at = 0; at < PARTS; at++)
        free(file.members[at].owned);
    return status;
}

static int probe(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    return size >= 4 && memcmp(head, "PK\3\4", 4) == 0 ? 90 : 0;
}

const format format_npz = {
    .name = "npz",
    .summary = "SciPy's sparse .npz in compressed sparse rows: rows users, columns items",
    .probe = probe,
    .read = read_npz,
};
