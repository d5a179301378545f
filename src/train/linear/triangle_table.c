/* SPDX-License-Identifier: Apache-2.0 */
#include "train/linear/triangle_table.h"

#include "numeric/prune_stream.h"

/* A triangle whose rows are taken in another order. */
typedef struct ordered_triangle {
    const symmetric *triangle;
    const uint32_t *position; /* [n] */
} ordered_triangle;

static void make_rows(const void *matrix, size_t first, size_t count, float *scratch, const float **row, size_t *width)
{
    (void)scratch;
    const ordered_triangle *from = matrix;
    for (size_t i = 0; i < count; i++) {
        row[i] = symmetric_row(from->triangle, from->position[first + i]);
        width[i] = (size_t)from->position[first + i] + 1;
    }
}

/* As many as fit the type that pruning counts in. */
static uint32_t at_most(int64_t k)
{
    return k < UINT32_MAX ? (uint32_t)k : UINT32_MAX;
}

static embedding_table dense_table(symmetric *a)
{
    const embedding_table out = {.form = TABLE_DENSE, .dense = {.values = a->values, .rows = a->n, .columns = a->n}};
    a->values = NULL;
    return out;
}

topn_status keep_triangle_rows(topn_context *context, symmetric *l, int64_t k, int storage, const uint32_t *position,
                               embedding_table *out)
{
    topn_status status;
    if (linear_keeps_all(k, storage, (uint32_t)l->n)) {
        triangle_clear_upper(context, l);
        TRY(square_reorder_rows(context, l, position));
        *out = dense_table(l);
    } else {
        const ordered_triangle from = {.triangle = l, .position = position};
        const row_stream stream = {.rows = l->n, .columns = l->n, .matrix = &from, .make = make_rows};
        TRY(stream_prune_rows(context, &stream, at_most(k), &out->sparse));
        out->form = TABLE_SPARSE;
    }
done:
    return status;
}
