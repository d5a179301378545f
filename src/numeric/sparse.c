/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/sparse.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

topn_status sparse_create(topn_context *context, uint32_t rows, uint32_t columns, uint64_t nonzeros, sparse_matrix *out)
{
    topn_status status;
    *out = (sparse_matrix){.rows = rows, .columns = columns};
    TRY(ALLOCATE(context, (size_t)rows + 1, &out->indptr));
    TRY(ALLOCATE(context, nonzeros, &out->indices));
    TRY(ALLOCATE(context, nonzeros, &out->values));
    out->indptr[0] = 0;
    return TOPN_OK;
done:
    sparse_clear(out);
    return status;
}

topn_status sparse_copy(topn_context *context, const sparse_matrix *from, sparse_matrix *out)
{
    const uint64_t entries = from->indptr[from->rows];
    const topn_status status = sparse_create(context, from->rows, from->columns, entries, out);
    if (status != TOPN_OK)
        return status;
    memcpy(out->indptr, from->indptr, ((size_t)from->rows + 1) * sizeof *out->indptr);
    if (entries)
        memcpy(out->indices, from->indices, entries * sizeof *out->indices);
    for (uint64_t at = 0; at < entries; at++)
        out->values[at] = from->values ? from->values[at] : 1.0f;
    return TOPN_OK;
}

void sparse_clear(sparse_matrix *matrix)
{
    free(matrix->indptr);
    free(matrix->indices);
    free(matrix->values);
    *matrix = (sparse_matrix){0};
}

topn_status sparse_close_up(topn_context *context, sparse_matrix *matrix, uint64_t room)
{
    topn_status status;
    for (size_t row = 0; row < matrix->rows; row++) {
        const uint64_t count = matrix->indptr[row + 1], to = matrix->indptr[row];
        memmove(matrix->indices + to, matrix->indices + row * room, count * sizeof *matrix->indices);
        memmove(matrix->values + to, matrix->values + row * room, count * sizeof *matrix->values);
        matrix->indptr[row + 1] = to + count;
    }
    TRY(RESIZE(context, matrix->indptr[matrix->rows], &matrix->indices));
    TRY(RESIZE(context, matrix->indptr[matrix->rows], &matrix->values));
done:
    return status;
}

topn_status sparse_transpose(topn_context *context, const sparse_matrix *matrix, sparse_matrix *out)
{
    const uint64_t nonzeros = matrix->indptr[matrix->rows];
    const topn_status status = sparse_create(context, matrix->columns, matrix->rows, nonzeros, out);
    if (status != TOPN_OK)
        return status;
    /* indptr[c + 1] counts column c, then runs ahead as its write position, and ends as its true end. */
    for (uint32_t column = 0; column <= matrix->columns; column++)
        out->indptr[column] = 0;
    for (uint64_t at = 0; at < nonzeros; at++)
        out->indptr[matrix->indices[at] + 1]++;
    uint64_t start = 0;
    for (uint32_t column = 0; column < matrix->columns; column++) {
        const uint64_t count = out->indptr[column + 1];
        out->indptr[column + 1] = start;
        start += count;
    }
    for (uint32_t row = 0; row < matrix->rows; row++) {
        for (uint64_t at = matrix->indptr[row]; at < matrix->indptr[row + 1]; at++) {
            const uint64_t to = out->indptr[matrix->indices[at] + 1]++;
            out->indices[to] = row;
            out->values[to] = matrix->values ? matrix->values[at] : 1.0f;
        }
    }
    return TOPN_OK;
}

topn_status sparse_close_gaps(topn_context *context, const uint32_t *counts, sparse_matrix *matrix)
{
    topn_status status;
    uint64_t to = 0;
    for (uint32_t r = 0; r < matrix->rows; r++) {
        const uint64_t from = matrix->indptr[r];
        memmove(matrix->indices + to, matrix->indices + from, counts[r] * sizeof *matrix->indices);
        memmove(matrix->values + to, matrix->values + from, counts[r] * sizeof *matrix->values);
        matrix->indptr[r] = to;
        to += counts[r];
    }
    matrix->indptr[matrix->rows] = to;
    TRY(RESIZE(context, to, &matrix->indices));
    TRY(RESIZE(context, to, &matrix->values));
done:
    return status;
}

topn_status sparse_check_offsets(topn_context *context, const sparse_matrix *matrix, const char *what)
{
    if (matrix->indptr[0] != 0)
        return fail(context, TOPN_ERROR_FORMAT, "%s: row offsets do not start at 0", what);
    for (uint32_t row = 0; row < matrix->rows; row++)
        if (matrix->indptr[row + 1] < matrix->indptr[row])
            return fail(context, TOPN_ERROR_FORMAT, "%s: offsets of row %" PRIu32 " go backwards", what, row);
    return TOPN_OK;
}

topn_status sparse_check(topn_context *context, const sparse_matrix *matrix, const char *what)
{
    /* All offsets first: the last bounds every read below. */
    const topn_status status = sparse_check_offsets(context, matrix, what);
    if (status != TOPN_OK)
        return status;
    for (uint32_t row = 0; row < matrix->rows; row++) {
        const uint64_t begin = matrix->indptr[row], end = matrix->indptr[row + 1];
        for (uint64_t at = begin; at < end; at++) {
            if (matrix->indices[at] >= matrix->columns)
                return fail(context, TOPN_ERROR_FORMAT,
                            "%s: row %" PRIu32 " has index %" PRIu32 ", but there are %" PRIu32 " columns", what, row,
                            matrix->indices[at], matrix->columns);
            if (at > begin && matrix->indices[at] <= matrix->indices[at - 1])
                return fail(context, TOPN_ERROR_FORMAT, "%s: indices of row %" PRIu32 " do not ascend", what, row);
            if (matrix->values && !isfinite(matrix->values[at]))
                return fail(context, TOPN_ERROR_FORMAT, "%s: row %" PRIu32 " holds a value that is not finite", what,
                            row);
        }
    }
    return TOPN_OK;
}
