/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/incomplete_ldl.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "numeric/prune.h"
#include "numeric/sparse.h"
#include "train/linear/gram_rows.h"

enum { COLUMN_BATCH = 1024 }; /* columns between two reports of progress */
static const uint32_t NO_COLUMN = UINT32_MAX;

/* The column that is being made, and which finished columns reach into which row. */
typedef struct builder {
    const linear_system *system;
    const double *scaling;
    incomplete_ldl *factor;
    uint32_t keep;
    gram_row gram;
    double *sums;       /* [items] the column, 0 between columns */
    uint8_t *touched;   /* [items] */
    uint32_t *rows;     /* [items] the touched rows */
    uint32_t count;     /* of them */
    uint64_t *next;     /* [items] of each finished column its first entry not yet used */
    uint32_t *first;    /* [items] of each row a list of the columns whose next entry lies in it */
    uint32_t *following; /* [items] the list's links */
    float *packed;      /* [items] the column's values in ascending rows */
    uint32_t *scratch;  /* [items] */
    uint32_t *chosen;   /* [keep] places in `packed` */
} builder;

static void builder_clear(builder *work)
{
    gram_row_clear(&work->gram);
    free(work->sums);
    free(work->touched);
    free(work->rows);
    free(work->next);
    free(work->first);
    free(work->following);
    free(work->packed);
    free(work->scratch);
    free(work->chosen);
}

static topn_status builder_create(topn_context *context, builder *out)
{
    topn_status status;
    const uint32_t n = out->system->x.columns;
    TRY(gram_row_create(context, n, &out->gram));
    TRY(ALLOCATE_ZEROED(context, n, &out->sums));
    TRY(ALLOCATE_ZEROED(context, n, &out->touched));
    TRY(ALLOCATE(context, n, &out->rows));
    TRY(ALLOCATE(context, n, &out->next));
    TRY(ALLOCATE(context, n, &out->first));
    TRY(ALLOCATE(context, n, &out->following));
    TRY(ALLOCATE(context, n, &out->packed));
    TRY(ALLOCATE(context, n, &out->scratch));
    TRY(ALLOCATE(context, out->keep, &out->chosen));
    for (uint32_t row = 0; row < n; row++)
        out->first[row] = NO_COLUMN;
done:
    return status; /* the caller clears */
}

static inline void add(builder *work, uint32_t row, double value)
{
    if (!work->touched[row]) {
        work->touched[row] = 1;
        work->rows[work->count++] = row;
    }
    work->sums[row] += value;
}

/* The entries of G below the diagonal of column j; gives the diagonal. */
static double add_gram(builder *work, uint32_t j)
{
    const double scale = work->scaling[j];
    gram_row_fill(work->system, j, 0, &work->gram);
    for (uint32_t at = 0; at < work->gram.count; at++) {
        const uint32_t row = work->gram.columns[at];
        if (row > j)
            add(work, row, scale * work->scaling[row] * work->gram.values[row]);
    }
    const double diagonal = scale * scale * (work->gram.values[j] + work->system->ridge[j]);
    gram_row_reset(&work->gram);
    return diagonal;
}

/* Puts a finished column into the list of the row of its next entry. */
static void enlist(builder *work, uint32_t column)
{
    const sparse_matrix *columns = &work->factor->columns;
    if (work->next[column] == columns->indptr[column + 1])
        return;
    const uint32_t row = columns->indices[work->next[column]];
    work->following[column] = work->first[row];
    work->first[row] = column;
}

/* Subtracts what the earlier columns give to column j; gives what they take from the pivot. */
static double subtract_columns(builder *work, uint32_t j)
{
    const sparse_matrix *columns = &work->factor->columns;
    double taken = 0;
    for (uint32_t k = work->first[j], after; k != NO_COLUMN; k = after) {
        after = work->following[k];
        const uint64_t end = columns->indptr[k + 1];
        uint64_t at = work->next[k]++;
        const double scale = columns->values[at] * work->factor->pivots[k];
        taken += columns->values[at] * scale;
        for (at++; at < end; at++)
            add(work, columns->indices[at], -scale * columns->values[at]);
        enlist(work, k);
    }
    return taken;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The largest of the sums, divided by the pivot, become column j; the sums become 0 again. */
static void keep_column(builder *work, uint32_t j)
{
    sparse_matrix *columns = &work->factor->columns;
    const uint64_t begin = columns->indptr[j];
    qsort(work->rows, work->count, sizeof *work->rows, ascending);
    for (uint32_t at = 0; at < work->count; at++) {
        const uint32_t row = work->rows[at];
        work->packed[at] = (float)(work->sums[row] / work->factor->pivots[j]);
        work->sums[row] = 0;
        work->touched[row] = 0;
    }
    const uint32_t kept =
        prune_row(work->packed, work->count, work->keep, work->scratch, work->chosen, columns->values + begin);
    for (uint32_t at = 0; at < kept; at++)
        columns->indices[begin + at] = work->rows[work->chosen[at]];
    columns->indptr[j + 1] = begin + kept;
    work->count = 0;
    work->next[j] = begin;
    enlist(work, j);
}

static topn_status make_columns(topn_context *context, builder *work)
{
    topn_status status = TOPN_OK;
    const uint32_t n = work->system->x.columns;
    for (uint32_t j = 0; j < n; j++) {
        if (j % COLUMN_BATCH == 0)
            TRY(progress_report(context, "factor", "columns", j, n, NAN));
        const double least = work->scaling[j] * work->scaling[j] * work->system->ridge[j];
        const double diagonal = add_gram(work, j);
        double pivot = diagonal - subtract_columns(work, j);
        if (!(pivot >= least)) {
            work->factor->raised += pivot < 0.999 * least; /* not for rounding alone */
            pivot = least;
        }
        if (!(pivot > 1e-12 * diagonal)) {
            status = fail(context, TOPN_ERROR_NUMERIC, "the Gram matrix plus ridge is singular; raise --l2");
            goto done;
        }
        work->factor->pivots[j] = pivot;
        keep_column(work, j);
    }
    status = progress_report(context, "factor", "columns", n, n, NAN);
done:
    return status;
}

topn_status incomplete_ldl_create(topn_context *context, const linear_system *system, const double *scaling,
                                  uint32_t keep, incomplete_ldl *out)
{
    topn_status status;
    const uint32_t n = system->x.columns;
    builder work = {.system = system, .scaling = scaling, .factor = out, .keep = keep};
    *out = (incomplete_ldl){0};
    TRY(sparse_create(context, n, n, (uint64_t)n * keep, &out->columns));
    TRY(ALLOCATE(context, n, &out->pivots));
    TRY(builder_create(context, &work));
    TRY(make_columns(context, &work));
done:
    builder_clear(&work);
    if (status != TOPN_OK)
        incomplete_ldl_clear(out);
    return status;
}

void incomplete_ldl_clear(incomplete_ldl *factor)
{
    sparse_clear(&factor->columns);
    free(factor->pivots);
    *factor = (incomplete_ldl){0};
}

uint64_t incomplete_ldl_bytes(uint64_t items, uint64_t keep)
{
    return 8 * items * keep + 64 * items + gram_row_bytes(items);
}
