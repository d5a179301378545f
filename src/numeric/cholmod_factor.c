/* SPDX-License-Identifier: Apache-2.0 */
#include "numeric/cholmod_factor.h"

#include <cholmod.h>
#include <math.h>

#include "base/memory.h"
#include "numeric/sparse.h"

/* A's upper triangle by columns, which is the lower one by rows. NULL without memory. */
static cholmod_sparse *copy_triangle(const sparse_matrix *off_diagonal, double diagonal, cholmod_common *common)
{
    const uint32_t n = off_diagonal->rows;
    size_t entries = n;
    for (uint32_t row = 0; row < n; row++)
        for (uint64_t at = off_diagonal->indptr[row]; at < off_diagonal->indptr[row + 1]; at++)
            entries += off_diagonal->indices[at] < row;
    cholmod_sparse *a = cholmod_l_allocate_sparse(n, n, entries, 1, 1, 1, CHOLMOD_REAL, common);
    if (!a)
        return NULL;
    SuiteSparse_long *starts = a->p, *indices = a->i, to = 0;
    double *values = a->x;
    for (uint32_t row = 0; row < n; row++) {
        starts[row] = to;
        for (uint64_t at = off_diagonal->indptr[row]; at < off_diagonal->indptr[row + 1]; at++) {
            if (off_diagonal->indices[at] >= row)
                break;
            indices[to] = off_diagonal->indices[at];
            values[to++] = off_diagonal->values[at];
        }
        indices[to] = row;
        values[to++] = diagonal;
    }
    starts[n] = to;
    return a;
}

/* L from columns to rows, in single precision. */
static topn_status copy_factor(topn_context *context, const cholmod_factor *factor, sparse_matrix *l, uint32_t *order)
{
    topn_status status;
    const uint32_t n = (uint32_t)factor->n;
    const SuiteSparse_long *starts = factor->p, *indices = factor->i, *counts = factor->nz, *permutation = factor->Perm;
    const double *values = factor->x;
    sparse_matrix columns = {0};
    uint64_t entries = 0;
    for (uint32_t column = 0; column < n; column++)
        entries += (uint64_t)counts[column];
    TRY(sparse_create(context, n, n, entries, &columns));
    for (uint32_t column = 0; column < n; column++) {
        uint64_t to = columns.indptr[column];
        for (SuiteSparse_long at = starts[column]; at < starts[column] + counts[column]; at++, to++) {
            columns.indices[to] = (uint32_t)indices[at];
            columns.values[to] = (float)values[at];
        }
        columns.indptr[column + 1] = to;
        order[column] = (uint32_t)permutation[column];
    }
    TRY(sparse_transpose(context, &columns, l));
done:
    sparse_clear(&columns);
    return status;
}

topn_status sparse_cholesky(topn_context *context, const sparse_matrix *off_diagonal, double diagonal, sparse_matrix *l,
                            uint32_t *order, bool *definite)
{
    topn_status status = TOPN_OK;
    cholmod_common common;
    cholmod_factor *factor = NULL;
    *l = (sparse_matrix){0};
    *definite = false;
    cholmod_l_start(&common);
    common.print = 0;
    common.supernodal = CHOLMOD_SIMPLICIAL;
    common.final_ll = 1;
    common.nmethods = 1;
    common.method[0].ordering = CHOLMOD_AMD;
    cholmod_sparse *a = copy_triangle(off_diagonal, diagonal, &common);
    TRY(progress_report(context, "analyse", "rows", 0, off_diagonal->rows, NAN));
    if (a)
        factor = cholmod_l_analyze(a, &common);
    if (factor) {
        /* Doubles and their indices, then two single precision copies. */
        TRY(memory_check(context, "the sparse factor", (uint64_t)(32 * common.lnz),
                         "use a smaller --k, or method chol"));
        TRY(progress_report(context, "factor sparse", "rows", 0, off_diagonal->rows, NAN));
        cholmod_l_factorize(a, factor, &common);
    }
    if (!factor || common.status < 0) {
        status = fail(context, TOPN_ERROR_MEMORY, "CHOLMOD ran out of memory; use a smaller --k, or method chol");
        goto done;
    }
    *definite = common.status == CHOLMOD_OK && factor->minor == factor->n;
    if (*definite)
        TRY(copy_factor(context, factor, l, order));
done:
    cholmod_l_free_factor(&factor, &common);
    cholmod_l_free_sparse(&a, &common);
    cholmod_l_finish(&common);
    return status;
}
